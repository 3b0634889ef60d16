//! No way inside: whatever form an address takes, nothing connects to it.

use std::io;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::Actor as _;
use antiphon_protocol::{
    ActorCert, ClientKey, Domain, Fid, IdCsr, KeyAlgorithm, PrivateKey, SerialNumber, SessionId,
    Timestamp, Validity, issue,
};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rand_core::OsRng;

use super::addresses::is_public;
use super::{CheckCert, HomeServerError, HomeServers, Looking, Names, NotFederated, Settings};
use crate::clock::ManualClock;

const NOW: u64 = 1_800_000_000;

/// Every name leads to these addresses, a different one first each time.
#[derive(Debug, Clone)]
struct Leads {
    to: Vec<IpAddr>,
    times: Arc<AtomicUsize>,
}

impl Names for Leads {
    fn look_up(&self, _: &str) -> Looking {
        let mut found = self.to.clone();
        let times = self.times.fetch_add(1, Ordering::Relaxed);
        let first = times.checked_rem(found.len()).unwrap_or(0);
        found.rotate_left(first);
        Box::pin(std::future::ready(Ok::<_, io::Error>(found)))
    }
}

/// A listener on every address of this machine, and how many have connected.
struct Trap {
    listener: TcpListener,
}

impl Trap {
    fn set() -> Self {
        // Takes IPv4, too, unless the machine has no IPv6.
        let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"));
        let listener = listener.unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Connections wait in the listener's queue: whoever connected is there.
    fn caught(&self) -> usize {
        std::iter::from_fn(|| self.listener.accept().ok()).count()
    }
}

fn homes(trap: &Trap, to: &[IpAddr], allow_private_addresses: bool) -> HomeServers {
    let names = Leads {
        to: to.to_vec(),
        times: Arc::default(),
    };
    homes_with(trap, Arc::new(names), allow_private_addresses)
}

fn homes_with(trap: &Trap, names: Arc<dyn Names>, allow_private_addresses: bool) -> HomeServers {
    let settings = Settings {
        enabled: true,
        allow_private_addresses,
        cache_seconds: 0,
        block: [].into(),
        allow: [].into(),
        hosts: [].into(),
        https_port: trap.port(),
    };
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(NOW)));
    HomeServers::new(settings, clock, names).unwrap()
}

fn cert_of(domain: &str) -> ActorCert {
    cert_from(domain, NOW - 10)
}

fn cert_from(domain: &str, not_before: u64) -> ActorCert {
    let domain = Domain::parse(domain).unwrap();
    let fid = Fid::parse(&format!("mallory@{domain}")).unwrap();
    let validity = Validity {
        not_before: Timestamp::from_secs(not_before),
        not_after: Timestamp::from_secs(NOW + 10),
    };
    let serial = || SerialNumber::random(&mut OsRng);
    let key = PrivateKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
    let server = issue::server_cert(&key, &domain, serial(), validity).unwrap();
    let client = ClientKey::generate(KeyAlgorithm::Ed25519, &mut OsRng);
    let csr = client
        .csr(&fid, &SessionId::parse("phone").unwrap())
        .unwrap();
    let csr = IdCsr::from_der(&csr).unwrap().verify().unwrap();
    issue::actor_cert(&key, &server, &csr, serial(), validity).unwrap()
}

async fn check(homes: HomeServers, domain: &str) -> HomeServerError {
    let message = CheckCert {
        cert: cert_of(domain),
        in_force: true,
    };
    homes.start().send(message).await.unwrap().unwrap_err()
}

/// Private, loopback, link-local, shared, multicast, unspecified, reserved; and each of those
/// inside IPv6.
const INSIDE: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:192.168.1.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::127.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:c0a8:101::",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
];

/// The same without the DNS: domains that a URL reads as addresses, or that always lead inside.
const DISGUISED: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "10.1",
    "192.168.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "4294967295",
];

#[actix::test]
async fn no_name_leads_inside() {
    let trap = Trap::set();
    let refused = HomeServerError::NotFederated(NotFederated::NotPublic);
    let mut all = Vec::new();
    for text in INSIDE {
        let address: IpAddr = text.parse().unwrap();
        let error = check(homes(&trap, &[address], false), "h.example").await;
        assert_eq!(error, refused, "{text}");
        all.push(address);
    }
    let error = check(homes(&trap, &all, false), "h.example").await;
    assert_eq!(error, refused);
    for domain in DISGUISED {
        let error = check(homes(&trap, &all, false), domain).await;
        assert_eq!(error, refused, "{domain}");
    }
    assert_eq!(trap.caught(), 0);
}

#[actix::test]
async fn the_trap_catches_who_is_let_inside() {
    let trap = Trap::set();
    let loopback = "127.0.0.1".parse().unwrap();
    for domain in ["h.example", "127.1"] {
        let asking = tokio::spawn(homes_at_large(&trap, loopback, domain));
        let caught = async {
            while trap.caught() == 0 {
                tokio::task::yield_now().await;
            }
        };
        // The listener speaks no TLS: that somebody came is all there is to see.
        tokio::time::timeout(std::time::Duration::from_mins(1), caught)
            .await
            .unwrap();
        asking.abort();
    }
}

fn homes_at_large(
    trap: &Trap,
    address: IpAddr,
    domain: &'static str,
) -> impl Future<Output = ()> + Send + use<> {
    let homes = homes(trap, &[address], true).start();
    let message = CheckCert {
        cert: cert_of(domain),
        in_force: true,
    };
    async move {
        // It is aborted before it has an answer.
        drop(homes.send(message).await);
    }
}

#[actix::test]
async fn a_name_without_addresses_is_no_server() {
    let error = check(homes(&Trap::set(), &[], false), "h.example").await;
    let expected = HomeServerError::NotFederated(NotFederated::NoSuchServer);
    assert_eq!(error, expected);
}

#[actix::test]
async fn a_name_that_the_dns_cannot_have_is_not_looked_up() {
    let label = "a".repeat(64);
    let long = vec!["a".repeat(63); 4].join(".");
    for domain in [
        "-a.example",
        "a-.example",
        &format!("{label}.example"),
        &long,
    ] {
        let error = check(
            homes(&Trap::set(), &["10.0.0.1".parse().unwrap()], false),
            domain,
        )
        .await;
        let expected = HomeServerError::NotFederated(NotFederated::NoSuchServer);
        assert_eq!(error, expected, "{domain}");
    }
}

/// Somebody's name servers never answer; others have no address.
#[derive(Debug)]
struct SlowForOne;

impl Names for SlowForOne {
    fn look_up(&self, name: &str) -> Looking {
        if name == "slow.example" {
            Box::pin(std::future::pending())
        } else {
            Box::pin(std::future::ready(Ok(Vec::new())))
        }
    }
}

#[actix::test]
async fn a_slow_domain_keeps_nobody_from_the_others() {
    let homes = homes_with(&Trap::set(), Arc::new(SlowForOne), false).start();
    let check = |cert| {
        let in_force = true;
        homes.send(CheckCert { cert, in_force })
    };
    // Each of another time: another question.
    let slow = (0..300).map(|earlier| check(cert_from("slow.example", NOW - 10 - earlier)));
    let mut slow: FuturesUnordered<_> = slow.collect();
    let first = slow.next().await.unwrap().unwrap();
    assert_eq!(first, Err(HomeServerError::Busy));
    let error = check(cert_of("h.example")).await.unwrap().unwrap_err();
    let no_server = HomeServerError::NotFederated(NotFederated::NoSuchServer);
    assert_eq!(error, no_server);
}

#[test]
fn public_addresses_are_public_in_every_form() {
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "3ffe::1",
    ] {
        assert!(is_public(text.parse().unwrap()), "{text}");
    }
    for text in INSIDE {
        assert!(!is_public(text.parse().unwrap()), "{text}");
    }
}
