//! Holds a locked tree against the manifests it was locked for, without resolving anything.

use std::cell::LazyCell;

use rustc_hash::FxHashSet;

use super::node::{EdgeId, NodeId, State};
use super::overrides::OverrideError;
use super::package::Kind;
use super::tree::Tree;
use super::{ResolveError, explain};

/// A demand that the lock does not meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disagreement {
    /// One line, in the words of `npm ci`.
    pub text: String,
    /// Where the project itself or a workspace asks for it.
    pub demand: Option<Demand>,
    /// It is only that an optional dependency has no entry, at a place where `npm ci` does not look.
    pub overlooked: Option<EdgeId>,
}

/// A dependency as written in a manifest of the project's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Demand {
    /// The folder of the manifest, relative to the project: empty, or a workspace's.
    pub location: String,
    pub section: &'static str,
    pub name: String,
    pub spec: String,
    /// Does `overrides` replace the spec?
    pub overridden: bool,
}

/// Where the lock does not give what package.json, or a locked package, asks for. Empty when the lock can be installed as it is.
///
/// - Peer conflicts below the project's own dependencies are none: a lock may hold them on purpose.
/// - What a package's bundle lacks is its author's business: it comes as it was published.
/// - `complete`: an optional dependency without an entry is missing, too. Nothing in the lock says
///   that it may be skipped here, and it could be the native binary that the package needs.
pub fn disagreements(tree: &Tree, complete: bool) -> Result<Vec<Disagreement>, ResolveError> {
    let mut lines = Vec::new();
    // Only who lacks something has to know.
    let examined = LazyCell::new(|| examined(tree));
    let mut seen: FxHashSet<NodeId> = FxHashSet::default();
    let mut pending = vec![tree.root];
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        if tree.is_link(id) {
            let target = tree.target(id);
            pending.extend(target.filter(|target| tree.is_descendant_of(*target, tree.root)));
            continue;
        }
        for edge in tree.node(id).edges_out.values() {
            pending.extend(tree.edge(*edge).to);
            if id == tree.root {
                assert_not_overridden(tree, *edge)?;
            }
            let text = disagreement(tree, id, *edge, complete);
            let data = tree.edge(*edge);
            let is_vacant = data.to.is_none() && data.kind == Kind::Optional;
            lines.extend(text.map(|text| Disagreement {
                text,
                demand: demand(tree, id, *edge),
                overlooked: (is_vacant && !examined.contains(&id)).then_some(*edge),
            }));
        }
    }
    lines.sort();
    lines.dedup();
    Ok(lines)
}

/// The nodes whose edges `npm ci` holds against the lock: what the project reaches without passing
/// through a link, and what links that stand in one of the project's own manifests lead to. What is
/// needed by a workspace's dependencies alone is not among them.
fn examined(tree: &Tree) -> FxHashSet<NodeId> {
    let mut found: FxHashSet<NodeId> = FxHashSet::default();
    let mut pending = vec![tree.root];
    while let Some(id) = pending.pop() {
        if found.insert(id) && !tree.is_link(id) {
            let edges = tree.node(id).edges_out.values();
            pending.extend(edges.filter_map(|edge| tree.edge(*edge).to));
        }
    }
    let mut pending = vec![tree.root];
    while let Some(id) = pending.pop() {
        let edges = tree.node(id).edges_out.values();
        for to in edges.filter_map(|edge| tree.edge(*edge).to) {
            let target = tree.target(to).filter(|_| tree.is_link(to));
            pending.extend(target.filter(|target| found.insert(*target)));
        }
    }
    found
}

fn disagreement(tree: &Tree, id: NodeId, edge: EdgeId, complete: bool) -> Option<String> {
    let data = tree.edge(edge);
    let state = match data.to {
        None if complete && data.kind == Kind::Optional => State::Missing,
        _ => tree.state(edge),
    };
    let wanted = tree.spec_text(edge).unwrap_or_default();
    let wanted = format!("{}@{wanted}", tree.edge_name(edge));
    let by = if tree.is_mine(id) {
        String::new()
    } else {
        format!(" (asked for by {})", explain::package(tree, id))
    };
    match state {
        State::Valid => None,
        _ if tree.in_dependency_bundle(id) || tree.in_shrinkwrap(id) => None,
        _ if tree.node(id).package.bundled.contains(&data.name) && !tree.is_mine(id) => None,
        State::Missing => Some(format!("Missing: {wanted} from lock file{by}")),
        _ if data.kind.is_peer() && !tree.is_mine(id) => None,
        _ => {
            let locked = data
                .to
                .map_or_else(String::new, |to| explain::package(tree, to));
            Some(format!(
                "Invalid: lock file's {locked} does not satisfy {wanted}{by}"
            ))
        }
    }
}

fn demand(tree: &Tree, id: NodeId, edge: EdgeId) -> Option<Demand> {
    let data = tree.edge(edge);
    let section = match data.kind {
        Kind::Workspace => return None,
        Kind::Prod => "dependencies",
        Kind::Dev => "devDependencies",
        Kind::Optional => "optionalDependencies",
        Kind::Peer | Kind::PeerOptional => "peerDependencies",
    };
    let raw = tree.specs.text(data.raw_spec);
    let spec = tree.spec_text(edge).ok()?;
    tree.is_mine(id).then(|| Demand {
        location: tree.node(id).location.to_string(),
        section,
        name: tree.edge_name(edge).to_owned(),
        overridden: spec != *raw,
        spec: raw.to_string(),
    })
}

/// An override may not contradict the project's own dependency.
pub fn assert_not_overridden(tree: &Tree, edge: EdgeId) -> Result<(), ResolveError> {
    let raw = tree.specs.text(tree.edge(edge).raw_spec);
    let spec = tree.spec_text(edge)?;
    if spec == *raw || spec.starts_with('$') {
        return Ok(());
    }
    Err(OverrideError::Direct {
        name: tree.edge_name(edge).to_owned(),
        spec: raw.to_string(),
    }
    .into())
}
