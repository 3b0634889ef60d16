//! A node that was started to be measured.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Outcome;
use super::left::{self, Started};
use super::output::cannot;
use crate::program::Place;
use crate::support::node::DOMAIN;

/// Killed when dropped.
pub struct Node {
    /// `127.0.0.1:port`
    pub address: String,
    /// From the start of the program to its first answer.
    pub started_in: Duration,
    process: Started,
}

/// As much as a node lets an operator set, so that no load runs into a limit.
const LIMITS: &str = "[key_packages]\nper_client = 100000\nclaims_per_minute = 0\n";

/// A place for a node with a copy of these data, on the disk that they are on, or with none.
pub fn place(data: Option<&Path>) -> Outcome<Place> {
    let folder = match data {
        None => left::folder()?,
        Some(data) => {
            let data = data.canonicalize();
            let data = data.map_err(|error| format!("the seed: {error}"))?;
            left::folder_in(data.parent().unwrap_or(Path::new("/")))?
        }
    };
    let place = Place { folder };
    let config = place.path("config.toml");
    std::fs::write(&config, LIMITS).map_err(|error| cannot("write", &config, error))?;
    if let Some(data) = data {
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"])
            .args([data, &place.data()]);
        let copied = Started::spawn(&mut copy).and_then(|mut copying| copying.wait());
        if !copied.is_ok_and(|status| status.success()) {
            return Err(format!("cannot copy {}", data.display()));
        }
    }
    Ok(place)
}

impl Node {
    /// Starts the program, open for registration, and waits until it answers.
    pub fn start(place: &Place) -> Outcome<Self> {
        let log = place.path("log");
        let log = std::fs::File::create(&log).map_err(|error| cannot("write", &log, error))?;
        let mut command = place.command(&["--domain", DOMAIN, "--listen", "127.0.0.1:0"]);
        command
            .args(["--set", "registration.mode=open"])
            .stdout(Stdio::piped())
            .stderr(log);
        let begun = Instant::now();
        let mut process = Started::spawn(&mut command)
            .map_err(|error| format!("the node does not start: {error}"))?;
        let stdout = process.stdout().expect("it is piped");
        let address = BufReader::new(stdout).lines().find_map(|line| {
            let line = line.ok()?;
            let address = line.trim().strip_prefix("address")?.trim();
            Some(address.trim_start_matches("http://").to_owned())
        });
        let address = address.filter(|address| answers(address));
        let Some(address) = address else {
            let log = place.log();
            let last = log.lines().last().unwrap_or("it says nothing");
            return Err(format!("the node does not start: {last}"));
        };
        Ok(Self {
            started_in: begun.elapsed(),
            address,
            process,
        })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL.
    pub fn kill(self) {
        drop(self.process);
    }

    /// SIGTERM, and its end.
    pub fn stop(mut self) {
        self.process.send(Signal::TERM);
        assert!(self.process.wait().unwrap().success());
    }
}

/// Whether it gives its certificate. By hand: an HTTP client takes as long to begin as a node.
fn answers(address: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(
            b"GET /p2core/key/server HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
}
