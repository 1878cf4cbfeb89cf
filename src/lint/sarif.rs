//! Findings as SARIF 2.1.0, for code scanning: one run, each finding on its line of the lock.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{Finding, Report, Rule};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// What stays as it is in a URI's path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The log. Ignored findings are in it as suppressed ones, with their reasons.
pub fn document(report: &Report) -> Value {
    let counting = report
        .findings
        .iter()
        .map(|finding| result(report, finding));
    let ignored = report.ignored.iter().map(|ignored| {
        let mut result = result(report, &ignored.finding);
        let mut suppression = Map::new();
        suppression.insert("kind".to_owned(), "external".into());
        if let Some(reason) = &ignored.reason {
            suppression.insert("justification".to_owned(), reason.clone().into());
        }
        result["suppressions"] = json!([suppression]);
        result
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "heatseal",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Rule::all().map(rule).collect::<Vec<_>>(),
            } },
            "invocations": [{ "executionSuccessful": true }],
            "columnKind": "utf16CodeUnits",
            "results": counting.chain(ignored).collect::<Vec<_>>(),
        }],
    })
}

fn rule(rule: Rule) -> Value {
    json!({
        "id": rule.as_str(),
        "shortDescription": { "text": sentence(rule.about()) },
        "help": { "text": sentence(rule.advice()) },
        "defaultConfiguration": { "level": rule.severity().as_str() },
    })
}

fn result(report: &Report, finding: &Finding) -> Value {
    let place = [&*finding.name, &finding.location, &finding.what].join("\0");
    let print = blake3::hash(format!("{}\0{place}", finding.rule.as_str()).as_bytes());
    let message = if finding.name.is_empty() {
        sentence(&finding.what)
    } else {
        format!("{}: {}", finding.package(), sentence(&finding.what))
    };
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": artifact(&report.file),
            "region": { "startLine": finding.line.unwrap_or(1) },
        },
    });
    if !finding.location.is_empty() {
        location["logicalLocations"] = json!([{
            "name": finding.name,
            "fullyQualifiedName": finding.location,
            "kind": "module",
        }]);
    }
    json!({
        "ruleId": finding.rule.as_str(),
        "ruleIndex": finding.rule as usize,
        "level": finding.rule.severity().as_str(),
        "message": { "text": message },
        "locations": [location],
        "partialFingerprints": { "heatsealFinding/v1": &print.to_hex()[..32] },
    })
}

/// Where the lock is: below the present folder, or on this machine.
fn artifact(file: &str) -> Value {
    let uri = utf8_percent_encode(file, ESCAPED).to_string();
    if file.starts_with('/') {
        json!({ "uri": format!("file://{uri}") })
    } else {
        json!({ "uri": uri, "uriBaseId": "%SRCROOT%" })
    }
}

/// Begins with a capital and ends with a full stop, as SARIF asks.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let text = format!("{}{}", first.unwrap_or_default(), letters.as_str());
    if text.ends_with(['.', '!', '?']) {
        text
    } else {
        format!("{text}.")
    }
}
