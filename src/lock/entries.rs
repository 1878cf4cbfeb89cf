//! A tree's nodes as a lock's entries. Source: `metaFromNode` and `commit` of npm's `shrinkwrap.js`.

use serde_json::{Map, Value};

use crate::json;
use crate::resolve::{NodeId, Tree};
use crate::spec::{Paths, consistent_resolve};

/// Manifest fields that an entry repeats, when they are there and not empty.
const MANIFEST_FIELDS: [&str; 17] = [
    "version",
    "dependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "optionalDependencies",
    "bundleDependencies",
    "acceptDependencies",
    "funding",
    "engines",
    "os",
    "cpu",
    "libc",
    "license",
    "hasInstallScript",
    "bin",
    "deprecated",
    "workspaces",
];

/// Entries of the whole tree by location, the project's own (at `""`) first; empty ones are left
/// out. `registry_resolved` says whether registry packages state where they come from.
pub fn entries(tree: &Tree, registry_resolved: bool) -> Vec<(String, Map<String, Value>)> {
    let root = tree.root;
    let mut entries = Vec::new();
    let own = entry(tree, root, registry_resolved);
    if !own.is_empty() {
        entries.push((String::new(), own));
    }
    for id in tree.inventory(root) {
        let node = tree.node(id);
        let nothing_known = node.inert && node.package.version_text().is_empty();
        if id == root || nothing_known || is_stale(tree, id) {
            continue;
        }
        entries.push((
            node.location.to_string(),
            entry(tree, id, registry_resolved),
        ));
    }
    entries
}

/// A folder outside `node_modules` that nothing refers to any more.
fn is_stale(tree: &Tree, id: NodeId) -> bool {
    let node = tree.node(id);
    let in_modules =
        node.location.starts_with("node_modules/") || node.location.contains("/node_modules/");
    node.flags.extraneous && !in_modules && node.fs_parent.is_none_or(|parent| parent == tree.root)
}

/// One node's entry.
pub fn entry(tree: &Tree, id: NodeId, registry_resolved: bool) -> Map<String, Value> {
    let node = tree.node(id);
    let mut entry = Map::new();
    if node.link.is_some() {
        let target = tree.target(id).map(|target| &tree.node(target).location);
        let target = target.map(ToString::to_string).unwrap_or_default();
        entry.insert("resolved".to_owned(), target.into());
        entry.insert("link".to_owned(), true.into());
        return entry;
    }
    let manifest = &node.package.manifest;
    for field in MANIFEST_FIELDS {
        if let Some(value) = manifest
            .fields
            .get(field)
            .and_then(|value| kept(field, value))
        {
            entry.insert(field.to_owned(), value);
        }
    }
    if let Some(name) = own_name(tree, id) {
        entry.insert("name".to_owned(), name.into());
    }
    if tree.is_top(id)
        && let Some(dev) = manifest.fields.get("devDependencies")
        && json::truthy(dev)
    {
        entry.insert("devDependencies".to_owned(), dev.clone());
    }
    let mut set = |field: &str, value: bool| {
        if value {
            entry.insert(field.to_owned(), true.into());
        }
    };
    set("inBundle", tree.in_bundle(id));
    set("hasShrinkwrap", node.has_shrinkwrap);
    set("hasInstallScript", manifest.has_install_script());
    let flags = node.flags;
    set("extraneous", flags.extraneous);
    if !flags.extraneous {
        set("peer", flags.peer);
        set("dev", flags.dev);
        set("optional", flags.optional);
        set(
            "devOptional",
            flags.dev_optional && !flags.dev && !flags.optional,
        );
    }
    if let Some(integrity) = tree.integrity(id) {
        entry.insert("integrity".to_owned(), integrity.into());
    }
    if let Some(resolved) = resolved(tree, id)
        && (registry_resolved || !is_registry_dependency(tree, id))
    {
        entry.insert("resolved".to_owned(), resolved.into());
    }
    entry
}

/// Falsy values and empty objects are not written; of a licence object only its type.
fn kept(field: &str, value: &Value) -> Option<Value> {
    if field == "license"
        && let Some(kind) = value.get("type").filter(|kind| json::truthy(kind))
    {
        return Some(kind.clone());
    }
    let empty = match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        other => !json::truthy(other),
    };
    (!empty).then(|| value.clone())
}

/// The package's name, where the folder's does not say it; always the project's.
fn own_name(tree: &Tree, id: NodeId) -> Option<&str> {
    let node = tree.node(id);
    let name = node.package.manifest.name()?;
    let says_it = name == tree.name_text(id) && is_folder_of(&node.path, name);
    (id == tree.root || !says_it).then_some(name)
}

/// Would npm call the folder `path` by that name?
fn is_folder_of(path: &str, name: &str) -> bool {
    let Some(above) = path
        .strip_suffix(name)
        .and_then(|rest| rest.strip_suffix('/'))
    else {
        return false;
    };
    let scope = above.rsplit('/').next().unwrap_or_default();
    name.contains('/') || !scope.starts_with('@')
}

fn resolved(tree: &Tree, id: NodeId) -> Option<String> {
    let node = tree.node(id);
    let resolved = node.resolved.as_deref()?;
    if resolved.starts_with("http") {
        return Some(resolved.to_owned());
    }
    let project = tree.node(tree.root).path.to_string();
    let from = node.path.to_string();
    consistent_resolve(
        resolved,
        from.as_ref(),
        project.as_ref(),
        Paths::Relative,
        tree.rules.generation,
    )
}

/// Did every dependent ask a registry for it?
fn is_registry_dependency(tree: &Tree, id: NodeId) -> bool {
    let edges = &tree.node(id).edges_in;
    !edges.is_empty() && edges.iter().all(|edge| tree.asks_registry(*edge))
}
