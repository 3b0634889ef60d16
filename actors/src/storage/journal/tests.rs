//! What is in the journal after a crash, and what damage of it does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::super::applier::Applier;
use super::super::recovery::{NoMark, prepare};
use super::super::shield::let_go;
use super::super::tests::copy;
use super::super::{OpenError, Space, Storage, StorageError, WriteSet};
use super::frame::{SECTOR, decode, encode};
use super::{Journal, SIZE};
use crate::tests::Random;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn read(storage: &Storage) -> Result<Model, StorageError> {
    storage.scan_bytes(Space::Users, &[]).collect()
}

async fn put(storage: &Storage, key: u64, value: Vec<u8>) {
    let mut writes = WriteSet::new();
    writes.put_bytes(Space::Users, &key.to_be_bytes(), value);
    storage.commit(writes).await.unwrap();
}

/// What there is after a kill.
struct Killed {
    place: TempDir,
    /// All that was acknowledged.
    model: Model,
    /// The mark as it was at the start, as a power cut may leave it.
    mark_at_start: Vec<u8>,
}

/// A store with two records in its database, and changes that only its journal has, as if it had been
/// killed before any of them was put into the database: a removal, and values of `sizes`.
async fn killed(sizes: &[usize]) -> Killed {
    let place = TempDir::new().unwrap();
    let directory = place.path();
    let storage = Storage::open(directory, 8).unwrap();
    put(&storage, 1, b"one".to_vec()).await;
    put(&storage, 2, b"two".to_vec()).await;
    storage.close().unwrap();
    let before = TempDir::new().unwrap();
    copy(&directory.join("db"), before.path());

    let storage = Storage::open(directory, 8).unwrap();
    let mark_at_start = fs::read(directory.join("mark")).unwrap();
    let mut removal = WriteSet::new();
    removal.remove(Space::Users, &1_u64.to_be_bytes());
    storage.commit(removal).await.unwrap();
    for (number, size) in (10..).zip(sizes) {
        put(&storage, number, vec![7; *size]).await;
    }
    let model = read(&storage).unwrap();
    drop(storage);
    fs::remove_dir_all(directory.join("db")).unwrap();
    copy(before.path(), &directory.join("db"));
    Killed {
        place,
        model,
        mark_at_start,
    }
}

/// The first file of the journal, and how much of it was written.
fn journal(place: &Path) -> (Vec<u8>, usize) {
    let bytes = fs::read(place.join("journal/0")).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (bytes, used)
}

#[tokio::test]
async fn what_only_the_journal_has_is_put_into_the_database() {
    let Killed { place, model, .. } = killed(&[1, SECTOR, 3 * SECTOR, 5]).await;
    // Also when that is interrupted, and done again.
    let again = TempDir::new().unwrap();
    copy(place.path(), again.path());
    for directory in [place.path(), again.path()] {
        let storage = Storage::open(directory, 8).unwrap();
        assert!(read(&storage).unwrap() == model);
        put(&storage, 3, b"three".to_vec()).await;
        storage.close().unwrap();
        let storage = Storage::open(directory, 8).unwrap();
        assert_eq!(read(&storage).unwrap().len(), model.len() + 1);
    }
}

/// Any damage is refused, or changes nothing.
#[tokio::test]
async fn damage_of_the_journal_is_noticed() {
    let Killed { place, model, .. } = killed(&[1, SECTOR, 3 * SECTOR, 5]).await;
    let (bytes, used) = journal(place.path());
    let mut random = Random(5);
    let mut refused = 0;
    for attempt in 0..200 {
        let at = usize::try_from(random.below(used as u64)).unwrap();
        let mut damaged = bytes.clone();
        if attempt % 4 == 3 {
            damaged.truncate(at);
        } else {
            damaged[at] ^= 1 << random.below(8);
        }
        let damaged_place = TempDir::new().unwrap();
        copy(place.path(), damaged_place.path());
        fs::write(damaged_place.path().join("journal/0"), damaged).unwrap();
        match Storage::open(damaged_place.path(), 8) {
            Err(OpenError::Lost { .. }) => refused += 1,
            Err(other) => panic!("at {at}: {other}"),
            Ok(storage) => assert!(read(&storage).unwrap() == model, "at {at}"),
        }
    }
    assert!(refused > 100, "{refused}");

    fs::remove_dir_all(place.path().join("journal")).unwrap();
    let refused = Storage::open(place.path(), 8).unwrap_err();
    assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
}

/// The power may go while a commit is written of which nobody was told, and the mark may be as it was
/// at the start. A hole before something that is whole is another matter.
#[tokio::test]
async fn a_torn_end_is_no_damage_and_a_hole_is() {
    let Killed {
        place,
        mut model,
        mark_at_start,
    } = killed(&[1, 3 * SECTOR]).await;
    fs::write(place.path().join("mark"), mark_at_start).unwrap();
    let (mut bytes, used) = journal(place.path());
    let holed = TempDir::new().unwrap();
    copy(place.path(), holed.path());
    let mut hole = bytes.clone();
    // The first after the one that only says what is settled.
    hole[SECTOR..2 * SECTOR].fill(0);
    fs::write(holed.path().join("journal/0"), hole).unwrap();
    let refused = Storage::open(holed.path(), 8).unwrap_err();
    assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");

    bytes[used - SECTOR..].fill(0);
    fs::write(place.path().join("journal/0"), bytes).unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    model.remove(&11_u64.to_be_bytes()[..]).unwrap();
    assert!(read(&storage).unwrap() == model);
}

/// An older state of the database, which the journal cannot complete any more, or a journal that ends
/// before what the database has.
#[tokio::test]
async fn a_database_and_a_journal_of_different_times_are_refused() {
    let Killed { place, model, .. } = killed(&[1, SECTOR]).await;
    let before = TempDir::new().unwrap();
    copy(&place.path().join("db"), before.path());
    let storage = Storage::open(place.path(), 8).unwrap();
    assert!(read(&storage).unwrap() == model);
    put(&storage, 3, b"three".to_vec()).await;
    drop(storage);
    let later = TempDir::new().unwrap();
    copy(place.path(), later.path());
    fs::remove_dir_all(place.path().join("db")).unwrap();
    copy(before.path(), &place.path().join("db"));
    let refused = Storage::open(place.path(), 8).unwrap_err();
    assert!(
        matches!(refused, OpenError::Lost { .. } | OpenError::Damaged { .. }),
        "{refused}"
    );

    let (mut bytes, used) = journal(later.path());
    // What was left of the run before is overwritten, too.
    bytes[SECTOR..used].fill(0);
    fs::write(later.path().join("journal/0"), bytes).unwrap();
    let refused = Storage::open(later.path(), 8).unwrap_err();
    assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
}

/// Bytes that somebody sends may come to stand where a frame could begin, once its own frame is gone.
#[tokio::test]
async fn what_looks_like_a_frame_is_none() {
    let digest = |fields: &[u8], body: &[u8]| {
        Sha256::new()
            .chain_update(fields)
            .chain_update(body)
            .finalize()[..16]
            .to_vec()
    };
    // More changes than there can be.
    let body = [&[0xfd][..], &[0xff; 8]].concat();
    let fields = [&[7; 32][..], &9_u32.to_be_bytes()].concat();
    let sent = [&fields[..], &digest(&fields, &body), &body].concat();
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    put(&storage, 1, b"one".to_vec()).await;
    storage.close().unwrap();
    let path = place.path().join("journal/0");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8 * SECTOR..8 * SECTOR + sent.len()].copy_from_slice(&sent);
    fs::write(&path, bytes).unwrap();
    assert!(decode(&[9; 16], &sent).is_none());
    let storage = Storage::open(place.path(), 8).unwrap();
    assert_eq!(read(&storage).unwrap().len(), 1);
}

/// Both files are filled several times, also by commits that are longer than one of them.
#[tokio::test]
async fn the_journal_goes_round() {
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    let mut model = Model::new();
    for number in 0..40_u64 {
        let size = if number % 16 == 7 { SIZE + 1 } else { SIZE / 5 };
        let mut value = vec![0; size];
        value[size / 2] = u8::try_from(number).unwrap();
        model.insert(number.to_be_bytes().to_vec(), value.clone());
        put(&storage, number, value).await;
        if number % 7 == 0 {
            storage.settle().await.unwrap();
            assert!(!storage.is_writing());
        }
    }
    assert!(read(&storage).unwrap() == model);
    drop(storage);
    assert!(read(&Storage::open(place.path(), 8).unwrap()).unwrap() == model);
}

/// Where the mark is lost, the journal is believed with the database.
#[tokio::test]
async fn a_lost_mark_costs_nothing_of_the_journal() {
    let Killed { place, model, .. } = killed(&[1, SECTOR]).await;
    fs::remove_file(place.path().join("mark")).unwrap();
    let storage = Storage::open_without_mark(place.path(), 8).unwrap();
    assert!(read(&storage).unwrap() == model);
    storage.close().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    assert!(read(&storage).unwrap() == model);
}

/// The bytes of a frame are a format: changing them needs a new one.
#[test]
fn a_frame_is_what_it_was() {
    let changes = [
        (b"key".to_vec(), Some(sled::IVec::from(b"value"))),
        (b"gone".to_vec(), None),
    ];
    let bytes = encode(&[9; 16], 5, 4, &changes.into()).unwrap();
    assert_eq!(bytes.len(), SECTOR);
    let expected = [
        &[9; 16][..],
        &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 18],
        b"\x66\x01\x4e\x31\x6c\xe7\x7b\xcc\xfd\x8b\x0b\x67\x99\x4f\x78\xe2",
        b"\x02\x04gone\x00\x03key\x01\x05value",
    ];
    assert_eq!(bytes[..70], expected.concat());
    assert!(bytes[70..].iter().all(|byte| *byte == 0));
    let (frame, size) = decode(&[9; 16], &bytes).unwrap();
    assert_eq!((frame.number, frame.settled, size), (5, 4, SECTOR));
    assert!(decode(&[9; 16], &bytes[..69]).is_none());
    assert!(decode(&[8; 16], &bytes).is_none());
    for at in 0..70 {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(decode(&[9; 16], &damaged), None, "byte {at}");
    }
}

/// A commit that begins a file anew says itself that what it is written over is settled.
#[tokio::test]
async fn a_torn_commit_at_the_beginning_of_a_file_takes_nothing_along() {
    let place = TempDir::new().unwrap();
    let storage = Storage::open(place.path(), 8).unwrap();
    fill_while_nothing_settles(&storage).await;
    storage.settle().await.unwrap();
    let mut model = read(&storage).unwrap();
    let before = TempDir::new().unwrap();
    copy(place.path(), before.path());
    let old = fs::read(place.path().join("journal/0")).unwrap();
    put(&storage, 1000, vec![9; 250 * 1024]).await;
    drop(storage);

    let whole = fs::read(place.path().join("journal/0")).unwrap();
    let changed = || old.iter().zip(&whole).rposition(|(old, new)| old != new);
    let sectors = changed().unwrap() / SECTOR + 1;
    assert!(sectors > 500, "it did not begin the file anew");
    for written in [0, 1, sectors - 1, sectors] {
        let cut = TempDir::new().unwrap();
        copy(before.path(), cut.path());
        let other = place.path().join("journal/1");
        fs::copy(other, cut.path().join("journal/1")).unwrap();
        let torn = [&whole[..written * SECTOR], &old[written * SECTOR..]].concat();
        fs::write(cut.path().join("journal/0"), torn).unwrap();
        if written == sectors {
            model.insert(1000_u64.to_be_bytes().to_vec(), vec![9; 250 * 1024]);
        }
        let storage = Storage::open(cut.path(), 8).unwrap();
        assert!(read(&storage).unwrap() == model, "{written} sectors");
    }
}

/// Where nothing settles any more, it takes no more than it has room for.
#[test]
fn what_is_not_settled_is_not_written_over() {
    let place = TempDir::new().unwrap();
    let database = [9; 16];
    let mut journal = Journal::begin(place.path(), database, 0).unwrap();
    let prepared = prepare(place.path(), 8, NoMark::Refuse).unwrap();
    let applier = Applier {
        database: prepared.database,
        pending: Arc::default(),
        past: Arc::default(),
        settled: Arc::clone(journal.settled()),
        has_failed: Arc::default(),
    };
    // It ends, since nobody has anything for it.
    let (_, batches) = mpsc::channel();
    let_go(applier.run(&batches));

    let changes = [(b"key".to_vec(), Some(sled::IVec::from(vec![8; SIZE / 5])))].into();
    let taken = (1..100).take_while(|number| journal.append(*number, &changes).is_ok());
    let taken: Vec<_> = taken.collect();
    let frames = super::read(place.path(), &database, 0).unwrap();
    let read = frames.iter().map(|frame| frame.number);
    let read: Vec<_> = read.filter(|number| *number > 0).collect();
    assert_eq!(read, taken);
    assert!(taken.len() > 5, "{taken:?}");
}

/// Fills one file of the journal and most of the other.
#[allow(clippy::await_holding_lock)] // What it holds up is another thread.
async fn fill_while_nothing_settles(storage: &Storage) {
    let past = Arc::clone(&storage.past);
    let _held = past.lock().unwrap();
    for number in 0..190 {
        put(storage, number, vec![8; 20 * 1024]).await;
    }
}
