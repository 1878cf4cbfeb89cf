//! Who brings a package: the direct dependencies that lead to it, and the shortest ways.

use super::graph::Graph;
use crate::collate;

/// Ways that are told of one package.
const MOST_CHAINS: usize = 3;

/// Steps after which the search ends, so that a hostile lock cannot keep it busy. Locks of 5,000
/// packages and 500 direct dependencies need a twentieth of it.
const MOST_STEPS: usize = 200_000_000;

/// How one node is reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Ways {
    /// Names of direct dependencies, sorted.
    pub via: Vec<String>,
    /// Nodes from a direct dependency to the package, both included; the shortest first.
    pub chains: Vec<Vec<usize>>,
}

/// For each of `wanted` (sorted or not, but each once), how the project reaches it.
pub(super) fn ways(graph: &Graph, wanted: &[usize]) -> Vec<Ways> {
    let mut ways = vec![Ways::default(); wanted.len()];
    let mut direct: Vec<(&str, usize)> = graph
        .direct
        .iter()
        .map(|(name, edge)| (name.as_str(), edge.to))
        .collect();
    direct.sort_by(|a, b| collate::compare(a.0, b.0).then(a.1.cmp(&b.1)));
    direct.dedup();
    let mut search = Search::new(graph);
    for (name, start) in direct {
        if search.steps > MOST_STEPS {
            break;
        }
        search.run(start);
        search.steps += wanted.len();
        for (way, node) in ways.iter_mut().zip(wanted) {
            let Some(distance) = search.distance(*node) else {
                continue;
            };
            if way.via.last().is_none_or(|last| last != name) {
                way.via.push(name.to_owned());
            }
            let is_short = |way: &Ways| {
                way.chains.len() < MOST_CHAINS
                    || way.chains.last().is_some_and(|last| last.len() > distance)
            };
            if is_short(way) {
                way.chains.push(search.chain(*node));
                way.chains.sort_by_key(Vec::len);
                way.chains.truncate(MOST_CHAINS);
            }
        }
    }
    ways
}

/// Breadth first from one node; memory is used again for the next.
struct Search<'a> {
    graph: &'a Graph,
    round: u32,
    /// Round in which a node was last reached, its distance then, and from where.
    seen: Vec<(u32, u32, u32)>,
    queue: Vec<usize>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            round: 0,
            seen: vec![(0, 0, 0); graph.nodes.len()],
            queue: Vec::new(),
            steps: 0,
        }
    }

    fn run(&mut self, start: usize) {
        self.round += 1;
        self.queue.clear();
        self.queue.push(start);
        self.seen[start] = (self.round, 1, start as u32);
        let mut next = 0;
        while let Some(node) = self.queue.get(next).copied() {
            next += 1;
            let distance = self.seen[node].1 + 1;
            for edge in &self.graph.nodes[node].edges {
                self.steps += 1;
                if self.seen[edge.to].0 != self.round {
                    self.seen[edge.to] = (self.round, distance, node as u32);
                    self.queue.push(edge.to);
                }
            }
        }
    }

    /// Nodes on the way, both ends included.
    fn distance(&self, node: usize) -> Option<usize> {
        let (round, distance, _) = self.seen[node];
        (round == self.round).then_some(distance as usize)
    }

    fn chain(&self, node: usize) -> Vec<usize> {
        let mut chain = vec![node];
        let mut at = node;
        while self.seen[at].1 > 1 {
            at = self.seen[at].2 as usize;
            chain.push(at);
        }
        chain.reverse();
        chain
    }
}
