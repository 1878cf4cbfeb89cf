//! What a lock installs, as a bill of materials: `CycloneDX` 1.6 and SPDX 2.3.
//!
//! [`Bom::of`] turns the tree into components: one for each package and version, however many places
//! it has, with the dependencies of all of them. [`cyclonedx`] and [`spdx`] write them down. Field
//! conventions are those of `npm sbom` where it has them. Equal locks give equal bytes: nothing in
//! here knows a clock or makes up a number; those who want them pass them in a [`Stamp`].

pub mod cyclonedx;
mod licence;
mod purl;
pub mod spdx;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use crate::collate;
use crate::diff::shown_address;
use crate::integrity::{Algorithm, Integrity};
use crate::json::truthy;
use crate::npmrc::format_date;
use crate::resolve::{Kind, Locked, NodeId, Omit, Tree};

pub use licence::Licence;

/// What identifies a document, where that is wanted.
#[derive(Debug, Clone, Default)]
pub struct Stamp {
    /// `urn:uuid:…`.
    pub serial_number: Option<String>,
    /// Seconds since 1970.
    pub timestamp: Option<i64>,
    /// What the project is, in `CycloneDX`'s words.
    pub project_type: String,
}

/// A package at one or more places, or the project.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // what npm's own documents say of a package
pub struct Component {
    /// Unique in its document: `name@version`, with the place where that alone is not.
    pub id: String,
    pub name: String,
    /// Empty where there is none.
    pub version: String,
    pub purl: String,
    pub description: Option<String>,
    pub licence: Option<Licence>,
    /// Algorithm, and lower-case hex.
    pub hash: Option<(Algorithm, String)>,
    /// Where its tarball comes from; without credentials.
    pub address: Option<String>,
    pub locations: Vec<String>,
    pub dev: bool,
    /// The project works without it: optional, or for development.
    pub optional: bool,
    pub bundled: bool,
    pub private: bool,
    /// Places of what it depends on in [`Bom::components`], each once.
    pub dependencies: Vec<(usize, Kind)>,
}

impl Component {
    /// Does nothing speak against both being the same? A bundled copy says nothing of itself.
    fn is(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_none_or(|(one, other)| one == other)
        }
        agree(self.hash.as_ref(), other.hash.as_ref())
            && agree(self.address.as_ref(), other.address.as_ref())
    }

    /// Another place of the same.
    fn absorb(&mut self, other: Self) {
        self.dev &= other.dev;
        self.optional &= other.optional;
        self.bundled &= other.bundled;
        self.locations.extend(other.locations);
        if self.address.is_none() && other.address.is_some() {
            self.purl = other.purl;
        }
        self.address = self.address.take().or(other.address);
        self.hash = self.hash.take().or(other.hash);
    }
}

/// The project first, then its packages by their first place.
#[derive(Debug, Clone)]
pub struct Bom {
    pub components: Vec<Component>,
}

impl Bom {
    /// Everything that would be installed: not what is omitted, extraneous, or set aside because it
    /// does not run on the target.
    pub fn of(tree: &Tree, locked: &Locked, omit: Omit) -> Self {
        let entries: FxHashMap<&str, &Map<String, Value>> = locked
            .entries
            .iter()
            .map(|(location, entry)| (location.as_str(), entry))
            .collect();
        let mut nodes = tree.inventory(tree.root);
        nodes.retain(|id| *id != tree.root && is_wanted(tree, *id, omit));
        nodes.sort_by(|a, b| collate::compare(&tree.node(*a).location, &tree.node(*b).location));
        let mut gathering = Gathering {
            tree,
            entries,
            components: Vec::new(),
            by_id: FxHashMap::default(),
            of_node: FxHashMap::default(),
        };
        gathering.add(tree.root);
        for id in &nodes {
            gathering.add(*id);
        }
        gathering.connect();
        Self {
            components: gathering.components,
        }
    }
}

/// Is it a package of its own that is installed? Links are not: their targets are.
fn is_wanted(tree: &Tree, id: NodeId, omit: Omit) -> bool {
    let node = tree.node(id);
    let stale = node.flags.extraneous || (node.inert && node.parent.is_some());
    !tree.is_link(id) && !stale && !omit.covers(node.flags)
}

struct Gathering<'a> {
    tree: &'a Tree,
    entries: FxHashMap<&'a str, &'a Map<String, Value>>,
    components: Vec<Component>,
    /// Places in `components` of a name and version.
    by_id: FxHashMap<String, Vec<usize>>,
    of_node: FxHashMap<NodeId, usize>,
}

impl Gathering<'_> {
    fn add(&mut self, id: NodeId) {
        let mut component = self.component(id);
        let same = self.by_id.entry(component.id.clone()).or_default();
        let known = same
            .iter()
            .find(|at| **at != 0 && self.components[**at].is(&component));
        if let Some(at) = known {
            self.of_node.insert(id, *at);
            self.components[*at].absorb(component);
            return;
        }
        let at = self.components.len();
        if !same.is_empty() {
            // Two sources of one name and version are told apart by their places.
            let place = component.locations.first().cloned().unwrap_or_default();
            component.id = format!("{}|{place}", component.id);
        }
        same.push(at);
        self.of_node.insert(id, at);
        self.components.push(component);
    }

    fn component(&self, id: NodeId) -> Component {
        let tree = self.tree;
        let node = tree.node(id);
        let is_root = id == tree.root;
        let manifest = &node.package.manifest;
        let name = manifest.name().unwrap_or_else(|| tree.name_text(id));
        let version = tree.version_text(id);
        let entry = self.entries.get(&*node.location).copied();
        let text = |member: &str| entry?.get(member)?.as_str().filter(|text| !text.is_empty());
        let address = text("resolved").filter(|_| !is_root).map(shown_address);
        let hash = text("integrity").and_then(Integrity::parse);
        let hash = hash.map(|hash| (hash.strongest(), hash.strongest_hex()));
        Component {
            id: join(name, version),
            purl: purl::of(name, version, address.as_deref()),
            description: manifest.text("description").map(str::to_owned),
            licence: Licence::of(manifest),
            locations: vec![node.location.to_string()],
            dev: node.flags.dev,
            optional: node.flags.optional || node.flags.dev_optional || node.flags.dev,
            bundled: tree.in_bundle(id),
            private: manifest.fields.get("private").is_some_and(truthy),
            dependencies: Vec::new(),
            name: name.to_owned(),
            version: version.to_owned(),
            hash,
            address,
        }
    }

    fn connect(&mut self) {
        let tree = self.tree;
        for (id, at) in &self.of_node {
            for edge in tree.out_edges(*id) {
                let edge = tree.edge(edge);
                let to = edge.to.and_then(|to| tree.target(to));
                if let Some(to) = to.and_then(|to| self.of_node.get(&to)) {
                    self.components[*at].dependencies.push((*to, edge.kind));
                }
            }
        }
        let rank = |kind: Kind| match kind {
            Kind::Prod => 0,
            Kind::Workspace => 1,
            Kind::Optional => 2,
            Kind::Peer => 3,
            Kind::PeerOptional => 4,
            Kind::Dev => 5,
        };
        for component in &mut self.components {
            let dependencies = &mut component.dependencies;
            dependencies.sort_by_key(|(to, kind)| (*to, rank(*kind)));
            dependencies.dedup_by_key(|(to, _)| *to);
        }
    }
}

fn join(name: &str, version: &str) -> String {
    if version.is_empty() {
        name.to_owned()
    } else {
        format!("{name}@{version}")
    }
}

/// Whole seconds since 1970 as both forms want them.
fn date(seconds: i64) -> String {
    format_date(seconds.saturating_mul(1000)).replace(".000Z", "Z")
}
