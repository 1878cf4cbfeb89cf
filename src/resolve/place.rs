//! Puts a package, and the peers that must go along, where npm would.
//!
//! A placement starts at the deepest folder that would do and climbs until the first conflict;
//! the shallowest folder before it wins. Source: npm's `place-dep.js`.

use super::check::{CheckId, Checks, Question, Verdict};
use super::error::ResolveError;
use super::explain;
use super::node::{EdgeId, NodeId};
use super::sets::NodeSet;
use super::tree::Tree;

/// How deep packages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    #[default]
    Hoisted,
    Nested,
    Shallow,
}

/// What decides about conflicts.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // npm's settings, by npm's names
pub struct Policy {
    pub force: bool,
    pub strict_peer_deps: bool,
    pub prefer_dedupe: bool,
    /// The edge was asked for by name.
    pub explicit: bool,
    /// Is a hole being filled that npm leaves? Then what is placed stays, also in a cycle.
    pub mending: bool,
    pub strategy: Strategy,
}

/// One package's placement; those of its peers follow in [`Placements`].
#[derive(Debug)]
pub struct Placement {
    pub edge: EdgeId,
    pub dep: NodeId,
    parent: Option<usize>,
    check: Option<CheckId>,
    /// The node now in the tree; `None` when nothing had to be put there.
    pub placed: Option<NodeId>,
    pub own_verdict: Verdict,
    /// Nodes whose edges have to be looked at again.
    pub needs_evaluation: Vec<NodeId>,
}

/// A placement and, after it, those of its peers in the order they were made.
#[derive(Debug, Default)]
pub struct Placements {
    pub list: Vec<Placement>,
    checks: Checks,
    mending: bool,
    /// Peer conflicts that were let through.
    pub warnings: Vec<String>,
}

impl Placements {
    /// Places `dep` for `edge`, with its peers; `redo` does so even where the edge is met.
    pub fn make(
        tree: &mut Tree,
        edge: EdgeId,
        dep: NodeId,
        policy: Policy,
        redo: bool,
    ) -> Result<Self, ResolveError> {
        let mut placements = Self {
            mending: policy.mending,
            ..Self::default()
        };
        let redo = redo || policy.explicit;
        placements.place(tree, edge, dep, None, policy, redo)?;
        Ok(placements)
    }

    fn place(
        &mut self,
        tree: &mut Tree,
        edge: EdgeId,
        dep: NodeId,
        parent: Option<usize>,
        policy: Policy,
        redo: bool,
    ) -> Result<(), ResolveError> {
        let index = self.list.len();
        self.list.push(Placement {
            edge,
            dep,
            parent,
            check: None,
            placed: None,
            own_verdict: Verdict::Conflict,
            needs_evaluation: Vec::new(),
        });
        if tree.edge(edge).to.is_some() && tree.is_valid(edge) && !redo {
            return Ok(());
        }
        let Some(check) = self.choose(tree, index, policy)? else {
            return Ok(());
        };
        let answer = self.checks.get(check);
        let (target, own) = (answer.target, answer.own_verdict.unwrap_or(answer.verdict));
        let verdict = match answer.verdict {
            Verdict::Conflict => own,
            verdict => verdict,
        };
        self.list[index].check = Some(check);
        self.list[index].own_verdict = own;
        if verdict == Verdict::Keep {
            if tree.edge(edge).kind.is_peer() && !tree.is_valid(edge) {
                self.warn(tree, edge, dep);
            }
            Self::prune_duplicates(tree, target, policy);
            return Ok(());
        }
        if self.break_cycle(tree, index, target) {
            return Ok(());
        }
        let placed = self.put(tree, index, target);
        self.list[index].placed = Some(placed);
        if tree.edge(edge).kind.is_peer() && !tree.satisfies(placed, edge) {
            self.warn(tree, edge, dep);
        }
        Self::dedupe_below(tree, edge, placed, target, policy);
        self.place_peers(tree, index, policy)
    }

    /// Climbs from the deepest folder to the first conflict. `None`: a conflict that may stand.
    fn choose(
        &mut self,
        tree: &mut Tree,
        index: usize,
        policy: Policy,
    ) -> Result<Option<CheckId>, ResolveError> {
        let (edge, dep) = (self.list[index].edge, self.list[index].dep);
        let key = tree.edge_key(edge);
        let mut choice = None;
        let mut own_choice = None;
        let mut last = None;
        let start = self.start(tree, index);
        let targets: Vec<NodeId> = tree.ancestry(start).collect();
        for target in targets {
            let target_edge = tree.edge_out(target, key);
            let is_peer = target_edge.is_some_and(|edge| tree.edge(edge).kind.is_peer());
            if is_peer && !tree.is_top(target) {
                continue;
            }
            let question = Question {
                dep,
                target,
                edge,
                parent: self.list[index]
                    .parent
                    .and_then(|parent| self.list[parent].check),
                prefer_dedupe: policy.prefer_dedupe,
                explicit: policy.explicit,
            };
            let check = self.checks.ask(tree, question);
            if self.checks.are_too_many() {
                let top = self.list[self.top(index)].edge;
                let names = [tree.edge(top).name, tree.edge(edge).name];
                let names = names.map(|name| tree.names.text(name).to_string());
                let packages = names.join(", ");
                return Err(ResolveError::Endless { packages });
            }
            last = Some(check);
            let answer = self.checks.get(check);
            if answer.own_verdict != Some(Verdict::Conflict) {
                own_choice = Some(check);
            }
            if answer.verdict == Verdict::Conflict {
                break;
            }
            choice = Some(check);
            let at_first_level = || {
                let above = tree.resolve_parent(target);
                above.is_some_and(|above| tree.is_root(above))
            };
            if tree.node(dep).failure.is_some()
                || policy.strategy == Strategy::Nested
                || (policy.strategy == Strategy::Shallow && at_first_level())
            {
                break;
            }
        }
        if choice.is_some() {
            return Ok(choice);
        }
        if !policy.force && (policy.strict_peer_deps || self.is_mine(tree, index)) {
            let blocker = own_choice.or(last).and_then(|check| self.blocker(check));
            let top = self.top(index);
            return Err(explain::placement(
                tree,
                (self.list[top].edge, self.list[top].dep),
                (edge, dep),
                blocker,
            ));
        }
        if own_choice.is_none() {
            self.warn(tree, edge, dep);
        }
        Ok(own_choice)
    }

    /// The peer that kept a package from going anywhere: one that met another version, if any did.
    fn blocker(&self, check: CheckId) -> Option<EdgeId> {
        let conflicts = self.checks.conflicts_below(check);
        let meets = |check: &&CheckId| self.checks.get(**check).current.is_some();
        let blocker = conflicts.iter().find(meets).or(conflicts.last());
        blocker.map(|check| self.checks.get(*check).edge)
    }

    fn top(&self, index: usize) -> usize {
        self.list[index]
            .parent
            .map_or(index, |parent| self.top(parent))
    }

    /// A peer must be at least as shallow as what it goes along with.
    fn start(&self, tree: &Tree, index: usize) -> NodeId {
        let placement = &self.list[index];
        let from = match placement.parent {
            Some(parent) => self.start(tree, parent),
            None => tree.edge(placement.edge).from.unwrap_or(tree.root),
        };
        tree.deepest_nesting_target(from, Some(tree.edge_key(placement.edge)))
    }

    /// Does the conflict concern the project itself, rather than something deep below it?
    fn is_mine(&self, tree: &Tree, index: usize) -> bool {
        let edge = tree.edge(self.list[self.top(index)].edge);
        let Some(from) = edge.from else { return false };
        if tree.is_mine(from) {
            return true;
        }
        if !edge.kind.is_peer() {
            return false;
        }
        let from_mine = |edge: EdgeId| {
            let from = tree.edge(edge).from;
            from.is_some_and(|from| tree.is_mine(from))
        };
        let edges_in = &tree.node(from).edges_in;
        let (peers, others): (Vec<EdgeId>, Vec<EdgeId>) = edges_in
            .iter()
            .copied()
            .partition(|edge| tree.edge(*edge).kind.is_peer());
        others.into_iter().any(from_mine)
            || (!peers.is_empty()
                && tree
                    .peer_entry_sets(from)
                    .iter()
                    .any(|(edge, _)| from_mine(*edge)))
    }

    fn warn(&mut self, tree: &mut Tree, edge: EdgeId, dep: NodeId) {
        tree.edge_mut(edge).peer_conflicted = true;
        self.warnings.push(explain::overridden(tree, edge, dep));
    }

    /// Where nesting would repeat for ever, a link to the first instance ends it.
    fn break_cycle(&mut self, tree: &mut Tree, index: usize, target: NodeId) -> bool {
        let dep = self.list[index].dep;
        let same = tree
            .ancestry(target)
            .find(|node| !tree.is_top(*node) && tree.matches(*node, dep));
        let Some(same) = same else { return false };
        let package = tree.node(same).package.clone();
        let link = tree.create(tree.node(same).name, package);
        tree.make_link(link, tree.node(same).path.clone());
        tree.set_parent(link, target);
        self.list[index].placed = Some(link);
        true
    }

    /// A copy of the candidate goes into the target, over what is there.
    fn put(&mut self, tree: &mut Tree, index: usize, target: NodeId) -> NodeId {
        let dep = self.list[index].dep;
        let source = tree.node(dep).clone();
        let placed = tree.create(source.name, source.package);
        let node = tree.node_mut(placed);
        node.resolved = source.resolved;
        node.integrity = source.integrity;
        node.failure = source.failure;
        node.overrides = source.overrides;
        node.link = source.link.map(|mut link| {
            link.target = None;
            link
        });
        let key = tree.edge_key(self.list[index].edge);
        // Before it has a place: of a name in two maps only the edge that counts finds its target.
        tree.load_edges(placed);
        if let Some(old) = tree.child(target, key) {
            self.put_over(tree, index, placed, old, target);
        } else {
            tree.set_parent(placed, target);
            tree.give_target(placed, dep);
        }
        placed
    }

    fn put_over(
        &mut self,
        tree: &mut Tree,
        index: usize,
        placed: NodeId,
        old: NodeId,
        target: NodeId,
    ) {
        let dep = self.list[index].dep;
        let lost = Self::deps_lost(tree, placed, old);
        let (prune_sets, conflicts) = Self::unsettled_peer_sets(tree, placed, old, target);
        for edge in conflicts {
            self.warn(tree, edge, dep);
        }
        tree.replace(placed, old);
        tree.give_target(placed, dep);
        self.prune_for_replacement(tree, placed, lost);
        for node in prune_sets {
            let dependents = tree.node(node).edges_in.clone();
            let dependents = dependents.iter().filter_map(|edge| tree.edge(*edge).from);
            for dependent in dependents.collect::<Vec<_>>() {
                if !self.list[index].needs_evaluation.contains(&dependent) {
                    self.list[index].needs_evaluation.push(dependent);
                }
            }
            tree.detach(node);
        }
    }

    /// What the old node depends on and the new one does not.
    fn deps_lost(tree: &Tree, placed: NodeId, old: NodeId) -> Vec<NodeId> {
        let kept = tree.dependency_keys(placed);
        let mut lost = Vec::new();
        for (key, edge) in &tree.node(old).edges_out {
            if let Some(to) = tree.edge(*edge).to
                && !kept.contains(key)
            {
                let set = NodeSet::from_iter([to]);
                lost.extend(tree.gather(set, |edge| tree.edge(edge).to != Some(to)));
            }
        }
        lost
    }

    /// Peer sets at this level that the new node breaks: those that can nest deeper are to be
    /// placed anew; the edges into the others are conflicts that stand.
    fn unsettled_peer_sets(
        tree: &Tree,
        placed: NodeId,
        old: NodeId,
        target: NodeId,
    ) -> (Vec<NodeId>, Vec<EdgeId>) {
        let (mut prune, mut conflicts) = (Vec::new(), Vec::new());
        for edge in &tree.node(old).edges_in {
            let data = tree.edge(*edge);
            let Some(from) = data.from else { continue };
            if !data.kind.is_peer()
                || tree.node(from).parent != Some(target)
                || data.peer_conflicted
                || tree.satisfies(placed, *edge)
            {
                continue;
            }
            for (entry_edge, _) in tree.peer_entry_sets(from) {
                let entry = tree.edge(entry_edge);
                let (Some(entry_node), Some(entry_from)) = (entry.to, entry.from) else {
                    continue;
                };
                let deepest = tree.deepest_nesting_target(entry_node, None);
                if deepest != target && !tree.is_mine(entry_from) {
                    let set = NodeSet::from_iter([entry_node]);
                    prune.extend(tree.gather(set, |edge| {
                        let edge = tree.edge(edge);
                        edge.to != Some(entry_node) && !edge.peer_conflicted
                    }));
                } else {
                    conflicts.push(*edge);
                }
            }
        }
        (prune, conflicts)
    }

    /// Deletes what only the replaced node and its dependencies needed.
    fn prune_for_replacement(&self, tree: &mut Tree, placed: NodeId, lost: Vec<NodeId>) {
        let mut doomed: NodeSet = tree
            .out_edges(placed)
            .into_iter()
            .filter(|edge| !tree.is_valid(*edge))
            .filter_map(|edge| tree.edge(edge).to)
            .collect();
        for node in lost {
            doomed.extend(tree.exclusive_set(node));
        }
        let doomed = tree.gather(doomed, |edge| {
            let data = tree.edge(edge);
            data.from != Some(placed) && data.to != Some(placed) && tree.is_valid(edge)
        });
        let kept = self.mending.then_some(placed);
        for node in doomed.into_iter().filter(|node| Some(*node) != kept) {
            tree.detach(node);
        }
    }

    /// Nodes of this name further down that the new one makes superfluous go.
    fn dedupe_below(tree: &mut Tree, edge: EdgeId, placed: NodeId, target: NodeId, policy: Policy) {
        if let Some(to) = tree.edge(edge).to
            && to != placed
            && tree.is_valid(edge)
        {
            Self::prune_if_duplicate(tree, to, policy);
        }
        let root = tree.node(target).root;
        for node in tree.named(root, tree.edge(edge).name) {
            if tree.node(node).root != root || tree.is_top(node) {
                continue;
            }
            if !tree.is_descendant_of(node, target) {
                continue;
            }
            Self::prune_if_duplicate(tree, node, policy);
            if tree.node(node).root == root {
                let children: Vec<NodeId> = tree.node(node).children.values().copied().collect();
                for child in children {
                    Self::prune_if_duplicate(tree, child, policy);
                }
            }
        }
    }

    fn prune_if_duplicate(tree: &mut Tree, node: NodeId, policy: Policy) -> bool {
        let duplicate = tree.can_dedupe(node, policy.prefer_dedupe, policy.explicit);
        if duplicate {
            tree.prune(node);
        }
        duplicate
    }

    /// Prunes `node`, or else whatever can be pruned below it, in path order.
    fn prune_duplicates(tree: &mut Tree, node: NodeId, policy: Policy) {
        if Self::prune_if_duplicate(tree, node, policy) {
            return;
        }
        let by_location = |tree: &Tree, mut nodes: Vec<NodeId>| {
            nodes.sort_by(|a, b| {
                crate::collate::compare(&tree.node(*a).location, &tree.node(*b).location)
            });
            nodes
        };
        let children = |tree: &Tree, node: NodeId| {
            by_location(tree, tree.node(node).children.values().copied().collect())
        };
        for child in children(tree, node) {
            Self::prune_duplicates(tree, child, policy);
        }
        for top in by_location(tree, tree.node(node).fs_children.clone()) {
            for child in children(tree, top) {
                Self::prune_duplicates(tree, child, policy);
            }
        }
    }

    /// Peers that the placed node lacks follow it from the workbench.
    fn place_peers(
        &mut self,
        tree: &mut Tree,
        index: usize,
        policy: Policy,
    ) -> Result<(), ResolveError> {
        let Some(placed) = self.list[index].placed else {
            return Ok(());
        };
        let Some(workbench) = tree.node(self.list[index].dep).parent else {
            return Ok(());
        };
        for edge in tree.out_edges(placed) {
            let data = tree.edge(edge);
            if data.from.is_none() || !data.kind.is_peer() || data.peer_conflicted {
                continue;
            }
            if tree.is_valid(edge) {
                continue;
            }
            let peer = tree.child(workbench, tree.edge_key(edge));
            if let Some(peer) = peer.filter(|peer| tree.satisfies(*peer, edge)) {
                self.place(tree, edge, peer, Some(index), policy, policy.explicit)?;
            }
        }
        Ok(())
    }
}
