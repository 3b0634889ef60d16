//! What the benches share: who asks, what it is held against, and the owners as a node starts them.

// Each bench uses its own part of this.
#![allow(dead_code, unreachable_pub)]

pub mod asker;
pub mod bare;
pub mod floors;
pub mod issuer;
pub mod owners;
pub mod random;

use tempfile::TempDir;
// The allocator of the node.
use tikv_jemalloc_sys as _;

/// The second at which most benches' time begins, and at which it stands still in some.
pub const START: u64 = 1_800_000_000;

/// A folder for a store. Not in the system's folder for temporary files, which may be in memory,
/// where nothing needs to wait for a disk.
pub fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}
