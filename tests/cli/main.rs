//! The program as users meet it: flags, output, exit codes, files on disk.

mod complete;
mod conflicts;
mod context;
mod diff;
mod fix_platforms;
mod git;
mod help;
mod import;
mod install;
mod interrupt;
mod linked;
mod lint;
mod load;
mod ls;
mod merge;
mod platforms;
mod readme;
mod sbom;
mod schema;
mod scripts;
mod shrinkwrap;
mod store;
mod usage;
mod verify;
mod why;
