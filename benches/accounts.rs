//! The `Accounts` and a `UserReader` through their messages, beside floors of the same run: a
//! message to an idle actor, one password hash, and the disk.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;

use actix::Addr;
use antiphon_actors::accounts::{
    Accounts, AddUser, Authenticate, CheckChallenge, FindUserId, MakeChallenge, NewPassword,
    OpenSession, Opened, Password, RegistrationMode, Settings, SignIn, UserReader, new_user,
};
use antiphon_actors::clock::ManualClock;
use antiphon_actors::storage::WriteSet;
use antiphon_protocol::{
    ClientKey, Domain, Fid, KeyAlgorithm, LocalName, Snowflake, Timestamp, UserId,
};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_core::OsRng;

use support::START;
use support::asker::{Asker, start_elsewhere};
use support::bare::Hasher;
use support::floors;
use support::issuer::{DOMAIN, csr};
use support::owners::Log;
use support::random::Random;

const PASSWORD: &str = "correct horse";

/// How often signing in with a certificate waits for the disk: the challenge is spent before the
/// certificate is looked at.
const SYNCS: usize = 2;

/// Accounts with one user, alice, and what her client has.
struct Alice {
    asker: Asker,
    accounts: Addr<Accounts>,
    key: ClientKey,
    sessions: Cell<u64>,
    log: Log,
}

impl Alice {
    fn new() -> Self {
        let asker = Asker::new();
        let log = Log::open(Arc::new(ManualClock::at(Timestamp::from_secs(START))));
        let settings = Settings {
            domain: Domain::parse(DOMAIN).unwrap(),
            registration: RegistrationMode::Closed,
            token_days: 30,
        };
        let manager = log.key_manager(&asker, KeyAlgorithm::Ed25519);
        let (clock, storage) = (log.clock.clone(), log.storage.clone());
        let (registry, reader) = (log.registry.clone(), log.reader.clone());
        let accounts = Accounts::open(settings, clock, storage, manager, registry, reader);
        let accounts = start_elsewhere(asker.block_on(accounts).unwrap());
        let add = AddUser {
            local_name: LocalName::parse("alice").unwrap(),
            password: NewPassword::new(PASSWORD.to_owned()).unwrap(),
            is_administrator: false,
        };
        asker.block_on(accounts.send(add)).unwrap().unwrap();
        Self {
            asker,
            accounts,
            key: ClientKey::generate(KeyAlgorithm::Ed25519, &mut OsRng),
            sessions: Cell::new(0),
            log,
        }
    }

    /// A reader on the asker's thread, as on an HTTP worker's.
    fn reader(&self) -> Addr<UserReader> {
        let reader = UserReader::new(self.log.storage.clone(), self.log.clock.clone());
        self.asker.start_here(reader)
    }

    /// A wish for one more session, by somebody who knows alice's password.
    fn wish(&self, local_name: &str) -> OpenSession {
        let number = self.sessions.replace(self.sessions.get() + 1);
        OpenSession {
            local_name: Some(LocalName::parse(local_name).unwrap()),
            password: Password::new(PASSWORD.to_owned()),
            csr: Ok(csr(&self.key, "alice", &format!("s{number}"))),
        }
    }

    fn open(&self) -> Opened {
        let opening = self.accounts.send(self.wish("alice"));
        self.asker.block_on(opening).unwrap().unwrap()
    }
}

fn tokens(criterion: &mut Criterion) {
    let alice = Alice::new();
    let mut group = criterion.benchmark_group("who holds this token");
    floors::message_here(&mut group, &alice.asker);
    let reader = alice.reader();
    let token = alice.open().token.hash();
    group.bench_function("a live session", |bencher| {
        bencher.to_async(&alice.asker).iter(|| async {
            let caller = reader.send(Authenticate { token }).await;
            black_box(caller.unwrap().unwrap())
        });
    });
    group.finish();
}

fn passwords(criterion: &mut Criterion) {
    let alice = Alice::new();
    let mut group = criterion.benchmark_group("begin a session with a password");
    let mut hasher = Hasher::new();
    group.bench_function("floor: one Argon2id", |bencher| {
        bencher.iter(|| hasher.hash(PASSWORD));
    });
    // Nobody is told by the time it takes whether there is such a user.
    for (name, local_name, is_known) in [("alice", "alice", true), ("nobody", "nobody", false)] {
        group.bench_function(name, |bencher| {
            bencher.to_async(&alice.asker).iter_batched(
                || alice.wish(local_name),
                |wish| async {
                    let opened = alice.accounts.send(wish).await.unwrap();
                    assert_eq!(opened.is_ok(), is_known);
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn challenges(criterion: &mut Criterion) {
    let alice = Alice::new();
    let mut group = criterion.benchmark_group("challenges");
    floors::message(&mut group, &alice.asker);
    let make = || async { alice.accounts.send(MakeChallenge).await.unwrap().unwrap() };
    group.bench_function("make one", |bencher| {
        bencher.to_async(&alice.asker).iter(make);
    });
    let text = alice.asker.block_on(make()).as_str().to_owned();
    group.bench_function("check one", |bencher| {
        bencher.to_async(&alice.asker).iter(|| async {
            let check = CheckChallenge { text: text.clone() };
            black_box(alice.accounts.send(check).await.unwrap().unwrap())
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("sign in with a certificate");
    let mut disk = floors::disk();
    group.bench_function(format!("floor: {SYNCS} fdatasyncs"), |bencher| {
        bencher.iter(|| (0..SYNCS).for_each(|_| disk.append()));
    });
    let cert = alice.open().cert;
    group.bench_function("a challenge made and spent", |bencher| {
        bencher.to_async(&alice.asker).iter(|| async {
            let (challenge, cert) = (make().await, cert.clone());
            let sign_in = SignIn { challenge, cert };
            black_box(alice.accounts.send(sign_in).await.unwrap().unwrap())
        });
    });
    group.finish();
}

fn users(criterion: &mut Criterion) {
    let alice = Alice::new();
    let mut group = criterion.benchmark_group("find a user");
    floors::message_here(&mut group, &alice.asker);
    let reader = alice.reader();
    let fid = |number| Fid::parse(&format!("u{number}@{DOMAIN}")).unwrap();
    let random = Random::new();
    let mut known = 0;
    for users in [1_000, 100_000] {
        let mut writes = WriteSet::new();
        for number in known..users {
            let id = Snowflake::from_u64(number + 1);
            let since = Timestamp::from_secs(START);
            writes.append(new_user(id, &fid(number), since).unwrap());
        }
        let written = alice.log.storage.commit(writes);
        alice.asker.block_on(written).unwrap();
        known = users;
        let mut bench = |name, user: &dyn Fn(u64) -> UserId| {
            group.bench_function(BenchmarkId::new(name, users), |bencher| {
                bencher.to_async(&alice.asker).iter(|| {
                    let user = user(random.below(users));
                    let found = reader.send(FindUserId { user });
                    async { black_box(found.await.unwrap().unwrap()) }
                });
            });
        };
        bench("by federation ID", &|number| UserId::Fid(fid(number)));
        bench("by Snowflake", &|number| {
            UserId::Snowflake(Snowflake::from_u64(number + 1))
        });
    }
    group.finish();
}

criterion_group!(benches, tokens, passwords, challenges, users);
criterion_main!(benches);
