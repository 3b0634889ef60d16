//! The data directory: whose it is, who may look into it, and what is no directory at all.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::program::{Place, key_files};

const SERVE: [&str; 4] = ["--domain", "a.example", "--listen", "127.0.0.1:0"];

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A directory and everything in it.
fn all_of(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(all_of(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn assert_private(data: &Path) {
    for path in all_of(data) {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}

/// The store makes files of its own, and asks for no mode.
#[test]
fn a_new_node_keeps_everything_to_itself() {
    let place = Place::new();
    let mut node = Command::new("sh")
        .args(["-c", r#"umask 0; exec "$0" "$@""#])
        .arg(env!("CARGO_BIN_EXE_antiphon"))
        .args(SERVE)
        .current_dir(place.folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = std::io::BufReader::new(node.stdout.take().unwrap());
    let is_running = std::io::BufRead::lines(stdout).any(|line| line.unwrap().contains("address"));
    node.kill().unwrap();
    node.wait().unwrap();
    assert!(is_running);
    assert_private(&place.data());
}

#[test]
fn what_others_may_read_is_found_and_closed_to_them() {
    let place = Place::new();
    fs::write(place.path("config.toml"), "domain = \"a.example\"\n").unwrap();
    let open_up = || {
        for path in all_of(&place.data()) {
            let wide = if path.is_dir() { 0o755 } else { 0o644 };
            set_mode(&path, wide);
        }
    };
    drop(place.start());
    place.ok(&["verify"]);
    let key = key_files(&place.data()).remove(0);
    open_up();
    // Whoever only looks changes nothing.
    for _ in 0..2 {
        let output = place.run(&["verify"]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        for (path, wanted) in [("data", 700), ("data/keys", 700), ("data/db", 700)] {
            let finding = format!("WRONG: {path}: its mode is 755, and should be {wanted}\n");
            assert!(said.contains(&finding), "{said}");
        }
        let of_key = format!(
            "{}: its mode is 644",
            Path::new("data/keys")
                .join(key.file_name().unwrap())
                .display()
        );
        assert!(said.contains(&of_key), "{said}");
    }
    let program = place.start();
    let log = place.log();
    assert!(log.contains("could be read by others"), "{log}");
    assert!(log.contains("antiphon key rotate"), "{log}");
    drop(program);
    assert_private(&place.data());
    place.ok(&["verify"]);
    drop(place.start());
    assert!(!place.log().contains("could be read by others"));

    for command in ["compact", "repair-indexes", "export"] {
        open_up();
        place.ok(&[command]);
        assert_private(&place.data());
    }

    // An empty directory that somebody has made for it.
    let program = place.start();
    place.ok(&["backup", "backup"]);
    drop(program);
    fs::create_dir(place.path("other")).unwrap();
    set_mode(&place.path("other"), 0o755);
    place.ok(&["--data-dir", "other", "restore", "backup"]);
    assert_private(&place.path("other"));
}
