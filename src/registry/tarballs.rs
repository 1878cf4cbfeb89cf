//! Many tarballs at once: wide on the network, whole in memory, handed to whoever is free.

use std::collections::VecDeque;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::Registry;
use super::error::RegistryError;
use super::folder;
use super::network::{Kind, Request, Response};
use super::slots::{Origin, Shared, lock};
use crate::npmrc::{Config, Freshness, masked};

/// A tarball to fetch.
#[derive(Debug, Clone)]
pub struct TarballRequest {
    /// Comes back with the answer.
    pub key: u32,
    /// The package's own name (not its alias): decides the folder, and whose credentials go along.
    pub name: String,
    /// As the lock or the packument has it; `replace-registry-host` is applied here.
    pub url: String,
    /// Bytes, if known: large ones go first.
    pub size_hint: Option<u64>,
}

/// A tarball's bytes. They count against a budget until dropped: keep them only while needed.
#[derive(Clone)]
pub struct Tarball {
    bytes: Arc<Vec<u8>>,
    _share: Option<Arc<OwnedSemaphorePermit>>,
}

impl Deref for Tarball {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Answers in the order of their arrival, for any number of threads.
#[derive(Clone)]
pub struct Tarballs(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    arrived: VecDeque<(u32, Result<Tarball, RegistryError>)>,
    /// Files of a folder registry: read by whoever asks next.
    local: VecDeque<(u32, Arc<str>, PathBuf)>,
    /// Answers still to come from the network.
    under_way: usize,
}

impl Tarballs {
    /// The next answer; `None` when all were taken. Blocks, unless one is there.
    pub fn next(&self) -> Option<(u32, Result<Tarball, RegistryError>)> {
        let mut state = lock(&self.0.state);
        loop {
            if let Some(answer) = state.arrived.pop_front() {
                return Some(answer);
            }
            if let Some((key, name, path)) = state.local.pop_front() {
                drop(state);
                let read = folder::read_tarball(&path, &name);
                return Some((key, read.map(|bytes| Tarball::new(bytes, None))));
            }
            if state.under_way == 0 {
                return None;
            }
            state = self
                .0
                .arrived
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Tarball {
    /// The bytes, to keep; copied only when somebody else wants them too.
    pub fn into_bytes(self) -> Vec<u8> {
        Arc::try_unwrap(self.bytes).unwrap_or_else(|shared| shared.to_vec())
    }

    fn new(bytes: Vec<u8>, share: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            bytes: Arc::new(bytes),
            _share: share.map(Arc::new),
        }
    }
}

impl Queue {
    fn answer(&self, keys: Vec<u32>, answer: &Result<Tarball, RegistryError>) {
        let mut state = lock(&self.state);
        state.under_way -= keys.len();
        state
            .arrived
            .extend(keys.into_iter().map(|key| (key, answer.clone())));
        drop(state);
        self.arrived.notify_all();
    }
}

impl Registry {
    /// Fetches all `requests`, each URL once, large ones first. Returns at once; the answers come
    /// out of [`Tarballs::next`].
    pub fn tarballs(&self, requests: Vec<TarballRequest>) -> Tarballs {
        let queue = Arc::new(Queue::default());
        for (wanted, keys) in group(&self.shared, requests, &queue) {
            lock(&queue.state).under_way += keys.len();
            let answers = queue.clone();
            let reply = move |answer: Result<Response, RegistryError>| {
                let tarball = answer.map(|response| Tarball::new(response.body, response.permit));
                answers.answer(keys, &tarball);
            };
            let request = Request {
                scope: scope(&wanted.name),
                url: wanted.url,
                kind: Kind::Tarball { name: wanted.name },
                limit: self.shared.limits.tarball,
                reply: Box::new(reply),
            };
            match self.shared.network() {
                Ok(network) => network.send(request),
                Err(error) => (request.reply)(Err(error)),
            }
        }
        Tarballs(queue)
    }

    /// One tarball; blocks.
    pub fn tarball(&self, name: &str, url: &str) -> Result<Tarball, RegistryError> {
        let request = TarballRequest {
            key: 0,
            name: name.to_owned(),
            url: url.to_owned(),
            size_hint: None,
        };
        match self.tarballs(vec![request]).next() {
            Some((_, answer)) => answer,
            None => Err(RegistryError::Scheme {
                url: masked(url).into(),
            }),
        }
    }
}

/// A distinct URL to fetch.
struct Wanted {
    name: Arc<str>,
    url: Url,
}

/// Sorts requests into files of folder registries, errors, and URLs with the keys that want them.
fn group(
    shared: &Shared,
    mut requests: Vec<TarballRequest>,
    queue: &Queue,
) -> Vec<(Wanted, Vec<u32>)> {
    requests.sort_by_key(|request| std::cmp::Reverse(request.size_hint.unwrap_or(0)));
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut wanted: Vec<(Wanted, Vec<u32>)> = Vec::new();
    let mut state = lock(&queue.state);
    for request in requests {
        let name: Arc<str> = request.name.as_str().into();
        match locate(shared, &request) {
            Err(error) => state.arrived.push_back((request.key, Err(error))),
            Ok(Place::File(path)) => state.local.push_back((request.key, name, path)),
            Ok(Place::Url(url)) => {
                if let Some(place) = places.get(url.as_str()) {
                    wanted[*place].1.push(request.key);
                } else {
                    places.insert(url.to_string(), wanted.len());
                    wanted.push((Wanted { name, url }, vec![request.key]));
                }
            }
        }
    }
    wanted
}

enum Place {
    File(PathBuf),
    Url(Url),
}

fn locate(shared: &Shared, request: &TarballRequest) -> Result<Place, RegistryError> {
    let shown = || -> Arc<str> { masked(&request.url).into() };
    let scheme = || RegistryError::Scheme { url: shown() };
    let url = Url::parse(&request.url).map_err(|_| scheme())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(scheme());
    }
    let origin = shared.origin(scope(&request.name).as_deref())?;
    if let Origin::Folder(folder) = &*origin
        && let Some(path) = folder::tarball(folder, &request.name, &url)
    {
        return Ok(Place::File(path));
    }
    if shared.config.freshness() == Freshness::Offline {
        return Err(RegistryError::NotCached { url: shown() });
    }
    let swapped = match shared.config.registry().scheme() {
        "file" => url,
        _ => shared.config.download_url(&url),
    };
    Ok(Place::Url(swapped))
}

/// The URL that would be asked for the tarball of `name`, when it is on a host that no registry
/// setting and no `allow-host` names.
pub fn foreign_host(config: &Config, name: &str, url: &Url) -> Option<Url> {
    let own = config.registry_for(scope(name).as_deref()).ok()?;
    if own.scheme() == "file" && folder::tarball(Path::new("/"), name, url).is_some() {
        return None;
    }
    let goes_to = match config.registry().scheme() {
        "file" => url.clone(),
        _ => config.download_url(url),
    };
    (!config.allows_host_of(&goes_to)).then_some(goes_to)
}

/// Where a folder registry has the tarball that is at `url` elsewhere; `None` where the address does
/// not end in `/NAME/-/FILE`. `name` is a valid package name.
pub fn folder_path(folder: &Path, name: &str, url: &str) -> Option<PathBuf> {
    folder::tarball(folder, name, &Url::parse(url).ok()?)
}

fn scope(name: &str) -> Option<String> {
    let scope = name.split_once('/')?.0;
    scope.starts_with('@').then(|| scope.to_owned())
}
