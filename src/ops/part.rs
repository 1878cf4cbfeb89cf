//! Which part of a project with workspaces is installed, and what of a tree belongs to it.
//!
//! Source: Arborist's `reify.js` and `diff.js`: a part is some nodes and all that they lead to.

use rustc_hash::FxHashSet;

use crate::resolve::{Kind, NodeId, Tree};

/// npm's `--workspace`, `--workspaces` and `--include-workspace-root`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Part {
    #[default]
    Whole,
    /// What these workspaces need, by their packages' names; with `root`, also what the project
    /// itself needs.
    Workspaces { names: Vec<String>, root: bool },
    /// What the project itself needs.
    Root,
}

impl Part {
    /// The nodes of the part, the workspaces' links and folders included; `None` for the whole.
    pub fn reached(&self, tree: &Tree) -> Option<FxHashSet<NodeId>> {
        let (names, root): (&[String], bool) = match self {
            Self::Whole => return None,
            Self::Workspaces { names, root } => (names, *root),
            Self::Root => (&[], true),
        };
        let mut pending = Vec::new();
        for edge in tree.out_edges(tree.root) {
            let edge = tree.edge(edge);
            let Some(to) = edge.to else {
                continue;
            };
            let chosen = if edge.kind == Kind::Workspace {
                names.iter().any(|name| name == tree.name_text(to))
            } else {
                root
            };
            pending.extend(chosen.then_some(to));
        }
        let mut reached = FxHashSet::default();
        while let Some(id) = pending.pop() {
            if !reached.insert(id) {
                continue;
            }
            pending.extend(tree.target(id));
            let edges = tree.out_edges(id).into_iter();
            pending.extend(edges.filter_map(|edge| tree.edge(edge).to));
        }
        Some(reached)
    }
}
