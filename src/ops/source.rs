//! Where the resolver's manifests come from: registries, tarballs, folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::git;
use crate::disk::DiskError;
use crate::integrity::Integrity;
use crate::json;
use crate::lock;
use crate::manifest::{self, Manifest, Origin};
use crate::name::PackageId;
use crate::npmrc::Generation;
use crate::registry::{PickError, Registry, abbreviated};
use crate::resolve::{Contents, Fetched, LoadFailure, Source};
use crate::spec::{Spec, SpecKind};
use crate::store::{Store, StoreError, read_manifest};

/// A tarball whose manifest cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{0}` has no readable package.json")]
#[diagnostic(code(EJSONPARSE), help("the tarball is damaged, or is no npm package"))]
struct NoManifest(String);

/// The registry and the disk, seen as one source of manifests.
pub struct Sources<'a> {
    pub registry: &'a Registry,
    pub store: PathBuf,
    pub umask: u32,
    pub generation: Generation,
}

impl Source for Sources<'_> {
    fn prefetch(&self, name: &str, spec: &Spec) {
        if spec.is_registry() {
            self.registry.prefetch(name, &spec.raw);
        }
    }

    fn manifest(&self, name: &str, spec: &Spec) -> Result<Fetched, LoadFailure> {
        match &spec.kind {
            SpecKind::Alias { name, target } => self.manifest(name.as_str(), target),
            SpecKind::Version(_) | SpecKind::Range(_) | SpecKind::Tag(_) => {
                registry_manifest(self.registry, name, spec)
            }
            SpecKind::Remote(url) => {
                let bytes = self.registry.tarball(name, url).map_err(LoadFailure::new)?;
                from_tarball(&bytes, url)
            }
            SpecKind::File { path, .. } => {
                let bytes = std::fs::read(path)
                    .map_err(DiskError::at("read", path))
                    .map_err(LoadFailure::new)?;
                from_tarball(&bytes, &format!("file:{}", path.display()))
            }
            SpecKind::Directory { path, .. } => from_folder(path),
            SpecKind::Git(git) => git::fetch(git, &spec.raw, self.generation),
        }
    }

    fn abbreviated(&self, name: &str, spec: &Spec) -> Result<Fetched, LoadFailure> {
        if let SpecKind::Alias { name, target } = &spec.kind {
            return self.abbreviated(name.as_str(), target);
        }
        // Times of publication are in the full document alone, and so npm asks for that.
        if !spec.is_registry() || self.registry.picking().before.is_some() {
            return self.manifest(name, spec);
        }
        if self.registry.is_folder(name) {
            let mut fetched = self.manifest(name, spec)?;
            fetched.manifest = Arc::new(abbreviated(&fetched.manifest));
            return Ok(fetched);
        }
        let short = registry_manifest(self.registry.abbreviated(), name, spec);
        short.or_else(|_| self.manifest(name, spec))
    }

    fn announce_abbreviated(&self, name: &str, spec: &Spec) {
        match &spec.kind {
            SpecKind::Alias { name, target } => self.announce_abbreviated(name.as_str(), target),
            _ if !spec.is_registry() => {}
            _ if self.registry.picking().before.is_some() => self.registry.announce(name),
            _ => self.registry.abbreviated().announce(name),
        }
    }

    fn contents(
        &self,
        id: &PackageId,
        resolved: &str,
        integrity: Option<&str>,
    ) -> Result<Contents, LoadFailure> {
        let mut contents = self.package_files(id, resolved, integrity)?;
        modernise(&mut contents);
        Ok(contents)
    }
}

/// A shrinkwrap of version 1 inside a package, given the `packages` of the later versions.
fn modernise(contents: &mut Contents) {
    let manifest = contents.iter().find(|(path, _)| path == "package.json");
    let manifest = manifest.and_then(|(_, bytes)| manifest_of(bytes));
    for (path, bytes) in contents.iter_mut() {
        if !lock::FILE_NAMES.contains(&path.as_str()) {
            continue;
        }
        let Ok(lock) = lock::parse_for(bytes.clone(), path, || manifest.clone()) else {
            continue;
        };
        if lock.loaded_from_v1 {
            let packages: serde_json::Map<_, _> = lock
                .packages
                .into_iter()
                .map(|(location, entry)| (location, entry.into()))
                .collect();
            *bytes = serde_json::json!({ "packages": packages })
                .to_string()
                .into_bytes();
        }
    }
}

fn manifest_of(bytes: &[u8]) -> Option<Manifest> {
    let serde_json::Value::Object(fields) = json::parse(bytes).ok()?.value else {
        return None;
    };
    let mut manifest = Manifest { fields };
    manifest.normalize(Origin::Disk);
    Some(manifest)
}

fn registry_manifest(registry: &Registry, name: &str, spec: &Spec) -> Result<Fetched, LoadFailure> {
    let packument = registry.packument(name).map_err(LoadFailure::new)?;
    let index = registry.pick(&packument, spec).map_err(LoadFailure::new)?;
    let manifest = packument.manifest(index);
    let flawed = |reason: &str| {
        LoadFailure::new(PickError::Malformed {
            id: format!("{name}@{}", packument.version_text(index)),
            reason: reason.to_owned(),
        })
    };
    let dist = |field: &str| {
        let value = manifest.object("dist")?.get(field)?;
        json::truthy(value).then_some(value)
    };
    if dist("tarball").is_some_and(|url| !url.as_str().is_some_and(is_plain_address)) {
        let reason = "its tarball is not at an http or https URL without credentials";
        return Err(flawed(reason));
    }
    let dist_text = |field: &str| dist(field).and_then(Value::as_str);
    let integrity = match dist("integrity") {
        Some(text) if text.as_str().is_some_and(Integrity::is_well_formed) => {
            dist_text("integrity").and_then(Integrity::parse)
        }
        // Such a thing is no reason to believe the weaker hash beside it.
        Some(_) => return Err(flawed("its integrity is malformed")),
        None => dist_text("shasum").and_then(Integrity::from_shasum),
    };
    Ok(Fetched {
        resolved: dist_text("tarball").map(Into::into),
        integrity: integrity.map(|integrity| integrity.to_string().into()),
        manifest,
    })
}

impl Sources<'_> {
    /// Through the store, so that the next run and the install need no second download.
    fn package_files(
        &self,
        id: &PackageId,
        resolved: &str,
        integrity: Option<&str>,
    ) -> Result<Contents, LoadFailure> {
        let integrity = integrity.and_then(Integrity::parse);
        let store = Store::open(&self.store, self.umask).map_err(LoadFailure::new)?;
        let known = integrity
            .as_ref()
            .and_then(|integrity| store.lookup(integrity));
        let package = if let Some(package) = known {
            package
        } else {
            let bytes = self.tarball(id, resolved)?;
            store
                .add(&mut store.bench(), id, &bytes, integrity.as_ref())
                .map_err(LoadFailure::new)?
        };
        let files = package.index().files();
        let contents = files.map(|file| {
            let path = file.path.to_owned();
            let bytes = is_read(&path)
                .then(|| store.read(&package, &path))
                .flatten();
            (path, bytes.unwrap_or_default())
        });
        Ok(contents.collect())
    }

    /// The bytes at `resolved`: on the disk or in the registry.
    fn tarball(&self, id: &PackageId, resolved: &str) -> Result<Vec<u8>, LoadFailure> {
        if let Some(path) = resolved.strip_prefix("file:") {
            return std::fs::read(path)
                .map_err(DiskError::at("read", Path::new(path)))
                .map_err(LoadFailure::new);
        }
        let tarball = self.registry.tarball(&id.name, resolved);
        Ok(tarball.map_err(LoadFailure::new)?.to_vec())
    }
}

/// An address that a lock may name: http or https, with nobody's password in it.
fn is_plain_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && text.contains("://")
        && !text.contains(char::is_control)
}

/// The files whose bytes the resolver looks at.
fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(
        name,
        "package.json" | "npm-shrinkwrap.json" | "package-lock.json"
    )
}

/// The manifest inside a tarball, with the hash of the tarball itself.
fn from_tarball(bytes: &[u8], resolved: &str) -> Result<Fetched, LoadFailure> {
    let (text, files) = read_manifest(bytes).map_err(|flaw| {
        LoadFailure::new(StoreError::Refused {
            id: PackageId::new(resolved, ""),
            flaw,
        })
    })?;
    let mut manifest =
        manifest_of(&text).ok_or_else(|| LoadFailure::new(NoManifest(resolved.to_owned())))?;
    if let Some(directory) = manifest.bin_directory() {
        let below = format!("{directory}/");
        let below = files.iter().filter_map(|file| file.strip_prefix(&below));
        manifest.adopt_bin_directory(below);
    }
    Ok(Fetched {
        manifest: Arc::new(manifest),
        resolved: Some(resolved.into()),
        integrity: Some(Integrity::of(bytes).to_string().into()),
    })
}

/// A folder that is to be packed and copied, as `--install-links` wants it.
fn from_folder(path: &Path) -> Result<Fetched, LoadFailure> {
    let file = manifest::read(path).map_err(LoadFailure::new)?;
    Ok(Fetched {
        manifest: Arc::new(file.manifest),
        resolved: Some(format!("file:{}", path.display()).into()),
        integrity: None,
    })
}
