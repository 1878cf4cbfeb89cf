//! Another tool's lock as the start: its versions are preferred, and those that moved are told.

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use crate::foreign::{self, Edge, ForeignError, ForeignLock, Format, Origin, Package};
use crate::manifest::{self, Manifest};
use crate::name::PackageId;
use crate::report::Reporter;
use crate::resolve::{
    self, Hold, Ideal, NodeId, Options, Preferences, ResolveError, Source, Tree, folder_dependent,
};

/// What became of another lock's versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportReport {
    /// The lock, as the user named it.
    pub file: String,
    pub tool: &'static str,
    /// The format's version, as written.
    pub format: String,
    /// Different versions that the project needs by that lock, and how many of them it still has.
    pub total: usize,
    pub kept: usize,
    pub moved: Vec<Moved>,
    /// `name@version` that the other lock does not have, and that stand for none of its versions.
    pub added: Vec<String>,
    /// Kept, and changed by the other tool after unpacking, which npm does not do.
    pub patched: Vec<String>,
    pub notes: Vec<String>,
}

/// A version that the other lock has and this one has not, or not for everyone who had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub name: String,
    pub from: String,
    /// What the one who asked got instead.
    pub to: Option<String>,
    /// Who asked: `name@version`, or a folder of the project.
    pub by: Option<String>,
    pub reason: String,
}

const SHARED: &str = "peer dependencies conflict when everyone keeps its own version, so versions that npm would share are shared";
const NOT_AT_ALL: &str =
    "peer dependencies conflict with the lock's versions, so npm's own are taken";

/// A lock that is imported.
pub struct Import {
    file: String,
    lock: ForeignLock,
    notes: Vec<String>,
}

/// Another tool's lock in a project that has no lock of npm's.
#[derive(Debug, Default)]
pub struct Neighbour {
    /// What npm takes from it.
    pub prefer: Preferences,
    pub hint: Option<String>,
}

impl Neighbour {
    /// npm takes from yarn 1's lock what it has for exactly the name and the range that somebody
    /// asks for, and ignores other locks and those it cannot read.
    pub fn find(project: &Path) -> Self {
        let there = |name: &&&str| project.join(name).is_file();
        let Some(name) = foreign::FILE_NAMES.iter().find(there) else {
            return Self::default();
        };
        let lock = foreign::read(&project.join(name)).ok();
        let lock = lock.filter(|lock| lock.format == Format::Yarn1);
        let Some(lock) = lock else {
            let hint = format!("`heatseal shrinkwrap --from {name}` keeps the versions of {name}");
            return Self {
                hint: Some(hint),
                ..Self::default()
            };
        };
        let mut prefer = promises(&lock, name, Hold::Loose);
        for ((name, spec), id) in &lock.descriptors {
            let package = lock.packages.get(id);
            if let Some(package) = package.filter(|package| package.resolved.is_some()) {
                prefer.describe(name, spec, &package.version);
            }
        }
        let hint = format!(
            "versions are taken from {name}, as npm does; `heatseal shrinkwrap --from {name}` keeps more of them and tells which moved"
        );
        Self {
            prefer,
            hint: Some(hint),
        }
    }
}

impl Import {
    /// Reads the lock at `path` for the project in `project`.
    pub fn read(path: &Path, project: &Path, manifest: &Manifest) -> Result<Self, ForeignError> {
        let mut lock = foreign::read(path)?;
        lock.add_importer("", manifest);
        for workspace in resolve::workspaces(project, manifest).unwrap_or_default() {
            let Ok(file) = manifest::read(Path::new(&workspace.path)) else {
                continue;
            };
            let folder = Path::new(&workspace.path).strip_prefix(project);
            if let Ok(folder) = folder {
                lock.add_importer(&folder.to_string_lossy(), &file.manifest);
            }
        }
        let file = path.display().to_string();
        Ok(Self {
            file,
            lock,
            notes: Vec::new(),
        })
    }

    /// Remembers that the project's own lock is not looked at.
    pub fn instead_of(&mut self, lock: &str) {
        let note = format!("{lock} is not looked at: {} takes its place", self.file);
        self.notes.push(note);
    }

    /// Resolves the project with the lock's versions wherever npm's rules allow them.
    ///
    /// First every dependency gets exactly what it had; if peers cannot agree on that, versions
    /// that are there already may do; if they still cannot, the versions are npm's.
    pub fn resolve(
        &self,
        project: &Path,
        manifest: &Arc<Manifest>,
        source: &dyn Source,
        options: &Options,
        reporter: &dyn Reporter,
    ) -> Result<(Ideal, ImportReport), ResolveError> {
        let attempt = |prefer: Preferences| {
            let options = Options {
                prefer: Arc::new(prefer),
                ..options.clone()
            };
            resolve::ideal_tree(project, manifest, None, source, &options, reporter)
        };
        let in_conflict = |result: &Result<Ideal, ResolveError>| {
            matches!(
                result,
                Err(ResolveError::PeerConflict(_) | ResolveError::Endless { .. })
            )
        };
        let mut notes = self.notes.clone();
        let mut result = attempt(self.preferences(Hold::Firm));
        if in_conflict(&result) {
            notes.push(SHARED.to_owned());
            result = attempt(self.preferences(Hold::Loose));
        }
        if in_conflict(&result) {
            notes.pop();
            notes.push(NOT_AT_ALL.to_owned());
            result = attempt(promises(&self.lock, &self.file, Hold::Loose));
        }
        let ideal = result?;
        let report = self.report(&ideal.tree, notes);
        Ok((ideal, report))
    }

    /// The lock's versions as the resolver takes them.
    fn preferences(&self, hold: Hold) -> Preferences {
        let mut preferences = promises(&self.lock, &self.file, hold);
        let mut choose = |dependent: &str, edges: &[Edge]| {
            for edge in edges {
                let package = self.target(edge);
                if let Some(package) = package.filter(|package| package.origin == Origin::Registry)
                {
                    preferences.choose(dependent, &edge.name, &package.name, &package.version);
                }
            }
        };
        for importer in &self.lock.importers {
            choose(&folder_dependent(&importer.path), &importer.edges);
        }
        let reachable = self.lock.reachable();
        for package in reachable.values() {
            let dependent = match &package.origin {
                Origin::Folder(path) => folder_dependent(path),
                _ => id_of(package).to_string(),
            };
            choose(&dependent, &package.edges);
        }
        for package in reachable
            .values()
            .filter(|package| package.origin == Origin::Registry)
        {
            preferences.offer(&package.name, &package.version);
        }
        preferences
    }

    fn target(&self, edge: &Edge) -> Option<&Package> {
        self.lock.packages.get(edge.to.as_ref()?)
    }

    fn report(&self, tree: &Tree, notes: Vec<String>) -> ImportReport {
        let ours = Ours::of(tree);
        let reachable = self.lock.reachable();
        let mut theirs: IndexMap<PackageId, Vec<&str>> = IndexMap::new();
        let packages = reachable.iter();
        // A folder is what it is, whichever tool links it.
        let packages = packages.filter(|(_, package)| !matches!(package.origin, Origin::Folder(_)));
        for (key, package) in packages {
            theirs.entry(id_of(package)).or_default().push(key);
        }
        let mut report = ImportReport {
            file: self.file.clone(),
            tool: self.lock.format.tool(),
            format: self.lock.version.clone(),
            total: theirs.len(),
            kept: 0,
            moved: Vec::new(),
            added: Vec::new(),
            patched: Vec::new(),
            notes,
        };
        for (id, keys) in &theirs {
            let package = keys.first().map(|key| reachable[key]);
            if !package.is_some_and(|package| ours.has(tree, package)) {
                report.moved.push(self.gone(tree, &ours, id, keys));
                continue;
            }
            report.kept += 1;
            if keys.iter().any(|key| reachable[key].patched) {
                report.patched.push(id.to_string());
            }
        }
        self.add_moved_dependents(tree, &ours, &mut report);
        report
            .moved
            .sort_by(|a, b| (&a.name, &a.from, &a.to).cmp(&(&b.name, &b.from, &b.to)));
        let stands_in = |id: &PackageId| {
            let moved = report.moved.iter();
            let mut moved = moved.filter(|moved| moved.name == *id.name);
            moved.any(|moved| moved.to.as_deref() == Some(&*id.version))
        };
        let news = ours.by_id.keys().filter(|id| !theirs.contains_key(*id));
        let elsewhere = |id: &PackageId| {
            let mut kept = theirs.keys().filter(|theirs| theirs.name == id.name);
            kept.any(|theirs| semver::Version::parse(&theirs.version).is_err())
        };
        let mut added: Vec<String> = news
            .filter(|id| !stands_in(id) && !elsewhere(id))
            .map(ToString::to_string)
            .collect();
        added.sort();
        report.added = added;
        report
    }

    /// Everyone who asks in the other lock: a name, its nodes here, what it asks for.
    fn askers<'a>(
        &'a self,
        tree: &'a Tree,
        ours: &'a Ours,
    ) -> impl Iterator<Item = (String, Vec<NodeId>, &'a [Edge])> {
        let importers = self.lock.importers.iter().map(|importer| {
            let (name, node) = match &*importer.path {
                "" => ("the project", Some(tree.root)),
                path => (path, tree.at(tree.root, path)),
            };
            (name.to_owned(), Vec::from_iter(node), &*importer.edges)
        });
        let packages = self.lock.reachable().into_values().map(|package| {
            let id = id_of(package);
            let nodes = ours.by_id.get(&id).cloned().unwrap_or_default();
            (id.to_string(), nodes, &*package.edges)
        });
        importers.chain(packages)
    }

    /// Why a version of the other lock is gone: told of the first dependent that is still there.
    fn gone(&self, tree: &Tree, ours: &Ours, id: &PackageId, keys: &[&str]) -> Moved {
        let mut moved = Moved {
            name: id.name.to_string(),
            from: id.version.to_string(),
            to: None,
            by: None,
            reason: "nothing that asked for it is left".to_owned(),
        };
        let asks = |edge: &&Edge| edge.to.as_deref().is_some_and(|to| keys.contains(&to));
        for (by, nodes, edges) in self.askers(tree, ours) {
            let Some(edge) = edges.iter().find(asks) else {
                continue;
            };
            moved.by.get_or_insert_with(|| by.clone());
            let Some(node) = nodes.first() else { continue };
            let (to, reason) = self.verdict(tree, *node, edge);
            return Moved {
                to,
                by: Some(by),
                reason,
                ..moved
            };
        }
        moved
    }

    /// Versions that are still there, but not for everyone who had them.
    fn add_moved_dependents(&self, tree: &Tree, ours: &Ours, report: &mut ImportReport) {
        for (by, nodes, edges) in self.askers(tree, ours) {
            let Some(node) = nodes.first() else { continue };
            for edge in edges {
                let package = self.target(edge);
                let package = package.filter(|package| package.origin == Origin::Registry);
                let Some(package) = package.filter(|package| ours.has(tree, package)) else {
                    continue;
                };
                let has_it = |node: &NodeId| {
                    let out = tree.out_edges(*node).into_iter();
                    let mut of_name = out.filter(|id| tree.edge_name(*id) == edge.name);
                    let to = of_name.next().and_then(|id| tree.edge(id).to);
                    to.is_some_and(|to| tree.version_text(to) == package.version)
                };
                if nodes.iter().any(has_it) {
                    continue;
                }
                let (to, reason) = self.verdict(tree, *node, edge);
                let is_same = |moved: &Moved| {
                    (&moved.name, &moved.from) == (&package.name, &package.version)
                        && moved.to == to
                };
                if to.is_none() || report.moved.iter().any(is_same) {
                    continue;
                }
                report.moved.push(Moved {
                    name: package.name.clone(),
                    from: package.version.clone(),
                    to,
                    by: Some(by.clone()),
                    reason,
                });
            }
        }
    }

    /// What `node` got for a dependency of the other lock, and why.
    fn verdict(&self, tree: &Tree, node: NodeId, edge: &Edge) -> (Option<String>, String) {
        let edges = tree.out_edges(node);
        let Some(id) = edges
            .into_iter()
            .find(|id| tree.edge_name(*id) == edge.name)
        else {
            let reason = "npm does not see this dependency in its package.json";
            return (None, reason.to_owned());
        };
        let to = tree.edge(id).to;
        let got = to.map(|to| tree.version_text(to).to_owned());
        let got = got.filter(|version| !version.is_empty());
        let spec = tree.spec_text(id).unwrap_or_default();
        let target = self.target(edge);
        let reason = match target {
            _ if tree.is_overridden(id) => format!("`overrides` in package.json ask for {spec}"),
            Some(Package {
                origin: Origin::Elsewhere(place),
                ..
            }) => {
                format!("it is not from the registry but from {place}, and resolved anew")
            }
            Some(package) if !tree.allows(id, &package.name, &package.version) => {
                format!("{spec} does not allow it")
            }
            Some(_) if tree.is_choice_dropped(id) => {
                "the registry does not have it, or it may not be taken (age, policy)".to_owned()
            }
            _ if to.is_some_and(|to| tree.is_link(to)) => "the workspace is taken".to_owned(),
            _ if to.is_none() => "it is optional and could not be loaded".to_owned(),
            _ if tree.edge(id).kind.is_peer() => {
                "another package's peer dependency decides".to_owned()
            }
            _ => "it does not go with a peer dependency".to_owned(),
        };
        (got, reason)
    }
}

fn id_of(package: &Package) -> PackageId {
    PackageId::new(&package.name, &package.version)
}

/// A lock's hashes alone.
fn promises(lock: &ForeignLock, file: &str, hold: Hold) -> Preferences {
    let mut preferences = Preferences::new(file, hold);
    for package in lock.packages.values() {
        let integrity = package.integrity.as_deref();
        if let Some(integrity) = integrity.filter(|_| package.origin == Origin::Registry) {
            preferences.promise(id_of(package), integrity);
        }
    }
    preferences
}

/// The packages of the new lock.
struct Ours {
    by_id: FxHashMap<PackageId, Vec<NodeId>>,
}

impl Ours {
    fn of(tree: &Tree) -> Self {
        let mut by_id: FxHashMap<PackageId, Vec<NodeId>> = FxHashMap::default();
        for id in tree.inventory(tree.root) {
            let node = tree.node(id);
            if node.link.is_some() || node.parent.is_none() || node.failure.is_some() {
                continue;
            }
            let name = node.package.manifest.name();
            let name = name.unwrap_or_else(|| tree.name_text(id));
            let id_of = PackageId::new(name, tree.version_text(id));
            by_id.entry(id_of).or_default().push(id);
        }
        Self { by_id }
    }

    /// Is it there, and if it is not from a registry, the same commit or address?
    fn has(&self, tree: &Tree, package: &Package) -> bool {
        let Origin::Elsewhere(place) = &package.origin else {
            return self.by_id.contains_key(&id_of(package));
        };
        let last = |text: &str| {
            let end = text.rsplit(['#', '/', '=']).next().unwrap_or(text);
            end.trim_end_matches(".tgz").to_owned()
        };
        let wanted = last(place);
        let of_name = self
            .by_id
            .iter()
            .filter(|(id, _)| *id.name == *package.name);
        of_name.flat_map(|(_, nodes)| nodes).any(|node| {
            let resolved = tree.node(*node).resolved.as_deref();
            resolved.is_some_and(|resolved| last(resolved) == wanted)
        })
    }
}
