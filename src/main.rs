//! Arguments in, exit code out: everything else lives in `cli`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

// Mail is many small allocations of mixed ages on many threads; mimalloc keeps the resident size
// flat where the system's allocator fragments.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gatepost::cli::main()
}
