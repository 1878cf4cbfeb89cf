//! `install`: `node_modules` as the lock says, complete and proven, or not at all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::download::Download;
use super::origins::OriginError;
use super::session::Session;
use super::shrinkwrap::{self, ShrinkwrapError, ShrinkwrapRequest, Writing};
use super::stale;
use super::wanted::{self, Choice, Selection};
use crate::disk::DiskError;
use crate::link::{self, LinkError, LinkMode, Means, state};
use crate::lock::{self, Lock, LockError};
use crate::manifest::{self, Manifest, ManifestError};
use crate::npmrc::ConfigError;
use crate::registry::RegistryError;
use crate::report::Event;
use crate::resolve::{self, Omit, Options, ResolveError, Tree};
use crate::scripts::{self, Environment, Policy, Rules, ScriptError, Setup};
use crate::store::{Store, StoreError};

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct InstallRequest {
    /// The lock is law: it is held against the manifest and never written.
    pub frozen: bool,
    pub omit: Omit,
    pub ignore_scripts: bool,
    /// Only these packages run install scripts; empty: those that package.json does not deny.
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
    OutOfSync {
        lock: String,
        differences: Vec<String>,
    },
    #[error("{lock} has no sha512 for {}", some_of(packages))]
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
    Origin(#[from] OriginError),
    #[error("{lock} says what its own graph does not bear out")]
    Dishonest { lock: String, entries: Vec<String> },
    #[error(transparent)]
    Shrinkwrap(#[from] ShrinkwrapError),
}

/// The first few of a list, and how many more there are.
fn some_of(list: &[String]) -> String {
    const MOST: usize = 3;
    let shown = list.get(..MOST).unwrap_or(list).join(", ");
    match list.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Installs the project's dependencies.
///
/// - Frozen: nothing is resolved; the lock is held against the manifest and then followed.
/// - Otherwise the lock is brought in line first.
/// - Errors leave the former tree in its place.
pub fn install(
    session: &Session,
    request: &InstallRequest,
) -> Result<InstallOutcome, InstallError> {
    if !request.frozen {
        let lockfile = lock::FILE_NAMES
            .iter()
            .find(|name| session.project.join(name).is_file());
        let shrinkwrap = ShrinkwrapRequest {
            lockfile: lockfile.map(|name| (*name).to_owned()),
            lockfile_version: None,
            writing: if request.dry_run {
                Writing::Compare
            } else {
                Writing::Write
            },
            options: request.options.clone(),
        };
        shrinkwrap::shrinkwrap(session, &shrinkwrap)?;
    }
    shrinkwrap::on_a_deep_stack(|| from_lock(session, request))
}

fn from_lock(session: &Session, request: &InstallRequest) -> Result<InstallOutcome, InstallError> {
    let project = &session.project;
    let file = manifest::read(project)?;
    let Some((lock_name, lock_bytes)) = lock::find(project, None)? else {
        return Err(InstallError::NoLock {
            project: project.display().to_string(),
        });
    };
    let limits = session.config.limits()?;
    if lock_bytes.len() as u64 > limits.lock {
        let (file, limit) = (lock_name, limits.lock);
        return Err(LockError::TooLarge { file, limit }.into());
    }
    let manifest = Arc::new(file.manifest);
    let store = Store::open(&session.store, session.umask())?.with_limits(limits);
    let digest = digest(session, request, &lock_bytes, &manifest);
    if !request.dry_run {
        link::tidy(project, &*session.reporter)?;
    }
    if !request.dry_run
        && let Some(packages) = state::current(project, &digest, &store)
    {
        return Ok(InstallOutcome {
            packages,
            current: true,
            scripts_run: own_scripts(session, request, &manifest)?,
            ..InstallOutcome::default()
        });
    }
    let lock = lock::parse_for(lock_bytes, &lock_name, || Some((*manifest).clone()))?;
    if request.frozen {
        lock::check(&lock)?;
    }
    let tree = locked_tree(session, request, &lock, &manifest)?;
    let document = file.document.unwrap_or_default();
    let choice = Choice {
        tree: &tree,
        session,
        request,
        document: &document,
        claims_known: !lock.loaded_from_v1,
    };
    let frozen_would_refuse = !request.frozen && !resolve::disagreements(&tree, true)?.is_empty();
    let selection = choice.select(&[])?;
    if !request.allow_missing_integrity && !selection.unproven.is_empty() {
        return Err(InstallError::MissingIntegrity {
            lock: lock.file_name,
            packages: selection.unproven,
        });
    }
    let outcome = InstallOutcome {
        packages: selection.wanted.packages.len(),
        skipped: selection.skipped.clone(),
        ..InstallOutcome::default()
    };
    if request.dry_run {
        return Ok(outcome);
    }
    let run = Run {
        choice,
        manifest: &manifest,
        store: &store,
        digest: (!frozen_would_refuse).then_some(&*digest),
    };
    run.put_in_place(&selection, outcome)
}

/// The lock's tree, held against package.json and the platform.
fn locked_tree(
    session: &Session,
    request: &InstallRequest,
    lock: &Lock,
    manifest: &Arc<Manifest>,
) -> Result<Tree, InstallError> {
    let locked = shrinkwrap::locked(lock);
    let options = &request.options;
    let mut tree = resolve::virtual_tree(&session.project, manifest, &locked, options.rules)?;
    let differences = resolve::disagreements(&tree, request.frozen)?;
    if !differences.is_empty() {
        let explain = |one| stale::explain(&session.project, lock, one);
        return Err(InstallError::OutOfSync {
            lock: lock.file_name.clone(),
            differences: differences.iter().map(explain).collect(),
        });
    }
    let entries = if request.frozen {
        resolve::dishonest_entries(&tree, &locked)
    } else {
        Vec::new()
    };
    if !entries.is_empty() {
        return Err(InstallError::Dishonest {
            lock: lock.file_name.clone(),
            entries,
        });
    }
    let mut warnings = resolve::check_dev_engines(manifest, options)?;
    warnings.extend(resolve::check_platforms(&mut tree, options)?);
    for (code, message) in warnings {
        session.reporter.emit(Event::Warning { code, message });
    }
    Ok(tree)
}

/// Runs the scripts of the project itself: on every install, even when nothing has to be put in
/// place. Returns how many ran.
fn own_scripts(
    session: &Session,
    request: &InstallRequest,
    manifest: &Arc<Manifest>,
) -> Result<usize, InstallError> {
    if !has_own_scripts(manifest, &session.project, request) {
        return Ok(0);
    }
    let environment = environment(session, request)?;
    let events: Vec<&str> = own_events().collect();
    Ok(scripts::run_root(
        &session.project,
        manifest,
        &events,
        &environment,
        &*session.reporter,
    )?)
}

fn has_own_scripts(manifest: &Manifest, project: &Path, request: &InstallRequest) -> bool {
    let listed = manifest
        .object("scripts")
        .is_some_and(|scripts| own_events().any(|event| scripts.contains_key(event)));
    !request.ignore_scripts && (listed || project.join("binding.gyp").is_file())
}

fn own_events() -> impl Iterator<Item = &'static str> {
    scripts::DEPENDENCIES
        .into_iter()
        .chain(scripts::AFTER_INSTALL)
}

/// Everything that decides what the tree holds, as one text.
fn digest(session: &Session, request: &InstallRequest, lock: &[u8], manifest: &Manifest) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(lock);
    let manifest = serde_json::to_vec(&manifest.fields).unwrap_or_default();
    hasher.update(&manifest);
    let options = &request.options;
    let settings = format!(
        "{:?} {:?} {:?} {:?} {} {} {} {:?} {:?} {:?} {} {:?} {:?}",
        request.omit,
        options.rules,
        options.optional_target,
        session.host,
        request.allow_missing_integrity,
        request.ignore_scripts,
        request.bin_links,
        request.allow_scripts,
        session.config.list("allow-scripts"),
        request.link_mode,
        session.umask(),
        session.config.list("allow-host"),
        session.config.list("accept-manifest"),
    );
    hasher.update(settings.as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// One installation, decided and checked.
struct Run<'a> {
    choice: Choice<'a>,
    manifest: &'a Arc<Manifest>,
    store: &'a Store,
    /// What the tree is remembered by; `None` where a frozen install has yet to judge the lock.
    digest: Option<&'a str>,
}

impl Run<'_> {
    /// Stages the tree, swaps it in and runs the scripts; on an error the former tree is back.
    fn put_in_place(
        &self,
        selection: &Selection,
        mut outcome: InstallOutcome,
    ) -> Result<InstallOutcome, InstallError> {
        let Choice {
            session,
            request,
            tree,
            ..
        } = self.choice;
        let wanted = &selection.wanted;
        session.reporter.emit(Event::PackagesWanted {
            total: wanted.packages.len() as u64,
        });
        let registry = session.registry(&request.options)?;
        let download = Download::from(&registry);
        let means = Means {
            store: self.store,
            fetch: &download,
            mode: request.link_mode,
            reporter: &*session.reporter,
        };
        let swapped = link::stage(&session.project, wanted, means)?.swap()?;
        outcome.fetched += download.fetched();
        let ran = match self.run_scripts(selection) {
            Ok(ran) => ran,
            Err(error) => {
                swapped.roll_back()?;
                return Err(error);
            }
        };
        if !ran.failed_optional.is_empty() {
            // Their branches leave: the tree is built anew without them.
            swapped.roll_back()?;
            let mut failed = selection.failed.clone();
            failed.extend(ran.failed_optional);
            outcome.skipped.clone_from(&failed);
            return self.put_in_place(&self.choice.select(&failed)?, outcome);
        }
        outcome.scripts_run += ran.count;
        // What scripts left behind in the folders belongs to the tree.
        if let Some(digest) = self.digest {
            state::record(&session.project, digest, self.store, swapped.contents());
        }
        outcome.deprecated = wanted::deprecated(tree, wanted);
        let cleanup = swapped.commit()?;
        outcome.scripts_run +=
            own_scripts(self.choice.session, self.choice.request, self.manifest)?;
        cleanup.wait();
        Ok(outcome)
    }

    fn run_scripts(&self, selection: &Selection) -> Result<scripts::Ran, InstallError> {
        let session = self.choice.session;
        let plan = scripts::plan(&selection.candidates, &self.policy(), &session.project);
        if plan.is_empty() {
            return Ok(scripts::Ran::default());
        }
        let environment = environment(session, self.choice.request)?;
        Ok(scripts::run_dependencies(
            &plan,
            &environment,
            &*session.reporter,
        )?)
    }

    fn policy(&self) -> Policy {
        let Choice {
            session, request, ..
        } = self.choice;
        let project = &session.project;
        if request.ignore_scripts {
            return Policy::Nobody;
        }
        let allowed = &request.allow_scripts;
        if !allowed.is_empty() {
            return Policy::Only(Rules::from_list(
                allowed.iter().map(String::as_str),
                project,
            ));
        }
        let listed = session.config.list("allow-scripts");
        Policy::AllBut(Rules::of_project(self.manifest, &listed, project))
    }
}

/// What scripts see of this run.
fn environment(session: &Session, request: &InstallRequest) -> Result<Environment, InstallError> {
    let config = &session.config;
    let command = if request.frozen { "ci" } else { "install" };
    let setup = Setup {
        project: session.project.clone(),
        started_in: std::env::current_dir().unwrap_or_else(|_| session.project.clone()),
        command: command.to_owned(),
        inherited: std::env::vars_os().collect::<BTreeMap<_, _>>(),
        configured: config.entries(),
        node_version: session.host.node.as_ref().map(ToString::to_string),
        os: session.host.os.clone(),
        cpu: session.host.cpu.clone(),
        omits_dev: request.omit.dev,
        color: false,
        foreground: config.flag("foreground-scripts").unwrap_or(false),
        keep_stdout: false,
    };
    Ok(Environment::new(&setup)?)
}
