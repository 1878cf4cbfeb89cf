//! Routes through several rooms: shrinkwrap, install, diff.

mod download;
mod git;
mod install;
mod origins;
mod session;
mod shrinkwrap;
mod source;
mod stale;
mod wanted;

pub use install::{InstallError, InstallOutcome, InstallRequest, install};
pub use session::{Session, SessionError};
pub use shrinkwrap::{ShrinkwrapError, ShrinkwrapOutcome, ShrinkwrapRequest, Writing, shrinkwrap};
