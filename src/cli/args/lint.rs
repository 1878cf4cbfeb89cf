//! What may be typed after `lint`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::lint::{Rule, Severity};

/// Hold a lock against good sense, and repair it
///
/// Looks at hosts, protocols and hashes; whether names, addresses and tarballs agree; whether
/// everybody gets what they ask for; entries nobody needs, wrong flags, incomplete families of
/// binaries, needless duplicates, deprecated packages. Nothing is fetched. Exits 1 if there are
/// findings as bad as --fail-on says.
///
/// --fix repairs what can be repaired without moving a version: hashes and addresses that the
/// registry states for the same version, flags, entries nobody needs.
#[derive(Debug, Args)]
#[command(after_help = lint_help())]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct Lint {
    /// A lock file, or a folder with one [default: the project]
    #[arg(value_name = "LOCK|FOLDER")]
    pub path: Option<PathBuf>,
    /// Repair the lock where no version has to move
    #[arg(long)]
    pub fix: bool,
    /// What makes the answer no: error, warning, note, rules, or never
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = fail_on, default_value = "error")]
    pub fail_on: Vec<FailOn>,
    /// Findings to pass over: RULE, or RULE:PACKAGE
    #[arg(long, value_name = "RULE[:PACKAGE]", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Ignore peer dependencies, as when the lock was made so
    #[arg(long)]
    pub legacy_peer_deps: bool,
    /// Show all findings, however many
    #[arg(long)]
    pub all: bool,
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LintFormat::Text)]
    pub format: LintFormat,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

/// What makes `lint` exit 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    Severity(Severity),
    Rule(Rule),
    Never,
}

fn fail_on(typed: &str) -> Result<FailOn, String> {
    let severity = Severity::parse(typed).map(FailOn::Severity);
    let rule = || Rule::parse(typed).map(FailOn::Rule);
    let never = || (typed == "never").then_some(FailOn::Never);
    severity.or_else(rule).or_else(never).ok_or_else(|| {
        "write error, warning, note, never, or rules, which `heatseal lint --help` lists".to_owned()
    })
}

fn lint_help() -> String {
    let mut text = "Examples:
  heatseal lint
  heatseal lint old/npm-shrinkwrap.json
  heatseal lint --fix                          repair what needs no version to move
  heatseal lint --fail-on warning              stricter
  heatseal lint --ignore deprecated,duplicate:debug
  heatseal lint --format sarif > lint.sarif    for code scanning

What is ignored for good stands in package.json, with the reason:
  \"heatseal\": {\"lint\": {\"ignore\": {\"deprecated:NAME\": \"why this is accepted\"}}}

Rules:
"
    .to_owned();
    for rule in Rule::all() {
        let (word, severity) = (rule.as_str(), rule.severity().as_str());
        let _ = writeln!(text, "  {word:19} {severity:8} {}", rule.about());
    }
    text.trim_end().to_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// A table, the worst first
    Text,
    /// One JSON document; `version` tells its shape
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}
