//! Passphrases, and the private key in a backup.

use std::fs;

use super::disk::interposer;
use super::program::{Place, one_line};
use crate::support::openssl;

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

/// A temporary directory may be anywhere, and what was on a disk once can be found there.
#[test]
fn a_private_key_that_is_verified_is_not_written_anywhere() {
    let place = with_backups();
    let temporary = place.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let output = place
        .command(&with_passphrase(&["backup", "--verify", "full"]))
        .env("TMPDIR", &temporary)
        .env("LD_PRELOAD", interposer())
        .env("DISK_ROOT", &temporary)
        .env("DISK_JOURNAL", place.path("journal"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("private keys                 1\n"), "{said}");
    assert!(!said.contains("was not looked at"), "{said}");
    let written = fs::read(place.path("journal")).unwrap();
    let has = |text: &[u8]| written.windows(text.len()).any(|window| window == text);
    assert!(has(b"/data/mark") && !has(b"PRIVATE KEY") && !has(b".pem"));
}

#[test]
fn a_private_key_of_another_certificate_is_found_wrong() {
    let place = with_backups();
    let other = with_backups();
    let key = frames(&fs::read(other.path("full")).unwrap()).swap_remove(1);
    assert_eq!(key[0], 2);
    let mut mixed = fs::read(place.path("full")).unwrap()[..20].to_vec();
    let mut mine = frames(&fs::read(place.path("full")).unwrap());
    mine[1] = key;
    let mut end = mine.pop().unwrap();
    mixed.extend(mine.concat());
    let checksum = openssl::sha256(&mixed);
    end.truncate(end.len() - checksum.len());
    end.extend(checksum);
    mixed.extend(end);
    fs::write(place.path("mixed"), mixed).unwrap();
    place.ok(&["backup", "--verify", "mixed"]);
    let restore = [&RESTORE[..], &["mixed"]].concat();
    for command in [&["backup", "--verify", "mixed"][..], &restore] {
        let line = place.fails(&with_passphrase(command), 1);
        assert!(line.contains("does not match"), "{line}");
    }
}

/// The parts of a backup: kind, length, and as many bytes.
fn frames(backup: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &backup[20..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap());
        let (frame, after) = rest.split_at(5 + usize::try_from(length).unwrap());
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}
