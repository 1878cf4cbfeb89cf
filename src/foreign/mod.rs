//! Locks of yarn, pnpm and bun, each read into one plain graph.
//!
//! A [`ForeignLock`] says which packages there are, and for each dependency of the project, its
//! workspaces and these packages which one it got. What a format does not tell is left open: yarn 1
//! knows nothing of the project, so [`ForeignLock::add_importer`] looks its dependencies up.
//! Every reader works without recursion and refuses what it does not understand, with the line.

mod berry;
mod bun;
mod item;
mod jsonc;
mod pnpm;
mod yaml;
mod yarn1;

#[cfg(test)]
mod tests;

use std::path::Path;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use crate::disk::{self, DiskError};
use crate::manifest::Manifest;

pub use item::Flaw;

/// Files that other tools keep their locks in, in the order in which one is looked for.
pub const FILE_NAMES: [&str; 3] = ["yarn.lock", "pnpm-lock.yaml", "bun.lock"];

/// Bigger files are no locks.
const LARGEST: usize = 256 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Yarn1,
    Berry,
    Pnpm,
    Bun,
}

impl Format {
    /// The tool, as its users call it.
    pub fn tool(self) -> &'static str {
        match self {
            Self::Yarn1 | Self::Berry => "yarn",
            Self::Pnpm => "pnpm",
            Self::Bun => "bun",
        }
    }
}

/// What another tool locked.
#[derive(Debug, Clone)]
pub struct ForeignLock {
    pub format: Format,
    /// The format's version as written: `1`, `8`, `9.0`.
    pub version: String,
    /// The project (its path is empty) and its workspaces.
    pub importers: Vec<Importer>,
    /// By the format's own key.
    pub packages: IndexMap<String, Package>,
    /// Which package a name and a range mean, where the format says so: both yarns.
    pub descriptors: FxHashMap<(String, String), String>,
}

/// A folder with a `package.json` of the project's own.
#[derive(Debug, Clone)]
pub struct Importer {
    /// Relative to the project, `/`-separated.
    pub path: String,
    pub edges: Vec<Edge>,
}

/// A dependency and the package it got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// As imported; the package's own name may be another.
    pub name: String,
    /// What was asked for, where the lock tells.
    pub spec: Option<String>,
    /// Key of the package; none where it is a folder of the project, or not in the lock.
    pub to: Option<String>,
    pub optional: bool,
}

impl Edge {
    fn asking(name: &str, spec: &str, optional: bool) -> Self {
        Self {
            name: name.to_owned(),
            spec: Some(spec.to_owned()),
            to: None,
            optional,
        }
    }
}

/// Where a package's content is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Registry,
    /// A folder on this machine, as written.
    Folder(String),
    /// A repository, a URL, a local tarball, …, in the format's words.
    Elsewhere(String),
}

impl Origin {
    /// What a reference that is no version means.
    fn of_reference(reference: &str) -> Self {
        let local = ["file:", "link:", "portal:"];
        let path = local.iter().find_map(|kind| reference.strip_prefix(kind));
        let is_tarball = [".tgz", ".tar.gz", ".tar"]
            .iter()
            .any(|end| reference.ends_with(end));
        match path.filter(|_| !is_tarball) {
            Some(path) => Self::Folder(path.trim_start_matches("./").to_owned()),
            None => Self::Elsewhere(reference.to_owned()),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Package {
    /// Its own name, not an alias.
    pub name: String,
    pub version: String,
    pub origin: Origin,
    /// Its tarball, where the lock tells.
    pub resolved: Option<String>,
    /// Of the tarball.
    pub integrity: Option<String>,
    pub edges: Vec<Edge>,
    /// Changed by the tool after unpacking.
    pub patched: bool,
    pub optional: bool,
    /// For development only, where the lock tells.
    pub dev: Option<bool>,
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
    /// 1-based.
    pub line: usize,
}

impl Package {
    fn new(name: &str, version: &str, line: usize) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            origin: Origin::Registry,
            resolved: None,
            integrity: None,
            edges: Vec::new(),
            patched: false,
            optional: false,
            dev: None,
            os: Vec::new(),
            cpu: Vec::new(),
            libc: Vec::new(),
            line,
        }
    }
}

/// Why another tool's lock cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ForeignError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    #[error("there is no file `{file}`")]
    #[diagnostic(code(ENOENT), help("name a yarn.lock, a pnpm-lock.yaml or a bun.lock"))]
    Missing { file: String },
    #[error("`{file}` is not the lock of a tool that heatseal knows")]
    #[diagnostic(
        code(EUSAGE),
        help("it must be named or look like a yarn.lock, a pnpm-lock.yaml or a bun.lock")
    )]
    Unknown { file: String },
    #[error("`{file}` is bun's binary lock, which only bun can read")]
    #[diagnostic(
        code(EUSAGE),
        help("write the text lock with `bun install --save-text-lockfile --lockfile-only`")
    )]
    Binary { file: String },
    #[error("`{file}`, line {line}: a merge conflict is not resolved")]
    #[diagnostic(
        code(EUSAGE),
        help("let the tool that wrote it resolve the conflict first")
    )]
    Conflict { file: String, line: usize },
    #[error("`{file}`, line {line}: {reason}")]
    #[diagnostic(
        code(EUSAGE),
        help("restore the file from version control, or let its tool write it anew")
    )]
    Flawed {
        file: String,
        line: usize,
        reason: String,
    },
}

/// Reads another tool's lock, whichever it is.
pub fn read(path: &Path) -> Result<ForeignLock, ForeignError> {
    let file = path.display().to_string();
    match disk::read_if_there(path)? {
        Some(bytes) => parse(&bytes, &file),
        None => Err(ForeignError::Missing { file }),
    }
}

/// As [`read`], of a text; `file` is its name, by which its format is known.
pub fn parse(bytes: &[u8], file: &str) -> Result<ForeignLock, ForeignError> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let has_ending = |ending: &str| {
        Path::new(name)
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    if has_ending("lockb") {
        return Err(ForeignError::Binary {
            file: file.to_owned(),
        });
    }
    let flawed = |flaw: Flaw| ForeignError::Flawed {
        file: file.to_owned(),
        line: flaw.line,
        reason: flaw.reason,
    };
    if bytes.len() > LARGEST {
        return Err(flawed(Flaw::new(1, "it is too big for a lock")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count() + 1;
        flawed(Flaw::new(line, "it is not UTF-8"))
    })?;
    if let Some(line) = conflict(text) {
        let file = file.to_owned();
        return Err(ForeignError::Conflict { file, line });
    }
    let lock = match format(name, text) {
        Some(Format::Yarn1) => yarn1::read(text),
        Some(Format::Berry) => berry::read(text),
        Some(Format::Pnpm) => pnpm::read(text),
        Some(Format::Bun) => bun::read(text),
        None => {
            let file = file.to_owned();
            return Err(ForeignError::Unknown { file });
        }
    };
    lock.map_err(flawed)
}

/// The format, by the file's name, else by what its first lines say.
fn format(name: &str, text: &str) -> Option<Format> {
    let begins = |start: &str| text.lines().any(|line| line.starts_with(start));
    let yarn = || {
        if begins("__metadata:") {
            Format::Berry
        } else {
            Format::Yarn1
        }
    };
    match name {
        "yarn.lock" => Some(yarn()),
        "pnpm-lock.yaml" => Some(Format::Pnpm),
        "bun.lock" => Some(Format::Bun),
        _ if begins("# yarn lockfile v") || begins("__metadata:") => Some(yarn()),
        _ if begins("lockfileVersion:") => Some(Format::Pnpm),
        _ if text.trim_start().starts_with('{') && text.contains("\"workspaces\"") => {
            Some(Format::Bun)
        }
        _ => None,
    }
}

/// The 1-based line of a conflict marker.
fn conflict(text: &str) -> Option<usize> {
    let marks = ["<<<<<<< ", "=======", ">>>>>>> "];
    let is_mark = |line: &str| marks.iter().any(|mark| line.starts_with(mark));
    text.lines().position(is_mark).map(|index| index + 1)
}

/// `name` and what follows it in `name@…`.
fn split_id(id: &str) -> Option<(&str, &str)> {
    let (at, _) = id.char_indices().skip(1).find(|(_, c)| *c == '@')?;
    let (name, rest) = (&id[..at], &id[at + 1..]);
    let is_name = !name.contains(':') && name.starts_with('@') == name.contains('/');
    (is_name && !rest.is_empty()).then_some((name, rest))
}

impl ForeignLock {
    fn new(format: Format, version: &str) -> Self {
        Self {
            format,
            version: version.to_owned(),
            importers: Vec::new(),
            packages: IndexMap::new(),
            descriptors: FxHashMap::default(),
        }
    }

    /// The package that `name` with `spec` means, where the format keeps that.
    pub fn described(&self, name: &str, spec: &str) -> Option<&String> {
        self.descriptors.get(&(name.to_owned(), spec.to_owned()))
    }

    fn resolve_descriptors(&mut self) {
        let descriptors = std::mem::take(&mut self.descriptors);
        let to = |edge: &Edge| {
            let key = (edge.name.clone(), edge.spec.clone().unwrap_or_default());
            descriptors.get(&key).cloned()
        };
        let importers = self
            .importers
            .iter_mut()
            .flat_map(|importer| &mut importer.edges);
        let packages = self
            .packages
            .values_mut()
            .flat_map(|package| &mut package.edges);
        for edge in importers.chain(packages) {
            edge.to = to(edge);
        }
        self.descriptors = descriptors;
    }

    /// Adds a folder of the project whose dependencies the lock itself does not tell.
    pub fn add_importer(&mut self, path: &str, manifest: &Manifest) {
        if self.importers.iter().any(|importer| importer.path == path) {
            return;
        }
        let mut edges = Vec::new();
        for field in ["dependencies", "devDependencies", "optionalDependencies"] {
            for (name, spec) in manifest.entries(field) {
                let spec = spec.as_str().unwrap_or_default();
                let to = self.described(&name, spec).cloned();
                edges.push(Edge {
                    to,
                    ..Edge::asking(&name, spec, field == "optionalDependencies")
                });
            }
        }
        self.importers.push(Importer {
            path: path.to_owned(),
            edges,
        });
    }

    /// The packages that the project and its workspaces need, with their keys.
    pub fn reachable(&self) -> IndexMap<&str, &Package> {
        let mut found: IndexMap<&str, &Package> = IndexMap::new();
        let edges = self.importers.iter().flat_map(|importer| &importer.edges);
        let mut pending: Vec<&Edge> = edges.collect();
        pending.reverse();
        while let Some(edge) = pending.pop() {
            let Some((id, package)) = edge
                .to
                .as_ref()
                .and_then(|id| self.packages.get_key_value(id))
            else {
                continue;
            };
            if found.insert(id, package).is_none() {
                pending.extend(&package.edges);
            }
        }
        found
    }
}
