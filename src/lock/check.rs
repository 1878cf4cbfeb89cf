//! Refuses what npm lets pass in a lock and a frozen install must not.

use std::collections::hash_map::Entry;
use std::fmt;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Map, Value};

use super::places::link_target;
use super::{Lock, LockError, conflict};
use crate::json::{self, Ambiguity};
use crate::limits::DEEPEST_JSON;
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
            Self::NoTarget => "is outside the project and nothing links there",
        })
    }
}

/// What a key of `packages` stands for: folders, then `node_modules/name` any number of times.
///
/// Says nothing about whether anything links to a [`Place::Folder`] or [`Place::Outside`].
pub fn check_key(key: &str) -> Result<Place, KeyFlaw> {
    if key.is_empty() {
        return Ok(Place::Project);
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
    match json::first_ambiguity(&lock.bytes, DEEPEST_JSON) {
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
    check_places(lock)?;
    lock.packages
        .iter()
        .try_for_each(|(key, entry)| check_version(lock, key, entry))
}

fn check_places(lock: &Lock) -> Result<(), LockError> {
    let keys: FxHashSet<&str> = lock.packages.iter().map(|(key, _)| key.as_str()).collect();
    let mut targets = FxHashSet::default();
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
        }
    }
    let mut folded: FxHashMap<String, &str> = FxHashMap::default();
    for (key, _) in &lock.packages {
        let place = check_key(key).and_then(|place| {
            let linked = place != Place::Outside || below_a_target(key, &targets);
            linked.then_some(place).ok_or(KeyFlaw::NoTarget)
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

/// Whether the key is a link's target or a package below one.
fn below_a_target(key: &str, targets: &FxHashSet<&str>) -> bool {
    targets.contains(key)
        || key
            .match_indices("/node_modules/")
            .any(|(at, _)| targets.contains(&key[..at]))
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
