//! Backups of a busy node, and the nodes that come out of them.

use std::path::Path;
use std::process::Command;

use antiphon_actors::storage::FORMAT;
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::program::{Place, one_line};
use super::workload::CONFIG;
use crate::support::key_package::{LAST_RESORT, draft};
use crate::support::node::DOMAIN;
use crate::support::{Api, ClientKey, assert_refused, decode, openssl};

const PASSPHRASE: &str = "a passphrase of some length";

fn place() -> Place {
    let place = Place::new();
    std::fs::write(
        place.path("config.toml"),
        format!("domain = \"{DOMAIN}\"\n{CONFIG}"),
    )
    .unwrap();
    std::fs::write(place.path("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
    place
}

/// Restores a backup into a new place, which it returns with what was said.
fn restore(from: &Place, backup: &str) -> (Place, String) {
    let to = place();
    std::fs::copy(from.path(backup), to.path("backup")).unwrap();
    let said = to.ok(&["restore", "backup", "--passphrase-file", "passphrase"]);
    (to, said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_busy_node_has_everything_that_was_acknowledged() {
    let busy = place();
    let ledger = Ledger::counting();
    let program = busy.start();
    let people = ledger.people(&busy, &program.api).await;
    let carols_key = ClientKey::ed25519();
    program.api.register("carol").await;
    let carol = program.api.trust("carol", "desk", &carols_key).await;
    let mut last_resort = draft(1, &carol.id_cert, &carols_key);
    last_resort.extension_types.push(LAST_RESORT);
    last_resort.extensions.push((LAST_RESORT, vec![]));
    let last_resort = last_resort.sign(&carols_key);
    let put = program.api.put_last_resort(&carol, &last_resort);
    assert_eq!(put.await.status(), 204);
    let package = draft(1, &carol.id_cert, &carols_key).sign(&carols_key);
    let packages = [package];
    assert_eq!(program.api.publish(&carol, &packages).await.status(), 201);

    for number in 0..20 {
        let tasks = ledger.work(&program.api, &people, number);
        ledger.until_told(20).await;
        let name = format!("backup-{number}");
        let before = ledger.position();
        let backup = ["backup", &name, "--passphrase-file", "passphrase"];
        tokio::task::block_in_place(|| busy.ok(&backup));
        let known = ledger.between(before, ledger.position());
        // Quiet while the restored one is looked at.
        for task in tasks {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }

        let (restored, said) = tokio::task::block_in_place(|| restore(&busy, &name));
        assert!(said.contains("no one-time KeyPackages"), "{said}");
        assert!(
            said.ends_with("verified: all of it holds together\n"),
            "{said}"
        );
        let node = restored.start();
        let checked = known.check_restored(&node.api, 10).await;
        checked.unwrap_or_else(|what| panic!("{name}: {what}"));

        // A client signs in with its certificate. What it published is known, and not there.
        let api = &node.api;
        let carol = api.identify(&carol.fid, &carol.id_cert, &carols_key).await;
        let stock = api.stock(&carol).await;
        assert_eq!(stock["available"]["1"], 0, "{stock}");
        assert_eq!(stock["last_resort"], json!(["1"]));
        assert_eq!(api.publish(&carol, &packages).await.status(), 409);
        let (fid, cert) = (&people.alice.fid, &people.alice.id_cert);
        let alice = api.identify(fid, cert, &people.alices_key).await;
        let claimed = api.claim(&alice, &carol.fid).await;
        assert_eq!(claimed, std::slice::from_ref(&last_resort));
        for package in known.published.iter().take(3) {
            let again = api.publish(&alice, std::slice::from_ref(package)).await;
            assert_eq!(again.status(), 409);
        }
        let new = draft(1, cert, &people.alices_key).sign(&people.alices_key);
        assert_eq!(api.publish(&alice, &[new]).await.status(), 201);
        node.kill();
        restored.ok(&["verify"]);
    }
    println!("{} acknowledged", ledger.now().summary());
}

/// The same arguments, for another data directory.
fn into<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--data-dir", "other"], arguments].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_refused_where_it_should_be() {
    let from = place();
    let program = from.start();
    program.api.register("alice").await;
    from.ok(&["backup", "full", "--passphrase-file", "passphrase"]);
    let said = from.ok(&["backup", "without-key"]);
    assert!(said.contains("private key is NOT in it"), "{said}");
    let has_key = |name| {
        let backup = std::fs::read(from.path(name)).unwrap();
        let mut windows = backup.windows(11);
        windows.any(|window| window == b"PRIVATE KEY")
    };
    assert!(has_key("full") && !has_key("without-key"));

    // Not over something else, not with a weak passphrase, not into a running node.
    assert!(
        from.fails(&["backup", "full"], 1)
            .contains("already exists")
    );
    let weak = from.run_with_input(&["backup", "weak", "--passphrase-stdin"], "short\n");
    assert!(one_line(&weak, 1).contains("at least 12 bytes"));
    assert!(!from.path("weak").exists());
    let full = ["restore", "full", "--passphrase-file", "passphrase"];
    assert!(from.fails(&full, 1).contains("is not empty"));
    program.kill();
    assert!(
        from.fails(&["backup", "late"], 1)
            .contains("no node is running")
    );

    let refused = from.fails(&into(&["restore", "full"]), 1);
    assert!(refused.contains("give its passphrase, or --without-key"));
    let wrong = from.run_with_input(
        &into(&["restore", "full", "--passphrase-stdin"]),
        "some other passphrase\n",
    );
    assert!(one_line(&wrong, 1).contains("is the passphrase right?"));
    let other = into(&["restore", "full", "--without-key", "--domain", "b.example"]);
    assert!(from.fails(&other, 2).contains("set domain = \"a.example\""));
    assert!(
        !from.path("other").exists(),
        "a refusal leaves nothing behind"
    );

    // Any damage is noticed, wherever it is.
    let bytes = std::fs::read(from.path("full")).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 100) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(from.path("damaged"), damaged).unwrap();
        from.fails(&into(&["restore", "damaged", "--without-key"]), 1);
        std::fs::write(from.path("damaged"), &bytes[..at]).unwrap();
        from.fails(&into(&["backup", "--verify", "damaged"]), 1);
    }
    std::fs::write(from.path("damaged"), [&bytes[..], &[0]].concat()).unwrap();
    for refused in [
        &["backup", "--verify", "damaged"][..],
        &["restore", "damaged", "--without-key"],
    ] {
        let said = from.fails(&into(refused), 1);
        assert!(said.contains("something follows its end"), "{said}");
    }
    assert!(!from.path("other").exists());

    // What a newer version made is left to that version.
    let mut newer = bytes.clone();
    newer[19] += 1;
    std::fs::write(from.path("newer"), newer).unwrap();
    let newer = into(&["restore", "newer", "--without-key"]);
    assert!(from.fails(&newer, 1).contains("it has format 2"));
    let format = format!("\"data_format\":{FORMAT}");
    let mut windows = bytes.windows(format.len());
    let at = windows.position(|window| window == format.as_bytes());
    let at = at.unwrap();
    let mut of_newer = bytes.clone();
    of_newer[at + format.len() - 1] = b'9';
    std::fs::write(from.path("newer"), of_newer).unwrap();
    assert!(from.fails(&newer, 1).contains("of a newer data directory"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_without_its_key_needs_the_key_from_elsewhere() {
    let from = place();
    let program = from.start();
    program.api.register("alice").await;
    from.ok(&["backup", "full", "--passphrase-file", "passphrase"]);
    program.kill();
    let verified = [
        "backup",
        "--verify",
        "full",
        "--passphrase-file",
        "passphrase",
    ];
    assert!(from.ok(&verified).contains("private keys"));
    let untried = from.ok(&["backup", "--verify", "full"]);
    assert!(
        untried.contains("Its private key was not tried"),
        "{untried}"
    );
    assert!(!untried.contains("no private key"), "{untried}");

    let said = from.ok(&["--data-dir", "other", "restore", "full", "--without-key"]);
    let (before, _) = said.split_once(".pem was not looked at").unwrap();
    let name = before.rsplit(' ').next().unwrap();
    let serve = ["--data-dir", "other", "--listen", "127.0.0.1:0", "serve"];
    assert!(from.fails(&serve, 1).contains("is missing"));
    assert!(
        !from
            .run(&["--data-dir", "other", "verify"])
            .status
            .success()
    );

    // The key in the backup is one that openssl reads.
    let backup = std::fs::read(from.path("full")).unwrap();
    let pem = |mark: &str| {
        let mut found = backup.windows(mark.len());
        found.position(|window| window == mark.as_bytes()).unwrap()
    };
    let end = "-----END ENCRYPTED PRIVATE KEY-----";
    let encrypted = &backup[pem("-----BEGIN ENCRYPTED PRIVATE KEY")..pem(end) + end.len()];
    std::fs::write(from.path("encrypted.pem"), encrypted).unwrap();
    let key = Path::new("other/keys").join(name).with_extension("pem");
    let decrypted = Command::new("openssl")
        .current_dir(from.folder.path())
        .args([
            "pkcs8",
            "-in",
            "encrypted.pem",
            "-passin",
            "file:passphrase",
            "-out",
        ])
        .arg(&key)
        .output()
        .unwrap();
    assert!(decrypted.status.success(), "{decrypted:?}");
    openssl::ok(&[
        "pkey",
        "-in",
        from.folder.path().join(&key).to_str().unwrap(),
        "-noout",
    ]);
    from.ok(&["--data-dir", "other", "verify"]);
}

/// What was used or taken back since must not become good again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invites_and_challenges_do_not_come_back() {
    let from = place();
    let program = from.start();
    let key = ClientKey::p256();
    program.api.register("alice").await;
    let alice = program.api.trust("alice", "desk", &key).await;
    let challenge = program.api.challenge().await;
    let signature = key.sign_challenge(&challenge);
    let sign_in = |api: Api| {
        let (cert, challenge, signature) = (&alice.id_cert, &challenge, &signature);
        async move { api.identify_with(cert, challenge, signature).await }
    };
    assert_eq!(sign_in(program.api.clone()).await.status(), 201);
    from.ok(&["invite", "add"]);
    let invites = |place: &Place| place.ok(&["invite", "list", "--json"]);
    assert_ne!(invites(&from), "[]\n");
    from.ok(&["backup", "full", "--passphrase-file", "passphrase"]);
    drop(program);

    let (restored, _) = restore(&from, "full");
    let node = restored.start();
    assert_eq!(invites(&restored), "[]\n");
    let again = sign_in(node.api.clone()).await;
    assert_refused(again, 401, "P2CORE_CHALLENGE_FAILED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_has_the_log_and_can_be_checked_without_us() {
    let place = place();
    let ledger = Ledger::new();
    let program = place.start();
    let people = ledger.people(&place, &program.api).await;
    assert_eq!(program.api.end(&people.bob).await, 204);
    let online = place.ok(&["export"]);
    program.kill();
    place.ok(&["export", "log.jsonl"]);
    assert!(place.fails(&["export", "log.jsonl"], 1).contains("exists"));
    assert_eq!(
        std::fs::read_to_string(place.path("log.jsonl")).unwrap(),
        online
    );

    let lines: Vec<Value> = online
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (end, entries) = lines.split_last().unwrap();
    let events: Vec<_> = entries
        .iter()
        .map(|entry| entry["event"].as_str().unwrap())
        .collect();
    let expected = [
        "server_cert",
        "session_cert",
        "session_cert",
        "session_cert",
        "session_ended",
    ];
    assert_eq!(events, expected);
    let mut previous = vec![0; 32];
    for (entry, number) in entries.iter().zip(1..) {
        assert_eq!(entry["entry"], number);
        let stored = decode(&entry["stored"]);
        assert_eq!(stored[9..41], previous, "the chain is broken at {number}");
        previous = openssl::sha256(&stored);
        let sha256 = entry["sha256"].as_str().unwrap().as_bytes();
        assert_eq!(base16ct::lower::decode_vec(sha256).unwrap(), previous);
    }
    assert_eq!(end["end"]["entries"], 5);
    assert_eq!(end["end"]["sha256"], entries[4]["sha256"]);
    let alice = decode(&entries[2]["id_cert"]);
    assert_eq!(alice, people.alice.id_cert);
    assert_eq!(entries[2]["user_id"], people.alice.user_id);
}
