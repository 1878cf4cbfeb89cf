//! How each node is needed: dev, optional, peer, extraneous. Source: npm's `calc-dep-flags.js`.

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use super::node::{Flags, NodeId};
use super::package::Kind;
use super::tree::Tree;

impl Tree {
    /// Everything but the root counts as not needed until edges say otherwise.
    pub fn reset_flags(&mut self) {
        for id in self.inventory(self.root) {
            self.node_mut(id).flags = Flags::SET;
        }
    }

    /// Clears flags along the edges from the root until nothing changes.
    pub fn compute_flags(&mut self) {
        let root = self.root;
        self.node_mut(root).flags = Flags::UNSET;
        self.compute_flags_below(root);
    }

    /// Clears flags along the edges from a node whose own flags are right.
    pub fn compute_flags_below(&mut self, root: NodeId) {
        let mut seen: IndexSet<NodeId, FxBuildHasher> = IndexSet::default();
        let mut queue = vec![root];
        while let Some(id) = queue.pop() {
            seen.insert(id);
            self.clear_extraneous_above(id);
            if self.is_link(id) {
                if let Some(target) = self.target(id) {
                    let flags = self.node(id).flags;
                    let changed = self.lower(target, flags);
                    if changed || !seen.contains(&target) {
                        queue.push(target);
                    }
                }
                continue;
            }
            let flags = self.node(id).flags;
            for edge in self.out_edges(id) {
                let data = self.edge(edge);
                if let Some(to) = data.to
                    && self.lower(to, along(flags, data.kind))
                {
                    queue.push(to);
                }
            }
        }
        for id in seen.into_iter().filter(|id| *id != root) {
            let flags = &mut self.node_mut(id).flags;
            flags.dev_optional &= !flags.dev && !flags.optional;
        }
    }

    /// What holds something needed is needed.
    fn clear_extraneous_above(&mut self, id: NodeId) {
        if self.node(id).flags.extraneous {
            return;
        }
        let above: Vec<NodeId> = self.ancestry(id).skip(1).collect();
        for node in above {
            if !self.node(node).flags.extraneous {
                break;
            }
            self.node_mut(node).flags.extraneous = false;
        }
    }

    /// Clears those flags of `id` that are clear in `by`; did that change anything?
    fn lower(&mut self, id: NodeId, by: Flags) -> bool {
        let flags = &mut self.node_mut(id).flags;
        let before = *flags;
        flags.extraneous &= by.extraneous;
        flags.dev &= by.dev;
        flags.optional &= by.optional;
        flags.dev_optional &= by.dev_optional;
        flags.peer &= by.peer;
        *flags != before
    }
}

/// A node's flags as an edge of that kind passes them on.
fn along(from: Flags, kind: Kind) -> Flags {
    let (dev, optional) = (kind == Kind::Dev, kind.is_optional());
    Flags {
        extraneous: from.extraneous || kind == Kind::PeerOptional,
        dev: from.dev || dev,
        optional: from.optional || optional,
        dev_optional: from.dev_optional || from.dev || from.optional || dev || optional,
        peer: from.peer || kind.is_peer(),
    }
}
