//! npm's locks as graphs.

use std::hash::{Hash as _, Hasher as _};

use rustc_hash::{FxHashMap, FxHasher};
use serde_json::{Map, Value};

use super::graph::{Edge, Flags, Graph, Node, Side};
use crate::json::truthy;
use crate::lock::{self, Index, Lock};

/// The packages of a lock, the project itself left out.
pub(super) fn graph(lock: &Lock) -> Graph {
    let index = Index::new(lock);
    let targets = link_targets(lock, &index);
    // A link stands for its target, so that a workspace is one package and not two.
    let mut node_at: Vec<Option<usize>> = vec![None; lock.packages.len()];
    let mut graph = Graph::default();
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
        let is_top = !lock::is_in_modules(location);
        for (name, edge) in reached(&index, location, entry, is_top) {
            let Some(to) = node_at[edge.to] else {
                continue;
            };
            let edge = Edge { to, ..edge };
            graph.nodes[node].edges.push(edge);
            if is_top {
                graph.direct.push((name.to_owned(), edge));
            }
        }
    }
    add_project(&mut graph, lock, &index, &node_at);
    graph.mark();
    graph
}

/// What the project itself requires, and its workspaces.
fn add_project(graph: &mut Graph, lock: &Lock, index: &Index, node_at: &[Option<usize>]) {
    let project = index.at("").map(|at| &lock.packages[at].1);
    if let Some(project) = project {
        for (name, edge) in reached(index, "", project, true) {
            if let Some(to) = node_at[edge.to] {
                graph.direct.push((name.to_owned(), Edge { to, ..edge }));
            }
        }
    }
    for (to, node) in graph.nodes.iter().enumerate() {
        let side = &node.side;
        let target = side.resolved.as_deref().unwrap_or_default();
        let is_workspace = side.link && side.flags == Flags::default();
        if is_workspace && !target.starts_with("..") {
            let edge = Edge { to, soft: false };
            graph.direct.push((side.name.clone(), edge));
        }
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

/// Names and places of what an entry's dependencies reach; of the project's own folders also those
/// for development.
fn reached<'a>(
    index: &Index,
    location: &str,
    entry: &'a Map<String, Value>,
    is_top: bool,
) -> Vec<(&'a str, Edge)> {
    let maps = [
        "dependencies",
        "optionalDependencies",
        "peerDependencies",
        "devDependencies",
    ];
    let mut found = Vec::new();
    for map in &maps[..if is_top { 4 } else { 3 }] {
        let names = entry.get(*map).and_then(Value::as_object);
        for name in names.into_iter().flat_map(Map::keys) {
            let soft = match *map {
                "optionalDependencies" => true,
                "peerDependencies" => is_optional_peer(entry, name),
                _ => false,
            };
            if let Some(to) = index.resolve(location, name) {
                found.push((name.as_str(), Edge { to, soft }));
            }
        }
    }
    found
}

fn is_optional_peer(entry: &Map<String, Value>, name: &str) -> bool {
    let about = entry
        .get("peerDependenciesMeta")
        .and_then(|meta| meta.get(name));
    about
        .and_then(|about| about.get("optional"))
        .is_some_and(truthy)
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
        bins: names(entry, "bin"),
        node: entry
            .get("engines")
            .and_then(|engines| engines.get("node")?.as_str())
            .map(str::to_owned),
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
        rest: rest(entry),
        ..Side::default()
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
