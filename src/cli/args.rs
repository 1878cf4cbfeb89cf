//! What may be typed: verbs, flags, and the help that explains them.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::lock_args::{Completions, Lint, Man, Mirror, Sbom};
use super::npm_flags::NpmFlags;
use crate::diff::{Class, Omit};
use crate::target::Target;

mod graph;

pub use graph::{Kind, Ls, Merge, Why};

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
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// Print nothing but errors and what was asked for
    #[arg(short, long, visible_alias = "silent", global = true)]
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
    pub runtime: Runtime,
    #[command(flatten)]
    pub npm: NpmFlags,
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
/// digest is the same on every machine for the same lock, target and flags. Say --omit and --target
/// as at the install.
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
    pub runtime: Runtime,
    #[command(flatten)]
    pub npm: NpmFlags,
}

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

/// The command line with npm's ways of writing switches made clap's: `--no-audit` is
/// `--audit=false`, and `--audit false` is `--audit=false`.
pub fn normalized(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let switches = super::npm_flags::switches();
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

fn version(typed: &str) -> Result<semver::Version, String> {
    let digits = typed.strip_prefix('v').unwrap_or(typed);
    semver::Version::parse(digits)
        .map_err(|_| "a version has three numbers, such as 22.11.0".to_owned())
}

fn age(typed: &str) -> Result<Duration, String> {
    let days: f64 = super::npm_flags::days(typed)?.parse().unwrap_or(f64::NAN);
    let seconds = Duration::try_from_secs_f64(days * 24.0 * 60.0 * 60.0);
    seconds.map_err(|_| "write an age such as 36h, 2d or 1w".to_owned())
}

pub fn target(typed: &str) -> Result<Target, String> {
    let parsed = typed.parse::<Target>();
    parsed.map_err(|error| {
        let example = "write it like linux-x64-glibc2.28-node22, linux-arm64-musl, darwin-arm64 or node:22-alpine";
        format!("{}; {example}", error.reason)
    })
}

pub fn aim(typed: &str) -> Result<Aimed, String> {
    if typed == "host" {
        return Ok(Aimed::Host);
    }
    target(typed).map(|target| Aimed::Named(typed.to_owned(), target.with_libc()))
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

/// A whole version, or the number of a generation.
fn npm_version(typed: &str) -> Result<semver::Version, String> {
    version(match typed {
        "11" => "11.19.1",
        "12" => "12.2.0",
        whole => whole,
    })
}

fn file_name(typed: &str) -> Result<String, String> {
    if typed.is_empty() || typed == "." || typed == ".." || typed.contains(['/', '\\']) {
        return Err("the lock lies in the project folder: give a name, not a path".to_owned());
    }
    Ok(typed.to_owned())
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
