//! The `heatseal` program: hands the command line to the `cli` room and ends with its exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    heatseal::cli::main()
}
