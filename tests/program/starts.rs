//! Starts that must be refused, starts that must recover, and the stop.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::program::{Place, key_files};
use crate::support::{ClientKey, PASSWORD};

const SERVE: [&str; 4] = ["--domain", "a.example", "--listen", "127.0.0.1:0"];

#[tokio::test]
async fn a_second_process_is_refused() {
    let place = Place::new();
    let _program = place.start();
    let line = place.fails(&SERVE, 1);
    assert!(line.contains("in use by another process"), "{line}");
}

/// The allocator gives memory back, and is set up as `.cargo/config.toml` says (decision 18).
#[test]
fn memory_is_jemallocs() {
    let program = env!("CARGO_BIN_EXE_antiphon");
    let found = Command::new("grep")
        .args(["-qF", "narenas:1,dirty_decay_ms:100", program])
        .status();
    assert!(found.unwrap().success());
    // Nobody else knows that variable.
    let version = Command::new(program)
        .arg("--version")
        .env("MALLOC_CONF", "no_such_setting:1")
        .output();
    let said = String::from_utf8(version.unwrap().stderr).unwrap();
    assert!(said.contains("<jemalloc>"), "{said}");
}

/// Each connection is an open file, and shells and systemd allow few at first.
#[test]
fn a_node_has_as_many_open_files_as_it_may() {
    let place = Place::new();
    let limits = place.start_after("ulimit -Sn 64", |id| {
        fs::read_to_string(format!("/proc/{id}/limits")).unwrap()
    });
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let limit: Vec<_> = limit.unwrap().split_whitespace().collect();
    assert_eq!(limit[0], limit[1], "{limits}");
    assert_ne!(limit[0], "64", "{limits}");
}

#[test]
fn another_domain_is_refused() {
    let place = Place::new();
    place.start().kill();
    let line = place.fails(&["--domain", "b.example", "--listen", "127.0.0.1:0"], 2);
    assert!(line.contains("belongs to the domain a.example"), "{line}");
}

#[test]
fn files_are_for_the_owner_alone() {
    let place = Place::new();
    let _program = place.start();
    let data = place.data();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("keys")), 0o700);
    assert_eq!(mode(&data.join("control.sock")), 0o600);
    for key in key_files(&data) {
        assert_eq!(mode(&key), 0o600);
    }
}

#[test]
fn a_key_that_is_lost_or_spoilt_stops_the_start_and_none_is_made_in_its_place() {
    let place = Place::new();
    place.start().kill();
    let key = key_files(&place.data()).remove(0);
    let good = fs::read(&key).unwrap();
    let other = Place::new();
    other.start().kill();
    let foreign = fs::read(&key_files(&other.data())[0]).unwrap();
    let cases: [(Option<&[u8]>, &str); 4] = [
        (None, "is missing"),
        (Some(b""), "cannot be read"),
        (
            Some(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "cannot be read",
        ),
        (Some(&foreign), "does not match"),
    ];
    for (content, expected) in cases {
        match content {
            Some(content) => {
                fs::write(&key, content).unwrap();
                fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
            }
            None => fs::remove_file(&key).unwrap(),
        }
        let line = place.fails(&SERVE, 1);
        assert!(line.contains(expected), "{line}");
        assert_eq!(
            key_files(&place.data()).len(),
            usize::from(content.is_some())
        );
    }
    fs::write(&key, good).unwrap();
    place.start().kill();
}

#[test]
fn a_lost_database_stops_the_start() {
    let place = Place::new();
    place.start().kill();
    fs::rename(place.data().join("db"), place.path("db")).unwrap();
    let line = place.fails(&SERVE, 1);
    assert!(line.contains("the database data/db is missing"), "{line}");
    // Also when there is nothing left that knows how much it should have had.
    let mark = place.data().join("mark");
    fs::write(&mark, [0; 4168]).unwrap();
    let line = place.fails(&SERVE, 1);
    assert!(line.contains("has lost its database"), "{line}");
    fs::remove_file(mark).unwrap();
    let line = place.fails(&SERVE, 1);
    assert!(line.contains("has lost its database"), "{line}");
    assert!(!place.data().join("db").exists());
}

#[tokio::test]
async fn an_interrupted_first_start_and_an_interrupted_rotation_recover() {
    let place = Place::new();
    let program = place.start();
    let cert = program.api.server_cert(None).await;
    program.kill();
    fs::remove_file(place.data().join("node")).unwrap();
    let other = Place::new();
    other.start().kill();
    let orphan = key_files(&other.data()).remove(0);
    let left_behind = place.data().join("keys").join(orphan.file_name().unwrap());
    fs::copy(&orphan, &left_behind).unwrap();
    let program = place.start();
    assert_eq!(program.api.server_cert(None).await, cert);
    assert!(!left_behind.exists());
    assert!(place.data().join("node").exists());
}

#[tokio::test]
async fn signals_stop_the_node_after_what_is_in_flight() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let place = Place::new();
        let mut program = place.start();
        program.api.register("alice").await;
        let csr = STANDARD.encode(ClientKey::p256().csr("alice@a.example", "phone"));
        let body = json!({ "username": "alice", "password": PASSWORD, "csr": csr }).to_string();
        // Once the node says "continue", the request is in flight.
        let address = program.api.base.strip_prefix("http://").unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            client,
            "POST /p2core/session/trust HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\
             Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        let mut client = BufReader::new(client);
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        program.send(signal);
        client.get_mut().write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("HTTP/1.1 201 Created\r\n"), "{answer}");
        assert_eq!(program.wait(), Some(0));
        assert!(!place.data().join("control.sock").exists());
        let program = place.start();
        assert_eq!(
            program.api.user_certs("alice@a.example", None).await.len(),
            1
        );
    }
}

#[tokio::test]
async fn no_line_of_the_log_has_a_secret() {
    let place = Place::new();
    fs::write(
        place.path("config.toml"),
        "[log]\nlevel = \"trace\"\nformat = \"json\"\n",
    )
    .unwrap();
    let program = place.start();
    let id = program.api.register("alice").await;
    let alice = program
        .api
        .trust("alice", "phone", &ClientKey::p256())
        .await;
    place.ok(&["user", "grant-admin", &id]);
    program.api.rotate_server_key(&alice).await;
    let request = program.api.request(reqwest::Method::DELETE, "/session/@me");
    let ended = request.bearer_auth(&alice.token).send().await.unwrap();
    let request_id = ended.headers()["x-request-id"].to_str().unwrap().to_owned();
    let log = fs::read_to_string(place.path("log")).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["span"]["id"] == request_id.as_str()),
        "{log}"
    );
    let key = fs::read_to_string(&key_files(&place.data())[0]).unwrap();
    for secret in [PASSWORD, &alice.token, key.lines().nth(1).unwrap()] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// Whoever waits for the port and then gives orders is not too early.
#[test]
fn operators_are_let_in_before_anybody_else() {
    for _ in 0..5 {
        let place = Place::new();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let address = address.unwrap();
        let mut node = place
            .command(&["--listen", &address.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(address).is_err() {
            assert!(node.try_wait().unwrap().is_none(), "the node has ended");
            std::thread::yield_now();
        }
        let listed = place.run(&["user", "list"]);
        node.kill().unwrap();
        node.wait().unwrap();
        assert!(listed.status.success(), "{listed:?}");
    }
}

#[tokio::test]
async fn the_log_says_what_was_changed_and_by_whom() {
    let place = Place::new();
    let program = place.start();
    program.api.register("alice").await;
    let session_id = "x fid=root@a.example";
    let key = ClientKey::p256();
    let alice = program.api.trust("alice", session_id, &key).await;
    place.ok(&["user", "add", "bob"]);
    place.ok(&["user", "list"]);
    place.ok(&["key", "rotate"]);
    place.ok(&["session", "end", "alice", session_id]);
    assert_eq!(program.api.end(&alice).await, 401);
    place.fails(&["user", "revoke-admin", "nobody"], 1);
    // Who does not speak HTTP is no error of the node's.
    let address = program.api.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"nonsense\r\n\r\n").unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
    drop(program);
    let log = place.log();
    // What a client chose cannot be taken for a part of the line.
    let begun = format!(r#"a session has begun fid=alice@a.example session_id="{session_id}""#);
    assert!(log.contains(&begun), "{log}");
    let orders: Vec<_> = log
        .lines()
        .filter_map(|line| line.split_once("the operator has changed something "))
        .map(|(_, order)| order)
        .collect();
    let expected = [
        r#"command="user add" about="bob""#,
        r#"command="key rotate" about="""#,
        r#"command="session end" about="alice x fid=root@a.example""#,
    ];
    assert_eq!(orders, expected);
    assert!(
        log.contains("an order of the operator's failed command="),
        "{log}"
    );
    assert!(!log.contains("ERROR"), "{log}");
}

/// Where a network was away, all come back at once.
#[test]
fn a_crowd_finds_room_before_anybody_is_let_in() {
    let place = Place::new();
    let program = place.start();
    let address = program.api.base.strip_prefix("http://").unwrap();
    let address = address.parse().unwrap();
    // It lets nobody in, and the system lets them wait.
    program.send("-STOP");
    let arrive = |_| {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.write_all(b"GET /p2core/key/server HTTP/1.0\r\n\r\n")?;
        Ok(stream)
    };
    let crowd: io::Result<Vec<_>> = (0..300).map(arrive).collect();
    program.send("-CONT");
    for mut stream in crowd.unwrap() {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    }
}

/// Under `nohup` the end of a terminal is to mean nothing.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let place = Place::new();
    let status = place.start_after(r#"trap "" HUP"#, |id| {
        fs::read_to_string(format!("/proc/{id}/status")).unwrap()
    });
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    assert_eq!(ignored & 1, 1, "{status}");
}
