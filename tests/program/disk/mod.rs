//! A disk that can be watched and broken: a library stands between the node and its files
//! (`interposer.c`), and [`Disk`] works out from its journal what a power cut would have left.

mod journal;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use journal::{CREATE, DATASYNC, FAILED_SYNC, MKDIR, RENAME, SYNC, TRUNCATE, UNLINK, WRITE};

use crate::support::random::Random;

pub use journal::Journal;

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
    RenameDirectory(PathBuf, PathBuf),
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
            NameChange::RenameDirectory(from, to) => {
                move_names(&mut self.files, from, to);
                for path in &mut self.directories {
                    if let Ok(below) = path.strip_prefix(from) {
                        *path = to.join(below);
                    }
                }
            }
            NameChange::Unlink(path) => {
                self.files.remove(path);
            }
        }
    }
}

/// Gives what is below `from` names below `to`.
fn move_names(files: &mut BTreeMap<PathBuf, usize>, from: &Path, to: &Path) {
    for (path, file) in std::mem::take(files) {
        let below = path.strip_prefix(from).map(|below| to.join(below));
        files.insert(below.unwrap_or(path), file);
    }
}

impl NameChange {
    fn concerns(&self, directory: &Path) -> bool {
        let of = |path: &PathBuf| path.parent() == Some(directory);
        match self {
            Self::Directory(path) | Self::Create(path, _) | Self::Unlink(path) => of(path),
            Self::Rename(from, to) | Self::RenameDirectory(from, to) => of(from) || of(to),
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
                    let from = step.path.clone();
                    self.pending
                        .push(if let Some(file) = self.names.remove(&from) {
                            self.names.insert(to.clone(), file);
                            NameChange::Rename(from, to)
                        } else {
                            move_names(&mut self.names, &from, &to);
                            NameChange::RenameDirectory(from, to)
                        });
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

/// Instants between two numbers of steps, in order, the last of them at the very end.
pub fn instants(cuts: usize, from: usize, to: usize, random: &mut Random) -> Vec<usize> {
    let mut any = || from + usize::try_from(random.below((to - from) as u64)).unwrap() + 1;
    let mut instants: Vec<_> = (1..cuts).map(|_| any()).collect();
    instants.sort_unstable();
    instants.push(to);
    instants
}

/// A write of which the end or the beginning may be missing, sector by sector.
fn torn(change: Change, random: &mut Random) -> Change {
    const SECTOR: u64 = 512;
    match change {
        Change::Write(at, mut data) if random.below(4) == 0 => {
            let sectors = (at % SECTOR + data.len() as u64).div_ceil(SECTOR);
            let middle = (1 + random.below(sectors)) * SECTOR - at % SECTOR;
            let behind = data.split_off(data.len().min(usize::try_from(middle).unwrap()));
            if behind.is_empty() || random.below(2) == 0 {
                Change::Write(at, data)
            } else {
                Change::Write(at + middle, behind)
            }
        }
        change => change,
    }
}
