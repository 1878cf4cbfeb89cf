//! Refuses what npm lets pass in a lock and a frozen install must not.

use std::collections::hash_map::Entry;
use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};

use super::places::link_target;
use super::{Lock, LockError, conflict};
use crate::integrity::Integrity;
use crate::json::{self, Ambiguity};
use crate::limits::DEEPEST_JSON;
use crate::manifest::{is_plain_name, is_plain_path};
use crate::name::PackageName;

/// What a key of `packages` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `""`: the project.
    Project,
    /// `…node_modules/name` in the project.
    Package,
    /// A folder of the project: a workspace or a link's target.
    Folder,
    /// `../…`: outside the project; only a link's target, or something below it, may be there.
    Outside,
}

/// Why a key is no place for a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFlaw {
    Absolute,
    Backslash,
    Colon,
    Control,
    EmptyPart,
    Dots,
    BadName,
    Reserved,
    NoTarget,
    NoParent,
    BelowLink,
    Long,
}

impl fmt::Display for KeyFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absolute => "is an absolute path",
            Self::Backslash => "has a backslash",
            Self::Colon => "has a colon",
            Self::Control => "has control characters",
            Self::EmptyPart => "has an empty part",
            Self::Dots => "has `.` or `..` where only folders may be",
            Self::BadName => "has no package name after `node_modules/`",
            Self::Reserved => "has a reserved folder name",
            Self::NoParent => "lies in a package that is not in the lock",
            Self::BelowLink => "lies in a link, where the linked folder's own location counts",
            Self::Long => "is longer than 4096 bytes",
            Self::NoTarget => "is a folder to which nothing links",
        })
    }
}

/// No file system takes longer paths.
const LONGEST_KEY: usize = 4096;

/// What a key of `packages` stands for: folders, then `node_modules/name` any number of times.
///
/// Says nothing about whether anything links to a [`Place::Folder`] or [`Place::Outside`].
pub fn check_key(key: &str) -> Result<Place, KeyFlaw> {
    if key.is_empty() {
        return Ok(Place::Project);
    }
    if key.len() > LONGEST_KEY {
        return Err(KeyFlaw::Long);
    }
    check_characters(key)?;
    let mut parts = key.split('/').peekable();
    let mut place = Place::Folder;
    while parts.next_if_eq(&"..").is_some() {
        place = Place::Outside;
    }
    if parts.peek().is_none() {
        return Ok(place);
    }
    let outside = place == Place::Outside;
    while let Some(part) = parts.next() {
        place = if part == "node_modules" {
            check_name(&mut parts)?;
            Place::Package
        } else {
            check_folder(part)?;
            Place::Folder
        };
    }
    Ok(if outside { Place::Outside } else { place })
}

fn check_characters(key: &str) -> Result<(), KeyFlaw> {
    if key.starts_with('/') {
        return Err(KeyFlaw::Absolute);
    }
    match key
        .chars()
        .find(|c| matches!(c, '\\' | ':') || c.is_control())
    {
        None => Ok(()),
        Some('\\') => Err(KeyFlaw::Backslash),
        Some(':') => Err(KeyFlaw::Colon),
        Some(_) => Err(KeyFlaw::Control),
    }
}

fn check_folder(part: &str) -> Result<(), KeyFlaw> {
    match part {
        "" => Err(KeyFlaw::EmptyPart),
        "." | ".." => Err(KeyFlaw::Dots),
        _ if ["node_modules", ".git", ".bin"]
            .iter()
            .any(|reserved| part.eq_ignore_ascii_case(reserved)) =>
        {
            Err(KeyFlaw::Reserved)
        }
        _ => Ok(()),
    }
}

fn check_name<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Result<(), KeyFlaw> {
    let first = parts.next().ok_or(KeyFlaw::BadName)?;
    let parsed = if first.starts_with('@') {
        let second = parts.next().ok_or(KeyFlaw::BadName)?;
        PackageName::parse(&format!("{first}/{second}"))
    } else {
        PackageName::parse(first)
    };
    parsed.map(|_| ()).map_err(|_| KeyFlaw::BadName)
}

/// Refuses a lock that readers may understand differently or that names places it should not:
/// conflict markers, unknown versions, members written twice, keys and links that lead elsewhere,
/// folders that differ by case alone, versions that are none.
///
/// - Source: npm takes all of these; `GHSA-fr4h-3cph-29xv`, `GHSA-c59q-g84q-2gj5`.
pub fn check(lock: &Lock) -> Result<(), LockError> {
    check_whole(lock)?;
    lock.packages
        .iter()
        .try_for_each(|(key, entry)| check_entry(lock, key, entry))
}

/// The part of [`check`] that is about the lock as a whole and its keys.
pub fn check_whole(lock: &Lock) -> Result<(), LockError> {
    let file = || lock.file_name.clone();
    if let Some(line) = conflict::first_marker(&lock.bytes) {
        return Err(LockError::Conflict { file: file(), line });
    }
    if !(1..=3).contains(&lock.version) {
        return Err(LockError::Version {
            file: file(),
            found: lock.version,
        });
    }
    match json::first_ambiguity(&lock.bytes, DEEPEST_JSON, &|_, _, _| true) {
        None => {}
        Some((line, Ambiguity::Twice(key))) => {
            return Err(LockError::Duplicate {
                file: file(),
                line,
                key,
            });
        }
        Some((line, Ambiguity::Deep(levels))) => {
            return Err(LockError::Deep {
                file: file(),
                line,
                levels,
            });
        }
    }
    check_places(lock)
}

fn check_entry(lock: &Lock, key: &str, entry: &Map<String, Value>) -> Result<(), LockError> {
    check_version(lock, key, entry)?;
    let flaw = flaw_of(key, entry);
    flaw.map_or(Ok(()), |(member, why)| {
        Err(LockError::Entry {
            file: lock.file_name.clone(),
            line: lock.line_of(key),
            key: key.to_owned(),
            member,
            why,
        })
    })
}

/// The first flaw of each entry that [`check`] refuses: its key, the member, and what is wrong.
pub fn entry_flaws(lock: &Lock) -> impl Iterator<Item = (&str, &'static str, &'static str)> {
    lock.packages.iter().filter_map(|(key, entry)| {
        let version = check_version(lock, key, entry).err();
        let version = version.map(|_| ("version", "is not a version"));
        let (member, why) = version.or_else(|| flaw_of(key, entry))?;
        Some((key.as_str(), member, why))
    })
}

fn check_places(lock: &Lock) -> Result<(), LockError> {
    let keys: FxHashSet<&str> = lock.packages.iter().map(|(key, _)| key.as_str()).collect();
    let mut targets = FxHashSet::default();
    let mut links = FxHashSet::default();
    for (key, entry) in &lock.packages {
        if entry.get("link").is_some_and(json::truthy) {
            let target = link_target(entry).unwrap_or_default();
            if !keys.contains(target) {
                return Err(LockError::MissingTarget {
                    file: lock.file_name.clone(),
                    line: lock.line_of(key),
                    key: key.clone(),
                    target: target.to_owned(),
                });
            }
            targets.insert(target);
            links.insert(key.as_str());
        }
    }
    let mut folded: FxHashMap<String, &str> = FxHashMap::default();
    for (key, _) in &lock.packages {
        let place = check_key(key).and_then(|place| {
            let entry = matches!(place, Place::Project | Place::Package);
            let linked = entry || below_a_target(key, &targets) || is_stale(lock, key);
            if !linked {
                return Err(KeyFlaw::NoTarget);
            }
            let parent = key.rfind("/node_modules/").map(|at| &key[..at]);
            if place == Place::Package && parent.is_some_and(|parent| !keys.contains(parent)) {
                return Err(KeyFlaw::NoParent);
            }
            if parent.is_some_and(|parent| links.contains(parent)) {
                return Err(KeyFlaw::BelowLink);
            }
            Ok(place)
        });
        if let Err(flaw) = place {
            return Err(LockError::Key {
                file: lock.file_name.clone(),
                line: lock.line_of(key),
                key: key.clone(),
                flaw,
            });
        }
        match folded.entry(key.to_lowercase()) {
            Entry::Vacant(free) => {
                free.insert(key);
            }
            Entry::Occupied(taken) => {
                return Err(LockError::CaseTwins {
                    file: lock.file_name.clone(),
                    one: (*taken.get()).to_owned(),
                    other: key.clone(),
                });
            }
        }
    }
    Ok(())
}

/// npm leaves folders in the lock that were workspaces once.
fn is_stale(lock: &Lock, key: &str) -> bool {
    let entry = lock.packages.iter().find(|(known, _)| known == key);
    !key.starts_with("..")
        && entry.is_some_and(|(_, entry)| entry.get("extraneous").is_some_and(json::truthy))
}

/// Whether the key is a link's target or a package below one.
fn below_a_target(key: &str, targets: &FxHashSet<&str>) -> bool {
    targets.contains(key)
        || key
            .match_indices("/node_modules/")
            .any(|(at, _)| targets.contains(&key[..at]))
}

/// The first member of an entry that no npm would have written, and what is wrong with it.
fn flaw_of(key: &str, entry: &Map<String, Value>) -> Option<(&'static str, &'static str)> {
    let text = |member: &str| entry.get(member).and_then(Value::as_str);
    let filled = |member: &str| text(member).filter(|text| !text.is_empty());
    if !key.is_empty() && filled("name").is_some_and(|name| PackageName::parse(name).is_err()) {
        return Some(("name", "is not a package's name"));
    }
    if filled("integrity").is_some_and(|text| !Integrity::is_well_formed(text)) {
        return Some(("integrity", "is malformed"));
    }
    if !entry.get("link").is_some_and(json::truthy)
        && let Some(why) = filled("resolved").and_then(address_flaw)
    {
        return Some(("resolved", why));
    }
    let bins = entry.get("bin")?;
    let plain = match bins {
        Value::Object(bins) => bins
            .iter()
            .all(|(name, path)| is_plain_name(name) && path.as_str().is_some_and(is_plain_path)),
        Value::String(path) => is_plain_path(path),
        other => !json::truthy(other),
    };
    (!key.is_empty() && !plain).then_some((
        "bin",
        "has a name or path that is not plain and inside the package",
    ))
}

fn address_flaw(resolved: &str) -> Option<&'static str> {
    const SCHEMES: [&str; 14] = [
        "http",
        "https",
        "file",
        "git",
        "git+ssh",
        "git+https",
        "git+http",
        "git+file",
        "ssh",
        "github",
        "gitlab",
        "bitbucket",
        "gist",
        "npm",
    ];
    if resolved.chars().any(char::is_control) {
        return Some("has control characters");
    }
    if resolved.starts_with('-') {
        return Some("would be read as an option");
    }
    let (scheme, rest) = resolved.split_once(':')?;
    if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
        return Some("has a scheme that no package comes by");
    }
    let authority = rest.strip_prefix("//").unwrap_or_default();
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, _) = authority.rsplit_once('@')?;
    if scheme.to_ascii_lowercase().starts_with("http") || user.contains(':') {
        return Some("has credentials in it");
    }
    None
}

/// Packages below `node_modules` have a strict version; folders of the project may have any.
fn check_version(lock: &Lock, key: &str, entry: &Map<String, Value>) -> Result<(), LockError> {
    let Some(version) = entry.get("version").and_then(Value::as_str) else {
        return Ok(());
    };
    let strict = version.strip_prefix(['v', '=']).unwrap_or(version);
    if semver::Version::parse(strict).is_ok() || check_key(key) != Ok(Place::Package) {
        return Ok(());
    }
    Err(LockError::EntryVersion {
        file: lock.file_name.clone(),
        line: lock.line_of(key),
        key: key.to_owned(),
        version: version.to_owned(),
    })
}
