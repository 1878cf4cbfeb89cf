//! Why a copy sits where it sits, and not in a `node_modules` further up.

use super::graph::{Graph, allows, child, folders};

/// Dependents of a blocking copy beyond this many are counted, not named.
const MOST_NAMED: usize = 3;

/// What keeps a copy in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is the project's own folder: the project itself, a workspace, a linked folder.
    Folder,
    /// At the top, and required by the project itself.
    Direct,
    /// At the top, for dependents further down: nothing else has its name there.
    Hoisted,
    /// It came inside the tarball of the package in whose `node_modules` it lies.
    Bundled,
    /// Another version has its name further up, and these dependents need that one.
    Conflict {
        by: Copy,
        needed_by: Vec<String>,
        /// Dependents that are not named.
        more: usize,
    },
    /// Further up it would be found by a dependent whose range does not allow it.
    Shadow {
        /// What that dependent gets now.
        by: Copy,
        dependent: String,
        spec: String,
    },
    /// Further up it would meet another version of a package that is its peer.
    Peer {
        peer: String,
        range: String,
        /// What it gets here, and what it would get there.
        here: Option<Copy>,
        there: Option<Copy>,
    },
    /// The same version is further up already: one of both is not needed.
    Duplicate { by: Copy },
    /// Nothing minds: a lock keeps what is placed once.
    Kept,
}

/// A package at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub name: String,
    pub version: String,
    pub location: String,
}

impl Copy {
    fn of(graph: &Graph, node: usize) -> Self {
        let node = &graph.nodes[node];
        Self {
            name: node.name.clone(),
            version: node.version.clone(),
            location: node.location.clone(),
        }
    }
}

/// Why the copy is in this `node_modules` and not in the next one above.
pub fn reason(graph: &Graph, node: usize) -> Reason {
    let copy = &graph.nodes[node];
    let Some((parent, _)) = split(&copy.location) else {
        return Reason::Folder;
    };
    if copy.flags.contains(&"inBundle") {
        return Reason::Bundled;
    }
    let mut further_up = folders(parent).skip(1);
    let Some(above) = further_up.find(|folder| graph.at(folder).is_some()) else {
        let mut edges = copy.edges_in.iter();
        let direct = edges.any(|edge| graph.edges[*edge].from == 0);
        return if direct {
            Reason::Direct
        } else {
            Reason::Hoisted
        };
    };
    conflict(graph, node, above)
        .or_else(|| shadow(graph, node, above))
        .or_else(|| peer(graph, node, above))
        .or_else(|| duplicate(graph, node, above))
        .unwrap_or(Reason::Kept)
}

/// The folder whose `node_modules` a package lies in, and its name there.
pub fn split(location: &str) -> Option<(&str, &str)> {
    if let Some((parent, name)) = location.rsplit_once("/node_modules/") {
        return Some((parent, name));
    }
    location
        .strip_prefix("node_modules/")
        .map(|name| ("", name))
}

fn conflict(graph: &Graph, node: usize, above: &str) -> Option<Reason> {
    let copy = &graph.nodes[node];
    let other = graph.at(&child(above, &copy.folder))?;
    let is_other = &graph.nodes[other];
    if (&is_other.name, &is_other.version) == (&copy.name, &copy.version) {
        return None;
    }
    let mut needed_by: Vec<String> = Vec::new();
    for edge in &is_other.edges_in {
        let edge = &graph.edges[*edge];
        if allows(&edge.spec, &copy.version) != Some(true) {
            needed_by.push(format!("{} ({})", graph.id(edge.from), edge.spec));
        }
    }
    needed_by.dedup();
    let more = needed_by.len().saturating_sub(MOST_NAMED);
    needed_by.truncate(MOST_NAMED);
    Some(Reason::Conflict {
        by: Copy::of(graph, other),
        needed_by,
        more,
    })
}

/// Somebody below the folder above gets another copy from further up, and could not take this one.
fn shadow(graph: &Graph, node: usize, above: &str) -> Option<Reason> {
    let copy = &graph.nodes[node];
    if graph.at(&child(above, &copy.folder)).is_some() {
        return None;
    }
    let mut edges = graph.edges.iter().filter(|edge| edge.name == copy.folder);
    let edge = edges.find(|edge| {
        let from = &graph.nodes[edge.from].location;
        let looks_there = folders(from).any(|folder| folder == above);
        let to = &graph.nodes[edge.to].location;
        let finds_it_first = split(to).is_some_and(|(folder, _)| folder.len() > above.len());
        edge.to != node
            && looks_there
            && !finds_it_first
            && allows(&edge.spec, &copy.version) == Some(false)
    })?;
    Some(Reason::Shadow {
        by: Copy::of(graph, edge.to),
        dependent: graph.id(edge.from),
        spec: edge.spec.clone(),
    })
}

fn peer(graph: &Graph, node: usize, above: &str) -> Option<Reason> {
    let copy = &graph.nodes[node];
    let (parent, _) = split(&copy.location)?;
    copy.peers.iter().find_map(|(name, range)| {
        let (here, there) = (graph.resolve(parent, name), graph.resolve(above, name));
        (here.is_some() && here != there).then(|| Reason::Peer {
            peer: name.clone(),
            range: range.clone(),
            here: here.map(|node| Copy::of(graph, node)),
            there: there.map(|node| Copy::of(graph, node)),
        })
    })
}

fn duplicate(graph: &Graph, node: usize, above: &str) -> Option<Reason> {
    let copy = &graph.nodes[node];
    let other = graph.resolve(above, &copy.folder)?;
    let is_other = &graph.nodes[other];
    let same = (&is_other.name, &is_other.version) == (&copy.name, &copy.version);
    same.then(|| Reason::Duplicate {
        by: Copy::of(graph, other),
    })
}
