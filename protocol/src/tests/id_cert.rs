//! Certificates: what is written, and which check refuses anything else.

use der::asn1::{Any, BitString, ObjectIdentifier, OctetString};
use der::{Decode as _, Encode as _, Tag};
use rand_core::OsRng;
use x509_cert::attr::Attributes;
use x509_cert::ext::Extension;
use x509_cert::name::RdnSequence;
use x509_cert::{Certificate, TbsCertificate, Version};

use super::support::{ALGORITHMS, CN, DC, UID, alice, csr, ia5, key, utf8};
use crate::inspect::inspect;
use crate::issue::{self, IssueError};
use crate::{
    ActorCert, Domain, IdCertError, IdCsr, KeyAlgorithm, KeyError, NameError, PrivateKey,
    SerialNumber, ServerCert, Timestamp, Validity, VerifiedCsr,
};

fn validity(from: u64, to: u64) -> Validity {
    Validity {
        not_before: Timestamp::from_secs(from),
        not_after: Timestamp::from_secs(to),
    }
}

fn server(key: &PrivateKey, domain: &str) -> ServerCert {
    let domain = Domain::parse(domain).unwrap();
    let serial = SerialNumber::random(&mut OsRng);
    issue::server_cert(key, &domain, serial, validity(1000, 2000)).unwrap()
}

fn request(algorithm: KeyAlgorithm) -> VerifiedCsr {
    let der = csr(&key(algorithm), alice(), Attributes::new());
    IdCsr::from_der(&der).unwrap().verify().unwrap()
}

fn actor(key: &PrivateKey, issuer: &ServerCert) -> ActorCert {
    let serial = SerialNumber::random(&mut OsRng);
    let request = request(KeyAlgorithm::P256);
    issue::actor_cert(key, issuer, &request, serial, validity(1200, 1500)).unwrap()
}

/// Takes a good actor's certificate, changes it, and signs it again.
fn changed(change: impl FnOnce(&mut TbsCertificate)) -> Result<ActorCert, IdCertError> {
    let key = key(KeyAlgorithm::Ed25519);
    let good = actor(&key, &server(&key, "a.example"));
    let change = |certificate: &mut Certificate| change(&mut certificate.tbs_certificate);
    let der = signed_again(&key, good.as_der(), change);
    let read = ActorCert::from_der(&der);
    // What is refused is also found by the linter, and the other way round.
    assert_eq!(read.is_ok(), inspect(&der).unwrap().findings.is_empty());
    read
}

/// The same with a server's.
fn changed_server(change: impl FnOnce(&mut Certificate)) -> Result<ServerCert, IdCertError> {
    let key = key(KeyAlgorithm::Ed25519);
    let der = signed_again(&key, server(&key, "a.example").as_der(), change);
    let read = ServerCert::from_der(&der);
    assert_eq!(read.is_ok(), inspect(&der).unwrap().findings.is_empty());
    read
}

fn signed_again(key: &PrivateKey, good: &[u8], change: impl FnOnce(&mut Certificate)) -> Vec<u8> {
    let mut certificate = Certificate::from_der(good).unwrap();
    change(&mut certificate);
    let signature = key.sign(&certificate.tbs_certificate.to_der().unwrap());
    certificate.signature = BitString::from_bytes(&signature).unwrap();
    certificate.to_der().unwrap()
}

#[test]
fn every_pairing_is_issued_and_verified() {
    for issuer in ALGORITHMS {
        for subject in ALGORITHMS {
            let key = key(issuer);
            let server = server(&key, "a.example");
            let request = request(subject);
            let serial = SerialNumber::random(&mut OsRng);
            let cert = issue::actor_cert(&key, &server, &request, serial, validity(1000, 2000));
            let cert = ActorCert::from_der(cert.unwrap().as_der()).unwrap();
            cert.verify(&server).unwrap();
            assert_eq!(cert.public_key(), request.public_key());
            assert_eq!(cert.serial_number(), Some(serial));
            assert_eq!(cert.validity(), validity(1000, 2000));
        }
    }
}

#[test]
fn a_certificate_verifies_with_its_issuer_alone() {
    let (mine, other) = (key(KeyAlgorithm::P256), key(KeyAlgorithm::P256));
    let issuer = server(&mine, "a.example");
    let cert = actor(&mine, &issuer);
    let forger = server(&other, "a.example");
    assert_eq!(
        cert.verify(&forger),
        Err(IdCertError::Signature(KeyError::Signature))
    );
    let elsewhere = server(&mine, "b.example");
    assert_eq!(cert.verify(&elsewhere), Err(IdCertError::OtherIssuer));
    let ed25519 = server(&key(KeyAlgorithm::Ed25519), "a.example");
    let expected = IdCertError::Signature(KeyError::SignatureAlgorithm);
    assert_eq!(cert.verify(&ed25519), Err(expected));
    let domain = Domain::parse("a.example").unwrap();
    let serial = SerialNumber::random(&mut OsRng);
    let shorter = issue::server_cert(&mine, &domain, serial, validity(1000, 1499)).unwrap();
    assert_eq!(cert.verify(&shorter), Err(IdCertError::OutsideIssuer));
}

#[test]
fn nothing_is_issued_outside_the_issuers_domain_and_time() {
    let key = key(KeyAlgorithm::P256);
    let serial = SerialNumber::random(&mut OsRng);
    let request = request(KeyAlgorithm::P256);
    let elsewhere = server(&key, "b.example");
    let issued = issue::actor_cert(&key, &elsewhere, &request, serial, validity(1200, 1500));
    assert_eq!(issued.unwrap_err(), IssueError::OtherDomain);
    let home = server(&key, "a.example");
    for (from, to) in [(999, 1500), (1200, 2001), (1500, 1200)] {
        let issued = issue::actor_cert(&key, &home, &request, serial, validity(from, to));
        assert_eq!(issued.unwrap_err(), IssueError::Validity, "{from} to {to}");
    }
}

#[test]
fn each_fault_of_form_has_its_own_refusal() {
    assert!(changed(|_| ()).is_ok());
    let subject = |index: usize, rdn| {
        move |tbs: &mut TbsCertificate| {
            let mut name = alice();
            name[index] = rdn;
            tbs.subject = RdnSequence(name);
        }
    };
    let extensions = IdCertError::Extensions("session");
    let canonical = IdCertError::Subject(NameError::NotCanonical);
    let extra = Extension {
        extn_id: ObjectIdentifier::new_unwrap("2.5.29.14"),
        critical: false,
        extn_value: OctetString::new(vec![4, 0]).unwrap(),
    };
    let refusals = [
        (
            changed(|tbs| tbs.version = Version::V1),
            IdCertError::Version,
        ),
        (
            changed(|tbs| tbs.extensions.as_mut().unwrap().reverse()),
            extensions.clone(),
        ),
        (
            changed(|tbs| tbs.extensions.as_mut().unwrap()[0].critical = false),
            extensions.clone(),
        ),
        (
            changed(|tbs| tbs.extensions.as_mut().unwrap().push(extra)),
            extensions.clone(),
        ),
        (changed(|tbs| tbs.extensions = None), extensions),
        (
            changed(|tbs| tbs.subject_unique_id = Some(BitString::from_bytes(b"x").unwrap())),
            IdCertError::UniqueId,
        ),
        (
            changed(|tbs| tbs.issuer_unique_id = Some(BitString::from_bytes(b"x").unwrap())),
            IdCertError::UniqueId,
        ),
        (changed(subject(0, utf8(DC, "example"))), canonical.clone()),
        (
            changed(subject(2, utf8(UID, "Alice@a.example"))),
            canonical.clone(),
        ),
        (changed(|tbs| tbs.subject.0.reverse()), canonical),
        (
            changed(subject(3, utf8(CN, "bob"))),
            IdCertError::Subject(NameError::CommonName),
        ),
        (
            changed(subject(1, ia5(DC, "b"))),
            IdCertError::Subject(NameError::DomainMismatch),
        ),
        (
            changed(|tbs| tbs.issuer = RdnSequence(vec![ia5(DC, "example"), ia5(DC, "b")])),
            IdCertError::OtherDomain,
        ),
        (
            changed(|tbs| tbs.issuer = RdnSequence(alice())),
            IdCertError::IssuedByActor,
        ),
        (
            changed(|tbs| {
                std::mem::swap(&mut tbs.validity.not_before, &mut tbs.validity.not_after);
            }),
            IdCertError::Validity,
        ),
        (
            changed(|tbs| tbs.signature = KeyAlgorithm::P256.signature_identifier()),
            IdCertError::Algorithms,
        ),
        (
            changed(|tbs| {
                // The same point, compressed (SEC 1 §2.3.3).
                let spki = &mut tbs.subject_public_key_info;
                let point = spki.subject_public_key.raw_bytes();
                let tag = 2 + (point[64] & 1);
                let compressed = [&[tag], &point[1..33]].concat();
                spki.subject_public_key = BitString::from_bytes(&compressed).unwrap();
            }),
            IdCertError::Key(KeyError::Invalid),
        ),
        (
            changed(|tbs| {
                // The neutral element, which would verify anything.
                let spki = &mut tbs.subject_public_key_info;
                *spki = key(KeyAlgorithm::Ed25519).public_key().to_spki().unwrap();
                let mut neutral = [0; 32];
                neutral[0] = 1;
                spki.subject_public_key = BitString::from_bytes(&neutral).unwrap();
            }),
            IdCertError::Key(KeyError::Invalid),
        ),
    ];
    for (read, expected) in refusals {
        assert_eq!(read.unwrap_err(), expected);
    }
}

#[test]
fn a_serial_number_is_positive_and_has_20_octets_at_most() {
    let numbered = |octets: &[u8]| {
        let serial = Any::new(Tag::Integer, octets).unwrap().to_der().unwrap();
        let serial = x509_cert::serial_number::SerialNumber::from_der(&serial).unwrap();
        changed(|tbs| tbs.serial_number = serial)
    };
    assert!(numbered(&[1]).is_ok());
    for refused in [&[0][..], &[0xff], &[0x80, 1], &[1; 21]] {
        assert_eq!(numbered(refused).unwrap_err(), IdCertError::Serial);
    }
}

#[test]
fn a_key_has_the_parameters_of_its_kind_and_no_others() {
    let of = |algorithm, parameters: Any| {
        changed(move |tbs| {
            let spki = &mut tbs.subject_public_key_info;
            *spki = key(algorithm).public_key().to_spki().unwrap();
            spki.algorithm.parameters = Some(parameters);
        })
    };
    let curve = |oid| Any::from(&ObjectIdentifier::new_unwrap(oid));
    let p256 = curve("1.2.840.10045.3.1.7");
    assert!(of(KeyAlgorithm::P256, p256.clone()).is_ok());
    let p384 = curve("1.3.132.0.34");
    for refused in [
        of(KeyAlgorithm::P256, p384),
        of(KeyAlgorithm::P256, Any::null()),
        of(KeyAlgorithm::Ed25519, p256),
        of(KeyAlgorithm::Ed25519, Any::null()),
    ] {
        let expected = IdCertError::Key(KeyError::Algorithm);
        assert_eq!(refused.unwrap_err(), expected);
    }
}

#[test]
fn a_signature_has_no_parameters() {
    assert!(changed_server(|_| ()).is_ok());
    let read = changed_server(|certificate| {
        let algorithm = &mut certificate.signature_algorithm;
        algorithm.parameters = Some(Any::null());
        certificate.tbs_certificate.signature = algorithm.clone();
    });
    let expected = IdCertError::Signature(KeyError::SignatureAlgorithm);
    assert_eq!(read.unwrap_err(), expected);
}

#[test]
fn a_server_certifies_its_own_domain() {
    let read = changed_server(|certificate| {
        let issuer = vec![ia5(DC, "example"), ia5(DC, "b")];
        certificate.tbs_certificate.issuer = RdnSequence(issuer);
    });
    assert_eq!(read.unwrap_err(), IdCertError::OtherDomain);
}

#[test]
fn no_byte_of_a_certificate_can_change() {
    for algorithm in ALGORITHMS {
        let key = key(algorithm);
        let issuer = server(&key, "a.example");
        let good = actor(&key, &issuer).as_der().to_vec();
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 0x01;
            let verdict = ActorCert::from_der(&bytes).and_then(|cert| cert.verify(&issuer));
            assert!(verdict.is_err(), "byte {position}");
        }
        let trailing = [good, vec![0]].concat();
        assert_eq!(
            ActorCert::from_der(&trailing).unwrap_err(),
            IdCertError::NotX509
        );
    }
}

#[test]
fn an_actor_is_no_server_and_a_server_no_actor() {
    let key = key(KeyAlgorithm::P256);
    let issuer = server(&key, "a.example");
    let cert = actor(&key, &issuer);
    assert_eq!(
        ServerCert::from_der(cert.as_der()).unwrap_err(),
        IdCertError::NotAServer
    );
    assert_eq!(
        ActorCert::from_der(issuer.as_der()).unwrap_err(),
        IdCertError::NotAnActor
    );
}

#[test]
fn dates_change_their_form_in_2050() {
    let key = key(KeyAlgorithm::Ed25519);
    let domain = Domain::parse("a.example").unwrap();
    // 2049-12-31T23:59:59Z, and the second after.
    let last_utc_time = 2_524_607_999;
    let serial = SerialNumber::random(&mut OsRng);
    let around = validity(last_utc_time, last_utc_time + 1);
    let cert = issue::server_cert(&key, &domain, serial, around).unwrap();
    assert_eq!(cert.validity(), around);
    let has = |text: &[u8]| {
        cert.as_der()
            .windows(text.len())
            .any(|window| window == text)
    };
    assert!(has(b"\x17\x0d491231235959Z") && has(b"\x18\x0f20500101000000Z"));
}
