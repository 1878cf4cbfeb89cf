//! The arena of nodes and edges, and the moves that keep paths, parents and edges in step.
//!
//! Several trees live in one arena: the ideal tree, virtual roots, and what was taken out. Each
//! has a root that keeps the inventory of its locations.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::names::{Key, Name, Names};
use super::node::{Edge, EdgeId, Flags, Link, Node, NodeId, Ordered};
use super::overrides::Overrides;
use super::package::{Kind, Package};
use super::paths;
use super::prefer::Preferences;
use super::specs::Specs;
use crate::npmrc::{Allowed, Generation};

/// All nodes and edges of one resolution.
#[derive(Debug)]
pub struct Tree {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub names: Names,
    pub specs: Specs,
    pub overrides: Overrides,
    /// Root of the ideal tree.
    pub root: NodeId,
    /// Workspaces of the project: name and absolute path, in npm's order.
    pub workspaces: Vec<(Name, Arc<str>)>,
    pub rules: Rules,
    pub(super) empty_package: Arc<Package>,
    rosters: FxHashMap<NodeId, Roster>,
    /// All edges of a name, wherever they start, in no order.
    pub(super) edges_named: FxHashMap<Key, Vec<EdgeId>>,
    /// Does any package of this resolution bundle dependencies? If not, nothing is in a bundle.
    pub(super) bundles_seen: bool,
    /// What a git edge's spec was when the lock was written.
    pub(super) locked_specs: FxHashMap<(Arc<str>, Name), Arc<str>>,
    pub(super) preferences: Arc<Preferences>,
    /// Choices of an imported lock that the registry does not have, by number.
    pub(super) dropped_choices: FxHashSet<u32>,
}

/// Settings that decide which edges there are and when they hold.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    pub legacy_peer_deps: bool,
    pub install_links: bool,
    pub generation: Generation,
    pub allowed: Allowed,
}

/// What a root knows of its tree.
#[derive(Debug, Default)]
struct Roster {
    by_location: FxHashMap<Arc<str>, (u64, NodeId)>,
    by_name: FxHashMap<Name, Vec<NodeId>>,
    links: Vec<NodeId>,
    /// Nodes without a parent.
    tops: Vec<NodeId>,
    count: u64,
}

impl Tree {
    pub fn new(rules: Rules) -> Self {
        let mut names = Names::default();
        let mut specs = Specs::default();
        let empty = Package::new(Arc::default(), &mut names, &mut specs);
        Self {
            nodes: Vec::new(),
            edges: Vec::new(),
            names,
            specs,
            overrides: Overrides::default(),
            root: NodeId(0),
            workspaces: Vec::new(),
            rules,
            empty_package: Arc::new(empty.unwrap_or_else(|_| unreachable!("it has no deps"))),
            rosters: FxHashMap::default(),
            edges_named: FxHashMap::default(),
            bundles_seen: false,
            locked_specs: FxHashMap::default(),
            preferences: Arc::default(),
            dropped_choices: FxHashSet::default(),
        }
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.0 as usize]
    }

    pub fn edge_mut(&mut self, id: EdgeId) -> &mut Edge {
        &mut self.edges[id.0 as usize]
    }

    pub fn name_text(&self, id: NodeId) -> &str {
        self.names.text(self.node(id).name)
    }

    pub fn key_of(&self, id: NodeId) -> Key {
        self.names.key(self.node(id).name)
    }

    /// A node without a place, its own root, without edges yet.
    pub fn create(&mut self, name: Name, package: Arc<Package>) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.bundles_seen |= !package.bundled.is_empty();
        self.nodes.push(Node {
            name,
            resolved: None,
            integrity: None,
            has_shrinkwrap: self.rules.generation == Generation::Eleven
                && package.manifest.flag("_hasShrinkwrap"),
            package,
            path: "".into(),
            location: "".into(),
            link: None,
            root: id,
            parent: None,
            fs_parent: None,
            children: Ordered::default(),
            fs_children: Vec::new(),
            edges_out: Ordered::default(),
            edges_in: Vec::new(),
            links_in: Vec::new(),
            flags: Flags::SET,
            inert: false,
            failure: None,
            overrides: None,
            source: None,
        });
        id
    }

    /// Makes `id` a link to `real_path`; its target is found or given once it has a place.
    pub fn make_link(&mut self, id: NodeId, real_path: Arc<str>) {
        self.node_mut(id).link = Some(Link {
            real_path,
            target: None,
        });
    }

    // ---- asking ----

    pub fn is_link(&self, id: NodeId) -> bool {
        self.node(id).link.is_some()
    }

    /// The link's target, or the node itself.
    pub fn target(&self, id: NodeId) -> Option<NodeId> {
        match &self.node(id).link {
            Some(link) => link.target,
            None => Some(id),
        }
    }

    pub fn real_path(&self, id: NodeId) -> &Arc<str> {
        match &self.node(id).link {
            Some(link) => &link.real_path,
            None => &self.node(id).path,
        }
    }

    /// True for the root of any tree, virtual and detached ones included.
    pub fn is_root(&self, id: NodeId) -> bool {
        self.node(id).root == id
    }

    pub fn is_top(&self, id: NodeId) -> bool {
        self.node(id).parent.is_none()
    }

    pub fn depth(&self, id: NodeId) -> usize {
        std::iter::successors(self.node(id).parent, |node| self.node(*node).parent).count()
    }

    pub fn resolve_parent(&self, id: NodeId) -> Option<NodeId> {
        let node = self.node(id);
        node.parent.or(node.fs_parent)
    }

    /// The node and everything it can look things up in, nearest first.
    pub fn ancestry(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(id), |node| self.resolve_parent(*node))
    }

    pub fn is_descendant_of(&self, id: NodeId, ancestor: NodeId) -> bool {
        self.ancestry(id).any(|node| node == ancestor)
    }

    /// What `require(name)` would find from `id`.
    pub fn resolve(&self, id: NodeId, key: Key) -> Option<NodeId> {
        self.ancestry(id).find_map(|node| self.child(node, key))
    }

    /// Links have no children; only their targets do.
    pub fn child(&self, id: NodeId, key: Key) -> Option<NodeId> {
        self.node(id).children.get(&key).copied()
    }

    pub fn edge_out(&self, id: NodeId, key: Key) -> Option<EdgeId> {
        self.node(id).edges_out.get(&key).copied()
    }

    pub fn out_edges(&self, id: NodeId) -> Vec<EdgeId> {
        self.node(id).edges_out.values().copied().collect()
    }

    pub fn is_workspace(&self, id: NodeId) -> bool {
        let node = self.node(id);
        if self.workspaces.is_empty() || node.root == id {
            return false;
        }
        let Some(package_name) = node.package.name else {
            return false;
        };
        let edge = self.edge_out(node.root, self.names.key(package_name));
        edge.map(|edge| self.edge(edge)).is_some_and(|edge| {
            edge.kind == Kind::Workspace
                && edge
                    .to
                    .is_some_and(|to| to == id || self.target(to) == Some(id))
        })
    }

    /// Is it the project's own: the root of a tree or a workspace?
    pub fn is_mine(&self, id: NodeId) -> bool {
        self.is_root(id) || self.is_workspace(id)
    }

    /// All nodes of a tree but its root, in the order they came in.
    pub fn inventory(&self, root: NodeId) -> Vec<NodeId> {
        let Some(roster) = self.rosters.get(&root) else {
            return Vec::new();
        };
        let mut nodes: Vec<(u64, NodeId)> = roster.by_location.values().copied().collect();
        nodes.sort_unstable();
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    pub fn at(&self, root: NodeId, location: &str) -> Option<NodeId> {
        let roster = self.rosters.get(&root)?;
        roster.by_location.get(location).map(|(_, node)| *node)
    }

    /// Nodes of this folder name, in the order they came in.
    pub fn named(&self, root: NodeId, name: Name) -> Vec<NodeId> {
        self.rosters
            .get(&root)
            .and_then(|roster| roster.by_name.get(&name))
            .cloned()
            .unwrap_or_default()
    }

    // ---- changing ----

    /// Makes `id` the root of its own tree at `path`.
    pub fn plant(&mut self, id: NodeId, path: Arc<str>) {
        let node = self.node_mut(id);
        node.path = path;
        node.root = id;
        self.enlist(id);
    }

    /// Puts `id` into `parent`'s `node_modules`, over whatever has its name there.
    pub fn set_parent(&mut self, id: NodeId, parent: NodeId) {
        let Some(parent) = self.target(parent) else {
            return;
        };
        if id == parent || self.node(id).parent == Some(parent) {
            return;
        }
        let path = paths::child(&self.node(parent).path, self.name_text(id));
        self.leave_parents(id);
        if *path != *self.node(id).path {
            self.change_path(id, &path.into());
        }
        self.set_root(id, self.node(parent).root);
    }

    /// Takes `id`, with everything below it, out of its tree.
    pub fn detach(&mut self, id: NodeId) {
        self.set_root(id, id);
    }

    fn leave_parents(&mut self, id: NodeId) {
        let key = self.key_of(id);
        if let Some(parent) = self.node_mut(id).parent.take() {
            self.remove_child(parent, key, id);
        }
        if let Some(parent) = self.node_mut(id).fs_parent.take() {
            self.node_mut(parent)
                .fs_children
                .retain(|child| *child != id);
        }
    }

    fn remove_child(&mut self, parent: NodeId, key: Key, child: NodeId) {
        let children = &mut self.node_mut(parent).children;
        if children.get(&key) == Some(&child) {
            children.shift_remove(&key);
        }
    }

    /// Moves `id` and everything below it to `path` within its tree.
    fn change_path(&mut self, id: NodeId, path: &Arc<str>) {
        self.delist(id);
        let old = std::mem::replace(&mut self.node_mut(id).path, path.clone());
        if !self.is_link(id) {
            for link in self.node(id).links_in.clone() {
                if let Some(link) = &mut self.node_mut(link).link {
                    link.real_path = path.clone();
                }
            }
        }
        for child in self.node(id).fs_children.clone() {
            let below = self.node(child).path[old.len()..].to_owned();
            self.change_path(child, &format!("{path}{below}").into());
        }
        let children: Vec<NodeId> = self.node(id).children.values().copied().collect();
        for child in children {
            let path = paths::child(path, self.name_text(child));
            self.change_path(child, &path.into());
        }
        self.enlist(id);
    }

    fn delist(&mut self, id: NodeId) {
        let node = &self.nodes[id.0 as usize];
        let Some(roster) = self.rosters.get_mut(&node.root) else {
            return;
        };
        roster.tops.retain(|top| *top != id);
        if roster
            .by_location
            .get(&node.location)
            .is_some_and(|(_, there)| *there == id)
        {
            roster.by_location.remove(&node.location);
            if let Some(named) = roster.by_name.get_mut(&node.name) {
                named.retain(|other| *other != id);
            }
            roster.links.retain(|other| *other != id);
        }
    }

    /// Writes the node into its root's roster under its location.
    fn enlist(&mut self, id: NodeId) {
        let root = self.node(id).root;
        if self.node(id).path.is_empty() {
            return;
        }
        let location = paths::relative(self.real_path(root), &self.node(id).path);
        let location: Arc<str> = location.into();
        if let Some(other) = self.at(root, &location)
            && other != id
        {
            self.delist(other);
        }
        let node = &mut self.nodes[id.0 as usize];
        node.location = location.clone();
        let roster = self.rosters.entry(root).or_default();
        roster.count += 1;
        let known = roster.by_location.contains_key(&location);
        if !known {
            roster.by_location.insert(location, (roster.count, id));
            roster.by_name.entry(node.name).or_default().push(id);
            if node.link.is_some() {
                roster.links.push(id);
            }
        }
    }

    /// Moves `id` and its family into the tree of `root`, or makes it a tree of its own.
    pub fn set_root(&mut self, id: NodeId, root: NodeId) {
        let root = if root == id { id } else { self.node(root).root };
        self.delist(id);
        if self.node(id).path.is_empty() || (root != id && self.node(root).path.is_empty()) {
            self.node_mut(id).root = root;
            return;
        }
        self.node_mut(id).root = id;
        let former_target = self.break_links(id);
        self.break_foreign_parents(id, root);
        self.node_mut(id).root = root;
        if root == id {
            self.enlist(id);
        } else {
            self.settle(id);
        }
        self.reload_foreign_edges(id);
        self.bring_family(id, root);
        if let Some(target) = former_target
            && self.target(id).is_none()
            && root != id
        {
            self.set_root(target, root);
        }
    }

    /// Forgets links to `id` and the target of `id`; both are found again where they end up.
    fn break_links(&mut self, id: NodeId) -> Option<NodeId> {
        for link in std::mem::take(&mut self.node_mut(id).links_in) {
            if let Some(link) = &mut self.node_mut(link).link {
                link.target = None;
            }
        }
        let target = self.node_mut(id).link.as_mut()?.target.take()?;
        self.node_mut(target).links_in.retain(|link| *link != id);
        Some(target)
    }

    fn break_foreign_parents(&mut self, id: NodeId, root: NodeId) {
        let key = self.key_of(id);
        if let Some(parent) = self.node(id).parent
            && self.node(parent).root != root
        {
            self.remove_child(parent, key, id);
            self.node_mut(id).parent = None;
        }
        if let Some(parent) = self.node(id).fs_parent
            && self.node(parent).root != root
        {
            self.node_mut(parent)
                .fs_children
                .retain(|child| *child != id);
            self.node_mut(id).fs_parent = None;
        }
    }

    /// Takes the place that the path names: over what is there, below the nearest node above.
    fn settle(&mut self, id: NodeId) {
        let root = self.node(id).root;
        let location = paths::relative(self.real_path(root), &self.node(id).path);
        if let Some(current) = self.at(root, &location)
            && current != id
        {
            self.detach(current);
        }
        self.enlist(id);
        self.find_parent(id);
        let top = self.node(id).parent.is_none();
        if let Some(roster) = self.rosters.get_mut(&root) {
            roster.tops.retain(|other| *other != id);
            if top {
                roster.tops.push(id);
            }
        }
        self.adopt_tops(id);
        self.join_links(id);
    }

    fn find_parent(&mut self, id: NodeId) {
        let root = self.node(id).root;
        let path = self.node(id).path.clone();
        let mut above = paths::parent(&path);
        while let Some(folder) = above {
            above = paths::parent(folder);
            let location = paths::relative(self.real_path(root), folder);
            let Some(parent) = self.at(root, &location).filter(|node| !self.is_link(*node)) else {
                continue;
            };
            if *paths::child(folder, self.name_text(id)) == *path {
                self.become_child(id, parent);
            } else {
                if let Some(former) = self.node(id).fs_parent {
                    self.node_mut(former)
                        .fs_children
                        .retain(|child| *child != id);
                }
                self.node_mut(parent).fs_children.push(id);
                self.node_mut(id).fs_parent = Some(parent);
            }
            return;
        }
    }

    fn become_child(&mut self, id: NodeId, parent: NodeId) {
        let key = self.key_of(id);
        if let Some(former) = self.child(parent, key)
            && former != id
        {
            self.detach(former);
        }
        if let Some(former) = self.node(id).parent {
            self.remove_child(former, key, id);
            self.reload_named(former, key);
        }
        // A key that is set again moves to the end.
        self.node_mut(parent).children.shift_remove(&key);
        self.node_mut(parent).children.insert(key, id);
        self.node_mut(id).parent = Some(parent);
        if !self.is_link(id) {
            self.reload_named(parent, key);
        }
    }

    /// Tops that turn out to lie below `id` become its children.
    fn adopt_tops(&mut self, id: NodeId) {
        let root = self.node(id).root;
        let tops = self.rosters.get(&root).map(|roster| roster.tops.clone());
        for child in tops.unwrap_or_default() {
            if child == id {
                continue;
            }
            let path = self.node(id).path.clone();
            let node = self.node(child);
            let is_child = *paths::child(&path, self.name_text(child)) == *node.path;
            let nearer = node
                .fs_parent
                .is_none_or(|other| other == id || paths::is_below(&path, &self.node(other).path));
            let is_fs_child = paths::is_below(&node.path, &path) && node.parent.is_none() && nearer;
            if !is_child && !is_fs_child {
                continue;
            }
            if self.is_link(id) {
                self.detach(child);
                continue;
            }
            if let Some(former) = self.node_mut(child).fs_parent.take() {
                self.node_mut(former)
                    .fs_children
                    .retain(|other| *other != child);
            }
            if is_child {
                let key = self.key_of(child);
                self.node_mut(id).children.insert(key, child);
                self.node_mut(child).parent = Some(id);
                if let Some(roster) = self.rosters.get_mut(&root) {
                    roster.tops.retain(|other| *other != child);
                }
            } else {
                self.node_mut(id).fs_children.push(child);
                self.node_mut(child).fs_parent = Some(id);
            }
        }
    }

    /// Links meet their targets, whichever came first.
    fn join_links(&mut self, id: NodeId) {
        let root = self.node(id).root;
        let real_path = self.real_path(id).clone();
        if self.is_link(id) {
            let location = paths::relative(self.real_path(root), &real_path);
            let target = self
                .at(root, &location)
                .or_else(|| (*real_path == *self.node(root).path).then_some(root))
                .filter(|node| !self.is_link(*node));
            if let Some(target) = target {
                self.connect(id, target);
            }
            return;
        }
        let links = self.rosters.get(&root).map(|roster| roster.links.clone());
        for link in links.unwrap_or_default() {
            if *self.real_path(link) == real_path {
                self.connect(link, id);
            }
        }
    }

    fn connect(&mut self, link: NodeId, target: NodeId) {
        let package = self.node(target).package.clone();
        let node = self.node_mut(link);
        node.package = package;
        if let Some(link) = &mut node.link {
            link.target = Some(target);
        }
        let links_in = &mut self.node_mut(target).links_in;
        if !links_in.contains(&link) {
            links_in.push(link);
        }
        if let Some(parent) = self.node(link).parent {
            self.reload_named(parent, self.key_of(link));
        }
    }

    /// No edge may cross from one tree into another.
    fn reload_foreign_edges(&mut self, id: NodeId) {
        let root = self.node(id).root;
        for edge in self.node(id).edges_in.clone() {
            let from = self.edge(edge).from;
            if from.is_some_and(|from| self.node(from).root != root) {
                self.reload(edge, false);
            }
        }
        for edge in self.out_edges(id) {
            let to = self.edge(edge).to;
            if to.is_none_or(|to| self.node(to).root != root) {
                self.reload(edge, false);
            }
        }
    }

    fn bring_family(&mut self, id: NodeId, root: NodeId) {
        let node = self.node(id);
        let mut family: Vec<NodeId> = node.fs_children.clone();
        family.extend(node.children.values().copied());
        let mut seen: FxHashSet<NodeId> = family.iter().copied().collect();
        // What a former root listed comes along too.
        for other in self.inventory(id) {
            if other != id && seen.insert(other) {
                family.push(other);
            }
        }
        family.retain(|member| *member != id && self.node(*member).root != root);
        for member in family.clone() {
            self.delist(member);
            let key = self.key_of(member);
            self.node_mut(member).parent = None;
            self.remove_child(id, key, member);
            self.node_mut(member).fs_parent = None;
            self.node_mut(id)
                .fs_children
                .retain(|child| *child != member);
            for link in std::mem::take(&mut self.node_mut(member).links_in) {
                if let Some(link) = &mut self.node_mut(link).link {
                    link.target = None;
                }
            }
        }
        for member in family {
            if self.node(member).root != root {
                self.set_root(member, root);
            }
        }
    }

    /// Gives `id` the place of `old`, whose children it takes over.
    pub fn replace(&mut self, id: NodeId, old: NodeId) {
        self.delist(id);
        let old_node = self.node(old);
        let (path, name, root) = (old_node.path.clone(), old_node.name, old_node.root);
        let collides = old_node
            .parent
            .is_some_and(|parent| self.child(parent, self.key_of(id)) == Some(old));
        if collides && name != self.node(id).name {
            let parent = self.node(old).parent.unwrap_or(root);
            let path = paths::child(&self.node(parent).path, self.name_text(id));
            self.node_mut(id).path = path.into();
        } else {
            self.node_mut(id).path = path;
            self.node_mut(id).name = name;
        }
        self.enlist(id);
        if !self.is_link(id) {
            let children: Vec<NodeId> = self.node(old).children.values().copied().collect();
            for child in children {
                self.set_parent(child, id);
            }
            if self.is_link(old)
                && let Some(target) = self.target(old)
            {
                self.detach(target);
            }
        }
        if !self.is_root(old) {
            self.set_root(id, root);
        }
    }

    /// Looks up again every edge called `key` in and below `id`, parents first.
    pub fn reload_named(&mut self, id: NodeId, key: Key) {
        let Some(edges) = self.edges_named.get(&key) else {
            return;
        };
        let mut prefix = self.node(id).location.to_string();
        prefix.push_str("/node_modules/");
        let mut stale: Vec<(EdgeId, NodeId)> = Vec::new();
        for (edge, from) in edges
            .iter()
            .filter_map(|edge| Some((*edge, self.edge(*edge).from?)))
        {
            let to = self.edge(edge).to;
            let at_root = to.is_some_and(|to| {
                let location = &self.node(to).location;
                let edge_name = self.names.text(self.edge(edge).name);
                location.strip_prefix(prefix.as_str()) == Some(edge_name)
            });
            if (at_root || self.resolve(from, key) != to) && self.is_descendant_of(from, id) {
                stale.push((edge, from));
            }
        }
        if stale.len() > 1 {
            stale.sort_by_cached_key(|(_, from)| self.way_down(id, *from));
        }
        for (edge, _) in stale {
            self.reload(edge, true);
        }
    }

    /// Where a walk from `top` turns to reach `id`: compares as the walk goes, children before
    /// folders that are no packages of a `node_modules`.
    fn way_down(&self, top: NodeId, id: NodeId) -> Vec<(bool, usize)> {
        let ancestry = self.ancestry(id).take_while(|node| *node != top);
        let mut way: Vec<(bool, usize)> = ancestry
            .filter_map(|node| {
                let up = self.node(node);
                match (up.parent, up.fs_parent) {
                    (Some(parent), _) => {
                        let children = &self.node(parent).children;
                        Some((false, children.get_index_of(&self.key_of(node))?))
                    }
                    (None, Some(parent)) => {
                        let folders = &self.node(parent).fs_children;
                        Some((true, folders.iter().position(|other| *other == node)?))
                    }
                    (None, None) => None,
                }
            })
            .collect();
        way.reverse();
        way
    }
}

impl Tree {
    /// A link that found no target where it was put brings along that of `origin`.
    pub fn give_target(&mut self, link: NodeId, origin: NodeId) {
        if !self.is_link(link) || self.target(link).is_some() {
            return;
        }
        if let Some(target) = self.target(origin) {
            let root = self.node(link).root;
            self.set_root(target, root);
        }
    }

    /// Keys of the dependencies a node has or, not being placed yet, is going to have.
    pub fn dependency_keys(&self, id: NodeId) -> FxHashSet<Key> {
        if self.is_link(id) {
            return FxHashSet::default();
        }
        let package = &self.node(id).package;
        let legacy = self.rules.legacy_peer_deps;
        let counted = package
            .dependencies
            .iter()
            .filter(|dependency| !(legacy && dependency.kind.is_peer()));
        counted
            .map(|dependency| self.names.key(dependency.name))
            .collect()
    }
}
