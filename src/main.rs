//! The binary: everything is in the library.

use std::process::ExitCode;

/// A call's many small pieces come and go in one thread: this allocator takes less of it than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    siaga::cli::run()
}
