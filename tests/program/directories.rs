//! The data directory: whose it is, who may look into it, and what is no directory at all.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::disk::interposer;
use super::program::{Place, key_files};
use crate::support::{ClientKey, openssl};

const SERVE: [&str; 4] = ["--domain", "a.example", "--listen", "127.0.0.1:0"];

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Whether a node starts; it is killed then.
fn starts(command: &mut Command) -> bool {
    let mut node = command.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(node.stdout.take().unwrap());
    let is_running = stdout.lines().any(|line| line.unwrap().contains("address"));
    node.kill().unwrap();
    node.wait().unwrap();
    is_running
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

fn open_up(directory: &Path) {
    for path in all_of(directory) {
        let wide = if path.is_dir() { 0o755 } else { 0o644 };
        set_mode(&path, wide);
    }
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
    place.start_after("umask 0", |_| ());
    assert_private(&place.data());
}

#[test]
fn what_others_may_read_is_found_and_closed_to_them() {
    let place = Place::new();
    fs::write(place.path("config.toml"), "domain = \"a.example\"\n").unwrap();
    drop(place.start());
    place.ok(&["verify"]);
    let key = key_files(&place.data()).remove(0);
    open_up(&place.data());
    // Whoever only looks changes nothing.
    for _ in 0..2 {
        let output = place.run(&["verify"]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        for path in ["data", "data/keys", "data/db"] {
            let note = format!("note: {path}: its mode is 755, and others may look into it");
            assert!(said.contains(&note), "{said}");
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
        open_up(&place.data());
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

/// Whoever finds a copy of the disk cannot sign in with it.
#[tokio::test]
async fn a_token_is_in_no_file() {
    let place = Place::new();
    let program = place.start();
    program.api.register("alice").await;
    let key = ClientKey::p256();
    let alice = program.api.trust("alice", "desk", &key).await;
    program.kill();
    let paths = all_of(&place.data());
    let files = paths.iter().filter(|path| path.is_file());
    let files: Vec<_> = files.map(|path| fs::read(path).unwrap()).collect();
    let is_kept = |sought: &[u8]| {
        let mut files = files.iter();
        files.any(|file| file.windows(sought.len()).any(|found| found == sought))
    };
    let token = URL_SAFE_NO_PAD.decode(&alice.token).unwrap();
    assert!(is_kept(&openssl::sha256(&token)));
    assert!(!is_kept(&token) && !is_kept(alice.token.as_bytes()));
}

/// Files that another user has made there would stop the node. Only the superuser can give a
/// directory away, so there is nothing to see here for others.
#[test]
fn a_directory_of_another_user_is_left_alone() {
    let place = Place::new();
    drop(place.start());
    let program = place.start();
    place.ok(&["backup", "backup"]);
    drop(program);
    for path in all_of(&place.data()) {
        if chown(path, Some(65_534), Some(65_534)).is_err() {
            return;
        }
    }
    let before = all_of(&place.data());
    for command in [
        &["--listen", "127.0.0.1:0", "serve"][..],
        &["verify"],
        &["compact"],
        &["repair-indexes"],
        &["export"],
    ] {
        let line = place.fails(&[&["--domain", "a.example"], command].concat(), 1);
        assert!(
            line.contains("belongs to the user nobody (65534)"),
            "{line}"
        );
        assert!(line.contains("this runs as root (0)"), "{line}");
    }
    assert_eq!(all_of(&place.data()), before);
    // The superuser's own may be in a directory of somebody else's, as in a container.
    for path in all_of(&place.data()) {
        if path != place.data() {
            chown(path, Some(0), Some(0)).unwrap();
        }
    }
    open_up(&place.data().join("keys"));
    place.ok(&["--domain", "a.example", "compact"]);
    place.ok(&["--domain", "a.example", "verify"]);
    assert_private(&place.data().join("keys"));
}

/// Such as a home directory that was given by mistake, or a certificate that everybody may read.
#[test]
fn what_is_not_the_nodes_keeps_its_mode() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    let foreign = place.data().join("fullchain.pem");
    fs::write(&foreign, "").unwrap();
    set_mode(&foreign, 0o644);
    set_mode(&place.data(), 0o755);
    for _ in 0..2 {
        drop(place.start());
        assert!(!place.log().contains("could be read by others"));
        assert_eq!((mode(&place.data()), mode(&foreign)), (0o755, 0o644));
        assert_private(&place.data().join("keys"));
        assert_private(&place.data().join("db"));
    }
}

#[test]
fn what_is_no_directory_is_called_so() {
    let place = Place::new();
    fs::write(place.data(), "").unwrap();
    symlink("nowhere", place.path("link")).unwrap();
    fs::create_dir(place.path("real")).unwrap();
    symlink("real", place.path("good")).unwrap();
    fs::write(place.path("no-backup"), "").unwrap();
    let commands = [&SERVE[..], &["verify"], &["compact"], &["repair-indexes"]];
    for command in commands {
        let line = place.fails(command, 1);
        assert!(line.contains("data is not a directory"), "{line}");
        let line = place.fails(&[&["--data-dir", "link"], command].concat(), 1);
        let expected = "link is a symbolic link to nowhere, which does not exist";
        assert!(line.contains(expected), "{line}");
    }
    for command in [
        &["user", "list"][..],
        &["export", "out"],
        &["backup", "out"],
    ] {
        for data in ["data", "link"] {
            let line = place.fails(&[&["--data-dir", data], command].concat(), 1);
            assert!(!line.contains("os error"), "{line}");
        }
    }
    assert!(!place.path("nowhere").exists());
    let serve = [&["--data-dir", "good"], &SERVE[..]].concat();
    assert!(starts(&mut place.command(&serve)));
}

/// A socket's name has far less room than a file's.
#[test]
fn a_directory_whose_socket_could_not_be_named_is_refused_before_it_is_made() {
    let place = Place::new();
    let long = "a".repeat(95);
    for command in ["serve", "check-config", "verify"] {
        let line = place.fails(&["--data-dir", &long, command], 2);
        assert!(line.contains("flag --data-dir: data_dir = "), "{line}");
        assert!(line.contains("at most 94 bytes"), "{line}");
    }
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);
    let longest = &long[..94];
    place.ok(&["--data-dir", longest, "check-config"]);
    let serve = [&["--data-dir", longest], &SERVE[..]].concat();
    assert!(starts(&mut place.command(&serve)));
}

/// Whoever is told that a disk is full wants to know which.
#[test]
fn a_full_disk_is_named() {
    let place = Place::new();
    fs::write(place.path("config.toml"), "domain = \"a.example\"\n").unwrap();
    let program = place.start();
    place.ok(&["backup", "backup"]);
    drop(program);
    let (temporary, other) = (place.path("tmp"), place.path("other"));
    fs::create_dir(&temporary).unwrap();
    let run = |arguments: &[&str], root: &Path, at: u32| {
        let mut command = place.command(arguments);
        command
            .env("TMPDIR", &temporary)
            .env("LD_PRELOAD", interposer())
            .env("DISK_ROOT", root)
            .env("DISK_FAULT", format!("{at}:28:4000000000"));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{at}: {said}");
        // Before it sled may have said something of its own.
        said.lines().last().unwrap().to_owned()
    };
    let mut interrupted = 0;
    let restore = ["--data-dir", other.to_str().unwrap(), "restore", "backup"];
    for at in (1..40).step_by(3) {
        let line = run(&["backup", "--verify", "backup"], &temporary, at);
        let is_named = line.contains(temporary.to_str().unwrap());
        assert!(is_named && line.contains("TMPDIR"), "{at}: {line}");
        drop(fs::remove_dir_all(&other));
        let line = run(&restore, &other, at);
        let is_named = line.contains(other.to_str().unwrap());
        assert!(is_named && !line.contains("TMPDIR"), "{at}: {line}");
        if other.join("keys").exists() {
            let serve = [&restore[..2], &SERVE[..]].concat();
            assert!(!starts(&mut place.command(&serve)), "{at}");
            let line = place.fails(&serve, 1);
            assert!(line.contains("remove it and restore again"), "{line}");
            interrupted += 1;
        }
    }
    assert!(interrupted > 0);
}

/// Nobody is answered from half of the indexes.
#[test]
fn a_repair_that_a_full_disk_ends_is_not_started_on() {
    let place = Place::new();
    let program = place.start();
    place.ok(&["user", "add", "alice"]);
    drop(program);
    let data = place.data();
    let repair = ["--domain", "a.example", "repair-indexes"];
    let mut interrupted = 0;
    for at in 1.. {
        let output = place
            .command(&repair)
            // Only whole paths are recognised.
            .env("ANTIPHON_DATA_DIR", &data)
            .env("LD_PRELOAD", interposer())
            .env("DISK_ROOT", &data)
            .env("DISK_FAULT", format!("{at}:28:4000000000"))
            .output();
        if output.unwrap().status.success() {
            break;
        }
        match place.try_start_with(&[]) {
            Ok(_program) => drop(place.ok(&["user", "grant-admin", "alice"])),
            Err(log) => {
                assert!(log.contains("run: antiphon repair-indexes"), "{at}: {log}");
                interrupted += 1;
            }
        }
    }
    assert!(interrupted > 0);
    place.ok(&repair);
    drop(place.start());
}
