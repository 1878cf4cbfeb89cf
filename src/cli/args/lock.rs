//! What may be typed after `shrinkwrap`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::values::file_name;
use super::{NpmFlags, Runtime};

/// Resolve dependencies and write the lock
///
/// Reads package.json, the lock if there is one, and the registry; writes npm-shrinkwrap.json byte
/// for byte as npm 11 would. What is locked stays locked as long as package.json allows it. A lock
/// that already says the right thing is left untouched; node_modules is not looked at.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:
  heatseal shrinkwrap                          lock, or bring the lock in line with package.json
  heatseal shrinkwrap --check                  in CI: exit 1 and show the differences if it would change
  heatseal shrinkwrap --update                 take the newest versions that package.json allows
  heatseal shrinkwrap --update lodash          only lodash may move
  heatseal shrinkwrap --lockfile package-lock.json
  heatseal shrinkwrap --from yarn.lock         keep what yarn locked; say which versions had to move
  heatseal shrinkwrap --before 2026-01-01      as it would have been locked on that day",
    mut_arg("ignore-scripts", |arg| arg.hide(true)),
    mut_arg("bin-links", |arg| arg.hide(true))
)]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct Shrinkwrap {
    /// Change nothing; exit 1 and print the differences if the lock would change
    #[arg(long)]
    pub check: bool,
    /// Change nothing; print the differences and exit 0
    #[arg(long, conflicts_with = "check")]
    pub dry_run: bool,
    /// Let these packages move to newer versions; all of them if none is named
    #[arg(long, value_name = "NAME", num_args = 0.., value_parser = NonEmptyStringValueParser::new())]
    pub update: Option<Vec<String>>,
    /// Take the versions of another tool's lock: yarn.lock, pnpm-lock.yaml or bun.lock
    #[arg(long, value_name = "FILE", conflicts_with = "update")]
    pub from: Option<PathBuf>,
    /// Add the packages for other platforms that the lock lacks, and change nothing else
    ///
    /// Locks made by some npm versions hold a prebuilt family's member for the machine that made
    /// them, and none for others. No version moves; the lock keeps its name. If anything else would
    /// change, that is told and nothing is written.
    #[arg(long, conflicts_with_all = ["update", "from"])]
    pub fix_platforms: bool,
    /// Name of the lock [default: npm-shrinkwrap.json]
    #[arg(long, value_name = "NAME", value_parser = file_name)]
    pub lockfile: Option<String>,
    /// Print a summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
    #[command(flatten)]
    pub npm: NpmFlags,
}
