//! A folder with nothing but manifests, in which a merged project can be resolved.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::sides::{Files, Sides};
use crate::disk::DiskError;

/// Removed with all that is in it when it is dropped.
pub struct Scratch {
    folder: PathBuf,
    project: PathBuf,
}

impl Scratch {
    /// Holds each file at the place it has in the repository, below a path like the repository's,
    /// so that folders have their names.
    pub fn new(sides: &Sides, files: &Files) -> Result<Self, DiskError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir();
        let folder = folder.join(format!("heatseal-merge-{}-{number}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(DiskError::at("create", &folder))?;
        let folder = folder.canonicalize().unwrap_or(folder);
        let mut scratch = Self {
            project: PathBuf::new(),
            folder,
        };
        let repository = scratch.folder.join("r").join(plain(&sides.repository));
        scratch.project = repository.join(&sides.directory);
        make(&scratch.project)?;
        for (path, value) in files {
            scratch.put(&repository, path, value.to_string().as_bytes())?;
        }
        for (path, bytes) in &sides.tarballs {
            scratch.put(&repository, path, bytes)?;
        }
        Ok(scratch)
    }

    pub fn project(&self) -> &Path {
        &self.project
    }

    /// Files that would lie outside are left out.
    fn put(&self, repository: &Path, path: &str, bytes: &[u8]) -> Result<(), DiskError> {
        let Some(path) = inside(repository, path).filter(|path| path.starts_with(&self.folder))
        else {
            return Ok(());
        };
        if let Some(parent) = path.parent() {
            make(parent)?;
        }
        fs::write(&path, bytes).map_err(DiskError::at("write", &path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn make(folder: &Path) -> Result<(), DiskError> {
    fs::create_dir_all(folder).map_err(DiskError::at("create", folder))
}

/// The folders of a path, without its root.
fn plain(path: &Path) -> PathBuf {
    let parts = path.components();
    let parts = parts.filter(|part| matches!(part, Component::Normal(_)));
    parts.collect()
}

/// `path` seen from `from`, with `..` carried out.
fn inside(from: &Path, path: &str) -> Option<PathBuf> {
    let mut whole = from.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => whole.push(part),
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(whole)
}
