//! What the tarballs of a lock say about platforms: each is opened once, and its findings are kept.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use super::download::Download;
use super::git::{self, Packing};
use super::install::{InstallError, InstallRequest};
use super::lifecycle;
use super::session::Session;
use super::shrinkwrap;
use super::wanted::Choice;
use crate::integrity::Integrity;
use crate::json::truthy;
use crate::link::{Fetch as _, FetchError, LinkError, TarballWant, WantedPackage};
use crate::lock::Lock;
use crate::manifest::{self, Manifest, Origin};
use crate::npmrc::Freshness;
use crate::platforms::facts::Facts;
use crate::platforms::inspect::{self, Stored};
use crate::report::Event;
use crate::resolve::{self, Omit};
use crate::store::{self, Archive, Bench, Package, Store, StoreError};
use crate::target::{Target, platform_allows};

/// What is asked about a lock.
#[derive(Debug, Clone, Copy)]
pub struct InspectRequest<'a> {
    pub lock: &'a Lock,
    /// Packages whose declarations exclude all of these are not opened; none: every package is.
    pub targets: &'a [Target],
    /// Says what is left out, and how to resolve and fetch; its own target does not count.
    pub install: &'a InstallRequest,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// By location. What a package bundles lies inside its own tarball and is among its facts.
    pub facts: BTreeMap<String, Arc<Facts>>,
    /// Locations that could not be opened, and why: not in the store, and offline.
    pub unopened: BTreeMap<String, String>,
    /// Packages opened in this run; all others were known.
    pub opened: usize,
    /// Of these, fetched.
    pub fetched: usize,
}

/// What the tarballs of a lock say about platforms.
///
/// - What the store lacks is fetched as an install does it; when the configuration says offline,
///   it is told as unopened.
/// - Without a network when everything is known already.
/// - Nothing of the project is changed.
pub fn facts(session: &Session, request: InspectRequest<'_>) -> Result<Inspection, InstallError> {
    shrinkwrap::on_a_deep_stack(|| run(session, request))
}

/// For [`crate::link::Means`]: looks into a package that just arrived, and keeps what it finds.
pub(super) fn note(store: &Store, archive: &Archive<'_>) {
    if let Some(facts) = inspect::facts(archive) {
        store.note(&archive.sha512, &inspect::encode(&facts));
    }
}

fn run(session: &Session, request: InspectRequest<'_>) -> Result<Inspection, InstallError> {
    let store = Store::open(&session.store, session.umask())?;
    let store = store.with_limits(session.config.limits()?);
    let mut inspection = Inspection::default();
    let unknown = recall(&store, request, &mut inspection);
    if !unknown.is_empty() {
        open(session, request, &store, &unknown, &mut inspection)?;
    }
    Ok(inspection)
}

/// What earlier runs found; nothing is opened.
pub(super) fn known(store: &Store, request: InspectRequest<'_>) -> Inspection {
    let mut inspection = Inspection::default();
    recall(store, request, &mut inspection);
    inspection
}

/// Adds what is known already; the locations of which nothing is.
fn recall<'a>(
    store: &Store,
    request: InspectRequest<'a>,
    inspection: &mut Inspection,
) -> Vec<&'a str> {
    let mut unknown = Vec::new();
    let mut known: BTreeMap<&str, Arc<Facts>> = BTreeMap::new();
    for (location, entry) in &request.lock.packages {
        if !is_asked(location, entry, request) {
            continue;
        }
        let text = entry.get("integrity").and_then(Value::as_str);
        if let Some(facts) = text.and_then(|text| known.get(text)) {
            inspection.facts.insert(location.clone(), Arc::clone(facts));
            continue;
        }
        let integrity = text.and_then(Integrity::parse);
        let noted = integrity.and_then(|integrity| noted(store, Some(&integrity), None));
        match (noted, text) {
            (Some(facts), Some(text)) => {
                known.insert(text, Arc::clone(&facts));
                inspection.facts.insert(location.clone(), facts);
            }
            _ => unknown.push(location.as_str()),
        }
    }
    unknown
}

fn noted(store: &Store, integrity: Option<&Integrity>, source: Option<&str>) -> Option<Arc<Facts>> {
    let bytes = store.noted(integrity, source)?;
    inspect::decode(&bytes).map(Arc::new)
}

/// A tarball of its own, neither left out nor excluded from every target.
fn is_asked(location: &str, entry: &Map<String, Value>, request: InspectRequest<'_>) -> bool {
    let is = |member: &str| entry.get(member).is_some_and(truthy);
    let in_modules = location.starts_with("node_modules/") || location.contains("/node_modules/");
    if !in_modules || is("link") || is("inBundle") || is("extraneous") {
        return false;
    }
    let Omit {
        dev,
        optional,
        peer,
    } = request.install.omit;
    let omitted = (dev && is("dev"))
        || (optional && is("optional"))
        || (peer && is("peer"))
        || (dev && optional && is("devOptional"));
    !omitted && (request.targets.is_empty() || runs_somewhere(entry, request.targets))
}

fn runs_somewhere(entry: &Map<String, Value>, targets: &[Target]) -> bool {
    let declares = ["os", "cpu", "libc"];
    if !declares.iter().any(|field| entry.contains_key(*field)) {
        return true;
    }
    let fields = declares.iter();
    let fields = fields.filter_map(|field| Some(((*field).to_owned(), entry.get(*field)?.clone())));
    let manifest = Manifest {
        fields: fields.collect(),
    };
    targets
        .iter()
        .any(|target| platform_allows(&manifest, target))
}

/// Opens the packages at `locations`, those that the store lacks after they were fetched.
fn open(
    session: &Session,
    request: InspectRequest<'_>,
    store: &Store,
    locations: &[&str],
    inspection: &mut Inspection,
) -> Result<(), InstallError> {
    let install = request.install;
    let file = manifest::read(&session.project)?;
    let manifest = if file.document.is_some() {
        file.manifest
    } else {
        locked_manifest(request.lock)
    };
    let manifest = Arc::new(manifest);
    let locked = shrinkwrap::locked(request.lock);
    let tree = resolve::virtual_tree(&session.project, &manifest, &locked, install.options.rules)?;
    let policy = lifecycle::policy(session, install, &manifest);
    let document = file.document.unwrap_or_default();
    let choice = Choice {
        tree: &tree,
        session,
        request: install,
        document: &document,
        claims_known: !request.lock.loaded_from_v1,
        policy: &policy,
    };
    let mut selection = choice.select(&[])?;
    let packages = std::mem::take(&mut selection.wanted.packages);
    let packages = packages.into_iter().filter(|package| !package.bundled);
    let asked: FxHashSet<&str> = locations.iter().copied().collect();
    let packages = packages.filter(|package| asked.contains(package.location.as_str()));
    let packages: Vec<WantedPackage> = packages.collect();
    session.reporter.emit(Event::PackagesWanted {
        total: packages.len() as u64,
    });
    let crew = Crew {
        session,
        store,
        packages: &packages,
        found: Mutex::new(inspection),
    };
    let missing = crew.open_stored()?;
    crew.fetch(Packing::new(choice, &selection.candidates), &missing)
}

/// What the lock says of the project itself.
fn locked_manifest(lock: &Lock) -> Manifest {
    let mut manifest = Manifest {
        fields: lock.entry("").cloned().unwrap_or_default(),
    };
    manifest.normalize(Origin::Disk);
    manifest
}

/// What all threads of one inspection share.
struct Crew<'a> {
    session: &'a Session,
    store: &'a Store,
    packages: &'a [WantedPackage],
    found: Mutex<&'a mut Inspection>,
}

impl Crew<'_> {
    /// Opens what the store has; the numbers of the packages that it lacks.
    fn open_stored(&self) -> Result<Vec<usize>, InstallError> {
        let next = AtomicUsize::new(0);
        let missing = Mutex::new(Vec::new());
        let failure = Mutex::new(None);
        in_parallel(|| {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(package) = self.packages.get(at) else {
                    return;
                };
                match self.open_one(package) {
                    Ok(true) => {}
                    Ok(false) => locked(&missing).push(at),
                    Err(error) => drop(locked(&failure).insert(error)),
                }
            }
        });
        if let Some(error) = into_inner(failure) {
            return Err(error.into());
        }
        let mut missing = into_inner(missing);
        missing.sort_unstable();
        Ok(missing)
    }

    /// `false` when the store lacks the package, or has it no longer whole.
    fn open_one(&self, wanted: &WantedPackage) -> Result<bool, StoreError> {
        let source = wanted.source.as_deref();
        let other = source.map(git::other_source);
        let sources = [source, other.as_deref()];
        let integrity = wanted.integrity.as_ref();
        let mut stored = sources
            .iter()
            .filter_map(|source| self.store.find(integrity, *source));
        let Some(package) = stored.next() else {
            return Ok(false);
        };
        package.check_identity(&wanted.id)?;
        let facts = match self.look_into(&package) {
            Some(facts) => Some(facts),
            None => self
                .store
                .heal(package.sha512())
                .and_then(|healed| self.look_into(&healed)),
        };
        let there = facts.is_some();
        if let Some(facts) = facts {
            self.keep(wanted, facts, 0);
        }
        Ok(there)
    }

    /// Known findings, else new ones.
    fn look_into(&self, package: &Package) -> Option<Arc<Facts>> {
        let integrity = Integrity::from_sha512(*package.sha512());
        if let Some(facts) = noted(self.store, Some(&integrity), None) {
            return Some(facts);
        }
        let facts = inspect::facts(&Stored::open(self.store, package)?)?;
        self.store.note(package.sha512(), &inspect::encode(&facts));
        locked(&self.found).opened += 1;
        Some(Arc::new(facts))
    }

    fn keep(&self, wanted: &WantedPackage, facts: Arc<Facts>, bytes: u64) {
        let id = wanted.id.clone();
        self.session
            .reporter
            .emit(Event::TarballStored { id, bytes });
        let location = wanted.location.clone();
        locked(&self.found).facts.insert(location, facts);
    }

    /// Fetches, keeps and opens the packages with these numbers: the network on this thread, the
    /// rest on others.
    fn fetch(&self, packing: Packing<'_>, missing: &[usize]) -> Result<(), InstallError> {
        if missing.is_empty() {
            return Ok(());
        }
        let registry = self.session.registry(&packing.request.options)?;
        let wants: Vec<TarballWant> = missing.iter().map(|at| self.want(*at)).collect();
        let download = Download::new(&registry, packing);
        let failure: Mutex<Option<InstallError>> = Mutex::default();
        let (sender, arrived) = mpsc::sync_channel::<Arrived>(WAITING);
        let arrived = Mutex::new(arrived);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                in_parallel(|| {
                    let mut bench = self.store.bench();
                    while let Some((at, answer)) = receive(&arrived) {
                        if let Err(error) = self.take_in(&mut bench, at, answer) {
                            locked(&failure).get_or_insert(error);
                        }
                    }
                });
            });
            download.fetch(&wants, &|at, answer| {
                let over = locked(&failure).is_some() || sender.send((at, answer)).is_err();
                if over {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            drop(sender);
        });
        locked(&self.found).fetched += download.fetched();
        into_inner(failure).map_or(Ok(()), Err)
    }

    fn want(&self, at: usize) -> TarballWant {
        let package = &self.packages[at];
        TarballWant {
            slot: at,
            id: package.id.clone(),
            url: package.url.clone(),
            integrity: package.integrity.clone(),
            again: false,
        }
    }

    /// Verifies, opens and keeps a tarball that just came.
    fn take_in(
        &self,
        bench: &mut Bench,
        at: usize,
        answer: Result<Vec<u8>, FetchError>,
    ) -> Result<(), InstallError> {
        let wanted = &self.packages[at];
        let tarball = match answer {
            Ok(tarball) => tarball,
            Err(error) if self.may_miss(wanted) => {
                let location = wanted.location.clone();
                let mut found = locked(&self.found);
                found.unopened.insert(location, error.to_string());
                return Ok(());
            }
            Err(error) => return Err(LinkError::from(error).into()),
        };
        let expected = wanted.integrity.as_ref();
        let sha512 = store::verify(&wanted.id, &tarball, expected)?;
        let archive = store::unpack(bench, &wanted.id, &tarball, sha512, self.store.limits())?;
        let facts = inspect::facts(&archive).unwrap_or_default();
        match self.store.keep(&archive, &tarball, expected) {
            Ok(_) => {
                if let Some(source) = &wanted.source {
                    self.store.remember(source, &sha512);
                }
                self.store.note(&sha512, &inspect::encode(&facts));
            }
            Err(StoreError::ReadOnly(..)) => {}
            Err(error) => return Err(error.into()),
        }
        locked(&self.found).opened += 1;
        self.keep(wanted, Arc::new(facts), tarball.len() as u64);
        Ok(())
    }

    /// Without a network nothing can be fetched, and a commit may need scripts that may not run:
    /// the others can be looked into all the same.
    fn may_miss(&self, wanted: &WantedPackage) -> bool {
        let offline = self.session.config.freshness() == Freshness::Offline;
        offline || wanted.source.is_some()
    }
}

/// Tarballs in memory that wait for a worker; then the network waits.
const WAITING: usize = 16;

type Arrived = (usize, Result<Vec<u8>, FetchError>);

/// Waits with the door closed: who comes next waits for the door.
fn receive(arrived: &Mutex<mpsc::Receiver<Arrived>>) -> Option<Arrived> {
    locked(arrived).recv().ok()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` on this thread and on one more for each further core, up to eight.
fn in_parallel(work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(8) {
            scope.spawn(&work);
        }
        work();
    });
}
