//! What differs between two environments, by class and risk.
//!
//! A [`Source`] is what the user names: a lock of any tool, a project, an installed tree, a revision,
//! another machine. It is read into an [`Environment`]: packages with the facts that matter, who
//! requires whom, and which facts it can tell at all. A [`View`] keeps the part for one target.
//! `matching` pairs the packages of both sides: first those that are the same at the same place,
//! then those that only moved, then those that another version replaced. Each pair is given every
//! [`Class`] that applies; the riskiest one leads. For installed trees `proof` holds files against
//! each other, or against the store. [`contents`] looks into two packages.

mod chains;
mod classify;
pub mod contents;
mod environment;
mod from_foreign;
mod from_lock;
mod graph;
pub mod ignore;
pub mod json;
mod known;
mod matching;
mod proof;
mod remote;
mod revision;
pub mod snapshot;
mod source;
mod tree;
mod view;

use std::io;
use std::path::PathBuf;

use crate::collate;
use crate::disk::DiskError;
use crate::foreign::ForeignError;
use crate::lock::LockError;
use crate::store::Store;
use contents::{Contents, FileChange};
pub use environment::{Environment, Kind, Material};
use graph::Graph;
pub use graph::{Flags, Side};
use ignore::Rule;
pub use known::{Fact, Known};
use matching::Pair;
use proof::{Proof, Verdict};
pub use source::Source;
pub use tree::{Disk, Installed};
pub use view::{Omit, View};

/// Why an environment cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DiffError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Foreign(#[from] ForeignError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    #[error("there is nothing at `{}`, and no revision is called so", .0.display())]
    #[diagnostic(
        code(ENOENT),
        help(
            "name a lock, a project folder, a node_modules, git:REV, ssh://HOST/PATH, or - for standard input"
        )
    )]
    Missing(PathBuf),
    #[error("there is no node_modules in `{}`", .0.display())]
    #[diagnostic(code(ENOENT), help("install first, or compare the lock instead"))]
    NotInstalled(PathBuf),
    #[error("there is no lock at `{place}`")]
    #[diagnostic(
        code(ENOLOCK),
        help(
            "looked for npm-shrinkwrap.json, package-lock.json, yarn.lock, pnpm-lock.yaml and bun.lock"
        )
    )]
    NoLockThere { place: String },
    #[error("git knows no revision `{0}` here")]
    #[diagnostic(
        code(EGIT),
        help(
            "name a branch, a tag or a commit: git:REV, or git:REV:PATH with a path from the top of the repository"
        )
    )]
    NoRevision(String),
    #[error("git cannot read `{revision}`: {reason}")]
    #[diagnostic(code(EGIT), help("check the repository with `git fsck`"))]
    Git { revision: String, reason: String },
    #[error("cannot run `git`")]
    #[diagnostic(code(ENOGIT), help("install git, or name files"))]
    NoGit(#[source] io::Error),
    #[error("`{address}` is no address of another machine: {reason}")]
    #[diagnostic(
        code(EUSAGE),
        help("write ssh://USER@HOST:PORT/PATH; /~/PATH is below the home folder")
    )]
    Address {
        address: String,
        reason: &'static str,
    },
    #[error("`{address}` cannot be read: {reason}")]
    #[diagnostic(
        code(ESSH),
        help(
            "see whether `ssh -o BatchMode=yes HOST true` works: keys and known hosts have to be set up"
        )
    )]
    Ssh { address: String, reason: String },
    #[error("cannot run `ssh`")]
    #[diagnostic(code(ESSH), help("install an OpenSSH client"))]
    NoSsh(#[source] io::Error),
    #[error("`{label}` is no description of an environment: {reason}")]
    #[diagnostic(
        code(EUSAGE),
        help("write it anew with `heatseal diff node_modules --snapshot`")
    )]
    Snapshot { label: String, reason: String },
    #[error(
        "`{label}` ({kind}) does not tell what is for development or optional, so nothing can be omitted"
    )]
    #[diagnostic(
        code(EUSAGE),
        help("name the project's folder, so that its package.json is read, too")
    )]
    NoKinds { label: String, kind: String },
    #[error("`{label}` ({kind}) does not tell which packages are for which platform")]
    #[diagnostic(code(EUSAGE), help("compare it without --target"))]
    NoPlatforms { label: String, kind: String },
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
    /// The shortest ways from a direct dependency to it, both included, as `name@version`.
    pub chains: Vec<Vec<String>>,
    /// The new version is lower than the old one.
    pub downgraded: bool,
    /// Commands that the old version did not have.
    pub new_bins: Vec<String>,
    /// Files that differ, where the disk was looked at.
    pub files: Vec<FileChange>,
    /// What differs inside, where somebody asked.
    pub contents: Option<Contents>,
}

/// A class of a change that a rule takes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    pub name: String,
    pub location: String,
    pub class: Class,
    pub reason: String,
}

/// Two environments compared.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// By class, then name, then place.
    pub changes: Vec<Change>,
    /// Packages that are the same on both sides.
    pub unchanged: usize,
    /// Changes that were not asked for.
    pub left_out: usize,
    pub ignored: Vec<Ignored>,
    /// What one of the environments does not tell.
    pub not_compared: Vec<Fact>,
    /// Installed packages whose files could be held against nothing, as the store does not have
    /// them.
    pub unproven: usize,
}

impl Diff {
    /// Is there a change that any of these classes applies to?
    pub fn has(&self, classes: &[Class]) -> bool {
        let applies = |change: &Change| change.classes().any(|class| classes.contains(&class));
        self.changes.iter().any(applies)
    }
}

impl Change {
    /// All that apply, riskiest first.
    pub fn classes(&self) -> impl Iterator<Item = Class> {
        std::iter::once(self.class).chain(self.also.iter().copied())
    }
}

/// What to compare, and with what at hand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Keep direct dependencies only.
    pub direct: bool,
    /// Keep changes that one of these classes applies to; all of them when it is empty.
    pub only: &'a [Class],
    pub ignore: &'a [Rule],
    /// Knows the contents of packages. Nothing is fetched.
    pub store: Option<&'a Store>,
}

/// Compares two environments.
pub fn environments(before: &Environment, after: &Environment, options: Options) -> Diff {
    let known = before.comparable(after);
    if known.has(Fact::Places) {
        return compare(before, after, (&before.graph, &after.graph), known, options);
    }
    let (old, new) = (before.graph.without_copies(), after.graph.without_copies());
    compare(before, after, (&old, &new), known, options)
}

fn compare(
    before: &Environment,
    after: &Environment,
    graphs: (&Graph, &Graph),
    known: Known,
    options: Options,
) -> Diff {
    let folders = known.has(Fact::Folders);
    let wanted = |side: &Side| (!options.direct || side.direct) && (folders || !side.link);
    let pairs = matching::pairs(graphs.0, graphs.1, wanted);
    let proof = Proof {
        store: options.store,
        before,
        after,
    };
    let mut found = Found {
        diff: Diff {
            not_compared: known.missing().collect(),
            ..Diff::default()
        },
        graphs,
        known,
        options,
        nodes: Vec::new(),
    };
    for pair in pairs {
        found.add(pair, &proof);
    }
    found.tell_who_brings();
    let mut diff = found.diff;
    diff.changes.sort_by(|a, b| {
        a.class
            .cmp(&b.class)
            .then_with(|| collate::compare(&a.name, &b.name))
            .then_with(|| collate::compare(&a.location, &b.location))
    });
    diff
}

/// A comparison under way.
struct Found<'a> {
    diff: Diff,
    graphs: (&'a Graph, &'a Graph),
    known: Known,
    options: Options<'a>,
    /// For each change, the node that stands for it: of the second graph, else of the first.
    nodes: Vec<(bool, usize)>,
}

impl Found<'_> {
    fn add(&mut self, pair: Pair, proof: &Proof) {
        let (before, after) = self.graphs;
        let old = pair.before.map(|at| &before.nodes[at].side);
        let new = pair.after.map(|at| &after.nodes[at].side);
        let Some(shown) = new.or(old) else { return };
        let mut classes = classify::classes(&pair, self.graphs, self.known);
        let files = self.hold_files(old.zip(new), proof);
        if !files.is_empty() {
            classes.push(Class::Content);
        }
        if classes.is_empty() {
            self.diff.unchanged += 1;
            return;
        }
        let (mut old, mut new) = (old.cloned(), new.cloned());
        if !pair.copy && proof.fill(&mut old, &mut new) {
            classes.push(Class::Native);
        }
        classes.sort_unstable();
        classes.dedup();
        let classes = self.counting(shown, classes);
        let Some((class, also)) = classes.split_first() else {
            return;
        };
        self.nodes.push(match (pair.after, pair.before) {
            (Some(at), _) => (true, at),
            (None, at) => (false, at.unwrap_or_default()),
        });
        let both = old.as_ref().zip(new.as_ref());
        let bins = both.filter(|_| self.known.has(Fact::Scripts));
        let is_new = |(old, new): (&Side, &Side)| {
            let bins = new.bins.iter().filter(|name| !old.bins.contains(name));
            bins.cloned().collect()
        };
        self.diff.changes.push(Change {
            downgraded: both.is_some_and(|(old, new)| classify::is_downgrade(old, new)),
            new_bins: bins.map(is_new).unwrap_or_default(),
            class: *class,
            also: also.to_vec(),
            name: shown.name.clone(),
            location: shown.location.clone(),
            before: old,
            after: new,
            via: Vec::new(),
            chains: Vec::new(),
            files,
            contents: None,
        });
    }

    /// Files that differ, where a package is on both sides and on disk.
    fn hold_files(&mut self, sides: Option<(&Side, &Side)>, proof: &Proof) -> Vec<FileChange> {
        match sides.map(|(old, new)| proof.contents(old, new)) {
            Some(Verdict::Differ(changes)) => changes,
            Some(Verdict::Unproven) => {
                self.diff.unproven += 1;
                Vec::new()
            }
            Some(Verdict::Same) | None => Vec::new(),
        }
    }

    /// The classes that nobody accepted; none when none of them was asked for.
    fn counting(&mut self, side: &Side, classes: Vec<Class>) -> Vec<Class> {
        let (accepted, classes) = ignore::split(self.options.ignore, side, classes);
        self.diff.ignored.extend(accepted);
        let only = self.options.only;
        if only.is_empty() || classes.iter().any(|class| only.contains(class)) {
            return classes;
        }
        self.diff.left_out += usize::from(!classes.is_empty());
        Vec::new()
    }

    fn tell_who_brings(&mut self) {
        for (is_new, graph) in [(true, self.graphs.1), (false, self.graphs.0)] {
            let changes = self.diff.changes.iter_mut().zip(&self.nodes);
            let (changes, nodes): (Vec<&mut Change>, Vec<usize>) = changes
                .filter(|(_, (new, _))| *new == is_new)
                .map(|(change, (_, at))| (change, *at))
                .unzip();
            if nodes.is_empty() {
                continue;
            }
            for (change, ways) in changes.into_iter().zip(chains::ways(graph, &nodes)) {
                change.via = ways.via;
                let ids = |chain: &Vec<usize>| {
                    let ids = chain.iter().map(|at| graph.nodes[*at].side.id());
                    ids.collect()
                };
                change.chains = ways.chains.iter().map(ids).collect();
            }
        }
    }
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

#[cfg(test)]
mod tests;
