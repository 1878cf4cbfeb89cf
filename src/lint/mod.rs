//! A lock held against good sense, its own graph and the configuration.
//!
//! Each [`Rule`] has a word, a severity and a piece of advice; a [`Finding`] is a rule broken by one
//! entry. `sources` looks at where tarballs come from and how they are proven, `graph` at who needs
//! an entry and whether everybody gets what they ask for, `contents` at what the store knows of the
//! tarballs, `duplicates` at versions that could be one. Nothing is fetched and nothing changed here;
//! [`repair`] then says what can be put right without moving a version.
//!
//! - [`findings`]: a [`Subject`] to findings.
//! - [`json`], [`sarif`]: findings for machines.

mod contents;
mod duplicates;
mod graph;
mod ignore;
pub mod json;
mod lines;
pub mod repair;
mod rule;
pub mod sarif;
mod sources;

use crate::collate;
use crate::lock::{self, Lock};
use crate::npmrc::Config;
use crate::resolve::{self, Locked, NodeId, Tree};
use crate::store::Store;

pub use ignore::{Ignore, IgnoreError, Ignored, sort_out};
pub use lines::Lines;
pub use rule::{Rule, Severity};

/// What is looked at.
pub struct Subject<'a> {
    pub lock: &'a Lock,
    /// As the resolver takes it.
    pub locked: &'a Locked,
    /// Its tree, or why there is none.
    pub tree: Result<&'a Tree, String>,
    pub config: &'a Config,
    /// What is known of the tarballs; `None` when there is no store.
    pub store: Option<&'a Store>,
    /// Is the manifest the lock's own entry for the project?
    pub alone: bool,
}

/// A rule that one entry, or the lock as a whole, breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    /// The package's name, whatever its folder is called; empty when the lock itself is meant.
    pub name: String,
    pub version: String,
    /// The key in the lock.
    pub location: String,
    /// The member of the entry that is wrong.
    pub member: Option<&'static str>,
    /// 1-based, in the lock's text.
    pub line: Option<usize>,
    /// What is wrong, in one sentence without a full stop.
    pub what: String,
}

impl Finding {
    /// `name@version`, or what there is of it.
    pub fn package(&self) -> String {
        match (self.name.as_str(), self.version.as_str()) {
            (name, "") => name.to_owned(),
            (name, version) => format!("{name}@{version}"),
        }
    }
}

/// The answer about one lock.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The lock's path as a person would write it.
    pub file: String,
    pub lockfile_version: u32,
    pub packages: usize,
    pub findings: Vec<Finding>,
    pub ignored: Vec<Ignored>,
    /// Of what was to be ignored: what covers nothing.
    pub unused: Vec<String>,
    /// What was put right, when that was asked for.
    pub repair: Option<Repair>,
}

#[derive(Debug, Clone, Default)]
pub struct Repair {
    pub fixed: Vec<Finding>,
    /// How many packages have another version now: none, or it is a defect.
    pub moved: usize,
    pub written: bool,
}

/// Everything that is wrong: the worst first, then by rule, name and place.
pub fn findings(subject: &Subject) -> Vec<Finding> {
    let mut notes = Notes::default();
    structure(subject, &mut notes);
    if let Ok(tree) = subject.tree {
        sources::check(subject, tree, &mut notes);
        graph::check(subject, tree, &mut notes);
        duplicates::check(tree, &mut notes);
        if let Some(store) = subject.store {
            contents::check(subject, tree, store, &mut notes);
        }
    }
    entries(subject, &mut notes);
    let lines = Lines::of(subject.lock);
    let mut found = notes.found;
    for finding in &mut found {
        let line = finding.line;
        finding.line = line.or_else(|| lines.of_entry(&finding.location, finding.member));
    }
    found.sort_by(|a, b| {
        let rank = |finding: &Finding| (finding.rule.severity(), finding.rule);
        rank(a)
            .cmp(&rank(b))
            .then_with(|| collate::compare(&a.name, &b.name))
            .then_with(|| collate::compare(&a.location, &b.location))
            .then_with(|| a.what.cmp(&b.what))
    });
    found.dedup();
    found
}

/// Is the lock one that every reader understands the same?
fn structure(subject: &Subject, notes: &mut Notes) {
    let lock = subject.lock;
    let mut add = |rule, line, what: String| {
        notes.found.push(Finding {
            rule,
            name: String::new(),
            version: String::new(),
            location: String::new(),
            member: None,
            line,
            what,
        });
    };
    if let Err(error) = lock::check_whole(lock) {
        add(Rule::Structure, error.line(), error.to_string());
    } else if let Err(error) = &subject.tree {
        add(Rule::Structure, None, error.clone());
    }
    if lock.version < 2 {
        let what = "version 1 has neither peers nor flags to hold against anything";
        add(Rule::OldVersion, None, what.to_owned());
    }
}

/// Members of entries that a frozen install refuses, where no other rule speaks of them.
fn entries(subject: &Subject, notes: &mut Notes) {
    for (location, member, why) in lock::entry_flaws(subject.lock) {
        let known =
            |finding: &Finding| finding.location == location && finding.member == Some(member);
        if notes.found.iter().any(known) {
            continue;
        }
        let entry = subject.lock.entry(location);
        let version = entry.and_then(|entry| entry.get("version")?.as_str());
        notes.found.push(Finding {
            rule: Rule::Structure,
            name: lock::folder_name(location).to_owned(),
            version: version.unwrap_or_default().to_owned(),
            location: location.to_owned(),
            member: Some(member),
            line: None,
            what: format!("its `{member}` {why}"),
        });
    }
}

/// Findings as they come in.
#[derive(Debug, Default)]
struct Notes {
    found: Vec<Finding>,
}

impl Notes {
    /// A finding about a node.
    fn add(&mut self, tree: &Tree, id: NodeId, rule: Rule, what: impl Into<String>) {
        self.add_at(tree, id, rule, None, what);
    }

    /// A finding about one member of a node's entry.
    fn add_at(
        &mut self,
        tree: &Tree,
        id: NodeId,
        rule: Rule,
        member: impl Into<Option<&'static str>>,
        what: impl Into<String>,
    ) {
        self.found.push(Finding {
            rule,
            name: real_name(tree, id).to_owned(),
            version: tree.version_text(id).to_owned(),
            location: tree.node(id).location.to_string(),
            member: member.into(),
            line: None,
            what: what.into(),
        });
    }
}

/// The package's own name, not its alias.
fn real_name(tree: &Tree, id: NodeId) -> &str {
    let of = tree.target(id).unwrap_or(id);
    let name = tree.node(of).package.manifest.name();
    name.unwrap_or_else(|| tree.name_text(id))
}

/// Packages that the lock itself speaks for: not the project, no links, no folders, not what came
/// inside another package's tarball.
fn packages(tree: &Tree) -> impl Iterator<Item = NodeId> + '_ {
    tree.inventory(tree.root).into_iter().filter(|id| {
        let node = tree.node(*id);
        let own = node.parent.is_some() && node.link.is_none();
        *id != tree.root && own && !tree.in_dependency_bundle(*id)
    })
}

/// Who asks for a node: `^1.0.0` of a@1.0.0, and so on, at most three of them.
fn askers(tree: &Tree, edges: &[resolve::EdgeId]) -> String {
    const MOST: usize = 3;
    let mut asked: Vec<String> = edges
        .iter()
        .filter_map(|edge| {
            let from = tree.edge(*edge).from?;
            let spec = tree.spec_text(*edge).ok()?;
            Some(format!("{spec} ({})", resolve::shown_package(tree, from)))
        })
        .collect();
    asked.sort();
    asked.dedup();
    match asked.len().saturating_sub(MOST) {
        0 => asked.join(", "),
        more => format!("{} and {more} more", asked[..MOST].join(", ")),
    }
}
