//! The program as users meet it: flags, output, exit codes, files on disk.

mod conflicts;
mod context;
mod diff;
mod git;
mod help;
mod import;
mod install;
mod interrupt;
mod readme;
mod shrinkwrap;
mod usage;
