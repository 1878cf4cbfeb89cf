//! What may be typed after the verbs that read a lock: flags, and the help that explains them.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::target;
use crate::lint::{Rule, Severity};
use crate::target::Target;

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

/// Write a bill of materials from the lock: CycloneDX or SPDX
///
/// Lists what the lock would install, with hashes, licences, package URLs and who depends on whom.
/// Nothing is fetched, and node_modules is not looked at. Equal locks give equal bytes: there is no
/// serial number and no time unless asked for (SOURCE_DATE_EPOCH asks for its time).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal sbom > bom.json                          CycloneDX 1.6
  heatseal sbom --format spdx --output bom.spdx.json
  heatseal sbom --omit dev --target linux-x64-musl  what runs in production
  heatseal sbom --serial-number --timestamp         as some registries of such documents demand")]
pub struct Sbom {
    /// A lock file, or a folder with one [default: the project]
    #[arg(value_name = "LOCK|FOLDER")]
    pub path: Option<PathBuf>,
    #[arg(long, visible_alias = "sbom-format", value_enum, value_name = "FORMAT", default_value_t = SbomFormat::Cyclonedx)]
    pub format: SbomFormat,
    /// What the project is
    #[arg(long = "type", visible_alias = "sbom-type", value_enum, value_name = "TYPE", default_value_t = ProjectType::Application)]
    pub project_type: ProjectType,
    /// Leave out dependencies of this kind [default: dev if NODE_ENV is production]
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub omit: Vec<Kind>,
    /// Take dependencies of this kind, whatever --omit says
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub include: Vec<Kind>,
    /// Leave out what is optional and does not run there, such as linux-x64-musl
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub target: Option<Target>,
    /// Give the document a serial number: this one, or a random one
    #[arg(long, value_name = "URN", num_args = 0..=1, require_equals = true, value_parser = urn)]
    #[allow(clippy::option_option)] // not said, said, said with a value
    pub serial_number: Option<Option<String>>,
    /// Give the document a time: this one, in seconds since 1970, or now
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option)]
    pub timestamp: Option<Option<i64>>,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SbomFormat {
    /// CycloneDX 1.6 JSON
    Cyclonedx,
    /// SPDX 2.3 JSON
    Spdx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProjectType {
    Application,
    Library,
    Framework,
}

impl ProjectType {
    pub fn word(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Library => "library",
            Self::Framework => "framework",
        }
    }
}

/// A kind of dependency that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Dev,
    Optional,
    Peer,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Optional => "optional",
            Self::Peer => "peer",
        }
    }
}

/// A UUID, with or without `urn:uuid:` before it.
fn urn(typed: &str) -> Result<String, String> {
    let uuid = typed
        .strip_prefix("urn:uuid:")
        .unwrap_or(typed)
        .to_ascii_lowercase();
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    let digits = uuid
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if lengths != [8, 4, 4, 4, 12] || !digits {
        return Err("write a UUID, such as 3e671687-395b-41f5-a30f-a58921a69b79".to_owned());
    }
    Ok(format!("urn:uuid:{uuid}"))
}

/// Write a folder with everything that a lock installs: a registry to install from without a network
///
/// The folder gets the packuments (of the locked versions) and the tarballs of all packages that come
/// from registries, each verified against the lock. `registry=file:DIR` in .npmrc installs and
/// resolves from it. What is there already is verified and kept, so a run that was interrupted is
/// simply repeated, and several locks can share a folder. Exits 1 if a package could not be mirrored,
/// such as one from a git repository.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal mirror ../mirror
  heatseal mirror ../mirror other/npm-shrinkwrap.json
  heatseal mirror ../mirror --omit dev
  heatseal ci --registry file:../mirror        install from it")]
pub struct Mirror {
    /// The folder; made if it is not there
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A lock file, or a folder with one [default: the project]
    #[arg(value_name = "LOCK|FOLDER")]
    pub path: Option<PathBuf>,
    /// Leave out dependencies of this kind
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub omit: Vec<Kind>,
    /// Print a summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// Print a shell's completions
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal completions bash > ~/.local/share/bash-completion/completions/heatseal
  heatseal completions zsh > ~/.zfunc/_heatseal
  heatseal completions fish > ~/.config/fish/completions/heatseal.fish")]
pub struct Completions {
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or write those of all verbs into a folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal man | man -l -
  heatseal man /usr/local/share/man/man1")]
pub struct Man {
    /// Where to write heatseal.1, heatseal-ci.1 and so on; made if it is not there
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
