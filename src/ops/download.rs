//! Tarballs that the store lacks: from the registry's hosts, or from a file the project names.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::disk::DiskError;
use crate::link::{Deliver, Fetch, FetchError, TarballWant};
use crate::registry::{Registry, RegistryError, Tarball, TarballRequest};

/// The link room's door to tarballs. Counts what came through it.
pub struct Download<'a> {
    registry: &'a Registry,
    fetched: AtomicUsize,
}

/// Where one tarball lies.
enum Place {
    Url(String),
    File(PathBuf),
}

impl<'a> From<&'a Registry> for Download<'a> {
    fn from(registry: &'a Registry) -> Self {
        Self {
            registry,
            fetched: AtomicUsize::new(0),
        }
    }
}

impl Fetch for Download<'_> {
    fn fetch(&self, wants: &[TarballWant], deliver: &Deliver<'_>) {
        let mut requests = Vec::new();
        let mut files = Vec::new();
        for (index, want) in wants.iter().enumerate() {
            match self.place(want) {
                Ok(Place::File(path)) => files.push((want.slot, path)),
                Ok(Place::Url(url)) => requests.push(TarballRequest {
                    key: index as u32,
                    name: want.id.name.to_string(),
                    url,
                    size_hint: None,
                }),
                Err(error) => {
                    if deliver(want.slot, Err(FetchError(Box::new(error)))).is_break() {
                        return;
                    }
                }
            }
        }
        let answers = self.registry.tarballs(requests);
        for (slot, path) in files {
            let read = std::fs::read(&path).map_err(DiskError::at("read", &path));
            let bytes = read.map_err(|error| FetchError(Box::new(error)));
            if deliver(slot, bytes).is_break() {
                return;
            }
        }
        while let Some((index, answer)) = answers.next() {
            let Some(want) = wants.get(index as usize) else {
                continue;
            };
            self.fetched.fetch_add(1, Ordering::Relaxed);
            let bytes = answer
                .map(Tarball::into_bytes)
                .map_err(|error| FetchError(Box::new(error)));
            if deliver(want.slot, bytes) == ControlFlow::Break(()) {
                return;
            }
        }
    }
}

impl Download<'_> {
    /// Tarballs that came over the network, or from a folder registry.
    pub fn fetched(self) -> usize {
        self.fetched.into_inner()
    }

    /// What the lock says, else what the packument says of the version.
    fn place(&self, want: &TarballWant) -> Result<Place, RegistryError> {
        if let Some(url) = &want.url {
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
