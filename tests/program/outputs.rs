//! What commands write: whole, or not at all, and a failure to write it is one.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::program::{Place, one_line};
use crate::support::ClientKey;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A node that answers one order with these bytes, and is gone.
fn answering_once(place: &Place, answer: &'static [u8]) -> thread::JoinHandle<()> {
    drop(fs::create_dir(place.data()));
    let socket = place.data().join("control.sock");
    drop(fs::remove_file(&socket));
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut order = String::new();
        BufReader::new(&stream).read_line(&mut order).unwrap();
        stream.write_all(answer).unwrap();
    })
}

#[test]
fn an_export_that_was_cut_off_is_a_failure_and_leaves_no_file() {
    let place = Place::new();
    for answer in [
        &b"{\"done\":null}\n"[..],
        b"{\"done\":null}\n{\"entry\":1}\n",
        b"{\"done\":null}\n{\"entry\":1}\n{\"end\":{\"entries\":1}}",
        b"{\"done\":null}\n{\"entry\":1}\n{\"end\":{\"ent",
        b"{\"done\":null}\n{\"end\":{\"entries\":1}}\n{\"entry\":1}\n",
    ] {
        for command in [&["export"][..], &["export", "log.jsonl"]] {
            let node = answering_once(&place, answer);
            let line = one_line(&place.run(command), 1);
            assert!(line.contains("the export was cut off"), "{line}");
            node.join().unwrap();
            assert!(!place.path("log.jsonl").exists());
            assert!(!place.path("log.jsonl.partial").exists());
        }
    }
}

#[test]
fn an_export_is_there_once_it_is_whole_and_for_the_owner_alone() {
    let place = Place::new();
    let nowhere = ["--data-dir", "nowhere", "export", "log.jsonl"];
    let line = place.fails(&nowhere, 1);
    assert!(line.contains("nowhere"), "{line}");
    assert_eq!(fs::read_dir(place.folder.path()).unwrap().count(), 0);

    let program = place.start();
    place.ok(&["export", "online.jsonl"]);
    drop(program);
    place.ok(&["--domain", "a.example", "export", "offline.jsonl"]);
    for file in ["online.jsonl", "offline.jsonl"] {
        assert_eq!(mode(&place.path(file)), 0o600);
        let text = fs::read_to_string(place.path(file)).unwrap();
        assert!(
            text.lines().last().unwrap().starts_with("{\"end\":"),
            "{text}"
        );
    }
    let line = place.fails(&["export", "gone/log.jsonl"], 1);
    assert!(line.contains("gone/log.jsonl"), "{line}");
}

/// What another attempt, or another person, has left under the name that is written first.
#[test]
fn a_file_is_written_anew_and_never_through_what_was_there() {
    let place = Place::new();
    let program = place.start();
    fs::write(place.path("elsewhere"), "precious").unwrap();
    for command in ["backup", "export"] {
        for is_link in [true, false] {
            let partial = place.path("out.partial");
            if is_link {
                symlink("elsewhere", &partial).unwrap();
            } else {
                fs::write(&partial, "what is left of an attempt").unwrap();
                fs::set_permissions(&partial, Permissions::from_mode(0o666)).unwrap();
            }
            place.ok(&[command, "out"]);
            let written = fs::symlink_metadata(place.path("out")).unwrap();
            assert!(written.is_file(), "{command}");
            assert_eq!(mode(&place.path("out")), 0o600, "{command}");
            assert_eq!(
                fs::read_to_string(place.path("elsewhere")).unwrap(),
                "precious"
            );
            assert!(!partial.exists());
            fs::remove_file(place.path("out")).unwrap();
        }
    }
    drop(program);
}

/// A password that was made up and not told is lost.
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let place = Place::new();
    fs::write(place.path("config.toml"), "domain = \"a.example\"\n").unwrap();
    let program = place.start();
    place.ok(&["user", "add", "bob"]);
    place.ok(&["backup", "backup"]);
    let commands = [
        "user add alice",
        "user set-password alice --json",
        "user grant-admin alice",
        "user list",
        "invite add",
        "invite list",
        "key show",
        "key history --json",
        "session list bob",
        "check-config",
        "check-config --json",
        "backup another",
        "backup --verify backup",
        "export",
        "--data-dir other restore backup",
    ];
    let run = |command: &str, stdout: Stdio| {
        let arguments: Vec<_> = command.split(' ').collect();
        let mut command = place.command(&arguments);
        command.stdout(stdout).output().unwrap()
    };
    for command in commands {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let line = one_line(&run(command, full.into()), 1);
        let says_why = line.contains("standard output: No space left on device");
        assert!(says_why, "{command}: {line}");
    }
    drop(program);
    for command in ["verify", "compact", "repair-indexes"] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        one_line(&run(command, full.into()), 1);
    }

    // Whoever has closed it has seen enough, also of a node that starts.
    for command in ["check-config", "verify", "verify --json"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = run(command, writer.into());
        assert!(output.status.success(), "{command}: {output:?}");
        assert_eq!(output.stderr, b"", "{command}");
    }
}

/// A reader that takes nothing is given up, with a line that says so, and does not hold up a stop.
#[tokio::test]
async fn a_stop_does_not_wait_for_whoever_reads_no_further() {
    let place = Place::new();
    let mut program = place.start();
    program.api.register("alice").await;
    let key = ClientKey::ed25519();
    let mut alice = program.api.trust("alice", "phone", &key).await;
    // More than sockets and channels have room for.
    for _ in 0..600 {
        alice.id_cert = program.api.renew(&alice, "phone", &key).await;
    }
    let order = |order: &[u8]| {
        let mut stream = UnixStream::connect(place.data().join("control.sock")).unwrap();
        stream.write_all(order).unwrap();
        let mut reader = BufReader::with_capacity(16, stream);
        let mut answer = String::new();
        reader.read_line(&mut answer).unwrap();
        assert!(answer.starts_with("{\"done\":"), "{answer}");
        reader
    };
    let asleep = order(b"{\"command\":\"export\"}\n");
    let mut slow = order(b"{\"command\":\"export\"}\n");
    program.send("-TERM");
    // One takes nothing, the other a byte now and then.
    let (stopped, is_stopped) = mpsc::channel::<()>();
    let reading = thread::spawn(move || {
        let moment = Duration::from_millis(5);
        while is_stopped.recv_timeout(moment) == Err(RecvTimeoutError::Timeout) {
            slow.get_mut().read_exact(&mut [0]).unwrap();
        }
    });
    let begun = Instant::now();
    assert_eq!(program.wait(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop((asleep, stopped));
    reading.join().unwrap();
    let log = place.log();
    assert!(!log.contains("was not understood"), "{log}");
    let gives_up = log.matches("an operator's program was given up").count();
    assert_eq!(gives_up, 2, "{log}");
    assert!(!log.contains("ERROR"), "{log}");
}
