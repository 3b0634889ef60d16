//! The network door with a certificate.

use std::path::Path;
use std::process::Command;

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
