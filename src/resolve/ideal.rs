//! The loop: take a node with unmet edges, find a candidate for each, place it, repeat.
//!
//! Source: npm's `build-ideal-tree.js`.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::check::Verdict;
use super::error::{LoadFailure, ResolveError};
use super::load::Locked;
use super::names::Name;
use super::node::{EdgeId, Flags, NodeId, State};
use super::package::{Kind, Package};
use super::peers::{Followed, Required};
use super::place::{Placements, Policy};
use super::sets::NodeSet;
use super::specs::SpecId;
use super::tree::Tree;
use super::{
    Fetched, Options, Source, Update, dev_engines, explain, frozen, load, platforms, settle,
};
use crate::collate;
use crate::manifest::Manifest;
use crate::report::{Event, Reporter, Silent};
use crate::spec::Spec;

/// The tree as it should be.
#[derive(Debug)]
pub struct Ideal {
    pub tree: Tree,
    /// Peer conflicts let through, engines that do not fit.
    pub warnings: Vec<(&'static str, String)>,
    /// Optional packages that could not be fetched and were left out: name and reason.
    pub left_out: Vec<(String, String)>,
}

/// Resolves the project's dependencies, starting from `locked` where there is a lock.
///
/// - Shape: the tree's root is the project; its nodes are in the inventory, failures included.
/// - Errors: [`ResolveError`], with npm's codes; a peer conflict comes with changes to
///   package.json that were tried and settle it.
pub fn ideal_tree(
    project: &Path,
    manifest: &Arc<Manifest>,
    locked: Option<&Locked>,
    source: &dyn Source,
    options: &Options,
    reporter: &dyn Reporter,
) -> Result<Ideal, ResolveError> {
    let mut result = attempt(project, manifest, locked, source, options, reporter);
    if let Err(ResolveError::PeerConflict(conflict)) = &mut result
        && options.save
    {
        let resolves = |manifest: &Arc<Manifest>| {
            attempt(project, manifest, locked, source, options, &Silent).map(drop)
        };
        let settled = settle::advice(&conflict.dispute, manifest, source, resolves);
        if !settled.is_empty() {
            conflict.advice.remove(0);
            conflict.advice.splice(0..0, settled);
        }
    }
    result
}

/// One resolution, without advice.
fn attempt(
    project: &Path,
    manifest: &Arc<Manifest>,
    locked: Option<&Locked>,
    source: &dyn Source,
    options: &Options,
    reporter: &dyn Reporter,
) -> Result<Ideal, ResolveError> {
    let warnings = dev_engines::check(manifest, options)?;
    assert_bare_names(&options.update)?;
    // An update of everything looks at no entry, but the lock's mere presence has things pruned.
    let from_disk = locked.is_some();
    let locked = locked.filter(|_| options.update != Update::Everything);
    let mut tree = load::root(project, manifest, options.rules, &options.prefer)?;
    if let Some(locked) = locked {
        load::locked_nodes(&mut tree, locked)?;
    } else if options.update != Update::Everything {
        load::workspace_targets(&mut tree)?;
    }
    let mut builder = Builder::new(tree, source, options, reporter, from_disk);
    builder.warnings = warnings;
    builder.mutating = options.update != Update::Nothing;
    // What an old lock's packages turn out to need as well is not looked for: peers, above all.
    builder.queue_problems();
    if let Some(locked) = locked.filter(|locked| locked.version < 2) {
        builder.inflate(locked)?;
        builder.inflated = true;
    }
    builder.announce();
    builder.queue_updates();
    builder.assert_root_overrides()?;
    builder.push(builder.tree.root);
    builder.run()?;
    builder.mend()?;
    builder.finish()
}

/// Updates are asked for by name: how far they go is up to the ranges of package.json.
fn assert_bare_names(update: &Update) -> Result<(), ResolveError> {
    let Update::Names(names) = update else {
        return Ok(());
    };
    for asked in names {
        let name = crate::spec::parse_argument(asked, Path::new("/"))
            .ok()
            .and_then(|argument| argument.name);
        if name.as_ref().map(crate::name::PackageName::as_str) != Some(asked) {
            return Err(ResolveError::UpdateArgument {
                asked: asked.clone(),
                name: name.map(|name| name.to_string()),
            });
        }
    }
    Ok(())
}

/// Work in progress on one ideal tree.
#[allow(clippy::struct_excessive_bools)] // independent facts about the run, each set once
pub(super) struct Builder<'a> {
    pub tree: Tree,
    pub source: &'a dyn Source,
    pub options: &'a Options,
    reporter: &'a dyn Reporter,
    from_disk: bool,
    /// Was a change asked for by name?
    mutating: bool,
    mutated: bool,
    mending: bool,
    /// Depth and path at the time of queueing; the next one is last.
    queue: Vec<(usize, Arc<str>, NodeId)>,
    queued: FxHashSet<NodeId>,
    seen: FxHashSet<NodeId>,
    pub virtual_roots: FxHashMap<NodeId, NodeId>,
    pub loaded: FxHashMap<(Name, SpecId), Result<Fetched, LoadFailure>>,
    pub packages: FxHashMap<usize, Arc<Package>>,
    /// In order of occurrence: the first that is not optional is the error.
    pub failures: NodeSet,
    pub links: NodeSet,
    pub warnings: Vec<(&'static str, String)>,
    inflated: bool,
    steps: usize,
    replaced: FxHashMap<Name, usize>,
    replaced_at: FxHashMap<Arc<str>, usize>,
    pub followed: Followed,
}

/// Displacements of one name, anywhere and in one place, after which npm would go on for ever.
const REPLACEMENTS_PER_NAME: usize = 2_000;
const REPLACEMENTS_PER_PLACE: usize = 100;

impl<'a> Builder<'a> {
    fn new(
        tree: Tree,
        source: &'a dyn Source,
        options: &'a Options,
        reporter: &'a dyn Reporter,
        from_disk: bool,
    ) -> Self {
        Self {
            tree,
            source,
            options,
            reporter,
            from_disk,
            mutating: false,
            mutated: false,
            mending: false,
            queue: Vec::new(),
            queued: FxHashSet::default(),
            seen: FxHashSet::default(),
            virtual_roots: FxHashMap::default(),
            loaded: FxHashMap::default(),
            packages: FxHashMap::default(),
            failures: NodeSet::default(),
            links: NodeSet::default(),
            warnings: Vec::new(),
            inflated: false,
            steps: 0,
            replaced: FxHashMap::default(),
            replaced_at: FxHashMap::default(),
            followed: Followed::default(),
        }
    }

    /// Tells the source what will surely be asked for.
    fn announce(&self) {
        let tree = &self.tree;
        let mut nodes = vec![tree.root];
        nodes.extend(tree.inventory(tree.root));
        for id in nodes {
            for edge in tree.node(id).edges_out.values() {
                if tree.state(*edge) != State::Valid {
                    self.prefetch(*edge);
                }
            }
        }
        for (_, path) in &tree.workspaces {
            let manifest = crate::manifest::read(path.as_ref().as_ref()).unwrap_or_default();
            for field in ["dependencies", "devDependencies", "optionalDependencies"] {
                for (name, spec) in manifest.manifest.entries(field) {
                    let text = spec.as_str().unwrap_or_default();
                    if let Ok(spec) = Spec::parse(&name, text, Path::new("/")) {
                        self.source.prefetch(&name, &spec);
                    }
                }
            }
        }
    }

    fn prefetch(&self, edge: EdgeId) {
        let Ok(text) = self.tree.spec_text(edge) else {
            return;
        };
        let name = self.tree.edge_name(edge);
        if let Ok(spec) = Spec::parse(name, &text, Path::new("/")) {
            self.source.prefetch(name, &spec);
        }
    }

    /// Queues what a walk from the root finds unmet. Links are not walked through.
    fn queue_problems(&mut self) {
        let skips_optional_peers = !self.options.save && !self.mutating;
        let mut visited: FxHashSet<NodeId> = FxHashSet::default();
        let mut pending = vec![self.tree.root];
        while let Some(id) = pending.pop() {
            if !visited.insert(id) {
                continue;
            }
            let mut has_problem = false;
            for edge in self.tree.out_edges(id) {
                let data = self.tree.edge(edge);
                pending.extend(data.to);
                let skipped = data.kind == Kind::PeerOptional && skips_optional_peers;
                has_problem |= !skipped && (data.to.is_none() || !self.tree.is_valid(edge));
            }
            if has_problem {
                self.push(id);
            }
        }
    }

    /// Dependents of packages that are to be updated by name are looked at again.
    fn queue_updates(&mut self) {
        let Update::Names(names) = &self.options.update else {
            return;
        };
        for id in self.tree.inventory(self.tree.root) {
            let tree = &self.tree;
            let is_named = names.iter().any(|name| name == tree.name_text(id));
            if !is_named
                || tree.is_top(id)
                || tree.in_dependency_bundle(id)
                || tree.in_shrinkwrap(id)
            {
                continue;
            }
            let edges = self.tree.node(id).edges_in.clone();
            for from in edges
                .iter()
                .filter_map(|edge| self.tree.edge(*edge).from)
                .collect::<Vec<_>>()
            {
                self.push(from);
            }
        }
    }

    fn is_updating(&self, edge: EdgeId) -> bool {
        match &self.options.update {
            Update::Names(names) => names.iter().any(|name| name == self.tree.edge_name(edge)),
            _ => false,
        }
    }

    fn assert_root_overrides(&self) -> Result<(), ResolveError> {
        let edges = self.tree.out_edges(self.tree.root);
        edges
            .into_iter()
            .try_for_each(|edge| frozen::assert_not_overridden(&self.tree, edge))
    }

    /// Queues a node: physically shallow ones first, then by path.
    fn push(&mut self, id: NodeId) {
        if !self.queued.insert(id) {
            return;
        }
        // The place it has now: a node that leaves the tree while it waits must not upset the order.
        let place = (self.tree.depth(id), self.tree.node(id).path.clone());
        let at = self.queue.partition_point(|(depth, path, _)| {
            // Kept in reverse, so that the next one is popped off the end.
            let order = depth
                .cmp(&place.0)
                .then_with(|| collate::compare(path, &place.1));
            order == Ordering::Greater
        });
        self.queue.insert(at, (place.0, place.1, id));
    }

    fn run(&mut self) -> Result<(), ResolveError> {
        loop {
            while let Some((_, _, id)) = self.queue.pop() {
                self.queued.remove(&id);
                let gone = self.tree.node(id).root != self.tree.root;
                if !gone && self.seen.insert(id) {
                    self.step(id)?;
                }
            }
            if !self.queue_link_targets() {
                return Ok(());
            }
        }
    }

    /// Looks once more at nodes whose dependencies were taken away after they had been seen to.
    ///
    /// npm leaves such holes in its lock, which its own `ci` then rejects; its next run over that
    /// lock fills them.
    fn mend(&mut self) -> Result<(), ResolveError> {
        const ROUNDS: usize = 3;
        self.mending = true;
        for _ in 0..ROUNDS {
            let torn: Vec<NodeId> = self
                .tree
                .inventory(self.tree.root)
                .into_iter()
                .filter(|id| self.seen.contains(id) && self.is_torn(*id))
                .collect();
            if torn.is_empty() {
                break;
            }
            for id in torn {
                self.seen.remove(&id);
                self.push(id);
            }
            self.run()?;
        }
        Ok(())
    }

    fn is_torn(&self, id: NodeId) -> bool {
        if self.tree.in_dependency_bundle(id) || self.tree.in_shrinkwrap(id) {
            return false;
        }
        self.problems(id).into_iter().any(|edge| {
            let data = self.tree.edge(edge);
            let hole = match data.to {
                // An optional package that got lost is no hole for npm's `ci`.
                None => !data.kind.is_optional(),
                Some(_) => !data.kind.is_peer(),
            };
            hole && !data.peer_conflicted && !self.is_updating(edge)
        })
    }

    /// Targets of links inside the project are resolved like the project itself; others are not
    /// our business.
    fn queue_link_targets(&mut self) -> bool {
        for link in std::mem::take(&mut self.links) {
            let tree = &self.tree;
            let Some(target) = tree.target(link) else {
                continue;
            };
            if tree.node(link).root != tree.root || !tree.is_descendant_of(target, tree.root) {
                continue;
            }
            if tree.resolve_parent(target).is_some() && !self.seen.contains(&target) {
                if let Some(rule) = tree.node(link).overrides {
                    self.tree.edge_rule_added(target, Some(rule));
                }
                self.push(target);
            }
        }
        !self.queue.is_empty()
    }

    /// Finds candidates for the node's unmet edges, then places them by name.
    fn step(&mut self, id: NodeId) -> Result<(), ResolveError> {
        self.steps += 1;
        self.crack_open(id)?;
        let mut tasks = Vec::new();
        for edge in self.problems(id) {
            if !self.tree.edge(edge).peer_conflicted {
                tasks.push((edge, self.candidate(id, edge)?));
            }
        }
        tasks.sort_by(|(a, _), (b, _)| {
            collate::compare(self.tree.edge_name(*a), self.tree.edge_name(*b))
        });
        for (edge, dep) in tasks {
            self.place(edge, dep)?;
        }
        for edge in self.tree.out_edges(id) {
            if let Some(to) = self.tree.edge(edge).to
                && self.tree.is_link(to)
                && self.tree.target(to).is_some()
            {
                self.links.insert(to);
            }
        }
        Ok(())
    }

    /// The edges of a node that need work, in edge order.
    pub fn problems(&self, id: NodeId) -> Vec<EdgeId> {
        let tree = &self.tree;
        let bundled: &[Name] = if tree.is_mine(id) {
            &[]
        } else {
            &tree.node(id).package.bundled
        };
        let is_problem = |edge: &EdgeId| {
            let data = tree.edge(*edge);
            if bundled.contains(&data.name) {
                return false;
            }
            let optional_peer = data.kind == Kind::PeerOptional;
            let Some(to) = data.to else {
                return !optional_peer;
            };
            if self.failures.contains(&to) || tree.in_shrinkwrap(to) {
                return false;
            }
            if !tree.is_valid(*edge) {
                return !optional_peer || self.options.save || self.mutating;
            }
            !tree.is_workspace(to) && self.is_updating(*edge)
        };
        let edges = tree.node(id).edges_out.values().copied();
        edges.filter(is_problem).collect()
    }

    fn candidate(&mut self, id: NodeId, edge: EdgeId) -> Result<NodeId, ResolveError> {
        let bench = self.virtual_root(id, true);
        let kind = self.tree.edge(edge).kind;
        let on_bench = self.tree.edge_out(bench, self.tree.edge_key(edge));
        let on_bench = on_bench
            .filter(|edge| self.tree.is_valid(*edge))
            .and_then(|edge| self.tree.edge(edge).to)
            .filter(|node| self.tree.satisfies(*node, edge));
        if let Some(known) = on_bench {
            return Ok(known);
        }
        if kind == Kind::PeerOptional
            && !self.is_updating(edge)
            && let Some(existing) = self.hoistable(edge)
        {
            return Ok(existing);
        }
        let from = self.tree.edge(edge).from.unwrap_or(id);
        let mut required = Required::from_iter([from]);
        let bench = kind.is_peer().then_some(bench);
        self.follow_anew();
        self.node_from_edge(edge, bench, None, &mut required)
    }

    /// A node around the dependent that would do, nearest to the top first.
    fn hoistable(&self, edge: EdgeId) -> Option<NodeId> {
        let tree = &self.tree;
        let from = tree.edge(edge).from?;
        let start = tree.resolve_parent(from).unwrap_or(from);
        let mut queue: Vec<NodeId> = tree.node(start).children.values().copied().collect();
        let mut next = 0;
        while let Some(node) = queue.get(next).copied() {
            next += 1;
            if tree.node(node).name == tree.edge(edge).name
                && !tree.in_dependency_bundle(node)
                && tree.satisfies(node, edge)
            {
                return Some(node);
            }
            queue.extend(tree.node(node).children.values().copied());
        }
        None
    }

    fn place(&mut self, edge: EdgeId, dep: NodeId) -> Result<(), ResolveError> {
        let policy = Policy {
            force: self.options.force,
            strict_peer_deps: self.options.strict_peer_deps,
            prefer_dedupe: self.options.prefer_dedupe,
            explicit: false,
            mending: self.mending,
            strategy: self.options.strategy,
        };
        let redo = self.is_updating(edge);
        let placements = Placements::make(&mut self.tree, edge, dep, policy, redo)?;
        let warnings = placements.warnings.into_iter();
        self.warnings
            .extend(warnings.map(|text| ("ERESOLVE", text)));
        for placement in placements.list {
            let Some(placed) = placement.placed else {
                continue;
            };
            if self.tree.node(placed).failure.is_some() {
                self.failures.insert(placed);
            }
            self.mutated = true;
            self.reporter.emit(Event::NodePlaced {
                location: self.tree.node(placed).location.to_string(),
            });
            self.queue_dependents(placed, placement.edge, placement.own_verdict)?;
            self.push(placed);
            for node in placement.needs_evaluation {
                self.seen.remove(&node);
                self.push(node);
            }
            for edge in self.problems(placed) {
                self.tree.spec_text(edge)?; // an override that refers to nothing ends it here
                self.prefetch(edge);
            }
        }
        Ok(())
    }

    /// Whoever the new node leaves unsatisfied is looked at again.
    fn queue_dependents(
        &mut self,
        placed: NodeId,
        edge: EdgeId,
        verdict: Verdict,
    ) -> Result<(), ResolveError> {
        if verdict == Verdict::Replace {
            self.guard(placed)?;
        }
        for edge_in in self.tree.node(placed).edges_in.clone() {
            let data = self.tree.edge(edge_in);
            let Some(from) = data.from else { continue };
            if edge_in == edge || data.peer_conflicted || self.tree.is_valid(edge_in) {
                continue;
            }
            let again = verdict == Verdict::Replace || self.options.save || self.mutating;
            if !self.seen.contains(&from) {
                self.push(from);
            } else if again {
                self.seen.remove(&from);
                self.push(from);
            }
        }
        Ok(())
    }

    /// npm has no limit here: two peer sets that displace each other keep it busy for ever.
    fn guard(&mut self, placed: NodeId) -> Result<(), ResolveError> {
        let name = self.tree.node(placed).name;
        let count = self.replaced.entry(name).or_default();
        *count += 1;
        let place = self.tree.node(placed).location.clone();
        let here = self.replaced_at.entry(place).or_default();
        *here += 1;
        if *count <= REPLACEMENTS_PER_NAME && *here <= REPLACEMENTS_PER_PLACE {
            return Ok(());
        }
        let mut busiest: Vec<(usize, Name)> = self
            .replaced
            .iter()
            .map(|(name, count)| (*count, *name))
            .collect();
        busiest.sort_unstable_by(|a, b| b.cmp(a));
        let names = busiest.iter().take(4);
        let names: Vec<&str> = names
            .map(|(_, name)| &**self.tree.names.text(*name))
            .collect();
        Err(ResolveError::Endless {
            packages: names.join(", "),
        })
    }

    // ---- the end ----

    fn finish(mut self) -> Result<Ideal, ResolveError> {
        if self.from_disk && self.mutated {
            self.tree.reset_flags();
        }
        if !self.from_disk || self.mutated {
            self.tree.compute_flags();
        } else {
            let root = self.tree.root;
            self.tree.node_mut(root).flags = Flags::UNSET;
        }
        if self.from_disk || self.options.prefer.is_lock() {
            self.prune_extraneous();
        }
        let left_out = self.set_failures_aside()?;
        let warnings = platforms::check(&mut self.tree, self.options)?;
        self.warnings.extend(warnings);
        self.assert_references()?;
        if self.inflated {
            self.warn_of_unmet();
        }
        Ok(Ideal {
            tree: self.tree,
            warnings: self.warnings,
            left_out,
        })
    }

    /// npm looks at the spec of every edge when it writes a lock: one that refers to nothing ends it.
    fn assert_references(&self) -> Result<(), ResolveError> {
        let nodes = self.tree.inventory(self.tree.root);
        let edges = nodes
            .iter()
            .flat_map(|id| &self.tree.node(*id).edges_in)
            .filter(|_| self.options.save);
        for edge in edges {
            self.tree.spec_text(*edge)?;
        }
        Ok(())
    }

    fn prune_extraneous(&mut self) {
        for id in self.tree.inventory(self.tree.root) {
            let node = self.tree.node(id);
            if node.flags.extraneous && node.parent.is_some() {
                self.tree.detach(id);
            }
        }
    }

    fn set_failures_aside(&mut self) -> Result<Vec<(String, String)>, ResolveError> {
        let mut left_out = Vec::new();
        for id in self.failures.clone() {
            let node = self.tree.node(id);
            let Some(failure) = node.failure.clone() else {
                continue;
            };
            if !node.flags.optional {
                let mut chain = explain::chain(&self.tree, id);
                chain.pop(); // the package itself, which the failure names
                return Err(ResolveError::Load { failure, chain });
            }
            if node.root == self.tree.root {
                let name = self.tree.name_text(id).to_owned();
                left_out.push((name, failure.cause.to_string()));
            }
            for node in self.tree.optional_set(id) {
                self.tree.node_mut(node).inert = true;
            }
        }
        Ok(left_out)
    }
}
