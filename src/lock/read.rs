//! Reads a lock file: finds it, parses it, and checks the types of what others rely on.

use std::path::Path;

use serde_json::{Map, Value};

use super::{FILE_NAMES, Lock, LockError, Packages, conflict, legacy};
use crate::disk;
use crate::json;
use crate::manifest::{self, Manifest};

/// The project's lock: `prefer` where it is given and there, else the first of [`FILE_NAMES`]
/// that has anything in it. [`Lock::file_name`] tells which one it was.
///
/// A version 1 lock does not say what the project requires, so `package.json` is read with it.
pub fn find_and_read(project: &Path, prefer: Option<&str>) -> Result<Option<Lock>, LockError> {
    let Some((name, bytes)) = find(project, prefer)? else {
        return Ok(None);
    };
    let root = || manifest::read(project).map_or_else(|_| None, |file| Some(file.manifest));
    parse_for(bytes, &name, root).map(Some)
}

/// The name and the bytes of the lock that [`find_and_read`] reads.
pub fn find(project: &Path, prefer: Option<&str>) -> Result<Option<(String, Vec<u8>)>, LockError> {
    for name in prefer.into_iter().chain(FILE_NAMES) {
        let bytes = disk::read_if_there(&project.join(name))?;
        if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
            return Ok(Some((name.to_owned(), bytes)));
        }
    }
    Ok(None)
}

/// A lock of this text. `file` is the name for errors and [`Lock::file_name`].
pub fn parse(bytes: impl Into<Vec<u8>>, file: &str) -> Result<Lock, LockError> {
    parse_for(bytes.into(), file, || None)
}

/// As [`parse`]; `root` is asked for the project's manifest when the lock is of version 1.
pub fn parse_for(
    bytes: Vec<u8>,
    file: &str,
    root: impl FnOnce() -> Option<Manifest>,
) -> Result<Lock, LockError> {
    let (document, merged) = conflict::document(&bytes);
    let document = document.map_err(|source| {
        let file = file.to_owned();
        if merged {
            LockError::Unmergeable { file, source }
        } else {
            LockError::Json { file, source }
        }
    })?;
    let mut lock = Lock {
        file_name: file.to_owned(),
        merged,
        indent: document.indent,
        newline: document.newline,
        bytes,
        ..Lock::default()
    };
    fill(&mut lock, document.value, root).map_err(|fault| fault.on(&lock))?;
    Ok(lock)
}

fn fill(
    lock: &mut Lock,
    value: Value,
    root: impl FnOnce() -> Option<Manifest>,
) -> Result<(), Fault> {
    let Value::Object(mut top) = value else {
        return Err(Fault::new("the lock", &value, "an object"));
    };
    lock.version = version(top.shift_remove("lockfileVersion"))?;
    lock.name = text(&mut top, "name")?;
    lock.root_version = text(&mut top, "version")?;
    let requires = top.shift_remove("requires");
    lock.ancient = lock.version < 2 && !requires.as_ref().is_some_and(json::truthy);
    let packages = object(&mut top, "packages")?;
    lock.legacy = object(&mut top, "dependencies")?;
    lock.extra = top;
    match (packages, &lock.legacy) {
        (Some(packages), _) => lock.packages = entries(packages)?,
        (None, Some(dependencies)) => {
            let root = root().unwrap_or_default();
            lock.packages = legacy::packages(lock, dependencies, &root)?;
            lock.loaded_from_v1 = true;
            lock.packages
                .iter()
                .try_for_each(|(key, entry)| check_types(key, entry))?;
        }
        (None, None) => {}
    }
    Ok(())
}

/// `lockfileVersion`; npm 4 and older wrote none.
fn version(value: Option<Value>) -> Result<u32, Fault> {
    match value {
        None | Some(Value::Null) => Ok(1),
        Some(value) => value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| Fault::new("lockfileVersion", &value, "a small whole number")),
    }
}

fn text(top: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Fault> {
    match top.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(Fault::new(key, &other, "a string")),
    }
}

fn object(top: &mut Map<String, Value>, key: &str) -> Result<Option<Map<String, Value>>, Fault> {
    match top.shift_remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(other) => Err(Fault::new(key, &other, "an object")),
    }
}

fn entries(packages: Map<String, Value>) -> Result<Packages, Fault> {
    let mut entries = Vec::with_capacity(packages.len());
    for (key, value) in packages {
        let Value::Object(entry) = value else {
            let place = format!("packages[{key:?}]");
            return Err(Fault::new(&place, &value, "an object").at_key(&key));
        };
        check_types(&key, &entry)?;
        entries.push((key, entry));
    }
    Ok(entries)
}

const TEXTS: [&str; 4] = ["name", "version", "resolved", "integrity"];
const FLAGS: [&str; 9] = [
    "link",
    "dev",
    "optional",
    "devOptional",
    "peer",
    "extraneous",
    "inBundle",
    "hasInstallScript",
    "hasShrinkwrap",
];
const DEPENDENCY_MAPS: [&str; 4] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
];

/// Types of the members that steer an install. `null` is as good as absent, as it is for npm.
fn check_types(key: &str, entry: &Map<String, Value>) -> Result<(), Fault> {
    for (member, value) in entry {
        let name = member.as_str();
        let wanted = if TEXTS.contains(&name) {
            (!value.is_string()).then_some("a string")
        } else if FLAGS.contains(&name) {
            (!value.is_boolean()).then_some("true or false")
        } else if DEPENDENCY_MAPS.contains(&name) {
            check_ranges(key, name, value)?;
            None
        } else if name == "peerDependenciesMeta" {
            (!value.is_object()).then_some("an object")
        } else {
            None
        };
        if let Some(wanted) = wanted.filter(|_| !value.is_null()) {
            let place = format!("packages[{key:?}].{name}");
            return Err(Fault::new(&place, value, wanted).at_key(key));
        }
    }
    Ok(())
}

fn check_ranges(key: &str, member: &str, value: &Value) -> Result<(), Fault> {
    let wrong = match value {
        Value::Object(map) => map.iter().find(|(_, range)| !range.is_string()),
        Value::Null | Value::Array(_) => None,
        other => {
            let place = format!("packages[{key:?}].{member}");
            return Err(Fault::new(&place, other, "an object").at_key(key));
        }
    };
    match wrong {
        None => Ok(()),
        Some((name, range)) => {
            let place = format!("packages[{key:?}].{member}[{name:?}]");
            Err(Fault::new(&place, range, "a string").at_key(key))
        }
    }
}

/// A wrong type, before the file's name and the line are known.
#[derive(Debug)]
pub(super) struct Fault {
    place: String,
    key: String,
    found: &'static str,
    wanted: &'static str,
}

impl Fault {
    pub(super) fn new(place: &str, value: &Value, wanted: &'static str) -> Self {
        Self {
            place: place.to_owned(),
            key: place.to_owned(),
            found: json::kind(value),
            wanted,
        }
    }

    /// The member's name that tells the line.
    pub(super) fn at_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    fn on(self, lock: &Lock) -> LockError {
        LockError::WrongType {
            file: lock.file_name.clone(),
            line: lock.line_of(&self.key),
            place: self.place,
            found: self.found,
            wanted: self.wanted,
        }
    }
}
