//! Files that results go to, and that they are read from.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::Outcome;

/// A file that can be written to: known before anything is measured, not after.
pub struct Output {
    path: PathBuf,
    file: File,
    /// Whether it was made for what has not come.
    is_needless: bool,
}

impl Output {
    /// What is in it stays there until there is something new.
    pub fn open(path: &Path) -> Outcome<Self> {
        let is_needless = !path.exists();
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = opened.map_err(|error| cannot("write", path, error))?;
        let path = path.to_owned();
        Ok(Self {
            path,
            file,
            is_needless,
        })
    }

    pub fn write(mut self, content: &[u8]) -> Outcome<()> {
        self.is_needless = false;
        let is_file = self.file.metadata().is_ok_and(|data| data.is_file());
        let emptied = if is_file {
            self.file.set_len(0)
        } else {
            Ok(())
        };
        emptied
            .and_then(|()| self.file.write_all(content))
            .map_err(|error| cannot("write", &self.path, error))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_needless {
            // Nobody misses it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The whole of a file at once.
pub fn write(path: &Path, content: &[u8]) -> Outcome<()> {
    std::fs::write(path, content).map_err(|error| cannot("write", path, error))
}

pub fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|error| cannot("read", path, error))
}

pub fn read_json<T: DeserializeOwned>(path: &Path) -> Outcome<T> {
    serde_json::from_str(&read(path)?)
        .map_err(|error| format!("{} is not what was expected: {error}", path.display()))
}

pub fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("numbers and texts are JSON")
}

pub fn cannot(what: &str, path: &Path, error: impl std::fmt::Display) -> String {
    format!("cannot {what} {}: {error}", path.display())
}
