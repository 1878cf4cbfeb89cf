//! Writes a lock's text, and the file only when the text is another one.

use std::path::Path;

use serde_json::{Map, Value};

use super::Packages;
use crate::disk::{self, DiskError};
use crate::json;

/// What a lock says beside its packages.
#[derive(Debug, Clone, Default)]
pub struct Top {
    pub name: Option<String>,
    pub version: Option<String>,
    pub lockfile_version: u32,
    /// Members that npm does not know and keeps.
    pub extra: Map<String, Value>,
    /// The `dependencies` of versions 1 and 2; left out of version 3.
    pub legacy: Option<Map<String, Value>>,
}

/// How the text is laid out: the manifest's formatting, or none.
#[derive(Debug, Clone)]
pub struct Style {
    /// One level; empty stands for two spaces.
    pub indent: String,
    /// Empty stands for `\n`.
    pub newline: String,
    /// npm's `format-package-lock`: without it there is no white space at all.
    pub formatted: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            indent: String::new(),
            newline: String::new(),
            formatted: true,
        }
    }
}

/// npm's text of a lock. Order of members and packages does not matter: npm's is applied.
///
/// - Source: `shrinkwrap.js` (`toJSON`, `toString`).
pub fn text(top: Top, packages: Packages, style: &Style) -> String {
    let mut members = top.extra;
    let mut set = |key: &str, value: Value| members.insert(key.to_owned(), value);
    for (key, value) in [("name", top.name), ("version", top.version)] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            set(key, value.into());
        }
    }
    set("lockfileVersion", top.lockfile_version.into());
    set("requires", true.into());
    if top.lockfile_version >= 2 {
        let packages = packages.into_iter();
        let packages: Map<String, Value> = packages.map(|(key, map)| (key, map.into())).collect();
        set("packages", packages.into());
    }
    if let Some(legacy) = top.legacy.filter(|_| top.lockfile_version <= 2) {
        set("dependencies", legacy.into());
    }
    lay_out(&Value::Object(members), style)
}

fn lay_out(lock: &Value, style: &Style) -> String {
    if style.formatted {
        json::stringify_nice(lock, &style.indent, &style.newline)
    } else {
        json::stringify_nice_compact(lock)
    }
}

/// Is `former` the lock `text` with nothing but packages more that it calls extraneous itself?
///
/// npm's first run writes such packages and its next removes them, though nothing has changed.
pub fn has_but_extraneous_more(former: &[u8], text: &[u8], style: &Style) -> bool {
    let Ok(mut document) = json::parse(former) else {
        return false;
    };
    if lay_out(&document.value, style).as_bytes() != former {
        return false;
    }
    for part in ["packages", "dependencies"] {
        if let Some(Value::Object(entries)) = document.value.get_mut(part) {
            drop_extraneous(entries);
        }
    }
    lay_out(&document.value, style).as_bytes() == text
}

fn drop_extraneous(entries: &mut Map<String, Value>) {
    entries.retain(|_, entry| entry.get("extraneous") != Some(&Value::Bool(true)));
    for entry in entries.values_mut() {
        let Some(Value::Object(below)) = entry.get_mut("dependencies") else {
            continue;
        };
        drop_extraneous(below);
        if below.is_empty()
            && let Value::Object(entry) = entry
        {
            entry.shift_remove("dependencies");
        }
    }
}

/// Puts `text` at `path` unless `current`, what the file holds, is that text already.
/// True when the file was written; it is written whole or not at all.
pub fn write_if_changed(
    path: &Path,
    text: &str,
    current: Option<&[u8]>,
) -> Result<bool, DiskError> {
    if current == Some(text.as_bytes()) {
        return Ok(false);
    }
    disk::write_atomically(path, text.as_bytes())?;
    Ok(true)
}
