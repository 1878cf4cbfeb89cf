//! An environment's packages with the facts that matter, and who requires whom.

use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHashSet};

/// One package at one place.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // facts that do not depend on each other
pub struct Side {
    /// The package's name, whatever its folder is called.
    pub name: String,
    /// The key in the lock; of a link, not of its target. `name@version` where the environment
    /// tells of no places.
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
    /// Names of its commands.
    pub bins: Vec<String>,
    /// The Node that it asks for in `engines`.
    pub node: Option<String>,
    pub license: Option<String>,
    pub deprecated: Option<String>,
    pub flags: Flags,
    /// The project or one of its workspaces requires it, or it is a workspace.
    pub direct: bool,
    /// It is required, and does not run on the target that the environment is looked at for.
    pub unfit: bool,
    /// Its optional dependencies are prebuilt binaries for one processor each.
    pub family: bool,
    /// Bytes of its files, where they are known.
    pub size: Option<u64>,
    /// A digest of the entry's other members, to see that they differ.
    pub(super) rest: u64,
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

impl Side {
    /// Members of the entry that no field here shows are the same.
    pub(super) fn same_rest(&self, other: &Self) -> bool {
        self.rest == other.rest
    }

    /// `name@version`; a link has no version that counts.
    pub fn id(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.name),
            None => self.name.clone(),
        }
    }

    fn identity(&self) -> (&str, Option<&str>, bool) {
        (&self.name, self.version.as_deref(), self.link)
    }
}

/// A dependency that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Edge {
    pub to: usize,
    /// Whoever has it does without when it is not there.
    pub soft: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub side: Side,
    pub edges: Vec<Edge>,
    /// Names in its `optionalDependencies`.
    pub optional: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    /// Names and nodes of direct dependencies.
    pub direct: Vec<(String, Edge)>,
    index: OnceLock<Index>,
}

/// Dependants by name that are looked at: an honest binary has one.
const MOST_ASKING: usize = 1000;

/// The way back along edges, made when somebody asks.
#[derive(Debug, Clone)]
struct Index {
    names: FxHashSet<String>,
    /// For each node, who reaches it.
    dependants: Vec<Vec<usize>>,
    /// Who names a package in `optionalDependencies`.
    asking: FxHashMap<String, Vec<usize>>,
}

impl Index {
    fn of(graph: &Graph) -> Self {
        let names = graph.nodes.iter().map(|node| node.side.name.clone());
        let mut index = Self {
            names: names.collect(),
            dependants: vec![Vec::new(); graph.nodes.len()],
            asking: FxHashMap::default(),
        };
        for (at, node) in graph.nodes.iter().enumerate() {
            for edge in &node.edges {
                index.dependants[edge.to].push(at);
            }
            for name in &node.optional {
                index.asking.entry(name.clone()).or_default().push(at);
            }
        }
        index
    }
}

impl Graph {
    /// Tells the nodes which of them are direct, and whose optional dependencies are binaries.
    pub fn mark(&mut self) {
        for (_, edge) in &self.direct {
            self.nodes[edge.to].side.direct = true;
        }
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            let bound = |edge: &&Edge| edge.soft && !self.nodes[edge.to].side.cpu.is_empty();
            let family = !node.optional.is_empty() && node.edges.iter().any(|edge| bound(&edge));
            self.nodes[at].side.family = family;
        }
    }

    /// Does a package whose dependency `node` is, by an edge or by name, have its namesake in
    /// `other`?
    pub fn has_dependant_in(&self, node: usize, other: &Self) -> bool {
        let index = self.index.get_or_init(|| Index::of(self));
        let names = &other.index.get_or_init(|| Index::of(other)).names;
        let optional = index.asking.get(&self.nodes[node].side.name);
        let asking = optional.into_iter().flatten().take(MOST_ASKING);
        let mut dependants = index.dependants[node].iter().chain(asking);
        dependants.any(|at| names.contains(&self.nodes[*at].side.name))
    }

    /// The nodes for which `keep` says yes; what led to others leads nowhere.
    pub fn kept(&self, keep: &[bool]) -> Self {
        let mut places = vec![None; self.nodes.len()];
        let mut nodes = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            if keep[at] {
                places[at] = Some(nodes.len());
                nodes.push(node.clone());
            }
        }
        let moved = |edge: &Edge| {
            places[edge.to].map(|to| Edge {
                to,
                soft: edge.soft,
            })
        };
        for node in &mut nodes {
            node.edges = node.edges.iter().filter_map(moved).collect();
        }
        let direct = self.direct.iter();
        let direct = direct.filter_map(|(name, edge)| Some((name.clone(), moved(edge)?)));
        Self {
            direct: direct.collect(),
            nodes,
            index: OnceLock::new(),
        }
    }

    /// The same packages, each once: the first of equal ones stands for all of them.
    pub fn without_copies(&self) -> Self {
        let mut first: FxHashMap<(&str, Option<&str>, bool), usize> = FxHashMap::default();
        let mut nodes: Vec<Node> = Vec::new();
        let mut places = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let place = *first.entry(node.side.identity()).or_insert_with(|| {
                let edges = Vec::new();
                nodes.push(Node {
                    edges,
                    ..node.clone()
                });
                nodes.len() - 1
            });
            places.push(place);
        }
        let moved = |edge: &Edge| Edge {
            to: places[edge.to],
            soft: edge.soft,
        };
        for (node, place) in self.nodes.iter().zip(&places) {
            nodes[*place].edges.extend(node.edges.iter().map(moved));
        }
        let direct = self.direct.iter();
        let direct = direct.map(|(name, edge)| (name.clone(), moved(edge)));
        let mut graph = Self {
            direct: direct.collect(),
            nodes,
            index: OnceLock::new(),
        };
        graph.mark();
        graph
    }
}
