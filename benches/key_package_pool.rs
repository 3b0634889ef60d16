//! The KeyPackagePool through its messages, beside floors measured in the same run: openmls alone,
//! and the disk's own fdatasync.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use actix::{Actor as _, Addr, Arbiter, System};
use antiphon_actors::cert_registry::{CertRegistry, LiveCertOf, OpenSession, SessionRef};
use antiphon_actors::clock::{SharedClock, SystemClock};
use antiphon_actors::key_package_pool::{Claim, KeyPackagePool, Publish, Settings};
use antiphon_actors::storage::{Storage, WriteSet};
use antiphon_protocol::{
    ActorCert, ClientKey, Domain, Fid, IdCsr, KeyAlgorithm, KeyPackage, KeyPackageUse, PrivateKey,
    SerialNumber, SessionId, Snowflake, Validity, issue,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _, VLBytes};
use openmls::prelude::{
    Capabilities, Ciphersuite, Credential, CredentialType, CredentialWithKey,
    KeyPackage as MlsKeyPackage, KeyPackageIn, ProtocolVersion, SignatureScheme,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::signatures::{Signer, SignerError};
use rand_core::OsRng;
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct Client {
    key: ClientKey,
    cert: ActorCert,
    provider: OpenMlsRustCrypto,
}

impl Signer for Client {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload))
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_SECP256R1_SHA256
    }
}

impl Client {
    fn new(clock: &SharedClock) -> Self {
        let now = clock.now();
        let validity = Validity {
            not_before: now,
            not_after: now.plus_secs(86_400),
        };
        let domain = Domain::parse("a.example").unwrap();
        let serial = || SerialNumber::random(&mut OsRng);
        let server_key = PrivateKey::generate(KeyAlgorithm::P256, &mut OsRng);
        let server = issue::server_cert(&server_key, &domain, serial(), validity).unwrap();
        let key = ClientKey::generate(KeyAlgorithm::P256, &mut OsRng);
        let fid = Fid::parse("alice@a.example").unwrap();
        let csr = key.csr(&fid, &SessionId::parse("phone").unwrap()).unwrap();
        let csr = IdCsr::from_der(&csr).unwrap().verify().unwrap();
        let cert = issue::actor_cert(&server_key, &server, &csr, serial(), validity).unwrap();
        Self {
            key,
            cert,
            provider: OpenMlsRustCrypto::default(),
        }
    }

    fn package(&self) -> Vec<u8> {
        let chain = VLBytes::new(self.cert.as_der().to_vec());
        let chain = chain.tls_serialize_detached().unwrap();
        let credential = CredentialWithKey {
            credential: Credential::new(CredentialType::X509, chain),
            signature_key: self.key.public_key().to_bytes().into(),
        };
        let capabilities = Capabilities::builder()
            .credentials(vec![CredentialType::X509])
            .build();
        let suite = Ciphersuite::MLS_128_DHKEMP256_AES128GCM_SHA256_P256;
        let made = MlsKeyPackage::builder()
            .leaf_node_capabilities(capabilities)
            .build(suite, &self.provider, self, credential);
        let package = made.unwrap();
        package.key_package().tls_serialize_detached().unwrap()
    }

    fn checked(&self, clock: &SharedClock) -> KeyPackage {
        let bytes = self.package();
        KeyPackage::check(&bytes, &self.cert, KeyPackageUse::Once, clock.now()).unwrap()
    }
}

fn checks(criterion: &mut Criterion) {
    let clock: SharedClock = Arc::new(SystemClock);
    let client = Client::new(&clock);
    let bytes = client.package();
    let mut group = criterion.benchmark_group("check a KeyPackage");
    group.bench_function("floor: openmls validate", |bencher| {
        bencher.iter(|| {
            let parsed = KeyPackageIn::tls_deserialize_exact(&bytes).unwrap();
            let crypto = client.provider.crypto();
            black_box(parsed.validate(crypto, ProtocolVersion::Mls10).unwrap())
        });
    });
    group.bench_function("every rule", |bencher| {
        let now = clock.now();
        let purpose = KeyPackageUse::Once;
        bencher.iter(|| {
            let checked = KeyPackage::check(&bytes, &client.cert, purpose, now);
            black_box(checked.unwrap())
        });
    });
    group.finish();
}

fn pool(criterion: &mut Criterion) {
    let system = System::new();
    let runtime = Runtime::new().unwrap();
    let _within = system.block_on(async { System::current() });
    let folder = TempDir::new().unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let client = Client::new(&clock);
    let session = SessionRef {
        user: Snowflake::from_u64(1),
        session: Snowflake::from_u64(2),
    };
    let asker = SessionRef {
        user: Snowflake::from_u64(3),
        session: Snowflake::from_u64(4),
    };
    let storage = Storage::open(&folder.path().join("db"), 64).unwrap();
    let log = CertRegistry::open(storage.clone(), Arc::clone(&clock)).unwrap();
    let log = CertRegistry::start_in_arbiter(&Arbiter::new().handle(), move |_| log);
    let settings = Settings {
        per_client: u64::MAX,
        claims_per_minute: 0,
    };
    let pool = KeyPackagePool::new(settings, Arc::clone(&clock), storage, log.clone());
    let pool: Addr<_> = KeyPackagePool::start_in_arbiter(&Arbiter::new().handle(), move |_| pool);
    let cert = runtime.block_on(async {
        let open = OpenSession {
            session,
            cert: client.cert.clone(),
            rider: WriteSet::new(),
        };
        log.send(open).await.unwrap().unwrap();
        let live = log.send(LiveCertOf { session }).await.unwrap().unwrap();
        live.unwrap().sequence
    });

    let mut group = criterion.benchmark_group("pool");
    group.sample_size(10);
    let mut file = File::create(folder.path().join("floor")).unwrap();
    group.bench_function("floor: 1 KiB and fdatasync", |bencher| {
        bencher.iter(|| {
            file.write_all(&[7; 1024]).unwrap();
            file.sync_data().unwrap();
        });
    });
    let publish = |count: usize| Publish {
        session,
        cert,
        packages: (0..count).map(|_| client.checked(&clock)).collect(),
    };
    group.bench_function("publish 10 checked packages", |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || publish(10),
            |publish| async { pool.send(publish).await.unwrap().unwrap() },
            BatchSize::PerIteration,
        );
    });
    let claim = || Claim {
        asker,
        user: session.user,
        cipher_suite: None,
        idempotency_key: None,
    };
    for claimers in [1_usize, 64] {
        group.bench_function(format!("{claimers} claims at once"), |bencher| {
            bencher.to_async(&runtime).iter_batched(
                || {
                    let stock = publish(claimers);
                    // The set-up runs within the runtime, which cannot wait for itself.
                    let stocking = || runtime.block_on(pool.send(stock)).unwrap().unwrap();
                    std::thread::scope(|scope| scope.spawn(stocking).join()).unwrap();
                },
                |()| async {
                    let claims: Vec<_> = (0..claimers)
                        .map(|_| tokio::spawn(pool.send(claim())))
                        .collect();
                    for claimed in claims {
                        assert_eq!(claimed.await.unwrap().unwrap().unwrap().len(), 1);
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, checks, pool);
criterion_main!(benches);
