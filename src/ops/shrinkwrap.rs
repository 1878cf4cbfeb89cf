//! `shrinkwrap`: brings the lock in line with the manifest; writes only if something changed.

use std::path::PathBuf;

use super::session::Session;
use crate::disk::DiskError;
use crate::lock::{Lock, LockError};
use crate::manifest::ManifestError;
use crate::npmrc::ConfigError;
use crate::registry::RegistryError;
use crate::resolve::{Options, ResolveError};

/// What to do with the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writing {
    #[default]
    Write,
    /// Compare only: `--check` and `--dry-run`.
    Compare,
}

#[derive(Debug, Clone)]
pub struct ShrinkwrapRequest {
    /// `npm-shrinkwrap.json` unless told otherwise.
    pub lockfile: Option<String>,
    pub lockfile_version: Option<u32>,
    pub writing: Writing,
    pub options: Options,
}

#[derive(Debug)]
pub struct ShrinkwrapOutcome {
    pub path: PathBuf,
    /// The lock as it is now (or would be).
    pub lock: Lock,
    /// What was there before.
    pub former: Option<Lock>,
    pub changed: bool,
    pub warnings: Vec<(&'static str, String)>,
    /// Optional packages that could not be fetched: name and reason.
    pub left_out: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum ShrinkwrapError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Resolves the project and writes its lock.
pub fn shrinkwrap(
    _session: &Session,
    _request: &ShrinkwrapRequest,
) -> Result<ShrinkwrapOutcome, ShrinkwrapError> {
    todo!()
}
