//! `install`: node_modules as the lock says, complete and proven, or not at all.

use super::session::Session;
use super::shrinkwrap::ShrinkwrapError;
use crate::disk::DiskError;
use crate::link::{LinkError, LinkMode};
use crate::lock::LockError;
use crate::manifest::ManifestError;
use crate::npmrc::ConfigError;
use crate::registry::RegistryError;
use crate::resolve::{Omit, Options, ResolveError};
use crate::scripts::ScriptError;
use crate::store::StoreError;

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct InstallRequest {
    /// The lock is law: it is held against the manifest and never written.
    pub frozen: bool,
    pub omit: Omit,
    pub ignore_scripts: bool,
    /// Names allowed to run install scripts besides those of package.json.
    pub allow_scripts: Vec<String>,
    pub allow_missing_integrity: bool,
    pub bin_links: bool,
    pub dry_run: bool,
    pub link_mode: LinkMode,
    /// Resolution settings: which edges count, which platform is meant.
    pub options: Options,
}

#[derive(Debug, Default)]
pub struct InstallOutcome {
    /// Packages in the tree now.
    pub packages: usize,
    /// Of these, fetched in this run.
    pub fetched: usize,
    /// The tree was right already; nothing was touched.
    pub current: bool,
    /// Left out because they do not run on the target.
    pub skipped: Vec<String>,
    /// `deprecated` messages: package and text.
    pub deprecated: Vec<(String, String)>,
    pub scripts_run: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("there is no npm-shrinkwrap.json or package-lock.json in `{project}`")]
    NoLock { project: String },
    #[error("package.json and {lock} disagree")]
    OutOfSync { lock: String, differences: Vec<String> },
    #[error("{lock} has no integrity for {}", packages.join(", "))]
    MissingIntegrity { lock: String, packages: Vec<String> },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Shrinkwrap(#[from] ShrinkwrapError),
}

/// Installs the project's dependencies.
pub fn install(
    _session: &Session,
    _request: &InstallRequest,
) -> Result<InstallOutcome, InstallError> {
    todo!()
}
