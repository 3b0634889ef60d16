//! A disk that can be watched and broken: a library stands between the node and its files
//! (`interposer.c`), and [`Disk`] works out from its journal what a power cut would have left.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::random::Random;

/// The library, built once.
pub fn interposer() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/program/disk/interposer.c"
        );
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interposer.so");
        let built = Command::new("cc")
            .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .args([source, "-ldl", "-lpthread"])
            .status()
            .expect("a C compiler, which Rust needs, too");
        assert!(built.success());
        library
    })
}

/// One change of a file or a name, or an fsync.
#[derive(Debug)]
struct Step {
    /// Where its record ends in the journal.
    end: u64,
    kind: u8,
    at: u64,
    path: PathBuf,
    data: Vec<u8>,
}

const CREATE: u8 = 1;
const WRITE: u8 = 2;
const SYNC: u8 = 3;
const DATASYNC: u8 = 4;
const RENAME: u8 = 5;
const UNLINK: u8 = 6;
const MKDIR: u8 = 7;
const TRUNCATE: u8 = 8;
const FAILED_SYNC: u8 = 9;

/// What happened to the files below one directory.
pub struct Journal {
    steps: Vec<Step>,
}

impl Journal {
    pub fn read(journal: &Path) -> Self {
        let bytes = fs::read(journal).unwrap();
        let mut rest = bytes.as_slice();
        let mut steps = Vec::new();
        let mut take = |length: usize| {
            let (taken, after) = rest.split_at(length);
            rest = after;
            (taken.to_vec(), (bytes.len() - after.len()) as u64)
        };
        loop {
            let (header, _) = take(33);
            let number =
                |at: usize| u64::from_ne_bytes(header[1 + 8 * at..9 + 8 * at].try_into().unwrap());
            let length = |at| usize::try_from(number(at)).unwrap();
            let (path, _) = take(length(2));
            let (data, end) = take(length(3));
            steps.push(Step {
                end,
                kind: header[0],
                at: number(0),
                path: String::from_utf8(path).unwrap().into(),
                data,
            });
            if end == bytes.len() as u64 {
                return Self { steps };
            }
        }
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// How often commits were made durable between two sizes of this journal.
    pub fn syncs_between(&self, from: u64, to: u64) -> usize {
        let between = self
            .steps
            .iter()
            .filter(|step| (from + 1..=to).contains(&step.end));
        let syncs = between.filter(|step| {
            let file = step.path.parent();
            step.kind == DATASYNC
                && file.is_some_and(|directory| directory.ends_with("data/journal"))
        });
        syncs.count()
    }

    /// The steps that write to a file.
    pub fn writes_to(&self, path: &Path) -> Vec<usize> {
        let is_one = |(_, step): &(usize, &Step)| step.kind == WRITE && step.path == path;
        let steps = self.steps.iter().enumerate().filter(is_one);
        steps.map(|(number, _)| number).collect()
    }

    /// How many steps there were when it had this size.
    pub fn steps_at(&self, size: u64) -> usize {
        self.steps.partition_point(|step| step.end < size) + 1
    }

    /// The journal's size after so many steps.
    pub fn position(&self, steps: usize) -> u64 {
        self.steps[steps - 1].end
    }
}

/// A file's bytes on the disk, and those that are only in the system's memory.
#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

#[derive(Debug, Clone)]
enum NameChange {
    Directory(PathBuf),
    Create(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Unlink(PathBuf),
}

/// The disk after some steps of a journal.
///
/// What was fsync'ed is there. Of what was written since, any part may be, also half of a sector
/// run. Names (created, renamed, unlinked) come to the disk in their order, as journaling file
/// systems have it, and for certain once their directory is fsync'ed.
#[derive(Default)]
pub struct Disk {
    files: Vec<File>,
    /// As the running system sees them: path → file.
    names: BTreeMap<PathBuf, usize>,
    durable: Names,
    pending: Vec<NameChange>,
}

#[derive(Debug, Clone, Default)]
struct Names {
    directories: Vec<PathBuf>,
    files: BTreeMap<PathBuf, usize>,
}

impl Names {
    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Directory(path) => self.directories.push(path.clone()),
            NameChange::Create(path, file) => {
                self.files.insert(path.clone(), *file);
            }
            NameChange::Rename(from, to) => {
                let file = self.files.remove(from).unwrap();
                self.files.insert(to.clone(), file);
            }
            NameChange::Unlink(path) => {
                self.files.remove(path);
            }
        }
    }
}

impl NameChange {
    fn concerns(&self, directory: &Path) -> bool {
        let of = |path: &PathBuf| path.parent() == Some(directory);
        match self {
            Self::Directory(path) | Self::Create(path, _) | Self::Unlink(path) => of(path),
            Self::Rename(from, to) => of(from) || of(to),
        }
    }
}

impl File {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(at, data) => {
                let at = usize::try_from(*at).unwrap();
                let end = at + data.len();
                if self.durable.len() < end {
                    self.durable.resize(end, 0);
                }
                self.durable[at..end].copy_from_slice(data);
            }
            Change::Truncate(size) => self.durable.resize(usize::try_from(*size).unwrap(), 0),
        }
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            self.apply(&change);
        }
    }
}

impl Disk {
    /// One that has the files below `directory`, all of them durable.
    pub fn with_files_of(directory: &Path) -> Self {
        let mut disk = Self::default();
        let mut directories = vec![directory.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    directories.push(entry.path());
                    continue;
                }
                disk.names.insert(entry.path(), disk.files.len());
                disk.files.push(File {
                    durable: fs::read(entry.path()).unwrap(),
                    pending: Vec::new(),
                });
            }
            disk.durable.directories.push(directory);
        }
        disk.durable.files = disk.names.clone();
        disk
    }

    /// Goes on to the first `steps` steps of a journal, from the first `from`. Without `fdatasync`
    /// that call does nothing.
    pub fn play(&mut self, journal: &Journal, from: usize, steps: usize, fdatasync: bool) {
        for step in &journal.steps[from..steps] {
            let file = self.names.get(&step.path).copied();
            match step.kind {
                CREATE => {
                    self.files.push(File::default());
                    let file = self.files.len() - 1;
                    self.names.insert(step.path.clone(), file);
                    let created = NameChange::Create(step.path.clone(), file);
                    self.pending.push(created);
                }
                WRITE => {
                    let write = Change::Write(step.at, step.data.clone());
                    self.files[file.unwrap()].pending.push(write);
                }
                TRUNCATE => {
                    let truncate = Change::Truncate(step.at);
                    self.files[file.unwrap()].pending.push(truncate);
                }
                DATASYNC if !fdatasync => {}
                SYNC | DATASYNC => match file {
                    Some(file) => self.files[file].sync(),
                    None => self.sync_directory(&step.path),
                },
                RENAME => {
                    let to = PathBuf::from(String::from_utf8(step.data.clone()).unwrap());
                    let file = self.names.remove(&step.path).unwrap();
                    self.names.insert(to.clone(), file);
                    self.pending.push(NameChange::Rename(step.path.clone(), to));
                }
                UNLINK => {
                    // Sockets and the like were never created here.
                    if self.names.remove(&step.path).is_some() {
                        self.pending.push(NameChange::Unlink(step.path.clone()));
                    }
                }
                // The system goes on showing what it has not written, and takes it for written.
                FAILED_SYNC => {
                    if let Some(file) = file {
                        self.files[file].pending.clear();
                    }
                }
                MKDIR => self.pending.push(NameChange::Directory(step.path.clone())),
                other => panic!("step {other}"),
            }
        }
    }

    fn sync_directory(&mut self, directory: &Path) {
        let last = self.pending.iter().rposition(|one| one.concerns(directory));
        for change in self.pending.drain(..last.map_or(0, |last| last + 1)) {
            self.durable.apply(&change);
        }
    }

    /// Writes what a power cut now might leave, to `target` in the place of `root`.
    pub fn cut(&self, root: &Path, target: &Path, random: &mut Random) {
        let mut names = self.durable.clone();
        let kept = random.below(self.pending.len() as u64 + 1);
        for change in self.pending.iter().take(usize::try_from(kept).unwrap()) {
            names.apply(change);
        }
        let place = |path: &Path| target.join(path.strip_prefix(root).unwrap());
        for directory in &names.directories {
            fs::create_dir_all(place(directory)).unwrap();
        }
        // How many in eight of the writes that nobody has waited for are there.
        let kept = [0, 8, random.below(9)][usize::try_from(random.below(3)).unwrap()];
        for (path, file) in &names.files {
            let mut file = self.files[*file].clone();
            for change in std::mem::take(&mut file.pending) {
                if random.below(8) < kept {
                    file.apply(&torn(change, random));
                }
            }
            fs::write(place(path), file.durable).unwrap();
            fs::set_permissions(place(path), Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// A write of which one part may be missing, sector by sector.
fn torn(change: Change, random: &mut Random) -> Change {
    const SECTOR: u64 = 512;
    match change {
        Change::Write(at, mut data) if random.below(4) == 0 => {
            let sectors = (at % SECTOR + data.len() as u64).div_ceil(SECTOR);
            let end = (1 + random.below(sectors)) * SECTOR - at % SECTOR;
            data.truncate(usize::try_from(end).unwrap());
            Change::Write(at, data)
        }
        change => change,
    }
}
