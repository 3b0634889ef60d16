//! The KeyPackagePool through its messages, beside floors measured in the same run: openmls alone,
//! and the disk's own fdatasync.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use antiphon_actors::cert_registry::{OpenSession, SessionRef};
use antiphon_actors::clock::{SharedClock, SystemClock};
use antiphon_actors::key_package_pool::{Claim, Count, KeyPackagePool, Publish, Settings};
use antiphon_actors::storage::WriteSet;
use antiphon_protocol::{ActorCert, ClientKey, KeyAlgorithm, KeyPackage, KeyPackageUse, Snowflake};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::future::join_all;
use openmls::prelude::tls_codec::{Serialize as _, VLBytes};
use openmls::prelude::{
    Capabilities, Ciphersuite, Credential, CredentialType, CredentialWithKey,
    KeyPackage as MlsKeyPackage, SignatureScheme,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::signatures::{Signer, SignerError};
use rand_core::OsRng;

use support::asker::{Asker, start_elsewhere};
use support::floors;
use support::issuer::{Issuer, csr};
use support::owners::Log;

/// How many packages are counted at once, and more.
const MANY: usize = 1_000;

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
        let issuer = Issuer::new(KeyAlgorithm::P256, clock.now());
        let key = ClientKey::generate(KeyAlgorithm::P256, &mut OsRng);
        let cert = issuer.actor_cert(&csr(&key, "alice", "phone"), clock.now());
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
    // With the provider that the node has, the fastest one: openmls's own takes twice as long.
    group.bench_function("floor: openmls validate", |bencher| {
        bencher.iter(|| assert!(KeyPackage::is_valid_mls(black_box(&bytes))));
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
    let asker = Asker::new();
    let clock: SharedClock = Arc::new(SystemClock);
    let client = Client::new(&clock);
    let session = SessionRef {
        user: Snowflake::from_u64(1),
        session: Snowflake::from_u64(2),
    };
    let claimer = SessionRef {
        user: Snowflake::from_u64(3),
        session: Snowflake::from_u64(4),
    };
    let log = Log::open(Arc::clone(&clock));
    let settings = Settings {
        per_client: u64::MAX,
        claims_per_minute: 0,
    };
    let (storage, certs) = (log.storage.clone(), log.reader.clone());
    let pool = KeyPackagePool::new(settings, Arc::clone(&clock), storage, certs);
    let pool = start_elsewhere(pool);
    let cert = asker.block_on(async {
        let open = OpenSession {
            session,
            cert: client.cert.clone(),
            rider: WriteSet::new(),
        };
        log.registry.send(open).await.unwrap().unwrap();
        log.reader.live_entry_of(session).unwrap().unwrap()
    });

    let mut group = criterion.benchmark_group("pool");
    group.sample_size(10);
    floors::fdatasync(&mut group);
    let publish = |count: usize| Publish {
        session,
        cert,
        packages: (0..count).map(|_| client.checked(&clock)).collect(),
    };
    group.bench_function("publish 10 checked packages", |bencher| {
        bencher.to_async(&asker).iter_batched(
            || publish(10),
            |publish| async { pool.send(publish).await.unwrap().unwrap() },
            BatchSize::PerIteration,
        );
    });
    let there = asker.block_on(async {
        pool.send(publish(MANY)).await.unwrap().unwrap();
        pool.send(Count { session }).await.unwrap().unwrap()
    });
    let there: u64 = there.one_time.values().sum();
    assert!(there >= MANY as u64, "{there}");
    group.bench_function("count many", |bencher| {
        bencher
            .to_async(&asker)
            .iter(async || pool.send(Count { session }).await.unwrap().unwrap());
    });
    let claim = || Claim {
        asker: claimer,
        user: session.user,
        cipher_suite: None,
        idempotency_key: None,
    };
    for claimers in [1_usize, 64] {
        group.bench_function(format!("{claimers} claims at once"), |bencher| {
            bencher.to_async(&asker).iter_custom(async |rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    pool.send(publish(claimers)).await.unwrap().unwrap();
                    let begun = Instant::now();
                    let claims = (0..claimers).map(|_| pool.send(claim()));
                    for claimed in join_all(claims).await {
                        assert_eq!(claimed.unwrap().unwrap().len(), 1);
                    }
                    taken += begun.elapsed();
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, checks, pool);
criterion_main!(benches);
