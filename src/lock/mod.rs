//! Lock files: versions 1 to 3 read, 3 written, byte for byte as npm does.
//!
//! A lock is a JSON object. From version 2 on its `packages` maps locations (`""` for the project,
//! `node_modules/a`, `packages/w`, `../ext`) to entries, which are small manifests with `resolved`,
//! `integrity` and flags. Version 1 has a recursive `dependencies` object instead, which is turned
//! into `packages` while reading. Reading takes what npm takes, merge conflicts included; a frozen
//! install then asks [`check`] for what npm lets pass: twice-written keys, keys that leave the
//! project, unknown versions.
//!
//! - [`find_and_read`], [`parse`]: text to [`Lock`]; [`text`], [`write_if_changed`]: the way back.
//! - [`check`], [`check_key`]: what a lock may not say.

mod check;
mod conflict;
mod entries;
mod legacy;
mod nested;
mod places;
mod read;
mod write;

pub use check::{KeyFlaw, Place, check, check_key, check_whole, entry_flaws};
pub use entries::{entries, entry};
pub use nested::dependencies;
pub use places::{Index, link_target};
pub use read::{find, find_and_read, parse, parse_for};
pub use write::{Style, Top, has_but_extraneous_more, text, write_if_changed};

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::disk::DiskError;
use crate::json::{self, JsonError};

/// npm's names of the lock, in the order in which they count.
pub const FILE_NAMES: [&str; 2] = ["npm-shrinkwrap.json", "package-lock.json"];

/// Locations and their entries, in a file's order.
pub type Packages = Vec<(String, Map<String, Value>)>;

/// What a lock file says.
#[derive(Debug, Clone, Default)]
pub struct Lock {
    /// `npm-shrinkwrap.json`, `package-lock.json`, or what the caller called it.
    pub file_name: String,
    /// `lockfileVersion` as in the file; 1 when the file has none.
    pub version: u32,
    pub name: Option<String>,
    pub root_version: Option<String>,
    pub packages: Packages,
    /// Top-level members that npm does not know and keeps.
    pub extra: Map<String, Value>,
    /// The `dependencies` of versions 1 and 2, as written.
    pub legacy: Option<Map<String, Value>>,
    /// `packages` was made up from `dependencies`: ranges and flags in it are guesses.
    pub loaded_from_v1: bool,
    /// Written by npm 4 or older: the entries do not even say what they require.
    pub ancient: bool,
    /// The text had conflict markers and was merged as npm does it.
    pub merged: bool,
    /// The file's own formatting, which `npm shrinkwrap` keeps.
    pub indent: String,
    pub newline: String,
    /// The file's text.
    pub bytes: Vec<u8>,
}

impl Lock {
    pub fn has_at_most(&self, limit: usize) -> Result<(), LockError> {
        let packages = self.packages.len();
        if packages <= limit {
            return Ok(());
        }
        Err(LockError::TooMany {
            file: self.file_name.clone(),
            packages,
            limit,
        })
    }

    /// The entry at `location`; a walk, so build an [`Index`] for more than a few.
    pub fn entry(&self, location: &str) -> Option<&Map<String, Value>> {
        let (_, entry) = self.packages.iter().find(|(key, _)| key == location)?;
        Some(entry)
    }

    /// The 1-based line on which `key` is first written as a member's name.
    pub fn line_of(&self, key: &str) -> Option<usize> {
        let place = json::place_of(&self.bytes, key, 0)?;
        Some(json::line_at(&self.bytes, place))
    }
}

/// The name that a location's folder stands for: `@s/x` of `node_modules/a/node_modules/@s/x`.
pub fn folder_name(location: &str) -> &str {
    let base = location.rfind('/').map_or(0, |slash| slash + 1);
    let parent = location[..base].strip_suffix('/').unwrap_or_default();
    let scope = parent.rfind('/').map_or(0, |slash| slash + 1);
    if parent[scope..].starts_with('@') {
        &location[scope..]
    } else {
        &location[base..]
    }
}

/// Is it a package's place, and not a folder of the project's own or outside of it?
pub fn is_in_modules(location: &str) -> bool {
    location.starts_with("node_modules/") || location.contains("/node_modules/")
}

/// The package's name: the entry's own if it has one, else its folder's.
pub fn package_name<'a>(location: &'a str, entry: &'a Map<String, Value>) -> &'a str {
    entry
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| folder_name(location))
}

/// Why a lock cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LockError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    #[error("`{file}` is not valid JSON")]
    #[diagnostic(
        code(EJSONPARSE),
        help("restore the file from version control, or delete it and run `heatseal shrinkwrap`")
    )]
    Json {
        file: String,
        #[source]
        source: JsonError,
    },
    #[error("`{file}` has conflict markers whose sides cannot be merged")]
    #[diagnostic(
        code(EJSONPARSE),
        help("resolve the conflict, or keep one side and run `heatseal shrinkwrap`")
    )]
    Unmergeable {
        file: String,
        #[source]
        source: JsonError,
    },
    #[error("`{file}`, line {line}: a merge conflict is not resolved")]
    #[diagnostic(
        code(EUSAGE),
        help("run `heatseal shrinkwrap` to merge both sides and write the lock anew")
    )]
    Conflict { file: String, line: usize },
    #[error("`{file}`{}: {place} is {found}, where {wanted} belongs", on_line(*line))]
    #[diagnostic(code(EUSAGE), help("run `heatseal shrinkwrap` to write the lock anew"))]
    WrongType {
        file: String,
        line: Option<usize>,
        /// The member as a path: `packages["node_modules/a"].version`.
        place: String,
        found: &'static str,
        wanted: &'static str,
    },
    #[error("`{file}`{}: {key:?} is no place for a package: it {flaw}", on_line(*line))]
    #[diagnostic(
        code(EINVALIDLOCATION),
        help("somebody may have tampered with the lock; compare it with its last good revision")
    )]
    Key {
        file: String,
        line: Option<usize>,
        key: String,
        flaw: KeyFlaw,
    },
    #[error("`{file}`, line {line}: {key:?} is written twice in one object")]
    #[diagnostic(
        code(EUSAGE),
        help("readers disagree on which one counts; keep one, or run `heatseal shrinkwrap`")
    )]
    Duplicate {
        file: String,
        line: usize,
        key: String,
    },
    #[error("`{file}`, line {line}: more than {levels} objects and lists lie inside each other")]
    #[diagnostic(code(EUSAGE), help("no lock is nested like that; restore the file"))]
    Deep {
        file: String,
        line: usize,
        levels: u32,
    },
    #[error("`{file}`: {one:?} and {other:?} are one folder where case does not count")]
    #[diagnostic(code(EINVALIDLOCATION), help("only one of them can be installed"))]
    CaseTwins {
        file: String,
        one: String,
        other: String,
    },
    #[error("`{file}`{}: the {member} of {key:?} {why}", on_line(*line))]
    #[diagnostic(
        code(EINVALIDENTRY),
        help("npm writes no such lock; somebody may have tampered with it")
    )]
    Entry {
        file: String,
        line: Option<usize>,
        key: String,
        member: &'static str,
        why: &'static str,
    },
    #[error("`{file}` has more than {limit} bytes")]
    #[diagnostic(code(EFBIG), help("if it is honest, raise --max-lockfile-size"))]
    TooLarge { file: String, limit: u64 },
    #[error("`{file}` has {packages} packages, more than {limit}")]
    #[diagnostic(code(EFBIG), help("if it is honest, raise --max-lockfile-packages"))]
    TooMany {
        file: String,
        packages: usize,
        limit: usize,
    },
    #[error("`{file}`{}: {key:?} has version {version:?}, which is not a version", on_line(*line))]
    #[diagnostic(
        code(EUSAGE),
        help("a version has three numbers and perhaps a prerelease or build: 1.2.3-beta.1")
    )]
    EntryVersion {
        file: String,
        line: Option<usize>,
        key: String,
        version: String,
    },
    #[error("{feature} needs a lock of version 4, which heatseal does not write")]
    #[diagnostic(
        code(ELOCKFILEVERSION),
        help("agree with npm 11 (`--npm-version 11`), which ignores it, or do without")
    )]
    Version4 { feature: String },
    #[error("`{file}` has lockfileVersion {found}, and heatseal knows 1 to 3")]
    #[diagnostic(
        code(ELOCKFILEVERSION),
        help("write it again with `npm install --lockfile-version 3` or `heatseal shrinkwrap`")
    )]
    Version { file: String, found: u32 },
    #[error("`{file}`{}: {key:?} links to {target:?}, which is not in the lock", on_line(*line))]
    #[diagnostic(
        code(EMISSINGTARGET),
        help("run `heatseal shrinkwrap` to write the lock anew")
    )]
    MissingTarget {
        file: String,
        line: Option<usize>,
        key: String,
        target: String,
    },
    #[error("neither npm-shrinkwrap.json nor package-lock.json is in `{}`", .0.display())]
    #[diagnostic(code(ENOLOCK), help("run `heatseal shrinkwrap` to write one"))]
    Missing(PathBuf),
}

impl LockError {
    /// The 1-based line that is meant, where it is known.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Json { source, .. } | Self::Unmergeable { source, .. } => Some(source.line),
            Self::Conflict { line, .. }
            | Self::Duplicate { line, .. }
            | Self::Deep { line, .. } => Some(*line),
            Self::WrongType { line, .. }
            | Self::Key { line, .. }
            | Self::Entry { line, .. }
            | Self::EntryVersion { line, .. }
            | Self::MissingTarget { line, .. } => *line,
            _ => None,
        }
    }
}

fn on_line(line: Option<usize>) -> String {
    line.map(|line| format!(", line {line}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
