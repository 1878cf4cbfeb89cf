//! What may be typed: verbs, flags, and the help that explains them.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

mod diff;
mod graph;
mod install;
mod lint;
mod lock;
mod manuals;
mod platforms;
mod sbom;
mod store;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use super::npm_flags::NpmFlags;
pub use diff::Diff;
pub use graph::{Ls, Merge, Why};
pub use install::{Ci, Install, Installing, Linking, Parts, Verify, Whose};
pub use lint::{FailOn, Lint, LintFormat};
pub use lock::Shrinkwrap;
pub use manuals::{Completions, Man};
pub use platforms::{Aimed, Platforms, Trouble, aim};
pub use sbom::{Sbom, SbomFormat};
pub use store::{Mirror, Store, StoreAction};
pub use values::Kind;
use values::{npm_version, version};

/// Locks and installs Node.js dependencies, reproducibly.
///
/// heatseal writes the lock that npm 11 would write (npm-shrinkwrap.json or package-lock.json),
/// installs the tree that `npm ci` would install, and compares the locks of two environments. Its
/// configuration is npm's: .npmrc files, npm_config_* variables, flags.
#[derive(Debug, Parser)]
#[command(name = "heatseal", version, arg_required_else_help = true, after_help = AFTER)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

const AFTER: &str = "\
Examples:
  heatseal shrinkwrap              lock this project into npm-shrinkwrap.json
  heatseal ci                      install exactly what the lock says
  heatseal verify                  hold node_modules against the lock, file by file
  heatseal diff a.json b.json      what differs between two locks
  heatseal platforms               will this lock run on other platforms?
  heatseal lint                    is the lock sound?
  heatseal why lodash              who requires it, and why it sits where it sits
  heatseal sbom                    a bill of materials from the lock

Exit codes:
  0  done, or the answer is yes      6  refused by policy
  1  the answer is no                7  registry or network
  2  usage                           8  a lifecycle script failed
  3  lock and manifest disagree,     9  cannot resolve
     or there is no usable lock     10  file system
  4  integrity or verification     130  interrupted
  5  does not run on the target

`heatseal VERB --help` explains a verb and shows examples.";

/// Flags of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// Run as if started in DIR
    #[arg(short = 'C', long = "prefix", value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Print nothing but errors and what was asked for
    #[arg(
        short,
        long,
        visible_alias = "silent",
        short_alias = 's',
        global = true
    )]
    pub quiet: bool,
    /// Folder of the store [default: $HEATSEAL_STORE_DIR, else heatseal in the user's cache folder]
    #[arg(long, value_name = "DIR", global = true)]
    pub store_dir: Option<PathBuf>,
    /// Registry to ask: an http or https URL, or file:DIR for a folder
    #[arg(long, value_name = "URL", global = true)]
    pub registry: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    Shrinkwrap(Box<Shrinkwrap>),
    Install(Box<Install>),
    Ci(Box<Ci>),
    Verify(Box<Verify>),
    Diff(Box<Diff>),
    Platforms(Box<Platforms>),
    Lint(Lint),
    Why(Why),
    Ls(Ls),
    Merge(Box<Merge>),
    Sbom(Box<Sbom>),
    Mirror(Mirror),
    Store(Store),
    Completions(Completions),
    Man(Man),
}

/// Which Node and npm are meant when a package's `engines` are looked at.
#[derive(Debug, Args)]
pub struct Runtime {
    /// Choose versions as for this Node [default: what `node` on PATH says]
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub node_version: Option<semver::Version>,
    /// The npm to agree with, in what it locks and by `engines`: 11, 12, or a whole version
    #[arg(long, value_name = "VERSION", value_parser = npm_version, default_value = "11.19.1")]
    pub npm_version: semver::Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    /// A matrix for terminals, then the proofs
    Text,
    /// One JSON document; `version` tells its shape
    Json,
    /// Tables for a review
    Markdown,
    /// One page with filters and all proofs
    Html,
}

/// The command line with npm's ways of writing switches made clap's: `--no-audit` is
/// `--audit=false`, and `--audit false` is `--audit=false`; `-ws` and `-iwr` are whole words.
pub fn normalized(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let parts = ["workspaces", "include-workspace-root"];
    let switches = super::npm_flags::switches().chain(parts);
    let is_switch = |name: &str| switches.clone().any(|switch| switch == name);
    let mut words: Vec<OsString> = Vec::new();
    let mut words_end = false;
    for word in typed {
        let text = word.to_str().unwrap_or_default();
        let last = words.last().and_then(|last| last.to_str());
        let open = last
            .and_then(|last| last.strip_prefix("--"))
            .filter(|name| is_switch(name));
        if words_end {
            words.push(word);
        } else if text == "-ws" {
            words.push("--workspaces".into());
        } else if text == "-iwr" {
            words.push("--include-workspace-root".into());
        } else if let Some(name) = text.strip_prefix("--no-").filter(|name| is_switch(name)) {
            words.push(format!("--{name}=false").into());
        } else if let (Some(name), "true" | "false") = (open, text) {
            let joined = format!("--{name}={text}");
            words.pop();
            words.push(joined.into());
        } else {
            words_end = text == "--";
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn words(typed: &[&str]) -> Vec<String> {
        let typed = typed.iter().map(OsString::from);
        normalized(typed)
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_command_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn npms_negations_and_spelled_out_switches_are_understood() {
        assert_eq!(
            words(&[
                "heatseal",
                "ci",
                "--no-audit",
                "--fund",
                "false",
                "--no-such"
            ]),
            [
                "heatseal",
                "ci",
                "--audit=false",
                "--fund=false",
                "--no-such"
            ]
        );
        assert_eq!(words(&["x", "--", "--no-audit"]), ["x", "--", "--no-audit"]);
    }

    #[test]
    fn update_takes_names_or_none() {
        let update = |typed: &[&str]| match Cli::try_parse_from(typed).unwrap().verb {
            Verb::Shrinkwrap(shrinkwrap) => shrinkwrap.update,
            other => panic!("{other:?}"),
        };
        assert_eq!(update(&["heatseal", "shrinkwrap"]), None);
        assert_eq!(
            update(&["heatseal", "shrinkwrap", "--update"]),
            Some(vec![])
        );
        assert_eq!(
            update(&["heatseal", "shrinkwrap", "--update", "a", "@s/b"]),
            Some(vec!["a".to_owned(), "@s/b".to_owned()])
        );
    }

    #[test]
    fn a_lock_outside_the_project_is_refused() {
        for name in ["../x.json", "/x.json", "a/b", "..", ""] {
            let typed = ["heatseal", "shrinkwrap", "--lockfile", name];
            assert!(Cli::try_parse_from(typed).is_err(), "{name}");
        }
    }
}
