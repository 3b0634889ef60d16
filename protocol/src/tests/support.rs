//! Keys, names and requests, put together by hand so that one thing at a time can be wrong.

use der::asn1::{Any, BitString, Ia5StringRef, ObjectIdentifier, SetOfVec, Utf8StringRef};
use der::{Encode, EncodeValue, Tagged};
use rand_core::OsRng;
use x509_cert::attr::{AttributeTypeAndValue, Attributes};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};
use x509_cert::request::{CertReq, CertReqInfo, Version};

use crate::{KeyAlgorithm, PrivateKey};

pub(super) const DC: &str = "0.9.2342.19200300.100.1.25";
pub(super) const UID: &str = "0.9.2342.19200300.100.1.1";
pub(super) const CN: &str = "2.5.4.3";
pub(super) const SESSION: &str = "0.9.2342.19200300.100.1.44";

pub(super) const ALGORITHMS: [KeyAlgorithm; 2] = [KeyAlgorithm::P256, KeyAlgorithm::Ed25519];

pub(super) fn key(algorithm: KeyAlgorithm) -> PrivateKey {
    PrivateKey::generate(algorithm, &mut OsRng)
}

pub(super) fn attribute<T: EncodeValue + Tagged>(oid: &str, value: &T) -> AttributeTypeAndValue {
    AttributeTypeAndValue {
        oid: ObjectIdentifier::new(oid).unwrap(),
        value: Any::encode_from(value).unwrap(),
    }
}

pub(super) fn ia5(oid: &str, text: &str) -> RelativeDistinguishedName {
    one(attribute(oid, &Ia5StringRef::new(text).unwrap()))
}

pub(super) fn utf8(oid: &str, text: &str) -> RelativeDistinguishedName {
    one(attribute(oid, &Utf8StringRef::new(text).unwrap()))
}

pub(super) fn one(attribute: AttributeTypeAndValue) -> RelativeDistinguishedName {
    RelativeDistinguishedName(SetOfVec::try_from(vec![attribute]).unwrap())
}

/// `alice@a.example`, session `phone`, as the node writes it.
pub(super) fn alice() -> Vec<RelativeDistinguishedName> {
    vec![
        ia5(DC, "example"),
        ia5(DC, "a"),
        utf8(UID, "alice@a.example"),
        utf8(CN, "alice"),
        ia5(SESSION, "phone"),
    ]
}

pub(super) fn csr(
    key: &PrivateKey,
    subject: Vec<RelativeDistinguishedName>,
    attributes: Attributes,
) -> Vec<u8> {
    let info = CertReqInfo {
        version: Version::V1,
        subject: RdnSequence(subject),
        public_key: key.public_key().to_spki().unwrap(),
        attributes,
    };
    let signature = key.sign(&info.to_der().unwrap());
    let request = CertReq {
        info,
        algorithm: key.public_key().algorithm().signature_identifier(),
        signature: BitString::from_bytes(&signature).unwrap(),
    };
    request.to_der().unwrap()
}
