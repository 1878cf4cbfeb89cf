//! Anything that states or holds a dependency tree, read into a graph.

use std::fmt;
use std::path::Path;

use super::DiffError;
use super::from_foreign::{self, Manifests};
use super::from_lock;
use super::graph::Graph;
use super::known::{Fact, Known};
use super::snapshot;
use super::tree::{self, Disk};
use super::view::{self, View};
use crate::foreign::{self, ForeignLock, Format};
use crate::lock::{self, Lock};
use crate::target::Target;
use crate::verify::Record;

/// A dependency tree and how it is looked at.
#[derive(Debug, Clone)]
pub struct Environment {
    /// What the user called it.
    pub label: String,
    pub kind: Kind,
    pub view: View,
    /// The platform of an installed tree, where it is known.
    pub target: Option<Target>,
    pub(super) known: Known,
    pub(super) graph: Graph,
    /// The files of an installed tree.
    pub(super) disk: Option<Disk>,
    /// The tree as a lock, to be written down.
    pub(super) tree: Option<Lock>,
}

/// What states the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A lock of npm's, by its version.
    Npm(u32),
    /// Another tool's lock, and its format's version.
    Foreign(Format, String),
    /// `node_modules`.
    Installed,
    /// What npm says that it installed, without a look at it.
    HiddenLock,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Npm(version) => write!(f, "npm lock, version {version}"),
            Self::Foreign(format, version) => {
                write!(f, "{} lock, version {version}", format.tool())
            }
            Self::Installed => f.write_str("installed tree"),
            Self::HiddenLock => f.write_str("npm's record of the installed tree"),
        }
    }
}

impl Kind {
    /// Do both leave the same things unsaid?
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Npm(one), Self::Npm(other)) => (*one == 1) == (*other == 1),
            (Self::Foreign(one, _), Self::Foreign(other, _)) => one == other,
            _ => false,
        }
    }
}

/// A lock's text and what belongs to it, wherever it was read.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// What the user called it.
    pub label: String,
    /// The file's name, by which its format may be known; for errors.
    pub file: String,
    pub bytes: Vec<u8>,
    /// The project's own manifests beside it, as far as they are at hand.
    pub manifests: Manifests,
}

impl Environment {
    /// A lock of whatever tool, or a tree that was written down.
    pub fn of_material(material: Material) -> Result<Self, DiffError> {
        let Material {
            label,
            file,
            bytes,
            manifests,
        } = material;
        if snapshot::is_one(&bytes) {
            return snapshot::read(&label, &bytes);
        }
        if let Some(lock) = foreign_lock(&bytes, &file) {
            return Ok(Self::of_foreign(&label, lock?, &manifests));
        }
        let root = manifests.get("").cloned();
        let has_root = root.is_some();
        let lock = lock::parse_for(bytes, &file, || root)?;
        lock.has_at_most(crate::limits::Limits::default().packages)?;
        let mut environment = Self::of_lock(&label, &lock);
        if lock.loaded_from_v1 && !has_root {
            environment.known = environment.known.without(&[Fact::Direct]);
        }
        if Path::new(&file).ends_with("node_modules/.package-lock.json") {
            environment.kind = Kind::HiddenLock;
            environment.known = environment.known.without(&[Fact::Direct]);
        }
        Ok(environment)
    }

    pub fn of_lock(label: &str, lock: &Lock) -> Self {
        let mut known = Known::ALL;
        if lock.loaded_from_v1 {
            let unsaid = [
                Fact::Scripts,
                Fact::Platforms,
                Fact::Licences,
                Fact::Deprecations,
                Fact::Flags,
                Fact::Details,
            ];
            known = known.without(&unsaid);
        }
        let kind = Kind::Npm(lock.version);
        Self::new(label, kind, from_lock::graph(lock), known)
    }

    fn of_foreign(label: &str, mut lock: ForeignLock, manifests: &Manifests) -> Self {
        for (folder, manifest) in manifests {
            lock.add_importer(folder, manifest);
        }
        let (graph, more) = from_foreign::graph(&lock, manifests);
        let known = from_foreign::known(lock.format) | more;
        let kind = Kind::Foreign(lock.format, lock.version.clone());
        Self::new(label, kind, graph, known)
    }

    /// What lies in `project/node_modules` and those of its workspaces; `record` tells what install
    /// scripts left there.
    pub fn installed(label: &str, project: &Path, record: &Record) -> Result<Self, DiffError> {
        if !project.join("node_modules").is_dir() {
            return Err(DiffError::NotInstalled(project.to_owned()));
        }
        let found = tree::read(project, record)?;
        let target = Target::host(None, None);
        Ok(Self::of_tree(
            label,
            found.lock,
            found.disk,
            found.known,
            Some(target),
        ))
    }

    pub(super) fn of_tree(
        label: &str,
        lock: Lock,
        disk: Disk,
        known: Known,
        target: Option<Target>,
    ) -> Self {
        let graph = from_lock::graph(&lock);
        Self {
            tree: Some(lock),
            target,
            disk: Some(disk),
            ..Self::new(label, Kind::Installed, graph, known)
        }
    }

    fn new(label: &str, kind: Kind, graph: Graph, known: Known) -> Self {
        Self {
            label: label.to_owned(),
            kind,
            view: View::default(),
            target: None,
            known,
            graph,
            disk: None,
            tree: None,
        }
    }

    pub fn packages(&self) -> usize {
        self.graph.nodes.len()
    }

    /// Is it what is installed, and not what is to be?
    pub fn is_installed(&self) -> bool {
        matches!(self.kind, Kind::Installed | Kind::HiddenLock)
    }

    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    pub fn tells(&self, fact: Fact) -> bool {
        self.known.has(fact)
    }

    /// The same, looked at for one target or without some kinds of dependencies.
    ///
    /// Errors: it does not tell what that depends on.
    pub fn viewed(mut self, view: View) -> Result<Self, DiffError> {
        let kinds_told = self.tells(Fact::Flags) || matches!(self.kind, Kind::Npm(_));
        if view.omit != super::Omit::default() && !kinds_told {
            return Err(DiffError::NoKinds {
                label: self.label,
                kind: self.kind.to_string(),
            });
        }
        if view.target.is_some() && !self.tells(Fact::Platforms) {
            return Err(DiffError::NoPlatforms {
                label: self.label,
                kind: self.kind.to_string(),
            });
        }
        self.graph = view::seen(&self.graph, &view);
        self.view = view;
        Ok(self)
    }

    /// What can be compared with another environment.
    pub(super) fn comparable(&self, other: &Self) -> Known {
        let both = self.known & other.known;
        if !self.kind.is_like(&other.kind) {
            return both;
        }
        // What neither of them ever says is the same on both sides.
        let may_differ = [Fact::Places, Fact::Direct, Fact::Flags, Fact::Platforms];
        let lacking = may_differ.into_iter().filter(|fact| !both.has(*fact));
        let lacking: Vec<Fact> = lacking.collect();
        Known::ALL.without(&lacking)
    }
}

/// yarn's, pnpm's or bun's, by the file's name, else by what its text looks like.
fn foreign_lock(bytes: &[u8], file: &str) -> Option<Result<ForeignLock, DiffError>> {
    let name = file.rsplit(['/', ':']).next().unwrap_or(file);
    let read = |name: &str| foreign::parse(bytes, name).map_err(DiffError::from);
    if foreign::FILE_NAMES.contains(&name) || Path::new(name).extension() == Some("lockb".as_ref())
    {
        return Some(read(file));
    }
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_object = start.trim_ascii_start().first() == Some(&b'{');
    if !is_object {
        // Conflict markers are npm's locks' affair.
        return foreign::parse(bytes, name).is_ok().then(|| read(name));
    }
    let head = &bytes[..bytes.len().min(4096)];
    let may_be_bun = memchr::memmem::find(head, b"\"workspaces\": {").is_some();
    let bun = may_be_bun.then(|| foreign::parse(bytes, "bun.lock").ok())??;
    Some(Ok(bun))
}
