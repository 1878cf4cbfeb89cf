//! Versions that are taken where npm's rules allow: what another tool's lock chose.
//!
//! A choice belongs to an edge: this dependent got that version of this name. While choices hold,
//! an edge is satisfied by nothing else, so that two versions which one range would allow stay two.
//! Choices that the edge's spec (overrides applied) does not allow, or that the registry does not
//! have, do not count. Peer edges take a choice when they load something, and are then npm's alone.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use semver::Version;

use super::error::ResolveError;
use super::explain;
use super::ideal::Builder;
use super::node::{EdgeId, NodeId};
use super::package::{Kind, Package};
use super::specs::SpecId;
use super::tree::Tree;
use crate::integrity::Integrity;
use crate::name::PackageId;
use crate::spec::{Mode, Prerelease, Range, Spec, SpecKind, parse_version};

/// How firmly choices are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// A version that is there already will do, as for npm.
    #[default]
    Loose,
    /// Only the chosen version will do.
    Firm,
}

/// What another lock chose.
#[derive(Debug, Clone, Default)]
pub struct Preferences {
    /// The file, for messages.
    pub file: String,
    pub hold: Hold,
    choices: FxHashMap<String, FxHashMap<String, Arc<Choice>>>,
    /// By name and spec as written: how npm reads a yarn.lock.
    described: FxHashMap<(String, String), Version>,
    /// By name; the highest first. For edges that the lock does not know.
    versions: FxHashMap<String, Vec<Version>>,
    integrities: FxHashMap<PackageId, String>,
    count: u32,
}

/// The versions that one dependent got of one name: more than one where it was there repeatedly.
#[derive(Debug, Clone)]
pub struct Choice {
    number: u32,
    of: Vec<(Arc<str>, Version)>,
}

impl Preferences {
    pub fn new(file: &str, hold: Hold) -> Self {
        Self {
            file: file.to_owned(),
            hold,
            ..Self::default()
        }
    }

    /// Does it stand for a lock, from which npm would start and which it would prune?
    pub(super) fn is_lock(&self) -> bool {
        self.described.is_empty() && !(self.choices.is_empty() && self.integrities.is_empty())
    }

    /// `dependent` (see [`folder`] and [`PackageId`]) got this version when it asked for `name`.
    pub fn choose(&mut self, dependent: &str, name: &str, package: &str, version: &str) {
        let Some(version) = parse_version(version, Mode::Loose) else {
            return;
        };
        let number = self.count;
        let choices = self.choices.entry(dependent.to_owned()).or_default();
        let choice = choices.entry(name.to_owned()).or_insert_with(|| {
            self.count += 1;
            let of = Vec::new();
            Arc::new(Choice { number, of })
        });
        let of = &mut Arc::make_mut(choice).of;
        if !of
            .iter()
            .any(|(known, v)| **known == *package && *v == version)
        {
            of.push((package.into(), version));
            of.sort_by(|(_, a), (_, b)| b.cmp(a));
        }
    }

    /// `name` with `spec` means this version wherever it is asked for.
    pub fn describe(&mut self, name: &str, spec: &str, version: &str) {
        if let Some(version) = parse_version(version, Mode::Loose) {
            self.described
                .insert((name.to_owned(), spec.to_owned()), version);
        }
    }

    /// The lock has this version: edges that it does not know may take it, too.
    pub fn offer(&mut self, name: &str, version: &str) {
        let Some(version) = parse_version(version, Mode::Loose) else {
            return;
        };
        let versions = self.versions.entry(name.to_owned()).or_default();
        if !versions.contains(&version) {
            versions.push(version);
            versions.sort_by(|a, b| b.cmp(a));
        }
    }

    /// What the lock promises of a package's content.
    ///
    /// A text that is no integrity is kept, too: nothing fulfils it.
    pub fn promise(&mut self, id: PackageId, integrity: &str) {
        let promised = integrity.to_owned();
        self.integrities.entry(id).or_insert(promised);
    }
}

/// The dependent that a folder of the project is, by its path in the project; the root's is empty.
pub fn folder(path: &str) -> String {
    format!("./{path}")
}

/// The same package is another one in the registry than in the lock that is imported.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
#[error("`{id}` is {registry} in the registry, but {file} promises {promised}")]
#[diagnostic(
    code(EINTEGRITY),
    help(
        "find out which of them is right: the registry's package, or the lock's registry, is another one"
    )
)]
pub struct Contradiction {
    pub id: PackageId,
    pub file: String,
    pub registry: String,
    pub promised: String,
}

impl Tree {
    /// The choice that the imported lock made for a dependency of `from`.
    pub(super) fn choice(&self, from: NodeId, name: &str, kind: Kind) -> Option<Arc<Choice>> {
        if self.preferences.choices.is_empty() || kind == Kind::Workspace {
            return None;
        }
        let of = self.node(from).source.unwrap_or(from);
        let node = self.node(of);
        // A package has no place yet when its edges are made.
        let dependent = if self.is_top(of) && !node.path.is_empty() {
            folder(&node.location)
        } else {
            id_of(&node.package, self.name_text(of)).to_string()
        };
        self.preferences.choices.get(&dependent)?.get(name).cloned()
    }

    /// Is `node` what the imported lock chose for this edge, or does no choice count?
    pub(super) fn is_chosen(&self, node: NodeId, id: EdgeId) -> bool {
        let edge = self.edge(id);
        let Some(choice) = &edge.choice else {
            return true;
        };
        let held = self.preferences.hold == Hold::Firm && !edge.kind.is_peer();
        if !held || self.dropped_choices.contains(&choice.number) {
            return true;
        }
        let target = self.node(node);
        if target.link.is_some() || target.failure.is_some() {
            return true;
        }
        let name = target.package.manifest.name();
        let name = name.unwrap_or_else(|| self.name_text(node));
        let version = target.package.version.as_ref();
        let is_it =
            |(known, chosen): &(Arc<str>, Version)| **known == *name && version == Some(chosen);
        choice.of.iter().any(is_it) || self.allowed(id, choice).is_empty()
    }

    /// Does the edge's spec, overrides applied, allow this version of this package?
    pub fn allows(&self, id: EdgeId, package: &str, version: &str) -> bool {
        let Some(version) = parse_version(version, Mode::Loose) else {
            return false;
        };
        let of = vec![(package.into(), version)];
        !self.allowed(id, &Choice { number: 0, of }).is_empty()
    }

    /// Was the version that an imported lock chose for the edge not to be had?
    pub fn is_choice_dropped(&self, id: EdgeId) -> bool {
        let choice = self.edge(id).choice.as_ref();
        choice.is_some_and(|choice| self.dropped_choices.contains(&choice.number))
    }

    /// Those of a choice's versions that the edge's spec allows.
    fn allowed(&self, id: EdgeId, choice: &Choice) -> Vec<Version> {
        let Some(from) = self.edge(id).from else {
            return Vec::new();
        };
        let name = self.edge_name(id);
        let text = self.spec_text(id).unwrap_or_default();
        let Ok(spec) = Spec::parse(name, &text, self.real_path(from).as_ref().as_ref()) else {
            return Vec::new();
        };
        let (name, asked) = meant(name, &spec);
        let versions = choice.of.iter().filter(|(known, _)| **known == *name);
        versions
            .map(|(_, version)| version.clone())
            .filter(|version| asked.allows(version))
            .collect()
    }
}

/// What a registry is asked for.
enum Asked<'a> {
    Range(&'a Range),
    Tag,
    /// One version, or nothing that a registry answers.
    Fixed,
}

impl Asked<'_> {
    fn allows(&self, version: &Version) -> bool {
        match self {
            Self::Range(range) => range.is_any() || range.satisfies(version, Prerelease::Strict),
            Self::Tag => true,
            Self::Fixed => false,
        }
    }
}

/// The package's own name and what is asked of it, seen through an alias.
fn meant<'a>(name: &'a str, spec: &'a Spec) -> (&'a str, Asked<'a>) {
    match &spec.kind {
        SpecKind::Alias { name, target } => meant(name.as_str(), target),
        SpecKind::Range(range) => (name, Asked::Range(range)),
        SpecKind::Tag(_) => (name, Asked::Tag),
        _ => (name, Asked::Fixed),
    }
}

fn id_of(package: &Package, folder: &str) -> PackageId {
    PackageId::new(
        package.manifest.name().unwrap_or(folder),
        package.version_text(),
    )
}

impl Builder<'_> {
    /// Exact specs to try before the edge's own, the best first.
    pub(super) fn preferred(&mut self, edge: EdgeId, spec: &Spec) -> Vec<SpecId> {
        let tree = &self.tree;
        let preferences = tree.preferences.clone();
        let (name, asked) = meant(tree.edge_name(edge), spec);
        if matches!(asked, Asked::Fixed) {
            return Vec::new();
        }
        let choice = tree.edge(edge).choice.as_ref();
        let mut versions = choice.map_or(Vec::new(), |choice| tree.allowed(edge, choice));
        let key = (tree.edge_name(edge).to_owned(), spec.raw.to_string());
        let described = preferences.described.get(&key);
        versions.extend(described.filter(|version| asked.allows(version)).cloned());
        if matches!(asked, Asked::Range(_)) {
            let offered = preferences.versions.get(name).into_iter().flatten();
            versions.extend(offered.filter(|version| asked.allows(version)).cloned());
        }
        let is_alias = matches!(spec.kind, SpecKind::Alias { .. });
        let texts: Vec<String> = versions
            .into_iter()
            .map(|version| {
                if is_alias {
                    format!("npm:{name}@{version}")
                } else {
                    version.to_string()
                }
            })
            .collect();
        let mut ids = Vec::new();
        for text in texts {
            let id = self.tree.specs.intern(&text);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// The registry does not have what was chosen: from here on the edge is npm's.
    pub(super) fn drop_choice(&mut self, edge: EdgeId) {
        if let Some(choice) = &self.tree.edge(edge).choice {
            let number = choice.number;
            self.tree.dropped_choices.insert(number);
        }
    }

    /// Holds the registry's integrity against the imported lock's.
    pub(super) fn hold_promise(
        &self,
        edge: EdgeId,
        package: &Package,
        integrity: Option<&str>,
    ) -> Result<(), ResolveError> {
        let tree = &self.tree;
        let id = id_of(package, tree.edge_name(edge));
        let promised = tree.preferences.integrities.get(&id);
        let registry = integrity.and_then(Integrity::parse);
        let (Some(promised), Some(registry)) = (promised, registry) else {
            return Ok(());
        };
        if Integrity::parse(promised).is_some_and(|promised| !registry.contradicts(&promised)) {
            return Ok(());
        }
        let from = tree.edge(edge).from.unwrap_or(tree.root);
        let error = Contradiction {
            id,
            file: tree.preferences.file.clone(),
            registry: registry.to_string(),
            promised: promised.clone(),
        };
        Err(ResolveError::Contradiction {
            error: Box::new(error),
            chain: explain::chain(tree, from),
        })
    }
}
