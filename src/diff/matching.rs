//! Pairs the packages of two environments.
//!
//! Within one name: what is the same at the same place; then the same elsewhere (a move); then
//! whatever stands at the same place (a replacement); then, in the order of places, what is left
//! of both sides. What stays alone was added or removed, unless the same package is still there
//! in another copy: then only the tree's shape differs.

use std::collections::BTreeMap;

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
        let everything = (self.before.clone(), self.after.clone());
        let (old, new) = (
            |at: usize| &before.nodes[at].side,
            |at: usize| &after.nodes[at].side,
        );
        self.take(pairs, |b, a| {
            old(b).location == new(a).location && same(old(b), new(a))
        });
        self.take(pairs, |b, a| same(old(b), new(a)));
        self.take(pairs, |b, a| old(b).location == new(a).location);
        self.take(pairs, |_, _| true);
        for at in self.before {
            let copy = everything.1.iter().any(|other| same(old(at), new(*other)));
            pairs.push(Pair {
                before: Some(at),
                after: None,
                copy,
            });
        }
        for at in self.after {
            let copy = everything.0.iter().any(|other| same(old(*other), new(at)));
            pairs.push(Pair {
                before: None,
                after: Some(at),
                copy,
            });
        }
    }

    /// Pairs off what fits, each with the first that fits.
    fn take(&mut self, pairs: &mut Vec<Pair>, fits: impl Fn(usize, usize) -> bool) {
        let after = &mut self.after;
        self.before.retain(|old| {
            let Some(place) = after.iter().position(|new| fits(*old, *new)) else {
                return true;
            };
            pairs.push(Pair {
                before: Some(*old),
                after: Some(after.remove(place)),
                copy: false,
            });
            false
        });
    }
}

/// The same version of the same kind; a link is another kind than a package.
fn same(before: &Side, after: &Side) -> bool {
    before.version == after.version && before.link == after.link
}
