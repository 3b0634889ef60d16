//! `antiphon verify` finds what does not hold together, and says where; `antiphon repair-indexes`
//! mends what is derived.

use antiphon_actors::storage::{Space, Storage, WriteSet};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::formats::place_of;
use super::program::Place;
use crate::support::key_package::draft;
use crate::support::{ClientKey, PASSWORD, openssl};

const CONFIG: &str = "domain = \"a.example\"\nregistration.mode = \"open\"\n";

/// A stopped node with a bit of everything.
async fn filled() -> Place {
    let place = Place::new();
    std::fs::write(place.path("config.toml"), CONFIG).unwrap();
    let mut program = place.start();
    let api = &program.api;
    let key = ClientKey::ed25519();
    for name in ["alice", "bob"] {
        api.register(name).await;
    }
    let mut alice = api.trust("alice", "phone", &key).await;
    // More than the index has in one record.
    for _ in 0..20 {
        alice.id_cert = api.renew(&alice, "phone", &key).await;
    }
    let ended = api.trust("alice", "lost", &ClientKey::p256()).await;
    let bob = api.trust("bob", "laptop", &ClientKey::p256()).await;
    assert_eq!(api.end(&ended).await, 204);
    place.ok(&["key", "rotate"]);
    api.trust("bob", "desk", &ClientKey::ed25519()).await;
    let packages: Vec<_> = (0..4)
        .map(|_| draft(1, &alice.id_cert, &key).sign(&key))
        .collect();
    assert_eq!(api.publish(&alice, &packages).await.status(), 201);
    let claimed = api.try_claim(&bob, &alice.fid, Some("once")).await;
    assert_eq!(claimed.status(), 200);
    program.send("-TERM");
    assert_eq!(program.wait(), Some(0));
    place
}

/// All records of a space.
fn records(storage: &Storage, space: Space) -> Vec<(Vec<u8>, Vec<u8>)> {
    let records = storage.scan_bytes(space, &[]);
    records.collect::<Result<_, _>>().unwrap()
}

/// What is done to a record's bytes.
type Edit<'a> = &'a dyn Fn(&mut Vec<u8>);

/// Changes one record of a stopped node, or removes it.
async fn change(place: &Place, space: Space, which: usize, value: Option<Edit<'_>>) {
    let storage = Storage::open(&place.data(), 8).unwrap();
    let (key, mut bytes) = records(&storage, space).swap_remove(which);
    let mut writes = WriteSet::new();
    match value {
        Some(value) => {
            value(&mut bytes);
            writes.put_bytes(space, &key, bytes);
        }
        None => writes.remove(space, &key),
    }
    storage.commit(writes).await.unwrap();
    storage.close().unwrap();
}

/// What `verify` finds wrong.
fn findings(place: &Place) -> Vec<String> {
    let output = place.run(&["verify"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<_> = text
        .lines()
        .filter_map(|line| Some(line.strip_prefix("WRONG: ")?.to_owned()))
        .collect();
    assert_eq!(
        output.status.code(),
        Some(i32::from(!found.is_empty())),
        "{text}"
    );
    found
}

const DERIVED: [Space; 4] = [
    Space::ServerCertIndex,
    Space::SessionCertIndex,
    Space::LiveSessions,
    Space::UsersByFid,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_derived_is_found_wrong_and_mended() {
    break_and_mend(&filled().await, &DERIVED).await;
}

/// Only certificates from before format 3 are in this one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_of_serial_numbers_is_found_wrong_and_mended() {
    let place = place_of("format-2.tar.gz");
    break_and_mend(&place, &[Space::SerialNumbers]).await;
}

async fn break_and_mend(place: &Place, derived: &[Space]) {
    assert_eq!(findings(place), [""; 0]);
    let all = |storage: &Storage| -> Vec<_> {
        let records = derived.iter().map(|space| records(storage, *space));
        records.collect()
    };
    let storage = Storage::open(&place.data(), 8).unwrap();
    let before = all(&storage);
    storage.close().unwrap();
    for space in derived.iter().copied() {
        // Lost, altered, and one too many.
        change(place, space, 0, None).await;
        assert!(!findings(place).is_empty(), "a lost record of {space:?}");
        let said = place.ok(&["repair-indexes"]);
        assert!(
            said.ends_with("verified: all of it holds together\n"),
            "{said}"
        );

        let flip: Edit<'_> = &|bytes| bytes[1] ^= 1;
        change(place, space, 0, Some(flip)).await;
        assert!(
            !findings(place).is_empty(),
            "an altered record of {space:?}"
        );
        place.ok(&["repair-indexes"]);

        let storage = Storage::open(&place.data(), 8).unwrap();
        let (mut key, bytes) = records(&storage, space).swap_remove(0);
        *key.last_mut().unwrap() ^= 0x80;
        let mut writes = WriteSet::new();
        writes.put_bytes(space, &key, bytes);
        storage.commit(writes).await.unwrap();
        storage.close().unwrap();
        assert!(
            !findings(place).is_empty(),
            "one record too many in {space:?}"
        );
        place.ok(&["repair-indexes"]);
    }
    let storage = Storage::open(&place.data(), 8).unwrap();
    let after = all(&storage);
    assert!(before == after, "what was rebuilt is what the node wrote");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_derived_is_found_wrong_and_not_hidden() {
    let place = filled().await;
    for (space, which, what) in [
        (Space::LogEntries, 2, "log: entry 3 is missing"),
        (Space::Users, 0, "it is not the certificate of its user"),
        (Space::Tokens, 0, "its token is not there"),
        (Space::Racks, 0, "its session has no rack"),
        (Space::Claims, 0, "Claims speak of 0"),
    ] {
        let undo = keep(&place);
        change(&place, space, which, None).await;
        let found = findings(&place).join("\n");
        assert!(found.contains(what), "{space:?}: {found}");
        undo();
    }
    assert_eq!(findings(&place), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_no_record_has_is_found_wrong() {
    let place = filled().await;
    for space in [
        Space::LogEntries,
        Space::SessionCertIndex,
        Space::Users,
        Space::OneTimePackages,
    ] {
        let undo = keep(&place);
        let storage = Storage::open(&place.data(), 8).unwrap();
        let (key, bytes) = records(&storage, space).swap_remove(0);
        let mut writes = WriteSet::new();
        writes.put_bytes(space, &key[..key.len() - 1], bytes);
        storage.commit(writes).await.unwrap();
        storage.close().unwrap();
        let found = findings(&place).join("\n");
        assert!(
            found.contains("its key is not one of a record"),
            "{space:?}: {found}"
        );
        undo();
    }
}

/// What is wrong is said to the operator, once, under the request's ID, and not to the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_meets_a_damaged_record_is_a_fault_in_the_log() {
    let place = filled().await;
    let text = format!("{CONFIG}[log]\nformat = \"json\"\n");
    std::fs::write(place.path("config.toml"), text).unwrap();
    let flip: Edit<'_> = &|bytes| bytes[0] ^= 0x80;
    // What the lookup reads, and what a sign-in does.
    change(&place, Space::SessionCertIndex, 0, Some(flip)).await;
    change(&place, Space::Users, 0, Some(flip)).await;
    let program = place.start();
    let csr = ClientKey::p256().csr("alice@a.example", "tablet");
    let wish = serde_json::json!({
        "username": "alice",
        "password": PASSWORD,
        "csr": STANDARD.encode(csr),
    });
    for answer in [
        program.api.get("/key/user/alice@a.example").await,
        program.api.post("/session/trust", &wish).await,
    ] {
        assert_eq!(answer.status(), 500);
        let id = answer.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned();
        let said = answer.text().await.unwrap();
        let fault = "its version is 1";
        assert!(!said.contains(fault), "{said}");
        let log = std::fs::read_to_string(place.path("log")).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
        let of_request = |line: &serde_json::Value| line["span"]["id"] == id.as_str();
        let faults: Vec<_> = lines.filter(of_request).collect();
        assert_eq!(faults.len(), 1, "{log}");
        assert_eq!(faults[0]["level"], "ERROR");
        assert!(faults[0]["error"].as_str().unwrap().contains(fault));
    }
}

/// What must be possible on a node of which a part cannot be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_certificate_is_damaged_can_be_ended() {
    let place = filled().await;
    let flip: Edit<'_> = &|bytes| bytes[0] ^= 0x80;
    // Bob's laptop.
    change(&place, Space::LogEntries, 23, Some(flip)).await;
    let program = place.start();
    let path = "/key/user/bob@a.example";
    assert_eq!(program.api.get(path).await.status(), 500);
    place.ok(&["session", "end", "bob", "laptop"]);
    assert_eq!(program.api.user_certs("bob@a.example", None).await.len(), 1);
    let again = ClientKey::p256();
    program.api.trust("bob", "laptop", &again).await;
}

/// The same bytes can be packed in more than one way, so a changed byte may change nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_the_log_says_can_be_changed_unnoticed() {
    let place = filled().await;
    let says = place.ok(&["export"]);
    let storage = Storage::open(&place.data(), 8).unwrap();
    let log = records(&storage, Space::LogEntries);
    storage.close().unwrap();
    let (mut noticed, mut harmless) = (0, 0);
    for (which, (_, entry)) in log.iter().enumerate() {
        for at in (0..entry.len()).step_by(1 + entry.len() / 12) {
            let undo = keep(&place);
            let flip: Edit<'_> = &|bytes| bytes[at] ^= 4;
            change(&place, Space::LogEntries, which, Some(flip)).await;
            let found = findings(&place).join("\n");
            if found.is_empty() {
                assert_eq!(
                    place.ok(&["export"]),
                    says,
                    "entry {}, byte {at}",
                    which + 1
                );
                harmless += 1;
            } else {
                let named = format!("entry {}", which + 1);
                let next = format!("entry {}", which + 2);
                let is_named = found.contains(&named) || found.contains(&next);
                assert!(is_named, "byte {at}: {found}");
                // What is derived from it cannot make it right.
                assert!(!place.run(&["repair-indexes"]).status.success());
                noticed += 1;
            }
            undo();
        }
    }
    println!("{noticed} noticed, {harmless} harmless");
    assert!(harmless * 20 < noticed, "{harmless} of {noticed}");
}

/// Keeps a copy of the data directory; the answer puts it back.
fn keep(place: &Place) -> impl Fn() + use<> {
    let (data, kept) = (place.data(), place.path("kept"));
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        drop(std::fs::remove_dir_all(to));
        let copied = std::process::Command::new("cp")
            .arg("-a")
            .args([from, to])
            .status();
        assert!(copied.unwrap().success());
    };
    copy(&data, &kept);
    move || copy(&kept, &data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_private_key_is_looked_at() {
    let place = filled().await;
    let path = super::program::key_files(&place.data()).swap_remove(0);
    let undo = keep(&place);
    std::fs::remove_file(&path).unwrap();
    assert!(findings(&place)[0].contains("is missing"));
    undo();
    let out = path.to_str().unwrap();
    openssl::ok(&["genpkey", "-algorithm", "ed25519", "-out", out]);
    assert!(findings(&place)[0].contains("does not match"));
    undo();
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&path, readable).unwrap();
    assert!(findings(&place)[0].contains("its mode is 644"));
}
