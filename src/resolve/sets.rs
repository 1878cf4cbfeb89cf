//! Which nodes go together, and which may stand in for each other.
//!
//! Source: npm's `gather-dep-set.js`, `peer-entry-sets.js`, `optional-set.js`,
//! `deepest-nesting-target.js`, and the comparisons of `node.js`.

use std::cmp::Ordering;

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::names::{Key, Name};
use super::node::{EdgeId, NodeId};
use super::tree::Tree;

/// Nodes in the order they were found.
pub type NodeSet = IndexSet<NodeId, FxBuildHasher>;

impl Tree {
    /// The deepest folder at or above `start` where `key` could go without lying inside a
    /// dependent that has it as a peer.
    pub fn deepest_nesting_target(&self, start: NodeId, key: Option<Key>) -> NodeId {
        let stops = |id: &NodeId| {
            if self.is_root(*id) || self.resolve_parent(*id).is_none() {
                return true;
            }
            let edge = key.and_then(|key| self.edge_out(*id, key));
            edge.is_none_or(|edge| !self.edge(edge).kind.is_peer())
        };
        self.ancestry(start).find(stops).unwrap_or(start)
    }

    /// `start`, everything it leads to by edges that pass, without those that something outside
    /// leads to by an edge that passes.
    pub fn gather(&self, start: NodeSet, passes: impl Fn(EdgeId) -> bool) -> NodeSet {
        let mut set = start;
        let mut next = 0;
        while let Some(id) = set.get_index(next).copied() {
            next += 1;
            for edge in self.node(id).edges_out.values() {
                if let Some(to) = self.edge(*edge).to
                    && passes(*edge)
                {
                    set.insert(to);
                }
            }
        }
        loop {
            let mut left = set.clone();
            for id in &set {
                let wanted_outside = self.node(*id).edges_in.iter().any(|edge| {
                    let from = self.edge(*edge).from;
                    from.is_some_and(|from| !left.contains(&from)) && passes(*edge)
                });
                if wanted_outside {
                    left.shift_remove(id);
                }
            }
            if left.len() == set.len() || left.is_empty() {
                return left;
            }
            set = left;
        }
    }

    /// The nodes that only `id` keeps in the tree, `id` included.
    pub fn exclusive_set(&self, id: NodeId) -> NodeSet {
        self.gather(NodeSet::from_iter([id]), |edge| {
            self.edge(edge).to != Some(id) && self.is_valid(edge)
        })
    }

    /// Every way into the peer sets that `id` belongs to, with the set each way brings.
    pub fn peer_entry_sets(&self, id: NodeId) -> Vec<(EdgeId, NodeSet)> {
        let mut entries: Vec<(EdgeId, NodeSet)> = Vec::new();
        for peer in self.peer_union(id) {
            let mut reach: Option<NodeSet> = None;
            for edge in &self.node(peer).edges_in {
                let from = self.edge(*edge).from;
                let enters =
                    !self.edge(*edge).kind.is_peer() || from.is_some_and(|from| self.is_top(from));
                if !enters || !self.is_valid(*edge) {
                    continue;
                }
                let set = reach.get_or_insert_with(|| self.peer_reach(peer));
                if set.contains(&id) {
                    entries.push((*edge, set.clone()));
                }
            }
        }
        entries
    }

    fn peer_union(&self, id: NodeId) -> NodeSet {
        let mut union = NodeSet::from_iter([id]);
        let mut next = 0;
        while let Some(id) = union.get_index(next).copied() {
            next += 1;
            for edge in self.node(id).edges_out.values() {
                if let Some(to) = self.valid_peer(*edge) {
                    union.insert(to);
                }
            }
            for edge in &self.node(id).edges_in {
                if self.edge(*edge).kind.is_peer() && self.is_valid(*edge) {
                    union.extend(self.edge(*edge).from);
                }
            }
        }
        union
    }

    fn peer_reach(&self, id: NodeId) -> NodeSet {
        let mut set = NodeSet::from_iter([id]);
        let mut next = 0;
        while let Some(id) = set.get_index(next).copied() {
            next += 1;
            for edge in self.node(id).edges_out.values() {
                if let Some(to) = self.valid_peer(*edge) {
                    set.insert(to);
                }
            }
        }
        set
    }

    fn valid_peer(&self, id: EdgeId) -> Option<NodeId> {
        let edge = self.edge(id);
        edge.to.filter(|_| edge.kind.is_peer() && self.is_valid(id))
    }

    /// The optional branch that falls when `id` cannot be installed.
    pub fn optional_set(&self, id: NodeId) -> NodeSet {
        let mut set = NodeSet::from_iter([id]);
        let mut next = 0;
        while let Some(id) = set.get_index(next).copied() {
            next += 1;
            for edge in &self.node(id).edges_in {
                if !self.edge(*edge).kind.is_optional() {
                    set.extend(self.edge(*edge).from);
                }
            }
        }
        let boundary = set.clone();
        self.gather(set, |edge| {
            let edge = self.edge(edge);
            edge.to.is_none_or(|to| !boundary.contains(&to))
                && edge.from.is_none_or(|from| !self.node(from).inert)
        })
    }

    /// Are two nodes the same thing?
    pub fn matches(&self, one: NodeId, other: NodeId) -> bool {
        if one == other {
            return true;
        }
        let (a, b) = (self.node(one), self.node(other));
        if a.name != b.name {
            return false;
        }
        if a.link.is_some() {
            return match (&b.link, self.target(one), self.target(other)) {
                (Some(_), Some(one), Some(other)) => self.matches(one, other),
                _ => false,
            };
        }
        if self.is_root(one) && self.is_root(other) {
            return a.path == b.path;
        }
        if let (Some(a), Some(b)) = (&a.integrity, &b.integrity) {
            return a == b;
        }
        let resolved = |id: NodeId| match &self.node(id).link {
            Some(link) => Some(link.real_path.clone()),
            None => self.node(id).resolved.clone(),
        };
        if let (Some(a), Some(b)) = (resolved(one), resolved(other)) {
            return a == b;
        }
        a.package.name.is_some()
            && a.package.name == b.package.name
            && !self.version_text(one).is_empty()
            && self.version_text(one) == self.version_text(other)
    }

    /// May `new` take `old`'s place without anyone minding, in-edges from `ignored` peers aside?
    pub fn can_replace(&self, new: NodeId, old: NodeId, ignored: &[Name]) -> bool {
        let (new_node, old_node) = (self.node(new), self.node(old));
        if new_node.name != old_node.name || new_node.package.name != old_node.package.name {
            return false;
        }
        if !old_node.edges_out.is_empty() && new_node.overrides != old_node.overrides {
            return false;
        }
        let minds = |edge: &&EdgeId| {
            let edge_data = self.edge(**edge);
            let Some(from) = edge_data.from else {
                return false;
            };
            let is_ignored = !self.is_top(old)
                && self.node(from).parent == old_node.parent
                && edge_data.kind.is_peer()
                && ignored.contains(&self.node(from).name);
            !is_ignored && !self.satisfies(new, **edge)
        };
        // The set is only needed when somebody minds.
        let mut minding = old_node.edges_in.iter().filter(minds).peekable();
        if minding.peek().is_none() {
            return true;
        }
        let exclusive = self.exclusive_set(old);
        let inside = |edge: &EdgeId| {
            let from = self.edge(*edge).from;
            from.is_some_and(|from| exclusive.contains(&from))
        };
        minding.all(inside)
    }

    /// Could everyone who depends on `id` do with what they would find if it were gone?
    pub fn can_dedupe(&self, id: NodeId, prefer_dedupe: bool, explicit: bool) -> bool {
        if self.in_dependency_bundle(id) || self.in_shrinkwrap(id) {
            return false;
        }
        let above = self
            .resolve_parent(id)
            .and_then(|up| self.resolve_parent(up));
        let Some(above) = above else { return false };
        if self.node(id).edges_in.is_empty() {
            return true;
        }
        let Some(other) = self.resolve(above, self.key_of(id)) else {
            return false;
        };
        if self.matches(other, id) {
            return true;
        }
        if !self.can_replace(other, id, &[]) {
            return false;
        }
        let order = self.compare_versions(other, id);
        prefer_dedupe
            || order == Some(Ordering::Equal)
            || (order == Some(Ordering::Greater) && !self.was_overridden(id))
            || explicit
    }

    pub fn compare_versions(&self, one: NodeId, other: NodeId) -> Option<Ordering> {
        Some(
            self.version_of(one)?
                .cmp_precedence(self.version_of(other)?),
        )
    }

    /// Is the node's version the value of an override that one of its dependents is subject to?
    pub fn was_overridden(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let rule = node.overrides.and_then(|rule| self.overrides.target(rule));
        if rule.is_none_or(|rule| rule.name != node.name) {
            return false;
        }
        node.edges_in.iter().any(|edge| {
            let edge = self.edge(*edge);
            let rule = edge.overrides.and_then(|rule| self.overrides.target(rule));
            let from = edge.from.and_then(|from| self.node(from).overrides);
            rule.is_some_and(|rule| rule.name == node.name && rule.value == self.version_text(id))
                && edge.overrides != from
        })
    }

    /// Takes `id` out, with all that only it needed.
    pub fn prune(&mut self, id: NodeId) {
        for node in self.exclusive_set(id) {
            self.detach(node);
        }
    }

    /// Names of a node's children.
    pub fn child_names(&self, id: NodeId) -> Vec<Name> {
        let children = self.node(id).children.values();
        children.map(|child| self.node(*child).name).collect()
    }

    pub fn nodes_of(set: &[NodeId]) -> FxHashSet<NodeId> {
        set.iter().copied().collect()
    }
}
