//! A lock's packages and who requires whom, with the words in which they ask.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use crate::json::truthy;
use crate::lock::{self, Index, Lock, Place};
use crate::resolve::Kind;
use crate::spec::{Mode, Prerelease, Range, SpecKind, parse_argument, parse_version};

/// One package folder; a link and its target are one node, at the target's location.
#[derive(Debug, Clone)]
pub struct Node {
    /// The package's name, whatever its folder is called.
    pub name: String,
    /// The folder's name, by which dependents ask.
    pub folder: String,
    pub version: String,
    pub location: String,
    /// `dev`, `optional`, `devOptional`, `peer`, `inBundle`, `extraneous`, as the lock has them.
    pub flags: Vec<&'static str>,
    /// Where `node_modules` links to it.
    pub links: Vec<String>,
    /// Names and ranges of its peer dependencies.
    pub peers: Vec<(String, String)>,
    pub edges_out: Vec<usize>,
    pub edges_in: Vec<usize>,
}

/// One dependency of one package on another.
#[derive(Debug, Clone)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// The name by which it is asked for.
    pub name: String,
    /// As written.
    pub spec: String,
    pub kind: Kind,
}

/// The packages of a lock; the project itself is the first node.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    by_location: FxHashMap<String, usize>,
}

const FLAGS: [&str; 6] = [
    "dev",
    "optional",
    "devOptional",
    "peer",
    "inBundle",
    "extraneous",
];

impl Graph {
    pub fn of_lock(lock: &Lock) -> Self {
        let index = Index::new(lock);
        let mut graph = Self::default();
        let nothing = Map::new();
        let project = index.at("").map_or(&nothing, |at| &lock.packages[at].1);
        graph.add_node("", project);
        if let Some(name) = lock.name.as_ref().filter(|_| !project.contains_key("name")) {
            graph.nodes[0].name.clone_from(name);
        }
        for (location, entry) in &lock.packages {
            if !location.is_empty() && lock::link_target(entry).is_none() {
                graph.add_node(location, entry);
            }
        }
        for (location, entry) in &lock.packages {
            if let Some(target) = lock::link_target(entry).and_then(|target| graph.at(target)) {
                graph.nodes[target].links.push(location.clone());
            }
        }
        let mut reach = |location: &str, entry: &Map<String, Value>| {
            let Some(from) = graph.at(location) else {
                return;
            };
            for (name, spec, kind) in asked(location, entry) {
                let to = index.resolve(location, name);
                if let Some(to) = to.and_then(|to| graph.at(&lock.packages[to].0)) {
                    graph.add_edge(from, to, name, spec, kind);
                }
            }
        };
        reach("", project);
        for (location, entry) in &lock.packages {
            if !location.is_empty() {
                reach(location, entry);
            }
        }
        graph.add_workspaces(project);
        graph
    }

    /// The node at a location; of a link's, its target.
    pub fn at(&self, location: &str) -> Option<usize> {
        self.by_location.get(location).copied()
    }

    /// `name@version`, or the project's name.
    pub fn id(&self, node: usize) -> String {
        let node = &self.nodes[node];
        match (node.name.as_str(), node.version.as_str()) {
            ("", _) if node.location.is_empty() => "the project".to_owned(),
            (name, _) if node.location.is_empty() => name.to_owned(),
            (name, "") => name.to_owned(),
            (name, version) => format!("{name}@{version}"),
        }
    }

    /// The node that a package in the folder `from` gets for `name`.
    pub fn resolve(&self, from: &str, name: &str) -> Option<usize> {
        folders(from).find_map(|folder| self.at(&child(folder, name)))
    }

    fn add_node(&mut self, location: &str, entry: &Map<String, Value>) {
        let text = |member: &str| entry.get(member).and_then(Value::as_str);
        let on = |flag: &&str| entry.get(*flag).is_some_and(truthy);
        let name = if location.is_empty() {
            text("name").unwrap_or_default()
        } else {
            lock::package_name(location, entry)
        };
        let peers = entry.get("peerDependencies").and_then(Value::as_object);
        let peers = peers.into_iter().flatten();
        self.by_location
            .insert(location.to_owned(), self.nodes.len());
        self.nodes.push(Node {
            name: name.to_owned(),
            folder: lock::folder_name(location).to_owned(),
            version: text("version").unwrap_or_default().to_owned(),
            location: location.to_owned(),
            flags: FLAGS.into_iter().filter(on).collect(),
            links: Vec::new(),
            peers: peers
                .map(|(name, range)| (name.clone(), range.as_str().unwrap_or_default().to_owned()))
                .collect(),
            edges_out: Vec::new(),
            edges_in: Vec::new(),
        });
    }

    fn add_edge(&mut self, from: usize, to: usize, name: &str, spec: &str, kind: Kind) {
        let edge = self.edges.len();
        self.edges.push(Edge {
            from,
            to,
            name: name.to_owned(),
            spec: spec.to_owned(),
            kind,
        });
        self.nodes[from].edges_out.push(edge);
        self.nodes[to].edges_in.push(edge);
    }

    /// The project requires its workspaces without saying so.
    fn add_workspaces(&mut self, project: &Map<String, Value>) {
        if !project.get("workspaces").is_some_and(truthy) {
            return;
        }
        for node in 1..self.nodes.len() {
            let links = self.nodes[node].links.iter();
            let mut own = links.filter_map(|link| link.strip_prefix("node_modules/"));
            let Some(name) = own.find(|name| !name.contains("node_modules/")) else {
                continue;
            };
            let name = name.to_owned();
            let edges = self.nodes[0].edges_out.iter();
            let known = edges.copied().find(|edge| self.edges[*edge].to == node);
            let outside = self.nodes[node].location.starts_with("..");
            match known {
                // A workspace hides what the project asks for by its name, unless that is a folder.
                Some(edge) if !self.edges[edge].spec.starts_with("file:") => {
                    self.edges[edge].kind = Kind::Workspace;
                }
                None if !outside => {
                    let spec = self.nodes[node].location.clone();
                    self.add_edge(0, node, &name, &spec, Kind::Workspace);
                }
                _ => {}
            }
        }
    }
}

/// The folders in whose `node_modules` a package at `location` looks, its own first.
pub fn folders(location: &str) -> impl Iterator<Item = &str> {
    let modules = |folder: &&str| *folder != "node_modules" && !folder.ends_with("/node_modules");
    std::iter::successors(Some(location), |folder| above(folder)).filter(modules)
}

fn above(folder: &str) -> Option<&str> {
    if folder.is_empty() {
        return None;
    }
    Some(folder.rfind('/').map_or("", |slash| &folder[..slash]))
}

/// The location of `name` in the `node_modules` of a folder.
pub fn child(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        format!("node_modules/{name}")
    } else {
        format!("{folder}/node_modules/{name}")
    }
}

/// Does a registry's answer with this version satisfy the spec? `None` where that is no range.
pub fn allows(spec: &str, version: &str) -> Option<bool> {
    let range = match parse_argument(&format!("x@{spec}"), "/".as_ref())
        .ok()?
        .spec
        .kind
    {
        SpecKind::Alias { target, .. } => target.raw.to_string(),
        SpecKind::Range(_) | SpecKind::Version(_) => spec.to_owned(),
        _ => return None,
    };
    let range = Range::parse(&range, Mode::Loose)?;
    let version = parse_version(version, Mode::Loose)?;
    Some(range.is_any() || range.satisfies(&version, Prerelease::Strict))
}

/// What an entry asks for: as in npm, the later map of these decides for a name.
fn asked<'a>(location: &str, entry: &'a Map<String, Value>) -> Vec<(&'a str, &'a str, Kind)> {
    let map = |member: &str| entry.get(member).and_then(Value::as_object);
    let optional_peer = |name: &str| {
        let meta = map("peerDependenciesMeta").and_then(|meta| meta.get(name));
        meta.and_then(|meta| meta.get("optional"))
            .is_some_and(truthy)
    };
    let is_top = lock::check_key(location) != Ok(Place::Package);
    let maps = [
        ("peerDependencies", Kind::Peer),
        ("dependencies", Kind::Prod),
        ("optionalDependencies", Kind::Optional),
        ("devDependencies", Kind::Dev),
    ];
    let maps = maps
        .into_iter()
        .filter(|(_, kind)| is_top || *kind != Kind::Dev);
    let mut asked: Vec<(&str, &str, Kind)> = Vec::new();
    let mut places: FxHashMap<&str, usize> = FxHashMap::default();
    for (member, kind) in maps {
        for (name, spec) in map(member).into_iter().flatten() {
            let kind = match kind {
                Kind::Peer if optional_peer(name) => Kind::PeerOptional,
                kind => kind,
            };
            let ask = (name.as_str(), spec.as_str().unwrap_or_default(), kind);
            if let Some(place) = places.get(name.as_str()) {
                asked[*place] = ask;
            } else {
                places.insert(name, asked.len());
                asked.push(ask);
            }
        }
    }
    asked
}
