//! What an install would change, without doing any of it.

use std::collections::BTreeMap;

use super::wanted::Selection;
use crate::disk;
use crate::lock;
use crate::scripts::{Candidate, Policy};

/// The difference between the tree that is there and the one that is wanted.
///
/// What is there is believed to npm's own record of it; scripts are known from the lock alone, as
/// tarballs that are not fetched cannot tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Location and `name@version`.
    pub added: Vec<(String, String)>,
    pub removed: Vec<(String, String)>,
    /// Location, `name@version` as it is and as it would be.
    pub changed: Vec<(String, String, String)>,
    /// Packages whose install scripts would run.
    pub scripts: Vec<String>,
    /// Packages that need theirs and may not run them: the install would end with that.
    pub refused: Vec<String>,
}

impl Preview {
    pub(super) fn of(
        project: &std::path::Path,
        selection: &Selection,
        policy: &Policy,
    ) -> Result<Self, disk::DiskError> {
        let present = present(project)?;
        let packages = selection.wanted.packages.iter();
        let links = selection.wanted.links.iter();
        let wanted: BTreeMap<String, (String, String)> = packages
            .map(|package| {
                let hash = package.integrity.as_ref().map(ToString::to_string);
                let content = hash.or_else(|| package.url.clone()).unwrap_or_default();
                (package.location.clone(), (package.id.to_string(), content))
            })
            .chain(links.map(|link| {
                let shown = format!("link to {}", link.target);
                (link.location.clone(), (shown.clone(), shown))
            }))
            .collect();
        let mut preview = Self::default();
        for (location, (id, content)) in &wanted {
            match present.get(location) {
                None => preview.added.push((location.clone(), id.clone())),
                Some((former, known)) if former != id || known != content => {
                    let (former, id) = (former.clone(), id.clone());
                    preview.changed.push((location.clone(), former, id));
                }
                Some(_) => {}
            }
        }
        for (location, (id, _)) in present {
            if !wanted.contains_key(&location) {
                preview.removed.push((location, id));
            }
        }
        preview.add_scripts(&selection.candidates, policy);
        Ok(preview)
    }

    fn add_scripts(&mut self, candidates: &[Candidate], policy: &Policy) {
        let scripted = candidates.iter().filter(|one| one.has_install_script);
        for candidate in scripted {
            match policy.allows(candidate) {
                Some(true) => self.scripts.push(candidate.id.to_string()),
                Some(false) => {}
                None => self.refused.push(candidate.id.to_string()),
            }
        }
        for list in [&mut self.scripts, &mut self.refused] {
            list.sort();
            list.dedup();
        }
    }
}

/// Location, id and content of what npm's record says is installed.
fn present(
    project: &std::path::Path,
) -> Result<BTreeMap<String, (String, String)>, disk::DiskError> {
    let path = project.join("node_modules/.package-lock.json");
    let bytes = disk::read_if_there(&path)?;
    let lock = bytes.and_then(|bytes| lock::parse(bytes, ".package-lock.json").ok());
    let entries = lock.into_iter().flat_map(|lock| lock.packages);
    let entries = entries.filter(|(location, _)| location.contains("node_modules/"));
    Ok(entries
        .map(|(location, entry)| {
            let text = |key: &str| entry.get(key).and_then(|value| value.as_str());
            let shown = if entry.contains_key("link") {
                let shown = format!("link to {}", text("resolved").unwrap_or_default());
                (shown.clone(), shown)
            } else {
                let name = lock::package_name(&location, &entry);
                let id = format!("{name}@{}", text("version").unwrap_or_default());
                let content = text("integrity").or_else(|| text("resolved"));
                (id, content.unwrap_or_default().to_owned())
            };
            (location, shown)
        })
        .collect())
}
