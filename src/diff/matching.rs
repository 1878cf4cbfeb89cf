//! Pairs the packages of two environments.
//!
//! Within one name: what is the same at the same place; then the same elsewhere (a move); then
//! whatever stands at the same place (a replacement); then what is left of both sides, the same
//! major versions first, else in the order of versions. What stays alone was added or removed,
//! unless the same package is still there in another copy: then only the tree's shape differs.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};
use semver::Version;

use super::graph::{Graph, Side};

/// A package on either side or both.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub before: Option<usize>,
    pub after: Option<usize>,
    /// Alone here, though the same package is on the other side in another copy.
    pub copy: bool,
}

/// All pairs; nodes for which `wanted` says no on every side are left out.
pub(super) fn pairs(before: &Graph, after: &Graph, wanted: impl Fn(&Side) -> bool) -> Vec<Pair> {
    let mut by_name: BTreeMap<&str, Group> = BTreeMap::new();
    for (at, node) in before.nodes.iter().enumerate() {
        if wanted(&node.side) {
            by_name.entry(&node.side.name).or_default().before.push(at);
        }
    }
    for (at, node) in after.nodes.iter().enumerate() {
        if wanted(&node.side) {
            by_name.entry(&node.side.name).or_default().after.push(at);
        }
    }
    let mut pairs = Vec::new();
    for (_, group) in by_name {
        group.pair(before, after, &mut pairs);
    }
    pairs
}

#[derive(Default)]
struct Group {
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Group {
    fn pair(mut self, before: &Graph, after: &Graph, pairs: &mut Vec<Pair>) {
        let (old, new) = (
            |at: usize| &before.nodes[at].side,
            |at: usize| &after.nodes[at].side,
        );
        let identities = |nodes: &[usize], graph: &'_ Graph| -> FxHashSet<Identity> {
            let sides = nodes.iter().map(|at| identity(&graph.nodes[*at].side));
            sides.collect()
        };
        let (all_old, all_new) = (
            identities(&self.before, before),
            identities(&self.after, after),
        );
        let exact = |side: &Side| (side.location.clone(), identity(side));
        self.take(pairs, |at| exact(old(at)), |at| exact(new(at)));
        self.take(pairs, |at| identity(old(at)), |at| identity(new(at)));
        let location = |side: &Side| side.location.clone();
        self.take(pairs, |at| location(old(at)), |at| location(new(at)));
        self.before.sort_by_cached_key(|at| parsed(old(*at)));
        self.after.sort_by_cached_key(|at| parsed(new(*at)));
        let major = |side: &Side| parsed(side).map(|version| version.major);
        self.take(pairs, |at| major(old(at)), |at| major(new(at)));
        self.take(pairs, |_| (), |_| ());
        for at in self.before {
            let copy = all_new.contains(&identity(old(at)));
            let (before, after) = (Some(at), None);
            pairs.push(Pair {
                before,
                after,
                copy,
            });
        }
        for at in self.after {
            let copy = all_old.contains(&identity(new(at)));
            let (before, after) = (None, Some(at));
            pairs.push(Pair {
                before,
                after,
                copy,
            });
        }
    }

    /// Pairs off what has the same key, each with the first that has it.
    fn take<K: Eq + Hash>(
        &mut self,
        pairs: &mut Vec<Pair>,
        old: impl Fn(usize) -> K,
        new: impl Fn(usize) -> K,
    ) {
        if self.before.is_empty() || self.after.is_empty() {
            return;
        }
        let mut waiting: FxHashMap<K, VecDeque<usize>> = FxHashMap::default();
        for at in &self.after {
            waiting.entry(new(*at)).or_default().push_back(*at);
        }
        let mut gone: FxHashSet<usize> = FxHashSet::default();
        self.before.retain(|at| {
            let partner = waiting.get_mut(&old(*at)).and_then(VecDeque::pop_front);
            let Some(partner) = partner else { return true };
            gone.insert(partner);
            pairs.push(Pair {
                before: Some(*at),
                after: Some(partner),
                copy: false,
            });
            false
        });
        self.after.retain(|at| !gone.contains(at));
    }
}

/// The same version of the same kind; a link is another kind than a package.
type Identity = (Option<String>, bool);

fn identity(side: &Side) -> Identity {
    (side.version.clone(), side.link)
}

fn parsed(side: &Side) -> Option<Version> {
    Version::parse(side.version.as_deref()?.trim_start_matches('v')).ok()
}
