//! The tree as locked: nodes from a lock's entries, links to their targets, nothing fetched.
//!
//! Source: npm's `load-virtual.js`.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::ResolveError;
use super::node::{Flags, NodeId};
use super::package::Package;
use super::paths;
use super::prefer::Preferences;
use super::tree::{Rules, Tree};
use super::workspaces::{Workspace, workspaces};
use crate::json;
use crate::manifest::{self, Manifest};
use crate::npmrc::Generation;

/// A lock's packages, as plain values: the resolver never learns what a lock file is.
#[derive(Debug, Clone, Default)]
pub struct Locked {
    /// Location and entry, in the lock's order; the project's own entry has the empty location.
    pub entries: Vec<(String, Map<String, Value>)>,
    /// The version the lock was written with: those before 2 know no manifests.
    pub version: u32,
}

impl Locked {
    /// The package's own name, where it differs from its folder's.
    pub fn real_name(&self, location: &str) -> Option<&str> {
        let (_, entry) = self.entries.iter().find(|(key, _)| key == location)?;
        let name = entry.get("name")?.as_str()?;
        (!location.ends_with(&format!("node_modules/{name}"))).then_some(name)
    }
}

/// The tree that a lock describes for this project, flags computed.
pub fn virtual_tree(
    project: &Path,
    manifest: &Arc<Manifest>,
    locked: &Locked,
    rules: Rules,
) -> Result<Tree, ResolveError> {
    let mut tree = root(project, manifest, rules, &Arc::default())?;
    locked_nodes(&mut tree, locked)?;
    Ok(tree)
}

/// As [`virtual_tree`], of a lock without its project: what is a workspace is told by the lock's own
/// links, not by the disk. `manifest` is the lock's entry for the project.
pub fn lonely_tree(
    project: &Path,
    manifest: &Arc<Manifest>,
    locked: &Locked,
    rules: Rules,
) -> Result<Tree, ResolveError> {
    let workspaces = linked_workspaces(project, manifest, locked);
    let mut tree = root_with(project, manifest, rules, &Arc::default(), workspaces)?;
    locked_nodes(&mut tree, locked)?;
    Ok(tree)
}

fn linked_workspaces(project: &Path, manifest: &Manifest, locked: &Locked) -> Vec<Workspace> {
    if !manifest.fields.get("workspaces").is_some_and(json::truthy) {
        return Vec::new();
    }
    let by_path = |name: &str| {
        let maps = ["dependencies", "devDependencies", "optionalDependencies"];
        let specs = maps
            .iter()
            .filter_map(|map| manifest.object(map)?.get(name)?.as_str());
        specs.into_iter().any(|spec| spec.starts_with("file:"))
    };
    let links = locked.entries.iter().filter_map(|(location, entry)| {
        let name = location.strip_prefix("node_modules/")?;
        let target = entry.get("resolved")?.as_str()?;
        let is_link = entry.get("link").is_some_and(json::truthy);
        (is_link && !target.starts_with("..") && !by_path(name)).then(|| Workspace {
            name: name.to_owned(),
            path: paths::join(&project.to_string_lossy(), target),
        })
    });
    links.collect()
}

/// A tree of nothing but the project, with its edges, workspaces and overrides.
pub(super) fn root(
    project: &Path,
    manifest: &Arc<Manifest>,
    rules: Rules,
    prefer: &Arc<Preferences>,
) -> Result<Tree, ResolveError> {
    let workspaces = workspaces(project, manifest)?;
    root_with(project, manifest, rules, prefer, workspaces)
}

fn root_with(
    project: &Path,
    manifest: &Arc<Manifest>,
    rules: Rules,
    prefer: &Arc<Preferences>,
    workspaces: Vec<Workspace>,
) -> Result<Tree, ResolveError> {
    let mut tree = Tree::new(rules);
    tree.preferences = prefer.clone();
    let path: Arc<str> = project.to_string_lossy().into();
    let package = new_package(&mut tree, manifest.clone())?;
    let name = tree.intern(&paths::name_from_folder(&path));
    let root = tree.create(name, package);
    tree.root = root;
    tree.node_mut(root).flags = Flags::UNSET;
    let overrides = tree.overrides.load(&manifest.fields, &mut tree.names)?;
    tree.node_mut(root).overrides = overrides;
    tree.plant(root, path);
    for workspace in workspaces {
        let name = tree.intern(&workspace.name);
        tree.workspaces.push((name, workspace.path.into()));
    }
    tree.load_workspace_edges();
    tree.load_edges(root);
    Ok(tree)
}

/// Without a lock the workspaces' folders are in the tree from the start, their links are not: npm
/// finds them when it looks for what is installed.
pub(super) fn workspace_targets(tree: &mut Tree) -> Result<(), ResolveError> {
    let root = tree.root;
    for (_, path) in tree.workspaces.clone() {
        let Ok(file) = manifest::read(path.as_ref().as_ref()) else {
            continue;
        };
        let package = new_package(tree, Arc::new(file.manifest))?;
        let name = tree.intern(&paths::name_from_folder(&path));
        let node = tree.create(name, package.clone());
        let rule = tree.node(root).overrides.map(|context| {
            let version = package.version.as_ref();
            tree.overrides.for_node(context, package.name, version)
        });
        let data = tree.node_mut(node);
        data.overrides = rule;
        data.path = path;
        tree.set_root(node, root);
        tree.load_edges(node);
    }
    Ok(())
}

fn new_package(tree: &mut Tree, manifest: Arc<Manifest>) -> Result<Arc<Package>, ResolveError> {
    Package::new(manifest, &mut tree.names, &mut tree.specs)
        .map(Arc::new)
        .map_err(|error| ResolveError::NotAString {
            error,
            chain: Vec::new(),
        })
}

/// Adds the lock's nodes and links below the root and computes all flags.
pub(super) fn locked_nodes(tree: &mut Tree, locked: &Locked) -> Result<(), ResolveError> {
    let project = tree.real_path(tree.root).clone();
    let root = tree.root;
    remember_git_specs(tree, locked);
    let (links, nodes): (Vec<_>, Vec<_>) = locked
        .entries
        .iter()
        .filter(|(location, _)| !location.is_empty())
        .partition(|(_, entry)| entry.get("link").is_some_and(json::truthy));
    for (location, entry) in nodes {
        let path = paths::join(&project, location);
        entry_node(tree, root, &path, entry)?;
    }
    for (location, entry) in links {
        let path = paths::join(&project, location);
        entry_link(tree, root, &path, entry, location)?;
    }
    if locked.version < 2 {
        assign_bundles(tree)?;
    }
    tree.reset_flags();
    tree.compute_flags();
    Ok(())
}

/// One entry as a node of the tree of `root`; the entry is its manifest.
pub(super) fn entry_node(
    tree: &mut Tree,
    root: NodeId,
    path: &str,
    entry: &Map<String, Value>,
) -> Result<NodeId, ResolveError> {
    let text = |field: &str| entry.get(field).and_then(Value::as_str);
    let mut fields = entry.clone();
    if text("name").is_none_or(str::is_empty) {
        fields.insert("name".to_owned(), paths::name_from_folder(path).into());
    }
    let has_shrinkwrap = tree.rules.generation == Generation::Eleven
        && entry.get("hasShrinkwrap").is_some_and(json::truthy);
    let package = new_package(
        tree,
        Arc::new(Manifest::from_registry(Value::Object(fields))),
    )?;
    let name = tree.intern(&paths::name_from_folder(path));
    let project = tree.real_path(tree.root).clone();
    let node = tree.create(name, package);
    tree.set_resolved(node, text("resolved"), &project);
    let data = tree.node_mut(node);
    data.integrity = text("integrity").map(Into::into);
    data.has_shrinkwrap = has_shrinkwrap;
    data.path = path.into();
    tree.set_root(node, root);
    tree.load_edges(node);
    Ok(node)
}

fn entry_link(
    tree: &mut Tree,
    root: NodeId,
    path: &str,
    entry: &Map<String, Value>,
    location: &str,
) -> Result<(), ResolveError> {
    let project = tree.real_path(tree.root).clone();
    let resolved = entry.get("resolved").and_then(Value::as_str);
    let target_path = paths::join(&project, resolved.unwrap_or_default());
    let target_location = paths::relative(&project, &target_path);
    let target = tree.at(root, &target_location);
    let Some(target) = target.filter(|_| resolved.is_some()) else {
        return Err(ResolveError::MissingTarget {
            target: target_location,
            location: location.to_owned(),
        });
    };
    let name = tree.intern(&paths::name_from_folder(path));
    let package = tree.node(target).package.clone();
    let link = tree.create(name, package);
    tree.make_link(link, target_path.as_str().into());
    tree.node_mut(link).path = path.into();
    tree.set_root(link, root);
    if target != root && tree.node(target).parent.is_none() {
        // The user may have changed it since.
        let file = manifest::read(target_path.as_ref());
        if let Ok(file) = file
            && file.document.is_some()
        {
            let package = new_package(tree, Arc::new(file.manifest))?;
            tree.set_package(target, &package);
        }
    }
    Ok(())
}

/// Version 1 marks what is bundled, not who bundles it: the nearest dependent that is not
/// bundled itself.
fn assign_bundles(tree: &mut Tree) -> Result<(), ResolveError> {
    for id in tree.inventory(tree.root) {
        let node = tree.node(id);
        let Some(parent) = node.parent else { continue };
        let bundled = |id: NodeId| tree.node(id).package.manifest.flag("inBundle");
        if !bundled(id) || bundled(parent) || tree.edge_out(parent, tree.key_of(id)).is_none() {
            continue;
        }
        let name = Value::String(tree.name_text(id).to_owned());
        let mut manifest = (*tree.node(parent).package.manifest).clone();
        let list = manifest.fields.entry("bundleDependencies");
        if let Value::Array(names) = list.or_insert_with(|| Value::Array(Vec::new())) {
            names.push(name);
        }
        let package = new_package(tree, Arc::new(manifest))?;
        tree.bundles_seen = true;
        tree.node_mut(parent).package = package;
    }
    Ok(())
}

/// Which git refs were asked for when the lock was written.
fn remember_git_specs(tree: &mut Tree, locked: &Locked) {
    const MAPS: [&str; 4] = [
        "peerDependencies",
        "devDependencies",
        "optionalDependencies",
        "dependencies",
    ];
    for (location, entry) in &locked.entries {
        for (name, spec) in MAPS
            .iter()
            .filter_map(|map| entry.get(*map)?.as_object())
            .flatten()
        {
            let Some(spec) = spec.as_str() else { continue };
            // Anything with neither is a range, a tag or an alias.
            if spec.contains('/') || spec.contains("git") {
                let name = tree.intern(name);
                let key = (location.as_str().into(), name);
                tree.locked_specs.insert(key, spec.into());
            }
        }
    }
}
