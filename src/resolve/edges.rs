//! Edges: made from a package's dependencies, looked up again after every move, valid or not.
//!
//! Source: npm's `edge.js`, `dep-valid.js` and the override part of `node.js`.

use std::cell::Cell;
use std::sync::Arc;

use super::FETCHED_INTEGRITY;
use super::names::{Key, Name};
use super::node::{Edge, EdgeId, NodeId, State};
use super::overrides::{OverrideError, RuleId};
use super::package::{Dependency, Kind, Package};
use super::paths;
use super::specs::SpecId;
use super::tree::Tree;
use crate::npmrc::Generation;
use crate::spec::{GitSpec, Paths, Prerelease, Spec, SpecKind, consistent_resolve};

impl Tree {
    /// Makes all edges of `id` from its package; tops have edges for dev dependencies too.
    pub fn load_edges(&mut self, id: NodeId) {
        if self.is_link(id) {
            return;
        }
        let package = self.node(id).package.clone();
        let legacy = self.rules.legacy_peer_deps;
        let prod = package.dependencies.iter();
        for dependency in prod.filter(|dependency| !(legacy && dependency.kind.is_peer())) {
            self.add_edge(id, dependency);
        }
        let stands_for_top = self
            .node(id)
            .source
            .is_none_or(|source| self.is_top(source));
        if self.is_top(id) && !self.node(id).path.is_empty() && stands_for_top {
            for dependency in &package.dev_dependencies {
                self.add_edge(id, dependency);
            }
        }
    }

    /// Edges from the root to its workspaces, which nothing replaces.
    pub fn load_workspace_edges(&mut self) {
        let root = self.root;
        for (name, path) in self.workspaces.clone() {
            let spec = self.specs.intern(&format!("file:{path}"));
            let dependency = Dependency {
                kind: Kind::Workspace,
                name,
                spec,
                accept: None,
            };
            self.add_edge(root, &dependency);
        }
    }

    fn add_edge(&mut self, from: NodeId, dependency: &Dependency) {
        let key = self.names.key(dependency.name);
        if let Some(current) = self.edge_out(from, key) {
            if self.edge(current).kind == Kind::Workspace && dependency.kind != Kind::Workspace {
                return;
            }
            self.detach_edge(current);
        }
        let id = EdgeId(self.edges.len() as u32);
        self.edges_named.entry(key).or_default().push(id);
        let choice = self.choice(from, self.names.text(dependency.name), dependency.kind);
        self.edges.push(Edge {
            from: Some(from),
            to: None,
            name: dependency.name,
            raw_spec: dependency.spec,
            accept: dependency.accept,
            kind: dependency.kind,
            overrides: None,
            choice,
            peer_conflicted: false,
            state: Cell::new(None),
        });
        if let Some(context) = self.node(from).overrides {
            self.edge_mut(id).overrides = Some(self.rule_for(context, id));
        }
        self.node_mut(from).edges_out.insert(key, id);
        self.reload(id, true);
    }

    fn detach_edge(&mut self, id: EdgeId) {
        let edge = self.edge(id);
        let (from, to, name) = (edge.from, edge.to, edge.name);
        if let Some(to) = to {
            self.remove_edge_in(to, id);
        }
        let key = self.names.key(name);
        if let Some(from) = from {
            if let Some(named) = self.edges_named.get_mut(&key) {
                named.retain(|edge| *edge != id);
            }
            self.node_mut(from).edges_out.shift_remove(&key);
        }
        let edge = self.edge_mut(id);
        edge.to = None;
        edge.from = None;
        edge.state = Cell::new(Some(State::Detached));
    }

    /// A package that changed on disk takes the place of the one a node was made with.
    pub fn set_package(&mut self, id: NodeId, package: &Arc<Package>) {
        for edge in self.out_edges(id) {
            self.detach_edge(edge);
        }
        self.bundles_seen |= !package.bundled.is_empty();
        self.node_mut(id).package = package.clone();
        for link in self.node(id).links_in.clone() {
            self.node_mut(link).package = package.clone();
        }
        if id == self.root {
            self.load_workspace_edges();
        }
        self.load_edges(id);
        for edge in self.node(id).edges_in.clone() {
            self.reload(edge, true);
        }
    }

    /// Looks up what the edge resolves to now. `hard` also forgets whether it was satisfied.
    pub fn reload(&mut self, id: EdgeId, hard: bool) {
        let Some(from) = self.edge(id).from else {
            return;
        };
        let former_rule = self.edge(id).overrides;
        let mut new_rule = None;
        if let Some(context) = self.node(from).overrides {
            let rule = self.rule_for(context, id);
            if Some(rule) != former_rule {
                new_rule = Some(rule);
                self.edge_mut(id).overrides = Some(rule);
            }
        } else {
            self.edge_mut(id).overrides = None;
        }
        let to = self.resolve(from, self.names.key(self.edge(id).name));
        let former = self.edge(id).to;
        if to != former {
            if let Some(former) = former {
                self.remove_edge_in(former, id);
            }
            let edge = self.edge_mut(id);
            edge.to = to;
            edge.state.set(None);
            if let Some(to) = to {
                self.add_edge_in(to, id);
            }
        } else if hard {
            self.edge(id).state.set(None);
        } else if let (Some(rule), Some(to)) = (new_rule, to) {
            self.edge_rule_removed(to, former_rule);
            self.edge_rule_added(to, Some(rule));
        }
    }

    // ---- overrides travel along edges ----

    fn rule_for(&self, context: RuleId, id: EdgeId) -> RuleId {
        let edge = self.edge(id);
        let spec = || self.specs.parsed(edge.raw_spec, || "/".to_owned()).ok();
        self.overrides.for_edge(context, edge.name, spec)
    }

    fn add_edge_in(&mut self, id: NodeId, edge: EdgeId) {
        let rule = self.edge(edge).overrides;
        let current = self.node(id).overrides;
        if current.is_none() || current != rule {
            self.edge_rule_added(id, rule);
        }
        self.node_mut(id).edges_in.push(edge);
    }

    fn remove_edge_in(&mut self, id: NodeId, edge: EdgeId) {
        let edges_in = &mut self.node_mut(id).edges_in;
        if let Some(at) = edges_in.iter().position(|other| *other == edge) {
            edges_in.remove(at);
        }
        let rule = self.edge(edge).overrides;
        if rule.is_some() {
            self.edge_rule_removed(id, rule);
        }
    }

    pub fn edge_rule_added(&mut self, id: NodeId, rule: Option<RuleId>) {
        let Some(rule) = rule else { return };
        let new = match self.node(id).overrides {
            None => Some(rule),
            Some(current) if current == rule => None,
            Some(current) => self
                .overrides
                .more_specific(current, rule)
                .filter(|new| *new != current),
        };
        if let Some(new) = new {
            self.node_mut(id).overrides = Some(new);
            self.pass_overrides_on(id);
        }
    }

    fn edge_rule_removed(&mut self, id: NodeId, rule: Option<RuleId>) {
        let current = self.node(id).overrides;
        if current.is_none() || current != rule {
            return;
        }
        let mut new: Option<RuleId> = None;
        for edge in &self.node(id).edges_in {
            let edge_rule = self.edge(*edge).overrides;
            new = match (new, edge_rule) {
                (Some(known), Some(rule)) => self.overrides.more_specific(rule, known),
                _ => edge_rule,
            };
        }
        if new == current {
            return;
        }
        self.node_mut(id).overrides = new;
        if new.is_some() {
            self.pass_overrides_on(id);
        }
    }

    fn pass_overrides_on(&mut self, id: NodeId) {
        if self.is_link(id) {
            let (Some(target), Some(rule)) = (self.target(id), self.node(id).overrides) else {
                return;
            };
            if self.rule_reaches(rule, target) {
                self.edge_rule_added(target, Some(rule));
            }
            return;
        }
        for edge in self.out_edges(id) {
            self.reload(edge, true);
            let (to, rule) = (self.edge(edge).to, self.edge(edge).overrides);
            if let Some(to) = to {
                self.edge_rule_added(to, rule);
            }
        }
    }

    /// Does some rule under `rule` speak for an edge reachable from `start`?
    fn rule_reaches(&self, rule: RuleId, start: NodeId) -> bool {
        let mut seen = rustc_hash::FxHashSet::default();
        let mut pending = vec![start];
        while let Some(id) = pending.pop() {
            let Some(id) = self.target(id).filter(|id| seen.insert(*id)) else {
                continue;
            };
            for edge in self.node(id).edges_out.values() {
                let found = self.rule_for(rule, *edge);
                let target = self.overrides.target(found);
                if target.is_some_and(|target| target.name == self.edge(*edge).name) {
                    return true;
                }
                pending.extend(self.edge(*edge).to);
            }
        }
        false
    }

    /// The rule that replaces this edge's spec, if one does.
    fn replacement(&self, id: EdgeId) -> Option<&str> {
        let edge = self.edge(id);
        let target = self.overrides.target(edge.overrides?)?;
        (target.name == edge.name && target.value != "*").then_some(target.value.as_str())
    }

    /// Is this edge's spec (whatever it says) the work of an override?
    pub fn is_overridden(&self, id: EdgeId) -> bool {
        let edge = self.edge(id);
        let target = edge.overrides.and_then(|rule| self.overrides.target(rule));
        target.is_some_and(|target| target.name == edge.name)
    }

    /// Is this version of the package the work of an override, as npm tells it?
    ///
    /// Source: `overridden` of npm's `node.js`.
    pub fn is_node_overridden(&self, id: NodeId) -> bool {
        let node = self.node(id);
        let speaks = |rule: Option<RuleId>| {
            let target = rule.and_then(|rule| self.overrides.target(rule));
            target.filter(|target| target.name == node.name)
        };
        speaks(node.overrides).is_some()
            && node.edges_in.iter().any(|edge| {
                let edge = self.edge(*edge);
                let exact = speaks(edge.overrides)
                    .is_some_and(|target| target.value == self.version_text(id));
                exact
                    && edge
                        .from
                        .is_some_and(|from| edge.overrides != self.node(from).overrides)
            })
    }

    /// The spec that counts: the override's, with `$name` looked up, else the one written.
    pub fn spec_text(&self, id: EdgeId) -> Result<Arc<str>, OverrideError> {
        let edge = self.edge(id);
        let Some(value) = self.replacement(id) else {
            return Ok(self.specs.text(edge.raw_spec).clone());
        };
        let Some(reference) = value.strip_prefix('$') else {
            return Ok(value.into());
        };
        let from = edge.from.unwrap_or(self.root);
        let of = self.node(from).source.unwrap_or(from);
        let root = self.node(self.node(of).root).package.clone();
        let found =
            referred(&root, reference).or_else(|| referred(&self.node(from).package, reference));
        found
            .map(Into::into)
            .ok_or_else(|| OverrideError::Reference(value.to_owned()))
    }

    // ---- validity ----

    /// What kind of thing the edge asks for, overrides applied; `None` where that is no spec.
    pub fn spec(&self, id: EdgeId) -> Option<SpecKind> {
        let text = self.spec_text(id).ok()?;
        let text = if text.is_empty() { "*" } else { &text };
        let spec = Spec::parse("", text, "/".as_ref()).ok()?;
        Some(spec.kind)
    }

    pub fn is_valid(&self, id: EdgeId) -> bool {
        self.state(id) == State::Valid
    }

    pub fn state(&self, id: EdgeId) -> State {
        let edge = self.edge(id);
        if let Some(state) = edge.state.get() {
            return state;
        }
        let state = self.find_state(edge, id);
        // An unmet optional edge is asked again each time.
        if edge.to.is_some() || state != State::Valid {
            edge.state.set(Some(state));
        }
        state
    }

    fn find_state(&self, edge: &Edge, id: EdgeId) -> State {
        let Some(to) = edge.to else {
            return if edge.kind.is_optional() {
                State::Valid
            } else {
                State::Missing
            };
        };
        let Some(from) = edge.from else {
            return State::Detached;
        };
        let target = self.node(to);
        if edge.kind.is_peer() && target.parent == Some(from) && !self.is_top(from) {
            State::PeerLocal
        } else if !self.satisfies(to, id) || self.overrides_clash(edge, to) {
            State::Invalid
        } else {
            State::Valid
        }
    }

    fn overrides_clash(&self, edge: &Edge, to: NodeId) -> bool {
        let target = self.node(to);
        match (edge.overrides, target.overrides) {
            (Some(one), Some(other)) if !target.edges_out.is_empty() => {
                self.overrides.more_specific(one, other).is_none()
            }
            _ => false,
        }
    }

    /// Would `node` do for this edge, wherever it lies?
    pub fn satisfies(&self, node: NodeId, id: EdgeId) -> bool {
        self.suits(node, id) && (self.overrides_do_not_apply(node) || self.is_chosen(node, id))
    }

    fn suits(&self, node: NodeId, id: EdgeId) -> bool {
        let edge = self.edge(id);
        let Some(from) = edge.from else { return false };
        if self.node(node).name != edge.name {
            return false;
        }
        let raw = || self.meets(node, edge.raw_spec, edge, from);
        if self.overrides_do_not_apply(node) {
            return raw();
        }
        let rule = edge.overrides.and_then(|rule| self.overrides.target(rule));
        let Some(rule) = rule else { return raw() };
        if self.replacement(id).is_some() {
            let spec = self.spec_text(id).ok();
            if spec.is_some_and(|spec| self.meets_text(node, &spec, edge, from)) {
                return true;
            }
        } else if raw() {
            return true;
        }
        raw() && !self.meets_text(node, &rule.key_spec, edge, from)
    }

    fn overrides_do_not_apply(&self, node: NodeId) -> bool {
        let bundled = match self.rules.generation {
            Generation::Eleven => self.in_bundle(node),
            Generation::Twelve => self.in_dependency_bundle(node),
        };
        self.node(node).has_shrinkwrap || self.in_shrinkwrap(node) || bundled
    }

    fn meets(&self, node: NodeId, spec: SpecId, edge: &Edge, from: NodeId) -> bool {
        let folder = || self.base_of(from, edge);
        let fits = |spec| {
            let parsed = self.specs.parsed(spec, folder);
            parsed.is_ok_and(|spec| self.fits(node, &spec, from))
        };
        fits(spec) || edge.accept.is_some_and(fits)
    }

    fn meets_text(&self, node: NodeId, text: &str, edge: &Edge, from: NodeId) -> bool {
        let folder = self.base_of(from, edge);
        let text = if text.is_empty() { "*" } else { text };
        let parsed = Spec::parse(self.names.text(edge.name), text, folder.as_ref());
        parsed.is_ok_and(|spec| self.fits(node, &spec, from))
            || edge.accept.is_some_and(|accept| {
                let parsed = self.specs.parsed(accept, || folder.clone());
                parsed.is_ok_and(|spec| self.fits(node, &spec, from))
            })
    }

    /// The folder that relative specs of `from` start at: its tarball's, or its own.
    pub fn base_of(&self, from: NodeId, edge: &Edge) -> String {
        let rule = edge.overrides.and_then(|rule| self.overrides.target(rule));
        if rule.is_some_and(|rule| rule.name == edge.name) {
            let of = self.node(from).source.unwrap_or(from);
            return self.real_path(self.node(of).root).to_string();
        }
        let resolved = self.node(from).resolved.as_deref().unwrap_or_default();
        let is_tarball = [".tgz", ".tar.gz", ".tar"]
            .iter()
            .any(|suffix| resolved.to_ascii_lowercase().ends_with(suffix));
        match resolved.strip_prefix("file:") {
            Some(path) if is_tarball => paths::parent(path).unwrap_or("/").to_owned(),
            _ => self.real_path(from).to_string(),
        }
    }

    fn fits(&self, id: NodeId, spec: &Spec, requestor: NodeId) -> bool {
        let node = self.node(id);
        match &spec.kind {
            SpecKind::Range(range) if range.is_any() => true,
            SpecKind::Range(range) => self
                .version_of(id)
                .is_some_and(|version| range.satisfies(version, Prerelease::Strict)),
            SpecKind::Version(wanted) => self
                .version_of(id)
                .is_some_and(|version| wanted.cmp_precedence(version).is_eq()),
            SpecKind::Alias { target, .. } => self.fits(id, target, requestor),
            SpecKind::Tag(_) => node.resolved.as_deref().is_some_and(|resolved| {
                resolved.starts_with("http://") || resolved.starts_with("https://")
            }),
            SpecKind::Remote(url) => node.resolved.as_deref() == Some(url),
            SpecKind::Directory { path, .. } => {
                if self.rules.install_links && !self.is_workspace(id) {
                    return !self.is_link(id);
                }
                self.is_link(id) && **self.real_path(id) == *path.to_string_lossy()
            }
            SpecKind::File { path, .. } => {
                let wanted = format!("file:{}", path.to_string_lossy());
                !self.is_link(id) && node.resolved.as_deref() == Some(&wanted)
            }
            SpecKind::Git(git) => self.git_fits(id, git, requestor),
        }
    }

    /// The version of a node, a link's being its target's.
    pub fn version_of(&self, id: NodeId) -> Option<&semver::Version> {
        let of = self.target(id).unwrap_or(id);
        self.node(of).package.version.as_ref()
    }

    pub fn version_text(&self, id: NodeId) -> &str {
        let of = self.target(id).unwrap_or(id);
        self.node(of).package.version_text()
    }

    /// The hash of a node's tarball: the lock's, else the one its manifest was fetched with.
    pub fn integrity(&self, id: NodeId) -> Option<&str> {
        let node = self.node(id);
        let fetched = || node.package.manifest.text(FETCHED_INTEGRITY);
        node.integrity.as_deref().or_else(fetched)
    }

    fn git_fits(&self, id: NodeId, wanted: &GitSpec, requestor: NodeId) -> bool {
        let node = self.node(id);
        let resolved = node.resolved.as_deref().unwrap_or_default();
        if !wanted.is_resolved_by(resolved) {
            return false;
        }
        if wanted.range.is_some() {
            let (range, version) = (wanted.version_range(), self.version_of(id));
            return range
                .zip(version)
                .is_some_and(|(range, version)| range.satisfies(version, Prerelease::Strict));
        }
        if wanted.is_commit() {
            return true;
        }
        // A named ref cannot be told from a commit: the lock says what was asked for then.
        let requestor = self.node(requestor).location.clone();
        let Some(locked) = self.locked_specs.get(&(requestor, node.name)) else {
            return true;
        };
        match Spec::parse("name", locked, "/".as_ref()).map(|spec| spec.kind) {
            Ok(SpecKind::Git(locked)) => {
                locked.committish.unwrap_or_default()
                    == wanted.committish.clone().unwrap_or_default()
            }
            _ => true,
        }
    }

    /// `resolved` as npm keeps it in memory: git addresses in one form, files absolute.
    pub fn set_resolved(&mut self, id: NodeId, resolved: Option<&str>, from: &str) {
        // What a registry's tarballs look like; nothing else has to be taken apart.
        let plain = |text: &str| text.starts_with("http") && text.contains("/-/");
        let generation = self.rules.generation;
        let resolved = resolved.map(|text| {
            if plain(text) {
                return text.into();
            }
            let kept = consistent_resolve(
                text,
                from.as_ref(),
                "/".as_ref(),
                Paths::Absolute,
                generation,
            );
            kept.unwrap_or_else(|| text.to_owned()).into()
        });
        self.node_mut(id).resolved = resolved;
    }

    // ---- bundles and shrinkwraps ----

    pub fn in_shrinkwrap(&self, id: NodeId) -> bool {
        std::iter::successors(self.node(id).parent, |node| self.node(*node).parent)
            .any(|parent| self.node(parent).has_shrinkwrap)
    }

    pub fn in_bundle(&self, id: NodeId) -> bool {
        self.bundler(id).is_some()
    }

    /// In a dependency's bundle, which arrives with it; the root's own bundle does not.
    pub fn in_dependency_bundle(&self, id: NodeId) -> bool {
        self.bundler(id)
            .is_some_and(|bundler| bundler != self.node(id).root)
    }

    /// The node whose bundle this one belongs to: listed there, or hoisted to its level by one
    /// that belongs to it.
    pub fn bundler(&self, id: NodeId) -> Option<NodeId> {
        let mut above = std::iter::successors(self.node(id).parent, |node| self.node(*node).parent);
        if !self.bundles_seen || !above.any(|node| !self.node(node).package.bundled.is_empty()) {
            return None;
        }
        self.find_bundler(id, &mut rustc_hash::FxHashSet::default())
    }

    fn find_bundler(
        &self,
        id: NodeId,
        visited: &mut rustc_hash::FxHashSet<NodeId>,
    ) -> Option<NodeId> {
        if !visited.insert(id) {
            return None;
        }
        let node = self.node(id);
        let parent = node.parent?;
        if let Some(bundler) = self.find_bundler(parent, visited) {
            return Some(bundler);
        }
        if self.node(parent).package.bundled.contains(&node.name) {
            return Some(parent);
        }
        let hoisted = node.edges_in.iter().any(|edge| {
            let from = self.edge(*edge).from;
            from.and_then(|from| self.find_bundler(from, visited)) == Some(parent)
        });
        hoisted.then_some(parent)
    }

    /// Is the edge's spec one that a registry answers?
    pub fn asks_registry(&self, id: EdgeId) -> bool {
        let text = self.spec_text(id).unwrap_or_default();
        Spec::parse(self.edge_name(id), &text, "/".as_ref()).is_ok_and(|spec| spec.is_registry())
    }

    /// The key under which an edge's name is looked up.
    pub fn edge_key(&self, id: EdgeId) -> Key {
        self.names.key(self.edge(id).name)
    }

    pub fn edge_name(&self, id: EdgeId) -> &str {
        self.names.text(self.edge(id).name)
    }

    pub fn intern(&mut self, text: &str) -> Name {
        self.names.intern(text)
    }
}

fn referred<'a>(package: &'a Package, name: &str) -> Option<&'a str> {
    [
        "devDependencies",
        "optionalDependencies",
        "dependencies",
        "peerDependencies",
    ]
    .iter()
    .find_map(|field| package.manifest.object(field)?.get(name)?.as_str())
    .filter(|spec| !spec.is_empty())
}
