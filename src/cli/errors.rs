//! Failures as users read them: code, what happened, why, who required it, what to do; exit codes.

use std::error::Error;
use std::io;

use miette::Diagnostic;
use serde_json::{Value, json};

use super::paint::{Paint, message, message_within, one_line};
use crate::diff::DiffError;
use crate::diff::ignore::RuleError;
use crate::disk::DiskError;
use crate::foreign::ForeignError;
use crate::link::LinkError;
use crate::lint::IgnoreError;
use crate::lock::LockError;
use crate::manifest::ManifestError;
use crate::npmrc::ConfigError;
use crate::ops::{
    InstallError, LintError, LoadError, LockedError, MergeError, MirrorError, Refused, SbomError,
    SessionError, SetupError, ShrinkwrapError, SideError,
};
use crate::registry::RegistryError;
use crate::resolve::{LoadFailure, ResolveError, WorkspaceError};
use crate::store::StoreError;
use crate::why::QueryError;

/// Exit codes; their meaning is told by `heatseal --help`.
pub mod exit {
    pub const OK: u8 = 0;
    pub const NO: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const LOCK: u8 = 3;
    pub const INTEGRITY: u8 = 4;
    pub const PLATFORM: u8 = 5;
    pub const POLICY: u8 = 6;
    pub const REGISTRY: u8 = 7;
    pub const SCRIPT: u8 = 8;
    pub const RESOLVE: u8 = 9;
    pub const DISK: u8 = 10;
}

/// Details beyond this many are counted, not shown.
const MOST_DETAILS: usize = 20;

/// Bytes of a failure of one sentence, with its hints; progress may stand above it.
const MOST_BYTES: usize = 400;
/// Bytes of one of its details.
const LONGEST_DETAIL: usize = 240;
/// However long the rest is: two hashes have room.
const LEAST_BYTES: usize = 280;

/// A failure, ready to be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    pub code: String,
    pub message: String,
    /// Single facts that belong to the message, one a line.
    pub details: Vec<String>,
    /// From the outermost cause to the root.
    pub causes: Vec<String>,
    /// Packages from the project down to the one that asked.
    pub chain: Vec<String>,
    pub hints: Vec<String>,
    pub exit: u8,
}

impl Failure {
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            code: "EUSAGE".to_owned(),
            message: message.into(),
            hints: vec![hint.into()],
            exit: exit::USAGE,
            ..Self::default()
        }
    }

    /// What a room says about its error. `otherwise` is the exit code unless the error's own code
    /// has one.
    fn of(error: &dyn Diagnostic, otherwise: u8) -> Self {
        let root = root_io(error);
        let code = error
            .code()
            .map(|code| code.to_string())
            .unwrap_or_default();
        let code = match root.and_then(io_code) {
            Some(precise) if matches!(code.as_str(), "" | "EIO") => precise.to_owned(),
            _ => code,
        };
        let message = error.to_string();
        // What the system refused proves nothing about content.
        let otherwise = match root {
            Some(_) if otherwise == exit::INTEGRITY => exit::DISK,
            _ => otherwise,
        };
        Self {
            exit: exit_code(&code, otherwise),
            causes: causes(error.source(), &message),
            hints: error
                .help()
                .map(|help| help.to_string())
                .into_iter()
                .collect(),
            code,
            message,
            ..Self::default()
        }
    }

    /// The lines for a person.
    pub fn text(&self, paint: Paint) -> String {
        let code = if self.code.is_empty() {
            String::new()
        } else {
            format!("[{}]", one_line(&self.code))
        };
        let head = paint.red(format!("error{code}"));
        let mut lines = vec![format!(
            "{head}: {}",
            message_within(&self.message, self.room())
        )];
        let shown = self.details.iter().take(MOST_DETAILS);
        lines.extend(shown.map(|detail| format!("  {}", message_within(detail, LONGEST_DETAIL))));
        if self.details.len() > MOST_DETAILS {
            lines.push(format!("  and {} more", self.details.len() - MOST_DETAILS));
        }
        for cause in &self.causes {
            lines.push(format!("  caused by: {}", message(cause)));
        }
        if !self.chain.is_empty() {
            lines.push(format!(
                "  required by: {}",
                message(&one_line(&self.chain.join(" › ")))
            ));
        }
        for hint in &self.hints {
            lines.push(format!("{}: {}", paint.cyan("hint"), message(hint)));
        }
        lines.join("\n")
    }

    /// Bytes for the sentence that says what happened: a long name or address in it must not push
    /// out what to do about it.
    fn room(&self) -> usize {
        let others = self.details.iter().chain(&self.causes).chain(&self.hints);
        let others: usize = others.map(|line| line.len() + "hint: ".len()).sum();
        let chain: usize = self.chain.iter().map(|id| id.len() + " › ".len()).sum();
        let taken = others + chain + "error[]: ".len() + self.code.len();
        MOST_BYTES.saturating_sub(taken).max(LEAST_BYTES)
    }

    /// The document for a machine; version 1.
    pub fn json(&self) -> Value {
        json!({
            "version": 1,
            "error": {
                "code": self.code,
                "message": self.message,
                "details": self.details,
                "causes": self.causes,
                "requiredBy": self.chain,
                "hints": self.hints,
                "exit": self.exit,
            },
        })
    }
}

/// The exit code that an error's code stands for wherever it comes from.
fn exit_code(code: &str, otherwise: u8) -> u8 {
    let http = code.len() == 4 && code[1..].bytes().all(|b| b.is_ascii_digit());
    match code {
        "EINTEGRITY" | "EINVALIDLOCATION" => exit::INTEGRITY,
        "EBADPLATFORM" | "EBADENGINE" | "EBADDEVENGINES" => exit::PLATFORM,
        "ERESOLVE" | "ETARGET" | "ENOVERSIONS" => exit::RESOLVE,
        "ENOSPC" | "EACCES" | "EPERM" | "EROFS" | "EDQUOT" | "EMFILE" | "EIO" => exit::DISK,
        "EJSONPARSE" if otherwise == exit::RESOLVE => exit::USAGE,
        "ELINKED" => exit::POLICY,
        "EGITPREPARE" => exit::SCRIPT,
        _ if code.starts_with("EALLOW") => exit::POLICY,
        _ if http => exit::REGISTRY,
        _ => otherwise,
    }
}

/// The sentences of the causes, without those that repeat what was said.
fn causes(first: Option<&(dyn Error + 'static)>, message: &str) -> Vec<String> {
    let mut said = vec![message.to_owned()];
    let mut next = first;
    while let Some(cause) = next {
        let sentence = cause.to_string();
        if said.last() != Some(&sentence) {
            said.push(sentence);
        }
        next = cause.source();
    }
    said.split_off(1)
}

fn root_io(error: &dyn Diagnostic) -> Option<&io::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<io::Error>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// The system's name of an error, as Node prints it.
fn io_code(error: &io::Error) -> Option<&'static str> {
    use rustix::io::Errno;
    let code = Errno::from_raw_os_error(error.raw_os_error()?);
    let known = [
        (Errno::NOENT, "ENOENT"),
        (Errno::ACCESS, "EACCES"),
        (Errno::PERM, "EPERM"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::DQUOT, "EDQUOT"),
        (Errno::ROFS, "EROFS"),
        (Errno::ISDIR, "EISDIR"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::EXIST, "EEXIST"),
        (Errno::NOTEMPTY, "ENOTEMPTY"),
        (Errno::MFILE, "EMFILE"),
        (Errno::LOOP, "ELOOP"),
        (Errno::XDEV, "EXDEV"),
        (Errno::NAMETOOLONG, "ENAMETOOLONG"),
        (Errno::TXTBSY, "ETXTBSY"),
        (Errno::BUSY, "EBUSY"),
    ];
    known
        .into_iter()
        .find(|(errno, _)| *errno == code)
        .map(|(_, name)| name)
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let otherwise = match error {
            ManifestError::Disk(_) => exit::DISK,
            ManifestError::Json { .. } | ManifestError::NotAnObject { .. } => exit::USAGE,
        };
        Self::of(&error, otherwise)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let otherwise = match error {
            ConfigError::Disk(_) => exit::DISK,
            _ => exit::USAGE,
        };
        Self::of(&error, otherwise)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let otherwise = match error {
            LockError::Disk(_) => exit::DISK,
            _ => exit::LOCK,
        };
        Self::of(&error, otherwise)
    }
}

impl From<LockedError> for Failure {
    fn from(error: LockedError) -> Self {
        match error {
            LockedError::Lock(error) => error.into(),
            LockedError::Manifest(error) => error.into(),
            LockedError::Config(error) => error.into(),
            LockedError::Disk(error) => Self::of(&error, exit::DISK),
        }
    }
}

impl From<RuleError> for Failure {
    fn from(error: RuleError) -> Self {
        Self::of(&error, exit::USAGE)
    }
}

impl From<LintError> for Failure {
    fn from(error: LintError) -> Self {
        match error {
            LintError::Locked(error) => error.into(),
            LintError::Ignore(error) => error.into(),
            LintError::Registry(error) => error.into(),
            LintError::Disk(error) => Self::of(&error, exit::DISK),
        }
    }
}

impl From<MirrorError> for Failure {
    fn from(error: MirrorError) -> Self {
        match error {
            MirrorError::Locked(error) => error.into(),
            MirrorError::Lock(error) => error.into(),
            MirrorError::Resolve(error) => error.into(),
            MirrorError::Registry(error) => error.into(),
            MirrorError::Store(error) => error.into(),
            MirrorError::Disk(error) => error.into(),
        }
    }
}

impl From<SbomError> for Failure {
    fn from(error: SbomError) -> Self {
        let message = error.to_string();
        match error {
            SbomError::Locked(error) => error.into(),
            SbomError::Resolve(error) => error.into(),
            SbomError::OutOfSync { differences, .. } => Self {
                code: "EUSAGE".to_owned(),
                message,
                details: differences,
                hints: vec!["run `heatseal shrinkwrap`, then try again".to_owned()],
                exit: exit::LOCK,
                ..Self::default()
            },
        }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Lock(error) => error.into(),
            LoadError::Disk(error) => Self::of(&error, exit::DISK),
            LoadError::NotInstalled(_) | LoadError::Node(..) => Self::of(&error, exit::USAGE),
        }
    }
}

impl From<ForeignError> for Failure {
    fn from(error: ForeignError) -> Self {
        let otherwise = match error {
            ForeignError::Disk(_) => exit::DISK,
            ForeignError::Missing { .. } | ForeignError::Unknown { .. } => exit::USAGE,
            _ => exit::LOCK,
        };
        Self::of(&error, otherwise)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Config(error) => error.into(),
            SessionError::NoProject(_) | SessionError::NoStore => Self::of(&error, exit::USAGE),
        }
    }
}

impl From<DiffError> for Failure {
    fn from(error: DiffError) -> Self {
        match error {
            DiffError::Lock(error) => error.into(),
            DiffError::Foreign(error) => error.into(),
            DiffError::Disk(_) => Self::of(&error, exit::DISK),
            DiffError::NoLockThere { .. } => Self::of(&error, exit::LOCK),
            DiffError::Ssh { .. } | DiffError::NoSsh(_) => Self::of(&error, exit::REGISTRY),
            _ => Self::of(&error, exit::USAGE),
        }
    }
}

impl From<IgnoreError> for Failure {
    fn from(error: IgnoreError) -> Self {
        Self::of(&error, exit::USAGE)
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::of(&error, exit::USAGE)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(&error, exit::INTEGRITY)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::of(&error, exit::REGISTRY)
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        Self::of(&error, exit::DISK)
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let code = Some(error.code()).filter(|code| !code.is_empty());
        let code = code.unwrap_or_else(|| "EINVALIDSPEC".to_owned());
        let (otherwise, causes) = match &error {
            ResolveError::Load { failure, .. } => (
                load_exit(failure),
                causes(failure.cause.source(), &error.to_string()),
            ),
            ResolveError::Workspaces(WorkspaceError::Manifest(_)) => {
                (exit::USAGE, causes(error.source(), &error.to_string()))
            }
            _ => (exit::RESOLVE, causes(error.source(), &error.to_string())),
        };
        Self {
            exit: exit_code(&code, otherwise),
            message: error.to_string(),
            causes,
            chain: error.chain().to_vec(),
            hints: error.hints(),
            details: Vec::new(),
            code,
        }
    }
}

/// Most of what cannot be loaded was not to be had from the registry; the rest are files.
fn load_exit(failure: &LoadFailure) -> u8 {
    match failure.code.as_str() {
        "ENOENT" | "ENOLOCAL" | "ENOTDIR" | "EISDIR" | "EINCOMPLETEMANIFEST" => exit::RESOLVE,
        _ => exit::REGISTRY,
    }
}

impl From<ShrinkwrapError> for Failure {
    fn from(error: ShrinkwrapError) -> Self {
        let message = error.to_string();
        match error {
            ShrinkwrapError::Manifest(error) => error.into(),
            ShrinkwrapError::Lock(error) => error.into(),
            ShrinkwrapError::Foreign(error) => error.into(),
            ShrinkwrapError::Config(error) => error.into(),
            ShrinkwrapError::Registry(error) => error.into(),
            ShrinkwrapError::Resolve(error) => error.into(),
            ShrinkwrapError::Disk(error) => Self::of(&error, exit::DISK),
            ShrinkwrapError::Moves { changes, .. } => Self {
                code: "EUSAGE".to_owned(),
                details: changes,
                exit: exit::LOCK,
                ..Self::usage(
                    message,
                    "run `heatseal shrinkwrap`: it brings the whole lock in line, platforms included",
                )
            },
        }
    }
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Side(error) => error.into(),
            MergeError::Lock(error) => error.into(),
            MergeError::Manifest(error) => error.into(),
            MergeError::Resolve(error) => error.into(),
            MergeError::Registry(error) => error.into(),
            MergeError::Disk(error) => Self::of(&error, exit::DISK),
        }
    }
}

impl From<SideError> for Failure {
    fn from(error: SideError) -> Self {
        Self::of(&error, exit::LOCK)
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let otherwise = match error {
            SetupError::NoRepository => exit::USAGE,
            SetupError::Setting(_) | SetupError::Disk(_) => exit::DISK,
        };
        Self::of(&error, otherwise)
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        let message = error.to_string();
        match error {
            InstallError::Manifest(error) => error.into(),
            InstallError::Lock(error) => error.into(),
            InstallError::Config(error) => error.into(),
            InstallError::Registry(error) => error.into(),
            InstallError::Resolve(error) => error.into(),
            InstallError::Shrinkwrap(error) => error.into(),
            InstallError::Store(error) => error.into(),
            InstallError::Link(error) => {
                let otherwise = match error {
                    LinkError::Fetch(_) | LinkError::Undelivered(_) => exit::REGISTRY,
                    LinkError::Store(_) | LinkError::NotBundled { .. } => exit::INTEGRITY,
                    _ => exit::DISK,
                };
                let mut failure = Self::of(&error, otherwise);
                if let LinkError::Store(StoreError::Integrity {
                    comparison: Some(comparison),
                    ..
                }) = error
                {
                    failure.details.push(comparison.into());
                }
                failure
            }
            InstallError::Script(error) => Self::of(&error, exit::SCRIPT),
            InstallError::Disk(error) => Self::of(&error, exit::DISK),
            InstallError::NoLock { .. } => Self {
                hints: vec!["run `heatseal shrinkwrap` to write one".to_owned()],
                exit: exit::LOCK,
                ..Self::usage(message, "")
            },
            InstallError::NoManifest { .. } => Self {
                code: "ENOENT".to_owned(),
                ..Self::usage(
                    message,
                    "the lock is held against it: bring both, or name the project with -C",
                )
            },
            InstallError::OutOfSync { differences, .. } => Self {
                details: differences,
                exit: exit::LOCK,
                ..Self::usage(
                    message,
                    "run `heatseal shrinkwrap` to bring the lock in line, review it and commit it",
                )
            },
            InstallError::Origin(error) => Self::of(&error, exit::POLICY),
            InstallError::Dishonest { entries, .. } => Self {
                code: "ELOCKENTRY".to_owned(),
                details: entries,
                exit: exit::LOCK,
                ..Self::usage(
                    message,
                    "somebody may have tampered with the lock; run `heatseal shrinkwrap` to write it anew and review the differences",
                )
            },
            InstallError::Scripts(refused) => scripts_refused(&refused, message),
            InstallError::NoBinary { packages, .. } => Self {
                code: "EBADPLATFORM".to_owned(),
                message,
                hints: vec![
                    "they may fail when they are loaded there; where they do without, name them with --allow-without-binary, or in package.json: \"heatseal\": {\"allowWithoutBinary\": [\"NAME\"]}".to_owned(),
                ],
                details: packages,
                exit: exit::PLATFORM,
                ..Self::default()
            },
            InstallError::Unfit { reasons, .. } => Self {
                code: "EBADPLATFORM".to_owned(),
                message,
                details: reasons,
                hints: vec![
                    "`heatseal platforms` shows every package and what it needs".to_owned(),
                ],
                exit: exit::PLATFORM,
                ..Self::default()
            },
            InstallError::MissingIntegrity { .. } => Self {
                code: "EINTEGRITY".to_owned(),
                exit: exit::INTEGRITY,
                ..Self::usage(
                    message,
                    "run `heatseal shrinkwrap --update` to lock anew what the registry promises (versions may move), or accept it with --allow-missing-integrity",
                )
            },
        }
    }
}

/// Who needs a script, the line to add, and the other ways out.
fn scripts_refused(refused: &Refused, message: String) -> Failure {
    let packages = refused.packages.iter();
    let details = packages
        .map(|needs| format!("{}  {}", needs.package, needs.script))
        .collect();
    let (message, hints) = if let Some((host, target)) = &refused.foreign {
        let message = format!("{message}: this machine is {host}, and the tree is for {target}");
        let hint = "install on such a machine, or use --ignore-scripts to do without them";
        (message, vec![hint.to_owned()])
    } else {
        let place = if refused.has_rules {
            "heatseal.allowScripts in package.json"
        } else {
            "package.json"
        };
        let add = format!("to allow them, add this to {place}: {}", refused.line());
        let others = "false instead of true installs a package without its script, --ignore-scripts or --scripts npm all for this once";
        (message, vec![add, others.to_owned()])
    };
    Failure {
        code: "EALLOWSCRIPTS".to_owned(),
        message,
        details,
        hints,
        exit: exit::POLICY,
        ..Failure::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskError;

    #[test]
    fn a_full_disk_is_named_as_the_system_names_it() {
        let full = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let failure = Failure::from(ShrinkwrapError::Disk(DiskError::new(
            "write", "/p/lock", full,
        )));
        assert_eq!(
            (failure.code.as_str(), failure.exit),
            ("ENOSPC", exit::DISK)
        );
        assert_eq!(failure.message, "cannot write `/p/lock`");
        assert_eq!(failure.causes.len(), 1);
    }

    #[test]
    fn a_lock_that_disagrees_shows_its_differences_and_exits_3() {
        let failure = Failure::from(InstallError::OutOfSync {
            lock: "npm-shrinkwrap.json".to_owned(),
            differences: vec!["Missing: a@1.0.0 from lock file".to_owned()],
        });
        assert_eq!(failure.exit, exit::LOCK);
        assert_eq!(
            failure.text(Paint::plain()),
            "error[EUSAGE]: package.json and npm-shrinkwrap.json disagree\n  \
             Missing: a@1.0.0 from lock file\n\
             hint: run `heatseal shrinkwrap` to bring the lock in line, review it and commit it"
        );
    }

    #[test]
    fn codes_decide_where_the_room_alone_cannot() {
        for (code, exit) in [
            ("EINTEGRITY", 4),
            ("E404", 7),
            ("ETARGET", 9),
            ("EALLOWGIT", 6),
            ("EBADPLATFORM", 5),
        ] {
            assert_eq!(exit_code(code, exit::NO), exit, "{code}");
        }
        assert_eq!(exit_code("EWHATEVER", exit::SCRIPT), exit::SCRIPT);
    }

    #[test]
    fn nothing_in_an_error_reaches_the_terminal_raw() {
        let failure = Failure {
            code: "E404\x1b[2J".to_owned(),
            message: "a\x1b]0;x\x07".to_owned(),
            chain: vec!["b\r\n".to_owned()],
            ..Failure::usage("", "\x1bc")
        };
        let text = failure.text(Paint::plain());
        assert!(!text.contains(['\x1b', '\x07', '\r']), "{text:?}");
    }
}
