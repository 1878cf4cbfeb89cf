//! Routes through several rooms: shrinkwrap, install, diff.

mod complete;
mod download;
mod git;
mod import;
mod install;
mod lifecycle;
mod lint;
mod locked;
mod preview;
mod sbom;
mod session;
mod shrinkwrap;
mod source;
mod stale;
mod verify;
mod wanted;

pub use import::{ImportReport, Moved};
pub use install::{InstallError, InstallOutcome, InstallRequest, install};
pub use lifecycle::{Needs, Refused, Scripts};
pub use lint::{LintError, LintOutcome, LintRequest, lint};
pub use locked::{LockedError, LockedProject, read as read_locked};
pub use preview::Preview;
pub use sbom::{SbomError, SbomRequest, sbom};
pub use session::{Session, SessionError};
pub use shrinkwrap::{ShrinkwrapError, ShrinkwrapOutcome, ShrinkwrapRequest, Writing, shrinkwrap};
pub use verify::{VerifyOutcome, verify};
