//! KeyPackages written by hand (RFC 9420 §7.2, §10), so that each rule can be broken alone, with
//! signatures that verify nevertheless.

use antiphon_actors::clock::{Clock as _, SystemClock};
use rand_core::{OsRng, RngCore as _};

use super::ClientKey;

/// A KeyPackage before it is signed.
#[derive(Debug, Clone)]
pub struct Draft {
    pub version: u16,
    pub suite: u16,
    pub init_key: Vec<u8>,
    pub encryption_key: Vec<u8>,
    pub signature_key: Vec<u8>,
    pub credential_type: u16,
    /// The inside of `certificates<V>`.
    pub credential: Vec<u8>,
    pub versions: Vec<u16>,
    pub suites: Vec<u16>,
    pub extension_types: Vec<u16>,
    pub credential_types: Vec<u16>,
    pub source: u8,
    pub lifetime: (u64, u64),
    pub leaf_extensions: Vec<(u16, Vec<u8>)>,
    pub extensions: Vec<(u16, Vec<u8>)>,
}

pub const LAST_RESORT: u16 = 10;
pub const DAY: u64 = 86_400;

/// Now, as openmls sees it.
pub fn system_now() -> u64 {
    SystemClock.now().as_secs()
}

/// A one-time package that follows every rule, for a session with this certificate and key.
pub fn draft(suite: u16, cert: &[u8], key: &ClientKey) -> Draft {
    let now = system_now();
    Draft {
        version: 1,
        suite,
        init_key: kem_key(suite),
        encryption_key: kem_key(suite),
        signature_key: key.public_key_bytes(),
        credential_type: 2,
        credential: opaque(cert),
        versions: vec![1],
        suites: vec![suite],
        extension_types: vec![],
        credential_types: vec![2],
        source: 1,
        lifetime: (now - DAY, now + 90 * DAY),
        leaf_extensions: vec![],
        extensions: vec![],
    }
}

impl Draft {
    /// The same as a last resort.
    pub fn last_resort(mut self) -> Self {
        self.extension_types.push(LAST_RESORT);
        self.extensions.push((LAST_RESORT, vec![]));
        self
    }

    /// In TLS presentation, signed.
    pub fn sign(&self, key: &ClientKey) -> Vec<u8> {
        self.sign_with(key, key)
    }

    /// The same with different keys for the leaf and for the package.
    pub fn sign_with(&self, leaf_key: &ClientKey, package_key: &ClientKey) -> Vec<u8> {
        let mut leaf = [opaque(&self.encryption_key), opaque(&self.signature_key)].concat();
        leaf.extend(self.credential_type.to_be_bytes());
        leaf.extend(opaque(&self.credential));
        for list in [
            &self.versions,
            &self.suites,
            &self.extension_types,
            &vec![],
            &self.credential_types,
        ] {
            leaf.extend(opaque(&numbers(list)));
        }
        leaf.push(self.source);
        match self.source {
            1 => {
                leaf.extend(self.lifetime.0.to_be_bytes());
                leaf.extend(self.lifetime.1.to_be_bytes());
            }
            3 => leaf.extend(opaque(&[0; 32])),
            _ => {}
        }
        leaf.extend(extensions(&self.leaf_extensions));
        let signature = with_label(leaf_key, "LeafNodeTBS", &leaf);
        leaf.extend(opaque(&signature));

        let mut package = numbers(&[self.version, self.suite]);
        package.extend(opaque(&self.init_key));
        package.extend(leaf);
        package.extend(extensions(&self.extensions));
        let signature = with_label(package_key, "KeyPackageTBS", &package);
        package.extend(opaque(&signature));
        package
    }
}

/// A new public key of a suite's KEM.
pub fn kem_key(suite: u16) -> Vec<u8> {
    if suite == 2 {
        ClientKey::p256().public_key_bytes()
    } else {
        let mut bytes = vec![0; 32];
        OsRng.fill_bytes(&mut bytes);
        bytes
    }
}

/// `opaque data<V>` (RFC 9420 §2.1.2).
pub fn opaque(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap();
    let mut bytes = match length {
        0..64 => vec![u8::try_from(length).unwrap()],
        64..16_384 => (u16::try_from(length).unwrap() | 0x4000)
            .to_be_bytes()
            .to_vec(),
        _ => (length | 0x8000_0000).to_be_bytes().to_vec(),
    };
    bytes.extend(data);
    bytes
}

fn numbers(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

fn extensions(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let each = extensions
        .iter()
        .map(|(number, data)| [number.to_be_bytes().to_vec(), opaque(data)].concat());
    opaque(&each.collect::<Vec<_>>().concat())
}

/// `SignWithLabel` (RFC 9420 §5.1.2).
fn with_label(key: &ClientKey, label: &str, content: &[u8]) -> Vec<u8> {
    let label = format!("MLS 1.0 {label}");
    key.sign(&[opaque(label.as_bytes()), opaque(content)].concat())
}
