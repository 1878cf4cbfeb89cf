//! Looks into the tarballs of packages that bring their dependencies along.
//!
//! A lock made without installing has to know what a package bundles, and what a shrinkwrap inside
//! a package says. Source: the "crack open" part of npm's `build-ideal-tree.js`, `load-actual.js`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::error::ResolveError;
use super::ideal::Builder;
use super::load;
use super::node::NodeId;
use super::paths;
use crate::json;
use crate::manifest::{Manifest, Origin};
use crate::name::PackageId;

impl Builder<'_> {
    /// Adds the nodes that `id` carries inside its tarball.
    pub fn crack_open(&mut self, id: NodeId) -> Result<(), ResolveError> {
        let node = self.tree.node(id);
        let bundles = !node.package.bundled.is_empty();
        let Some(resolved) = node.resolved.clone() else {
            return Ok(());
        };
        if id == self.tree.root || node.inert || !(bundles || node.has_shrinkwrap) {
            return Ok(());
        }
        let has_shrinkwrap = node.has_shrinkwrap;
        let integrity = node.integrity.clone();
        let manifest = &node.package.manifest;
        let name = manifest.name().unwrap_or_else(|| self.tree.name_text(id));
        let package = PackageId::new(name, self.tree.version_text(id));
        let contents = self
            .source
            .contents(&package, &resolved, integrity.as_deref());
        let contents = contents.map_err(|failure| ResolveError::Load {
            failure,
            chain: super::explain::chain(&self.tree, id),
        })?;
        let contents: BTreeMap<String, Vec<u8>> = contents.into_iter().collect();
        if has_shrinkwrap {
            self.load_shrinkwrap(id, &contents)?;
        }
        if bundles {
            self.load_bundled(id, &contents)?;
            self.tree.compute_flags_below(id);
        }
        Ok(())
    }

    fn load_shrinkwrap(
        &mut self,
        id: NodeId,
        contents: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), ResolveError> {
        let file = ["npm-shrinkwrap.json", "package-lock.json"]
            .iter()
            .find_map(|file| contents.get(*file));
        let Some(packages) = file
            .and_then(|bytes| json::parse(bytes).ok())
            .and_then(|document| document.value.get("packages")?.as_object().cloned())
        else {
            return Ok(());
        };
        let base = self.tree.node(id).path.clone();
        let root = self.tree.root;
        for (location, entry) in packages {
            let Value::Object(entry) = entry else {
                continue;
            };
            if location.is_empty() || entry.get("link").is_some_and(json::truthy) {
                continue;
            }
            let path = paths::join(&base, &location);
            if location.starts_with('/') || !paths::is_below(&path, &base) {
                return Err(ResolveError::LocationOutside {
                    location,
                    package: self.tree.name_text(id).to_owned(),
                });
            }
            load::entry_node(&mut self.tree, root, &path, &entry)?;
        }
        Ok(())
    }

    /// Every package folder below the tarball's `node_modules`, shallow ones first.
    fn load_bundled(
        &mut self,
        id: NodeId,
        contents: &BTreeMap<String, Vec<u8>>,
    ) -> Result<(), ResolveError> {
        let base = self.tree.node(id).path.clone();
        let mut folders: Vec<String> = package_folders(contents.keys().map(String::as_str));
        folders.sort_by_key(|folder| folder.matches("node_modules/").count());
        for folder in folders {
            let path = format!("{base}/{folder}");
            let manifest = contents
                .get(&format!("{folder}/package.json"))
                .and_then(|bytes| json::parse(bytes).ok())
                .map(|document| document.value);
            let Some(Value::Object(fields)) = manifest else {
                continue;
            };
            let mut manifest = Manifest { fields };
            manifest.normalize(Origin::Disk);
            let below = format!("{folder}/");
            if let Some(directory) = manifest.bin_directory() {
                let below = format!("{below}{directory}/");
                let files: Vec<&str> = contents
                    .keys()
                    .filter_map(|file| file.strip_prefix(&below))
                    .collect();
                manifest.adopt_bin_directory(files.into_iter());
            }
            let package = self.package(&Arc::new(manifest))?;
            let name = self.tree.intern(&paths::name_from_folder(&path));
            let node = self.tree.create(name, package);
            self.tree.node_mut(node).path = path.as_str().into();
            let root = self.tree.root;
            self.tree.set_root(node, root);
            self.tree.load_edges(node);
        }
        Ok(())
    }
}

/// `node_modules/a`, `node_modules/@s/b/node_modules/c`: the folders that hold a package.
fn package_folders<'a>(files: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    for file in files {
        let Some(folder) = file.strip_suffix("/package.json") else {
            continue;
        };
        if is_package_folder(folder) && !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

fn is_package_folder(folder: &str) -> bool {
    let mut rest = folder;
    while let Some(after) = rest.strip_prefix("node_modules/") {
        let parts = if after.starts_with('@') { 2 } else { 1 };
        let mut split = after.splitn(parts + 1, '/');
        let names: Vec<&str> = split.by_ref().take(parts).collect();
        if names.len() < parts || names.iter().any(|name| name.starts_with('.')) {
            return false;
        }
        match split.next() {
            None => return true,
            Some(more) => rest = more,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_packages_count() {
        assert!(is_package_folder("node_modules/a"));
        assert!(is_package_folder("node_modules/@s/a/node_modules/b"));
        assert!(!is_package_folder("node_modules/a/test"));
        assert!(!is_package_folder("node_modules/.bin"));
        assert!(!is_package_folder("node_modules/@s"));
        assert!(!is_package_folder("lib/node_modules/a"));
    }
}
