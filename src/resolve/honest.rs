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

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dishonesty {
    /// It has this flag, and could be left out by it.
    Flag(&'static str),
    Unneeded,
    /// A link to a folder that nothing asks for.
    Link,
    /// A link out of the project, for which only a package from elsewhere asks.
    LinkOutside,
    /// It is this package, and who requires it asks for another one.
    Impostor(String),
}

impl fmt::Display for Dishonest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = &self.location;
        match &self.why {
            Dishonesty::Flag(flag) => write!(f, "{location} says `{flag}`, but it is not"),
            Dishonesty::Unneeded => write!(f, "{location} is required by nothing"),
            Dishonesty::Link => {
                write!(
                    f,
                    "{location} is a link to a folder, but nothing asks for one"
                )
            }
            Dishonesty::LinkOutside => {
                write!(
                    f,
                    "{location} is a link out of the project, which only the project may ask for"
                )
            }
            Dishonesty::Impostor(name) => {
                write!(
                    f,
                    "{location} is `{name}`, but another package is asked for"
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
/// - The flags of a lock of version 1 are guesses, and nobody relies on them.
/// - Source: threats.md rows 48, 49, 51, 52. npm takes all of these.
pub fn dishonest_entries(tree: &Tree, locked: &Locked) -> Vec<Dishonest> {
    let mut found = Vec::new();
    let guessed = locked.version < 2;
    for (location, entry) in &locked.entries {
        let Some(id) = tree.at(tree.root, location) else {
            continue;
        };
        if id == tree.root || tree.node(id).parent.is_none() {
            continue;
        }
        let mut add = |why| {
            found.push(Dishonest {
                location: location.clone(),
                why,
            });
        };
        if let Some(flag) = false_flag(tree, id, entry).filter(|_| !guessed) {
            add(Dishonesty::Flag(flag));
        }
        if let Some(why) = misplaced(tree, id, may_be_extraneous(tree, entry, guessed)) {
            add(why);
        }
    }
    found
}

/// Why nothing leads to an entry, or to another package than this one.
fn misplaced(tree: &Tree, id: NodeId, may_be_extraneous: bool) -> Option<Dishonesty> {
    let theirs = tree.in_dependency_bundle(id) || tree.in_shrinkwrap(id);
    let extraneous = tree.node(id).flags.extraneous;
    if extraneous && !theirs && !may_be_extraneous {
        return Some(Dishonesty::Unneeded);
    }
    if tree.is_link(id) {
        return match who_asks_for_the_link(tree, id) {
            Asker::Nobody if !extraneous => Some(Dishonesty::Link),
            Asker::Foreign if leads_out(tree, id) => Some(Dishonesty::LinkOutside),
            Asker::Nobody | Asker::Foreign | Asker::Ours => None,
        };
    }
    if extraneous || tree.in_dependency_bundle(id) {
        return None;
    }
    let name = impostor(tree, id)?;
    Some(Dishonesty::Impostor(name))
}

fn says(entry: &Map<String, Value>, flag: &str) -> bool {
    entry.get(flag).is_some_and(json::truthy)
}

/// The lock may have been written where peers count, or it was guessed.
fn may_be_extraneous(tree: &Tree, entry: &Map<String, Value>, guessed: bool) -> bool {
    guessed || says(entry, "extraneous") || (tree.rules.legacy_peer_deps && says(entry, "peer"))
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

/// Who wants a link to be one.
enum Asker {
    /// The project, a workspace, or a folder that one of them links.
    Ours,
    /// A package that came from elsewhere.
    Foreign,
    Nobody,
}

/// A workspace's link is the project's own, and so is npm's way out of a cycle; others are asked for
/// by a path.
fn who_asks_for_the_link(tree: &Tree, id: NodeId) -> Asker {
    if tree.is_workspace(id) || leads_back(tree, id) {
        return Asker::Ours;
    }
    let mut asker = Asker::Nobody;
    for edge in &tree.node(id).edges_in {
        let spec = tree.spec(*edge);
        if spec.is_some_and(|spec| matches!(spec, SpecKind::Directory { .. })) {
            match tree.edge(*edge).from {
                Some(from) if tree.is_top(from) => return Asker::Ours,
                _ => asker = Asker::Foreign,
            }
        }
    }
    asker
}

/// To an installed package that the link lies in: so npm closes a cycle.
fn leads_back(tree: &Tree, id: NodeId) -> bool {
    tree.target(id).is_some_and(|target| {
        let installed = tree.node(target).parent.is_some();
        installed && tree.is_descendant_of(id, target) && !tree.node(id).edges_in.is_empty()
    })
}

fn leads_out(tree: &Tree, id: NodeId) -> bool {
    let target = tree.target(id).map(|target| &*tree.node(target).location);
    target.is_none_or(|location| location == ".." || location.starts_with("../"))
}

/// The package's name, where who requires it asks a registry for one of another name: by an alias
/// for its target, else for the folder's name, unless an alias explains the difference.
///
/// npm looks at the version alone.
fn impostor(tree: &Tree, id: NodeId) -> Option<String> {
    let own = tree.node(id).package.manifest.name()?;
    let folder = tree.name_text(id);
    let mut plainly = false;
    for edge in &tree.node(id).edges_in {
        match tree.spec(*edge)? {
            SpecKind::Alias { name, .. } if name.as_str() == own => return None,
            SpecKind::Alias { .. } => return Some(own.to_owned()),
            SpecKind::Range(_) | SpecKind::Version(_) | SpecKind::Tag(_) => plainly = true,
            _ => return None,
        }
    }
    (plainly && own != folder).then(|| own.to_owned())
}
