//! Requests: what is taken, and which check refuses the rest.

use der::asn1::{Any, ObjectIdentifier, OctetString, PrintableStringRef, SetOfVec};
use der::oid::AssociatedOid as _;
use der::{Encode as _, Tag};
use proptest::prelude::*;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
use x509_cert::name::RelativeDistinguishedName;

use super::support::{
    ALGORITHMS, CN, DC, SESSION, UID, alice, attribute, csr, ia5, key, one, utf8,
};
use crate::{CsrError, IdCsr, KeyAlgorithm, NameError, VerifiedCsr};

const EXTENSION_REQUEST: &str = "1.2.840.113549.1.9.14";

fn verify(der: &[u8]) -> Result<VerifiedCsr, CsrError> {
    IdCsr::from_der(der)?.verify()
}

fn refusal(subject: Vec<RelativeDistinguishedName>) -> CsrError {
    verify(&csr(
        &key(KeyAlgorithm::Ed25519),
        subject,
        Attributes::new(),
    ))
    .unwrap_err()
}

#[test]
fn both_kinds_of_key_are_taken() {
    for algorithm in ALGORITHMS {
        let key = key(algorithm);
        let request = verify(&csr(&key, alice(), Attributes::new())).unwrap();
        assert_eq!(request.fid().to_string(), "alice@a.example");
        assert_eq!(request.session_id().as_str(), "phone");
        assert_eq!(*request.public_key(), key.public_key());
    }
}

fn numeric(oid: &str, text: &str) -> RelativeDistinguishedName {
    one(attribute(
        oid,
        &Any::new(Tag::NumericString, text.as_bytes()).unwrap(),
    ))
}

fn bmp(oid: &str, bytes: &[u8]) -> RelativeDistinguishedName {
    one(attribute(oid, &Any::new(Tag::BmpString, bytes).unwrap()))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[test]
fn a_name_may_be_ordered_and_typed_in_any_way() {
    let printable = |oid, text| {
        let value = PrintableStringRef::new(text).unwrap();
        RelativeDistinguishedName(SetOfVec::try_from(vec![attribute(oid, &value)]).unwrap())
    };
    let subjects = [
        vec![
            utf8(SESSION, "phone"),
            printable(CN, "Alice"),
            utf8(UID, "ALICE@a.Example"),
            utf8(DC, "example"),
            printable(DC, "A"),
        ],
        // As Windows does.
        vec![
            ia5(DC, "example"),
            ia5(DC, "a"),
            bmp(UID, &utf16("alice@a.example")),
            bmp(CN, &utf16("alice")),
            numeric(SESSION, "12345"),
        ],
        // Bottom up.
        vec![
            ia5(DC, "a"),
            ia5(DC, "example"),
            utf8(UID, "alice@a.example"),
            utf8(CN, "alice"),
            ia5(SESSION, "phone"),
        ],
    ];
    for subject in subjects {
        let request = verify(&csr(&key(KeyAlgorithm::P256), subject, Attributes::new())).unwrap();
        assert_eq!(request.fid().to_string(), "alice@a.example");
    }
}

#[test]
fn each_fault_of_a_name_has_its_own_refusal() {
    let without = |index: usize| {
        let mut subject = alice();
        subject.remove(index);
        subject
    };
    let with = |index: usize, rdn| {
        let mut subject = alice();
        subject[index] = rdn;
        subject
    };
    let and = |rdn| [alice(), vec![rdn]].concat();
    let cases = [
        (and(utf8("2.5.4.10", "Org")), NameError::UnknownAttribute),
        (and(utf8(UID, "alice@a.example")), NameError::Repeated),
        (and(utf8(CN, "alice")), NameError::Repeated),
        (with(0, utf8(DC, "a b")), NameError::Domain),
        (without(2), NameError::NoUid),
        (with(2, utf8(UID, "alice")), NameError::Uid),
        (with(1, ia5(DC, "b")), NameError::DomainMismatch),
        (without(3), NameError::CommonName),
        (with(3, utf8(CN, "bob")), NameError::CommonName),
        (without(4), NameError::SessionId),
        (with(4, ia5(SESSION, &"x".repeat(33))), NameError::SessionId),
        (with(4, utf8(SESSION, "é")), NameError::SessionId),
        (with(4, bmp(SESSION, &utf16("é"))), NameError::SessionId),
        (with(4, bmp(SESSION, b"odd")), NameError::NotText),
        // Half of a pair.
        (with(4, bmp(SESSION, &[0xd8, 0])), NameError::NotText),
    ];
    for (subject, expected) in cases {
        assert_eq!(refusal(subject), CsrError::Subject(expected));
    }
    assert_eq!(refusal(vec![ia5(DC, "example")]), CsrError::NotAnActor);
}

fn requested(oid: &str, extensions: &[Extension]) -> Attributes {
    let value = Any::encode_from(&extensions.to_vec()).unwrap();
    attributes(ObjectIdentifier::new_unwrap(oid), value)
}

fn extension(oid: ObjectIdentifier, der: &[u8]) -> Extension {
    Extension {
        extn_id: oid,
        critical: true,
        extn_value: OctetString::new(der).unwrap(),
    }
}

fn attributes(oid: ObjectIdentifier, value: Any) -> Attributes {
    let values = SetOfVec::try_from(vec![value]).unwrap();
    Attributes::try_from(vec![Attribute { oid, values }]).unwrap()
}

#[test]
fn the_wish_to_be_more_than_an_actor_is_refused_in_every_form() {
    let ca = BasicConstraints {
        ca: true,
        path_len_constraint: None,
    };
    let actor = BasicConstraints {
        ca: false,
        path_len_constraint: None,
    };
    let signs_certs = KeyUsage(KeyUsages::DigitalSignature | KeyUsages::KeyCertSign);
    let signs = KeyUsage(KeyUsages::DigitalSignature.into());
    let cases = [
        (
            BasicConstraints::OID,
            ca.to_der().unwrap(),
            Err(CsrError::AsksForCa),
        ),
        (BasicConstraints::OID, actor.to_der().unwrap(), Ok(())),
        (
            KeyUsage::OID,
            signs_certs.to_der().unwrap(),
            Err(CsrError::AsksForCertSign),
        ),
        (KeyUsage::OID, signs.to_der().unwrap(), Ok(())),
        (KeyUsage::OID, vec![4, 0], Err(CsrError::Extension)),
    ];
    for (oid, der, expected) in cases {
        let wish = [extension(oid, &der)];
        let forms = [
            requested(EXTENSION_REQUEST, &wish),
            // Microsoft's.
            requested("1.3.6.1.4.1.311.2.1.14", &wish),
            attributes(oid, der::Decode::from_der(&der).unwrap()),
        ];
        for attributes in forms {
            let der = csr(&key(KeyAlgorithm::Ed25519), alice(), attributes);
            assert_eq!(verify(&der).map(drop), expected);
        }
    }
}

#[test]
fn a_wish_is_found_behind_others() {
    let ca = BasicConstraints {
        ca: true,
        path_len_constraint: None,
    };
    let ca = extension(BasicConstraints::OID, &ca.to_der().unwrap());
    let usage = |usages| extension(KeyUsage::OID, &KeyUsage(usages).to_der().unwrap());
    let signs = usage(KeyUsages::DigitalSignature.into());
    let signs_certs = usage(KeyUsages::KeyCertSign.into());
    let alternative_name = extension(ObjectIdentifier::new_unwrap("2.5.29.17"), &[0x30, 0]);
    for (wishes, expected) in [
        (vec![alternative_name.clone(), signs.clone()], Ok(())),
        (
            vec![alternative_name, signs_certs],
            Err(CsrError::AsksForCertSign),
        ),
        (vec![signs, ca], Err(CsrError::AsksForCa)),
    ] {
        let attributes = requested(EXTENSION_REQUEST, &wishes);
        let der = csr(&key(KeyAlgorithm::Ed25519), alice(), attributes);
        assert_eq!(verify(&der).map(drop), expected);
    }
}

#[test]
fn a_request_is_exactly_what_was_signed() {
    for algorithm in ALGORITHMS {
        let good = csr(&key(algorithm), alice(), Attributes::new());
        assert!(verify(&good).is_ok());
        for position in 0..good.len() {
            let mut changed = good.clone();
            changed[position] ^= 0x01;
            assert!(verify(&changed).is_err(), "byte {position}");
        }
        assert_eq!(
            verify(&[good, vec![0]].concat()).unwrap_err(),
            CsrError::NotPkcs10
        );
    }
}

proptest! {
    #[test]
    fn random_bytes_are_no_request(bytes: Vec<u8>) {
        prop_assert!(IdCsr::from_der(&bytes).is_err());
    }
}
