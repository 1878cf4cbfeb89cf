//! Loads a candidate and the peers that must go along with it into a virtual root.
//!
//! Source: `nodeFromEdge`, `nodeFromSpec` and `loadPeerSet` of npm's `build-ideal-tree.js`.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::error::{Disallowed, IncompleteManifest, LoadFailure, ResolveError};
use super::explain;
use super::ideal::Builder;
use super::names::Name;
use super::node::{EdgeId, NodeId};
use super::package::{Kind, Package};
use super::paths;
use crate::manifest::{self, Manifest};
use crate::name::PackageName;
use crate::npmrc::{Allow, Generation, masked};
use crate::spec::{Spec, SpecError, SpecKind};

/// Nodes that the one being placed cannot do without.
pub type Required = FxHashSet<NodeId>;

/// Peer sets that lead to each other for ever are deeper, or larger, than any honest one.
const DEEPEST: usize = 200;
const LARGEST: usize = 50_000;

/// Each dependency is held against all others of its dependent: a project of 3,000 direct
/// dependencies comes to this many edges, and to gigabytes.
const MOST_EDGES: usize = 10_000_000;

/// How far the peer set of one candidate has been followed.
#[derive(Debug, Default)]
pub struct Followed {
    path: Vec<Name>,
    loaded: usize,
}

impl Builder<'_> {
    /// Peers of a new candidate: what was followed for others does not count.
    pub fn follow_anew(&mut self) {
        self.followed = Followed::default();
    }

    /// npm has no limit here.
    fn follow(&mut self, name: Name) -> Result<(), ResolveError> {
        self.followed.path.push(name);
        self.followed.loaded += 1;
        let path = &self.followed.path;
        if path.len() <= DEEPEST && self.followed.loaded <= LARGEST {
            return Ok(());
        }
        let mut last: Vec<&str> = Vec::new();
        for name in path.iter().rev().take(DEEPEST) {
            let name = self.tree.names.text(*name);
            if !last.contains(&&**name) {
                last.push(name);
            }
        }
        last.truncate(4);
        Err(ResolveError::Endless {
            packages: last.join(", "),
        })
    }

    /// The workbench for `id`: a copy of it with the same edges and nothing installed.
    pub fn virtual_root(&mut self, id: NodeId, reuse: bool) -> NodeId {
        if reuse && let Some(known) = self.virtual_roots.get(&id) {
            return *known;
        }
        let tree = &mut self.tree;
        let path = tree.real_path(id).clone();
        let overrides = tree.node(id).overrides;
        let bench = self.stand_in(id, &path);
        let tree = &mut self.tree;
        tree.node_mut(bench).overrides = overrides;
        tree.plant(bench, path);
        tree.load_edges(bench);
        let links: Vec<(Arc<str>, NodeId)> = tree
            .node(id)
            .children
            .values()
            .filter(|child| tree.is_link(**child))
            .filter_map(|child| Some((tree.real_path(*child).clone(), tree.target(*child)?)))
            .collect();
        for (path, target) in links {
            let copy = self.stand_in(target, &path);
            self.tree.node_mut(copy).path = path;
            self.tree.set_root(copy, bench);
            self.tree.load_edges(copy);
        }
        self.virtual_roots.insert(id, bench);
        bench
    }

    fn stand_in(&mut self, id: NodeId, path: &str) -> NodeId {
        let package = self.tree.node(id).package.clone();
        let name = self.tree.intern(&paths::name_from_folder(path));
        let copy = self.tree.create(name, package);
        self.tree.node_mut(copy).source = Some(id);
        copy
    }

    /// A candidate for `edge` in `bench` (a fresh one of the edge's source if none is given), with
    /// its peers. A candidate for `second` is preferred when it suits `edge` too.
    pub fn node_from_edge(
        &mut self,
        edge: EdgeId,
        bench: Option<NodeId>,
        second: Option<EdgeId>,
        required: &mut Required,
    ) -> Result<NodeId, ResolveError> {
        let from = self.tree.edge(edge).from.unwrap_or(self.tree.root);
        let bench = match bench {
            Some(bench) => bench,
            None if self.tree.edges.len() > MOST_EDGES => {
                return Err(ResolveError::TooBroad {
                    package: explain::package(&self.tree, from),
                    dependencies: self.tree.node(from).edges_out.len(),
                });
            }
            None => self.virtual_root(from, false),
        };
        let name = self.tree.edge(edge).name;
        self.follow(name)?;
        let first = self.node_from_spec(name, edge, bench)?;
        let other = match second {
            Some(second) if !self.tree.is_valid(second) => {
                Some(self.node_from_spec(name, second, bench)?)
            }
            _ => None,
        };
        let node = other.filter(|_| self.tree.is_valid(edge)).unwrap_or(first);
        self.tree.set_parent(node, bench);
        let counts = |edge: EdgeId| {
            let edge = self.tree.edge(edge);
            edge.kind != Kind::PeerOptional
                && edge.from.is_some_and(|from| required.contains(&from))
        };
        if counts(edge) || second.is_some_and(counts) {
            required.insert(node);
        }
        self.load_peer_set(node, required)?;
        self.followed.path.pop();
        Ok(node)
    }

    /// Loads `node`'s unmet peers beside it, and theirs.
    fn load_peer_set(&mut self, node: NodeId, required: &mut Required) -> Result<(), ResolveError> {
        let tree = &self.tree;
        let mut peers: Vec<EdgeId> = tree
            .out_edges(node)
            .into_iter()
            .filter(|edge| tree.edge(*edge).kind.is_peer() && !self.is_met(*edge))
            .collect();
        peers.sort_by(|a, b| crate::collate::compare(tree.edge_name(*a), tree.edge_name(*b)));
        for edge in peers {
            // A better copy of this node may have taken its place meanwhile.
            let Some(bench) = self.tree.node(node).parent else {
                break;
            };
            if !self.is_met(edge) && !self.load_peer(node, edge, bench, required)? {
                break;
            }
        }
        Ok(())
    }

    fn is_met(&self, edge: EdgeId) -> bool {
        self.tree.edge(edge).to.is_some() && self.tree.is_valid(edge)
    }

    /// Loads one peer. `false`: `node` lost its place, its other peers do not matter any more.
    fn load_peer(
        &mut self,
        node: NodeId,
        edge: EdgeId,
        bench: NodeId,
        required: &mut Required,
    ) -> Result<bool, ResolveError> {
        let bench_edge = self.tree.edge_out(bench, self.tree.edge_key(edge));
        let source = self.tree.node(bench).source.unwrap_or(bench);
        let mine = self.tree.is_mine(source);
        let options = self.options;
        let tolerated = options.force || !(mine || options.strict_peer_deps);
        if self.tree.edge(edge).to.is_none() {
            let Some(bench_edge) = bench_edge else {
                if self.is_left_to_chance(edge, source) {
                    return Ok(true);
                }
                self.node_from_edge(edge, Some(bench), None, required)?;
                return Ok(true);
            };
            let dep = self.node_from_edge(bench_edge, Some(bench), Some(edge), required)?;
            if self.tree.is_valid(edge) {
                return Ok(true);
            }
            if tolerated || !required.contains(&dep) {
                self.tree.edge_mut(edge).peer_conflicted = true;
                return Ok(true);
            }
            if self.tree.node(node).parent.is_none() {
                return Ok(false);
            }
            return Err(explain::peer_set(&self.tree, edge, Some(bench_edge)));
        }
        let Some(current) = self.tree.edge(edge).to else {
            return Ok(true);
        };
        let dep = self.node_from_edge(edge, None, None, required)?;
        if self.tree.can_replace(dep, current, &[]) {
            self.node_from_edge(edge, Some(bench), None, required)?;
            return Ok(true);
        }
        let from = self.tree.edge(edge).from;
        if tolerated || !from.is_some_and(|from| required.contains(&from)) {
            return Ok(true);
        }
        Err(explain::peer_set(&self.tree, edge, bench_edge))
    }

    /// npm 12 loads an optional peer only where one is there that does not suit.
    fn is_left_to_chance(&self, edge: EdgeId, source: NodeId) -> bool {
        if self.options.rules.generation == Generation::Eleven
            || self.tree.edge(edge).kind != Kind::PeerOptional
        {
            return false;
        }
        let there = self.tree.resolve(source, self.tree.edge_key(edge));
        there.is_none_or(|there| self.tree.satisfies(there, edge))
    }

    /// Source: `checkAllow` of npm's `build-ideal-tree.js`.
    fn check_allowed(&self, spec: &Spec, from: NodeId) -> Result<(), Disallowed> {
        let allowed = self.options.rules.allowed;
        let (kind, allow) = match &spec.kind {
            SpecKind::Git(_) => ("git", allowed.git),
            SpecKind::Remote(_) => ("remote", allowed.remote),
            SpecKind::File { .. } => ("file", allowed.file),
            SpecKind::Directory { .. } => ("directory", allowed.directory),
            _ => return Ok(()),
        };
        if allow == Allow::All || (allow == Allow::Root && self.tree.is_mine(from)) {
            return Ok(());
        }
        Err(Disallowed {
            kind,
            spec: masked(&spec.raw),
            only_transitive: allow == Allow::Root,
        })
    }

    /// A node in `bench` for what `edge` asks for: a link, a workspace, a package, or a failure.
    fn node_from_spec(
        &mut self,
        name: Name,
        edge: EdgeId,
        bench: NodeId,
    ) -> Result<NodeId, ResolveError> {
        let from = self.tree.edge(edge).from.unwrap_or(self.tree.root);
        let text = self.tree.spec_text(edge)?;
        let id = self.tree.specs.intern(&text);
        let folder = || self.tree.node(from).path.to_string();
        let mut spec = self.tree.specs.parsed(id, folder);
        // npm fetches a tarball ahead, and then from where its path really starts.
        if spec
            .as_ref()
            .is_ok_and(|spec| matches!(spec.kind, SpecKind::File { .. }))
        {
            let base = || self.tree.base_of(from, self.tree.edge(edge));
            spec = self.tree.specs.parsed(id, base);
        }
        let named = PackageName::parse(self.tree.names.text(name));
        let spec = named.map_err(SpecError::from).and(spec);
        let spec = spec.map_err(|error| ResolveError::Spec {
            error,
            place: explain::place(&self.tree, from, self.tree.names.text(name), &text),
            dependency: self.tree.names.text(name).to_string(),
            chain: explain::chain(&self.tree, from),
        })?;
        if let Err(disallowed) = self.check_allowed(&spec, from) {
            return Ok(self.failure_node(edge, LoadFailure::new(disallowed), bench));
        }
        let is_workspace = self.tree.workspaces.iter().any(|(known, _)| *known == name);
        if let SpecKind::Directory { path, .. } = &spec.kind
            && self.links_directory(edge, bench, is_workspace)
        {
            let path: Arc<str> = path.to_string_lossy().into();
            return self.link_to(name, path, bench);
        }
        if is_workspace && let Some(link) = self.workspace_that_satisfies(edge) {
            return Ok(link);
        }
        match self.load_preferred(name, edge, &spec, id) {
            Ok((package, resolved, integrity)) => {
                if spec.is_registry() {
                    self.hold_promise(edge, &package, integrity.as_deref())?;
                }
                if package.version_text().is_empty() && spec.is_registry() {
                    let name = self.tree.names.text(name).to_string();
                    let failure = LoadFailure::new(IncompleteManifest { name });
                    return Ok(self.failure_node(edge, failure, bench));
                }
                let node = self.tree.create(name, package);
                self.tree.set_resolved(node, resolved.as_deref(), "/");
                self.tree.node_mut(node).integrity = integrity;
                self.tree.set_parent(node, bench);
                self.tree.load_edges(node);
                Ok(node)
            }
            Err(Unloaded::Failure(failure)) => Ok(self.failure_node(edge, failure, bench)),
            Err(Unloaded::Fatal(error)) => Err(error),
        }
    }

    /// A directory is linked unless `--install-links` wants a copy of one outside the project.
    fn links_directory(&self, edge: EdgeId, bench: NodeId, is_workspace: bool) -> bool {
        let tree = &self.tree;
        if !tree.rules.install_links {
            return true;
        }
        let node = tree.node(bench);
        let copied = node.resolved.as_deref().or_else(|| {
            let source = node.source?;
            tree.node(source).resolved.as_deref()
        });
        if copied.is_some_and(|resolved| resolved.starts_with("file:")) {
            return false;
        }
        let raw = tree.specs.text(tree.edge(edge).raw_spec);
        let relative = raw.starts_with("file:./") || raw.starts_with("file:../");
        let inside = relative && {
            let target = paths::join(tree.real_path(bench), &raw[5..]);
            let project = tree.real_path(tree.root);
            target == **project || paths::is_below(&target, project)
        };
        is_workspace || inside
    }

    fn link_to(
        &mut self,
        name: Name,
        path: Arc<str>,
        bench: NodeId,
    ) -> Result<NodeId, ResolveError> {
        let package = self.local_package(&path)?;
        let link = self.tree.create(name, package.clone());
        self.tree.make_link(link, path.clone());
        self.tree.set_parent(link, bench);
        if self.tree.target(link).is_none() {
            let target = self.tree.create(name, package);
            self.tree.node_mut(target).path = path;
            self.tree.set_root(target, bench);
            self.tree.load_edges(target);
        }
        self.links.insert(link);
        Ok(link)
    }

    /// The package in a folder; an empty one when it cannot be read, as for npm.
    pub fn local_package(&mut self, folder: &str) -> Result<Arc<Package>, ResolveError> {
        let manifest = manifest::read(folder.as_ref())
            .map_or_else(|_| Arc::default(), |file| Arc::new(file.manifest));
        self.package(&manifest)
    }

    fn workspace_that_satisfies(&self, edge: EdgeId) -> Option<NodeId> {
        let tree = &self.tree;
        let root_edge = tree.edge_out(tree.root, tree.edge_key(edge))?;
        let link = tree.edge(root_edge).to?;
        (tree.is_workspace(link) && tree.satisfies(link, edge)).then_some(link)
    }

    fn failure_node(&mut self, edge: EdgeId, failure: LoadFailure, bench: NodeId) -> NodeId {
        let name = self.tree.edge(edge).name;
        let empty = self.tree.empty_package.clone();
        let node = self.tree.create(name, empty);
        self.tree.node_mut(node).failure = Some(failure);
        self.tree.set_parent(node, bench);
        self.failures.insert(node);
        node
    }

    /// The package that an imported lock prefers for the edge, else the one that `spec` means.
    fn load_preferred(
        &mut self,
        name: Name,
        edge: EdgeId,
        spec: &Spec,
        id: super::specs::SpecId,
    ) -> Result<Loaded, Unloaded> {
        for exact in self.preferred(edge, spec) {
            let Ok(spec) = self.tree.specs.parsed(exact, String::new) else {
                continue;
            };
            match self.load(name, &spec, exact) {
                Err(Unloaded::Failure(failure)) if is_not_there(&failure) => self.drop_choice(edge),
                loaded => return loaded,
            }
        }
        self.load(name, spec, id)
    }

    /// The package that `spec` means, asked for once.
    fn load(
        &mut self,
        name: Name,
        spec: &Spec,
        id: super::specs::SpecId,
    ) -> Result<Loaded, Unloaded> {
        // What a path means depends on who asks.
        let local = matches!(
            spec.kind,
            SpecKind::File { .. } | SpecKind::Directory { .. }
        );
        if !local && let Some(known) = self.loaded.get(&(name, id)) {
            let fetched = known.clone().map_err(Unloaded::Failure)?;
            let package = self.package(&fetched.manifest).map_err(Unloaded::Fatal)?;
            return Ok((package, fetched.resolved, fetched.integrity));
        }
        let fetched = self.source.manifest(self.tree.names.text(name), spec);
        if !local {
            self.loaded.insert((name, id), fetched.clone());
        }
        let fetched = fetched.map_err(Unloaded::Failure)?;
        let package = self.package(&fetched.manifest).map_err(Unloaded::Fatal)?;
        Ok((package, fetched.resolved, fetched.integrity))
    }

    /// The package made of a manifest, made once.
    pub fn package(&mut self, manifest: &Arc<Manifest>) -> Result<Arc<Package>, ResolveError> {
        let address = Arc::as_ptr(manifest) as usize;
        if let Some(known) = self.packages.get(&address) {
            return Ok(known.clone());
        }
        let tree = &mut self.tree;
        let package = Package::new(manifest.clone(), &mut tree.names, &mut tree.specs)
            .map(Arc::new)
            .map_err(|error| ResolveError::NotAString {
                error,
                chain: Vec::new(),
            })?;
        self.packages.insert(address, package.clone());
        Ok(package)
    }
}

/// Does the registry answer, and have no such version (or none that may be taken)?
fn is_not_there(failure: &LoadFailure) -> bool {
    matches!(failure.code.as_str(), "ETARGET" | "E403" | "ENOVERSIONS")
}

/// A package with its `resolved` and `integrity`.
type Loaded = (Arc<Package>, Option<Arc<str>>, Option<Arc<str>>);

enum Unloaded {
    Failure(LoadFailure),
    Fatal(ResolveError),
}
