//! Optional dependencies that a lock has nothing for, at places where `npm ci` does not look.
//!
//! npm leaves out what the registry does not have, such as binaries for platforms that their authors
//! have yet to serve, and its own `ci` accepts such a lock below a workspace. That holds up nobody as
//! long as another of the same family serves the target.

use std::collections::BTreeMap;

use crate::resolve::{self, Disagreement, EdgeId, Kind, ResolveError, Tree, shown_package};
use crate::target::{self, Target};

/// What is wrong with a lock for a target, and what it lacks without harm, a line for each dependent.
///
/// Errors: as [`resolve::disagreements`].
pub fn disagreements(
    tree: &Tree,
    complete: bool,
    target: &Target,
) -> Result<(Vec<Disagreement>, Vec<String>), ResolveError> {
    let (mut wrong, mut vacant) = (Vec::new(), BTreeMap::new());
    for one in resolve::disagreements(tree, complete)? {
        match one.overlooked.filter(|edge| is_served(tree, *edge, target)) {
            None => wrong.push(one),
            Some(edge) => {
                let from = tree.edge(edge).from.unwrap_or(tree.root);
                let names: &mut Vec<_> = vacant.entry(from).or_default();
                names.push(tree.edge_name(edge));
            }
        }
    }
    let told = vacant.into_iter().map(|(from, names)| {
        format!(
            "{} is not complete for all platforms: the lock has nothing for {} of its optional \
             dependencies, such as {}; another serves {target}",
            shown_package(tree, from),
            names.len(),
            names[0],
        )
    });
    Ok((wrong, told.collect()))
}

/// Has the dependent another optional dependency of the same family, in the lock, that is for this
/// target and not for everyone?
fn is_served(tree: &Tree, edge: EdgeId, target: &Target) -> bool {
    let Some(from) = tree.edge(edge).from else {
        return false;
    };
    let Some(family) = family(tree.edge_name(edge), tree.name_text(from)) else {
        return false;
    };
    tree.out_edges(from).into_iter().any(|other| {
        let data = tree.edge(other);
        let Some(to) = data.to.filter(|_| data.kind == Kind::Optional) else {
            return false;
        };
        let manifest = &tree.node(to).package.manifest;
        let bound = ["os", "cpu"].iter().all(|field| manifest.flag(field));
        let related = tree.edge_name(other).starts_with(family);
        related && bound && target::platform_allows(manifest, target)
    })
}

/// What the names of a family begin with: its scope, or the name of the package that wants it.
fn family<'a>(name: &'a str, dependent: &str) -> Option<&'a str> {
    match name.split_once('/') {
        Some((scope, _)) => name.get(..=scope.len()),
        None if name.strip_prefix(dependent)?.starts_with('-') => name.get(..=dependent.len()),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_shares_its_scope_or_begins_with_its_dependent() {
        assert_eq!(family("@fast/linux-x64", "fast"), Some("@fast/"));
        assert_eq!(
            family("sass-embedded-linux-x64", "sass-embedded"),
            Some("sass-embedded-")
        );
        assert_eq!(family("fsevents", "rollup"), None);
        assert_eq!(family("sassy", "sass"), None);
    }
}
