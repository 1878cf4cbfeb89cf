//! May a package go into a folder? Asks only; nothing here changes the tree.
//!
//! Source: npm's `can-place-dep.js`, whose words the verdicts are.

use std::cmp::Ordering;

use super::node::{EdgeId, NodeId};
use super::tree::Tree;

/// What would happen if a node were placed in a target's `node_modules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is there, and nothing minds.
    Ok,
    /// What is there already satisfies the edge.
    Keep,
    /// What is there may give way.
    Replace,
    /// It has to go deeper.
    Conflict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckId(usize);

/// The question whether `dep` may go into `target` for `edge`, and its answer.
#[derive(Debug)]
pub struct Check {
    pub dep: NodeId,
    pub target: NodeId,
    pub edge: EdgeId,
    pub current: Option<NodeId>,
    /// The check that this peer goes along with.
    parent: Option<CheckId>,
    children: Vec<CheckId>,
    peer_path: Vec<NodeId>,
    prefer_dedupe: bool,
    explicit: bool,
    pub verdict: Verdict,
    /// The verdict on the node alone, its peers aside.
    pub own_verdict: Option<Verdict>,
    peers_verdict: Option<Verdict>,
}

/// All checks of one placement: those of peers refer to those they go along with.
#[derive(Debug, Default)]
pub struct Checks(Vec<Check>);

/// What to check.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub dep: NodeId,
    pub target: NodeId,
    pub edge: EdgeId,
    pub parent: Option<CheckId>,
    pub prefer_dedupe: bool,
    pub explicit: bool,
}

/// More checks for one placement than any honest peer set needs, which in large projects is some
/// hundreds: the ways through peers that share peers double with each of them.
const MOST: usize = 100_000;

impl Checks {
    /// Was a check given up because there are too many? npm goes on for ever.
    pub fn are_too_many(&self) -> bool {
        self.0.len() > MOST
    }

    pub fn get(&self, id: CheckId) -> &Check {
        &self.0[id.0]
    }

    pub fn ask(&mut self, tree: &Tree, question: Question) -> CheckId {
        self.ask_peer(tree, question, Vec::new())
    }

    fn ask_peer(&mut self, tree: &Tree, question: Question, peer_path: Vec<NodeId>) -> CheckId {
        let key = tree.edge_key(question.edge);
        let id = CheckId(self.0.len());
        self.0.push(Check {
            dep: question.dep,
            target: question.target,
            edge: question.edge,
            current: tree.child(question.target, key),
            parent: question.parent,
            children: Vec::new(),
            peer_path,
            prefer_dedupe: question.prefer_dedupe || tree.edge(question.edge).kind.is_peer(),
            explicit: question.explicit,
            verdict: Verdict::Conflict,
            own_verdict: None,
            peers_verdict: None,
        });
        let verdict = self.judge(tree, id);
        let check = &mut self.0[id.0];
        check.verdict = verdict;
        check.own_verdict.get_or_insert(verdict);
        id
    }

    fn judge(&mut self, tree: &Tree, id: CheckId) -> Verdict {
        if self.are_too_many() {
            return Verdict::Conflict;
        }
        let check = self.get(id);
        let (dep, target, edge) = (check.dep, check.target, check.edge);
        if tree.node(dep).failure.is_some() {
            return match check.current {
                Some(_) => Verdict::Replace,
                None => Verdict::Ok,
            };
        }
        let target_edge = tree.edge_out(target, tree.edge_key(edge));
        if let Some(target_edge) = target_edge {
            if tree.edge(target_edge).kind.is_peer() && !tree.is_top(target) {
                return Verdict::Conflict;
            }
            if check.current.is_none() && target_edge != edge && !tree.satisfies(dep, target_edge) {
                return Verdict::Conflict;
            }
        }
        match check.current {
            Some(current) => self.judge_beside(tree, id, current),
            None => self.judge_empty(tree, id),
        }
    }

    /// Nothing of that name is there: does anyone below need what it would shadow?
    fn judge_empty(&mut self, tree: &Tree, id: CheckId) -> Verdict {
        let check = self.get(id);
        let (dep, target) = (check.dep, check.target);
        let entry_from = tree.edge(self.entry_edge(id)).from;
        let shadowed = (entry_from != Some(target))
            .then(|| tree.resolve(target, tree.edge_key(check.edge)))
            .flatten();
        if let Some(shadowed) = shadowed {
            let minds = tree.node(shadowed).edges_in.iter().any(|edge| {
                let from = tree.edge(*edge).from;
                from.is_some_and(|from| tree.is_descendant_of(from, target))
                    && tree.is_valid(*edge)
                    && !tree.satisfies(dep, *edge)
            });
            if minds {
                return Verdict::Conflict;
            }
        }
        self.with_peers(tree, id, Verdict::Ok)
    }

    /// Something of that name is there.
    fn judge_beside(&mut self, tree: &Tree, id: CheckId, current: NodeId) -> Verdict {
        let check = self.get(id);
        let (dep, target, edge) = (check.dep, check.target, check.edge);
        let (explicit, prefer_dedupe) = (check.explicit, check.prefer_dedupe);
        let satisfied = tree.satisfies(current, edge);
        if tree.matches(dep, current) && (satisfied || !tree.satisfies(dep, edge)) {
            return if explicit {
                Verdict::Replace
            } else {
                Verdict::Keep
            };
        }
        let newer = matches!(
            tree.compare_versions(dep, current),
            Some(Ordering::Greater | Ordering::Equal)
        );
        if newer && tree.can_replace(dep, current, &[]) {
            let verdict = self.with_peers(tree, id, Verdict::Replace);
            if verdict != Verdict::Conflict {
                return verdict;
            }
        }
        if satisfied && (!explicit || prefer_dedupe) {
            return Verdict::Keep;
        }
        if prefer_dedupe && !newer && tree.can_replace(dep, current, &[]) {
            let verdict = self.with_peers(tree, id, Verdict::Replace);
            if verdict != Verdict::Conflict {
                return verdict;
            }
        }
        if target != self.deepest_target(tree, id) {
            return Verdict::Conflict;
        }
        let is_peer = tree.edge(edge).kind.is_peer();
        if !is_peer && tree.edge(edge).from == Some(target) {
            return self.with_peers(tree, id, Verdict::Replace);
        }
        let has_parent = self.get(id).parent.is_some();
        if (is_peer || has_parent) && self.current_sets_give_way(tree, id, current) {
            return self.with_peers(tree, id, Verdict::Replace);
        }
        Verdict::Conflict
    }

    /// Can every peer set that `current` belongs to be replaced by the new one, or nest deeper?
    fn current_sets_give_way(&self, tree: &Tree, id: CheckId, current: NodeId) -> bool {
        let check = self.get(id);
        let entry = self.entry_edge(id);
        let Some(workbench) = tree.node(check.dep).parent else {
            return false;
        };
        let names = tree.child_names(workbench);
        tree.peer_entry_sets(current)
            .iter()
            .filter(|(edge, _)| *edge != check.edge && *edge != entry)
            .all(|(entry_edge, peers)| {
                let Some(entry_node) = tree.edge(*entry_edge).to else {
                    return true;
                };
                let replacement = tree.child(workbench, tree.key_of(entry_node));
                let replaced = match replacement {
                    Some(new) => tree.can_replace(new, entry_node, &names),
                    None => Self::new_set_suits(tree, workbench, entry_node),
                };
                replaced || {
                    let from = tree.edge(*entry_edge).from;
                    from.is_some_and(|from| {
                        peers.iter().all(|peer| {
                            let deepest =
                                tree.deepest_nesting_target(from, Some(tree.key_of(*peer)));
                            deepest != check.target && !tree.is_descendant_of(check.target, deepest)
                        })
                    })
                }
            })
    }

    /// Walking the peers of `entry`: does whatever the new set brings satisfy them?
    fn new_set_suits(tree: &Tree, workbench: NodeId, entry: NodeId) -> bool {
        let mut walk = super::sets::NodeSet::from_iter([entry]);
        let mut next = 0;
        while let Some(peer) = walk.get_index(next).copied() {
            next += 1;
            for edge in tree.node(peer).edges_out.values() {
                if !tree.edge(*edge).kind.is_peer() || !tree.is_valid(*edge) {
                    continue;
                }
                match tree.child(workbench, tree.edge_key(*edge)) {
                    None => walk.extend(tree.edge(*edge).to),
                    Some(new) if !tree.satisfies(new, *edge) => return false,
                    Some(_) => {}
                }
            }
        }
        true
    }

    /// `state`, or a conflict when one of the peers cannot come along. The first answer stands.
    fn with_peers(&mut self, tree: &Tree, id: CheckId, state: Verdict) -> Verdict {
        self.0[id.0].own_verdict = Some(state);
        let check = self.get(id);
        if let Some(known) = check.peers_verdict {
            return known;
        }
        let (dep, target) = (check.dep, check.target);
        let mut peer_path = check.peer_path.clone();
        peer_path.push(dep);
        let mut verdict = state;
        for edge in tree.out_edges(dep) {
            let Some(peer) = tree.edge(edge).to else {
                continue;
            };
            if !tree.edge(edge).kind.is_peer() || peer_path.contains(&peer) {
                continue;
            }
            let question = Question {
                dep: peer,
                target: tree.deepest_nesting_target(target, Some(tree.key_of(peer))),
                edge,
                parent: Some(id),
                prefer_dedupe: true,
                explicit: false,
            };
            let child = self.ask_peer(tree, question, peer_path.clone());
            self.0[id.0].children.push(child);
            if self.get(child).verdict == Verdict::Conflict {
                verdict = Verdict::Conflict;
            }
        }
        self.0[id.0].peers_verdict = Some(verdict);
        verdict
    }

    fn deepest_target(&self, tree: &Tree, id: CheckId) -> NodeId {
        let check = self.get(id);
        let start = match check.parent {
            Some(parent) => self.deepest_target(tree, parent),
            None => tree.edge(check.edge).from.unwrap_or(check.target),
        };
        tree.deepest_nesting_target(start, Some(tree.edge_key(check.edge)))
    }

    /// The edge by which the whole peer set comes in.
    fn entry_edge(&self, id: CheckId) -> EdgeId {
        let check = self.get(id);
        check
            .parent
            .map_or(check.edge, |parent| self.entry_edge(parent))
    }

    /// Checks below `id` that ended in conflict, outermost first.
    pub fn conflicts_below(&self, id: CheckId) -> Vec<CheckId> {
        let mut all = self.get(id).children.clone();
        let mut next = 0;
        while let Some(child) = all.get(next).copied() {
            next += 1;
            all.extend(self.get(child).children.iter().copied());
        }
        all.retain(|child| self.get(*child).verdict == Verdict::Conflict);
        all
    }
}
