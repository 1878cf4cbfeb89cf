//! An environment's packages with the facts that matter, and who requires whom.

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

    /// Names of all packages that name `node` in `optionalDependencies`, or reach it.
    pub fn dependants(&self, node: usize) -> FxHashSet<&str> {
        let name = &self.nodes[node].side.name;
        let reaches = |other: &&Node| {
            other.edges.iter().any(|edge| edge.to == node) || other.optional.contains(name)
        };
        let others = self.nodes.iter().filter(reaches);
        others.map(|other| other.side.name.as_str()).collect()
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
        };
        graph.mark();
        graph
    }
}
