//! `install`: `node_modules` as the lock says, complete and proven, or not at all.

use std::path::Path;
use std::sync::Arc;

use super::complete;
use super::download::Download;
use super::git::Packing;
use super::inspect;
use super::lifecycle::{self, Lifecycle, Refused, Scripts};
use super::part::Part;
use super::preview::Preview;
use super::session::Session;
use super::shrinkwrap::{self, ShrinkwrapError, ShrinkwrapRequest, Writing};
use super::stale;
use super::vacant;
use super::verify;
use super::wanted::{self, Choice, Selection};
use crate::disk::{self, DiskError};
use crate::limits::Limits;
use crate::link::{self, LinkError, LinkMode, Means, Swapped, WantedPackage, state, state::Look};
use crate::lock::{self, Lock, LockError};
use crate::manifest::{self, Manifest, ManifestError};
use crate::npmrc::ConfigError;
use crate::origins::OriginError;
use crate::registry::RegistryError;
use crate::report::Event;
use crate::resolve::{self, Omit, Options, ResolveError, Tree};
use crate::scripts::{Plan, Ran, ScriptError};
use crate::store::{Archive, Store, StoreError};
use crate::target::Target;

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct InstallRequest {
    /// The lock is law: it is held against the manifest and never written.
    pub frozen: bool,
    pub omit: Omit,
    /// Of a project with workspaces.
    pub part: Part,
    pub scripts: Scripts,
    /// These packages may run install scripts besides those that package.json allows.
    pub allow_scripts: Vec<String>,
    /// The platform that the tree is for; `None`: this machine, as npm's settings have it.
    pub target: Option<Target>,
    pub allow_missing_integrity: bool,
    /// Packages that may do without a binary for the target, besides those package.json names.
    pub allow_without_binary: Vec<String>,
    pub bin_links: bool,
    /// npm's `linked` strategy: a folder for each package and links between them.
    pub isolated: bool,
    pub dry_run: bool,
    pub link_mode: LinkMode,
    /// Open every tarball first, and fail when a required package cannot run on the target.
    pub strict_platform: bool,
    /// Look into what arrives for binaries, and keep the findings in the store.
    pub inspect: bool,
    /// Git dependencies that are being prepared around this install, as their locks name them.
    pub preparing: Vec<String>,
    /// Resolution settings: which edges count, which platform is meant.
    pub options: Options,
}

impl InstallRequest {
    /// Findings are made while tarballs arrive, so that they are complete only then.
    fn looks_as_it_comes(&self) -> bool {
        self.inspect && !self.strict_platform
    }

    /// With the target in the place of this machine: it decides what runs, not what is locked.
    pub(super) fn aimed(&self) -> Self {
        let mut aimed = self.clone();
        if let Some(target) = &self.target {
            let options = &mut aimed.options;
            let host = options.host.clone();
            options.host = Target {
                node: target.node.clone().or(host.node),
                npm: host.npm,
                ..target.clone()
            };
            options.optional_target = options.host.clone();
        }
        aimed
    }
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
    /// What would be done, when nothing was to be done.
    pub preview: Option<Preview>,
}

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("there is no npm-shrinkwrap.json or package-lock.json in `{project}`")]
    NoLock { project: String },
    #[error("there is no package.json in `{project}`")]
    NoManifest { project: String },
    #[error("package.json and {lock} disagree")]
    OutOfSync {
        lock: String,
        differences: Vec<String>,
    },
    #[error("{} may not run the install scripts that {}", counted(&.0.names()), need(&.0.names()))]
    Scripts(Box<Refused>),
    #[error(
        "{} {} binaries for other platforms and none for {target}",
        counted(packages),
        has(packages)
    )]
    NoBinary {
        packages: Vec<String>,
        target: String,
    },
    #[error("{} cannot run on {target}", counted(packages))]
    Unfit {
        packages: Vec<String>,
        /// Why, a line for each.
        reasons: Vec<String>,
        target: String,
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

fn counted(packages: &[String]) -> String {
    match packages {
        [one] => format!("`{one}`"),
        many => format!("{} packages", many.len()),
    }
}

fn need(packages: &[String]) -> &'static str {
    if packages.len() == 1 {
        "it needs"
    } else {
        "they need"
    }
}

fn has(packages: &[String]) -> &'static str {
    if packages.len() == 1 { "has" } else { "have" }
}

/// Installs the project's dependencies.
///
/// - Frozen: nothing is resolved; the lock is held against the manifest and then followed.
/// - Otherwise the lock is brought in line first.
/// - With npm's `package-lock-only` that is all: of the tree it is only told what it would be.
/// - Errors leave the former tree in its place, and the former lock.
pub fn install(
    session: &Session,
    request: &InstallRequest,
) -> Result<InstallOutcome, InstallError> {
    let mut aimed = request.aimed();
    aimed.dry_run |= session.config.flag("package-lock-only").unwrap_or(false);
    let work = || shrinkwrap::on_a_deep_stack(|| from_lock(session, &aimed));
    if request.frozen {
        return work();
    }
    let lockfile = lock::FILE_NAMES
        .iter()
        .find(|name| session.project.join(name).is_file());
    let former = match lockfile {
        Some(name) => disk::read_if_there(&session.project.join(name))?,
        None => None,
    };
    let shrinkwrap = ShrinkwrapRequest {
        lockfile: lockfile.map(|name| (*name).to_owned()),
        lockfile_version: None,
        writing: if request.dry_run {
            Writing::Compare
        } else {
            Writing::Write
        },
        from: None,
        completes: false,
        options: request.options.clone(),
    };
    let written = shrinkwrap::shrinkwrap(session, &shrinkwrap)?;
    work().inspect_err(|_| {
        if written.changed && !aimed.dry_run {
            put_back(&written.path, &written.lock.bytes, former.as_deref());
        }
    })
}

/// The lock was for a tree that did not come into being. What somebody else wrote stays.
fn put_back(path: &Path, ours: &[u8], former: Option<&[u8]>) {
    if std::fs::read(path).is_ok_and(|found| found == ours) {
        let _ = match former {
            Some(former) => disk::write_atomically(path, former),
            None => std::fs::remove_file(path).map_err(DiskError::at("remove", path)),
        };
    }
}

fn from_lock(session: &Session, request: &InstallRequest) -> Result<InstallOutcome, InstallError> {
    let project = &session.project;
    let file = manifest::read(project)?;
    if request.frozen && file.document.is_none() {
        return Err(InstallError::NoManifest {
            project: project.display().to_string(),
        });
    }
    let limits = session.config.limits()?;
    let (lock_name, lock_bytes) = find_lock(project, &limits)?;
    let manifest = Arc::new(file.manifest);
    let most_packages = limits.packages;
    let store = Store::open(&session.store, session.umask())?.with_limits(limits);
    let policy = lifecycle::policy(session, request, &manifest);
    let lifecycle = Lifecycle {
        session,
        request,
        manifest: &manifest,
        policy: &policy,
    };
    let digest = digest(session, request, &lock_bytes, &manifest);
    if !request.dry_run {
        link::tidy(project, &*session.reporter)?;
    }
    let closely = if request.frozen {
        Look::Files
    } else {
        Look::Folders
    };
    let current = (!request.dry_run).then(|| state::current(project, &digest, &store, closely));
    let current = current.flatten();
    let up_to_date = |packages| -> Result<InstallOutcome, InstallError> {
        Ok(InstallOutcome {
            packages,
            current: true,
            scripts_run: lifecycle.run_own()?,
            ..InstallOutcome::default()
        })
    };
    if let Some(packages) = current.filter(|_| !request.strict_platform) {
        return up_to_date(packages);
    }
    let lock = lock::parse_for(lock_bytes, &lock_name, || Some((*manifest).clone()))?;
    lock.has_at_most(most_packages)?;
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
        policy: &policy,
    };
    let target = &request.options.optional_target;
    let frozen_would_refuse =
        !request.frozen && !vacant::disagreements(&tree, true, target)?.0.is_empty();
    let selection = complete_selection(choice, &store, &lock, &manifest)?;
    if let Some(packages) = current {
        return up_to_date(packages);
    }
    let outcome = InstallOutcome {
        packages: selection.wanted.packages.len(),
        skipped: selection.skipped.clone(),
        ..InstallOutcome::default()
    };
    if request.dry_run {
        let preview = Preview::of(project, &selection, &policy)?;
        return Ok(InstallOutcome {
            preview: Some(preview),
            ..outcome
        });
    }
    let run = Run {
        choice,
        lifecycle,
        store: &store,
        lock: &lock,
        digest: (!frozen_would_refuse).then_some(&*digest),
    };
    run.put_in_place(&selection, outcome)
}

/// The project's lock, as its name and bytes.
fn find_lock(project: &Path, limits: &Limits) -> Result<(String, Vec<u8>), InstallError> {
    let Some((file, bytes)) = lock::find(project, None)? else {
        return Err(InstallError::NoLock {
            project: project.display().to_string(),
        });
    };
    if bytes.len() as u64 > limits.lock {
        let limit = limits.lock;
        return Err(LockError::TooLarge { file, limit }.into());
    }
    Ok((file, bytes))
}

/// What is to be installed: proven, and with the binaries that the target needs.
fn complete_selection(
    choice: Choice<'_>,
    store: &Store,
    lock: &Lock,
    manifest: &Manifest,
) -> Result<Selection, InstallError> {
    let request = choice.request;
    let selection = choice.select(&[])?;
    if !request.allow_missing_integrity && !selection.unproven.is_empty() {
        return Err(InstallError::MissingIntegrity {
            lock: lock.file_name.clone(),
            packages: selection.unproven,
        });
    }
    complete::check_families(lock, &selection, request, manifest)?;
    if !request.looks_as_it_comes() {
        complete::check_binaries(choice.session, store, lock, &selection, request)?;
    }
    Ok(selection)
}

/// The lock's tree, held against package.json and the platform.
pub(super) fn locked_tree(
    session: &Session,
    request: &InstallRequest,
    lock: &Lock,
    manifest: &Arc<Manifest>,
) -> Result<Tree, InstallError> {
    let locked = shrinkwrap::locked(lock);
    let options = &request.options;
    let mut tree = resolve::virtual_tree(&session.project, manifest, &locked, options.rules)?;
    let target = &options.optional_target;
    let (differences, vacant) = vacant::disagreements(&tree, request.frozen, target)?;
    for message in vacant {
        let code = "EVACANT";
        session.reporter.emit(Event::Warning { code, message });
    }
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
            entries: entries.iter().map(ToString::to_string).collect(),
        });
    }
    let mut warnings = resolve::check_dev_engines(manifest, options)?;
    warnings.extend(resolve::check_platforms(&mut tree, options)?);
    for (code, message) in warnings {
        session.reporter.emit(Event::Warning { code, message });
    }
    Ok(tree)
}

/// A folder of the user's that is packed and copied: no lock says what is in it.
fn may_change(package: &WantedPackage) -> bool {
    let local = package
        .url
        .as_deref()
        .is_some_and(|url| url.starts_with("file:"));
    local && package.integrity.is_none()
}

/// Everything that decides what the tree holds, as one text.
fn digest(session: &Session, request: &InstallRequest, lock: &[u8], manifest: &Manifest) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(lock);
    let manifest = serde_json::to_vec(&manifest.fields).unwrap_or_default();
    hasher.update(&manifest);
    let options = &request.options;
    let settings = format!(
        "{:?} {:?} {:?} {:?} {:?} {} {:?} {} {} {:?} {:?} {:?} {} {:?} {:?}",
        request.omit,
        request.part,
        options.rules,
        options.optional_target,
        session.host,
        request.allow_missing_integrity,
        request.scripts,
        request.bin_links,
        request.isolated,
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
    lifecycle: Lifecycle<'a>,
    store: &'a Store,
    lock: &'a Lock,
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
        let packing = Packing::new(self.choice, &selection.candidates);
        let download = Download::new(&registry, packing);
        let note = |archive: &Archive<'_>| inspect::note(self.store, archive);
        let means = Means {
            store: self.store,
            fetch: &download,
            mode: request.link_mode,
            reporter: &*session.reporter,
            look_into: request.inspect.then_some(&note),
        };
        let staged = link::stage(&session.project, wanted, means)?;
        outcome.fetched += download.fetched();
        if request.looks_as_it_comes() {
            complete::check_binaries(session, self.store, self.lock, selection, request)?;
        }
        let plan = self.lifecycle.plan(&staged, &selection.candidates);
        let plan = plan.map_err(InstallError::Scripts)?;
        let swapped = staged.swap()?;
        let ran = match self.run_scripts(&plan, &swapped) {
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
        verify::remember(session, self.store, wanted, &plan, &selection.failed);
        outcome.deprecated = wanted::deprecated(tree, selection);
        let is_known = !wanted.packages.iter().any(may_change);
        let cleanup = swapped.commit(|contents| {
            // What scripts left behind in the folders belongs to the tree.
            if let Some(digest) = self.digest.filter(|_| is_known) {
                state::record(&session.project, digest, self.store, contents);
            }
        })?;
        outcome.scripts_run += self.lifecycle.run_own()?;
        cleanup.wait();
        Ok(outcome)
    }
    /// Runs the scripts of packages, which may write into their own folders only, and then those of
    /// links: they are the project's own code.
    fn run_scripts(&self, plan: &Plan, swapped: &Swapped) -> Result<Ran, InstallError> {
        let (packages, links) = plan.rounds();
        let mut ran = Ran::default();
        if !packages.is_empty() {
            let scripted = packages.planned().map(|planned| &*planned.location);
            let watch = swapped.watch(&scripted.collect());
            let outcome = self.lifecycle.run(&packages);
            let mut names: Vec<_> = packages.planned().map(|one| one.id.clone()).collect();
            names.sort();
            names.dedup();
            watch.check(self.store, &names)?;
            ran = outcome?;
        }
        if ran.failed_optional.is_empty() {
            let second = self.lifecycle.run(&links)?;
            ran.count += second.count;
            ran.failed_optional = second.failed_optional;
        }
        Ok(ran)
    }
}
