//! Which addresses other nodes may be at. The check sits in the resolver that connects, so that a
//! name that resolves differently the second time gains nothing.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Addresses of a name.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Where names lead: the DNS, or what a test says.
pub trait Names: fmt::Debug + Send + Sync + 'static {
    /// All addresses of a name.
    fn look_up(&self, name: &str) -> Looking;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: &str) -> Looking {
        let name = name.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The resolver given to the HTTP client: leaves out what is not public.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    pub(super) names: Arc<dyn Names>,
    pub(super) allow_private: bool,
}

/// Why a name has no address that may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAddress {
    #[error("the name has no address")]
    Unknown,
    #[error("the name has no public address")]
    NotPublic,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let looking = self.names.look_up(name.as_str());
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = looking.await.map_err(|_| NoAddress::Unknown)?;
            if found.is_empty() {
                return Err(NoAddress::Unknown.into());
            }
            let allowed: Vec<_> = found
                .into_iter()
                .filter(|address| allow_private || is_public(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(NoAddress::NotPublic.into());
            }
            let allowed: Addrs = Box::new(allowed.into_iter());
            Ok(allowed)
        })
    }
}

/// Whether an address is one of the public Internet (IANA's special-purpose registries, RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = matches!(
        (a, b, c),
        // This network, private, loopback, and everything from multicast up.
        (0 | 10 | 127 | 224.., _, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            // Shared between a carrier's customers (RFC 6598).
            | (100, 64..=127, _)
            // Link-local, where clouds keep their metadata.
            | (169, 254, _)
            // Protocol assignments, documentation, 6to4 relays, benchmarks.
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // NAT64 (RFC 6052) and 6to4 (RFC 3056): where they lead is what counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Protocol assignments with Teredo, and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // All other global unicast addresses are in 2000::/3.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}
