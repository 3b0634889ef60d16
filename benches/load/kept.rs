//! Seeds that are kept from run to run, and what is noted beside each: one of another kind under a name
//! that was given before would be measured as if it were what was asked for.

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use antiphon_protocol::Timestamp;
use serde::{Deserialize, Serialize};

use super::key_kind::KeyKind;
use super::output::{self, cannot};
use super::seed::{VALID_DAYS, now, seed};
use super::{Outcome, left};

const DAY: u64 = Timestamp::DAY;

/// What is to be in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    pub users: u64,
    pub certs_each: u64,
    pub kind: KeyKind,
}

impl Display for Wanted {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "--users {} --certs {} --client-key {}",
            self.users,
            self.certs_each,
            self.kind.name()
        )
    }
}

/// A seeded directory: its users are `u0@a.example` and so on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Seeded {
    pub has: Wanted,
    /// The first and the last second between which certificates were issued.
    pub from: u64,
    pub until: u64,
}

/// Makes `data` unless that was done before.
pub fn kept(data: &Path, wanted: Wanted) -> Outcome<Seeded> {
    if data.exists() {
        let seeded = noted(data)?;
        if seeded.has != wanted {
            let (data, has) = (data.display(), seeded.has);
            return Err(format!("{data} was made with {has}, not with {wanted}"));
        }
        return Ok(seeded);
    }
    // Under another name until it is whole.
    let unfinished = beside(data, "unfinished")?;
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)
            .map_err(|error| cannot("remove", &unfinished, error))?;
    }
    std::fs::create_dir_all(&unfinished).map_err(|error| cannot("make", &unfinished, error))?;
    left::unfinished(&unfinished);
    let seeded = seed(&unfinished, wanted)?;
    output::write(&beside(data, "seeded")?, &output::json(&seeded))?;
    std::fs::rename(&unfinished, data).map_err(|error| cannot("make", data, error))?;
    Ok(seeded)
}

/// What a directory was seeded with, if it is of use still.
pub fn noted(data: &Path) -> Outcome<Seeded> {
    let note = beside(data, "seeded")?;
    if !data.exists() || !note.exists() {
        return Err(format!("{} is no seed that --keep made", data.display()));
    }
    let seeded: Seeded = output::read_json(&note)?;
    // A lookup of now finds nothing any more when the last certificates have ended.
    if seeded.until + (VALID_DAYS - 7) * DAY < now() {
        let data = data.display();
        return Err(format!(
            "{data} is too old, its certificates end: remove it"
        ));
    }
    Ok(seeded)
}

/// `seed.a` and `seed.b` have notes of their own.
fn beside(data: &Path, what: &str) -> Outcome<PathBuf> {
    let Some(name) = data.file_name() else {
        return Err(format!("{} cannot be a seed's name", data.display()));
    };
    let mut name = OsString::from(name);
    name.push(".");
    name.push(what);
    Ok(data.with_file_name(name))
}

pub fn test() {
    let folder = left::folder().unwrap();
    let (a, b) = (folder.path().join("seed.a"), folder.path().join("seed.b"));
    for data in [&a, &b] {
        std::fs::create_dir(data).unwrap();
    }
    let has = Wanted {
        users: 20,
        certs_each: 2,
        kind: KeyKind::P256,
    };
    let note = |until| {
        let (from, until) = (until - 3 * DAY, until);
        let seeded = Seeded { has, from, until };
        std::fs::write(beside(&a, "seeded").unwrap(), output::json(&seeded)).unwrap();
    };
    note(now());
    assert_eq!(kept(&a, has).unwrap().has, has);
    let refused = |data: &Path, wanted: Wanted| kept(data, wanted).unwrap_err();
    assert!(refused(&b, has).contains("no seed"));
    for other in [
        Wanted { users: 21, ..has },
        Wanted {
            certs_each: 1,
            ..has
        },
        Wanted {
            kind: KeyKind::Ed25519,
            ..has
        },
    ] {
        let said = refused(&a, other);
        assert!(said.contains(&format!("made with {has}, not")), "{said}");
    }
    note(now() - 59 * DAY);
    assert!(refused(&a, has).contains("too old"));
    std::fs::write(beside(&a, "seeded").unwrap(), "20 1 2\n").unwrap();
    assert!(refused(&a, has).contains("seed.a.seeded"));
    assert!(refused(Path::new("/"), has).contains("cannot be"));
}
