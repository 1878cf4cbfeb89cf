//! Findings as JSON for machines.
//!
//! ```json
//! {
//!   "version": 1,
//!   "lock": "npm-shrinkwrap.json",
//!   "lockfileVersion": 3,
//!   "packages": 12,
//!   "summary": { "error": 1, "warning": 0, "note": 0, "ignored": 0 },
//!   "findings": [{
//!     "rule": "missing-integrity", "severity": "error",
//!     "name": "a", "version": "1.0.0", "location": "node_modules/a", "line": 12,
//!     "what": "the entry has no hash", "advice": "run `heatseal lint --fix`", "repairable": true
//!   }],
//!   "ignored": [{ "finding": { … }, "reason": "…" }],
//!   "repair": { "fixed": [ … ], "moved": 0, "written": true }
//! }
//! ```
//!
//! `name`, `version`, `location` and `line` are `null` where the lock as a whole is meant; `reason`
//! where none was given, `repair` where none was asked for. Members may be added within version 1;
//! none changes its meaning.

use serde_json::{Value, json};

use super::{Finding, Ignored, Repair, Report, Severity};

/// The whole answer; the shape is this file's head.
pub fn document(report: &Report) -> Value {
    let count = |severity: Severity| {
        let findings = report.findings.iter();
        findings
            .filter(|finding| finding.rule.severity() == severity)
            .count()
    };
    json!({
        "version": 1,
        "lock": report.file,
        "lockfileVersion": report.lockfile_version,
        "packages": report.packages,
        "summary": {
            "error": count(Severity::Error),
            "warning": count(Severity::Warning),
            "note": count(Severity::Note),
            "ignored": report.ignored.len(),
        },
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "ignored": report.ignored.iter().map(ignored).collect::<Vec<_>>(),
        "repair": report.repair.as_ref().map(repair),
    })
}

fn finding(finding: &Finding) -> Value {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "rule": finding.rule.as_str(),
        "severity": finding.rule.severity().as_str(),
        "name": some(&finding.name),
        "version": some(&finding.version),
        "location": some(&finding.location),
        "line": finding.line,
        "what": finding.what,
        "advice": finding.rule.advice(),
        "repairable": finding.rule.is_repairable(),
    })
}

fn ignored(ignored: &Ignored) -> Value {
    json!({ "finding": finding(&ignored.finding), "reason": ignored.reason })
}

fn repair(repair: &Repair) -> Value {
    json!({
        "fixed": repair.fixed.iter().map(finding).collect::<Vec<_>>(),
        "moved": repair.moved,
        "written": repair.written,
    })
}
