//! A node that was started to be measured.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::Place;
use crate::support::node::DOMAIN;

/// Killed when dropped.
pub struct Node {
    /// `127.0.0.1:port`
    pub address: String,
    /// From the start of the program to its first answer.
    pub started_in: Duration,
    child: Child,
}

/// As much as a node lets an operator set, so that no load runs into a limit.
const LIMITS: &str = "[key_packages]\nper_client = 100000\nclaims_per_minute = 0\n";

/// A place for a node with a copy of these data, or with none.
pub fn place(data: Option<&Path>) -> Place {
    let place = Place::new();
    std::fs::write(place.path("config.toml"), LIMITS).unwrap();
    if let Some(data) = data {
        let copied = Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .args([data, &place.data()])
            .status();
        assert!(copied.unwrap().success());
    }
    place
}

impl Node {
    /// Starts the program, open for registration, and waits until it answers.
    pub fn start(place: &Place) -> Self {
        let log = std::fs::File::create(place.path("log")).unwrap();
        let mut command = place.command(&["--domain", DOMAIN, "--listen", "127.0.0.1:0"]);
        command
            .args(["--set", "registration.mode=open"])
            .stdout(Stdio::piped())
            .stderr(log);
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let address = stdout.lines().find_map(|line| {
            let line = line.unwrap();
            let address = line.trim().strip_prefix("address")?.trim();
            Some(address.trim_start_matches("http://").to_owned())
        });
        let address = address.unwrap_or_else(|| panic!("did not start: {}", place.log()));
        assert!(answers(&address), "{}", place.log());
        Self {
            started_in: begun.elapsed(),
            address,
            child,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its end.
    pub fn stop(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether it gives its certificate. By hand: an HTTP client takes as long to begin as a node.
fn answers(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(
            b"GET /p2core/key/server HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer.starts_with(b"HTTP/1.1 200 ")
}
