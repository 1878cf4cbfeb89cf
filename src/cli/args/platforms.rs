//! What may be typed after `platforms`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::target;
use super::{NpmFlags, PageFormat, Runtime};
use crate::target::Target;

/// Will the lock run on other platforms? Each package and target, with proof
///
/// Every tarball is opened once: binaries, install scripts and what they would download or build
/// are held against each target. Says for each package that is bound to a platform whether it runs,
/// builds from source, downloads at the install, is missing in the lock, or cannot run, and why.
///
/// A target is written linux-x64-glibc2.28-node22 with parts left out from the right (linux-x64,
/// darwin-arm64, linux-x64-musl), or as a well-known image: node:22-alpine, node:22-bookworm-slim,
/// arm64v8/node:22, lambda:nodejs22.x, debian:12. `host` is this machine.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:
  heatseal platforms                                  this project, on the usual platforms
  heatseal platforms --target host,node:22-alpine     on these
  heatseal platforms --omit=dev --fail-on missing,cannot-run    in CI: exit 5 if it would break
  heatseal platforms --lock-only package-lock.json    what the lock alone tells, no network
  heatseal platforms --format html --output report.html
  heatseal platforms --load --node /opt/node/bin/node    do the installed addons load here?
  heatseal platforms --json | jq '.bound[] | select(.verdicts[].verdict == \"builds\") | .name'

Defaults for --target: \"heatseal\": {\"targets\": [\"host\", \"node:22-alpine\"]} in package.json, else
the host, linux-x64-glibc, linux-x64-musl, linux-arm64-glibc, darwin-arm64 and win32-x64.",
    mut_arg("ignore-scripts", |arg| arg.hide(true)),
    mut_arg("bin-links", |arg| arg.hide(true))
)]
pub struct Platforms {
    /// A project's folder, or a lock file
    #[arg(value_name = "PROJECT|LOCK", default_value = ".")]
    pub place: PathBuf,
    /// Where it is to run (may be repeated)
    #[arg(long, value_name = "TARGET", value_delimiter = ',', value_parser = aim)]
    pub target: Vec<Aimed>,
    /// Open no tarballs and ask no registry: what the lock tells
    #[arg(long)]
    pub lock_only: bool,
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = PageFormat::Text)]
    pub format: PageFormat,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write it to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Load each native module that is installed here, and tell what the loader says
    ///
    /// Each is loaded by Node in a process of its own, which is killed with its children when it
    /// takes more than 20 s. Exits 5 if a package has none that loads. Packages that only
    /// development needs are left out, unless --include=dev.
    #[arg(long, conflicts_with_all = ["target", "lock_only", "fail_on"])]
    pub load: bool,
    /// The Node to load them with [default: the one on PATH]
    #[arg(long, value_name = "PROGRAM", requires = "load")]
    pub node: Option<PathBuf>,
    /// Exit 5 if any package has one of these verdicts
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',')]
    pub fail_on: Vec<Trouble>,
    #[command(flatten)]
    pub runtime: Runtime,
    #[command(flatten)]
    pub npm: NpmFlags,
}

/// A target as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aimed {
    /// This machine.
    Host,
    /// Its text, and what that means.
    Named(String, Target),
}

/// What may fail a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Trouble {
    /// It is required and does not run there
    CannotRun,
    /// The lock lacks its binary for that platform
    Missing,
    /// It has binaries for other platforms and none for that one
    Uncovered,
    /// An install script decides
    Script,
    /// It is fetched by an install script
    Downloads,
    /// It is compiled at the install
    Builds,
    /// Its declarations and its binaries disagree
    Mislabelled,
    /// It declares no platform, and its binaries are for some only
    Unlabelled,
}

pub fn aim(typed: &str) -> Result<Aimed, String> {
    if typed == "host" {
        return Ok(Aimed::Host);
    }
    target(typed).map(|target| Aimed::Named(typed.to_owned(), target.with_libc()))
}
