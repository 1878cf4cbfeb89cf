//! Versions of one package that could be one, because a version that is there anyway would do.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::sources::Source;
use super::{Notes, Rule, askers, packages, real_name};
use crate::resolve::{EdgeId, NodeId, Tree};
use crate::spec;

/// All places of one version, and who asks for them.
struct Version {
    nodes: Vec<NodeId>,
    edges: Vec<EdgeId>,
}

pub(super) fn check(tree: &Tree, notes: &mut Notes) {
    for versions in by_name(tree).values_mut() {
        versions.sort_by(|a, b| compare(tree, a, b));
        let mut kept: Vec<usize> = Vec::new();
        for at in 0..versions.len() {
            // The highest that does; never one that was itself said to be too many.
            let others = (0..versions.len()).rev().filter(|other| *other != at);
            let would_do = |other: &usize| {
                let node = versions[*other].nodes[0];
                let mut edges = versions[at].edges.iter();
                edges.all(|edge| tree.satisfies(node, *edge))
            };
            if kept.contains(&at) || versions[at].edges.is_empty() {
                continue;
            }
            if let Some(other) = others.clone().find(would_do) {
                kept.push(other);
                let what = format!(
                    "{}, which is there anyway, does as well: {}",
                    tree.version_text(versions[other].nodes[0]),
                    askers(tree, &versions[at].edges)
                );
                notes.add(tree, versions[at].nodes[0], Rule::Duplicate, what);
            }
        }
    }
}

fn compare(tree: &Tree, a: &Version, b: &Version) -> Ordering {
    let version = |one: &Version| tree.version_of(one.nodes[0]).cloned();
    match (version(a), version(b)) {
        (Some(a), Some(b)) => spec::compare(&a, &b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Registry packages that are there in more than one version. Under an alias only copies of the same
/// alias can take each other's place.
fn by_name(tree: &Tree) -> BTreeMap<(&str, &str), Vec<Version>> {
    let mut names: BTreeMap<(&str, &str), BTreeMap<&str, Version>> = BTreeMap::new();
    for id in packages(tree) {
        let node = tree.node(id);
        let from_registry = matches!(Source::of(tree, id), Source::Registry(_) | Source::Unsaid);
        if !from_registry || node.flags.extraneous || tree.in_shrinkwrap(id) {
            continue;
        }
        let versions = names.entry((real_name(tree, id), tree.name_text(id)));
        let version = versions.or_default().entry(tree.version_text(id));
        let version = version.or_insert_with(|| Version {
            nodes: Vec::new(),
            edges: Vec::new(),
        });
        version.nodes.push(id);
        version.edges.extend(&node.edges_in);
    }
    let several = names.into_iter().filter(|(_, versions)| versions.len() > 1);
    several
        .map(|(name, versions)| (name, versions.into_values().collect()))
        .collect()
}
