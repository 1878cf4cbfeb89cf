//! `shrinkwrap`: brings the lock in line with the manifest; writes only if something changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::import::{Import, ImportReport, Neighbour};
use super::mend::{self, Added};
use super::session::Session;
use super::source::Sources;
use crate::disk::{self, DiskError};
use crate::foreign::ForeignError;
use crate::json::Document;
use crate::lock::{self, Lock, LockError, Style, Top};
use crate::manifest::{self, Manifest, ManifestError};
use crate::npmrc::{ConfigError, Generation};
use crate::registry::RegistryError;
use crate::resolve::{self, Locked, Options, ResolveError, Tree, Update};

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
    /// Add the optional packages that the lock lacks, those of other platforms, and change nothing
    /// else.
    pub completes: bool,
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
    /// What a completion added.
    pub added: Option<Added>,
    /// What else could be done about another tool's lock that lies in the project.
    pub hint: Option<String>,
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
    #[error("{file} cannot be completed without other changes")]
    Moves { file: String, changes: Vec<String> },
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
    let start = Start::find(project, request, &manifest)?;
    let former = start.former;
    if request.completes && former.is_none() {
        return Err(LockError::Missing(project.clone()).into());
    }
    if request.options.rules.generation == Generation::Twelve {
        refuse_version_4(project, &manifest, former.as_ref())?;
    }
    let registry = session.registry(&request.options)?;
    let source = Sources {
        registry: &registry,
        store: session.store.clone(),
        umask: session.umask(),
        generation: request.options.rules.generation,
    };
    let mut options = request.options.clone();
    let reporter = &*session.reporter;
    let (ideal, import) = if let Some(import) = start.import {
        let (ideal, report) = import.resolve(project, &manifest, &source, &options, reporter)?;
        (ideal, Some(report))
    } else {
        let locked = former.as_ref().map(locked);
        let locked = locked.as_ref();
        options.prefer = start.neighbour.prefer.into();
        let ideal = resolve::ideal_tree(project, &manifest, locked, &source, &options, reporter)?;
        (ideal, None)
    };
    registry.write_behind();
    let document = file.document.unwrap_or_default();
    let completes = former.as_ref().filter(|_| request.completes);
    let own_name = completes.map(|former| former.file_name.as_str());
    let path = project.join(name.or(own_name).unwrap_or(lock::FILE_NAMES[0]));
    let style = style(session, document, completes);
    let (text, added) = text(session, request, former.as_ref(), &ideal.tree, &style)?;
    let there = disk::read_if_there(&path)?;
    let text = match &there {
        Some(there) if says_the_same(there, &text, request, &style) => there.clone(),
        _ => text.into_bytes(),
    };
    let lock = lock::parse(text, &shown_name(&path))?;
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
        added,
        hint: start.neighbour.hint,
    })
}

/// A lock that npm's first run wrote stays as it is, though its second would tidy it up.
fn says_the_same(there: &[u8], text: &str, request: &ShrinkwrapRequest, style: &Style) -> bool {
    request.options.update == Update::Nothing
        && request.from.is_none()
        && lock::has_but_extraneous_more(there, text.as_bytes(), style)
}

/// What the new tree starts from.
struct Start {
    former: Option<Lock>,
    import: Option<Import>,
    neighbour: Neighbour,
}

impl Start {
    fn find(
        project: &Path,
        request: &ShrinkwrapRequest,
        manifest: &Manifest,
    ) -> Result<Self, ShrinkwrapError> {
        let former = lock::find_and_read(project, request.lockfile.as_deref());
        let Some(path) = &request.from else {
            let former = former?;
            let alone = former.is_none() && request.options.update == Update::Nothing;
            let neighbour = alone.then(|| Neighbour::find(project));
            return Ok(Self {
                former,
                import: None,
                neighbour: neighbour.unwrap_or_default(),
            });
        };
        let mut import = Import::read(path, project, manifest)?;
        // The other lock takes its place, whatever is wrong with it.
        let former = former.ok().flatten();
        if let Some(former) = &former {
            import.instead_of(&former.file_name);
        }
        Ok(Self {
            former,
            import: Some(import),
            neighbour: Neighbour::default(),
        })
    }
}

/// npm 12 rewrites manifests and patches packages where the project says so; locks that depend on
/// it have version 4.
fn refuse_version_4(
    project: &Path,
    manifest: &Manifest,
    former: Option<&Lock>,
) -> Result<(), LockError> {
    if let Some(lock) = former.filter(|lock| lock.version > 3) {
        return Err(LockError::Version {
            file: lock.file_name.clone(),
            found: lock.version,
        });
    }
    let field = ["packageExtensions", "patchedDependencies"]
        .into_iter()
        .find(|field| manifest.object(field).is_some_and(|map| !map.is_empty()))
        .map(|field| format!("`{field}` in package.json"));
    let file = [".npm-extension.mjs", ".npm-extension.cjs"]
        .into_iter()
        .find(|file| project.join(file).exists())
        .map(|file| format!("`{file}`"));
    match field.or(file) {
        Some(feature) => Err(LockError::Version4 { feature }),
        None => Ok(()),
    }
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
    style: &Style,
) -> Result<(String, Option<Added>), ShrinkwrapError> {
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
    let made = lock::entries(tree, registry_resolved);
    let Some(former) = former.filter(|_| request.completes) else {
        return Ok((lock::text(top, made, style), None));
    };
    let completed = mend::completed(former, made);
    let (packages, added) = completed.map_err(|changes| ShrinkwrapError::Moves {
        file: former.file_name.clone(),
        changes,
    })?;
    Ok((lock::text(top, packages, style), Some(added)))
}

/// A lock is laid out as package.json is; one that is only completed, as it was.
fn style(session: &Session, document: Document, completes: Option<&Lock>) -> Style {
    Style {
        indent: completes.map_or(document.indent, |former| former.indent.clone()),
        newline: completes.map_or(document.newline, |former| former.newline.clone()),
        formatted: session.config.flag("format-package-lock").unwrap_or(true),
    }
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
