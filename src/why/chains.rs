//! Chains from the project to a package, the shortest first, without walking all that there are.
//!
//! A chain is a way along edges that meets no package twice. There may be exponentially many, so
//! they are searched backwards from the package, always going on where the way back to the project
//! is shortest (A* with the true distances): each chain costs little more than its own length, and
//! the search ends with the limit.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::graph::Graph;
use crate::collate;

/// Steps of the search for each chain that is wanted; cycles may make it go astray.
const STEPS_PER_CHAIN: usize = 2_000;
const LEAST_STEPS: usize = 100_000;

/// Some of the chains that lead to a package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chains {
    /// Edges from the project down to the package.
    pub shown: Vec<Vec<usize>>,
    /// How many there are; `None` where cycles make that hard to tell, or beyond 2^53.
    pub total: Option<u64>,
    /// Are these all?
    pub complete: bool,
}

/// Distances from the project, by node; `None` where no way leads.
pub fn distances(graph: &Graph) -> Vec<Option<usize>> {
    let mut distances = vec![None; graph.nodes.len()];
    distances[0] = Some(0);
    let mut pending = VecDeque::from([0]);
    while let Some(node) = pending.pop_front() {
        for edge in &graph.nodes[node].edges_out {
            let to = graph.edges[*edge].to;
            if distances[to].is_none() {
                distances[to] = distances[node].map(|way| way + 1);
                pending.push_back(to);
            }
        }
    }
    distances
}

/// A way that has not reached the project yet.
struct Part {
    node: usize,
    /// The edge from `node` towards the package, and the part that begins where it ends.
    next: Option<(usize, usize)>,
    length: usize,
}

/// At most `limit` chains to `target`, the shortest first, then by names.
pub fn chains(graph: &Graph, distances: &[Option<usize>], target: usize, limit: usize) -> Chains {
    let mut found = Chains {
        total: count(graph, distances, target),
        ..Chains::default()
    };
    if distances[target].is_none() {
        found.complete = true;
        return found;
    }
    let mut parts = vec![Part {
        node: target,
        next: None,
        length: 0,
    }];
    // The shortest whole way first; of equal ones that which has less way left, then the older.
    let mut heap = BinaryHeap::from([Reverse((distances[target], distances[target], 0))]);
    let mut steps = (limit.saturating_mul(STEPS_PER_CHAIN)).max(LEAST_STEPS);
    while let Some(Reverse((_, _, part))) = heap.pop() {
        if found.shown.len() == limit || steps == 0 {
            return sorted(graph, found);
        }
        if parts[part].node == 0 {
            found.shown.push(way(&parts, part));
            continue;
        }
        for edge in dependents(graph, distances, parts[part].node) {
            let from = graph.edges[edge].from;
            let Some(rest) = distances[from].filter(|_| !meets(&parts, part, from)) else {
                continue;
            };
            steps = steps.saturating_sub(1);
            let length = parts[part].length + 1;
            heap.push(Reverse((Some(length + rest), Some(rest), parts.len())));
            parts.push(Part {
                node: from,
                next: Some((edge, part)),
                length,
            });
        }
    }
    found.complete = true;
    sorted(graph, found)
}

/// Edges into a node, the dependents nearest to the project first, then by name.
fn dependents(graph: &Graph, distances: &[Option<usize>], node: usize) -> Vec<usize> {
    let mut edges = graph.nodes[node].edges_in.clone();
    edges.sort_by(|a, b| {
        let from = |edge: &usize| graph.edges[*edge].from;
        let (a, b) = (from(a), from(b));
        let names = (&graph.nodes[a].location, &graph.nodes[b].location);
        (distances[a].cmp(&distances[b])).then_with(|| collate::compare(names.0, names.1))
    });
    edges
}

fn meets(parts: &[Part], part: usize, node: usize) -> bool {
    let mut at = Some(part);
    while let Some(part) = at {
        if parts[part].node == node {
            return true;
        }
        at = parts[part].next.map(|(_, next)| next);
    }
    false
}

fn way(parts: &[Part], part: usize) -> Vec<usize> {
    let mut edges = Vec::with_capacity(parts[part].length);
    let mut at = part;
    while let Some((edge, next)) = parts[at].next {
        edges.push(edge);
        at = next;
    }
    edges
}

fn sorted(graph: &Graph, mut found: Chains) -> Chains {
    let names = |chain: &Vec<usize>| {
        let names = chain
            .iter()
            .map(|edge| &graph.nodes[graph.edges[*edge].to].location);
        names.cloned().collect::<Vec<String>>()
    };
    found
        .shown
        .sort_by_cached_key(|chain| (chain.len(), names(chain)));
    found
}

/// The number of ways to `target`, where no cycle lies on any of them.
fn count(graph: &Graph, distances: &[Option<usize>], target: usize) -> Option<u64> {
    const MOST: u64 = 1 << 53;
    // Only what the project reaches and what leads to the package counts.
    let mut counts = vec![false; graph.nodes.len()];
    let mut pending = vec![target];
    while let Some(node) = pending.pop() {
        if distances[node].is_none() || std::mem::replace(&mut counts[node], true) {
            continue;
        }
        let edges = graph.nodes[node].edges_in.iter();
        pending.extend(edges.map(|edge| graph.edges[*edge].from));
    }
    // A chain ends at the package and begins at the project: edges beyond do not count.
    let leads = |edge: &&usize| {
        let edge = &graph.edges[**edge];
        counts[edge.from] && counts[edge.to] && edge.from != target && edge.to != 0
    };
    let mut open: Vec<usize> = (0..graph.nodes.len())
        .map(|node| graph.nodes[node].edges_in.iter().filter(leads).count())
        .collect();
    let mut ways = vec![0u64; graph.nodes.len()];
    ways[0] = 1;
    let nodes = (0..graph.nodes.len()).filter(|node| counts[*node]);
    let mut rest = nodes.clone().count();
    let mut ready: Vec<usize> = nodes.filter(|node| open[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        rest -= 1;
        for edge in graph.nodes[node].edges_out.iter().filter(leads) {
            let to = graph.edges[*edge].to;
            ways[to] = ways[to].saturating_add(ways[node]);
            open[to] -= 1;
            if open[to] == 0 {
                ready.push(to);
            }
        }
    }
    (rest == 0 && ways[target] < MOST).then_some(ways[target])
}
