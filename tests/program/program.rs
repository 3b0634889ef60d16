//! A running program, and commands that talk to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use antiphon::config::{Config, Sources};
use antiphon::node::{Node, NodeError};
use antiphon_actors::clock::SystemClock;
use tempfile::TempDir;

use crate::support::Api;
use crate::support::node::DOMAIN;

/// A program that has not ended by then will not.
const LONGEST_STOP: Duration = Duration::from_mins(1);

/// A folder in which the program runs; without a configuration file at first.
pub struct Place {
    pub folder: TempDir,
}

/// A node that runs in a place; killed when dropped.
pub struct Program {
    pub api: Api,
    child: Child,
}

/// Starts a node on these data within this process.
pub async fn start_here(data: &Path) -> Result<Node, NodeError> {
    let mut sources = Sources::default();
    for (key, value) in [
        ("domain", DOMAIN),
        ("data_dir", data.to_str().unwrap()),
        ("listen.address", "127.0.0.1:0"),
        ("key_packages.claims_per_minute", "0"),
    ] {
        sources.add_flag("test", key, value);
    }
    let config = Config::from_sources(&sources).unwrap();
    Node::start(&config, Arc::new(SystemClock)).await
}

impl Place {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { folder }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these arguments, in this place, knowing nothing of our environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; returns what it prints.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with `code` and one line on standard error; returns the line.
    pub fn fails(&self, arguments: &[&str], code: i32) -> String {
        one_line(&self.run(arguments), code)
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// What the node that was started last has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// Starts a node that is open for registration.
    pub fn start(&self) -> Program {
        self.start_with(&[])
    }

    /// The same with these environment variables.
    pub fn start_with(&self, variables: &[(&str, &Path)]) -> Program {
        self.try_start_with(variables)
            .unwrap_or_else(|log| panic!("did not start: {log}"))
    }

    /// The same; where it does not start, what it said.
    pub fn try_start_with(&self, variables: &[(&str, &Path)]) -> Result<Program, String> {
        let mut child = self
            .command(&[
                "--domain",
                DOMAIN,
                "--listen",
                "127.0.0.1:0",
                "--set",
                "registration.mode=open",
            ])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let address = stdout.lines().find_map(|line| {
            let line = line.unwrap();
            Some(line.trim().strip_prefix("address")?.trim().to_owned())
        });
        let Some(address) = address else {
            child.wait().unwrap();
            return Err(self.log());
        };
        Ok(Program {
            api: Api::new(address, DOMAIN),
            child,
        })
    }

    /// Starts a node from a shell, after `prelude`, and kills it when `look` has seen it by its process ID.
    pub fn start_after<T>(&self, prelude: &str, look: impl FnOnce(u32) -> T) -> T {
        let mut node = Command::new("sh")
            .args(["-c", &format!(r#"{prelude}; exec "$0" "$@""#)])
            .arg(env!("CARGO_BIN_EXE_antiphon"))
            .args(["--domain", DOMAIN, "--listen", "127.0.0.1:0"])
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(node.stdout.take().unwrap());
        let is_running = stdout.lines().any(|line| line.unwrap().contains("address"));
        let seen = look(node.id());
        node.kill().unwrap();
        node.wait().unwrap();
        assert!(is_running);
        seen
    }
}

impl Program {
    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal.
    pub fn send(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the exit code, none of one that is killed because it takes a minute.
    pub fn wait(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        let (alive, ended) = mpsc::channel::<()>();
        let guard = thread::spawn(move || {
            if ended.recv_timeout(LONGEST_STOP) == Err(RecvTimeoutError::Timeout) {
                let killed = Command::new("kill").args(["-9", &id]).status();
                assert!(killed.unwrap().success());
            }
        });
        let status = self.child.wait().unwrap();
        drop(alive);
        guard.join().unwrap();
        status.code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Asserts an exit code and one line on standard error; returns the line.
pub fn one_line(output: &Output, code: i32) -> String {
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.matches('\n').count(), 1, "{line}");
    line
}

/// The private key files of a node.
pub fn key_files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data.join("keys")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
