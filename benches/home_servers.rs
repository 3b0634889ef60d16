//! The `HomeServers` through their message: is a certificate of another node genuine, and in force?
//! The other node is an HTTP server of this process with two answers.

// Benches may stop at the first surprise, and the group's function has no documentation.
#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

mod support;

use std::hint::black_box;
use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use antiphon_actors::clock::ManualClock;
use antiphon_actors::home_servers::{CheckCert, HomeServers, Settings, SystemNames};
use antiphon_protocol::{ActorCert, ClientKey, Domain, KeyAlgorithm, Timestamp, base64};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use criterion::{Criterion, criterion_group, criterion_main};
use rand_core::OsRng;
use reqwest::{Client, Url};

use support::START;
use support::asker::{Asker, start_elsewhere};
use support::bare;
use support::floors::{self, Group};
use support::issuer::{DOMAIN, Issuer, csr};

/// Starts the other node; where it is, and a certificate that it has issued.
fn other_node(asker: &Asker) -> (Url, ActorCert) {
    let now = Timestamp::from_secs(START);
    let issuer = Issuer::new(KeyAlgorithm::Ed25519, now);
    let key = ClientKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
    let cert = issuer.actor_cert(&csr(&key, "alice", "phone"), now);
    let server_cert = base64::encode(issuer.cert.as_der());
    let user_certs = [base64::encode(cert.as_der())];
    let server = HttpServer::new(move || {
        let (server_cert, user_certs) = (server_cert.clone(), user_certs.clone());
        let server_cert = move || std::future::ready(web::Json(server_cert.clone()));
        let user_certs = move || std::future::ready(web::Json(user_certs.clone()));
        App::new()
            .route("/p2core/key/server", web::get().to(server_cert))
            .route("/p2core/key/user/{user}", web::get().to(user_certs))
    });
    let address = asker.block_on(async {
        let server = server.workers(1).disable_signals();
        let server = server.bind("127.0.0.1:0").unwrap();
        let address = *server.addrs().first().unwrap();
        actix::spawn(server.run());
        address
    });
    (Url::parse(&format!("http://{address}")).unwrap(), cert)
}

fn homes(url: &Url, cache_seconds: u64) -> HomeServers {
    let settings = Settings {
        enabled: true,
        allow_private_addresses: false,
        cache_seconds,
        block: [].into(),
        allow: [].into(),
        hosts: [(Domain::parse(DOMAIN).unwrap(), url.clone())].into(),
        https_port: 443,
    };
    let clock = ManualClock::at(Timestamp::from_secs(START));
    HomeServers::new(settings, Arc::new(clock), Arc::new(SystemNames)).unwrap()
}

fn verification(group: &mut Group<'_>) {
    let key = Ed25519KeyPair::generate().unwrap();
    let message = [7; bare::SIGNED];
    let signature = key.sign(&message);
    let key = UnparsedPublicKey::new(&ED25519, key.public_key().as_ref().to_vec());
    group.bench_function("floor: a signature verified by AWS-LC", |bencher| {
        bencher.iter(|| key.verify(black_box(&message), signature.as_ref()).unwrap());
    });
}

fn check(group: &mut Group<'_>, asker: &Asker, homes: HomeServers, cert: &ActorCert) {
    let homes = start_elsewhere(homes);
    for (name, in_force) in [("genuine", false), ("genuine and in force", true)] {
        group.bench_function(name, |bencher| {
            bencher.to_async(asker).iter(|| async {
                let cert = cert.clone();
                let checked = homes.send(CheckCert { cert, in_force }).await;
                checked.unwrap().unwrap();
            });
        });
    }
}

fn kept(criterion: &mut Criterion) {
    let asker = Asker::new();
    let (url, cert) = other_node(&asker);
    let mut group = criterion.benchmark_group("a certificate of another node, answers kept");
    floors::message(&mut group, &asker);
    verification(&mut group);
    check(&mut group, &asker, homes(&url, 3600), &cert);
    group.finish();
}

fn asked(criterion: &mut Criterion) {
    let asker = Asker::new();
    let (url, cert) = other_node(&asker);
    let mut group = criterion.benchmark_group("a certificate of another node, asked each time");
    // Before the floor's client, since this provides for TLS.
    let homes = homes(&url, 0);
    let client = Client::new();
    let question = url.join("/p2core/key/server").unwrap();
    group.bench_function("floor: one GET over a kept connection", |bencher| {
        bencher.to_async(&asker).iter(|| async {
            let answer = client.get(question.clone()).send().await.unwrap();
            black_box(answer.bytes().await.unwrap())
        });
    });
    check(&mut group, &asker, homes, &cert);
    group.finish();
}

criterion_group!(benches, kept, asked);
criterion_main!(benches);
