//! A tree as the nested `dependencies` of lock versions 1 and 2.
//!
//! Source: `buildLegacyLockfile` of npm's `shrinkwrap.js`.

use serde_json::{Map, Value};

use crate::collate;
use crate::resolve::{EdgeId, NodeId, Tree, relative_path};
use crate::spec::{Paths, Spec, SpecKind, consistent_resolve};

/// The root's `dependencies`; `None` when nothing lies in its `node_modules`.
pub fn dependencies(tree: &Tree, registry_resolved: bool) -> Option<Map<String, Value>> {
    let builder = Builder {
        tree,
        registry_resolved,
    };
    builder.children(tree.root, &mut Vec::new())
}

struct Builder<'a> {
    tree: &'a Tree,
    registry_resolved: bool,
}

impl Builder<'_> {
    /// What lies in a node's (a link's target's) folder; `path` are the folders on the way here.
    fn children(&self, id: NodeId, path: &mut Vec<NodeId>) -> Option<Map<String, Value>> {
        let tree = self.tree;
        let holder = tree.target(id)?;
        if path.contains(&holder) {
            return None;
        }
        path.push(holder);
        let mut dependencies = Map::new();
        for child in tree.node(holder).children.values() {
            let real = tree.target(*child);
            // Links may lead back to where we came from.
            if real.is_some_and(|real| path.contains(&real)) {
                continue;
            }
            let name = tree.name_text(*child).to_owned();
            dependencies.insert(name, self.entry(*child, path).into());
        }
        path.pop();
        (!dependencies.is_empty()).then_some(dependencies)
    }

    fn entry(&self, id: NodeId, path: &mut Vec<NodeId>) -> Map<String, Value> {
        let tree = self.tree;
        let node = tree.node(id);
        let mut entry = Map::new();
        self.origin(id, &mut entry);
        let mut set = |field: &str, value: bool| {
            if value {
                entry.insert(field.to_owned(), true.into());
            }
        };
        let flags = node.flags;
        set("bundled", tree.in_dependency_bundle(id));
        set("extraneous", flags.extraneous);
        if !flags.extraneous && node.link.is_none() {
            set("peer", flags.peer);
            set(
                "devOptional",
                flags.dev_optional && !flags.dev && !flags.optional,
            );
            set("dev", flags.dev);
            set("optional", flags.optional);
        }
        if let Some(integrity) = &node.integrity {
            entry.insert("integrity".to_owned(), integrity.to_string().into());
        }
        if let Some(requires) = self.requires(id) {
            entry.insert("requires".to_owned(), requires.into());
        }
        if let Some(dependencies) = self.children(id, path) {
            entry.insert("dependencies".to_owned(), dependencies.into());
        }
        entry
    }

    /// `version`, `resolved` and `from`: where the package comes from, by the request that counts.
    fn origin(&self, id: NodeId, entry: &mut Map<String, Value>) {
        let tree = self.tree;
        let node = tree.node(id);
        let project = tree.node(tree.root).path.to_string();
        let mut set = |field: &str, value: &str| {
            entry.insert(field.to_owned(), value.into());
        };
        if let Some(link) = &node.link {
            set(
                "version",
                &format!("file:{}", relative_path(&project, &link.real_path)),
            );
            return;
        }
        let resolved = node.resolved.as_deref().and_then(|resolved| {
            consistent_resolve(
                resolved,
                project.as_ref(),
                project.as_ref(),
                Paths::Relative,
                tree.rules.generation,
            )
        });
        let by_resolved = resolved
            .as_deref()
            .and_then(|resolved| self.spec(id, resolved, &project));
        let edge = self.request(id);
        let asked = edge.and_then(|edge| {
            let from = tree.edge(edge).from?;
            let text = tree.spec_text(edge).ok()?;
            self.spec(id, &text, tree.real_path(from))
        });
        let spec = asked.as_ref().or(by_resolved.as_ref());
        let by_resolved = by_resolved.as_ref();
        if let Some(spec) = spec.filter(|spec| is_tarball(Some(spec))) {
            if let Some(saved) = spec.save_spec() {
                set("version", &saved);
            }
        } else if is_git(spec) || is_git(by_resolved) {
            set("version", node.resolved.as_deref().unwrap_or_default());
            if let Some(edge) = edge {
                let text = tree.spec_text(edge).unwrap_or_default();
                set("from", &format!("{}@{text}", tree.name_text(id)));
            }
        } else {
            let version = tree.version_text(id);
            match node.package.manifest.name() {
                Some(name) if name != tree.name_text(id) => {
                    set("version", &format!("npm:{name}@{version}"));
                }
                _ if !version.is_empty() => set("version", version),
                _ => {}
            }
        }
        let says_all = is_git(by_resolved)
            || is_local(by_resolved)
            || is_git(spec)
            || is_local(spec)
            || is_remote(spec);
        let resolved = node.resolved.as_deref();
        if let Some(resolved) = resolved.filter(|_| !says_all && self.registry_resolved) {
            set("resolved", resolved);
        }
    }

    fn spec(&self, id: NodeId, text: &str, folder: &str) -> Option<Spec> {
        Spec::parse(self.tree.name_text(id), text, folder.as_ref()).ok()
    }

    /// The valid request from the shallowest dependent, the first by collation among equals.
    fn request(&self, id: NodeId) -> Option<EdgeId> {
        let tree = self.tree;
        let key = |edge: &EdgeId| {
            let from = tree.edge(*edge).from;
            let location = from.map(|from| tree.node(from).location.to_string());
            let location = location.unwrap_or_default();
            let last = location.rsplit("node_modules").next().unwrap_or_default();
            (location.matches("node_modules").count(), last.to_owned())
        };
        let edges = tree.node(id).edges_in.iter().copied();
        edges.filter(|edge| tree.is_valid(*edge)).min_by(|a, b| {
            let ((depth_a, last_a), (depth_b, last_b)) = (key(a), key(b));
            depth_a
                .cmp(&depth_b)
                .then_with(|| collate::compare(&last_a, &last_b))
        })
    }

    /// What the package requires, peers aside; `None` without any dependency.
    fn requires(&self, id: NodeId) -> Option<Map<String, Value>> {
        let tree = self.tree;
        let holder = tree.target(id)?;
        let edges = tree.out_edges(holder);
        if edges.is_empty() {
            return None;
        }
        let base = tree.real_path(holder).to_string();
        let mut requires = Map::new();
        for edge in edges {
            if tree.edge(edge).kind.is_peer() {
                continue;
            }
            let text = tree.spec_text(edge).unwrap_or_default();
            let spec = match self.spec(id, &text, &base).map(|spec| spec.kind) {
                Some(SpecKind::File { path, .. } | SpecKind::Directory { path, .. })
                    if text.starts_with("file:") =>
                {
                    format!("file:{}", relative_path(&base, &path.to_string_lossy()))
                }
                _ => text.to_string(),
            };
            requires.insert(tree.edge_name(edge).to_owned(), spec.into());
        }
        Some(requires)
    }
}

fn is_git(spec: Option<&Spec>) -> bool {
    spec.is_some_and(|spec| matches!(spec.kind, SpecKind::Git(_)))
}

fn is_remote(spec: Option<&Spec>) -> bool {
    spec.is_some_and(|spec| matches!(spec.kind, SpecKind::Remote(_)))
}

fn is_local(spec: Option<&Spec>) -> bool {
    let local = |kind: &_| matches!(kind, SpecKind::File { .. } | SpecKind::Directory { .. });
    spec.is_some_and(|spec| local(&spec.kind))
}

fn is_tarball(spec: Option<&Spec>) -> bool {
    let file = |kind: &_| matches!(kind, SpecKind::File { .. });
    spec.is_some_and(|spec| file(&spec.kind)) || is_remote(spec)
}
