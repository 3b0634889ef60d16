//! sled behind a shield: it asserts where its files are damaged, so its panics are errors, too.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What sled says against something.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The disk refused something, now or, for writes, earlier.
    Io(io::Error),
    /// Something else.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(formatter),
            Self::Other(text) => formatter.write_str(text),
        }
    }
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Io(error),
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Io(error) => error,
            Trouble::Other(text) => Self::other(text),
        }
    }
}

/// What sled does. What a panic leaves locked or half done is sled's own memory,
/// not ours.
pub(super) fn shielded<T>(action: impl FnOnce() -> Result<T, sled::Error>) -> Result<T, Trouble> {
    let entered = Entered::now();
    let done = catch_unwind(AssertUnwindSafe(action));
    drop(entered);
    match done {
        Ok(done) => done.map_err(Trouble::from),
        Err(_) => Err(Trouble::Other("sled gave up".to_owned())),
    }
}

/// How many threads are told apart. Two that share a place only make the watchdog later.
const PLACES: usize = 256;

/// Since which tick each thread is inside sled; 0 for one that is not.
static INSIDE: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];

/// What a thread gets that has no place in [`INSIDE`]; every one has.
static SPARE: AtomicU64 = AtomicU64::new(0);

/// Moves on with every look of a watchdog.
static TICK: AtomicU64 = AtomicU64::new(1);

/// A thread is inside sled while it has this.
struct Entered(&'static AtomicU64);

impl Entered {
    fn now() -> Self {
        thread_local! {
            static PLACE: &'static AtomicU64 = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                let number = NEXT.fetch_add(1, Ordering::Relaxed) % PLACES;
                INSIDE.get(number).unwrap_or(&SPARE)
            };
        }
        let place = PLACE.with(|place| *place);
        place.store(TICK.load(Ordering::Relaxed), Ordering::Relaxed);
        Self(place)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Whether a thread has been inside sled since before the last look.
pub(super) fn is_somebody_stuck() -> bool {
    let now = TICK.fetch_add(1, Ordering::Relaxed);
    let since = INSIDE.iter().map(|inside| inside.load(Ordering::Relaxed));
    since.filter(|since| *since != 0).any(|since| since < now)
}

/// Drops a handle of sled's. The last one closes the database, which may fail.
pub(super) fn let_go<T>(handle: T) {
    let dropped = shielded(|| {
        drop(handle);
        Ok(())
    });
    if let Err(trouble) = dropped {
        tracing::error!(%trouble, "the database was not closed well");
    }
}

/// An iterator of sled's, shielded.
pub(super) struct Shielded(pub(super) sled::Iter);

pub(super) type KeyValue = (sled::IVec, sled::IVec);
pub(super) type Entry = Result<KeyValue, Trouble>;

impl Shielded {
    fn step(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<KeyValue>>,
    ) -> Option<Entry> {
        shielded(|| step(&mut self.0).transpose()).transpose()
    }
}

impl Iterator for Shielded {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        self.step(Iterator::next)
    }
}

impl DoubleEndedIterator for Shielded {
    fn next_back(&mut self) -> Option<Entry> {
        self.step(DoubleEndedIterator::next_back)
    }
}
