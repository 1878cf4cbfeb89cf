//! Tarballs that the store lacks: from the registry's hosts, or from a file the project names.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::git::{self, Packing};
use crate::disk::DiskError;
use crate::link::{Deliver, Fetch, FetchError, TarballWant};
use crate::manifest;
use crate::name::PackageId;
use crate::pack;
use crate::registry::{Registry, RegistryError, Tarball, TarballRequest};

/// The link room's door to tarballs. Counts what came through it.
pub struct Download<'a> {
    registry: &'a Registry,
    packing: Packing<'a>,
    fetched: AtomicUsize,
}

/// Where one tarball lies.
enum Place {
    Url(String),
    File(PathBuf),
    /// In a repository, as the lock writes it.
    Git(String),
}

impl Fetch for Download<'_> {
    fn fetch(&self, wants: &[TarballWant], deliver: &Deliver<'_>) {
        let mut requests = Vec::new();
        let mut local = Vec::new();
        for (index, want) in wants.iter().enumerate() {
            match self.place(want) {
                Ok(place @ (Place::File(_) | Place::Git(_))) => local.push((want, place)),
                Ok(Place::Url(url)) => requests.push(TarballRequest {
                    key: index as u32,
                    name: want.id.name.to_string(),
                    url,
                    size_hint: None,
                }),
                Err(error) => {
                    if deliver(want.slot, Err(FetchError::new(&want.id, error))).is_break() {
                        return;
                    }
                }
            }
        }
        let answers = self.registry.tarballs(requests);
        for (want, place) in local {
            let bytes = self.make(&want.id, &place);
            if bytes.is_ok() && matches!(place, Place::Git(_)) {
                self.fetched.fetch_add(1, Ordering::Relaxed);
            }
            if deliver(want.slot, bytes).is_break() {
                return;
            }
        }
        while let Some((index, answer)) = answers.next() {
            let Some(want) = wants.get(index as usize) else {
                continue;
            };
            self.fetched.fetch_add(1, Ordering::Relaxed);
            let bytes = answer.map(Tarball::into_bytes);
            let bytes = bytes.map_err(|error| FetchError::new(&want.id, error));
            if deliver(want.slot, bytes) == ControlFlow::Break(()) {
                return;
            }
        }
    }
}

impl<'a> Download<'a> {
    pub fn new(registry: &'a Registry, packing: Packing<'a>) -> Self {
        Self {
            registry,
            packing,
            fetched: AtomicUsize::new(0),
        }
    }

    /// A tarball that no registry has: a file, or one packed here of a folder or a commit.
    fn make(&self, id: &PackageId, place: &Place) -> Result<Vec<u8>, FetchError> {
        match place {
            Place::File(path) if path.is_dir() => {
                let file = manifest::read(path).map_err(|error| FetchError::new(id, error))?;
                pack::pack(path, &file.manifest).map_err(|error| FetchError::new(id, error))
            }
            Place::File(path) => {
                let read = std::fs::read(path).map_err(DiskError::at("read", path));
                read.map_err(|error| FetchError::new(id, error))
            }
            Place::Git(resolved) => {
                let packed = self.packing.packed(resolved);
                packed.map_err(|error| FetchError::new(id, error))
            }
            Place::Url(_) => Ok(Vec::new()),
        }
    }

    /// Tarballs that came over the network, or from a folder registry.
    pub fn fetched(self) -> usize {
        self.fetched.into_inner()
    }

    /// What the lock says, else what the packument says of the version.
    fn place(&self, want: &TarballWant) -> Result<Place, RegistryError> {
        if let Some(url) = &want.url {
            if git::is_pinned(url) {
                return Ok(Place::Git(url.clone()));
            }
            let file = url.strip_prefix("file:").map(PathBuf::from);
            return Ok(file.map_or_else(|| Place::Url(url.clone()), Place::File));
        }
        let packument = self.registry.packument(&want.id.name)?;
        let index = packument.find(&want.id.version);
        let url = index.and_then(|index| {
            let manifest = packument.manifest(index);
            let url = manifest.object("dist")?.get("tarball")?.as_str()?;
            Some(Place::Url(url.to_owned()))
        });
        url.ok_or_else(|| RegistryError::NotFound {
            name: want.id.name.clone(),
            url: want.id.to_string().into(),
        })
    }
}
