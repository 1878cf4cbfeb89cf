//! Entries of two locks: what is known of each package, and the locations merged three-way.

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};

use super::three::Dispute;
use crate::integrity::Integrity;
use crate::json::truthy;
use crate::lock::{self, Index, Lock, Packages};
use crate::name::PackageId;
use crate::spec::{Mode, parse_version};

type Entry = Map<String, Value>;

/// What both locks know of the packages in them.
#[derive(Debug, Clone, Default)]
pub struct Known {
    by_id: FxHashMap<PackageId, Entry>,
    /// Packages that are from no registry, by the name and the spec with which they are asked for.
    by_spec: FxHashMap<(String, String), Entry>,
}

/// Members that tell of a place and not of a package.
const OF_PLACES: [&str; 8] = [
    "dev",
    "optional",
    "devOptional",
    "peer",
    "extraneous",
    "inBundle",
    "link",
    "ideallyInert",
];

impl Known {
    /// Adds the packages of a lock that are not known yet. The same version with other content is
    /// a dispute.
    pub fn learn(&mut self, lock: &Lock, disputes: &mut Vec<Dispute>) {
        if lock.loaded_from_v1 {
            return; // such entries do not repeat their manifests
        }
        for (location, entry) in &lock.packages {
            let is_bundled = entry.get("inBundle").is_some_and(truthy);
            let Some(id) = id_of(location, entry).filter(|_| !is_bundled) else {
                continue;
            };
            match self.by_id.get(&id) {
                None => {
                    self.by_id.insert(id, of_package(location, entry));
                }
                Some(known) if contradict(known, entry) => {
                    let hash = |entry: &Entry| entry.get("integrity").cloned();
                    disputes.push(Dispute {
                        path: vec!["content".to_owned(), id.to_string()],
                        base: None,
                        ours: hash(known),
                        theirs: hash(entry),
                    });
                }
                Some(_) => {}
            }
        }
        self.learn_specs(lock);
    }

    fn learn_specs(&mut self, lock: &Lock) {
        let index = Index::new(lock);
        for (location, entry) in &lock.packages {
            let maps = [
                "dependencies",
                "optionalDependencies",
                "devDependencies",
                "peerDependencies",
            ];
            let maps = maps
                .into_iter()
                .filter_map(|map| entry.get(map)?.as_object());
            for (name, spec) in maps.flatten() {
                let Some(spec) = spec.as_str().filter(|spec| is_elsewhere(spec)) else {
                    continue;
                };
                let Some(at) = index.resolve(location, name) else {
                    continue;
                };
                let (target, found) = &lock.packages[at];
                if found.contains_key("resolved") {
                    let key = (name.clone(), spec.to_owned());
                    let package = || of_package(target, found);
                    self.by_spec.entry(key).or_insert_with(package);
                }
            }
        }
    }

    pub fn version(&self, name: &str, version: &str) -> Option<&Entry> {
        self.by_id.get(&PackageId::new(name, version))
    }

    pub fn spec(&self, name: &str, spec: &str) -> Option<&Entry> {
        self.by_spec.get(&(name.to_owned(), spec.to_owned()))
    }

    /// Ids and what the locks promise of their content.
    pub fn promises(&self) -> impl Iterator<Item = (&PackageId, &str)> {
        let entries = self.by_id.iter();
        entries.filter_map(|(id, entry)| Some((id, entry.get("integrity")?.as_str()?)))
    }
}

/// A repository or an address; paths are read from the disk.
fn is_elsewhere(spec: &str) -> bool {
    spec.contains('/') && !spec.starts_with("npm:") && !spec.starts_with("file:")
}

fn id_of(location: &str, entry: &Entry) -> Option<PackageId> {
    let resolved = entry.get("resolved").and_then(Value::as_str);
    let of_registry = resolved.is_none_or(|resolved| resolved.starts_with("http"));
    let version = entry.get("version")?.as_str()?;
    let version = parse_version(version, Mode::Loose)?.to_string();
    let name = lock::package_name(location, entry);
    (of_registry && location.contains("node_modules/")).then(|| PackageId::new(name, &version))
}

fn of_package(location: &str, entry: &Entry) -> Entry {
    let mut package = entry.clone();
    package.retain(|member, _| !OF_PLACES.contains(&member.as_str()));
    let name = lock::package_name(location, entry).to_owned();
    package.insert("name".to_owned(), name.into());
    if package.shift_remove("hasShrinkwrap").is_some() {
        package.insert("_hasShrinkwrap".to_owned(), true.into());
    }
    package
}

fn contradict(one: &Entry, other: &Entry) -> bool {
    let hash = |entry: &Entry| Integrity::parse(entry.get("integrity")?.as_str()?);
    matches!((hash(one), hash(other)), (Some(one), Some(other)) if one.contradicts(&other))
}

/// The entries of both locks by location, with what either side changed; places where both put
/// different packages are left empty, to be filled by the resolver.
pub fn packages(base: &Lock, ours: &Lock, theirs: &Lock) -> Packages {
    let places =
        |lock: &'_ Lock| -> FxHashMap<String, Entry> { lock.packages.iter().cloned().collect() };
    let (o, a, b) = (places(base), places(ours), places(theirs));
    let news = theirs
        .packages
        .iter()
        .filter(|(key, _)| !a.contains_key(key));
    let locations = ours.packages.iter().chain(news).map(|(key, _)| key);
    let mut merged: Packages = Vec::new();
    for location in locations.filter(|location| !location.is_empty()) {
        let (o, a, b) = (o.get(location), a.get(location), b.get(location));
        let same = |one: Option<&Entry>, other: Option<&Entry>| match (one, other) {
            (Some(one), Some(other)) => is_same(one, other),
            (None, None) => true,
            _ => false,
        };
        let entry = match (o, a, b) {
            (_, a, b) if same(a, b) => a,
            (o, a, b) if same(b, o) => a,
            (o, a, b) if same(a, o) => b,
            (_, Some(_), Some(_)) => None,
            (_, a, b) => a.or(b),
        };
        if let Some(entry) = entry {
            merged.push((location.clone(), entry.clone()));
        }
    }
    without_orphans(merged)
}

/// The same package; flags are computed anew.
fn is_same(one: &Entry, other: &Entry) -> bool {
    let differ = |entry: &Entry, than: &Entry| {
        let mut members = entry.iter();
        members.any(|(key, value)| {
            !OF_PLACES[..5].contains(&key.as_str()) && than.get(key) != Some(value)
        })
    };
    !differ(one, other) && !differ(other, one)
}

/// Without packages whose holder is gone, and links without a target.
fn without_orphans(mut packages: Packages) -> Packages {
    packages.sort_by_key(|(location, _)| location.len());
    let all: FxHashSet<String> = packages.iter().map(|(key, _)| key.clone()).collect();
    let mut kept: FxHashSet<String> = FxHashSet::default();
    packages.retain(|(location, entry)| {
        let holder = location
            .rsplit_once("/node_modules/")
            .map(|(holder, _)| holder);
        let held = holder.is_none_or(|holder| kept.contains(holder));
        let linked = lock::link_target(entry).is_none_or(|target| all.contains(target));
        if held && linked {
            kept.insert(location.clone());
        }
        held && linked
    });
    packages
}
