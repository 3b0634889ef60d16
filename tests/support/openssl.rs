//! The `openssl` program, as a judge of certificates that shares no code with us.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Asserts that `openssl verify -CAfile server session` accepts a certificate.
pub fn assert_verifies(session: &[u8], server: &[u8]) {
    let directory = TempDir::new().unwrap();
    let session = to_pem(session, &directory.path().join("session.pem"));
    let server = to_pem(server, &directory.path().join("server.pem"));
    let output = Command::new("openssl")
        .args(["verify", "-CAfile", &server, &session])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn to_pem(der: &[u8], path: &Path) -> String {
    let in_der = path.with_extension("der");
    std::fs::write(&in_der, der).unwrap();
    let converted = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-in"])
        .arg(&in_der)
        .arg("-out")
        .arg(path)
        .output()
        .unwrap();
    assert!(converted.status.success(), "{converted:?}");
    path.to_str().unwrap().to_owned()
}

/// The same, as of a second.
pub fn assert_verifies_at(session: &[u8], server: &[u8], at: u64) {
    let directory = TempDir::new().unwrap();
    let session = to_pem(session, &directory.path().join("session.pem"));
    let server = to_pem(server, &directory.path().join("server.pem"));
    let at = at.to_string();
    let output = Command::new("openssl")
        .args(["verify", "-attime", &at, "-CAfile", &server, &session])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Runs a command that must succeed.
pub fn ok(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A request for a certificate with a new P-256 key, in DER, as a configuration says.
pub fn request(config: &str) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
    let (config_path, out) = (path("req.cnf"), path("csr.der"));
    std::fs::write(&config_path, config).unwrap();
    ok(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        &path("key.pem"),
        "-config",
        &config_path,
        "-outform",
        "DER",
        "-out",
        &out,
    ]);
    std::fs::read(&out).unwrap()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("bytes");
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("openssl")
        .args(["dgst", "-sha256", "-binary"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}
