//! The tree of npm's `linked` install strategy: every package in a folder of its own, links between
//! them.
//!
//! A package lies in `node_modules/.store/<name>@<version>-<hash>/node_modules/<name>`, beside links
//! to what it depends on; the project and its workspaces have links to what they ask for themselves.
//! The hash is over everything below the package, so that equal branches share a folder. The lock is
//! that of the hoisted strategy.
//!
//! Source: `isolated-reifier.js` of npm 11 (npm-semantics.md 4.13).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};
use sha3::Shake256;
use sha3::digest::{ExtendableOutput as _, Update as _, XofReader as _};

use super::wanted::{Choice, Selection};
use crate::link::WantedLink;
use crate::lock;
use crate::origins::OriginError;
use crate::resolve::{self, EdgeId, Kind, NodeId, Tree};
use crate::scripts;

const STORE: &str = "node_modules/.store";

/// A package, a workspace or the project, and what it gets links to.
struct Member {
    node: NodeId,
    /// Lies in the store; all others lie where they are.
    stored: bool,
    dependencies: Vec<usize>,
    key: String,
}

/// Who depends on whom.
struct Graph<'a> {
    choice: Choice<'a>,
    /// Optional branches that failed.
    out: &'a FxHashSet<NodeId>,
    members: Vec<Member>,
    known: FxHashMap<(NodeId, bool), usize>,
    /// Names that the project itself lists: only these workspaces get a link at the top.
    declared: FxHashSet<String>,
}

/// Everything that is to be installed, with `out` left out.
pub fn select(
    choice: Choice<'_>,
    out: &FxHashSet<NodeId>,
    selection: &mut Selection,
) -> Result<(), OriginError> {
    let tree = choice.tree;
    let mut graph = Graph {
        choice,
        out,
        members: Vec::new(),
        known: FxHashMap::default(),
        declared: declared(choice),
    };
    let root = graph.member(tree.root, false);
    let folders = tree.node(tree.root).fs_children.iter().copied();
    let folders: Vec<NodeId> = folders
        .filter(|id| !tree.node(*id).flags.extraneous)
        .collect();
    let mut own: Vec<usize> = folders.iter().map(|id| graph.member(*id, false)).collect();
    let stored = graph.reachable(&folders, &mut own);
    graph.complete();
    let mut layout = Layout {
        places: FxHashMap::default(),
        links: BTreeMap::new(),
        entries: Vec::new(),
    };
    graph.put_packages(&stored, &mut layout, selection)?;
    graph.put_bundles(&folders, &mut layout, selection)?;
    graph.put_workspaces(&own, &mut layout, selection);
    own.insert(0, root);
    graph.put_links(&own, &mut layout);
    layout.finish(choice, selection);
    Ok(())
}

/// Where everything goes.
struct Layout {
    /// Members with a folder: their location.
    places: FxHashMap<usize, String>,
    /// Location to the member it leads to.
    links: BTreeMap<String, (NodeId, String)>,
    /// The hidden lock's.
    entries: Vec<(String, Map<String, Value>)>,
}

fn declared(choice: Choice<'_>) -> FxHashSet<String> {
    let manifest = &choice.tree.node(choice.tree.root).package.manifest;
    let omit = choice.request.options.omit;
    let sections = [
        ("dependencies", false),
        ("devDependencies", omit.dev),
        ("optionalDependencies", omit.optional),
        ("peerDependencies", omit.peer),
    ];
    let kept = sections.iter().filter(|(_, omitted)| !omitted);
    let maps = kept.filter_map(|(section, _)| manifest.object(section));
    maps.flat_map(|map| map.keys().cloned()).collect()
}

/// Only an entry of the lock that nobody needs: npm drops it before it looks who depends on what.
fn is_stale(tree: &Tree, id: NodeId) -> bool {
    tree.node(id).flags.extraneous && !tree.in_dependency_bundle(id)
}

impl<'a> Graph<'a> {
    fn tree(&self) -> &'a Tree {
        self.choice.tree
    }

    fn member(&mut self, node: NodeId, stored: bool) -> usize {
        *self.known.entry((node, stored)).or_insert_with(|| {
            self.members.push(Member {
                node,
                stored,
                dependencies: Vec::new(),
                key: String::new(),
            });
            self.members.len() - 1
        })
    }

    fn is_gone(&self, id: NodeId) -> bool {
        self.tree().node(id).inert || self.out.contains(&id)
    }

    fn bundles(&self, id: NodeId, edge: EdgeId) -> bool {
        let name = self.tree().edge(edge).name;
        self.tree().node(id).package.bundled.contains(&name)
    }

    /// The packages that are needed, from the project and its folders on. `own` gets the folders
    /// outside the project that are linked.
    fn reachable(&mut self, folders: &[NodeId], own: &mut Vec<usize>) -> Vec<usize> {
        let tree = self.tree();
        let mut stored = Vec::new();
        let mut seen: FxHashSet<NodeId> = FxHashSet::default();
        let mut pending = vec![tree.root];
        pending.extend(&tree.node(tree.root).fs_children);
        while let Some(id) = pending.pop() {
            if !seen.insert(id) {
                continue;
            }
            for edge in tree.node(id).edges_out.values() {
                let to = tree.edge(*edge).to.filter(|to| !is_stale(tree, *to));
                let Some(to) = to else {
                    continue;
                };
                let omitted = resolve::is_omitted(tree, to, &self.choice.request.options);
                if !self.bundles(id, *edge) && !omitted && !self.out.contains(&to) {
                    pending.push(to);
                }
            }
            let target = tree.target(id).unwrap_or(id);
            if id == tree.root || folders.contains(&target) || tree.is_workspace(id) {
                continue;
            }
            if tree.is_link(id) {
                own.push(self.member(target, false));
            } else if tree.node(id).parent.is_some() && !self.is_gone(id) {
                stored.push(self.member(id, true));
            }
        }
        stored
    }

    /// Fills in the dependencies of all members, new ones included, and then their keys.
    fn complete(&mut self) {
        let mut at = 0;
        while at < self.members.len() {
            let node = self.members[at].node;
            self.members[at].dependencies = self.dependencies_of(node);
            at += 1;
        }
        for at in 0..self.members.len() {
            if self.members[at].stored {
                self.members[at].key = self.key_of(at);
            }
        }
    }

    /// Required packages, then folders, then what is optional: the hash depends on this order.
    fn dependencies_of(&mut self, id: NodeId) -> Vec<usize> {
        let tree = self.tree();
        let edges = self.edges_of(id);
        let linked = edges.iter().filter(|(_, to)| tree.is_link(*to));
        let linked: FxHashSet<NodeId> = linked.filter_map(|(_, to)| tree.target(*to)).collect();
        let (mut required, mut local, mut optional) = (Vec::new(), Vec::new(), Vec::new());
        let mut asked = Vec::new();
        for (edge, to) in &edges {
            let into = if tree.edge(*edge).kind.is_optional() {
                &mut optional
            } else {
                &mut asked
            };
            into.extend(tree.target(*to));
        }
        asked.extend(self.unasked_peers(id, &edges));
        for to in asked {
            if !self.is_local(id, to, &linked) {
                required.push(to);
            } else if id != tree.root || !tree.is_workspace(to) || self.is_declared(to) {
                local.push(to);
            }
        }
        let taken = required.iter().chain(&local).chain(&optional);
        let taken: FxHashSet<&str> = taken.map(|to| tree.name_text(*to)).collect();
        let more = self.optional_peers(id, &taken, &linked);
        optional.extend(more);
        let mut all = Vec::new();
        for (mut nodes, stored) in [(required, true), (local, false), (optional, true)] {
            nodes.retain(|to| !stored || !self.is_gone(*to));
            all.extend(nodes.into_iter().map(|to| self.member(to, stored)));
        }
        all
    }

    /// What a node asks for and gets, but for what it bundles; of the user's own folders only what is
    /// not omitted.
    fn edges_of(&self, id: NodeId) -> Vec<(EdgeId, NodeId)> {
        let tree = self.tree();
        let mine = tree.is_mine(id);
        let omit = self.choice.request.options.omit;
        let edges = tree.node(id).edges_out.values().copied();
        let edges = edges.filter_map(|edge| Some((edge, tree.edge(edge).to?)));
        let edges = edges.filter(|(_, to)| !is_stale(tree, *to));
        let edges = edges.filter(|(edge, _)| {
            let kind = tree.edge(*edge).kind;
            let omitted = (omit.dev && kind == Kind::Dev)
                || (omit.optional && kind.is_optional())
                || (omit.peer && kind.is_peer());
            !(self.bundles(id, *edge) || mine && omitted)
        });
        edges.collect()
    }

    fn is_declared(&self, id: NodeId) -> bool {
        let name = self.tree().node(id).package.manifest.name();
        name.is_some_and(|name| self.declared.contains(name))
    }

    fn is_local(&self, id: NodeId, to: NodeId, linked: &FxHashSet<NodeId>) -> bool {
        let tree = self.tree();
        tree.is_workspace(to) || tree.node(id).fs_children.contains(&to) || linked.contains(&to)
    }

    /// With `legacy-peer-deps` no edge leads to a peer, but who is there gets linked all the same.
    fn unasked_peers(&self, id: NodeId, edges: &[(EdgeId, NodeId)]) -> Vec<NodeId> {
        let tree = self.tree();
        let peers = tree.node(id).package.manifest.object("peerDependencies");
        let Some(peers) = peers.filter(|_| tree.rules.legacy_peer_deps) else {
            return Vec::new();
        };
        let asked: FxHashSet<&str> = edges
            .iter()
            .map(|(edge, _)| tree.edge_name(*edge))
            .collect();
        let names = peers.keys().filter(|name| !asked.contains(name.as_str()));
        names.filter_map(|name| self.look_up(id, name)).collect()
    }

    /// Optional peers that only `peerDependenciesMeta` names have no edge either.
    fn optional_peers(
        &self,
        id: NodeId,
        taken: &FxHashSet<&str>,
        linked: &FxHashSet<NodeId>,
    ) -> Vec<NodeId> {
        let meta = self
            .tree()
            .node(id)
            .package
            .manifest
            .object("peerDependenciesMeta");
        let named = meta.into_iter().flatten().filter(|(name, value)| {
            value.get("optional") == Some(&Value::Bool(true)) && !taken.contains(name.as_str())
        });
        let found = named.filter_map(|(name, _)| self.look_up(id, name));
        found.filter(|to| !self.is_local(id, *to, linked)).collect()
    }

    /// What `require(name)` finds from a node, itself excepted.
    fn look_up(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let tree = self.tree();
        let found = tree.ancestry(id).find_map(|above| {
            let mut children = tree.node(above).children.values();
            children.find(|child| tree.name_text(**child) == name && !is_stale(tree, **child))
        });
        let found = tree.target(*found?)?;
        (found != id && !self.is_gone(found)).then_some(found)
    }

    /// The name of a member's folder in the store. Each member below counts once, where it is met
    /// first.
    fn key_of(&self, start: usize) -> String {
        let tree = self.tree();
        let mut lines = Vec::new();
        let mut seen: FxHashSet<usize> = FxHashSet::default();
        let mut branch = String::new();
        // Who is to be visited, and how long the branch is above it.
        let mut pending = vec![(start, 0)];
        while let Some((at, above)) = pending.pop() {
            if !seen.insert(at) {
                continue;
            }
            branch.truncate(above);
            if above > 0 {
                branch.push_str("->");
            }
            branch.push_str(&self.title(at));
            let member = &self.members[at];
            let resolved = tree.node(member.node).resolved.as_deref();
            lines.push(format!("{branch}::{}", resolved.unwrap_or("null")));
            let below = member.dependencies.iter().rev();
            pending.extend(below.map(|next| (*next, branch.len())));
        }
        lines.sort_unstable();
        let mut hasher = Shake256::default();
        hasher.update(lines.join(",").as_bytes());
        let mut hash = [0; 16];
        hasher.finalize_xof().read(&mut hash);
        format!("{}-{}", self.title(start), URL_SAFE_NO_PAD.encode(hash))
    }

    /// `name@version`; npm forgets the version of folders.
    fn title(&self, at: usize) -> String {
        let Member { node, stored, .. } = self.members[at];
        let name = self.package_name(node);
        if stored {
            format!("{name}@{}", self.tree().version_text(node))
        } else {
            format!("{name}@undefined")
        }
    }

    fn package_name(&self, id: NodeId) -> &'a str {
        let tree = self.tree();
        let name = tree.node(id).package.manifest.name();
        name.unwrap_or_else(|| tree.name_text(id))
    }

    fn put_packages(
        &self,
        stored: &[usize],
        layout: &mut Layout,
        selection: &mut Selection,
    ) -> Result<(), OriginError> {
        let mut first: FxHashMap<&str, usize> = FxHashMap::default();
        for at in stored {
            let Member { node, key, .. } = &self.members[*at];
            let name = self.package_name(*node);
            let location = format!("{STORE}/{key}/node_modules/{name}");
            layout.places.insert(*at, location.clone());
            if first.insert(key, *at).is_some() {
                continue;
            }
            let kind = scripts::Kind::Package;
            self.put_package(*node, location, kind, layout, selection)?;
            layout
                .entries
                .push((format!("{STORE}/{key}"), Map::default()));
        }
        // Members that nobody reached share the folder of an equal one.
        for (at, member) in self.members.iter().enumerate() {
            if let Some(twin) = first.get(member.key.as_str()).filter(|_| member.stored) {
                let place = layout.places[twin].clone();
                layout.places.insert(at, place);
            }
        }
        Ok(())
    }

    fn put_package(
        &self,
        id: NodeId,
        location: String,
        kind: scripts::Kind,
        layout: &mut Layout,
        selection: &mut Selection,
    ) -> Result<(), OriginError> {
        let mut entry = lock::entry(self.tree(), id, self.choice.registry_resolved());
        for field in ["name", "integrity", "bundleDependencies"]
            .iter()
            .chain(&FLAGS)
        {
            entry.shift_remove(*field);
        }
        if kind == scripts::Kind::Bundled {
            entry.insert("inBundle".to_owned(), true.into());
        }
        layout.entries.push((location.clone(), entry));
        self.choice.add_package(selection, id, location.clone())?;
        let project = self.tree().node(self.tree().root).path.clone();
        selection.candidates.push(scripts::Candidate {
            folder: format!("{project}/{location}").into(),
            location,
            kind: scripts::Kind::Package,
            integrity: None,
            flags: scripts::Flags {
                optional: self.tree().node(id).flags.optional,
                ..scripts::Flags::default()
            },
            depth: 0,
            bundler: None,
            ..self.choice.candidate(id)
        });
        Ok(())
    }

    /// What the project or a workspace bundles stays where the lock has it.
    fn put_bundles(
        &self,
        folders: &[NodeId],
        layout: &mut Layout,
        selection: &mut Selection,
    ) -> Result<(), OriginError> {
        let tree = self.tree();
        let mut pending = Vec::new();
        for id in [tree.root].iter().chain(folders) {
            let edges = tree.node(*id).edges_out.values();
            let bundled = edges.filter(|edge| self.bundles(*id, **edge));
            pending.extend(bundled.filter_map(|edge| tree.edge(*edge).to));
        }
        let mut seen: FxHashSet<NodeId> = FxHashSet::default();
        while let Some(id) = pending.pop() {
            if tree.is_link(id) || self.is_gone(id) || !seen.insert(id) {
                continue;
            }
            let edges = tree.node(id).edges_out.values();
            pending.extend(edges.filter_map(|edge| tree.edge(*edge).to));
            let (location, kind) = (tree.node(id).location.to_string(), scripts::Kind::Bundled);
            self.put_package(id, location, kind, layout, selection)?;
        }
        Ok(())
    }

    /// Folders of the user's: they are there, and those the project asks for get a link.
    fn put_workspaces(&self, own: &[usize], layout: &mut Layout, selection: &mut Selection) {
        let tree = self.tree();
        for at in own {
            let id = self.members[*at].node;
            let folder = tree.node(id).location.to_string();
            let mut entry = lock::entry(tree, id, true);
            for field in ["bundleDependencies"].iter().chain(&FLAGS) {
                entry.shift_remove(*field);
            }
            let name = self.package_name(id).to_owned();
            let mut location = format!("{folder}/node_modules/{name}");
            if self.declared.contains(&name) {
                location = format!("node_modules/{name}");
                layout.links.insert(location.clone(), (id, folder.clone()));
            }
            let link = tree.node(id).links_in.first().copied();
            selection.candidates.push(scripts::Candidate {
                location,
                depth: 0,
                ..self.choice.candidate(link.unwrap_or(id))
            });
            layout.entries.push((folder.clone(), entry));
            layout.places.insert(*at, folder);
        }
    }

    fn put_links(&self, own: &[usize], layout: &mut Layout) {
        let mut seen: FxHashSet<String> = FxHashSet::default();
        let mut pending: Vec<usize> = own.to_vec();
        pending.reverse();
        while let Some(at) = pending.pop() {
            let member = &self.members[at];
            let folder = match layout.places.get(&at) {
                Some(_) if member.stored => format!("{STORE}/{}/node_modules", member.key),
                Some(folder) => format!("{folder}/node_modules"),
                None if member.node == self.tree().root => "node_modules".to_owned(),
                None => continue,
            };
            if !seen.insert(folder.clone()) {
                continue;
            }
            for next in &member.dependencies {
                pending.push(*next);
                let Some(place) = layout.places.get(next) else {
                    continue;
                };
                let to = self.members[*next].node;
                let name = if self.members[*next].stored {
                    self.tree().name_text(to)
                } else {
                    self.package_name(to)
                };
                let location = format!("{folder}/{name}");
                if location != *place {
                    layout.links.insert(location, (to, place.clone()));
                }
            }
        }
    }
}

/// How the lock says that a package is needed: the store's entries have none but `optional`.
const FLAGS: [&str; 6] = [
    "inBundle",
    "hasShrinkwrap",
    "extraneous",
    "peer",
    "dev",
    "devOptional",
];

impl Layout {
    fn finish(mut self, choice: Choice<'_>, selection: &mut Selection) {
        for (location, (id, target)) in self.links {
            let mut entry = Map::new();
            entry.insert("resolved".to_owned(), target.clone().into());
            entry.insert("link".to_owned(), true.into());
            self.entries.push((location.clone(), entry));
            selection.wanted.links.push(WantedLink {
                location,
                target,
                bins: choice.bins(id),
            });
        }
        let in_modules = |(location, _): &(String, _)| location.starts_with("node_modules/");
        if self.entries.iter().any(in_modules) {
            let top = lock::Top {
                lockfile_version: 3,
                ..lock::Top::default()
            };
            selection.wanted.hidden_lock = Some(choice.lock_text(top, self.entries));
        }
    }
}
