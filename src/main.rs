//! The `antiphon` program.

use std::process::ExitCode;

// Its `malloc` takes the place of the C library's, which keeps what the store gives back (decision 18).
use tikv_jemalloc_sys as _;

fn main() -> ExitCode {
    antiphon::cli::main()
}
