//! Everything that fuzzing has found worth keeping, held to the same properties again.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, unreachable_pub)]

#[path = "../../fuzz/src/properties.rs"]
mod properties;

use std::fs;
use std::path::Path;

fn replay(target: &str, property: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let files: Vec<_> = fs::read_dir(corpus.join(target)).unwrap().collect();
    assert!(files.len() > 1, "the corpus of {target} is missing");
    for file in files {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| property(&bytes)));
        assert!(held.is_ok(), "{}", path.display());
    }
}

#[test]
fn a_certificate_is_refused_or_exactly_its_bytes() {
    replay("id_cert", properties::id_cert);
}

#[test]
fn a_request_is_refused_or_says_for_whom_it_is() {
    replay("id_csr", properties::id_csr);
}

#[test]
fn a_challenge_is_refused_or_exactly_its_text() {
    replay("challenge", properties::challenge);
}

#[test]
fn a_key_package_is_refused_or_exactly_its_bytes() {
    replay("key_package", properties::key_package);
}
