//! What may be typed after `diff`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::path::PathBuf;

use clap::Args;

use super::PageFormat;
use super::values::target;
use crate::diff::{Class, Omit};
use crate::target::Target;

/// Compare two environments: what differs, the riskiest first
///
/// An environment is a lock (of npm, yarn, pnpm or bun), a project folder with one, an installed
/// tree (a node_modules folder), a revision in git (REV, git:REV:PATH), a machine (ssh://HOST/PATH),
/// or - for standard input. With one of them, two views of it are compared: two --target, two
/// --omit, or with --installed the lock and what is installed.
///
/// Classes, the riskiest first: content, source, integrity, install-script, native, platform,
/// direct, major, minor, patch, added, removed, moved, licence, deprecated, flags. Exits 0 if
/// nothing differs and 1 if something does; with --fail-on only these classes count.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal diff staging/npm-shrinkwrap.json production/npm-shrinkwrap.json
  heatseal diff HEAD~1 .                         the last revision's lock and this one
  heatseal diff git:v1.4:app/package-lock.json app
  heatseal diff . --installed                    this lock and what is installed here
  heatseal diff . ssh://web1.example/srv/app/node_modules
  heatseal diff . --target linux-x64-musl --target darwin-arm64
  heatseal diff . --omit none --omit dev         what development adds
  heatseal diff yarn.lock npm-shrinkwrap.json    did the move keep the versions?
  heatseal diff main . --fail-on content,source,integrity,install-script
  heatseal diff main . --format markdown         for a comment on a pull request
  heatseal diff main . --output report.html      one page that needs nothing else
  heatseal diff main . --contents left-pad       what differs inside one package
  heatseal diff node_modules --snapshot > tree.json

What is accepted for good stands in package.json, with the reason:
  \"heatseal\": {\"diff\": {\"ignore\": {\"licence:NAME\": \"why this is accepted\"}}}")]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct Diff {
    /// What it was
    #[arg(value_name = "A")]
    pub before: String,
    /// What it is [default: A, in another view]
    #[arg(value_name = "B")]
    pub after: Option<String>,
    /// For folders: what is installed there instead of what the lock says
    #[arg(long)]
    pub installed: bool,
    /// Only what would be installed on this platform; said twice, the first counts for A
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub target: Vec<Target>,
    /// Leave out dependencies of these kinds: dev, optional, peer, or none; with one environment
    /// and said twice, the first counts for A
    #[arg(long, value_name = "KIND,…", value_parser = omit)]
    pub omit: Vec<Omit>,
    /// Direct dependencies only
    #[arg(long)]
    pub direct: bool,
    /// Show only changes of these classes
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', value_parser = class)]
    pub only: Vec<Class>,
    /// Exit 1 only if there are changes of these classes; none: never
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', value_parser = fatal)]
    pub fail_on: Option<Vec<Option<Class>>>,
    /// Differences to pass over: CLASS, CLASS:PACKAGE, CLASS:PACKAGE@VERSION; * is any class
    #[arg(long, value_name = "CLASS[:PACKAGE]", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Show also what package.json accepts
    #[arg(long)]
    pub no_ignore: bool,
    /// Look into the tarballs: files, scripts, commands and binaries that came or went; of all
    /// changed packages if none is named
    #[arg(long, value_name = "NAME", num_args = 0..)]
    pub contents: Option<Vec<String>>,
    /// How to print it [default: text, or what the ending of --output says]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<PageFormat>,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the installed tree A as a document, to be compared elsewhere or later
    #[arg(long, conflicts_with_all = ["after", "format", "json", "fail_on", "contents"])]
    pub snapshot: bool,
}

fn class(typed: &str) -> Result<Class, String> {
    Class::parse(typed).ok_or_else(|| {
        let words = Class::ALL.map(Class::as_str);
        format!("classes are {}", words.join(", "))
    })
}

fn fatal(typed: &str) -> Result<Option<Class>, String> {
    match typed {
        "none" => Ok(None),
        word => class(word).map(Some),
    }
}

fn omit(typed: &str) -> Result<Omit, String> {
    let mut omit = Omit::default();
    for word in typed.split(',').filter(|word| !word.is_empty()) {
        match word {
            "dev" => omit.dev = true,
            "optional" => omit.optional = true,
            "peer" => omit.peer = true,
            "none" => {}
            _ => return Err("kinds are dev, optional, peer and none".to_owned()),
        }
    }
    Ok(omit)
}
