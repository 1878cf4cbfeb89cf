//! Holds what a lock says of its own entries against its graph: who needs them, and how.

use std::fmt;

use serde_json::{Map, Value};

use super::load::Locked;
use super::node::NodeId;
use super::tree::Tree;
use crate::json;
use crate::spec::SpecKind;

/// An entry of which the lock says what its graph does not bear out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dishonest {
    pub location: String,
    pub why: Dishonesty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dishonesty {
    /// It has this flag, and could be left out by it.
    Flag(&'static str),
    Unneeded,
    /// A link to a folder that nothing asks for.
    Link,
}

impl fmt::Display for Dishonest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = &self.location;
        match self.why {
            Dishonesty::Flag(flag) => write!(f, "{location} says `{flag}`, but it is not"),
            Dishonesty::Unneeded => write!(f, "{location} is required by nothing"),
            Dishonesty::Link => {
                write!(
                    f,
                    "{location} is a link to a folder, but nothing asks for one"
                )
            }
        }
    }
}

/// Entries that nothing requires, and flags that would leave out what is required.
///
/// - What npm itself marks as `extraneous` is never installed, so it may stay. So may what came in
///   a dependency's bundle or shrinkwrap, which are their authors' business.
/// - A flag too few leaves nothing out, and is forgiven.
/// - Source: threats.md rows 49, 51, 52. npm takes all of these.
pub fn dishonest_entries(tree: &Tree, locked: &Locked) -> Vec<Dishonest> {
    let mut found = Vec::new();
    if locked.version < 2 {
        return found; // its flags and ranges are guesses, and nobody relies on them
    }
    for (location, entry) in &locked.entries {
        let Some(id) = tree.at(tree.root, location) else {
            continue;
        };
        let theirs = tree.in_dependency_bundle(id) || tree.in_shrinkwrap(id);
        if id == tree.root || tree.node(id).parent.is_none() {
            continue;
        }
        let mut add = |why| {
            found.push(Dishonest {
                location: location.clone(),
                why,
            });
        };
        if let Some(flag) = false_flag(tree, id, entry) {
            add(Dishonesty::Flag(flag));
        }
        if tree.node(id).flags.extraneous && !theirs && !may_be_extraneous(tree, entry) {
            add(Dishonesty::Unneeded);
        } else if tree.is_link(id) && !is_wanted_link(tree, id) {
            add(Dishonesty::Link);
        }
    }
    found
}

fn says(entry: &Map<String, Value>, flag: &str) -> bool {
    entry.get(flag).is_some_and(json::truthy)
}

/// The lock may have been written where peers count.
fn may_be_extraneous(tree: &Tree, entry: &Map<String, Value>) -> bool {
    says(entry, "extraneous") || (tree.rules.legacy_peer_deps && says(entry, "peer"))
}

/// The first flag by which an entry could be left out, though the graph does not bear it out.
fn false_flag(tree: &Tree, id: NodeId, entry: &Map<String, Value>) -> Option<&'static str> {
    let flags = tree.node(id).flags;
    let left_out = flags.extraneous || tree.in_dependency_bundle(id);
    [
        ("dev", flags.dev),
        ("optional", flags.optional),
        (
            "devOptional",
            flags.dev || flags.optional || flags.dev_optional,
        ),
        ("inBundle", tree.in_bundle(id)),
    ]
    .into_iter()
    .find(|(flag, holds)| says(entry, flag) && !holds && !left_out)
    .map(|(flag, _)| flag)
}

/// A workspace's link, one that some package asks for by a path, or npm's way out of a cycle: back
/// to an installed package that the link lies in.
fn is_wanted_link(tree: &Tree, id: NodeId) -> bool {
    let back = || {
        let target = tree.target(id)?;
        let installed = tree.node(target).parent.is_some();
        Some(installed && tree.is_descendant_of(id, target) && !tree.node(id).edges_in.is_empty())
    };
    tree.is_workspace(id)
        || back().unwrap_or(false)
        || tree.node(id).edges_in.iter().any(|edge| {
            let spec = tree.spec(*edge);
            spec.is_some_and(|spec| matches!(spec, SpecKind::Directory { .. }))
        })
}
