//! Entries against the tarballs that the store has of them.

use super::sources::Source;
use super::{Notes, Rule, Subject, packages, real_name};
use crate::integrity::Integrity;
use crate::manifest::Claims;
use crate::name::PackageId;
use crate::resolve::Tree;
use crate::store::Store;

/// What the store lacks is passed over.
pub(super) fn check(subject: &Subject, tree: &Tree, store: &Store, notes: &mut Notes) {
    let accepted = subject.config.list("accept-manifest");
    for id in packages(tree) {
        let node = tree.node(id);
        let integrity = node.integrity.as_deref().and_then(Integrity::parse);
        let Some(stored) = integrity.and_then(|integrity| store.lookup(&integrity)) else {
            continue;
        };
        let package = PackageId::new(real_name(tree, id), tree.version_text(id));
        if stored.check_identity(&package).is_err() {
            let index = stored.index();
            let what = format!("its tarball holds {}@{}", index.name(), index.version());
            notes.add_at(tree, id, Rule::TarballIdentity, "integrity", what);
            continue;
        }
        let text = package.to_string();
        let mut accepted = accepted.iter().flat_map(|list| list.split(','));
        let known = !subject.lock.loaded_from_v1 && Source::of(tree, id) != Source::Git;
        if !known || accepted.any(|one| one.trim() == text) {
            continue;
        }
        let claims = Claims::of(&node.package.manifest);
        if let Err(error) = store.check_claims(&stored, &package, &claims) {
            notes.add(tree, id, Rule::TarballManifest, error.to_string());
        }
    }
}
