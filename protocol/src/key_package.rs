//! MLS KeyPackages (RFC 9420 §10), as a delivery service takes them in.
//!
//! openmls parses, and verifies the signatures. What it leaves open is checked here: a lifetime
//! that ends, capabilities that cover what the package itself uses, keys that a member who adds its
//! owner can encrypt to, and a credential that is the session's ID-Cert.

use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _, VLBytes};
use openmls::prelude::{
    Credential, CredentialType, Extension, ExtensionType, KeyPackage as MlsKeyPackage,
    KeyPackageIn, KeyPackageVerifyError, ProtocolVersion,
};
use sha2::{Digest, Sha256};

use crate::mls_crypto::PublicCrypto;
use crate::x25519;
use crate::{ActorCert, ServerCert, Timestamp, Validity};

/// The longest lifetime, in seconds: 400 days.
pub const LONGEST_LIFETIME: u64 = 400 * 24 * 60 * 60;

/// How an `MLSMessage` that carries a KeyPackage begins (RFC 9420 §6): version 1, wire format 5.
const MLS_MESSAGE: [u8; 4] = [0, 1, 0, 5];

/// The MLS cipher suites that are taken (RFC 9420 §17.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CipherSuite {
    /// 0x0001: X25519, AES-128-GCM, SHA-256, Ed25519.
    X25519Aes128,
    /// 0x0002: P-256, AES-128-GCM, SHA-256, ECDSA.
    P256Aes128,
    /// 0x0003: X25519, ChaCha20-Poly1305, SHA-256, Ed25519.
    X25519ChaCha20,
}

/// Whether a package is given out once or again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Once: it must not carry the `last_resort` extension.
    Once,
    /// As the last resort: it must.
    LastResort,
}

/// A KeyPackage that has passed every check, at the time of the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPackage {
    bytes: Vec<u8>,
    cipher_suite: CipherSuite,
    init_key: [u8; 32],
    lifetime: Validity,
}

/// Which check a KeyPackage failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyPackageError {
    /// Not Base64 as it is sent.
    #[error("not Base64 in the standard alphabet, padded and without line breaks")]
    NotBase64,
    /// Longer than any that is taken.
    #[error("it has more than {} bytes", KeyPackage::LONGEST)]
    TooLong,
    /// Not a KeyPackage, or more than that.
    #[error("not a KeyPackage in TLS presentation, bare or in an MLSMessage")]
    NotAKeyPackage,
    /// Another cipher suite.
    #[error("the cipher suite is not 0x0001, 0x0002 or 0x0003")]
    CipherSuite,
    /// What openmls says: version, source, signatures, key package extensions.
    #[error("{0}")]
    Mls(String),
    /// The lifetime does not cover now.
    #[error("the lifetime does not cover now")]
    Lifetime,
    /// The lifetime is longer than 400 days, or ends before it begins.
    #[error("the lifetime spans more than 400 days")]
    LifetimeTooLong,
    /// An extension is used that the capabilities do not list.
    #[error("the capabilities do not list an extension that is used")]
    Extension,
    /// The capabilities do not list the version.
    #[error("the capabilities do not list the protocol version")]
    CapabilityVersion,
    /// The capabilities do not list the cipher suite.
    #[error("the capabilities do not list the cipher suite")]
    CapabilityCipherSuite,
    /// The capabilities do not list X.509 credentials.
    #[error("the capabilities do not list credentials of type x509")]
    CapabilityCredential,
    /// It carries `last_resort` and is for once.
    #[error("it carries the last_resort extension")]
    IsLastResort,
    /// It is for the last resort and does not say so.
    #[error("it does not carry the last_resort extension")]
    NotLastResort,
    /// `init_key`.
    #[error("the init_key is not a valid public key of the suite's KEM")]
    InitKey,
    /// The leaf's encryption key.
    #[error("the encryption key is not a valid public key of the suite's KEM")]
    EncryptionKey,
    /// Another kind of credential.
    #[error("the credential is not of type x509")]
    CredentialType,
    /// The credential is not the ID-Cert, optionally followed by the server's.
    #[error("the credential is not a certificate chain of RFC 9420 §5.3")]
    CredentialChain,
    /// The first certificate is another one.
    #[error("the first certificate of the credential is not the session's current ID-Cert")]
    OtherCert,
    /// The second certificate is another one.
    #[error(
        "the second certificate of the credential is not the ID-Cert of the server that issued the first"
    )]
    OtherIssuer,
    /// The leaf's signature key is another one.
    #[error("the signature key of the leaf is not the key of the ID-Cert")]
    SignatureKey,
}

impl CipherSuite {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::X25519Aes128, Self::P256Aes128, Self::X25519ChaCha20];

    /// The number of RFC 9420 §17.1.
    pub fn number(self) -> u16 {
        match self {
            Self::X25519Aes128 => 1,
            Self::P256Aes128 => 2,
            Self::X25519ChaCha20 => 3,
        }
    }

    /// The suite with this number, if it is one that is taken.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.number() == number)
    }

    /// Whether `bytes` is a public key of the suite's KEM that somebody can encrypt to.
    fn is_kem_key(self, bytes: &[u8]) -> bool {
        match self {
            Self::P256Aes128 => {
                bytes.len() == 65 && p256::PublicKey::from_sec1_bytes(bytes).is_ok()
            }
            Self::X25519Aes128 | Self::X25519ChaCha20 => {
                <[u8; 32]>::try_from(bytes).is_ok_and(|point| !x25519::is_of_small_order(point))
            }
        }
    }
}

impl KeyPackage {
    /// How many bytes one may have, bare. With two certificates for the longest of likely names it has
    /// some 5 KiB; without a limit whoever publishes would choose how much everybody who claims gets.
    pub const LONGEST: usize = 6 * 1024;

    /// Takes in a KeyPackage, bare or in an `MLSMessage`, that the session whose current ID-Cert is
    /// `cert` publishes at `now`. openmls holds the lifetime against the system's clock, too.
    pub fn check(
        bytes: &[u8],
        cert: &ActorCert,
        purpose: Use,
        now: Timestamp,
    ) -> Result<Self, KeyPackageError> {
        let bare = bytes.strip_prefix(&MLS_MESSAGE).unwrap_or(bytes);
        if bare.len() > Self::LONGEST {
            return Err(KeyPackageError::TooLong);
        }
        let unverified = KeyPackageIn::tls_deserialize_exact(bare)
            .map_err(|_| KeyPackageError::NotAKeyPackage)?;
        // Version and suite come first (RFC 9420 §10); a suite that openmls cannot verify would
        // otherwise be refused for its signature.
        let number = bare.get(2..4).and_then(|bytes| bytes.try_into().ok());
        let cipher_suite = number
            .and_then(|bytes| CipherSuite::from_number(u16::from_be_bytes(bytes)))
            .ok_or(KeyPackageError::CipherSuite)?;
        let package = unverified
            .validate(&PublicCrypto, ProtocolVersion::Mls10)
            .map_err(refusal)?;
        let lifetime = lifetime(&package, now)?;
        check_capabilities(&package, cipher_suite)?;
        match (purpose, package.last_resort()) {
            (Use::Once, true) => return Err(KeyPackageError::IsLastResort),
            (Use::LastResort, false) => return Err(KeyPackageError::NotLastResort),
            (Use::Once, false) | (Use::LastResort, true) => {}
        }
        let leaf = package.leaf_node();
        let init_key = package.hpke_init_key().as_slice();
        if !cipher_suite.is_kem_key(init_key) {
            return Err(KeyPackageError::InitKey);
        }
        // openmls shows this key in TLS presentation only: `opaque HPKEPublicKey<V>`.
        let encryption_key = leaf.encryption_key().tls_serialize_detached();
        let encryption_key = encryption_key.map_err(|_| KeyPackageError::EncryptionKey)?;
        let encryption_key = VLBytes::tls_deserialize(&mut encryption_key.as_slice())
            .map_err(|_| KeyPackageError::EncryptionKey)?;
        if !cipher_suite.is_kem_key(encryption_key.as_slice()) {
            return Err(KeyPackageError::EncryptionKey);
        }
        check_credential(leaf.credential(), cert)?;
        if leaf.signature_key().as_slice() != cert.public_key().to_bytes() {
            return Err(KeyPackageError::SignatureKey);
        }
        Ok(Self {
            bytes: bare.to_vec(),
            cipher_suite,
            init_key: Sha256::digest(init_key).into(),
            lifetime,
        })
    }

    /// What openmls alone says of a bare KeyPackage: the floor under [`Self::check`], for benches.
    #[doc(hidden)]
    pub fn is_valid_mls(bare: &[u8]) -> bool {
        let parsed = KeyPackageIn::tls_deserialize_exact(bare);
        parsed.is_ok_and(|package| {
            let validated = package.validate(&PublicCrypto, ProtocolVersion::Mls10);
            validated.is_ok()
        })
    }

    /// The package, bare.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its suite.
    pub fn cipher_suite(&self) -> CipherSuite {
        self.cipher_suite
    }

    /// SHA-256 of the `init_key` of a bare KeyPackage that was accepted before, without checking
    /// it again: `version`, `cipher_suite`, `init_key<V>` (RFC 9420 §10).
    pub fn init_key_hash_of(bytes: &[u8]) -> Option<[u8; 32]> {
        let init_key = VLBytes::tls_deserialize(&mut bytes.get(4..)?).ok()?;
        Some(Sha256::digest(init_key.as_slice()).into())
    }

    /// SHA-256 of its `init_key`.
    pub fn init_key_hash(&self) -> &[u8; 32] {
        &self.init_key
    }

    /// Its lifetime, both seconds included.
    pub fn lifetime(&self) -> Validity {
        self.lifetime
    }
}

fn refusal(error: KeyPackageVerifyError) -> KeyPackageError {
    match error {
        KeyPackageVerifyError::LifetimeError(_) => KeyPackageError::Lifetime,
        KeyPackageVerifyError::UnsupportedExtension => KeyPackageError::Extension,
        error => {
            let text = error.to_string();
            KeyPackageError::Mls(text.trim_end_matches('.').to_owned())
        }
    }
}

fn lifetime(package: &MlsKeyPackage, now: Timestamp) -> Result<Validity, KeyPackageError> {
    let lifetime = package.life_time();
    let (from, until) = (lifetime.not_before(), lifetime.not_after());
    if until
        .checked_sub(from)
        .is_none_or(|span| span > LONGEST_LIFETIME)
    {
        return Err(KeyPackageError::LifetimeTooLong);
    }
    let lifetime = Validity {
        not_before: Timestamp::from_secs(from),
        not_after: Timestamp::from_secs(until),
    };
    if lifetime.covers(now) {
        Ok(lifetime)
    } else {
        Err(KeyPackageError::Lifetime)
    }
}

/// Everything that the package itself uses is among its capabilities (RFC 9420 §7.2).
fn check_capabilities(
    package: &MlsKeyPackage,
    cipher_suite: CipherSuite,
) -> Result<(), KeyPackageError> {
    let leaf = package.leaf_node();
    let capabilities = leaf.capabilities();
    if !capabilities.versions().contains(&ProtocolVersion::Mls10) {
        return Err(KeyPackageError::CapabilityVersion);
    }
    let number = cipher_suite.number();
    if !capabilities
        .ciphersuites()
        .iter()
        .any(|suite| suite.value() == number)
    {
        return Err(KeyPackageError::CapabilityCipherSuite);
    }
    if !capabilities.credentials().contains(&CredentialType::X509) {
        return Err(KeyPackageError::CapabilityCredential);
    }
    let in_package = package.extensions().iter().map(Extension::extension_type);
    let in_leaf = leaf.extensions().iter().map(Extension::extension_type);
    let is_listed = |used: ExtensionType| {
        // Those of RFC 9420 itself need no listing (§7.2): numbers 1 to 5.
        let used = u16::from(used);
        let mut listed = capabilities.extensions().iter();
        // By number: openmls reads a GREASE value (§13.5) as of another kind where it is listed.
        (1..=5).contains(&used) || listed.any(|listed| u16::from(*listed) == used)
    };
    if in_package.chain(in_leaf).all(is_listed) {
        Ok(())
    } else {
        Err(KeyPackageError::Extension)
    }
}

/// `Certificate certificates<V>`, each `opaque cert_data<V>` (RFC 9420 §5.3): the ID-Cert, and
/// after it at most the server's.
fn check_credential(credential: &Credential, cert: &ActorCert) -> Result<(), KeyPackageError> {
    if credential.credential_type() != CredentialType::X509 {
        return Err(KeyPackageError::CredentialType);
    }
    let mut rest = credential.serialized_content();
    let mut chain = Vec::new();
    while !rest.is_empty() {
        let data = VLBytes::tls_deserialize(&mut rest);
        chain.push(data.map_err(|_| KeyPackageError::CredentialChain)?);
    }
    let (first, second) = match chain.as_slice() {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        _ => return Err(KeyPackageError::CredentialChain),
    };
    if first.as_slice() != cert.as_der() {
        return Err(KeyPackageError::OtherCert);
    }
    let Some(second) = second else {
        return Ok(());
    };
    let server =
        ServerCert::from_der(second.as_slice()).map_err(|_| KeyPackageError::OtherIssuer)?;
    cert.verify(&server)
        .map_err(|_| KeyPackageError::OtherIssuer)
}
