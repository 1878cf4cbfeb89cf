//! One slot for each name: who fills it, who waits, and what is prefetched from it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde_json::Value;
use url::Url;

use super::cache::{self, Cached, Meta, Shelf};
use super::error::{PickError, RegistryError};
use super::folder;
use super::inflate::{InflateError, gunzip};
use super::network::{Form, Kind, Network, Request, Response, cut, shown, too_big};
use super::packument::{Flaw, Packument};
use super::pick::{PickOptions, pick};
use crate::json;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::name::PackageName;
use crate::npmrc::{Config, Freshness};
use crate::report::{Event, Reporter};
use crate::spec::{Spec, SpecKind};

/// Everything that the doors, the workers and the network's answers share.
pub(super) struct Shared {
    pub config: Config,
    pub limits: Limits,
    pub picking: PickOptions,
    pub reporter: Arc<dyn Reporter>,
    form: Form,
    cache_folder: PathBuf,
    freshness: Freshness,
    /// Seconds since 1970, when the run began.
    now: u64,
    slots: Mutex<FxHashMap<Arc<str>, Arc<Slot>>>,
    origins: Mutex<FxHashMap<String, Result<Arc<Origin>, RegistryError>>>,
    specs: Mutex<FxHashMap<Box<str>, Option<Arc<Spec>>>>,
    /// Hashes of the names and specs that were prefetched. A collision costs one prefetch.
    wanted: Mutex<FxHashSet<u64>>,
    jobs: Mutex<Jobs>,
    work: Condvar,
    written: Condvar,
    network: OnceLock<Result<Network, RegistryError>>,
}

/// A name's packument, on its way or there.
pub(super) struct Slot {
    name: Arc<str>,
    pub answer: OnceLock<Result<Arc<Packument>, RegistryError>>,
    /// Specs to prefetch from, once the packument is there.
    pending: Mutex<Vec<Box<str>>>,
    /// What the cache has, while the network is asked whether it still holds.
    stale: Mutex<Option<Cached>>,
    /// Whose cache the packument is to be written to, when it is new.
    fresh: Mutex<Option<Arc<Origin>>>,
}

/// Where a name's packument comes from.
pub(super) enum Origin {
    Http { registry: Url, shelf: Shelf },
    Folder(PathBuf),
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    /// Done when nothing else is to do.
    writes: VecDeque<Arc<Slot>>,
    writing: usize,
    workers: usize,
    idle: usize,
    /// The decisions are made: prefetching more would only delay the writes.
    decided: bool,
    ended: bool,
}

pub(super) enum Job {
    Want(Box<str>, Box<str>),
    Body(Arc<Slot>, Arc<Origin>, u32, Result<Response, RegistryError>),
    End,
}

thread_local! {
    /// The last document's bytes, to inflate the next one into.
    static RECYCLED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Asking the system is dear (it reads control groups), so once.
fn most_workers() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let cores = std::thread::available_parallelism();
        cores.map_or(1, std::num::NonZero::get).min(8)
    })
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(
        config: Config,
        limits: Limits,
        cache_folder: &Path,
        reporter: Arc<dyn Reporter>,
        picking: PickOptions,
    ) -> Self {
        Self {
            freshness: config.freshness(),
            config,
            limits,
            picking,
            reporter,
            form: Form::Full,
            cache_folder: cache_folder.to_owned(),
            now: cache::now(),
            slots: Mutex::default(),
            origins: Mutex::default(),
            specs: Mutex::default(),
            wanted: Mutex::default(),
            jobs: Mutex::default(),
            work: Condvar::new(),
            written: Condvar::new(),
            network: OnceLock::new(),
        }
    }

    /// The same registries in the same run, asked for abbreviated packuments.
    pub fn abbreviated(&self) -> Self {
        let mut shared = Self::new(
            self.config.clone(),
            self.limits.clone(),
            &self.cache_folder,
            self.reporter.clone(),
            self.picking.clone(),
        );
        shared.form = Form::Abbreviated;
        shared
    }

    /// The slot of `name`; the first to ask sees to it that it gets filled.
    pub fn slot(self: &Arc<Self>, name: &str) -> Arc<Slot> {
        let slot = {
            let mut slots = lock(&self.slots);
            if let Some(slot) = slots.get(name) {
                return slot.clone();
            }
            let slot = Arc::new(Slot::new(name));
            slots.insert(slot.name.clone(), slot.clone());
            slot
        };
        self.reporter.emit(Event::PackumentWanted {
            name: name.to_owned(),
        });
        self.start(&slot);
        slot
    }

    fn start(self: &Arc<Self>, slot: &Arc<Slot>) {
        let origin = PackageName::parse(&slot.name)
            .map_err(RegistryError::from)
            .and_then(|name| self.origin(name.scope()));
        match origin.as_deref() {
            Err(error) => self.fill(slot, Err(error.clone()), 0),
            Ok(Origin::Folder(folder)) => {
                let read = folder::packument(folder, &slot.name, self.limits.packument);
                let bytes = read.as_ref().map_or(0, |(_, bytes)| *bytes);
                self.fill(slot, read.map(|(packument, _)| packument), bytes);
            }
            Ok(Origin::Http { registry, shelf }) => match shelf.open(&slot.name) {
                Some(cached) if self.is_good_enough(&cached) => {
                    self.fill(slot, Ok(Packument::from_cache(&slot.name, cached)), 0);
                }
                _ if self.freshness == Freshness::Offline => {
                    let url = shown(&packument_url(registry, &slot.name));
                    self.fill(slot, Err(RegistryError::NotCached { url }), 0);
                }
                stale => {
                    *lock(&slot.stale) = stale;
                    if let Ok(origin) = &origin {
                        self.ask(slot, origin, 0);
                    }
                }
            },
        }
    }

    fn is_good_enough(&self, cached: &Cached) -> bool {
        match self.freshness {
            Freshness::Normal => cached.is_fresh(self.now),
            Freshness::PreferOnline => false,
            Freshness::PreferOffline | Freshness::Offline => true,
        }
    }

    pub fn origin(&self, scope: Option<&str>) -> Result<Arc<Origin>, RegistryError> {
        let mut origins = lock(&self.origins);
        let scope = scope.unwrap_or_default();
        if let Some(origin) = origins.get(scope) {
            return origin.clone();
        }
        let registry = self.config.registry_for(Some(scope));
        let origin = match registry {
            Err(error) => Err(RegistryError::Setup {
                reason: error.to_string().into(),
            }),
            Ok(registry) => Ok(Arc::new(match registry.to_file_path() {
                Ok(folder) if registry.scheme() == "file" => Origin::Folder(folder),
                _ => Origin::Http {
                    shelf: Shelf::new(&self.cache_folder, &self.shelf_name(&registry)),
                    registry,
                },
            })),
        };
        origins.insert(scope.to_owned(), origin.clone());
        origin
    }

    fn shelf_name(&self, registry: &Url) -> String {
        match self.form {
            Form::Full => registry.to_string(),
            Form::Abbreviated => format!("{registry}#abbreviated"),
        }
    }

    pub fn network(&self) -> Result<&Network, RegistryError> {
        let start = || Network::start(self.config.clone(), self.reporter.clone());
        self.network
            .get_or_init(start)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Asks the network; the answer becomes a job. `attempt` counts answers that were unreadable.
    fn ask(self: &Arc<Self>, slot: &Arc<Slot>, origin: &Arc<Origin>, attempt: u32) {
        let Origin::Http { registry, .. } = &**origin else {
            return;
        };
        let network = match self.network() {
            Ok(network) => network,
            Err(error) => return self.fill(slot, Err(error), 0),
        };
        let etag = lock(&slot.stale)
            .as_ref()
            .map(|cached| cached.etag().to_owned());
        let (weak, to, from) = (Arc::downgrade(self), slot.clone(), origin.clone());
        network.send(Request {
            url: packument_url(registry, &slot.name),
            scope: slot.scope().map(str::to_owned),
            kind: Kind::Packument {
                name: slot.name.clone(),
                etag: etag.unwrap_or_default(),
                form: self.form,
            },
            limit: self.limits.packument,
            reply: Box::new(move |answer| {
                if let Some(shared) = weak.upgrade() {
                    shared.push(Job::Body(to, from, attempt, answer));
                }
            }),
        });
    }

    /// Puts the answer into its slot and goes on with the prefetches that waited for it.
    fn fill(self: &Arc<Self>, slot: &Slot, answer: Result<Packument, RegistryError>, bytes: u64) {
        let filled = slot.answer.set(answer.map(Arc::new));
        debug_assert!(filled.is_ok(), "only who made the slot fills it");
        self.reporter.emit(Event::PackumentReady {
            name: slot.name.to_string(),
            bytes,
        });
        let pending = std::mem::take(&mut *lock(&slot.pending));
        for spec in pending {
            self.push(Job::Want((*slot.name).into(), spec));
        }
    }

    /// An answer of the network becomes a packument, or another try.
    fn digest(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        origin: &Arc<Origin>,
        attempt: u32,
        answer: Result<Response, RegistryError>,
    ) {
        let Origin::Http { registry, .. } = &**origin else {
            return;
        };
        let url = packument_url(registry, &slot.name);
        let mut response = match answer {
            Ok(response) => response,
            Err(error) => return self.fall_back(slot, error),
        };
        if response.not_modified {
            let stale = lock(&slot.stale).take();
            let answer = match stale {
                Some(cached) => {
                    cached.refresh(cache::now());
                    Ok(Packument::from_cache(&slot.name, cached))
                }
                None => Err(malformed(&url, "304, though nothing was known".to_owned())),
            };
            return self.fill(slot, answer, 0);
        }
        let bytes = response.body.len() as u64;
        if response.gzip {
            let limit = self.limits.packument;
            match gunzip(&response.body, limit as usize, RECYCLED.take()) {
                Ok(body) => response.body = body,
                Err(InflateError::TooBig) => {
                    return self.fill(slot, Err(too_big(&url, limit)), bytes);
                }
                Err(InflateError::Broken) if attempt < self.config.fetching().retries => {
                    return self.ask(slot, origin, attempt + 1);
                }
                Err(InflateError::Broken) => {
                    let error = cut(&url, "its compression is broken");
                    return self.fill(slot, Err(error), bytes);
                }
            }
        }
        let hide = |text: &str| self.config.without_secrets(text);
        let mut packument = parse(&slot.name, response.body, &url, &hide);
        let meta = Meta {
            etag: response.etag,
            max_age: response.max_age,
        };
        if let (Origin::Http { shelf, .. }, Ok(document)) = (&**origin, &mut packument)
            && response.may_store
            && let Some(compact) = shelf.compact(document, &meta)
        {
            let compact = Packument::from_cache(&slot.name, compact);
            let document = std::mem::replace(document, compact);
            RECYCLED.set(document.into_bytes());
            *lock(&slot.fresh) = Some(origin.clone());
        }
        self.fill(slot, packument, bytes);
    }

    /// A stale packument is better than none when the registry is down, but not when it says no.
    fn fall_back(self: &Arc<Self>, slot: &Slot, error: RegistryError) {
        match lock(&slot.stale).take() {
            Some(cached) if error.is_passing() => {
                self.reporter.emit(Event::Warning {
                    code: "ESTALE",
                    message: format!("{error}; using the cached packument of {}", slot.name),
                });
                self.fill(slot, Ok(Packument::from_cache(&slot.name, cached)), 0);
            }
            _ => self.fill(slot, Err(error), 0),
        }
    }

    pub fn pick(
        &self,
        packument: &Packument,
        raw: &str,
        kind: &SpecKind,
    ) -> Result<usize, PickError> {
        if let Some(known) = lock(&packument.picks).get(raw) {
            return known.clone().map(|index| index as usize);
        }
        let picked = pick(packument, kind, &self.picking);
        let known = picked.clone().map(|index| index as u32);
        lock(&packument.picks).insert(raw.into(), known);
        picked
    }

    /// Queues a prefetch, unless it was queued before.
    pub fn want(self: &Arc<Self>, name: &str, spec: &str) {
        let mut hasher = FxHasher::default();
        (name, spec).hash(&mut hasher);
        if lock(&self.wanted).insert(hasher.finish()) {
            self.push(Job::Want(name.into(), spec.into()));
        }
    }

    /// Starts the packument, or goes on to the dependencies of what would be picked from it.
    fn prefetch(self: &Arc<Self>, name: &str, raw: &str) {
        let Some(spec) = self.spec(raw) else {
            return;
        };
        let (name, spec) = match &spec.kind {
            SpecKind::Alias { name, target } => (name.as_str(), &**target),
            SpecKind::Version(_) | SpecKind::Range(_) | SpecKind::Tag(_) => (name, &*spec),
            _ => return,
        };
        let slot = self.slot(name);
        {
            let mut pending = lock(&slot.pending);
            if slot.answer.get().is_none() {
                pending.push(spec.raw.as_ref().into());
                return;
            }
        }
        let Some(Ok(packument)) = slot.answer.get() else {
            return;
        };
        if let Ok(index) = self.pick(packument, &spec.raw, &spec.kind) {
            self.want_dependencies(&packument.manifest(index));
        }
    }

    fn want_dependencies(self: &Arc<Self>, manifest: &Manifest) {
        let optional_peer = |name: &str| {
            let meta = manifest.object("peerDependenciesMeta");
            let of_name = meta.and_then(|meta| meta.get(name)?.get("optional"));
            of_name.is_some_and(json::truthy)
        };
        for field in ["dependencies", "optionalDependencies", "peerDependencies"] {
            let peers = field == "peerDependencies";
            if peers && self.picking.legacy_peers {
                continue;
            }
            for (name, spec) in manifest.object(field).into_iter().flatten() {
                if let Value::String(spec) = spec
                    && !(peers && optional_peer(name))
                {
                    self.want(name, spec);
                }
            }
        }
    }

    /// Each spec text is parsed once.
    fn spec(&self, raw: &str) -> Option<Arc<Spec>> {
        if let Some(known) = lock(&self.specs).get(raw) {
            return known.clone();
        }
        let parsed = Spec::parse("", raw, Path::new("/")).ok().map(Arc::new);
        lock(&self.specs).insert(raw.into(), parsed.clone());
        parsed
    }

    pub fn write_behind(self: &Arc<Self>) {
        {
            let mut jobs = lock(&self.jobs);
            jobs.decided = true;
            jobs.queue.retain(|job| !matches!(job, Job::Want(..)));
        }
        let slots: Vec<Arc<Slot>> = lock(&self.slots).values().cloned().collect();
        let new: Vec<_> = slots
            .into_iter()
            .filter(|slot| lock(&slot.fresh).is_some())
            .collect();
        if new.is_empty() {
            return;
        }
        let mut jobs = lock(&self.jobs);
        jobs.writes.extend(new);
        drop(jobs);
        self.staff(usize::MAX);
        self.work.notify_all();
    }

    pub fn wait_for_writes(&self) {
        let mut jobs = lock(&self.jobs);
        while jobs.writing > 0 || !jobs.writes.is_empty() {
            jobs = self
                .written
                .wait(jobs)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(slot: &Slot) {
        let Some(origin) = lock(&slot.fresh).take() else {
            return;
        };
        if let (Origin::Http { shelf, .. }, Some(Ok(packument))) = (&*origin, slot.answer.get()) {
            shelf.write(packument);
        }
    }

    pub fn push(self: &Arc<Self>, job: Job) {
        let mut jobs = lock(&self.jobs);
        match job {
            Job::End => {
                jobs.ended = true;
                jobs.queue.clear();
                drop(jobs);
                self.work.notify_all();
                return;
            }
            // Bodies first: somebody may be waiting for them.
            body @ Job::Body(..) => jobs.queue.push_front(body),
            Job::Want(..) if jobs.decided => return,
            want @ Job::Want(..) => jobs.queue.push_back(want),
        }
        let (idle, queued) = (jobs.idle, jobs.queue.len());
        drop(jobs);
        if idle > 0 {
            self.work.notify_one();
        } else {
            self.staff(queued);
        }
    }

    /// Starts another worker when there is work for it: at most one a core, at most eight.
    fn staff(self: &Arc<Self>, queued: usize) {
        let mut jobs = lock(&self.jobs);
        if jobs.workers >= most_workers() || jobs.workers >= queued || jobs.ended {
            return;
        }
        let shared = self.clone();
        let started = std::thread::Builder::new()
            .name("packuments".to_owned())
            .spawn(move || shared.work());
        if started.is_ok() {
            jobs.workers += 1;
        }
    }

    fn work(self: Arc<Self>) {
        let mut jobs = lock(&self.jobs);
        loop {
            if let Some(job) = jobs.queue.pop_front() {
                drop(jobs);
                self.run(job);
                jobs = lock(&self.jobs);
            } else if let Some(slot) = jobs.writes.pop_front() {
                jobs.writing += 1;
                drop(jobs);
                Self::write(&slot);
                jobs = lock(&self.jobs);
                jobs.writing -= 1;
                if jobs.writing == 0 && jobs.writes.is_empty() {
                    self.written.notify_all();
                }
            } else if jobs.ended {
                return;
            } else {
                jobs.idle += 1;
                jobs = self.work.wait(jobs).unwrap_or_else(PoisonError::into_inner);
                jobs.idle -= 1;
            }
        }
    }

    fn run(self: &Arc<Self>, job: Job) {
        match job {
            Job::Want(name, spec) => self.prefetch(&name, &spec),
            Job::Body(slot, origin, attempt, answer) => {
                self.digest(&slot, &origin, attempt, answer);
            }
            Job::End => {}
        }
    }
}

impl Slot {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            answer: OnceLock::new(),
            pending: Mutex::default(),
            stale: Mutex::default(),
            fresh: Mutex::default(),
        }
    }

    fn scope(&self) -> Option<&str> {
        let scope = self.name.split_once('/')?.0;
        scope.starts_with('@').then_some(scope)
    }
}

/// A document held against its name, with errors that name its source and quote from it what `hide`
/// leaves.
pub(super) fn parse(
    name: &Arc<str>,
    bytes: Vec<u8>,
    url: &Url,
    hide: &dyn Fn(&str) -> String,
) -> Result<Packument, RegistryError> {
    let text = bytes.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.first() != Some(&b'{') {
        let start = String::from_utf8_lossy(&text[..text.len().min(4096)]);
        let start = hide(&start);
        return Err(RegistryError::NotJson {
            url: shown(url),
            start: start
                .chars()
                .filter(|c| !c.is_control())
                .take(60)
                .collect::<String>()
                .into(),
        });
    }
    Packument::from_json(name, bytes).map_err(|flaw| match flaw {
        Flaw::Malformed(reason) => malformed(url, reason),
        Flaw::OtherName(got) => RegistryError::OtherName {
            asked: name.clone(),
            got: got
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect::<String>()
                .into(),
            url: shown(url),
        },
    })
}

fn malformed(url: &Url, reason: String) -> RegistryError {
    RegistryError::Malformed {
        url: shown(url),
        reason: reason.into(),
    }
}

/// `@scope/name` has its slash encoded, as npm does. Both parts need no other escaping.
fn packument_url(registry: &Url, name: &str) -> Url {
    let mut url = registry.clone();
    url.set_path(&format!("{}{}", registry.path(), name.replace('/', "%2f")));
    url
}
