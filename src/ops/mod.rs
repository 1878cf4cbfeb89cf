//! Routes through several rooms: shrinkwrap, install, diff.

mod complete;
mod download;
mod git;
mod import;
mod install;
mod lifecycle;
mod merge;
mod origins;
mod preview;
mod session;
mod shrinkwrap;
mod source;
mod stale;
mod verify;
mod wanted;

pub use import::{ImportReport, Moved};
pub use install::{InstallError, InstallOutcome, InstallRequest, install};
pub use lifecycle::{Needs, Refused, Scripts};
pub use merge::{
    MergeError, MergeOutcome, MergeRequest, Method, Setup, SetupError, SideError, fall_back,
    install_driver, merge_locks, merge_manifests, uninstall_driver,
};
pub use preview::Preview;
pub use session::{Session, SessionError};
pub use shrinkwrap::{ShrinkwrapError, ShrinkwrapOutcome, ShrinkwrapRequest, Writing, shrinkwrap};
pub use verify::{VerifyOutcome, verify};
