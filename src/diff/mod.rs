//! What differs between two environments, by class and risk.
//!
//! An environment is read into a [`graph::Graph`]: packages with the facts that matter, and who
//! requires whom. `matching` then pairs the packages of both sides: first those that are the same
//! at the same place, then those that only moved, then those that another version replaced. Each
//! pair is given every [`Class`] that applies; the riskiest one leads. Further kinds of
//! environments (trees on disk, revisions, other tools' locks) need a way to a `Graph`, no more.

mod classify;
mod graph;
pub mod json;
mod matching;

use std::path::{Path, PathBuf};

use crate::collate;
use crate::disk::{self, DiskError};
use crate::lock::{self, Lock, LockError};
use graph::Graph;
pub use graph::{Flags, Side};

/// Anything that states a dependency tree.
#[derive(Debug, Clone)]
pub struct Environment {
    /// What the user called it.
    pub label: String,
    graph: Graph,
}

/// Why an environment cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DiffError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    #[error("there is nothing at `{}`", .0.display())]
    #[diagnostic(
        code(ENOENT),
        help("name a lock file, or a project folder that has one")
    )]
    Missing(PathBuf),
}

impl Environment {
    /// A lock file, or a project folder with one.
    pub fn read(path: &Path) -> Result<Self, DiffError> {
        let label = path.display().to_string();
        if path.is_dir() {
            let lock = lock::find_and_read(path, None)?
                .ok_or_else(|| LockError::Missing(path.to_owned()))?;
            return Ok(Self::of_lock(&label, &lock));
        }
        let Some(bytes) = disk::read_if_there(path)? else {
            return Err(DiffError::Missing(path.to_owned()));
        };
        Ok(Self::of_lock(&label, &lock::parse(bytes, &label)?))
    }

    pub fn of_lock(label: &str, lock: &Lock) -> Self {
        Self {
            label: label.to_owned(),
            graph: Graph::of_lock(lock),
        }
    }
}

/// What a change means, riskiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The same version with other content.
    Content,
    /// Another host or protocol.
    Source,
    /// The integrity is gone or weaker.
    Integrity,
    /// An install script that was not there.
    InstallScript,
    /// A native binary gained or lost.
    Native,
    /// A platform on which it ran, and does not any more.
    Platform,
    /// A direct dependency removed or downgraded.
    Direct,
    Major,
    Minor,
    Patch,
    Added,
    Removed,
    /// Only the place in the tree; also a copy more or fewer of what is there anyway.
    Moved,
    Licence,
    Deprecated,
    /// Flags or other members of the lock's entry.
    Flags,
}

impl Class {
    pub const ALL: [Self; 16] = [
        Self::Content,
        Self::Source,
        Self::Integrity,
        Self::InstallScript,
        Self::Native,
        Self::Platform,
        Self::Direct,
        Self::Major,
        Self::Minor,
        Self::Patch,
        Self::Added,
        Self::Removed,
        Self::Moved,
        Self::Licence,
        Self::Deprecated,
        Self::Flags,
    ];

    /// The word on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Source => "source",
            Self::Integrity => "integrity",
            Self::InstallScript => "install-script",
            Self::Native => "native",
            Self::Platform => "platform",
            Self::Direct => "direct",
            Self::Major => "major",
            Self::Minor => "minor",
            Self::Patch => "patch",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Moved => "moved",
            Self::Licence => "licence",
            Self::Deprecated => "deprecated",
            Self::Flags => "flags",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// One package that differs.
#[derive(Debug, Clone)]
pub struct Change {
    /// The riskiest class that applies.
    pub class: Class,
    /// The other classes that apply, riskiest first.
    pub also: Vec<Class>,
    pub name: String,
    /// Where it is now; where it was when it is gone.
    pub location: String,
    pub before: Option<Side>,
    pub after: Option<Side>,
    /// Direct dependencies of the project or its workspaces that bring it; sorted. Itself, when it
    /// is one.
    pub via: Vec<String>,
}

/// Two environments compared.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// By class, then name, then place.
    pub changes: Vec<Change>,
    /// Packages that are the same on both sides.
    pub unchanged: usize,
}

/// What to leave out of a comparison.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Keep direct dependencies only.
    pub direct: bool,
    pub omit: Omit,
}

/// npm's `--omit`.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // each is one word of npm's list
pub struct Omit {
    pub dev: bool,
    pub optional: bool,
    pub peer: bool,
}

/// Compares two environments.
pub fn environments(before: &Environment, after: &Environment, options: Options) -> Diff {
    let (before, after) = (&before.graph, &after.graph);
    let pairs = matching::pairs(before, after, |side| wanted(side, options));
    let mut diff = Diff::default();
    for pair in pairs {
        let classes = classify::classes(&pair, before, after);
        let Some((class, also)) = classes.split_first() else {
            diff.unchanged += 1;
            continue;
        };
        let (old, new) = (
            pair.before.map(|at| &before.nodes[at].side),
            pair.after.map(|at| &after.nodes[at].side),
        );
        let Some(shown) = new.or(old) else { continue };
        diff.changes.push(Change {
            class: *class,
            also: also.to_vec(),
            name: shown.name.clone(),
            location: shown.location.clone(),
            before: old.cloned(),
            after: new.cloned(),
            via: Vec::new(),
        });
    }
    tell_who_brings(&mut diff, before, after);
    diff.changes.sort_by(|a, b| {
        a.class
            .cmp(&b.class)
            .then_with(|| collate::compare(&a.name, &b.name))
            .then_with(|| collate::compare(&a.location, &b.location))
    });
    diff
}

fn wanted(side: &Side, options: Options) -> bool {
    let Omit {
        dev,
        optional,
        peer,
    } = options.omit;
    let flags = side.flags;
    let omitted = (dev && flags.dev)
        || (optional && flags.optional)
        || (peer && flags.peer)
        || (dev && optional && flags.dev_optional);
    !omitted && (!options.direct || side.direct)
}

/// An address fit for output: without password, token and query.
pub fn shown_address(address: &str) -> String {
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => return address.to_owned(),
    };
    let (before_hash, hash) = rest
        .find('#')
        .map_or((rest, ""), |at| (&rest[..at], &rest[at..]));
    let path = before_hash.split('?').next().unwrap_or_default();
    let authority = path.find('/').unwrap_or(path.len());
    match path[..authority].rfind('@') {
        Some(at) if &path[..at] != "git" => format!("{scheme}***{}{hash}", &path[at..]),
        _ => format!("{scheme}{path}{hash}"),
    }
}

fn tell_who_brings(diff: &mut Diff, before: &Graph, after: &Graph) {
    if diff.changes.is_empty() {
        return;
    }
    let (old, new) = (before.bringers(), after.bringers());
    for change in &mut diff.changes {
        let bringers = if change.after.is_some() { &new } else { &old };
        change.via = bringers
            .get(change.location.as_str())
            .cloned()
            .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
