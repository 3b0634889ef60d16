//! A file that is there whole or not at all, and for its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that is being written beside its name, as `NAME.partial`; removed unless it is completed.
pub(super) struct WholeFile {
    file: File,
    path: PathBuf,
    partial: PathBuf,
    is_complete: bool,
}

impl WholeFile {
    /// Begins a file where there is none.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let partial = path.with_added_extension("partial");
        // An attempt that was interrupted, or whatever somebody has put there: with its mode, or as a
        // link, it would lead what is written to others.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&partial)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            partial,
            is_complete: false,
        })
    }

    /// What is written so far; to be written to.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where it is until it is complete.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Gives it its name, for good.
    pub(super) fn complete(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if !self.is_ours() {
            return Err(io::Error::other(
                "another program writes it at the same time",
            ));
        }
        fs::rename(&self.partial, &self.path)?;
        self.is_complete = true;
        let parent = self.path.parent();
        let parent = parent.filter(|parent| *parent != Path::new(""));
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Whether nobody else has begun the same file meanwhile.
    fn is_ours(&self) -> bool {
        let named = fs::symlink_metadata(&self.partial);
        let (Ok(named), Ok(ours)) = (named, self.file.metadata()) else {
            return false;
        };
        (named.dev(), named.ino()) == (ours.dev(), ours.ino())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.is_complete && self.is_ours() {
            // What is left of it is of no use; that it stays there is the smaller trouble.
            let _ = fs::remove_file(&self.partial);
        }
    }
}
