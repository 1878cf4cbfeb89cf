//! Says in a few lines why packages do not go together.

use std::path::Path;

use super::error::{PeerConflict, ResolveError};
use super::node::{EdgeId, NodeId};
use super::paths;
use super::tree::Tree;

/// `name@version`; the project itself when it has no better name.
pub fn package(tree: &Tree, id: NodeId) -> String {
    let of = tree.node(id).source.unwrap_or(id);
    let node = tree.node(of);
    let own_name = node.package.manifest.name();
    let name = if tree.is_top(of) {
        own_name.unwrap_or("the project").to_owned()
    } else {
        let folder = tree.name_text(of);
        match own_name {
            Some(real) if real != folder => format!("{folder} ({real})"),
            _ => folder.to_owned(),
        }
    };
    match tree.version_text(of) {
        "" => name,
        version => format!("{name}@{version}"),
    }
}

/// `peer react@"^16.0.0" from a@1.0.0`.
pub fn edge(tree: &Tree, id: EdgeId) -> String {
    let data = tree.edge(id);
    let spec = tree.spec_text(id).unwrap_or_default();
    let kind = match data.kind.word() {
        "prod" => String::new(),
        "peerOptional" => "optional peer ".to_owned(),
        word => format!("{word} "),
    };
    let from = data
        .from
        .map_or_else(|| "nobody".to_owned(), |from| package(tree, from));
    format!("{kind}{}@\"{spec}\" from {from}", tree.edge_name(id))
}

/// The way from the project to `id`, nearest way first found: `app@1 › a@2 › b@3`.
pub fn chain(tree: &Tree, id: NodeId) -> Vec<String> {
    let mut way = Vec::new();
    let mut seen = rustc_hash::FxHashSet::default();
    let mut at = Some(tree.node(id).source.unwrap_or(id));
    while let Some(node) = at.filter(|node| seen.insert(*node)) {
        way.push(package(tree, node));
        let up = tree
            .node(node)
            .edges_in
            .iter()
            .copied()
            .chain(links_in(tree, node))
            .filter_map(|edge| tree.edge(edge).from)
            .min_by_key(|from| tree.depth(*from));
        at = up.map(|up| tree.node(up).source.unwrap_or(up));
    }
    way.reverse();
    way
}

fn links_in(tree: &Tree, node: NodeId) -> impl Iterator<Item = EdgeId> + '_ {
    let links = tree.node(node).links_in.iter();
    links.flat_map(|link| tree.node(*link).edges_in.iter().copied())
}

/// What is there now, and who wants it.
fn found(tree: &Tree, id: NodeId) -> Vec<String> {
    let location = &tree.node(id).location;
    let mut lines = vec![if location.is_empty() {
        package(tree, id)
    } else {
        format!("{} at {location}", package(tree, id))
    }];
    let wants = tree.node(id).edges_in.iter();
    let mut wants: Vec<String> = wants
        .filter(|edge| tree.is_valid(**edge))
        .map(|id| edge(tree, *id))
        .collect();
    wants.dedup();
    let more = wants.len().saturating_sub(4);
    lines.extend(
        wants
            .into_iter()
            .take(4)
            .map(|want| format!("  for {want}")),
    );
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// The failing demand and the way to it.
fn wanted(tree: &Tree, id: EdgeId) -> Vec<String> {
    let mut lines = vec![edge(tree, id)];
    if let Some(from) = tree.edge(id).from {
        let way = chain(tree, from);
        if way.len() > 1 {
            lines.push(format!("  by way of {}", way.join(" › ")));
        }
    }
    lines
}

fn advice(tree: &Tree, failing: EdgeId) -> Vec<String> {
    let name = tree.edge_name(failing);
    let spec = tree.spec_text(failing).unwrap_or_default();
    let root_edge = tree.edge_out(tree.root, tree.edge_key(failing));
    let root_edge = root_edge.filter(|edge| !tree.edge(*edge).kind.is_peer());
    let from = tree.edge(failing).from;
    let from = from.map_or_else(String::new, |from| package(tree, from));
    let mut advice = vec![match root_edge {
        Some(_) => format!(
            "change `{name}` in package.json to \"{spec}\", or use a version of {from} that accepts yours"
        ),
        None => format!(
            "use versions of {from} and of the other dependents that agree on `{name}`, or settle it with `overrides`"
        ),
    }];
    advice.push("or accept an incorrect tree with --force or --legacy-peer-deps".to_owned());
    advice
}

/// A conflict inside a peer set, met while it was loaded.
pub fn peer_set(tree: &Tree, failing: EdgeId, over: Option<EdgeId>) -> ResolveError {
    let from = tree.edge(failing).from.unwrap_or(tree.root);
    let current = tree.resolve(from, tree.edge_key(failing));
    let mut lines = current.map(|node| found(tree, node)).unwrap_or_default();
    if let Some(over) = over {
        let line = format!("  for {}", edge(tree, over));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    ResolveError::PeerConflict(Box::new(PeerConflict {
        heading: "unable to resolve dependency tree",
        resolving: package(tree, tree.node(from).root),
        found: lines,
        wanted: wanted(tree, failing),
        advice: advice(tree, failing),
    }))
}

/// No folder would take a package and its peers.
pub fn placement(
    tree: &Tree,
    top: (EdgeId, NodeId),
    failing: (EdgeId, NodeId),
    blocker: Option<EdgeId>,
) -> ResolveError {
    let failing = blocker.unwrap_or(failing.0);
    let top_from = tree.edge(top.0).from.unwrap_or(tree.root);
    let mut current = tree.resolve(top_from, tree.edge_key(failing));
    if current.is_none() {
        current = tree.resolve(tree.root, tree.edge_key(failing));
    }
    let mut lines = wanted(tree, failing);
    if failing != top.0 {
        lines.push(format!(
            "  needed to place {}, {}",
            package(tree, top.1),
            edge(tree, top.0)
        ));
    }
    ResolveError::PeerConflict(Box::new(PeerConflict {
        heading: "could not resolve",
        resolving: package(tree, top_from),
        found: current.map(|node| found(tree, node)).unwrap_or_default(),
        wanted: lines,
        advice: advice(tree, failing),
    }))
}

/// A conflict that was let through.
pub fn overridden(tree: &Tree, id: EdgeId, dep: NodeId) -> String {
    let from = tree.edge(id).from;
    let current = from.and_then(|from| tree.resolve(from, tree.edge_key(id)));
    let kept = current.map_or_else(|| package(tree, dep), |node| package(tree, node));
    format!("overriding peer dependency: {} gets {kept}", edge(tree, id))
}

/// File and line of a dependency that the project itself or a workspace asks for.
pub fn place(tree: &Tree, from: NodeId, name: &str, spec: &str) -> Option<String> {
    let of = tree.node(from).source.unwrap_or(from);
    if !tree.is_mine(of) {
        return None;
    }
    let folder = tree.real_path(of);
    let text = std::fs::read_to_string(Path::new(&**folder).join("package.json")).ok()?;
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let (name, spec) = (quoted(name), quoted(spec));
    let is_it = |line: &str| {
        let after = line.split_once(&*name).map(|(_, after)| after.trim_start());
        after.is_some_and(|after| after.starts_with(':') && after.contains(&*spec))
    };
    let line = text.lines().position(is_it)? + 1;
    let folder = paths::relative(tree.real_path(tree.root), folder);
    let slash = if folder.is_empty() { "" } else { "/" };
    Some(format!("`{folder}{slash}package.json`, line {line}"))
}
