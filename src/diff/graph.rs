//! An environment's packages with the facts that matter, and who requires whom.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde_json::{Map, Value};

use crate::collate;
use crate::json::truthy;
use crate::lock::{self, Index, Lock, Place};

/// One package at one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Side {
    /// The package's name, whatever its folder is called.
    pub name: String,
    /// The key in the lock; of a link, not of its target.
    pub location: String,
    pub version: Option<String>,
    /// Where it comes from, as written; of a link, its target.
    pub resolved: Option<String>,
    pub link: bool,
    pub integrity: Option<String>,
    pub install_script: bool,
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
    pub license: Option<String>,
    pub deprecated: Option<String>,
    pub flags: Flags,
    /// The project or one of its workspaces requires it, or it is a workspace.
    pub direct: bool,
    /// A digest of the entry's other members, to see that they differ.
    rest: u64,
}

/// What the lock says about why a package is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // the lock's own words
pub struct Flags {
    pub dev: bool,
    pub optional: bool,
    pub dev_optional: bool,
    pub peer: bool,
    pub bundled: bool,
    pub extraneous: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub side: Side,
    /// The nodes that its dependencies reach.
    pub edges: Vec<usize>,
    /// Names in its `optionalDependencies`.
    pub optional: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    /// Names and nodes of direct dependencies.
    direct: Vec<(String, usize)>,
}

impl Graph {
    pub fn of_lock(lock: &Lock) -> Self {
        let index = Index::new(lock);
        let targets = link_targets(lock, &index);
        // A link stands for its target, so that a workspace is one package and not two.
        let mut node_at: Vec<Option<usize>> = vec![None; lock.packages.len()];
        let mut graph = Self::default();
        let mut origin = Vec::new();
        for (at, (location, entry)) in lock.packages.iter().enumerate() {
            if location.is_empty() || targets.contains_key(&at) {
                continue;
            }
            let target = index.follow(at);
            node_at[at] = Some(graph.nodes.len());
            node_at[target] = node_at[at]
                .filter(|_| targets.get(&target) == Some(&at))
                .or(node_at[target]);
            origin.push(target);
            graph.nodes.push(Node {
                side: side(location, entry, &lock.packages[target]),
                edges: Vec::new(),
                optional: names(&lock.packages[target].1, "optionalDependencies"),
            });
        }
        for (node, at) in origin.into_iter().enumerate() {
            let (location, entry) = &lock.packages[at];
            let found = reached(&index, location, entry);
            let is_top = lock::check_key(location) != Ok(Place::Package);
            for (name, target) in found {
                let Some(target) = node_at[target] else {
                    continue;
                };
                graph.nodes[node].edges.push(target);
                if is_top {
                    graph.direct.push((name, target));
                }
            }
        }
        graph.add_project(lock, &index, &node_at);
        graph
    }

    /// What the project itself requires, and its workspaces.
    fn add_project(&mut self, lock: &Lock, index: &Index, node_at: &[Option<usize>]) {
        let project = index.at("").map(|at| &lock.packages[at].1);
        if let Some(project) = project {
            for (name, target) in reached(index, "", project) {
                if let Some(target) = node_at[target] {
                    self.direct.push((name, target));
                }
            }
        }
        for node in 0..self.nodes.len() {
            let side = &self.nodes[node].side;
            let is_workspace = side.link && side.flags == Flags::default();
            if is_workspace
                && !side
                    .resolved
                    .as_deref()
                    .unwrap_or_default()
                    .starts_with("..")
            {
                self.direct.push((side.name.clone(), node));
            }
        }
        for (_, node) in &self.direct {
            self.nodes[*node].side.direct = true;
        }
    }

    /// For each location, the sorted names of the direct dependencies from which it is reached.
    pub fn bringers(&self) -> FxHashMap<&str, Vec<String>> {
        let mut brought: Vec<Vec<&str>> = vec![Vec::new(); self.nodes.len()];
        let mut direct: Vec<(&str, usize)> = Vec::new();
        direct.extend(
            self.direct
                .iter()
                .map(|(name, node)| (name.as_str(), *node)),
        );
        direct.sort_by(|a, b| collate::compare(a.0, b.0).then(a.1.cmp(&b.1)));
        direct.dedup();
        let mut seen = vec![usize::MAX; self.nodes.len()];
        let mut pending = Vec::new();
        for (round, (name, start)) in direct.into_iter().enumerate() {
            pending.push(start);
            while let Some(node) = pending.pop() {
                if std::mem::replace(&mut seen[node], round) == round {
                    continue;
                }
                if brought[node].last() != Some(&name) {
                    brought[node].push(name);
                }
                pending.extend(&self.nodes[node].edges);
            }
        }
        let locations = self.nodes.iter().map(|node| node.side.location.as_str());
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        locations.zip(brought.into_iter().map(owned)).collect()
    }

    /// Names of all packages that name `dependency` in `optionalDependencies`, or reach `node`.
    pub fn dependants(&self, node: usize) -> FxHashSet<&str> {
        let name = &self.nodes[node].side.name;
        self.nodes
            .iter()
            .filter(|other| other.edges.contains(&node) || other.optional.contains(name))
            .map(|other| other.side.name.as_str())
            .collect()
    }
}

/// The first link to each linked entry.
fn link_targets(lock: &Lock, index: &Index) -> FxHashMap<usize, usize> {
    let mut targets = FxHashMap::default();
    for at in 0..lock.packages.len() {
        let target = index.follow(at);
        if target != at {
            targets.entry(target).or_insert(at);
        }
    }
    targets
}

/// Names and places of what an entry's dependencies reach.
fn reached(index: &Index, location: &str, entry: &Map<String, Value>) -> Vec<(String, usize)> {
    let mut maps = vec!["dependencies", "optionalDependencies", "peerDependencies"];
    if lock::check_key(location) != Ok(Place::Package) {
        maps.push("devDependencies");
    }
    let names = maps
        .into_iter()
        .filter_map(|map| entry.get(map)?.as_object())
        .flat_map(Map::keys);
    names
        .filter_map(|name| Some((name.clone(), index.resolve(location, name)?)))
        .collect()
}

fn names(entry: &Map<String, Value>, member: &str) -> Vec<String> {
    let map = entry.get(member).and_then(Value::as_object);
    map.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Facts of the entry at `location`; of a link, those of its target.
fn side(
    location: &str,
    written: &Map<String, Value>,
    target: &(String, Map<String, Value>),
) -> Side {
    let (target_location, entry) = target;
    let link = written.get("link").is_some_and(truthy);
    let text = |member: &str| entry.get(member).and_then(Value::as_str).map(str::to_owned);
    let flag = |member: &str| entry.get(member).is_some_and(truthy);
    let named = if entry.contains_key("name") {
        target_location
    } else {
        location
    };
    Side {
        name: lock::package_name(named, entry).to_owned(),
        location: location.to_owned(),
        version: text("version"),
        resolved: if link {
            Some(target_location.clone())
        } else {
            text("resolved")
        },
        link,
        integrity: text("integrity"),
        install_script: flag("hasInstallScript"),
        os: list(entry, "os"),
        cpu: list(entry, "cpu"),
        libc: list(entry, "libc"),
        license: entry.get("license").map(shown),
        deprecated: entry
            .get("deprecated")
            .filter(|value| truthy(value))
            .map(shown),
        flags: Flags {
            dev: flag("dev"),
            optional: flag("optional"),
            dev_optional: flag("devOptional"),
            peer: flag("peer"),
            bundled: flag("inBundle"),
            extraneous: flag("extraneous"),
        },
        direct: false,
        rest: rest(entry),
    }
}

/// A list of texts, or one text.
fn list(entry: &Map<String, Value>, member: &str) -> Vec<String> {
    match entry.get(member) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            let texts = list.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A digest of what a [`Side`] does not spell out.
fn rest(entry: &Map<String, Value>) -> u64 {
    const COMPARED: [&str; 18] = [
        "name",
        "version",
        "resolved",
        "link",
        "integrity",
        "hasInstallScript",
        "os",
        "cpu",
        "libc",
        "license",
        "deprecated",
        "dev",
        "optional",
        "devOptional",
        "peer",
        "inBundle",
        "extraneous",
        "funding",
    ];
    let mut hasher = FxHasher::default();
    let mut others: Vec<_> = entry
        .iter()
        .filter(|(key, _)| !COMPARED.contains(&key.as_str()))
        .collect();
    others.sort_by_key(|(key, _)| *key);
    for (key, value) in others {
        key.hash(&mut hasher);
        hash_value(value, &mut hasher);
    }
    hasher.finish()
}

/// Equal values give equal hashes, whatever the order of their members.
fn hash_value(value: &Value, hasher: &mut FxHasher) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            for (key, value) in members {
                key.hash(hasher);
                hash_value(value, hasher);
            }
        }
        other => other.hash(hasher),
    }
}

impl Side {
    /// Members of the entry that no field here shows are the same.
    pub(super) fn same_rest(&self, other: &Self) -> bool {
        self.rest == other.rest
    }
}
