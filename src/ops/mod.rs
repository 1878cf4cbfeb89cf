//! Routes through several rooms: shrinkwrap, install, platforms.

mod complete;
mod contents;
mod download;
mod git;
mod import;
pub mod inspect;
mod install;
mod isolated;
mod lifecycle;
mod lint;
mod load;
mod locked;
mod mend;
mod merge;
mod mirror;
mod part;
mod platforms;
mod preview;
mod sbom;
mod session;
mod shrinkwrap;
mod source;
mod stale;
mod vacant;
mod verify;
mod wanted;

pub use contents::{look_inside, may_differ_inside};
pub use import::{ImportReport, Moved};
pub use install::{InstallError, InstallOutcome, InstallRequest, install};
pub use lifecycle::{Needs, Refused, Scripts};
pub use lint::{LintError, LintOutcome, LintRequest, lint};
pub use load::{LoadError, LoadRequest, Loaded, Outcome, load};
pub use locked::{LockedError, LockedProject, read as read_locked};
pub use merge::{
    MergeError, MergeOutcome, MergeRequest, Method, Setup, SetupError, SideError, fall_back,
    install_driver, merge_locks, merge_manifests, uninstall_driver,
};
pub use mirror::{MirrorError, MirrorOutcome, MirrorRequest, mirror};
pub use part::Part;
pub use platforms::{PlatformsOutcome, PlatformsRequest, platforms};
pub use preview::Preview;
pub use sbom::{SbomError, SbomRequest, sbom};
pub use session::{Session, SessionError};
pub use shrinkwrap::{ShrinkwrapError, ShrinkwrapOutcome, ShrinkwrapRequest, Writing, shrinkwrap};
pub use verify::{VerifyOutcome, verify};
