//! Bits flip and files are cut while a node is off: it then refuses to start, or refuses an answer,
//! or nothing has changed. It never gives a wrong answer. Nor does one whose file of certificates that
//! were read is written over while it runs.
//!
//! (That the store itself notices damage of `db/` and `mark` is tested where it is.)

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use super::ledger::Ledger;
use super::program::{Place, start_here};
use super::workload;
use crate::support::key_package::system_now;
use crate::support::node::DOMAIN;
use crate::support::random::Random;
use crate::support::{Api, Session};

/// Everything that is asked: a path below `/p2core`, and with whose token.
struct Questions {
    asked: Vec<(String, Option<Session>)>,
    answers: Vec<Value>,
}

impl Questions {
    async fn ask(api: &Api, path: &str, session: Option<&Session>) -> (u16, Value) {
        let request = api.request(Method::GET, path);
        let request = match session {
            Some(session) => request.bearer_auth(&session.token),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    fn keep_those_of_the_past(&mut self) {
        let all = self.asked.drain(..).zip(self.answers.drain(..));
        let past = all.filter(|((path, _), _)| path.contains("timestamp"));
        (self.asked, self.answers) = past.collect();
    }

    /// Asks everything again; whether all was answered, and as before.
    async fn outcome(&self, api: &Api) -> Result<&'static str, String> {
        let mut outcome = Ok("harmless");
        for ((path, session), expected) in self.asked.iter().zip(&self.answers) {
            let (status, answer) = Self::ask(api, path, session.as_ref()).await;
            if status == 500 {
                outcome = outcome.map(|_| "refused an answer");
            } else if answer != *expected {
                outcome = Err(format!("{path}: {answer} instead of {expected}"));
            }
        }
        outcome
    }
}

/// A node with some history, what it answers, and its files after a stop.
async fn filled(place: &Place) -> Questions {
    let ledger = Ledger::new();
    let program = place.start();
    let people = ledger.people(place, &program.api).await;
    let tasks = ledger.work(&program.api, &people, 0);
    ledger.until_told(600).await;
    program.kill();
    for task in tasks {
        task.await.unwrap();
    }
    let mut program = place.start();
    let mut asked = vec![
        ("/key/server".to_owned(), None),
        ("/keypackage/@me".to_owned(), Some(people.alice.clone())),
    ];
    let users = place.ok(&["user", "list", "--json"]);
    let users: Vec<Value> = serde_json::from_str(&users).unwrap();
    let keys = place.ok(&["key", "history", "--json"]);
    let keys: Vec<Value> = serde_json::from_str(&keys).unwrap();
    for key in &keys {
        asked.push((format!("/key/server?timestamp={}", key["since"]), None));
    }
    // Some sessions have not ended.
    let then = system_now();
    for user in &users {
        let fid = user["fid"].as_str().unwrap();
        asked.push((format!("/key/user/{fid}"), None));
        asked.push((format!("/key/user/{fid}?timestamp={then}"), None));
        for key in keys.iter().step_by(1 + keys.len() / 4) {
            let at = &key["since"];
            asked.push((format!("/key/user/{fid}?timestamp={at}"), None));
        }
    }
    let mut answers = Vec::new();
    for (path, session) in &asked {
        let (status, answer) = Questions::ask(&program.api, path, session.as_ref()).await;
        assert!(status < 500, "{path}: {answer}");
        answers.push(answer);
    }
    program.send("-TERM");
    assert_eq!(program.wait(), Some(0));
    Questions { asked, answers }
}

/// Starts a node on damaged files and asks it everything; whether it started and answered all.
async fn outcome(data: &Path, questions: &Questions) -> Result<&'static str, String> {
    let Ok(node) = start_here(data).await else {
        return Ok("refused to start");
    };
    let api = Api::new(format!("http://{}", node.address), DOMAIN);
    let outcome = questions.outcome(&api).await;
    node.stop().await;
    outcome
}

#[actix_web::test]
async fn damaged_files_give_no_wrong_answer() {
    let place = workload::place();
    let questions = filled(&place).await;
    let key = super::program::key_files(&place.data()).swap_remove(0);
    let key = format!("keys/{}", key.file_name().unwrap().to_str().unwrap());
    let mut random = Random::new(5);
    for file in ["db/db", "node", &key] {
        let bytes = std::fs::read(place.data().join(file)).unwrap();
        let mut outcomes = std::collections::BTreeMap::<_, u32>::new();
        for attempt in 0..200 {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            let mut damaged = bytes.clone();
            if attempt % 4 == 3 {
                damaged.truncate(at);
            } else {
                damaged[at] ^= 1 << random.below(8);
            }
            let copy = TempDir::new().unwrap();
            let copied = std::process::Command::new("cp")
                .arg("-a")
                .args([place.data(), copy.path().join("data")])
                .status();
            assert!(copied.unwrap().success());
            let data = copy.path().join("data");
            std::fs::write(data.join(file), damaged).unwrap();
            match outcome(&data, &questions).await {
                Ok(outcome) => *outcomes.entry(outcome).or_default() += 1,
                Err(what) => panic!("{file} at {at} (attempt {attempt}): {what}"),
            }
        }
        println!("{file}: {outcomes:?}");
        assert!(outcomes["refused to start"] > 20, "{file}: {outcomes:?}");
    }
}

/// The file is one without a name, so it is found where the system lists what the process has open.
#[tokio::test]
async fn certificates_that_were_read_are_read_again_where_they_are_damaged() {
    let place = workload::place();
    let mut questions = filled(&place).await;
    // What is in force now would be kept in memory.
    questions.keep_those_of_the_past();
    let program = place.start();
    assert_eq!(questions.outcome(&program.api).await, Ok("harmless"));
    let open = std::fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap();
    let mut open = open.map(|entry| entry.unwrap().path());
    let is_it = |path: &PathBuf| {
        // Some are closed meanwhile.
        let target = std::fs::read_link(path).unwrap_or_default();
        target.starts_with(place.data()) && target.to_string_lossy().ends_with("(deleted)")
    };
    let path = open.find(is_it).unwrap();
    let kept = std::fs::read(&path).unwrap();
    assert!(kept.iter().any(|byte| *byte != 0), "nothing is kept");

    let ways: [fn(usize, u8) -> u8; 4] = [
        |_, byte| !byte,
        |_, _| 0,
        |at, byte| byte ^ u8::from(at % 10 == 5),
        |at, byte| if at % 256 < 50 { byte } else { 0 },
    ];
    for damage in ways {
        let bytes = (0..).zip(&kept).map(|(at, byte)| damage(at, *byte));
        let damaged: Vec<u8> = bytes.collect();
        assert!(damaged != kept, "nothing is damaged");
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(questions.outcome(&program.api).await, Ok("harmless"));
        let after = std::fs::read(&path).unwrap();
        assert!(after != damaged, "what was found damaged is not kept anew");
    }
}
