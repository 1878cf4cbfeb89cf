//! What may be typed after `install`, `ci` and `verify`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use clap::{Args, ValueEnum};

use super::values::target;
use super::{NpmFlags, Runtime};
use crate::target::Target;

/// Install node_modules as the lock says
///
/// Without --frozen the lock is first brought in line with package.json, as by `heatseal
/// shrinkwrap`. With --frozen (or as `heatseal ci`) the lock is law: if it does not match
/// package.json nothing is touched. The new tree is built and verified beside the old one and then
/// takes its place, so a failure leaves the old tree usable.
#[derive(Debug, Args)]
#[command(
    visible_alias = "i",
    after_help = "Examples:
  heatseal install                       lock if need be, then install
  heatseal install --frozen              install exactly what the lock says, or fail
  heatseal install --omit=dev            without development dependencies
  heatseal install --allow-scripts a,b   let these run their install scripts
  heatseal install --ignore-scripts      run no lifecycle scripts
  heatseal install --offline             from the store alone"
)]
pub struct Install {
    /// Take the lock as law: fail if package.json disagrees, never write it
    #[arg(long, visible_alias = "frozen-lockfile")]
    pub frozen: bool,
    #[command(flatten)]
    pub how: Installing,
    #[arg(hide = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Install exactly what the lock says, or fail: `install --frozen`
///
/// The lock is held against package.json and never written; every package is verified against its
/// integrity; optional packages are left out only where they do not run. The new tree is built
/// beside the old one and then takes its place, so a failure leaves the old tree usable.
#[derive(Debug, Args)]
#[command(
    visible_alias = "clean-install",
    after_help = "Examples:
  heatseal ci
  heatseal ci --omit=dev                 for production
  heatseal ci --offline                  from the store alone
  heatseal ci -w packages/api            only what one workspace needs
  heatseal ci --target linux-x64-musl    the tree for another platform"
)]
pub struct Ci {
    #[command(flatten)]
    pub how: Installing,
}

/// Flags of `install` and `ci`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct Installing {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How files get from the store into `node_modules`
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Linking::Auto)]
    pub link_mode: Linking,
    /// Whose install scripts run: those of allowed packages, or all as with npm 11
    #[arg(long, value_enum, value_name = "WHOSE", default_value_t = Whose::Allowed)]
    pub scripts: Whose,
    /// Packages that may run install scripts, besides those that package.json allows: NAME,
    /// NAME@VERSION
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub allow_scripts: Vec<String>,
    /// Platform that the tree is for, such as linux-x64-musl or darwin-arm64 [default: this machine]
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub target: Option<Target>,
    /// Packages that do without a binary for the target, though they have some for others
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub allow_without_binary: Vec<String>,
    /// Accept lock entries without a sha512: those with none are not proven, sha1 is weak
    #[arg(long)]
    pub allow_missing_integrity: bool,
    /// Open every tarball before anything is changed, and exit 5 if a required package cannot run
    #[arg(long)]
    pub strict_platform: bool,
    /// Look into what is fetched for binaries, so that `platforms` can answer from the store
    #[arg(long)]
    pub inspect: bool,
    /// Print a summary as JSON on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub parts: Parts,
    #[command(flatten)]
    pub runtime: Runtime,
    #[command(flatten)]
    pub npm: NpmFlags,
}

/// Which part of a project with workspaces is meant.
#[derive(Debug, Args)]
pub struct Parts {
    /// Only what this workspace needs: its name or its folder (may be repeated) [default: inside a
    /// workspace's folder, that workspace]
    #[arg(short, long, value_name = "WORKSPACE")]
    pub workspace: Vec<String>,
    /// Only what the workspaces need; with =false, only what the project itself needs
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub workspaces: Option<bool>,
    /// With workspaces, also what the project itself needs
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub include_workspace_root: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Whose {
    /// Packages that package.json or --allow-scripts allows; who needs a script and is not allowed
    /// is an error
    Allowed,
    /// All but those that package.json denies, as npm 11 does it
    Npm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Linking {
    /// The best that the file system offers
    Auto,
    /// Copy-on-write clones
    Reflink,
    /// Hard links to the store
    Hardlink,
    /// Independent copies
    Copy,
}

/// Hold node_modules against the lock, file by file
///
/// Every file of every package is hashed and held against what its verified tarball holds: content,
/// mode, links, commands, and what is missing or too much. Exits 4 if anything differs. The tree
/// digest is the same on every machine for the same lock, target and flags. Say --omit,
/// --workspace and --target as at the install.
///
/// What an install script left in its own package is held against what it left at the install; that
/// is remembered in the store of the machine that installed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:
  heatseal verify
  heatseal verify --omit=dev             what was installed with --omit=dev
  heatseal verify --json | jq -r .digest",
    mut_arg("ignore-scripts", |arg| arg.hide(true))
)]
pub struct Verify {
    /// Platform that the tree is for [default: this machine]
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub target: Option<Target>,
    /// Accept lock entries without a hash: their tarballs are fetched anew
    #[arg(long)]
    pub allow_missing_integrity: bool,
    /// Print the differences as JSON on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub parts: Parts,
    #[command(flatten)]
    pub runtime: Runtime,
    #[command(flatten)]
    pub npm: NpmFlags,
}
