//! A lock and its tree, in its project or alone, for those who only read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::session::Session;
use super::shrinkwrap;
use crate::disk::{self, DiskError};
use crate::lock::{self, FILE_NAMES, Lock, LockError};
use crate::manifest::{self, Manifest, ManifestError};
use crate::npmrc::ConfigError;
use crate::resolve::{self, Locked, ResolveError, Rules, Tree};

/// A lock, and what is around it.
pub struct LockedProject {
    pub lock: Lock,
    /// The file it was read from.
    pub path: PathBuf,
    pub locked: Locked,
    pub manifest: Arc<Manifest>,
    /// There is no package.json that it belongs to: the manifest is the lock's own entry for it.
    pub alone: bool,
    pub tree: Result<Tree, ResolveError>,
}

/// Why a lock cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LockedError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Reads a lock of the session's project: the file `name`, else the one that counts.
///
/// A file that is called as npm calls its locks belongs to the package.json beside it, if there is
/// one; any other is taken alone.
pub fn read(session: &Session, name: Option<&str>) -> Result<LockedProject, LockedError> {
    let project = &session.project;
    let (name, bytes) = match name {
        Some(name) => {
            let bytes = disk::read_if_there(&project.join(name))?;
            (
                name.to_owned(),
                bytes.ok_or_else(|| LockError::Missing(project.clone()))?,
            )
        }
        None => lock::find(project, None)?.ok_or_else(|| LockError::Missing(project.clone()))?,
    };
    let limits = session.config.limits()?;
    if bytes.len() as u64 > limits.lock {
        let (file, limit) = (name, limits.lock);
        return Err(LockError::TooLarge { file, limit }.into());
    }
    let has_manifest = project.join("package.json").is_file();
    let alone = !has_manifest || !FILE_NAMES.contains(&&*name);
    let own = if alone {
        None
    } else {
        Some(manifest::read(project)?.manifest)
    };
    let lock = lock::parse_for(bytes, &name, || own.clone())?;
    lock.has_at_most(limits.packages)?;
    let locked = shrinkwrap::locked(&lock);
    let manifest = Arc::new(own.unwrap_or_else(|| manifest_of(&lock)));
    let rules = rules(session);
    let path = project.join(&name);
    let tree = tree(project, &manifest, &locked, rules, alone);
    Ok(LockedProject {
        lock,
        path,
        locked,
        manifest,
        alone,
        tree,
    })
}

fn tree(
    project: &Path,
    manifest: &Arc<Manifest>,
    locked: &Locked,
    rules: Rules,
    alone: bool,
) -> Result<Tree, ResolveError> {
    let of = if alone {
        resolve::lonely_tree
    } else {
        resolve::virtual_tree
    };
    shrinkwrap::on_a_deep_stack(|| of(project, manifest, locked, rules))
}

/// What the lock says of the project. Version 1 says nothing, so everything at the top counts as
/// asked for.
fn manifest_of(lock: &Lock) -> Manifest {
    let mut fields = lock.entry("").cloned().unwrap_or_default();
    let top = [("name", &lock.name), ("version", &lock.root_version)];
    for (field, value) in top {
        if let Some(value) = value {
            let entry = fields.entry(field);
            entry.or_insert_with(|| value.clone().into());
        }
    }
    Manifest { fields }
}

/// The settings that decide which edges there are.
fn rules(session: &Session) -> Rules {
    let on = |key: &str| session.config.flag(key).unwrap_or(false);
    Rules {
        legacy_peer_deps: on("legacy-peer-deps"),
        install_links: on("install-links"),
        ..Rules::default()
    }
}
