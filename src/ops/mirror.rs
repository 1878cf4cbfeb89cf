//! `mirror`: a folder registry with everything that a lock installs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::locked::{self, LockedError};
use super::session::Session;
use crate::disk::{self, DiskError};
use crate::integrity::{Algorithm, Integrity};
use crate::json as text;
use crate::lock::{self, LockError};
use crate::name::{PackageId, PackageName};
use crate::npmrc::format_date;
use crate::registry::{self, Packument, Registry, RegistryError, Tarball, TarballRequest};
use crate::resolve::{NodeId, Omit, Options, ResolveError, Tree};
use crate::spec::{self, Mode, parse_version};
use crate::store::{self, Store, StoreError};

#[derive(Debug, Clone)]
pub struct MirrorRequest {
    /// Where to; made if it is not there.
    pub folder: PathBuf,
    /// The lock's file in the project; `None`: the one that counts.
    pub lock: Option<String>,
    pub omit: Omit,
}

#[derive(Debug, Clone, Default)]
pub struct MirrorOutcome {
    /// Packages that are in the folder now.
    pub packages: usize,
    /// Of these, fetched in this run.
    pub fetched: usize,
    /// Of these, in the folder before.
    pub present: usize,
    /// Bytes written as tarballs.
    pub bytes: u64,
    /// What is not in the folder, and why: `name@version` and a clause.
    pub left_out: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error(transparent)]
    Locked(#[from] LockedError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Brings the folder up to the lock.
///
/// - Every tarball is held against the lock's hash, what is in the folder already too; files are
///   written whole or not at all, so a run that was ended is simply repeated.
/// - Packuments have the locked versions only, besides those that were in the folder before.
/// - Errors: a tarball that is not what the lock promises; a registry that does not answer.
pub fn mirror(session: &Session, request: &MirrorRequest) -> Result<MirrorOutcome, MirrorError> {
    let project = locked::read(session, request.lock.as_deref())?;
    lock::check(&project.lock)?;
    let tree = project.tree?;
    let mut outcome = MirrorOutcome::default();
    let asked = asked(&tree, request.omit, &mut outcome);
    let registry = session.registry(&Options::new(session.host.clone()))?;
    for id in asked.keys() {
        registry.prefetch(&id.name, &id.version);
    }
    let work = Work {
        folder: &request.folder,
        registry: &registry,
        store: Store::open(&session.store, session.umask())?,
    };
    let wants = work.wants(&asked, &mut outcome)?;
    work.tarballs(&wants, &mut outcome)?;
    work.packuments(&wants)?;
    registry.finish();
    outcome.packages = wants.len();
    Ok(outcome)
}

/// What an entry says of a registry package: its address and its hash.
type Said = (Option<String>, Option<Integrity>);

/// The registry packages of a tree; others are noted as left out.
fn asked(tree: &Tree, omit: Omit, outcome: &mut MirrorOutcome) -> BTreeMap<PackageId, Said> {
    let mut asked: BTreeMap<PackageId, Said> = BTreeMap::new();
    for id in tree.inventory(tree.root) {
        let node = tree.node(id);
        let in_modules = node.parent.is_some() && !tree.is_link(id);
        let installed = !node.flags.extraneous && !omit.covers(node.flags);
        if !in_modules || !installed || tree.in_dependency_bundle(id) {
            continue;
        }
        let name = node.package.manifest.name();
        let name = name.unwrap_or_else(|| tree.name_text(id));
        let package = PackageId::new(name, tree.version_text(id));
        let resolved = node.resolved.as_deref().filter(|text| !text.is_empty());
        match elsewhere(tree, id, resolved) {
            Some("") => {}
            Some(why) => outcome.left_out.push((package.to_string(), why.to_owned())),
            None => {
                let integrity = node.integrity.as_deref().and_then(Integrity::parse);
                let said = asked.entry(package).or_default();
                said.0 = said.0.take().or_else(|| resolved.map(str::to_owned));
                said.1 = said.1.take().or(integrity);
            }
        }
    }
    outcome.left_out.sort();
    outcome.left_out.dedup();
    asked
}

/// Why no registry has the package; empty where the project itself has it.
fn elsewhere(tree: &Tree, id: NodeId, resolved: Option<&str>) -> Option<&'static str> {
    let resolved = resolved.unwrap_or_default();
    if resolved.starts_with("file:") {
        return Some("");
    }
    if resolved.starts_with("git") || resolved.contains('#') {
        return Some("it comes from a git repository");
    }
    let edges = &tree.node(id).edges_in;
    let from_registry = edges.is_empty() || edges.iter().any(|edge| tree.asks_registry(*edge));
    (!from_registry).then_some("it comes from an address that is no registry's")
}

/// One version to be in the folder.
struct Want {
    id: PackageId,
    url: String,
    integrity: Integrity,
    path: PathBuf,
    manifest: Map<String, Value>,
    time: Option<i64>,
}

struct Work<'a> {
    folder: &'a Path,
    registry: &'a Registry,
    store: Store,
}

impl Work<'_> {
    fn wants(
        &self,
        asked: &BTreeMap<PackageId, Said>,
        outcome: &mut MirrorOutcome,
    ) -> Result<Vec<Want>, MirrorError> {
        let mut wants = Vec::new();
        for (id, said) in asked {
            let packument = self.registry.packument(&id.name)?;
            match self.want(id, said, &packument) {
                Ok(want) => wants.push(want),
                Err(why) => outcome.left_out.push((id.to_string(), why.to_owned())),
            }
        }
        Ok(wants)
    }

    fn want(
        &self,
        id: &PackageId,
        said: &Said,
        packument: &Packument,
    ) -> Result<Want, &'static str> {
        let index = packument.find(&id.version);
        let index = index.ok_or("the registry does not have this version")?;
        let manifest = packument.checked_manifest(index);
        let manifest = manifest.map_err(|_| "the registry's entry for it is malformed")?;
        let dist = |member: &str| manifest.object("dist")?.get(member)?.as_str();
        let url = said
            .0
            .clone()
            .or_else(|| dist("tarball").map(str::to_owned));
        let url = url.ok_or("neither lock nor registry say where its tarball is")?;
        let stated = || dist("integrity").and_then(Integrity::parse);
        let integrity = said.1.clone().or_else(stated);
        let integrity = integrity.filter(|one| one.strongest() == Algorithm::Sha512);
        let integrity = integrity.ok_or("there is no sha512 of it")?;
        let path = PackageName::parse(&id.name)
            .ok()
            .and_then(|name| registry::folder_path(self.folder, name.as_str(), &url));
        Ok(Want {
            path: path.ok_or("its address does not end in /NAME/-/FILE")?,
            manifest: manifest.fields.clone(),
            time: packument.time(&id.version),
            id: id.clone(),
            url,
            integrity,
        })
    }

    /// Those of the folder are verified, those of the store copied, the others fetched.
    fn tarballs(&self, wants: &[Want], outcome: &mut MirrorOutcome) -> Result<(), MirrorError> {
        let mut missing = Vec::new();
        for (key, want) in wants.iter().enumerate() {
            let there = disk::read_if_there(&want.path)?;
            if there.is_some_and(|bytes| want.integrity.matches(&bytes)) {
                outcome.present += 1;
                continue;
            }
            let stored = self.store.lookup(&want.integrity);
            let sealed = stored.and_then(|package| self.store.tarball(package.sha512()));
            match sealed {
                Some(bytes) => put(want, &bytes, outcome)?,
                None => missing.push(TarballRequest {
                    key: key as u32,
                    name: want.id.name.to_string(),
                    url: want.url.clone(),
                    size_hint: None,
                }),
            }
        }
        let answers = self.registry.tarballs(missing);
        while let Some((key, answer)) = answers.next() {
            let Some(want) = wants.get(key as usize) else {
                continue;
            };
            let bytes = answer.map(Tarball::into_bytes)?;
            store::verify(&want.id, &bytes, Some(&want.integrity))?;
            put(want, &bytes, outcome)?;
            outcome.fetched += 1;
        }
        Ok(())
    }

    fn packuments(&self, wants: &[Want]) -> Result<(), MirrorError> {
        for wants in wants.chunk_by(|a, b| a.id.name == b.id.name) {
            let name = &wants[0].id.name;
            let packument = self.registry.packument(name)?;
            let path = self.folder.join(&**name).join("packument.json");
            let former = disk::read_if_there(&path)?;
            let document = document(wants, &packument, former.as_deref());
            let text = format!("{document:#}\n");
            lock::write_if_changed(&path, &text, former.as_deref())?;
        }
        Ok(())
    }
}

fn put(want: &Want, bytes: &[u8], outcome: &mut MirrorOutcome) -> Result<(), MirrorError> {
    if let Some(folder) = want.path.parent() {
        std::fs::create_dir_all(folder).map_err(DiskError::at("make", folder))?;
    }
    disk::write_atomically(&want.path, bytes)?;
    outcome.bytes += bytes.len() as u64;
    Ok(())
}

/// A packument of the versions of `wants` and those that the folder had before. A tag stays where
/// its version is there; `latest` is else the highest that is.
fn document(wants: &[Want], packument: &Packument, former: Option<&[u8]>) -> Value {
    let former = former.and_then(|bytes| text::parse(bytes).ok());
    let former = former.map(|document| document.value).unwrap_or_default();
    let kept = |member: &str| former.get(member).and_then(Value::as_object).cloned();
    let mut versions = kept("versions").unwrap_or_default();
    let mut times = kept("time").unwrap_or_default();
    for want in wants {
        let version = &*want.id.version;
        versions.insert(version.to_owned(), want.manifest.clone().into());
        if let Some(time) = want.time {
            times.insert(version.to_owned(), format_date(time).into());
        }
    }
    let mut tags = kept("dist-tags").unwrap_or_default();
    for (tag, version) in packument.dist_tags() {
        if versions.contains_key(version) {
            tags.insert(tag.to_owned(), version.into());
        }
    }
    let mut order: Vec<String> = versions.keys().cloned().collect();
    order.sort_by_cached_key(|text| Ranked(parse_version(text, Mode::Loose)));
    let stable = |text: &&String| {
        parse_version(text, Mode::Loose).is_some_and(|version| version.pre.is_empty())
    };
    let highest = order.iter().rev().find(stable).or(order.last()).cloned();
    let latest = tags.get("latest").and_then(Value::as_str);
    let known = packument
        .dist_tag("latest")
        .is_some_and(|version| versions.contains_key(version));
    if let Some(highest) = highest.filter(|_| latest.is_none() || !known) {
        tags.insert("latest".to_owned(), highest.into());
    }
    tags.sort_keys();
    times.sort_keys();
    let mut sorted = Map::new();
    for version in order {
        if let Some(manifest) = versions.get(&version) {
            sorted.insert(version, manifest.clone());
        }
    }
    json!({ "name": packument.name(), "dist-tags": tags, "time": times, "versions": sorted })
}

/// Versions in their own order; what is none comes first.
#[derive(PartialEq, Eq)]
struct Ranked(Option<semver::Version>);

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => spec::compare(one, other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        }
    }
}
