//! Gives the packages of an old lock the manifests that it did not record.
//!
//! Source: `#inflateAncientLockfile` of npm's `build-ideal-tree.js`.

use super::error::ResolveError;
use super::ideal::Builder;
use super::load::Locked;
use super::node::NodeId;
use crate::integrity::Integrity;
use crate::spec::Spec;

/// Heads what is said about locks of version 1.
const HEADING: &str = "old lockfile";

impl Builder<'_> {
    /// Locks of version 1 know too little: every package's manifest is fetched again.
    ///
    /// npm asks for the abbreviated document, and keeps the hash it finds there for the lock only.
    pub fn inflate(&mut self, locked: &Locked) -> Result<(), ResolveError> {
        let wanted: Vec<(NodeId, String, Spec)> = self
            .tree
            .inventory(self.tree.root)
            .into_iter()
            .filter_map(|id| {
                let (name, spec) = self.locked_spec(id, locked)?;
                Some((id, name, spec))
            })
            .collect();
        for (_, name, spec) in &wanted {
            self.source.announce_abbreviated(name, spec);
        }
        for (id, name, spec) in wanted {
            let hash = self.tree.node(id).integrity.clone();
            let warning = match self.source.abbreviated(&name, &spec) {
                Ok(fetched) if contradict(hash.as_deref(), fetched.integrity.as_deref()) => {
                    format!(
                        "{name}@{} is another package now than the lock promises: its metadata is left out",
                        spec.raw
                    )
                }
                Ok(fetched) => {
                    let package = self.package(&fetched.with_integrity_inside())?;
                    self.tree.set_package(id, &package);
                    continue;
                }
                Err(failure) => format!(
                    "Could not fetch metadata for {name}@{}: {}",
                    spec.raw, failure.cause
                ),
            };
            self.warnings.push((HEADING, warning));
        }
        self.tree.reset_flags();
        self.tree.compute_flags();
        Ok(())
    }

    /// Name and spec under which a locked package's manifest is found.
    fn locked_spec(&self, id: NodeId, locked: &Locked) -> Option<(String, Spec)> {
        let node = self.tree.node(id);
        if !node.location.starts_with("node_modules") || node.link.is_some() {
            return None;
        }
        let version = self.tree.version_text(id);
        let resolved = node
            .resolved
            .as_deref()
            .filter(|resolved| version.is_empty() || resolved.starts_with("file:"));
        let text = resolved.unwrap_or(version);
        let alias = locked
            .real_name(&node.location)
            .map(|real| format!("npm:{real}@{text}"));
        let name = self.tree.name_text(id).to_owned();
        let project = self.tree.real_path(self.tree.root);
        let spec = Spec::parse(
            &name,
            alias.as_deref().unwrap_or(text),
            project.as_ref().as_ref(),
        );
        Some((name, spec.ok()?))
    }

    /// npm does not look for what an old lock's packages turn out to need beyond the lock.
    pub fn warn_of_unmet(&mut self) {
        let unmet: Vec<&str> = self
            .tree
            .inventory(self.tree.root)
            .into_iter()
            .flat_map(|id| self.problems(id))
            .map(|edge| self.tree.edge_name(edge))
            .collect();
        let Some(first) = unmet.first() else { return };
        let warning = format!(
            "the lock did not know all that its packages depend on, such as {first}; lock once more to add it",
        );
        self.warnings.push((HEADING, warning));
    }
}

/// Do two integrities speak of different bytes?
fn contradict(locked: Option<&str>, fetched: Option<&str>) -> bool {
    let parse = |text: Option<&str>| Integrity::parse(text?);
    match (parse(locked), parse(fetched)) {
        (Some(locked), Some(fetched)) => locked.contradicts(&fetched),
        _ => false,
    }
}
