//! The owners beneath the one that is measured, on threads of their own as in a node.

use actix::Addr;
use antiphon_actors::cert_registry::{AppendServerCert, CertReader, CertRegistry};
use antiphon_actors::clock::SharedClock;
use antiphon_actors::key_manager::{KeyManager, Serials, Settings};
use antiphon_actors::storage::Storage;
use antiphon_protocol::{Domain, KeyAlgorithm};
use tempfile::TempDir;

use super::asker::{Asker, start_elsewhere};
use super::folder;
use super::issuer::DOMAIN;

/// What sled may keep in memory, in MiB, as a node has it unless told otherwise.
const CACHE: u64 = 64;

/// A log that begins empty.
pub struct Log {
    pub clock: SharedClock,
    pub storage: Storage,
    pub registry: Addr<CertRegistry>,
    pub reader: CertReader,
    pub folder: TempDir,
}

impl Log {
    pub fn open(clock: SharedClock) -> Self {
        let folder = folder();
        let storage = Storage::open(&folder.path().join("db"), CACHE).unwrap();
        let registry = CertRegistry::open(storage.clone(), clock.clone()).unwrap();
        let reader = registry.reader();
        Self {
            clock,
            storage,
            registry: start_elsewhere(registry),
            reader,
            folder,
        }
    }

    /// A server's identity, logged.
    pub fn key_manager(&self, asker: &Asker, algorithm: KeyAlgorithm) -> Addr<KeyManager> {
        let keys = self.folder.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        let settings = Settings {
            domain: Domain::parse(DOMAIN).unwrap(),
            algorithm,
            server_cert_days: 180,
            session_cert_days: 60,
        };
        let (clock, now) = (self.clock.clone(), self.clock.now());
        let registry = self.registry.clone();
        let serials = asker.block_on(Serials::begin(&self.storage, &*clock));
        let serials = serials.unwrap();
        let manager = KeyManager::open(settings, clock, &keys, serials, None, now, registry);
        let manager = manager.unwrap();
        let cert = manager.current_cert().clone();
        let manager = start_elsewhere(manager);
        let logged = asker.block_on(self.registry.send(AppendServerCert { cert }));
        logged.unwrap().unwrap();
        manager
    }
}
