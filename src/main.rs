//! The `antiphon` program.

use std::process::ExitCode;

/// Gives back to the system what a password hash used (19 MiB each), which glibc's allocator keeps
/// (docs/decisions/0012).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    antiphon::cli::main()
}
