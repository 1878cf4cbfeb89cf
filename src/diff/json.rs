//! A comparison as JSON for machines.
//!
//! ```json
//! {
//!   "version": 1,
//!   "before": "label", "after": "label",
//!   "unchanged": 2,
//!   "summary": { "major": 1 },
//!   "changes": [{
//!     "class": "major", "also": ["licence"],
//!     "name": "a", "location": "node_modules/a",
//!     "before": { "location": "node_modules/a", "version": "1.0.0", "resolved": "…", "integrity": "…" },
//!     "after": null,
//!     "via": ["a"]
//!   }]
//! }
//! ```
//!
//! `summary` counts by leading class and leaves zeros out. A side is `null` where the package is
//! not there; of its members `location` is always there, the others only where they say something:
//! `version`, `resolved` (without credentials and query), `integrity`, `link`, `installScript`, `os`, `cpu`, `libc`, `license`,
//! `deprecated`, `direct`, and `flags` (a list of `dev`, `optional`, `devOptional`, `peer`,
//! `inBundle`, `extraneous`). Members may be added within version 1; none changes its meaning.

use serde_json::{Map, Value, json};

use super::{Class, Diff, Environment, Flags, Side, shown_address};

/// The whole comparison; the shape is this file's head.
pub fn document(diff: &Diff, before: &Environment, after: &Environment) -> Value {
    let changes = diff.changes.iter().map(|change| {
        json!({
            "class": change.class.as_str(),
            "also": change.also.iter().map(|class| class.as_str()).collect::<Vec<_>>(),
            "name": change.name,
            "location": change.location,
            "before": change.before.as_ref().map(side),
            "after": change.after.as_ref().map(side),
            "via": change.via,
        })
    });
    json!({
        "version": 1,
        "before": before.label,
        "after": after.label,
        "unchanged": diff.unchanged,
        "summary": summary(diff),
        "changes": changes.collect::<Vec<_>>(),
    })
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
    ];
    for (member, _) in truths.into_iter().filter(|(_, truth)| *truth) {
        members.insert(member.to_owned(), true.into());
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
