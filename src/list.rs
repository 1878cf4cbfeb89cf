//! A locked tree as `npm ls` shows it, and its problems.
//!
//! The tree is walked level by level; a package that was met before is shown again as `deduped`,
//! without what is below it, so that the listing never has more lines than the tree has edges.
//! Source: npm's `ls.js`, with `--package-lock-only`.

use std::collections::VecDeque;
use std::fmt::Write as _;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::collate;
use crate::resolve::{EdgeId, Kind, NodeId, Omit, State, Tree};
use crate::spec::{Mode, Prerelease, Range, SpecKind, parse_argument, parse_version};

/// What to show of a tree.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Levels below the project; `None` for all.
    pub depth: Option<usize>,
    /// Kinds of the project's own dependencies to leave out.
    pub omit: Omit,
    /// Only these packages, and what leads to them; empty for all.
    pub names: Vec<Wanted>,
}

/// `NAME` or `NAME@RANGE`.
#[derive(Debug, Clone)]
pub struct Wanted {
    name: String,
    range: Option<Range>,
}

impl Wanted {
    /// `None` where the text is no name, or has no range after its `@`.
    pub fn parse(text: &str) -> Option<Self> {
        let argument = parse_argument(text, "/".as_ref()).ok()?;
        let name = argument.name?.as_str().to_owned();
        let range = match argument.spec.kind {
            SpecKind::Range(range) => Some(range),
            SpecKind::Version(_) => Range::parse(&argument.spec.raw, Mode::Loose),
            _ => return None,
        };
        Some(Self { name, range })
    }

    fn is(&self, tree: &Tree, node: NodeId) -> bool {
        let version = || parse_version(tree.version_text(node), Mode::Loose);
        let fits = |range: &Range| {
            range.is_any() || version().is_some_and(|v| range.satisfies(&v, Prerelease::Strict))
        };
        tree.name_text(node) == self.name && self.range.as_ref().is_none_or(fits)
    }
}

/// One line of the listing.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // npm's marks, each by its name
pub struct Item {
    /// `name@version`; of an alias `name@npm:real@version`.
    pub id: String,
    /// The folder's name.
    pub name: String,
    pub version: String,
    pub resolved: Option<String>,
    /// What its dependent asks for.
    pub required: String,
    /// Not in the lock.
    pub missing: bool,
    /// Asked for by an optional or optional peer dependency.
    pub optional: bool,
    /// Shown before, with what is below it.
    pub deduped: bool,
    /// The demands it does not meet: `"^1" from node_modules/a`.
    pub invalid: String,
    pub extraneous: bool,
    /// `None` where it is not looked at: where it is missing or deduped.
    pub overridden: Option<bool>,
    pub workspace: bool,
    /// Of a link: its target's location.
    pub link: Option<String>,
    /// One of the names that were asked for.
    pub matched: bool,
    /// It is shown: nothing was asked for, or it matched, or something below it did.
    pub included: bool,
    pub problems: Vec<String>,
    pub children: Vec<usize>,
    parent: Option<usize>,
}

/// The items of a tree; the project is the first.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub items: Vec<Item>,
    /// Each once, in the order they were met.
    pub problems: Vec<String>,
}

impl Listing {
    /// Problems that make `npm ls` fail: any but extraneous packages.
    pub fn is_broken(&self) -> bool {
        let mut problems = self.problems.iter();
        problems.any(|problem| !problem.starts_with("extraneous:"))
    }
}

/// Lists a tree whose flags are computed.
pub fn list(tree: &Tree, options: &Options) -> Listing {
    let mut walk = Walk {
        tree,
        options,
        items: Vec::new(),
        first: FxHashSet::default(),
        demands: FxHashMap::default(),
    };
    walk.run();
    let mut listing = Listing {
        items: walk.items,
        problems: Vec::new(),
    };
    listing.include_ancestors();
    listing.collect_problems(options.names.is_empty());
    listing
}

impl Listing {
    fn include_ancestors(&mut self) {
        for at in (1..self.items.len()).rev() {
            if self.items[at].included
                && let Some(parent) = self.items[at].parent
            {
                self.items[parent].included = true;
            }
        }
        for at in 1..self.items.len() {
            if self.items[at].included
                && let Some(parent) = self.items[at].parent
            {
                self.items[parent].children.push(at);
            }
        }
    }

    /// Only what was asked for can be a problem.
    fn collect_problems(&mut self, all: bool) {
        let mut seen: FxHashSet<String> = FxHashSet::default();
        for item in &mut self.items {
            if !(all || item.matched) {
                item.problems.clear();
            }
            for problem in &item.problems {
                if seen.insert(problem.clone()) {
                    self.problems.push(problem.clone());
                }
            }
        }
    }
}

/// What the edges that were met so far say about a node.
#[derive(Debug, Clone, Default)]
struct Demand {
    required: String,
    optional: bool,
    invalid: String,
}

/// Something to be shown: a node of the tree, or what is missing.
#[derive(Debug, Clone)]
struct Candidate {
    id: String,
    node: Option<NodeId>,
    /// Of what is missing: its name, what is asked, and who asks.
    missing: Option<(String, Demand, String)>,
}

/// A line before it is written; demands on a node are only known when its turn comes.
struct Turn {
    candidate: Candidate,
    parent: Option<usize>,
    depth: usize,
    /// Of a repeated node, what was known when it was met.
    repeated: Option<Demand>,
}

struct Walk<'a> {
    tree: &'a Tree,
    options: &'a Options,
    items: Vec<Item>,
    /// Nodes that were queued.
    first: FxHashSet<NodeId>,
    demands: FxHashMap<NodeId, Demand>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let root = self.tree.root;
        self.first.insert(root);
        let mut queue = VecDeque::from([Turn {
            candidate: self.of_node(root),
            parent: None,
            depth: 0,
            repeated: None,
        }]);
        while let Some(turn) = queue.pop_front() {
            let at = self.items.len();
            let item = self.item(&turn);
            self.items.push(item);
            let Some(node) = turn.candidate.node.filter(|_| turn.repeated.is_none()) else {
                continue;
            };
            // Workspaces are looked at as the project is.
            let depth = if self.tree.is_workspace(node) {
                0
            } else {
                turn.depth
            };
            if self.options.depth.is_some_and(|most| depth > most) {
                continue;
            }
            for candidate in self.children(node, depth) {
                queue.push_back(self.turn(candidate, at, depth + 1));
            }
        }
    }

    fn turn(&mut self, candidate: Candidate, parent: usize, depth: usize) -> Turn {
        let known = candidate.node.is_some_and(|node| !self.first.insert(node));
        let repeated = match candidate.node {
            Some(node) if known => Some(self.demands.get(&node).cloned().unwrap_or_default()),
            _ => None,
        };
        Turn {
            candidate,
            parent: Some(parent),
            depth,
            repeated,
        }
    }

    /// What a node's edges reach, and what nobody requires in its `node_modules`; by id.
    fn children(&mut self, node: NodeId, depth: usize) -> Vec<Candidate> {
        let tree = self.tree;
        let target = tree.target(node).unwrap_or(node);
        let mut reached: FxHashSet<NodeId> = FxHashSet::default();
        let mut children = Vec::new();
        for edge in tree.out_edges(target) {
            let kind = tree.edge(edge).kind;
            if depth == 0 && self.is_omitted(kind) {
                continue;
            }
            reached.extend(tree.edge(edge).to);
            children.push(self.reach(edge));
        }
        let below: Vec<NodeId> = tree.node(node).children.values().copied().collect();
        for child in below {
            if tree.node(child).flags.extraneous && !reached.contains(&child) {
                children.push(self.of_node(child));
            }
        }
        children.sort_by(|a, b| collate::compare(&a.id, &b.id));
        children
    }

    fn is_omitted(&self, kind: Kind) -> bool {
        let omit = self.options.omit;
        (omit.dev && kind == Kind::Dev)
            || (omit.optional && kind.is_optional())
            || (omit.peer && kind.is_peer())
    }

    /// Follows an edge, and remembers what it demands.
    fn reach(&mut self, edge: EdgeId) -> Candidate {
        let tree = self.tree;
        let data = tree.edge(edge);
        let spec = tree.spec_text(edge).unwrap_or_default();
        let required = if spec.is_empty() { "*" } else { &spec };
        let optional = data.kind.is_optional();
        let Some(to) = data.to else {
            let name = tree.edge_name(edge).to_owned();
            let by = data
                .from
                .map_or_else(String::new, |from| package_id(tree, from));
            let demand = Demand {
                required: required.to_owned(),
                optional,
                invalid: String::new(),
            };
            return Candidate {
                id: format!("{name}@{spec}"),
                node: None,
                missing: Some((name, demand, by)),
            };
        };
        let demand = self.demands.entry(to).or_default();
        required.clone_into(&mut demand.required);
        demand.optional = optional;
        if tree.state(edge) == State::Invalid {
            let from = data.from.map_or("", |from| &*tree.node(from).location);
            let from = if from.is_empty() {
                "the root project"
            } else {
                from
            };
            if !demand.invalid.is_empty() {
                demand.invalid.push_str(", ");
            }
            let spec = serde_json::Value::from(required);
            let _ = write!(demand.invalid, "{spec} from {from}");
        }
        self.of_node(to)
    }

    fn of_node(&self, node: NodeId) -> Candidate {
        Candidate {
            id: package_id(self.tree, node),
            node: Some(node),
            missing: None,
        }
    }

    fn item(&mut self, turn: &Turn) -> Item {
        let candidate = &turn.candidate;
        let mut item = match (candidate.node, &candidate.missing) {
            (Some(node), _) => self.present(node, turn.repeated.as_ref()),
            (None, Some((name, demand, _))) => Item {
                name: name.clone(),
                required: demand.required.clone(),
                optional: demand.optional,
                missing: true,
                ..Item::default()
            },
            (None, None) => Item::default(),
        };
        item.id.clone_from(&candidate.id);
        item.parent = turn.parent;
        let names = &self.options.names;
        let tree = self.tree;
        item.matched = candidate.node.is_some_and(|node| {
            turn.parent.is_some() && names.iter().any(|name| name.is(tree, node))
        });
        item.included = names.is_empty() || item.matched;
        let path = candidate.node.map_or("", |node| &*tree.node(node).path);
        if let Some((_, demand, by)) = &candidate.missing
            && !demand.optional
        {
            item.problems
                .push(format!("missing: {}, required by {by}", item.id));
        }
        if !item.invalid.is_empty() {
            item.problems.push(format!("invalid: {} {path}", item.id));
        }
        if item.extraneous {
            item.problems
                .push(format!("extraneous: {} {path}", item.id));
        }
        item
    }

    fn present(&self, node: NodeId, repeated: Option<&Demand>) -> Item {
        let tree = self.tree;
        let data = tree.node(node);
        let demand = repeated.or_else(|| self.demands.get(&node)).cloned();
        let demand = demand.unwrap_or_default();
        let link = data.link.as_ref().map(|_| {
            let target = tree.target(node).map(|target| tree.node(target));
            target.map_or_else(String::new, |target| target.location.to_string())
        });
        let item = Item {
            name: tree.name_text(node).to_owned(),
            version: tree.version_text(node).to_owned(),
            required: demand.required,
            optional: demand.optional,
            invalid: demand.invalid,
            link,
            ..Item::default()
        };
        if repeated.is_some() {
            return Item {
                deduped: true,
                ..item
            };
        }
        Item {
            resolved: self.resolved(node),
            extraneous: data.flags.extraneous,
            overridden: (node != tree.root).then(|| tree.is_node_overridden(node)),
            workspace: node != tree.root && tree.is_workspace(node),
            ..item
        }
    }

    /// Where it comes from; of a link, its target as seen from the link's folder.
    fn resolved(&self, node: NodeId) -> Option<String> {
        let tree = self.tree;
        let data = tree.node(node);
        if data.link.is_none() {
            return data.resolved.as_deref().map(str::to_owned);
        }
        let (folder, _) = data.path.rsplit_once('/')?;
        let path = crate::resolve::relative_path(folder, tree.real_path(node));
        Some(format!("file:{path}"))
    }
}

/// npm's `pkgid`.
fn package_id(tree: &Tree, node: NodeId) -> String {
    let own = tree.node(node).package.manifest.name();
    let folder = tree.name_text(node);
    let version = tree.version_text(node);
    match own {
        Some(own) if node == tree.root => format!("{own}@{version}"),
        Some(own) if own != folder => format!("{folder}@npm:{own}@{version}"),
        _ => format!("{folder}@{version}"),
    }
}
