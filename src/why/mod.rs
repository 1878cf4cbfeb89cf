//! The chains that require a package, and why each copy of it sits where it sits.
//!
//! A lock is read into a [`Graph`]: packages and the edges along which they find each other, as
//! node would. For every copy that is asked for, [`chains`] tells ways from the project down to it,
//! the shortest first, and [`place`] what keeps it from lying further up.

pub mod chains;
pub mod graph;
pub mod json;
pub mod place;

pub use crate::resolve::Kind;
pub use chains::Chains;
pub use graph::Graph;
pub use place::Reason;

use crate::collate;
use crate::lock::{Lock, check_key};
use crate::name::PackageName;
use crate::spec::{Mode, Prerelease, Range, parse_version};

/// Which packages are meant: `NAME`, `NAME@RANGE`, or a location such as `node_modules/a`.
#[derive(Debug, Clone)]
pub struct Query {
    pub text: String,
    name: String,
    range: Option<Range>,
}

/// A text that names no package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{text:?} {why}")]
#[diagnostic(
    code(EUSAGE),
    help("write NAME, NAME@RANGE, or a location such as node_modules/a/node_modules/b")
)]
pub struct QueryError {
    pub text: String,
    pub why: &'static str,
}

impl Query {
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let wrong = |why| QueryError {
            text: text.to_owned(),
            why,
        };
        let (name, range) = match text.char_indices().skip(1).find(|(_, c)| *c == '@') {
            Some((at, _)) if !text.contains("node_modules/") => (&text[..at], &text[at + 1..]),
            _ => (text.trim_end_matches('/'), ""),
        };
        let is_location = check_key(name).is_ok() && name.contains('/') && !name.starts_with('@');
        if !is_location && PackageName::parse(name).is_err() {
            return Err(wrong("is not a package's name"));
        }
        let range = match range {
            "" => None,
            text => Some(
                Range::parse(text, Mode::Loose).ok_or_else(|| wrong("has no range after its @"))?,
            ),
        };
        Ok(Self {
            text: text.to_owned(),
            name: name.to_owned(),
            range,
        })
    }

    /// Is it this package, by its own name, its folder's or its location?
    fn names(&self, graph: &Graph, node: usize) -> bool {
        let node = &graph.nodes[node];
        let is_it = node.name == self.name
            || node.folder == self.name
            || node.location == self.name
            || node.links.contains(&self.name);
        let fits = self.range.as_ref().is_none_or(|range| {
            let version = parse_version(&node.version, Mode::Loose);
            version.is_some_and(|version| {
                range.is_any() || range.satisfies(&version, Prerelease::Include)
            })
        });
        is_it && fits
    }
}

/// What is known about one copy of a package.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Its node in [`Why::graph`].
    pub node: usize,
    pub reason: Reason,
    pub chains: Chains,
    /// Packages that require it, the project included.
    pub dependents: Vec<usize>,
    /// Of these, how many are the last of no chain that is shown.
    pub unseen: Vec<usize>,
}

/// The answer to a query.
#[derive(Debug, Clone)]
pub struct Why {
    pub graph: Graph,
    /// By location; empty when the lock has no such package.
    pub copies: Vec<Explained>,
    /// Of the same name, outside the range that was asked for: versions.
    pub other_versions: Vec<String>,
    /// When there is nothing: names that look alike, the likeliest first.
    pub similar: Vec<String>,
}

/// Explains each copy that `query` names, with at most `limit` chains.
pub fn explain(lock: &Lock, query: &Query, limit: usize) -> Why {
    let graph = Graph::of_lock(lock);
    let distances = chains::distances(&graph);
    let mut nodes: Vec<usize> = (1..graph.nodes.len())
        .filter(|node| query.names(&graph, *node))
        .collect();
    nodes.sort_by(|a, b| collate::compare(&graph.nodes[*a].location, &graph.nodes[*b].location));
    let copies: Vec<Explained> = nodes
        .into_iter()
        .map(|node| explained(&graph, &distances, node, limit))
        .collect();
    let nothing = copies.is_empty();
    let any = Query {
        range: None,
        ..query.clone()
    };
    let others = graph.nodes.iter().enumerate().skip(1);
    let mut other_versions: Vec<String> = others
        .filter(|(node, _)| nothing && any.names(&graph, *node))
        .map(|(_, node)| node.version.clone())
        .collect();
    other_versions.sort();
    other_versions.dedup();
    let similar = if nothing && other_versions.is_empty() {
        similar(&graph, &query.name)
    } else {
        Vec::new()
    };
    Why {
        graph,
        copies,
        other_versions,
        similar,
    }
}

fn explained(graph: &Graph, distances: &[Option<usize>], node: usize, limit: usize) -> Explained {
    let chains = chains::chains(graph, distances, node, limit);
    let edges = graph.nodes[node].edges_in.iter();
    let mut dependents: Vec<usize> = edges.map(|edge| graph.edges[*edge].from).collect();
    dependents.sort_by(|a, b| {
        let location = |node: usize| &graph.nodes[node].location;
        distances[*a]
            .is_none()
            .cmp(&distances[*b].is_none())
            .then_with(|| collate::compare(location(*a), location(*b)))
    });
    dependents.dedup();
    let last = |chain: &Vec<usize>| Some(graph.edges[*chain.last()?].from);
    let seen: Vec<usize> = chains.shown.iter().filter_map(last).collect();
    let unseen = dependents.iter().filter(|node| !seen.contains(node));
    Explained {
        node,
        reason: place::reason(graph, node),
        unseen: unseen.copied().collect(),
        dependents,
        chains,
    }
}

/// At most three names that are nearly `name`.
fn similar(graph: &Graph, name: &str) -> Vec<String> {
    const ALIKE: f64 = 0.82;
    let mut names: Vec<(f64, &str)> = graph
        .nodes
        .iter()
        .skip(1)
        .map(|node| (strsim::jaro_winkler(name, &node.name), node.name.as_str()))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .collect();
    names.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    names.dedup();
    let names = names.into_iter().take(3);
    names.map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests;
