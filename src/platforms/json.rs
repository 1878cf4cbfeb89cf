//! The matrix as JSON for machines.
//!
//! ```json
//! {
//!   "version": 1,
//!   "lock": "npm-shrinkwrap.json",
//!   "packages": 812, "opened": true,
//!   "targets": [{ "name": "node:22-alpine", "os": "linux", "cpu": "x64", "libc": "musl",
//!     "libcVersion": "1.2", "node": "22.23.3", "moduleVersion": 127, "nodeApi": 10 }],
//!   "bound": [{
//!     "name": "a", "version": "1.0.0", "locations": ["node_modules/a"],
//!     "optional": false, "dev": false,
//!     "verdicts": [{ "target": "node:22-alpine", "verdict": "cannot-run", "proofs": [{
//!       "kind": "file", "text": "…", "package": "a@1.0.0", "path": "lib/a.node", "needs": "…" }] }]
//!   }],
//!   "findings": [{ "rule": "mislabelled", "name": "a", "version": "1.0.0",
//!     "location": "node_modules/a", "field": "cpu", "declared": ["x64"], "actual": ["arm64"],
//!     "path": "lib/a.node", "text": "…" }],
//!   "unopened": [{ "location": "node_modules/b", "reason": "…" }],
//!   "summary": { "node:22-alpine": { "cannot-run": 1 } }
//! }
//! ```
//!
//! `bound` has the packages that are bound to a platform, the worst first, and `verdicts` one member
//! for each target in the order of `targets`. Of a target's members those are `null` that it leaves
//! open. `opened` is false when the lock alone was asked; `unopened` has what could not be opened.
//! `summary` counts and leaves zeros out. A proof has `kind` and `text`, and by kind what can be
//! looked up. The schema is `fixtures/schemas/platforms-1.json`. Members may be added within version
//! 1; none changes its meaning.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Verdict;
use super::evidence::Evidence;
use super::report::{Aim, Label, Report, Row};

/// What is to be said beside the report itself.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub lock: &'a str,
    /// Were tarballs opened?
    pub opened: bool,
    pub unopened: &'a BTreeMap<String, String>,
}

/// The whole matrix; the shape is this file's head.
pub fn document(report: &Report, about: About<'_>) -> Value {
    let unopened = about.unopened.iter();
    let unopened =
        unopened.map(|(location, reason)| json!({"location": location, "reason": reason}));
    json!({
        "version": 1,
        "lock": about.lock,
        "packages": report.packages,
        "opened": about.opened,
        "targets": report.aims.iter().map(target).collect::<Vec<_>>(),
        "bound": report.rows.iter().map(|one| row(one, &report.aims)).collect::<Vec<_>>(),
        "findings": report.labels.iter().map(label).collect::<Vec<_>>(),
        "unopened": unopened.collect::<Vec<_>>(),
        "summary": summary(report),
    })
}

fn target(aim: &Aim) -> Value {
    let target = &aim.target;
    let version = target.libc.and_then(|libc| libc.version);
    json!({
        "name": aim.label,
        "os": target.os,
        "cpu": target.cpu,
        "libc": target.libc.map(|libc| libc.family.name()),
        "libcVersion": version.map(|(major, minor)| format!("{major}.{minor}")),
        "node": target.node.as_ref().map(ToString::to_string),
        "moduleVersion": target.module_version(),
        "nodeApi": target.node_api(),
    })
}

fn row(row: &Row, aims: &[Aim]) -> Value {
    let verdicts = row.cells.iter().zip(aims).map(|(cell, aim)| {
        json!({
            "target": aim.label,
            "verdict": cell.verdict.as_str(),
            "proofs": cell.evidence.iter().map(Evidence::json).collect::<Vec<_>>(),
        })
    });
    json!({
        "name": row.name,
        "version": row.version,
        "locations": row.locations,
        "optional": row.optional,
        "dev": row.dev,
        "verdicts": verdicts.collect::<Vec<_>>(),
    })
}

fn label(label: &Label) -> Value {
    let Label {
        name,
        version,
        location,
        mislabel,
    } = label;
    json!({
        "rule": mislabel.rule.as_str(),
        "name": name,
        "version": version,
        "location": location,
        "field": mislabel.field.name(),
        "declared": mislabel.declared,
        "actual": mislabel.actual,
        "path": mislabel.path,
        "text": mislabel.to_string(),
    })
}

fn summary(report: &Report) -> Map<String, Value> {
    let of = |at: usize| -> Map<String, Value> {
        let count = |verdict: Verdict| {
            let same = |row: &&Row| row.cells[at].verdict == verdict;
            report.rows.iter().filter(same).count()
        };
        Verdict::ALL
            .into_iter()
            .map(|verdict| (verdict.as_str().to_owned(), count(verdict)))
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| (word, count.into()))
            .collect()
    };
    let aims = report.aims.iter().enumerate();
    aims.map(|(at, aim)| (aim.label.clone(), of(at).into()))
        .collect()
}
