//! The network door with a certificate.

use std::path::Path;
use std::process::Command;

use antiphon_protocol::{
    Domain, KeyAlgorithm, PrivateKey, SerialNumber, Timestamp, Validity, issue,
};
use rand_core::OsRng;
use x509_cert::Certificate;
use x509_cert::der::pem::LineEnding;
use x509_cert::der::{Decode as _, EncodePem as _};

use super::program::Place;
use crate::support::node::DOMAIN;
use crate::support::openssl;

/// The status with which an address is answered; `000` where HTTP is not spoken.
fn status(place: &Place, url: &str) -> String {
    let port = url.rsplit(':').next().unwrap();
    let output = Command::new("curl")
        .current_dir(place.folder.path())
        .args([
            "--silent",
            "--cacert",
            "cert.pem",
            "--write-out",
            "%{http_code}",
        ])
        .args(["--output", "answer", "--noproxy", "*"])
        .args(["--resolve", &format!("{DOMAIN}:{port}:127.0.0.1")])
        .arg(format!("{url}/p2core/key/server"))
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn a_node_with_a_certificate_speaks_nothing_but_tls() {
    let place = Place::new();
    let path = |name| place.path(name).to_str().unwrap().to_owned();
    openssl::ok(&[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=a.example",
        "-addext",
        "subjectAltName=DNS:a.example",
        "-keyout",
        &path("key.pem"),
        "-out",
        &path("cert.pem"),
    ]);
    let program = place.start_with(&[
        ("ANTIPHON_LISTEN__TLS_CERTIFICATE", Path::new("cert.pem")),
        ("ANTIPHON_LISTEN__TLS_KEY", Path::new("key.pem")),
    ]);
    let address = program.api.base.strip_prefix("https://127.0.0.1").unwrap();
    assert_eq!(status(&place, &format!("https://{DOMAIN}{address}")), "200");
    let plain = status(&place, &format!("http://{DOMAIN}{address}"));
    assert_ne!(plain, "200");
}

/// It is no reason not to start, and one to say so.
#[test]
fn a_certificate_that_has_ended_is_said_to_have() {
    let place = Place::new();
    let key = PrivateKey::generate(KeyAlgorithm::P256, &mut OsRng);
    std::fs::write(place.path("key.pem"), key.to_pkcs8_pem().unwrap()).unwrap();
    for (not_after, has_ended) in [(1_700_000_000, true), (4_000_000_000, false)] {
        let validity = Validity {
            not_before: Timestamp::from_secs(1_500_000_000),
            not_after: Timestamp::from_secs(not_after),
        };
        let serial = SerialNumber::random(&mut OsRng);
        let cert =
            issue::server_cert(&key, &Domain::parse(DOMAIN).unwrap(), serial, validity).unwrap();
        let cert = Certificate::from_der(cert.as_der()).unwrap();
        std::fs::write(place.path("cert.pem"), cert.to_pem(LineEnding::LF).unwrap()).unwrap();
        let files = [
            ("ANTIPHON_LISTEN__TLS_CERTIFICATE", Path::new("cert.pem")),
            ("ANTIPHON_LISTEN__TLS_KEY", Path::new("key.pem")),
        ];
        let checked = place
            .command(&["check-config"])
            .envs(files)
            .output()
            .unwrap();
        assert!(checked.status.success());
        let said = String::from_utf8(checked.stderr).unwrap();
        assert_eq!(
            said.contains("cert.pem has ended at 2023-"),
            has_ended,
            "{said}"
        );
        place.start_with(&files).kill();
        let log = place.log();
        assert_eq!(
            log.contains("the TLS certificate has ended"),
            has_ended,
            "{log}"
        );
    }
}
