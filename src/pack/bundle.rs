//! What a package bundles, found on the disk: the dependencies it names, and theirs.
//!
//! Source: `npm-packlist`, `gatherBundles`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Role;
use crate::manifest::{self, Manifest};

/// A package that goes with another.
pub(super) struct Part {
    pub folder: PathBuf,
    /// Below the package that is packed: `node_modules/a/node_modules/b`.
    pub path: String,
    pub manifest: Manifest,
    pub role: Role,
}

/// The bundled dependencies of the package in `folder` that are there, each with all that it depends
/// on, each once.
///
/// Development and peer dependencies are not bundled. A package that is a link counts as far as it
/// leads to something inside `folder`.
pub(super) fn of(folder: &Path, manifest: &Manifest) -> Vec<Part> {
    let mut parts = Vec::new();
    let Ok(inside) = folder.canonicalize() else {
        return parts;
    };
    let mut seen = BTreeSet::new();
    let mut pending: Vec<(String, String)> = manifest
        .bundled()
        .filter(|name| is_bundled(manifest, name))
        .map(|name| (String::new(), name.to_owned()))
        .collect();
    while let Some((from, name)) = pending.pop() {
        let Some(path) = resolve(folder, &from, &name) else {
            continue;
        };
        let place = folder.join(&path);
        let Ok(real) = place.canonicalize() else {
            continue;
        };
        if !real.starts_with(&inside) || !seen.insert(real.clone()) {
            continue;
        }
        let manifest = manifest::read(&real).unwrap_or_default().manifest;
        // What a link's target depends on lies around the target.
        let around = real.strip_prefix(&inside).ok().and_then(Path::to_str);
        let around = around.unwrap_or(&path).to_owned();
        for field in ["dependencies", "optionalDependencies"] {
            let names = manifest.object(field).into_iter().flatten();
            pending.extend(names.map(|(name, _)| (around.clone(), name.clone())));
        }
        let is_link = fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink());
        parts.push(Part {
            folder: real,
            path,
            manifest,
            role: if is_link { Role::Own } else { Role::Bundled },
        });
    }
    parts
}

/// Does the package depend on it in a way that lets it be bundled?
fn is_bundled(manifest: &Manifest, name: &str) -> bool {
    let has = |field: &str| {
        let listed = manifest.object(field);
        listed.is_some_and(|listed| listed.contains_key(name))
    };
    !has("devDependencies") && (has("dependencies") || has("optionalDependencies"))
}

/// Where the package at `from` finds `name`: in its own `node_modules`, or in one further up.
fn resolve(folder: &Path, from: &str, name: &str) -> Option<String> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    if !name.split('/').all(plain) || name.contains('\\') {
        return None;
    }
    let above = Path::new(from).ancestors().filter_map(Path::to_str);
    let places = above.filter(|above| !above.ends_with("node_modules"));
    places
        .map(|above| match above {
            "" => format!("node_modules/{name}"),
            above => format!("{above}/node_modules/{name}"),
        })
        .find(|place| folder.join(place).is_dir())
}
