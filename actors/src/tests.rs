//! What the tests of several actors share.

use antiphon_protocol::{IdCsr, VerifiedCsr};
use der::asn1::{Any, BitString, Ia5StringRef, ObjectIdentifier, SetOfVec, Utf8StringRef};
use der::{Decode as _, Encode as _, EncodeValue, Tagged};
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use rand_core::OsRng;
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, CertReqInfo, Version};

use crate::storage::{Record, RecordError};

/// xorshift64: the same numbers for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// A request for a certificate of `name@a.example`, with a new key.
pub(crate) fn csr(name: &str, session_id: &str) -> Vec<u8> {
    let key = SigningKey::generate(&mut OsRng);
    let fid = format!("{name}@a.example");
    let ia5 = |text| Ia5StringRef::new(text).unwrap();
    let subject = RdnSequence(vec![
        rdn("0.9.2342.19200300.100.1.25", &ia5("example")),
        rdn("0.9.2342.19200300.100.1.25", &ia5("a")),
        rdn(
            "0.9.2342.19200300.100.1.1",
            &Utf8StringRef::new(&fid).unwrap(),
        ),
        rdn("2.5.4.3", &Utf8StringRef::new(name).unwrap()),
        rdn("0.9.2342.19200300.100.1.44", &ia5(session_id)),
    ]);
    let public_key = key.verifying_key().to_public_key_der().unwrap();
    let info = CertReqInfo {
        version: Version::V1,
        subject,
        public_key: spki::SubjectPublicKeyInfoOwned::from_der(public_key.as_bytes()).unwrap(),
        attributes: SetOfVec::new(),
    };
    let signature = key.sign(&info.to_der().unwrap());
    let request = CertReq {
        info,
        algorithm: AlgorithmIdentifierOwned {
            oid: ObjectIdentifier::new_unwrap("1.3.101.112"),
            parameters: None,
        },
        signature: BitString::from_bytes(&signature.to_bytes()).unwrap(),
    };
    request.to_der().unwrap()
}

/// The same, checked.
pub(crate) fn verified_csr(name: &str, session_id: &str) -> VerifiedCsr {
    let csr = csr(name, session_id);
    IdCsr::from_der(&csr).unwrap().verify().unwrap()
}

fn rdn<T: EncodeValue + Tagged>(oid: &str, value: &T) -> RelativeDistinguishedName {
    let attribute = AttributeTypeAndValue {
        oid: ObjectIdentifier::new(oid).unwrap(),
        value: Any::encode_from(value).unwrap(),
    };
    RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).unwrap())
}

/// The bytes that are written like this in hexadecimal.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

/// Asserts that a record is stored as exactly these bytes (in hexadecimal), read back from them,
/// and refused with a byte less, a byte more, or another version.
pub(crate) fn assert_golden<R: Record>(record: &R, hex: &str) {
    let stored = record.to_bytes().unwrap();
    assert_eq!(stored, bytes(hex), "{}", std::any::type_name::<R>());
    let again = R::from_bytes(&stored).unwrap().to_bytes().unwrap();
    assert_eq!(again, stored);
    assert!(R::from_bytes(&stored[..stored.len() - 1]).is_err());
    assert!(R::from_bytes(&[&stored[..], &[0]].concat()).is_err());
    let newer = [&[stored[0] + 1], &stored[1..]].concat();
    let refused = R::from_bytes(&newer).err();
    assert_eq!(refused, Some(RecordError::Version(stored[0] + 1)));
}
