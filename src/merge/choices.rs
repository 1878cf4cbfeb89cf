//! Which version each dependent got of what it asks for, in one lock and merged of two.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::three::{Dispute, Stand};
use crate::lock::{self, Index, Lock, Place};
use crate::name::PackageId;
use crate::resolve::{Hold, Preferences, folder_dependent};
use crate::spec::{Mode, compare, parse_version};

/// Packages and their versions: several where a dependent is there repeatedly.
type Versions = BTreeSet<(String, String)>;

/// By dependent and the name that it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices(BTreeMap<(String, String), Versions>);

const MAPS: [&str; 4] = [
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "devDependencies",
];

impl Choices {
    pub fn of(lock: &Lock) -> Self {
        let index = Index::new(lock);
        let mut choices: BTreeMap<(String, String), Versions> = BTreeMap::new();
        for (location, entry) in &lock.packages {
            if lock::link_target(entry).is_some() {
                continue;
            }
            let text = |member: &str| entry.get(member).and_then(Value::as_str);
            let is_top = lock::check_key(location) != Ok(Place::Package);
            let dependent = if is_top {
                folder_dependent(location)
            } else {
                let version = text("version").unwrap_or_default();
                PackageId::new(lock::package_name(location, entry), version).to_string()
            };
            let maps = MAPS
                .into_iter()
                .filter(|map| is_top || *map != "devDependencies");
            let names = maps.filter_map(|map| entry.get(map)?.as_object());
            for name in names.flat_map(serde_json::Map::keys) {
                let Some(at) = index.resolve(location, name) else {
                    continue;
                };
                let (target, found) = &lock.packages[at];
                if lock::check_key(target) != Ok(Place::Package) {
                    continue;
                }
                if let Some(version) = found.get("version").and_then(Value::as_str) {
                    let package = lock::package_name(target, found).to_owned();
                    let versions = choices
                        .entry((dependent.clone(), name.clone()))
                        .or_default();
                    versions.insert((package, version.to_owned()));
                }
            }
        }
        Self(choices)
    }

    /// What a side changed counts; where both moved on to different versions, the newer comes
    /// first. It is a dispute when a side went back below what both had.
    pub fn merged(
        base: &Self,
        ours: &Self,
        theirs: &Self,
        stand: Stand,
        disputes: &mut Vec<Dispute>,
    ) -> Self {
        let mut merged = BTreeMap::new();
        let keys: BTreeSet<&(String, String)> = ours.0.keys().chain(theirs.0.keys()).collect();
        for key in keys {
            let (o, a, b) = (base.0.get(key), ours.0.get(key), theirs.0.get(key));
            let chosen = match (o, a, b) {
                (_, a, b) if a == b || b == o => a.cloned(),
                (o, a, b) if a == o => b.cloned(),
                (o, Some(a), Some(b)) => {
                    let went_back = o.is_some_and(|o| is_older(a, o) || is_older(b, o));
                    if went_back {
                        disputes.push(dispute(key, o, a, b));
                        stand.of(o, Some(a), Some(b)).cloned()
                    } else {
                        Some(a | b)
                    }
                }
                (_, a, b) => a.or(b).cloned(),
            };
            if let Some(chosen) = chosen {
                merged.insert(key.clone(), chosen);
            }
        }
        Self(merged)
    }

    /// As the resolver takes them; a version that is there already will do.
    pub fn preferences(&self, file: &str) -> Preferences {
        let mut preferences = Preferences::new(file, Hold::Loose);
        for ((dependent, name), versions) in &self.0 {
            for (package, version) in versions {
                preferences.choose(dependent, name, package, version);
            }
        }
        preferences
    }
}

/// Is the newest of a side's versions older than the newest that both had?
fn is_older(side: &Versions, base: &Versions) -> bool {
    let newest = |versions: &Versions| {
        let versions = versions.iter();
        let versions = versions.filter_map(|(_, version)| parse_version(version, Mode::Loose));
        versions.max_by(compare)
    };
    match (newest(side), newest(base)) {
        (Some(side), Some(base)) => compare(&side, &base).is_lt(),
        _ => false,
    }
}

fn dispute(
    key: &(String, String),
    base: Option<&Versions>,
    ours: &Versions,
    theirs: &Versions,
) -> Dispute {
    let shown = |versions: &Versions| {
        let versions = versions.iter().map(|(_, version)| version.as_str());
        Value::from(versions.collect::<Vec<_>>().join(", "))
    };
    Dispute {
        path: vec!["locked".to_owned(), key.1.clone(), key.0.clone()],
        base: base.map(shown),
        ours: Some(shown(ours)),
        theirs: Some(shown(theirs)),
    }
}
