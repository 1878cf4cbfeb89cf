//! Lifecycle scripts: which, in what order, with what environment.
//!
//! A package has scripts when the lock says so, or when it holds a `binding.gyp` and no `install`
//! or `preinstall` of its own: then `install` is `node-gyp rebuild`. A policy decides which of them
//! run; where it does, the manifest from the verified tarball counts and not what the lock says of
//! it. There are two rounds: ordinary packages do `preinstall`, `install`, `postinstall`; then
//! links do `preinstall`, `prepare`, `install`, `postinstall`. All packages finish one event before
//! any begins the next; within an event the shallow come first, then by location.
//!
//! A script gets npm 11's environment (see [`Environment`]), so `node-gyp`, `prebuild-install` and
//! the like find what they look for.
//!
//! Source: arborist's `rebuild.js`, `@npmcli/run-script`, `@npmcli/config/lib/set-envs.js`.

mod environment;
mod git;
mod output;
mod plan;
mod policy;
mod run;
mod stop;
#[cfg(test)]
mod tests;
mod throwaway;

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::name::PackageId;

pub use environment::{Environment, Setup};
pub use plan::{Plan, Planned, plan, plan_in};
pub use policy::{Policy, Rules, key_for};
pub use run::{AFTER_INSTALL, DEPENDENCIES, Ran, run_dependencies, run_root};
pub use stop::stop;
pub use throwaway::{Ended, run_throwaway};

/// One package of the tree on disk that may have scripts.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The lock's key: `node_modules/a`. A link's own, not its target's.
    pub location: String,
    /// Where its files lie; for a link the target's real folder. Absolute.
    pub folder: PathBuf,
    /// Name and version as the lock has them, never as the tarball claims.
    pub id: PackageId,
    pub kind: Kind,
    /// As the lock has it.
    pub resolved: Option<String>,
    pub integrity: Option<String>,
    pub flags: Flags,
    /// The lock's `hasInstallScript`; true for every entry of a version 1 lock, which cannot tell.
    pub has_install_script: bool,
    /// `node_modules` folders above it: 1 for a direct child of the project's.
    pub depth: usize,
    /// The package whose tarball it came in, when that is another's.
    pub bundler: Option<Box<Candidate>>,
}

/// What kind of place a package has in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unpacked from a tarball of its own.
    Package,
    /// Came inside another package's tarball.
    Bundled,
    /// A link to a folder: a `file:` dependency.
    Link,
    /// A link to a workspace of the project.
    Workspace,
}

impl Kind {
    pub fn is_link(self) -> bool {
        matches!(self, Self::Link | Self::Workspace)
    }
}

/// Why a package is in the tree, in the lock's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // the lock's own four flags
pub struct Flags {
    pub dev: bool,
    pub optional: bool,
    pub peer: bool,
    pub dev_optional: bool,
}

/// How a script ended, when not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Code(i32),
    Signal(i32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "failed with exit code {code}"),
            Self::Signal(signal) => match signal_name(signal) {
                Some(name) => write!(f, "was killed by {name}"),
                None => write!(f, "was killed by signal {signal}"),
            },
        }
    }
}

/// The signals that end processes in practice; their numbers are the same on Linux, macOS and
/// illumos, but for SIGBUS.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

/// What a failed script was, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub command: String,
    pub folder: PathBuf,
    /// The last lines it printed; empty when they were shown already.
    pub output: String,
}

/// Why scripts did not run to their end.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ScriptError {
    #[error("the {event} script of `{package}` {ending}")]
    #[diagnostic(
        code(ELIFECYCLE),
        help("it ran `{}` in `{}`{}", account.command, account.folder.display(), output::quoted(&account.output))
    )]
    Failed {
        /// `name@version`, or what stands for it in a project without a name.
        package: String,
        event: String,
        ending: Ending,
        account: Box<Account>,
    },
    #[error("there is no shell `{shell}` to run scripts with")]
    #[diagnostic(
        code(ENOENT),
        help("install it, set `script-shell` to one that exists, or use --ignore-scripts")
    )]
    NoShell { shell: String },
    #[error("cannot start the {event} script of `{package}` with `{}` in `{}`", shell.display(), folder.display())]
    #[diagnostic(
        code(EIO),
        help("the shell has to be executable, and the folder readable")
    )]
    Start {
        package: String,
        event: String,
        shell: PathBuf,
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
}
