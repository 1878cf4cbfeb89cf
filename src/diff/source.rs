//! What the user may name as an environment, and how it is read.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::DiffError;
use super::environment::{Environment, Material};
use super::from_foreign::Manifests;
use super::remote::Remote;
use super::revision::{self, Revision};
use crate::disk;
use crate::foreign;
use crate::limits::Limits;
use crate::lock::{self, LockError};
use crate::manifest;
use crate::resolve;
use crate::verify::Record;

/// Where an environment is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Input,
    /// A file of any known format.
    File(PathBuf),
    /// A folder with a lock.
    Project(PathBuf),
    /// A project's `node_modules`.
    Installed(PathBuf),
    Revision(Revision),
    Remote {
        remote: Remote,
        installed: bool,
    },
}

impl Source {
    /// What `text` means: `-`, `ssh://…`, `git:…`, a path, else a revision. `installed` turns
    /// folders into the trees installed there.
    pub fn find(text: &str, installed: bool) -> Result<Self, DiffError> {
        if text == "-" {
            return Ok(Self::Input);
        }
        if text.starts_with("ssh://") {
            let remote = Remote::parse(text)?;
            return Ok(Self::Remote { remote, installed });
        }
        if let Some(revision) = text.strip_prefix("git:") {
            let found = Revision::find(revision)?;
            let unknown = || DiffError::NoRevision(revision.to_owned());
            return found.map(Self::Revision).ok_or_else(unknown);
        }
        let path = Path::new(text);
        if path.is_dir() {
            let trimmed = text.trim_end_matches('/');
            let is_modules = Path::new(trimmed).file_name() == Some("node_modules".as_ref());
            return Ok(match path.parent() {
                Some(project) if is_modules && project.as_os_str().is_empty() => {
                    Self::Installed(PathBuf::from("."))
                }
                Some(project) if is_modules => Self::Installed(project.to_owned()),
                _ if installed => Self::Installed(path.to_owned()),
                _ => Self::Project(path.to_owned()),
            });
        }
        if revision::may_be_one(text) {
            match Revision::find(text) {
                Ok(Some(revision)) => return Ok(Self::Revision(revision)),
                // Without git it can only be a path.
                Ok(None) | Err(DiffError::NoGit(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::File(path.to_owned()))
    }

    /// Reads it; `label` is what the user typed, `record` what is known of scripts of a project.
    pub fn read(
        &self,
        label: &str,
        record: &(dyn Fn(&Path) -> Record + Sync),
    ) -> Result<Environment, DiffError> {
        let material = match self {
            Self::Input => input()?,
            Self::File(path) => file(path)?,
            Self::Project(path) => folder(path)?,
            Self::Installed(path) => {
                return Environment::installed(label, path, &record(path));
            }
            Self::Revision(revision) => revision.read()?,
            Self::Remote { remote, installed } => return remote.read(*installed),
        };
        Environment::of_material(Material {
            label: label.to_owned(),
            ..material
        })
    }
}

fn input() -> Result<Material, DiffError> {
    let mut bytes = Vec::new();
    let limit = Limits::default().lock;
    let input = std::io::stdin().lock().take(limit + 1);
    let failed = |source| disk::DiskError::new("read", "standard input", source);
    { input }.read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let file = "-".to_owned();
        return Err(LockError::TooLarge { file, limit }.into());
    }
    Ok(Material {
        file: "-".to_owned(),
        bytes,
        ..Material::default()
    })
}

fn file(path: &Path) -> Result<Material, DiffError> {
    let bytes = disk::read_if_there(path)?;
    let bytes = bytes.ok_or_else(|| DiffError::Missing(path.to_owned()))?;
    let limit = Limits::default().lock;
    let file = path.display().to_string();
    if bytes.len() as u64 > limit {
        return Err(LockError::TooLarge { file, limit }.into());
    }
    let mut project = path.parent().unwrap_or(Path::new(""));
    if project.file_name() == Some("node_modules".as_ref()) {
        project = project.parent().unwrap_or(Path::new(""));
    }
    let name = path.file_name().unwrap_or_default();
    let is_foreign = foreign::FILE_NAMES.iter().any(|known| name == *known);
    Ok(Material {
        manifests: manifests(project, is_foreign),
        file,
        bytes,
        ..Material::default()
    })
}

/// The lock that counts in a folder: npm's, else another tool's.
fn folder(path: &Path) -> Result<Material, DiffError> {
    let found = lock::find(path, None)?;
    let found = found.map(|(name, bytes)| (path.join(name), bytes));
    let foreign = || {
        let paths = foreign::FILE_NAMES.iter().map(|name| path.join(name));
        paths.into_iter().find(|path| path.is_file())
    };
    let (path_of_lock, bytes) = match (found, foreign()) {
        (Some(found), _) => found,
        (None, Some(foreign)) => return file(&foreign),
        (None, None) => return Err(LockError::Missing(path.to_owned()).into()),
    };
    Ok(Material {
        manifests: manifests(path, false),
        file: path_of_lock.display().to_string(),
        bytes,
        ..Material::default()
    })
}

/// The project's manifest and, where wanted, those of its workspaces. Only hints: what is broken is
/// left out.
fn manifests(project: &Path, workspaces_too: bool) -> Manifests {
    let mut manifests = Manifests::new();
    let folder = if project.as_os_str().is_empty() {
        Path::new(".")
    } else {
        project
    };
    let Ok(file) = manifest::read(folder) else {
        return manifests;
    };
    if file.document.is_none() {
        return manifests;
    }
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let workspaces = || resolve::workspaces(&absolute, &file.manifest).unwrap_or_default();
    for workspace in workspaces_too.then(workspaces).into_iter().flatten() {
        let path = Path::new(&workspace.path);
        let below = path.strip_prefix(&absolute).unwrap_or(path);
        if let Ok(file) = manifest::read(path) {
            manifests.insert(below.to_string_lossy().into_owned(), file.manifest);
        }
    }
    manifests.insert(String::new(), file.manifest);
    manifests
}
