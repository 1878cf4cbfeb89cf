//! A comparison as JSON for machines; `fixtures/schemas/diff.json` holds its shape.
//!
//! ```json
//! {
//!   "version": 1,
//!   "before": "label", "after": "label",
//!   "environments": {
//!     "before": { "kind": "npm lock, version 3", "packages": 3, "target": "linux-x64", "omit": [] },
//!     "after": { "kind": "yarn lock, version 1", "packages": 2, "target": null, "omit": [] }
//!   },
//!   "notCompared": ["places", "licences"],
//!   "unchanged": 2, "leftOut": 0, "unproven": 0,
//!   "summary": { "major": 1 },
//!   "changes": [{
//!     "class": "major", "also": ["licence"],
//!     "name": "a", "location": "node_modules/a",
//!     "before": { "location": "node_modules/a", "version": "1.0.0", "resolved": "…", "integrity": "…" },
//!     "after": null,
//!     "via": ["b"], "chains": [["b@1.0.0", "a@1.0.0"]],
//!     "files": [{ "path": "x.js", "fate": "changed", "before": 10, "after": 12, "binary": false }],
//!     "contents": { "files": [], "scripts": [{ "name": "install", "before": null, "after": "…" }], "bins": [] }
//!   }],
//!   "ignored": [{ "name": "a", "location": "node_modules/a", "class": "licence", "reason": "…" }]
//! }
//! ```
//!
//! `summary` counts by leading class and leaves zeros out. A side is `null` where the package is
//! not there; of its members `location` is always there (`name@version` where the environment knows
//! of no places), the others only where they say something: `version`, `resolved` (without
//! credentials and query), `integrity`, `link`, `installScript`, `os`, `cpu`, `libc`, `license`,
//! `deprecated`, `direct`, `unfit` (required, and not for the target), `size` (bytes of its files),
//! and `flags` (a list of `dev`, `optional`, `devOptional`, `peer`, `inBundle`, `extraneous`).
//! `chains` are the shortest ways from a direct dependency. `downgraded` (true) and `newBins` (names of
//! commands that the old version did not have) are there where they say something, `files` where a disk was looked at, `contents` where `--contents` asked for it; sizes that nobody knows are `null`. `unproven`
//! counts installed packages that could be held against nothing. Members may be added within
//! version 1; none changes its meaning.

use serde_json::{Map, Value, json};

use super::contents::{Contents, FileChange, TextChange};
use super::known::Fact;
use super::{Change, Class, Diff, Environment, Flags, Side, shown_address};

/// The whole comparison; the shape is this file's head.
pub fn document(diff: &Diff, before: &Environment, after: &Environment) -> Value {
    let changes: Vec<Value> = diff.changes.iter().map(change).collect();
    let ignored = diff.ignored.iter().map(|ignored| {
        json!({
            "name": ignored.name,
            "location": ignored.location,
            "class": ignored.class.as_str(),
            "reason": ignored.reason,
        })
    });
    let not_compared: Vec<&str> = diff
        .not_compared
        .iter()
        .copied()
        .map(Fact::as_str)
        .collect();
    json!({
        "version": 1,
        "before": before.label,
        "after": after.label,
        "environments": { "before": environment(before), "after": environment(after) },
        "notCompared": not_compared,
        "unchanged": diff.unchanged,
        "leftOut": diff.left_out,
        "unproven": diff.unproven,
        "summary": summary(diff),
        "changes": changes,
        "ignored": ignored.collect::<Vec<_>>(),
    })
}

fn environment(environment: &Environment) -> Value {
    let target = environment.view.target.as_ref();
    let target = target.or(environment.target.as_ref());
    json!({
        "kind": environment.kind.to_string(),
        "packages": environment.packages(),
        "target": target.map(ToString::to_string),
        "omit": environment.view.omit.words(),
    })
}

fn change(change: &Change) -> Value {
    let mut members = Map::new();
    let also: Vec<&str> = change.also.iter().map(|class| class.as_str()).collect();
    members.insert("class".to_owned(), change.class.as_str().into());
    members.insert("also".to_owned(), also.into());
    members.insert("name".to_owned(), change.name.clone().into());
    members.insert("location".to_owned(), change.location.clone().into());
    members.insert(
        "before".to_owned(),
        change.before.as_ref().map_or(Value::Null, side),
    );
    members.insert(
        "after".to_owned(),
        change.after.as_ref().map_or(Value::Null, side),
    );
    members.insert("via".to_owned(), change.via.clone().into());
    members.insert("chains".to_owned(), change.chains.clone().into());
    if change.downgraded {
        members.insert("downgraded".to_owned(), true.into());
    }
    if !change.new_bins.is_empty() {
        members.insert("newBins".to_owned(), change.new_bins.clone().into());
    }
    if !change.files.is_empty() {
        members.insert("files".to_owned(), files(&change.files));
    }
    if let Some(found) = &change.contents {
        members.insert("contents".to_owned(), contents(found));
    }
    members.into()
}

fn contents(contents: &Contents) -> Value {
    json!({
        "files": files(&contents.files),
        "scripts": texts(&contents.scripts),
        "bins": texts(&contents.bins),
    })
}

fn files(changes: &[FileChange]) -> Value {
    let file = |change: &FileChange| {
        json!({
            "path": change.path,
            "fate": change.fate.as_str(),
            "before": change.before,
            "after": change.after,
            "binary": change.binary,
        })
    };
    changes.iter().map(file).collect()
}

fn texts(changes: &[TextChange]) -> Value {
    let text = |change: &TextChange| json!({ "name": change.name, "before": change.before, "after": change.after });
    changes.iter().map(text).collect()
}

fn summary(diff: &Diff) -> Map<String, Value> {
    let count = |class: Class| {
        diff.changes
            .iter()
            .filter(|change| change.class == class)
            .count()
    };
    Class::ALL
        .into_iter()
        .map(|class| (class.as_str().to_owned(), count(class)))
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| (class, count.into()))
        .collect()
}

fn side(side: &Side) -> Value {
    let mut members = Map::new();
    members.insert("location".to_owned(), side.location.clone().into());
    if let Some(address) = &side.resolved {
        members.insert("resolved".to_owned(), shown_address(address).into());
    }
    let texts = [
        ("version", &side.version),
        ("integrity", &side.integrity),
        ("license", &side.license),
        ("deprecated", &side.deprecated),
    ];
    for (member, text) in texts {
        if let Some(text) = text {
            members.insert(member.to_owned(), text.clone().into());
        }
    }
    for (member, list) in [("os", &side.os), ("cpu", &side.cpu), ("libc", &side.libc)] {
        if !list.is_empty() {
            members.insert(member.to_owned(), list.clone().into());
        }
    }
    let truths = [
        ("link", side.link),
        ("installScript", side.install_script),
        ("direct", side.direct),
        ("unfit", side.unfit),
    ];
    for (member, _) in truths.into_iter().filter(|(_, truth)| *truth) {
        members.insert(member.to_owned(), true.into());
    }
    if let Some(size) = side.size {
        members.insert("size".to_owned(), size.into());
    }
    let flags = flags(side.flags);
    if !flags.is_empty() {
        members.insert("flags".to_owned(), flags.into());
    }
    members.into()
}

fn flags(flags: Flags) -> Vec<&'static str> {
    [
        ("dev", flags.dev),
        ("optional", flags.optional),
        ("devOptional", flags.dev_optional),
        ("peer", flags.peer),
        ("inBundle", flags.bundled),
        ("extraneous", flags.extraneous),
    ]
    .into_iter()
    .filter_map(|(word, set)| set.then_some(word))
    .collect()
}
