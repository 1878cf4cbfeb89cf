//! Locks of yarn, pnpm and bun as graphs: packages without places.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::graph::{Edge, Flags, Graph, Node, Side};
use super::known::{Fact, Known};
use crate::foreign::{ForeignLock, Format, Origin, Package};
use crate::manifest::Manifest;

/// `package.json` of the project (at `""`) and of its workspaces, by folder.
pub type Manifests = BTreeMap<String, Manifest>;

/// What a format tells of every package; compared with another of its kind it may tell more.
pub(super) fn known(format: Format) -> Known {
    match format {
        Format::Yarn1 => Known::of(&[Fact::Sources, Fact::Integrity]),
        // Only newer ones have conditions.
        Format::Berry => Known::of(&[Fact::Direct]),
        Format::Pnpm | Format::Bun => Known::of(&[Fact::Platforms, Fact::Direct, Fact::Integrity]),
    }
}

/// The packages, and what is known of them beyond what the format tells.
pub(super) fn graph(lock: &ForeignLock, manifests: &Manifests) -> (Graph, Known) {
    let mut graph = Graph::default();
    let mut place: FxHashMap<&str, usize> = FxHashMap::default();
    let mut same: FxHashMap<(String, String), usize> = FxHashMap::default();
    for (key, package) in &lock.packages {
        // One version with different peers is one package.
        let identity = (package.name.clone(), state(package));
        let at = *same.entry(identity).or_insert_with(|| {
            graph.nodes.push(Node {
                side: side(package),
                edges: Vec::new(),
                optional: Vec::new(),
            });
            graph.nodes.len() - 1
        });
        place.insert(key, at);
    }
    for (key, package) in &lock.packages {
        let at = place[key.as_str()];
        for edge in &package.edges {
            let to = edge.to.as_ref().and_then(|to| place.get(to.as_str()));
            let Some(to) = to.copied() else { continue };
            let soft = edge.optional;
            graph.nodes[at].edges.push(Edge { to, soft });
            if soft {
                graph.nodes[at].optional.push(edge.name.clone());
            }
        }
    }
    let mut roots = Vec::new();
    let mut kinds_known = !lock.importers.is_empty();
    for importer in &lock.importers {
        let manifest = manifests.get(&importer.path);
        kinds_known &= manifest.is_some() || importer.edges.is_empty();
        for edge in &importer.edges {
            let to = edge.to.as_ref().and_then(|to| place.get(to.as_str()));
            let Some(to) = to.copied() else { continue };
            let soft = edge.optional;
            let dev = manifest.is_some_and(|manifest| is_for_development(manifest, &edge.name));
            roots.push(Root { to, soft, dev });
            graph.direct.push((edge.name.clone(), Edge { to, soft }));
        }
    }
    let mut known = Known::NOTHING;
    if graph.nodes.iter().any(|node| !node.side.os.is_empty()) {
        known = known | Known::of(&[Fact::Platforms]);
    }
    if !lock.importers.is_empty() {
        known = known | Known::of(&[Fact::Direct]);
    }
    let told = |package: &Package| package.dev.is_some();
    if kinds_known {
        flag(&mut graph, &roots);
        known = known | Known::of(&[Fact::Flags]);
    } else if !lock.packages.is_empty() && lock.packages.values().all(told) {
        known = known | Known::of(&[Fact::Flags]);
    }
    graph.mark();
    (graph, known)
}

fn is_for_development(manifest: &Manifest, name: &str) -> bool {
    let has = |field: &str| {
        let names = manifest.object(field);
        names.is_some_and(|names| names.contains_key(name))
    };
    has("devDependencies") && !has("dependencies") && !has("optionalDependencies")
}

/// The version; of what is from elsewhere also where from.
fn state(package: &Package) -> String {
    match &package.origin {
        Origin::Registry => package.version.clone(),
        Origin::Folder(place) | Origin::Elsewhere(place) => {
            format!("{} {place}", package.version)
        }
    }
}

fn side(package: &Package) -> Side {
    let version = Some(package.version.clone()).filter(|version| !version.is_empty());
    let link = matches!(package.origin, Origin::Folder(_));
    let resolved = match &package.origin {
        Origin::Registry => package.resolved.clone(),
        Origin::Folder(place) => Some(place.clone()),
        Origin::Elsewhere(place) => package.resolved.clone().or_else(|| Some(place.clone())),
    };
    Side {
        location: match &version {
            Some(version) => format!("{}@{version}", package.name),
            None => package.name.clone(),
        },
        name: package.name.clone(),
        version,
        resolved,
        link,
        integrity: package.integrity.clone(),
        os: package.os.clone(),
        cpu: package.cpu.clone(),
        libc: package.libc.clone(),
        flags: Flags {
            dev: package.dev == Some(true),
            optional: package.optional,
            ..Flags::default()
        },
        rest: u64::from(package.patched),
        ..Side::default()
    }
}

/// A dependency of the project or of a workspace.
struct Root {
    to: usize,
    soft: bool,
    dev: bool,
}

/// npm's flags: a package is `dev` when only dependencies for development lead to it, `optional`
/// when only optional ones do, `devOptional` when neither, but every way is one of both.
fn flag(graph: &mut Graph, roots: &[Root]) {
    let all = reached(graph, roots, |_| true, true);
    let in_production = reached(graph, roots, |root| !root.dev, true);
    let required = reached(graph, roots, |root| !root.soft, false);
    let both = reached(graph, roots, |root| !root.dev && !root.soft, false);
    for (at, node) in graph.nodes.iter_mut().enumerate() {
        let (dev, optional) = (!in_production[at], !required[at]);
        node.side.flags = Flags {
            dev: dev && all[at],
            optional: optional && all[at],
            dev_optional: !dev && !optional && !both[at] && all[at],
            extraneous: !all[at],
            ..Flags::default()
        };
    }
}

fn reached(graph: &Graph, roots: &[Root], from: impl Fn(&Root) -> bool, soft: bool) -> Vec<bool> {
    let mut seen = vec![false; graph.nodes.len()];
    let starts = roots.iter().filter(|root| from(root));
    let mut pending: Vec<usize> = starts.map(|root| root.to).collect();
    while let Some(at) = pending.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            let edges = graph.nodes[at].edges.iter();
            pending.extend(edges.filter(|edge| soft || !edge.soft).map(|edge| edge.to));
        }
    }
    seen
}
