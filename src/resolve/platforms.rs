//! Does everything that is required run here? What is optional and does not is set aside.
//!
//! Source: `checkEngineAndPlatform` of npm's `build-ideal-tree.js`.

use serde_json::{Map, Value, json};

use super::error::{ResolveError, Unsupported};
use super::node::NodeId;
use super::tree::Tree;
use super::{Options, explain};
use crate::manifest::Manifest;
use crate::target;

/// Makes optional branches inert that exclude the target; what is required and cannot run is an
/// error, or a warning for engines. Returns warnings: code and text.
pub fn check(
    tree: &mut Tree,
    options: &Options,
) -> Result<Vec<(&'static str, String)>, ResolveError> {
    let mut warnings = Vec::new();
    let root = tree.root;
    let mut nodes = vec![root];
    nodes.extend(tree.inventory(root).into_iter().filter(|id| *id != root));
    for id in nodes {
        let node = tree.node(id);
        let manifest = node.package.manifest.clone();
        if !node.flags.optional {
            if !is_omitted(tree, id, options) {
                warnings.extend(check_required(tree, id, &manifest, options)?);
            }
            continue;
        }
        if node.inert {
            continue;
        }
        let wanted = &options.optional_target;
        if !target::engine_allows(&manifest, wanted.node.as_ref(), wanted.npm.as_ref())
            || !target::platform_allows(&manifest, wanted)
        {
            for node in tree.optional_set(id) {
                tree.node_mut(node).inert = true;
            }
        }
    }
    Ok(warnings)
}

/// Is the node left out by `--omit`? Only what belongs to the project and its workspaces can be.
pub fn is_omitted(tree: &Tree, id: NodeId, options: &Options) -> bool {
    let top = std::iter::successors(Some(id), |node| tree.node(*node).parent).last();
    top.is_some_and(|top| tree.is_mine(top)) && options.omit.covers(tree.node(id).flags)
}

fn check_required(
    tree: &Tree,
    id: NodeId,
    manifest: &Manifest,
    options: &Options,
) -> Result<Option<(&'static str, String)>, ResolveError> {
    let host = &options.host;
    let unsupported = |code, wanted: String, current: String| {
        Box::new(Unsupported {
            code,
            package: explain::package(tree, id),
            wanted,
            current,
            chain: explain::chain(tree, id),
        })
    };
    let mut warning = None;
    let has_dev_engines = id == tree.root && manifest.flag("devEngines");
    // `--force` looks past the Node that is there, not past the npm.
    let node = host.node.as_ref().filter(|_| !options.force);
    if !has_dev_engines && !target::engine_allows(manifest, node, host.npm.as_ref()) {
        let wanted = manifest.fields.get("engines").cloned().unwrap_or_default();
        let current = json!({
            "node": host.node.as_ref().map(|node| format!("v{node}")),
            "npm": host.npm.as_ref().map(ToString::to_string),
        });
        let problem = unsupported("EBADENGINE", wanted.to_string(), current.to_string());
        if options.engine_strict {
            return Err(ResolveError::Platform(problem));
        }
        warning = Some(("EBADENGINE", problem.to_string()));
    }
    if !options.force && !target::platform_allows(manifest, host) {
        let fields = ["os", "cpu", "libc"].into_iter();
        let wanted: Map<String, Value> = fields
            .filter_map(|field| Some((field.to_owned(), manifest.fields.get(field)?.clone())))
            .collect();
        let wanted = Value::Object(wanted).to_string();
        let problem = unsupported("EBADPLATFORM", wanted, host.to_string());
        return Err(ResolveError::Platform(problem));
    }
    Ok(warning)
}
