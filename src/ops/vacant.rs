//! Optional dependencies for which a lock has nothing because nobody ever published them.
//!
//! Packages list binaries for platforms that they do not serve (yet); npm leaves them out of the
//! lock. That is harmless when the registry says so for certain, and another member of the same
//! family is locked and serves the target.

use std::path::Path;

use super::install::InstallRequest;
use super::session::Session;
use super::source::Sources;
use crate::report::Event;
use crate::resolve::{EdgeId, Kind, Source as _, Tree};
use crate::spec::Spec;
use crate::target;

/// Those of `edges` without a target that hold up nobody; says so of each.
pub fn harmless(
    session: &Session,
    request: &InstallRequest,
    tree: &Tree,
    edges: &[EdgeId],
) -> Vec<EdgeId> {
    let mut served = edges.to_vec();
    served.retain(|edge| is_served(tree, *edge, request));
    if served.is_empty() || session.config.flag("offline").unwrap_or(false) {
        return Vec::new();
    }
    let Ok(registry) = session.registry(&request.options) else {
        return Vec::new();
    };
    let sources = Sources {
        registry: &registry,
        store: session.store.clone(),
        umask: session.umask(),
        generation: request.options.rules.generation,
    };
    served.retain(|edge| {
        let name = tree.edge_name(*edge);
        let wanted = tree.spec_text(*edge).unwrap_or_default();
        let spec = Spec::parse(name, &wanted, Path::new("/"));
        let unknown = spec.ok().filter(Spec::is_registry).is_some_and(|spec| {
            let answer = sources.manifest(name, &spec);
            answer.is_err_and(|failure| matches!(&*failure.code, "E404" | "ETARGET"))
        });
        if unknown {
            let message = format!(
                "{name}@{wanted} is neither in the lock nor in the registry; another of its kind \
                 serves {}",
                request.options.optional_target
            );
            let code = "EVACANT";
            session.reporter.emit(Event::Warning { code, message });
        }
        unknown
    });
    served
}

/// Is there a package of the same family that the same dependent asks for, and that is for the
/// target and not for everyone?
fn is_served(tree: &Tree, edge: EdgeId, request: &InstallRequest) -> bool {
    let Some(from) = tree.edge(edge).from else {
        return false;
    };
    let family = family(tree.edge_name(edge), tree.name_text(from));
    tree.out_edges(from).into_iter().any(|other| {
        let data = tree.edge(other);
        let Some(to) = data.to.filter(|_| data.kind == Kind::Optional) else {
            return false;
        };
        let manifest = &tree.node(to).package.manifest;
        let bound = ["os", "cpu"].iter().all(|field| manifest.flag(field));
        bound
            && family.is_some_and(|family| tree.edge_name(other).starts_with(family))
            && target::platform_allows(manifest, &request.options.optional_target)
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
