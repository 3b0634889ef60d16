//! Passphrases, and the private key in a backup.

use std::fs;

use super::program::{Place, one_line};

const PASSPHRASE: &str = "a passphrase of some length";

/// A place with two backups of one node: `full`, and `without-key`.
fn with_backups() -> Place {
    let place = Place::new();
    fs::write(place.path("config.toml"), "domain = \"a.example\"\n").unwrap();
    fs::write(place.path("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
    let program = place.start();
    place.ok(&["backup", "full", "--passphrase-file", "passphrase"]);
    place.ok(&["backup", "without-key"]);
    drop(program);
    place
}

/// The same arguments, with the passphrase.
fn with_passphrase<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["--passphrase-file", "passphrase"]].concat()
}

const RESTORE: [&str; 3] = ["--data-dir", "other", "restore"];

/// Whoever says that there is a passphrase does not want to be left without one.
#[test]
fn an_empty_passphrase_is_a_mistake_and_not_none() {
    let place = with_backups();
    let program = place.start();
    let restore = [&RESTORE[..], &["full"]].concat();
    for text in ["", "\n", "\r\n", "\na passphrase of some length\n"] {
        fs::write(place.path("empty"), text).unwrap();
        for command in [
            &["backup", "new"][..],
            &["backup", "--verify", "full"],
            &restore,
        ] {
            let by_file = [command, &["--passphrase-file", "empty"]].concat();
            let line = place.fails(&by_file, 1);
            assert!(line.contains("empty: the passphrase is empty"), "{line}");
            let by_stdin = [command, &["--passphrase-stdin"]].concat();
            let line = one_line(&place.run_with_input(&by_stdin, text), 1);
            assert!(
                line.contains("standard input: the passphrase is empty"),
                "{line}"
            );
        }
    }
    assert!(!place.path("new").exists());
    assert!(!place.path("other").exists());
    drop(program);
}

/// Or a node that cannot start would be taken for one that can.
#[test]
fn a_passphrase_for_a_backup_without_a_key_is_a_mistake() {
    let place = with_backups();
    let restore = [&RESTORE[..], &["without-key"]].concat();
    for command in [&["backup", "--verify", "without-key"][..], &restore] {
        let line = place.fails(&with_passphrase(command), 1);
        assert!(
            line.contains("without-key has no private key in it"),
            "{line}"
        );
    }
    assert!(!place.path("other").exists());
    place.ok(&restore);
}
