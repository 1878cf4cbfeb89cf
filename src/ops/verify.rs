//! `verify`: the installed tree against the lock and the store, file by file.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::download::Download;
use super::git::{self, Packing};
use super::install::{InstallError, InstallRequest, locked_tree};
use super::lifecycle;
use super::session::Session;
use super::shrinkwrap;
use super::wanted::Choice;
use crate::disk;
use crate::link::{
    self, Expected, Fetch as _, FetchError, LinkError, TarballWant, Wanted, WantedPackage, state,
};
use crate::lock;
use crate::manifest;
use crate::name::PackageId;
use crate::scripts::Plan;
use crate::store::{Package, Store};
use crate::verify::{self, Report};

/// What was compared, and what was found.
#[derive(Debug)]
pub struct VerifyOutcome {
    pub report: Report,
    /// The platform that the tree was held to be for.
    pub target: String,
}

/// Holds `node_modules`, those of workspaces included, against what `request` would install.
///
/// - What the store lacks is fetched, unless the configuration says offline.
/// - Modes are held against the umask under which the tree was made, as its top folder shows it.
/// - Nothing of the project is changed.
pub fn verify(session: &Session, request: &InstallRequest) -> Result<VerifyOutcome, InstallError> {
    let request = request.aimed();
    shrinkwrap::on_a_deep_stack(|| run(session, &request))
}

fn run(session: &Session, request: &InstallRequest) -> Result<VerifyOutcome, InstallError> {
    let project = &session.project;
    let file = manifest::read(project)?;
    let manifest = Arc::new(file.manifest);
    let no_lock = || InstallError::NoLock {
        project: project.display().to_string(),
    };
    let (name, bytes) = lock::find(project, None)?.ok_or_else(no_lock)?;
    let lock = lock::parse_for(bytes, &name, || Some((*manifest).clone()))?;
    lock::check(&lock)?;
    let tree = locked_tree(session, request, &lock, &manifest)?;
    let document = file.document.unwrap_or_default();
    let policy = lifecycle::policy(session, request, &manifest);
    let choice = Choice {
        tree: &tree,
        session,
        request,
        document: &document,
        policy: &policy,
        claims_known: !lock.loaded_from_v1,
    };
    let store = Store::open(&session.store, umask_of(project, session))?;
    let record = verify::recorded(project, &store);
    let selection = choice.select(&record.left_out)?;
    let wanted = &selection.wanted;
    let packing = Packing::new(choice, &selection.candidates);
    let packages = packages(packing, wanted, &store)?;
    let find = |package: &WantedPackage| packages.get(&package.location).cloned();
    let expected = link::expect(project, wanted, &store, &find)?;
    Ok(VerifyOutcome {
        report: verify::compare(project, &expected, &record)?,
        target: request.options.optional_target.to_string(),
    })
}

/// The umask that the tree's own folder tells of, else the process's.
fn umask_of(project: &Path, session: &Session) -> u32 {
    let path = project.join("node_modules");
    match fs::symlink_metadata(&path) {
        // The mode of a mount point is somebody else's.
        Ok(metadata) if metadata.is_dir() && !link::is_mount_point(&path) => {
            0o777 & !metadata.mode()
        }
        _ => session.umask(),
    }
}

/// What the store has for each location; what it lacks is fetched first.
fn packages(
    packing: Packing<'_>,
    wanted: &Wanted,
    store: &Store,
) -> Result<BTreeMap<String, Package>, InstallError> {
    let mut found = BTreeMap::new();
    let mut missing = Vec::new();
    let own = wanted.packages.iter().filter(|package| !package.bundled);
    for package in own {
        // A git dependency may have been installed prepared or not: what the store has tells.
        let source = package.source.as_deref();
        let stored = store
            .find(package.integrity.as_ref(), source)
            .or_else(|| store.find(None, Some(&git::other_source(source?))));
        match stored {
            Some(stored) => {
                stored.check_identity(&package.id)?;
                found.insert(package.location.clone(), stored);
            }
            None => missing.push(package),
        }
    }
    if !missing.is_empty() {
        found.extend(fetched(packing, &missing, store)?);
    }
    Ok(found)
}

/// Fetches packages into the store.
fn fetched(
    packing: Packing<'_>,
    missing: &[&WantedPackage],
    store: &Store,
) -> Result<Vec<(String, Package)>, InstallError> {
    let registry = packing.session.registry(&packing.request.options)?;
    let wants: Vec<TarballWant> = missing.iter().enumerate().map(want).collect();
    let keep = |slot: usize, result: Result<Vec<u8>, FetchError>| {
        let package: &WantedPackage = missing[slot];
        let bytes = result?;
        let (mut bench, integrity) = (store.bench(), package.integrity.as_ref());
        let stored = store.add(&mut bench, &package.id, &bytes, integrity)?;
        if let Some(source) = &package.source {
            store.remember(source, stored.sha512());
        }
        Ok((package.location.clone(), stored))
    };
    let kept: Mutex<Vec<Result<_, LinkError>>> = Mutex::default();
    Download::new(&registry, packing).fetch(&wants, &|slot, result| {
        let outcome = keep(slot, result);
        let next = match outcome {
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(outcome);
        next
    });
    let kept = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(kept.into_iter().collect::<Result<_, _>>()?)
}

fn want((slot, package): (usize, &&WantedPackage)) -> TarballWant {
    TarballWant {
        slot,
        id: package.id.clone(),
        url: package.url.clone(),
        integrity: package.integrity.clone(),
        again: false,
    }
}

/// Keeps what the scripts of `plan` left in their packages' folders, for [`verify`]. Best effort:
/// without it `verify` tells of everything that they changed.
pub(super) fn remember(
    session: &Session,
    store: &Store,
    wanted: &Wanted,
    plan: &Plan,
    left_out: &[String],
) {
    let Some(path) = state::record_of(&session.project, store, verify::RECORD) else {
        return;
    };
    let packages = wanted.packages.iter().filter(|package| !package.bundled);
    let packages: BTreeMap<String, PackageId> = packages
        .map(|package| (package.location.clone(), package.id.clone()))
        .collect();
    let expected = Expected {
        packages,
        ..Expected::default()
    };
    let ran = plan.packages().iter();
    let ran = ran.map(|planned| planned.location.as_str());
    let record = verify::record(&session.project, &expected, ran);
    let mut record = record.unwrap_or_default();
    record.left_out = left_out.to_vec();
    if record.is_empty() {
        let _ = fs::remove_file(path);
    } else {
        let _ = disk::write_atomically(&path, &record.to_bytes());
    }
}
