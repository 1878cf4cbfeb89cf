//! What differs inside packages whose versions differ: their tarballs, by way of the store.

use std::collections::BTreeMap;

use url::Url;

use super::session::Session;
use crate::diff::contents::{self, Opened, Stored};
use crate::diff::{Change, Diff, Disk, Environment, Installed, Side};
use crate::integrity::Integrity;
use crate::name::PackageId;
use crate::npmrc::masked;
use crate::registry::{self, Registry, RegistryError, TarballRequest};
use crate::report::Event;
use crate::resolve::Options;
use crate::store::{Bench, Package, Store, StoreError};

/// Why a package cannot be looked into.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ContentsError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("its tarball is on {0}, whose host no registry setting names")]
    Host(String),
    #[error("it comes from {0}, which is not fetched for a comparison")]
    Elsewhere(String),
}

/// Looks into every change whose package `wanted` accepts, and notes what differs inside. What
/// the store lacks is fetched from the configured registries; what cannot be had is a warning.
pub fn look_inside(
    session: &Session,
    store: &Store,
    environments: (&Environment, &Environment),
    diff: &mut Diff,
    wanted: &dyn Fn(&Change) -> bool,
) -> Result<(), RegistryError> {
    let registry = session.registry(&Options::new(session.host.clone()))?;
    let shelf = Shelf {
        session,
        store,
        registry: &registry,
    };
    let disks = (environments.0.disk(), environments.1.disk());
    let mut missing: BTreeMap<String, Side> = BTreeMap::new();
    let changes = diff.changes.iter().filter(|change| wanted(change));
    for change in changes.clone() {
        let sides = [(&change.before, disks.0), (&change.after, disks.1)];
        for side in sides.into_iter().filter_map(Shelf::locked) {
            if shelf.find(side).is_none() {
                missing.insert(key(side), side.clone());
            }
        }
    }
    let failed = shelf.fetch(&missing.into_values().collect::<Vec<_>>());
    for change in diff.changes.iter_mut().filter(|change| wanted(change)) {
        let before = change.before.as_ref().map(|side| shelf.open(side, disks.0));
        let after = change.after.as_ref().map(|side| shelf.open(side, disks.1));
        if matches!(before, Some(None)) || matches!(after, Some(None)) {
            continue; // told already
        }
        let (before, after) = (before.flatten(), after.flatten());
        change.contents = Some(contents::compare(before.as_deref(), after.as_deref()));
    }
    for (id, error) in failed {
        let message = format!("`{id}` cannot be looked into: {error}");
        let code = "ECONTENTS";
        session.reporter.emit(Event::Warning { code, message });
    }
    Ok(())
}

/// Could its content differ at all? A move or another flag changes nothing inside.
pub fn may_differ_inside(change: &Change) -> bool {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        let id = |side: &Option<Side>| side.as_ref().is_some_and(|side| !side.link);
        return id(&change.before) || id(&change.after);
    };
    !before.link
        && !after.link
        && (before.version != after.version || !change.files.is_empty() || {
            let hashes = (&before.integrity, &after.integrity);
            hashes.0 != hashes.1 && hashes.0.is_some() && hashes.1.is_some()
        })
}

fn key(side: &Side) -> String {
    format!(
        "{} {}",
        side.id(),
        side.integrity.as_deref().unwrap_or_default()
    )
}

struct Shelf<'a> {
    session: &'a Session,
    store: &'a Store,
    registry: &'a Registry,
}

impl<'a> Shelf<'a> {
    /// A side whose files are not on this disk.
    fn locked<'s>((side, disk): (&'s Option<Side>, Option<&Disk>)) -> Option<&'s Side> {
        let is_here = disk.is_some_and(Disk::is_here);
        side.as_ref().filter(|side| !is_here && !side.link)
    }

    fn find(&self, side: &Side) -> Option<Package> {
        let integrity = side.integrity.as_deref().and_then(Integrity::parse);
        let name = alias(side);
        self.store.find(integrity.as_ref(), Some(&name))
    }

    fn open(&self, side: &Side, disk: Option<&'a Disk>) -> Option<Box<dyn Opened + 'a>> {
        if let Some(disk) = disk.filter(|disk| disk.is_here()) {
            return Some(Box::new(Installed::open(disk, &side.location)));
        }
        let package = self.find(side)?;
        Some(Box::new(Stored::open(self.store, package)))
    }

    /// Puts what is missing into the store; tells what could not be had, and why.
    fn fetch(&self, missing: &[Side]) -> Vec<(String, ContentsError)> {
        let mut failed = Vec::new();
        let mut requests = Vec::new();
        for (at, side) in missing.iter().enumerate() {
            match self.address(side) {
                Ok(url) => requests.push(TarballRequest {
                    key: at as u32,
                    name: side.name.clone(),
                    url,
                    size_hint: None,
                }),
                Err(error) => failed.push((side.id(), error)),
            }
        }
        let total = requests.len() as u64;
        self.session.reporter.emit(Event::PackagesWanted { total });
        let answers = self.registry.tarballs(requests);
        let mut bench = self.store.bench();
        while let Some((at, answer)) = answers.next() {
            let Some(side) = missing.get(at as usize) else {
                continue;
            };
            let kept = answer
                .map_err(ContentsError::from)
                .and_then(|tarball| self.keep(&mut bench, side, &tarball.into_bytes()));
            if let Err(error) = kept {
                failed.push((side.id(), error));
            }
        }
        failed
    }

    fn keep(&self, bench: &mut Bench, side: &Side, bytes: &[u8]) -> Result<(), ContentsError> {
        let id = PackageId::new(&side.name, side.version.as_deref().unwrap_or_default());
        let integrity = side.integrity.as_deref().and_then(Integrity::parse);
        let package = self.store.add(bench, &id, bytes, integrity.as_ref())?;
        if integrity.is_none() {
            self.store.remember(&alias(side), package.sha512());
        }
        let bytes = bytes.len() as u64;
        self.session
            .reporter
            .emit(Event::TarballStored { id, bytes });
        Ok(())
    }

    /// Where its tarball is: what the lock says, else what the registry says of the version.
    fn address(&self, side: &Side) -> Result<String, ContentsError> {
        if let Some(address) = &side.resolved {
            let elsewhere = || ContentsError::Elsewhere(masked(address));
            let url = Url::parse(address).map_err(|_| elsewhere())?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(elsewhere());
            }
            if let Some(url) = registry::foreign_host(&self.session.config, &side.name, &url) {
                let host = url.host_str().unwrap_or_default().to_owned();
                return Err(ContentsError::Host(host));
            }
            return Ok(address.clone());
        }
        let packument = self.registry.packument(&side.name)?;
        let version = side.version.as_deref().unwrap_or_default();
        let url = packument.find(version).and_then(|index| {
            let manifest = packument.manifest(index);
            Some(
                manifest
                    .object("dist")?
                    .get("tarball")?
                    .as_str()?
                    .to_owned(),
            )
        });
        let unknown = || RegistryError::NotFound {
            name: side.name.as_str().into(),
            url: side.id().into(),
        };
        Ok(url.ok_or_else(unknown)?)
    }
}

/// The name under which the store remembers a tarball that came without a hash.
fn alias(side: &Side) -> String {
    format!(
        "diff {} {}",
        side.id(),
        side.resolved.as_deref().unwrap_or_default()
    )
}
