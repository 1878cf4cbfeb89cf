//! Arguments, settings, rendering; the only room that talks to users.

use std::process::ExitCode;

pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
