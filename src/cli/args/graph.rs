//! What may be typed after `why`, `ls` and `merge`, which look at a lock's graph.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::Runtime;
use super::values::Kind;
use crate::cli::npm_flags::NpmFlags;

/// Explain who requires a package, and why it sits where it sits
///
/// Prints, for each copy of the package in the lock, the chains of dependencies that lead from the
/// project to it, the shortest first, and what keeps the copy in its folder: another version further
/// up, a peer, a bundle. Only the lock is read. Exits 1 if the lock has no such package.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal why lodash
  heatseal why lodash@^3                 copies whose version is in the range
  heatseal why node_modules/a/node_modules/b
  heatseal why lodash --limit 50         more chains of each copy
  heatseal why lodash --json | jq -r '.copies[].location'
  heatseal why lodash --lock staging/npm-shrinkwrap.json")]
pub struct Why {
    /// NAME, NAME@RANGE, or a location in the tree
    #[arg(value_name = "NAME[@RANGE]", required = true, value_parser = NonEmptyStringValueParser::new())]
    pub names: Vec<String>,
    /// Chains to show of each copy
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Show all chains, up to 100,000 of each copy
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Read this lock instead of the project's
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// Print the answer as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// List the locked tree as `npm ls` does
///
/// Reads package.json and the lock, and not node_modules: what `npm ls --package-lock-only` prints.
/// A package that was listed before is `deduped`. Exits 1 if something is missing or does not meet
/// what is asked of it, or if none of the names is there.
#[derive(Debug, Args)]
#[command(
    visible_alias = "list",
    after_help = "Examples:
  heatseal ls                        the project's own dependencies
  heatseal ls --all                  the whole tree
  heatseal ls --depth 1 --omit dev
  heatseal ls lodash @scope/a@^2     these packages, and what leads to them
  heatseal ls --all --json | jq .problems"
)]
pub struct Ls {
    /// NAME or NAME@RANGE: only these, wherever they are
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub names: Vec<String>,
    /// Levels below the project's own dependencies [default: 0; with names: all]
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// All levels
    #[arg(short, long, conflicts_with = "depth")]
    pub all: bool,
    /// Leave out the project's dependencies of this kind [default: dev if NODE_ENV is production]
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub omit: Vec<Kind>,
    /// List dependencies of this kind, whatever --omit says
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub include: Vec<Kind>,
    /// Print the tree as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// Merge two branches' locks: a merge driver for git
///
/// Git calls it with three files: the common ancestor, ours and theirs; the result replaces ours.
/// What the branches ask for is merged first, from package.json where git has it and from the locks
/// themselves; the lock is then resolved anew, with the versions both sides had, and almost always
/// without asking a registry. Exits 1 where both sides want different versions of the same
/// dependency: the file then has conflict markers, which `heatseal shrinkwrap` understands.
///
/// A package.json is merged as git does it, and where that conflicts member by member, so that two
/// branches that each add a dependency on the same line do not conflict.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
#[command(
    after_help = "Examples:
  heatseal merge --install               let git merge locks of this repository with heatseal
  heatseal merge --install --global      of all repositories of this user
  heatseal merge --uninstall
  heatseal merge %O %A %B %P             what git runs",
    mut_arg("ignore-scripts", |arg| arg.hide(true)),
    mut_arg("bin-links", |arg| arg.hide(true))
)]
pub struct Merge {
    /// The common ancestor's file; empty where there is none
    #[arg(value_name = "O", required_unless_present_any = ["install", "uninstall"])]
    pub base: Option<PathBuf>,
    /// Our file, which is replaced by the result
    #[arg(value_name = "A", requires = "base", required_unless_present_any = ["install", "uninstall"])]
    pub ours: Option<PathBuf>,
    /// Their file
    #[arg(value_name = "B", requires = "ours", required_unless_present_any = ["install", "uninstall"])]
    pub theirs: Option<PathBuf>,
    /// The file's path in the repository [default: package-lock.json]
    #[arg(value_name = "P", requires = "theirs")]
    pub path: Option<PathBuf>,
    /// What git calls the three files in conflict markers
    #[arg(long, value_names = ["O", "A", "B"], num_args = 3)]
    pub labels: Vec<String>,
    /// Set git up: .gitattributes and the configuration of merge.heatseal
    #[arg(long, conflicts_with_all = ["base", "uninstall"])]
    pub install: bool,
    /// Take back what --install set up
    #[arg(long, conflicts_with = "base")]
    pub uninstall: bool,
    /// With --install and --uninstall: for all repositories of this user
    #[arg(long, conflicts_with = "base")]
    pub global: bool,
    /// Print a summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub runtime: Runtime,
    #[command(flatten)]
    pub npm: NpmFlags,
}
