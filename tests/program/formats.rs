//! Data directories of other versions.
//!
//! `format-N.tar.gz` was written by the last version that wrote format N: the user alice (an
//! administrator), and two server keys; in format 2 also a session of hers, renewed once; in
//! formats 3 to 6 a session renewed twice or twenty times, and one that has ended. Formats 5 and 6 were
//! killed.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use antiphon_actors::storage::{FORMAT, Space, Storage, WriteSet};
use serde_json::Value;

use super::program::Place;
use crate::support::ClientKey;

/// Where the backup before the change is.
fn backup() -> String {
    format!("data/before-format-{FORMAT}.backup")
}

/// What is in each: the archive, its format, and how many entries its log has.
const OLDER: [(&str, u32, u32); 6] = [
    ("format-1.tar.gz", 1, 2),
    ("format-2.tar.gz", 2, 4),
    ("format-3.tar.gz", 3, 7),
    ("format-4.tar.gz", 4, 25),
    ("format-5.tar.gz", 5, 7),
    ("format-6.tar.gz", 6, 25),
];

fn old_place() -> Place {
    place_of("format-2.tar.gz")
}

/// A place with a data directory of an older format.
pub fn place_of(archive: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.path("config.toml"), "domain = \"a.example\"\n").unwrap();
    let archives = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program");
    let unpacked = Command::new("tar")
        .current_dir(place.folder.path())
        .arg("xzf")
        .arg(archives.join(archive))
        .status();
    assert!(unpacked.unwrap().success());
    place
}

async fn check(place: &Place) {
    let program = place.start();
    let key = ClientKey::ed25519();
    let session = program.api.trust("alice", "desk", &key).await;
    assert_eq!(session.fid, "alice@a.example");
    let history = place.ok(&["key", "history", "--json"]);
    let history: Vec<Value> = serde_json::from_str(&history).unwrap();
    // And one more, once the newest has ended.
    assert!(history.len() >= 2, "{history:?}");
    program.kill();
    place.ok(&["verify"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_format_is_backed_up_and_brought_up_to_date() {
    for (archive, format, entries) in OLDER {
        bring_up_to_date(&place_of(archive), format, entries).await;
    }
}

async fn bring_up_to_date(place: &Place, format: u32, entries: u32) {
    check(place).await;
    let stamp = std::fs::read_to_string(place.path("data/node")).unwrap();
    let begins = format!("format = {FORMAT}\ndomain = \"a.example\"\n");
    assert!(stamp.starts_with(&begins), "{stamp}");
    let backup = backup();
    let mode = std::fs::metadata(place.path(&backup))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let verified = place.ok(&["backup", "--verify", &backup]);
    let count = format!("log entries                  {entries}\n");
    assert!(verified.contains(&count), "{verified}");

    // The version that wrote the directory can restore it.
    let manifest = format!("\"data_format\":{format},");
    let backup = std::fs::read(place.path(&backup)).unwrap();
    let is_for_it = |window: &[u8]| window == manifest.as_bytes();
    assert!(backup.windows(manifest.len()).any(is_for_it));

    // Interrupted before its end, it is done again.
    let unfinished = place.path("data/unfinished");
    assert!(!unfinished.exists());
    std::fs::write(&unfinished, "repair-indexes\n").unwrap();
    std::fs::write(
        place.path("data/node"),
        format!("format = {format}\ndomain = \"a.example\"\n"),
    )
    .unwrap();
    forget_half(place).await;
    let program = place.start();
    assert!(
        place.log().contains("brought to a newer format"),
        "{}",
        place.log()
    );
    program.kill();
    assert!(std::fs::read_to_string(place.path("data/node")).unwrap() == stamp);
    assert!(!unfinished.exists());
    place.ok(&["verify"]);
}

/// What an interruption leaves of an index.
async fn forget_half(place: &Place) {
    let storage = Storage::open(&place.data(), 8).unwrap();
    let mut writes = WriteSet::new();
    for space in [Space::SessionCertIndex, Space::LiveSessions] {
        for found in storage.scan_bytes(space, &[]).step_by(2) {
            writes.remove(space, &found.unwrap().0);
        }
    }
    assert!(!writes.is_empty());
    storage.commit(writes).await.unwrap();
    storage.close().unwrap();
}

/// The length of segments that sled has for a database.
fn segment_size(place: &Place) -> usize {
    let conf = std::fs::read(place.path("data/db/conf")).unwrap();
    let conf = String::from_utf8_lossy(&conf).into_owned();
    let size = conf
        .lines()
        .find_map(|line| line.strip_prefix("segment_size: "));
    size.unwrap().parse().unwrap()
}

/// Formats up to 5 have shorter segments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_stay_as_short_as_they_were_until_a_compaction() {
    let place = place_of("format-5.tar.gz");
    check(&place).await;
    assert_eq!(segment_size(&place), 512 * 1024);

    // More than a copy takes.
    let storage = Storage::open(&place.data(), 8).unwrap();
    for put in [true, false] {
        let mut writes = WriteSet::new();
        for number in 0..20_000_u64 {
            let key = number.to_be_bytes();
            if put {
                writes.put_bytes(Space::InitKeys, &key, vec![0; 500]);
            } else {
                writes.remove(Space::InitKeys, &key);
            }
        }
        storage.commit(writes).await.unwrap();
    }
    storage.close().unwrap();
    let before = place.ok(&["export"]);
    let compacted = place.ok(&["compact"]);
    assert!(compacted.contains(" now"), "{compacted}");
    assert_eq!(segment_size(&place), 2 * 1024 * 1024);
    assert_eq!(place.ok(&["export"]), before);
    place.start().kill();
    place.ok(&["verify"]);
}

/// What says how long the segments are is not guessed.
#[test]
fn without_its_length_of_segments_a_database_is_refused() {
    let place = place_of("format-5.tar.gz");
    let conf = place.path("data/db/conf");
    std::fs::write(&conf, "segment_size: 0\n").unwrap();
    let line = place.fails(&["verify"], 1);
    assert!(line.contains("its file conf is damaged"), "{line}");
    std::fs::remove_file(&conf).unwrap();
    let line = place.fails(&["verify"], 1);
    assert!(line.contains("its file conf is missing"), "{line}");
}

/// Where the log cannot be read, nothing is changed, and the version before can go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_format_that_cannot_be_read_is_left_as_it_is() {
    let place = old_place();
    let storage = Storage::open(&place.data(), 8).unwrap();
    let (number, mut entry) = storage
        .scan_bytes(Space::LogEntries, &[])
        .nth(2)
        .unwrap()
        .unwrap();
    entry.truncate(entry.len() - 1);
    let mut writes = WriteSet::new();
    writes.put_bytes(Space::LogEntries, &number, entry);
    storage.commit(writes).await.unwrap();
    storage.close().unwrap();

    let stamp = std::fs::read(place.path("data/node")).unwrap();
    for command in ["serve", "verify"] {
        let line = place.fails(&[command], 1);
        assert!(line.contains("LogEntries"), "{line}");
    }
    assert_eq!(std::fs::read(place.path("data/node")).unwrap(), stamp);
    assert!(!place.path("data/unfinished").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_brings_an_older_format_up_to_date_too() {
    let place = old_place();
    place.ok(&["verify"]);
    assert!(place.path(&backup()).exists());
    check(&place).await;
}

#[test]
fn a_newer_format_is_refused_with_the_version_it_needs() {
    let place = old_place();
    let newer = FORMAT + 1;
    let newer = format!("format = {newer}\ndomain = \"a.example\"\nwritten_by = \"9.8.7\"\n");
    std::fs::write(place.path("data/node"), &newer).unwrap();
    for command in ["serve", "verify", "repair-indexes", "compact"] {
        let line = place.fails(&[command], 1);
        assert!(line.contains("install antiphon 9.8.7 or newer"), "{line}");
    }
    assert_eq!(
        std::fs::read_to_string(place.path("data/node")).unwrap(),
        newer
    );
}

/// A directory that was changed as a whole and not to the end.
#[test]
fn an_interrupted_change_of_everything_is_not_started_on() {
    let place = old_place();
    place.ok(&["verify"]);
    let unfinished = place.path("data/unfinished");
    std::fs::write(&unfinished, "repair-indexes\n").unwrap();
    let line = place.fails(&["serve"], 1);
    assert!(line.contains("run: antiphon repair-indexes"), "{line}");
    place.ok(&["repair-indexes"]);
    assert!(!unfinished.exists());

    std::fs::write(&unfinished, "restore\n").unwrap();
    for command in ["serve", "verify", "repair-indexes"] {
        let line = place.fails(&[command], 1);
        assert!(line.contains("remove it and restore again"), "{line}");
    }
}

#[test]
fn a_lost_mark_is_replaced_only_by_repair() {
    let place = old_place();
    place.ok(&["verify"]);
    std::fs::remove_file(place.path("data/mark")).unwrap();
    let line = place.fails(&["serve"], 1);
    assert!(line.contains("antiphon repair-indexes"), "{line}");
    place.ok(&["repair-indexes"]);
    place.ok(&["verify"]);
}

/// Also of one of a version before, in which an entry is in the journal alone.
#[test]
fn repair_does_without_the_mark_of_an_older_format() {
    for (archive, _, entries) in OLDER {
        let place = place_of(archive);
        drop(std::fs::remove_file(place.path("data/mark")));
        if archive != "format-1.tar.gz" {
            let line = place.fails(&["verify"], 1);
            assert!(line.contains("antiphon repair-indexes"), "{line}");
        }
        let repaired = place.ok(&["repair-indexes"]);
        let count = format!("log entries                  {entries}\n");
        assert!(repaired.contains(&count), "{archive}: {repaired}");
        assert!(place.path(&backup()).exists());
        place.ok(&["verify"]);
    }
}

/// What older formats have in it is gone when they are brought up to date.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_session_is_found_wrong_today() {
    let place = place_of("format-6.tar.gz");
    place.ok(&["verify"]);
    let storage = Storage::open(&place.data(), 8).unwrap();
    assert!(
        storage
            .scan_bytes(Space::FormerSessions, &[])
            .next()
            .is_none()
    );
    let mut writes = WriteSet::new();
    writes.put_bytes(Space::FormerSessions, &[0; 16], vec![1]);
    storage.commit(writes).await.unwrap();
    storage.close().unwrap();
    let found = place.run(&["verify"]);
    let found = String::from_utf8(found.stdout).unwrap();
    let expected = "WRONG: FormerSessions: it has 1 records, and the log makes 0";
    assert!(found.contains(expected), "{found}");
    place.ok(&["repair-indexes"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compaction_loses_nothing_wherever_it_is_interrupted() {
    let place = old_place();
    place.ok(&["verify"]);
    let before = place.ok(&["export"]);
    place.ok(&["compact"]);
    assert_eq!(place.ok(&["export"]), before);
    place.ok(&["verify"]);

    // What an interruption leaves: an incomplete copy; the old one put aside; both in place.
    let data = place.data();
    std::fs::create_dir(data.join("db.new")).unwrap();
    std::fs::write(data.join("db.new/db"), "half").unwrap();
    assert_eq!(place.ok(&["export"]), before);
    assert!(!data.join("db.new").exists());

    let copied = Command::new("cp")
        .arg("-a")
        .args([data.join("db"), data.join("db.new")])
        .status();
    assert!(copied.unwrap().success());
    std::fs::rename(data.join("db"), data.join("db.old")).unwrap();
    assert_eq!(place.ok(&["export"]), before);
    assert!(!data.join("db.old").exists() && !data.join("db.new").exists());
    check(&place).await;
}

/// This version opens the directory, and gives up before it changes it; the older one goes on, and is
/// killed; this one comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_version_may_go_on_after_a_change_that_was_given_up() {
    let place = place_of("format-4.tar.gz");
    let (data, kept) = (place.data(), place.path("kept"));
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    let storage = Storage::open(&data, 8).unwrap();
    let journal = data.join("journal");
    copy(&journal, &kept);
    // The older version has no journal.
    for number in 0..5_u64 {
        let mut writes = WriteSet::new();
        writes.put_bytes(Space::InitKeys, &number.to_be_bytes(), vec![0]);
        storage.commit(writes).await.unwrap();
    }
    drop(storage.snapshot().await.unwrap());
    let killed = place.path("killed");
    copy(&data, &killed);
    storage.close().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&killed, &data).unwrap();
    std::fs::remove_dir_all(&journal).unwrap();
    copy(&kept, &journal);

    let program = place.start();
    assert_eq!(
        program.api.user_certs("alice@a.example", None).await.len(),
        1
    );
    program.kill();
}

/// What was written by then is in the journal, and may be nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_format_is_completed_wherever_it_was_killed() {
    let place = place_of("format-4.tar.gz");
    let (data, killed) = (place.data(), place.path("killed"));
    std::fs::write(data.join("unfinished"), "repair-indexes\n").unwrap();
    let storage = Storage::open(&data, 8).unwrap();
    for number in 0..5_u64 {
        let mut writes = WriteSet::new();
        writes.put_bytes(Space::InitKeys, &number.to_be_bytes(), vec![0]);
        storage.commit(writes).await.unwrap();
    }
    let copied = Command::new("cp").arg("-a").args([&data, &killed]).status();
    assert!(copied.unwrap().success());
    storage.close().unwrap();
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(&killed, &data).unwrap();
    let program = place.start();
    assert!(!data.join("unfinished").exists());
    program.kill();
}
