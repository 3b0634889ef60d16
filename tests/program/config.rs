//! Configuration: what is refused, and who wins.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::Value;

use super::program::{Place, one_line};

fn effective(place: &Place, arguments: &[&str]) -> Vec<(String, String, String)> {
    let arguments = [&["check-config", "--json"], arguments].concat();
    let rows: Vec<Value> = serde_json::from_str(&place.ok(&arguments)).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter()
        .map(|row| (text(row, "key"), text(row, "value"), text(row, "origin")))
        .collect()
}

fn value_of(rows: &[(String, String, String)], key: &str) -> (String, String) {
    let row = rows.iter().find(|row| row.0 == key).unwrap();
    (row.1.clone(), row.2.clone())
}

#[test]
fn the_shipped_file_says_the_defaults() {
    let place = Place::new();
    let without: Vec<_> = effective(&place, &[])
        .into_iter()
        .map(|row| (row.0, row.1))
        .collect();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    fs::copy(shipped, place.path("config.toml")).unwrap();
    let with = effective(&place, &[]);
    assert!(with.iter().any(|row| row.2 == "config.toml"));
    let with: Vec<_> = with.into_iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(with, without);
}

#[test]
fn flags_beat_variables_and_variables_beat_the_file() {
    let place = Place::new();
    fs::write(place.path("my.toml"), "[sessions]\ntoken_days = 1\n").unwrap();
    let rows = effective(&place, &["--config", "my.toml"]);
    assert_eq!(
        value_of(&rows, "sessions.token_days"),
        ("1".into(), "my.toml".into())
    );
    let checked = |arguments: &[&str]| {
        let mut command = place.command(&["check-config", "--json", "--config", "my.toml"]);
        let output = command
            .args(arguments)
            .env("ANTIPHON_SESSIONS__TOKEN_DAYS", "2")
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(checked(&[]).contains("environment variable ANTIPHON_SESSIONS__TOKEN_DAYS"));
    assert!(checked(&["--set", "sessions.token_days=3"]).contains("flag --set"));
}

#[test]
fn a_mistake_is_one_line_that_names_place_key_and_remedy() {
    let place = Place::new();
    let cases = [
        (
            "domian = \"a\"",
            &["config.toml", "domian", "did you mean domain?"][..],
        ),
        (
            "[listen]\nadress = \"x\"",
            &["listen.adress", "listen.address", "listen.tls_key"],
        ),
        ("domain = \"a_b\"", &["config.toml", "domain", "a.example"]),
        ("domain = \"a-.example\"", &["domain", "hyphen"]),
        (
            &format!("domain = \"{}b\"", "a.".repeat(48)),
            &["domain", "48 labels"],
        ),
        ("domain = 1", &["domain", "a.example"]),
        (
            "[listen]\naddress = \"localhost\"",
            &["listen.address", "IP address and port"],
        ),
        (
            "[listen]\ntls_key = \"k.pem\"",
            &["listen.tls_key", "together with listen.tls_certificate"],
        ),
        (
            "[identity]\nalgorithm = \"rsa\"",
            &["identity.algorithm", "\"p256\" or \"ed25519\""],
        ),
        (
            "[identity]\nserver_cert_days = 0",
            &["identity.server_cert_days", "1 to 3650"],
        ),
        (
            "[identity]\nserver_cert_days = 9\nsession_cert_days = 10",
            &["identity.session_cert_days", "days, 1 to 9"],
        ),
        (
            "[registration]\nmode = \"opne\"",
            &["registration.mode", "\"invite\""],
        ),
        (
            "[sessions]\ntoken_days = \"30\"",
            &["sessions.token_days", "whole number"],
        ),
        (
            "[key_packages]\nlow_watermark = 101",
            &["key_packages.low_watermark", "0 to 100"],
        ),
        (
            "[federation]\nenabled = 1",
            &["federation.enabled", "true or false"],
        ),
        ("[federation]\nblock = [\"-_-\"]", &["federation.block"]),
        (
            "[federation.hosts]\n\"b.example\" = \"b\"",
            &["federation.hosts", "http://"],
        ),
        ("[limits]\nbody_bytes = -1", &["limits.body_bytes"]),
        (
            "[storage]\ncache_mib = 1",
            &["storage.cache_mib", "8 to 65536"],
        ),
        ("[log]\nlevel = \"loud\"", &["log.level", "\"debug\""]),
    ];
    each_is_said(&place, &cases);
    fs::write(place.path("config.toml"), "").unwrap();
    for variable in ["ANTIPHON_LISTEN__ADRESS", "ANTIPHON_LISTEN"] {
        let output = place.command(&["serve"]).env(variable, "x").output();
        let line = one_line(&output.unwrap(), 2);
        assert!(line.contains(&format!("{variable}: ")), "{line}");
    }
    assert!(place.fails(&["--set", "no.such=1"], 2).contains("no.such"));
    assert!(
        place
            .fails(&["--config", "gone.toml"], 2)
            .contains("gone.toml")
    );
    assert!(
        !place.data().exists(),
        "a refused start left something behind"
    );
}

/// How many labels a domain may have is said of the node's own.
#[test]
fn a_domain_of_many_labels_can_be_blocked() {
    let domain = format!("{}b", "a.".repeat(48));
    let text = format!("[federation]\nblock = [\"{domain}\"]\n");
    let place = Place::new();
    fs::write(place.path("config.toml"), text).unwrap();
    assert!(place.ok(&["check-config"]).contains(&domain));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_so_is_who_named_it() {
    let place = Place::new();
    fs::write(place.path("no.pem"), "").unwrap();
    let cases = [
        ("domain = ", &["config.toml", "line 1"][..]),
        (
            "domain = \"a\"\ndomain = \"b\"",
            &["config.toml", "line 2", "duplicate key", "domain = "],
        ),
        (
            "[listen]\ntls_certificate = \"gone.pem\"\ntls_key = \"k.pem\"",
            &[
                "config.toml",
                "listen.tls_certificate",
                "gone.pem: No such file",
            ],
        ),
        (
            "[listen]\ntls_certificate = \"no.pem\"\ntls_key = \"no.pem\"",
            &["config.toml", "listen.tls_key", "no.pem", "a PEM file"],
        ),
    ];
    each_is_said(&place, &cases);
}

/// Asserts that a file with this text stops the start with one line that has these parts.
fn each_is_said(place: &Place, cases: &[(&str, &[&str])]) {
    for (text, expected) in cases {
        fs::write(place.path("config.toml"), text).unwrap();
        let line = place.fails(&["serve"], 2);
        for part in *expected {
            assert!(line.contains(part), "{text}: {line}");
        }
        // Whoever asks before the start is told the same.
        assert_eq!(place.fails(&["check-config"], 2), line);
    }
}

#[test]
fn what_cannot_be_read_is_refused_like_what_is_too_much() {
    let place = Place::new();
    let line = place.fails(&["--set", "no\nsuch=1"], 2);
    assert!(line.contains("no\\nsuch"), "{line}");
    for given in ["thirty", "", "30\nother = 1"] {
        let line = place.fails(&["--set", &format!("sessions.token_days={given}")], 2);
        assert!(line.contains("flag --set: sessions.token_days"), "{line}");
        assert!(line.contains("a whole number of days, 1 to 3650"), "{line}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_a_mistake() {
    let place = Place::new();
    let checked = |name: &[u8], value: &[u8]| {
        let mut command = place.command(&["check-config"]);
        command.env(OsStr::from_bytes(name), OsStr::from_bytes(value));
        command.output().unwrap()
    };
    let line = one_line(&checked(b"ANTIPHON_DATA_DIR", b"d\xffta"), 2);
    assert!(
        line.contains("environment variable ANTIPHON_DATA_DIR: "),
        "{line}"
    );
    let line = one_line(&checked(b"ANTIPHON_LISTEN__ADDR\xff", b"x"), 2);
    assert!(line.contains("ANTIPHON_LISTEN__ADDR"), "{line}");
    // Somebody else's.
    assert!(checked(b"OTHER_\xff", b"\xff").status.success());
    assert!(
        checked(b"ANTIPHON_SOMETHING_ELSE", b"\xff")
            .status
            .success()
    );
}
