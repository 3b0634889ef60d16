//! SETs that the library would sort for long.

use der::asn1::{Any, BitString, Null, ObjectIdentifier, SetOfVec, UintRef};
use der::{Decode as _, Encode as _};
use proptest::prelude::*;
use rand_core::OsRng;
use x509_cert::Certificate;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

use super::support::{CN, DC, alice, attribute, csr, ia5, key};
use crate::inspect::inspect;
use crate::issue;
use crate::{
    ActorCert, CsrError, Domain, IdCertError, IdCsr, KeyAlgorithm, SerialNumber, ServerCert,
    Timestamp, Validity, VerifiedCsr,
};

fn numbers(count: usize) -> impl Iterator<Item = Any> {
    (1000..).take(count).map(|number: u16| {
        let bytes = number.to_be_bytes();
        Any::encode_from(&UintRef::new(&bytes).unwrap()).unwrap()
    })
}

fn set<T: der::DerOrd>(members: impl Iterator<Item = T>) -> SetOfVec<T> {
    SetOfVec::try_from(members.collect::<Vec<_>>()).unwrap()
}

/// One part of a name, of so many attributes.
fn rdn(count: usize) -> RelativeDistinguishedName {
    let text = |number| format!("alice {number}");
    let attributes = (1000..).take(count).map(|number: u16| {
        let text = text(number);
        attribute(CN, &der::asn1::Utf8StringRef::new(&text).unwrap())
    });
    RelativeDistinguishedName(set(attributes))
}

/// One attribute of so many values.
fn values(count: usize) -> Attributes {
    let oid = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
    let values = set(numbers(count));
    set([Attribute { oid, values }].into_iter())
}

/// So many attributes.
fn attributes(count: u32) -> Attributes {
    let attributes = (1..=count).map(|arc| {
        let oid = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
        let oid = oid.push_arc(arc).unwrap();
        let values = set([Any::from(Null)].into_iter());
        Attribute { oid, values }
    });
    set(attributes)
}

fn read(subject: Vec<RelativeDistinguishedName>, wishes: Attributes) -> Result<(), CsrError> {
    let der = csr(&key(KeyAlgorithm::Ed25519), subject, wishes);
    IdCsr::from_der(&der)?.verify().map(|_: VerifiedCsr| ())
}

#[test]
fn a_request_has_no_large_set() {
    assert_eq!(read(alice(), values(32)), Ok(()));
    assert_eq!(read(alice(), attributes(32)), Ok(()));
    assert_eq!(read(alice(), values(33)), Err(CsrError::LargeSet));
    assert_eq!(read(alice(), attributes(33)), Err(CsrError::LargeSet));
    let named = |count| [alice(), vec![rdn(count)]].concat();
    let small = read(named(32), Attributes::new());
    assert!(matches!(small, Err(CsrError::Subject(_))), "{small:?}");
    let large = read(named(33), Attributes::new());
    assert_eq!(large, Err(CsrError::LargeSet));
}

/// The library sorts them even if they say that they are none.
#[test]
fn attributes_without_members_are_counted_too() {
    let mut der = csr(&key(KeyAlgorithm::Ed25519), alice(), attributes(33));
    let tag = der.windows(2).position(|two| two == [0xa0, 0x82]).unwrap();
    der[tag] = 0x80;
    assert_eq!(IdCsr::from_der(&der).unwrap_err(), CsrError::LargeSet);
}

#[test]
fn a_certificate_has_no_large_set() {
    let key = key(KeyAlgorithm::Ed25519);
    let validity = Validity {
        not_before: Timestamp::from_secs(1000),
        not_after: Timestamp::from_secs(2000),
    };
    let domain = Domain::parse("a.example").unwrap();
    let serial = || SerialNumber::random(&mut OsRng);
    let server = issue::server_cert(&key, &domain, serial(), validity).unwrap();
    let with = |subject: &RdnSequence, issuer| {
        let mut certificate = Certificate::from_der(server.as_der()).unwrap();
        let tbs = &mut certificate.tbs_certificate;
        tbs.subject.clone_from(subject);
        tbs.issuer = RdnSequence(vec![issuer]);
        let signature = key.sign(&tbs.to_der().unwrap());
        certificate.signature = BitString::from_bytes(&signature).unwrap();
        certificate.to_der().unwrap()
    };
    let (of_server, of_actor) = (RdnSequence(vec![ia5(DC, "example")]), RdnSequence(alice()));
    let small = ServerCert::from_der(&with(&of_server, rdn(32)));
    assert!(matches!(small, Err(IdCertError::Issuer(_))), "{small:?}");
    let large = with(&of_server, rdn(33));
    assert_eq!(ServerCert::from_der(&large), Err(IdCertError::LargeSet));
    let findings = inspect(&large).unwrap().findings;
    assert!(findings.contains(&IdCertError::LargeSet.to_string()));
    let large = with(&of_actor, rdn(33));
    assert_eq!(ActorCert::from_der(&large), Err(IdCertError::LargeSet));
}

/// A SEQUENCE around `content`, in DER.
fn sequence(content: &[u8]) -> Vec<u8> {
    let header = der::Header::new(der::Tag::Sequence, content.len()).unwrap();
    [header.to_der().unwrap(), content.to_vec()].concat()
}

#[test]
fn a_set_at_the_bottom_of_everything_is_found() {
    let mut der = set(numbers(33)).to_der().unwrap();
    while sequence(&der).len() <= 4096 {
        der = sequence(&der);
    }
    assert_eq!(IdCsr::from_der(&der).unwrap_err(), CsrError::LargeSet);
}

proptest! {
    #[test]
    fn a_large_set_is_found_beside_anything(
        count in 0_usize..70,
        depth in 0..5,
        before: Vec<u8>,
        after: Vec<u8>,
    ) {
        let mut der = set(numbers(count)).to_der().unwrap();
        for _ in 0..depth {
            // What cannot be read ends what it is in, and nothing else.
            der = sequence(&[sequence(&before), der, after.clone()].concat());
        }
        let is_large = IdCsr::from_der(&der).unwrap_err() == CsrError::LargeSet;
        prop_assert_eq!(is_large, count > 32);
        let is_large = ActorCert::from_der(&der) == Err(IdCertError::LargeSet);
        prop_assert_eq!(is_large, count > 32);
    }

    /// Made of what makes elements, so that many are found in them.
    #[test]
    fn nothing_that_looks_like_der_is_too_much(
        bytes in prop::collection::vec(
            prop::sample::select(vec![0x30, 0x31, 0xa0, 0x80, 0x81, 0x82, 0x84, 0xff, 0, 1, 2, 5, 40]),
            0..4200,
        ),
    ) {
        prop_assert!(IdCsr::from_der(&bytes).is_err());
        prop_assert!(ServerCert::from_der(&bytes).is_err());
        prop_assert!(ActorCert::from_der(&bytes).is_err());
    }
}
