//! Tests of what is refused before anything is measured, each with one line and exit code 2; and of
//! what is left when a run is interrupted.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::args::BENCH;
use super::left;
use super::node::{self, Node};
use super::tests::{FEW, LITTLE, command, load, text};

/// What was said about these arguments, which were refused.
fn refused(arguments: &[&str]) -> String {
    let begun = Instant::now();
    let output = load(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {said}");
    assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{arguments:?}");
    said
}

/// The same by us and not by clap, who says how to get help as well.
fn refused_in_a_line(arguments: &[&str], because: &str) {
    let said = refused(arguments);
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.contains(because), "{arguments:?}: {said}");
}

pub fn wrong_values() {
    for arguments in [
        "--rate 0",
        "--rate nan",
        "--rate=-5",
        "--rate 1e-300",
        "--seconds=-1",
        "--seconds 1e300",
        "--warm-up=-1",
        "--clients 0",
        "--repetitions 0",
        "--users 0",
        "--users 0.5",
        "--certs 0",
        "--certs 1000000",
        "--node https://a.example",
        "--node a.example",
        "--node http://127.0.0.1:1 --pid 0",
        "--node http://127.0.0.1:1 --certs 10",
        "--pid 1",
        "figures --certs 0",
        "figures --sizes 0,10",
        "figures --clients 1,0",
        "figures --size-at-clients 1e30",
        "churn 0",
        "churn --every 0",
        "churn --clients 0",
        "starts seed --repetitions 0",
        "starts seed --seconds=-1",
    ] {
        refused(&arguments.split(' ').collect::<Vec<_>>());
    }
}

pub fn wrong_files() {
    let folder = left::folder().unwrap();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    fs::write(path("text"), "not JSON").unwrap();
    fs::create_dir(path("folder")).unwrap();
    let (nowhere, no_json, no_seed) = (path("no/where"), path("text"), path("folder"));
    for (arguments, because) in [
        (["--json", &nowhere], "no/where: No such file"),
        (["--json", &no_seed], "folder: Is a directory"),
        (["--html", &nowhere], "no/where: No such file"),
        (["--compare", &nowhere], "no/where: No such file"),
        (["--compare", &no_json], "not what was expected"),
        (["--keep", &no_seed], "is no seed"),
        (["--keep", "/proc/none/seed"], "/proc/none"),
        (["--keep", "/"], "cannot be a seed's name"),
        (["starts", &nowhere], "is no seed"),
        (["starts", &no_seed], "is no seed"),
    ] {
        refused_in_a_line(&arguments, because);
    }
    let figures = ["figures", "--out"];
    refused_in_a_line(&[&figures[..], &[&no_json]].concat(), "text");
    let redraw = [&figures[..], &[&no_seed, "--redraw"]].concat();
    refused_in_a_line(&redraw, "figures.json: No such file");
    let missing = path("none");
    let node = ["--node", "http://127.0.0.1:1"];
    for (arguments, because) in [
        (["--fids", &missing], "none: No such file"),
        (["--pid", "999999999"], "no process"),
        (["--clients", "1"], "no node answers"),
    ] {
        refused_in_a_line(&[node, arguments].concat(), because);
    }
}

/// One of another kind under the same name.
pub fn another_seed() {
    let folder = left::folder().unwrap();
    let seed = folder.path().join("seed.a");
    let keep = ["server-now", "--warm-up", "0", "--keep", text(&seed)];
    let again = || load(&[&keep[..], &FEW, &LITTLE].concat());
    for _ in 0..2 {
        assert!(again().status.success());
    }
    for other in [
        ["--users", "21"],
        ["--certs", "3"],
        ["--client-key", "ed25519"],
    ] {
        let mut arguments = [&keep[..], &LITTLE].concat();
        for few in FEW.chunks(2).filter(|few| few[0] != other[0]) {
            arguments.extend(few);
        }
        arguments.extend(other);
        refused_in_a_line(&arguments, "seed.a was made with --users 20 --certs 2");
    }
    // A note alone is no seed.
    fs::remove_dir_all(&seed).unwrap();
    assert!(again().status.success());
    assert!(seed.exists());
}

/// One that does not take in those who write, or not enough of what they have.
pub fn another_node() {
    let place = node::place(None).unwrap();
    fs::write(place.path("config.toml"), "key_packages.per_client = 1\n").unwrap();
    let node = Node::start(&place).unwrap();
    let url = format!("http://{}", node.address);
    let fids = place.path("fids");
    let lookups = ["lookup-now", "--node", &url, "--fids", text(&fids)];
    for (text, because) in [
        ("nobody@a.example", "first answer is 404"),
        ("\n", "nobody to look up"),
    ] {
        fs::write(&fids, text).unwrap();
        refuses_when_begun(&lookups, because);
    }
    let claims = ["claim", "--node", &url];
    refuses_when_begun(&claims, "key_packages.per_client");
}

/// The same where the table has begun.
fn refuses_when_begun(arguments: &[&str], because: &str) {
    let output = load(&[arguments, &LITTLE].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.contains(because), "{arguments:?}: {said}");
}

/// Neither the node, nor the static server, nor the copy of the seed.
pub fn nothing_is_left_after_a_signal() {
    let folder = left::folder().unwrap();
    let seed = folder.path().join("seed");
    let keep = ["server-now", "--warm-up", "60", "--keep", text(&seed)];
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut command = command();
        command.args(keep).args(FEW).arg(BENCH);
        // What would be left has no pipe of ours that somebody waits for.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = command.spawn().unwrap();
        let children = wait_for(|| {
            let children = children(running.id());
            (children.len() == 2).then_some(children)
        });
        let id = Pid::from_raw(i32::try_from(running.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
        let ended = running.wait().unwrap();
        // A signal takes a moment to arrive.
        std::thread::sleep(Duration::from_millis(200));
        let left: Vec<_> = children.iter().filter(|child| !has_ended(child)).collect();
        for child in &left {
            let killed = Command::new("kill").args(["-9", child]).status();
            assert!(killed.unwrap().success());
        }
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(ended.code(), Some(code));
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["seed", "seed.seeded"]);
    }
}

fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "it takes a minute"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The node's and the static server's numbers, when there are both.
fn children(of: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap());
    let children = processes.filter_map(|process| {
        // Its number, its program's name in brackets, its state, and its parent.
        let stat = fs::read_to_string(process.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let parent = rest.split(' ').nth(1)?;
        let is_ours = parent == of.to_string() && !name.ends_with("(cp");
        is_ours.then(|| process.file_name().into_string().unwrap())
    });
    children.collect()
}

/// Also of one that nobody has waited for yet.
fn has_ended(process: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat"));
    stat.map_or(true, |stat| stat.contains(") Z "))
}
