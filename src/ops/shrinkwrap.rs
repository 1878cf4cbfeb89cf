//! `shrinkwrap`: brings the lock in line with the manifest; writes only if something changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::import::{Import, ImportReport};
use super::session::Session;
use super::source::Sources;
use crate::disk::{self, DiskError};
use crate::foreign::ForeignError;
use crate::json::Document;
use crate::lock::{self, Lock, LockError, Style, Top};
use crate::manifest::{self, ManifestError};
use crate::npmrc::ConfigError;
use crate::registry::RegistryError;
use crate::resolve::{self, Locked, Options, ResolveError, Tree};

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
    /// Another tool's lock to take versions from; the project's own is then not looked at.
    pub from: Option<PathBuf>,
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
    /// What became of the versions of the lock that was imported.
    pub import: Option<ImportReport>,
}

#[derive(Debug, thiserror::Error)]
pub enum ShrinkwrapError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Foreign(#[from] ForeignError),
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
///
/// - Same inputs, same bytes; a lock that is right already is not touched.
/// - Errors leave the former lock as it was.
pub fn shrinkwrap(
    session: &Session,
    request: &ShrinkwrapRequest,
) -> Result<ShrinkwrapOutcome, ShrinkwrapError> {
    on_a_deep_stack(|| run(session, request))
}

fn run(
    session: &Session,
    request: &ShrinkwrapRequest,
) -> Result<ShrinkwrapOutcome, ShrinkwrapError> {
    let project = &session.project;
    let file = manifest::read(project)?;
    let manifest = Arc::new(file.manifest);
    let name = request.lockfile.as_deref();
    let import = request.from.as_deref();
    let import = import.map(|path| Import::read(path, project, &manifest));
    let import = import.transpose()?;
    let former = match lock::find_and_read(project, name) {
        // Another lock takes its place.
        Err(_) if import.is_some() => None,
        former => former?,
    };
    let registry = session.registry(&request.options)?;
    let source = Sources {
        registry: &registry,
        store: session.store.clone(),
        umask: session.umask(),
    };
    let options = &request.options;
    let reporter = &*session.reporter;
    let (ideal, import) = if let Some(import) = import {
        let (ideal, report) = import.resolve(project, &manifest, &source, options, reporter)?;
        (ideal, Some(report))
    } else {
        let locked = former.as_ref().map(locked);
        let locked = locked.as_ref();
        let ideal = resolve::ideal_tree(project, &manifest, locked, &source, options, reporter)?;
        (ideal, None)
    };
    registry.write_behind();
    let path = project.join(name.unwrap_or(lock::FILE_NAMES[0]));
    let document = file.document.unwrap_or_default();
    let text = text(session, request, former.as_ref(), &ideal.tree, &document);
    let lock = lock::parse(text.into_bytes(), &shown_name(&path))?;
    let there = disk::read_if_there(&path)?;
    let changed = there.as_deref() != Some(&lock.bytes);
    if changed && request.writing == Writing::Write {
        disk::write_atomically(&path, &lock.bytes)?;
    }
    registry.finish();
    Ok(ShrinkwrapOutcome {
        lock,
        former,
        path,
        changed,
        warnings: ideal.warnings,
        left_out: ideal.left_out,
        import,
    })
}

fn shown_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// A lock as the resolver takes it.
pub(super) fn locked(lock: &Lock) -> Locked {
    Locked {
        entries: lock.packages.clone(),
        version: if lock.loaded_from_v1 { 1 } else { lock.version },
    }
}

/// The lock's text: npm's top level, and an entry for each node.
fn text(
    session: &Session,
    request: &ShrinkwrapRequest,
    former: Option<&Lock>,
    tree: &Tree,
    document: &Document,
) -> String {
    let config = &session.config;
    let on = |key: &str, default: bool| config.flag(key).unwrap_or(default);
    let root = &tree.node(tree.root).package.manifest;
    let folder = session
        .project
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let kept = former
        .map(|lock| lock.version)
        .filter(|version| *version >= 2);
    let lockfile_version = request.lockfile_version.or(kept).unwrap_or(3);
    let registry_resolved = !on("omit-lockfile-registry-resolved", false);
    // npm leaves the top of a version that it does not know alone.
    let foreign = former.filter(|_| lockfile_version > 3);
    let top = Top {
        name: foreign.map_or_else(
            || Some(root.name().unwrap_or(&folder).to_owned()),
            |former| former.name.clone(),
        ),
        version: foreign.map_or_else(
            || root.version().map(str::to_owned),
            |former| former.root_version.clone(),
        ),
        lockfile_version,
        extra: former.map(|lock| lock.extra.clone()).unwrap_or_default(),
        legacy: (lockfile_version <= 2)
            .then(|| lock::dependencies(tree, registry_resolved))
            .flatten(),
    };
    let style = Style {
        indent: document.indent.clone(),
        newline: document.newline.clone(),
        formatted: on("format-package-lock", true),
    };
    lock::text(top, lock::entries(tree, registry_resolved), &style)
}

/// Trees may be deep, and npm's rules are recursive: a stack that no real tree uses up.
pub(super) fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    const STACK: usize = 512 << 20;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("cannot start a thread: {error}"),
        }
    })
}
