//! Who needs an entry, and whether everybody gets what they ask for.

use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use super::{Notes, Rule, Subject, askers, packages};
use crate::json::truthy;
use crate::platforms::{self, Proof};
use crate::resolve::{self, Dishonesty, EdgeId, Kind, NodeId, State, Tree};
use crate::target::Target;

pub(super) fn check(subject: &Subject, tree: &Tree, notes: &mut Notes) {
    edges(subject, tree, notes);
    entries(subject, tree, notes);
    for id in packages(tree) {
        authors(tree, id, notes);
    }
}

/// Every edge of everything that counts.
fn edges(subject: &Subject, tree: &Tree, notes: &mut Notes) {
    let families = families(subject);
    let below = tree.inventory(tree.root);
    for id in std::iter::once(tree.root).chain(below) {
        let theirs = tree.in_dependency_bundle(id) || tree.in_shrinkwrap(id);
        if tree.is_link(id) || theirs || (tree.node(id).flags.extraneous && id != tree.root) {
            continue;
        }
        let mut absent = Vec::new();
        for edge in tree.out_edges(id) {
            let data = tree.edge(edge);
            let bundled = tree.node(id).package.bundled.contains(&data.name) && !tree.is_mine(id);
            if bundled {
                continue;
            }
            if data.to.is_none() && data.kind == Kind::Optional {
                // Version 1 leaves out what it could not install.
                if !subject.lock.loaded_from_v1 {
                    absent.push(edge);
                }
                continue;
            }
            unmet(subject, tree, id, edge, notes);
        }
        lacking(tree, id, &absent, &families, notes);
    }
}

fn unmet(subject: &Subject, tree: &Tree, id: NodeId, edge: EdgeId, notes: &mut Notes) {
    let data = tree.edge(edge);
    let state = tree.state(edge);
    if state == State::Valid {
        return;
    }
    let wanted = format!(
        "{}@{}",
        tree.edge_name(edge),
        tree.spec_text(edge).unwrap_or_default()
    );
    let gets = match data.to {
        None => "and gets nothing".to_owned(),
        Some(to) => format!("and gets {}", resolve::shown_package(tree, to)),
    };
    let mine = tree.is_mine(id) && !subject.alone;
    let rule = match state {
        _ if data.kind.is_peer() && data.to.is_some() => Rule::PeerConflict,
        _ if mine => Rule::OutOfSync,
        _ => Rule::Unsatisfied,
    };
    let kind = match data.kind {
        Kind::Peer | Kind::PeerOptional => "a peer of ",
        _ => "",
    };
    notes.add(tree, id, rule, format!("it asks for {kind}{wanted} {gets}"));
}

/// Optional dependencies that are not in the lock: of a family of binaries, or single ones.
fn lacking(
    tree: &Tree,
    id: NodeId,
    absent: &[EdgeId],
    families: &FxHashSet<String>,
    notes: &mut Notes,
) {
    if absent.is_empty() {
        return;
    }
    let mut names: Vec<&str> = absent.iter().map(|edge| tree.edge_name(*edge)).collect();
    names.sort_unstable();
    let rule = if families.contains(&*tree.node(id).location) {
        Rule::IncompleteFamily
    } else {
        Rule::MissingOptional
    };
    let what = format!("the lock lacks {}", listed(&names));
    notes.add_at(tree, id, rule, "optionalDependencies", what);
}

fn listed(names: &[&str]) -> String {
    const MOST: usize = 4;
    match names.len().saturating_sub(MOST) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..MOST].join(", ")),
    }
}

/// Locations of the packages that choose among prebuilt binaries.
fn families(subject: &Subject) -> FxHashSet<String> {
    let common = ["linux-x64-glibc", "darwin-arm64", "win32-x64"];
    let targets: Vec<Target> = common.iter().filter_map(|text| text.parse().ok()).collect();
    let found = platforms::findings(subject.lock, &targets).into_iter();
    found
        .filter(|finding| matches!(finding.proof, Proof::Family(_)))
        .map(|finding| finding.location)
        .collect()
}

/// What entries say of themselves, against what the graph says of them.
fn entries(subject: &Subject, tree: &Tree, notes: &mut Notes) {
    let mut wrong = FxHashSet::default();
    for dishonest in resolve::dishonest_entries(tree, subject.locked) {
        let Some(id) = tree.at(tree.root, &dishonest.location) else {
            continue;
        };
        wrong.insert(dishonest.location.clone());
        match dishonest.why {
            Dishonesty::Flag(flag) => {
                let what = format!("it says `{flag}`, and is needed without");
                notes.add_at(tree, id, Rule::FalseFlag, flag, what);
            }
            Dishonesty::Unneeded => notes.add(tree, id, Rule::Unneeded, "nothing requires it"),
            Dishonesty::Link => {
                let what = format!(
                    "it is a link to {}, and nothing asks for a folder",
                    tree.target(id)
                        .map_or("", |target| &tree.node(target).location)
                );
                notes.add_at(tree, id, Rule::UnaskedLink, "link", what);
            }
            Dishonesty::LinkOutside => {
                let what = "it is a link out of the project, which only the project may ask for";
                notes.add_at(tree, id, Rule::UnaskedLink, "link", what.to_owned());
            }
            Dishonesty::Impostor(name) => {
                let asked = askers(tree, &tree.node(id).edges_in);
                let what = format!(
                    "it is {name} and lies there as {}: {asked}",
                    tree.name_text(id)
                );
                notes.add_at(tree, id, Rule::UnaskedName, "name", what);
            }
        }
    }
    if subject.locked.version < 2 {
        return;
    }
    for (location, entry) in &subject.locked.entries {
        let Some(id) = tree.at(tree.root, location) else {
            continue;
        };
        let node = tree.node(id);
        let own = node.parent.is_some() && !tree.is_link(id) && !tree.in_dependency_bundle(id);
        if !own || wrong.contains(location) {
            continue;
        }
        if entry.get("extraneous").is_some_and(truthy) && node.flags.extraneous {
            notes.add_at(
                tree,
                id,
                Rule::Extraneous,
                "extraneous",
                "nothing requires it",
            );
        } else if let Some(flag) = missing_flag(tree, id, entry) {
            let what = format!("it does not say `{flag}`, and is needed only so");
            notes.add(tree, id, Rule::MissingFlag, what);
        }
    }
}

/// The first flag that the graph gives and the entry does not say.
fn missing_flag(tree: &Tree, id: NodeId, entry: &Map<String, Value>) -> Option<&'static str> {
    let says = |flag: &str| entry.get(flag).is_some_and(truthy);
    let flags = tree.node(id).flags;
    if flags.extraneous || tree.in_shrinkwrap(id) {
        return None;
    }
    let both = flags.dev_optional && !flags.dev && !flags.optional;
    [
        ("dev", flags.dev),
        ("optional", flags.optional),
        ("devOptional", both),
        ("peer", flags.peer),
    ]
    .into_iter()
    .find(|(flag, holds)| *holds && !says(flag))
    .map(|(flag, _)| flag)
}

/// What a package's author did that its users should know.
fn authors(tree: &Tree, id: NodeId, notes: &mut Notes) {
    let node = tree.node(id);
    if node.has_shrinkwrap {
        let what = "its own shrinkwrap decides what it gets";
        notes.add_at(tree, id, Rule::ForeignShrinkwrap, "hasShrinkwrap", what);
    }
    let deprecated = node.package.manifest.fields.get("deprecated");
    if let Some(text) = deprecated.filter(|text| truthy(text) && !node.flags.extraneous) {
        let what = text.as_str().unwrap_or("its author deprecated it");
        notes.add_at(tree, id, Rule::Deprecated, "deprecated", what);
    }
}
