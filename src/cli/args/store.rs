//! What may be typed after `store` and `mirror`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{Kind, age};

/// Look after the store
///
/// The store holds packuments and verified package contents for every project of this user. It can
/// be deleted at any time; what is needed is then fetched again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal store path
  heatseal store path --store-dir /var/cache/heatseal
  heatseal store verify                      in a nightly job
  heatseal store prune --older-than 60d")]
pub struct Store {
    #[command(subcommand)]
    pub action: StoreAction,
}

#[derive(Debug, Subcommand)]
pub enum StoreAction {
    /// Print the folder of the store
    Path,
    /// Hash everything in the store again; exit 4 if something was damaged
    ///
    /// A damaged package is made anew from its sealed tarball, or removed and fetched when it is
    /// needed next.
    Verify {
        /// Print what was found as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Remove packages that no install used for a while
    ///
    /// Packages that a node_modules on the same disk still shares files with stay: removing them
    /// would free nothing. Waits until no install is under way.
    Prune {
        /// Remove what was not used for AGE: 36h, 2d, 4w; a bare number is days
        #[arg(long, value_name = "AGE", value_parser = age, default_value = "30d")]
        older_than: Duration,
        /// Print what was removed as JSON on standard output
        #[arg(long)]
        json: bool,
    },
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
