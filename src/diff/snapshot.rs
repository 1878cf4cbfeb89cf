//! An installed tree written down, to be compared elsewhere or later.
//!
//! ```json
//! {
//!   "version": 1,
//!   "environment": "installed",
//!   "target": "linux-x64-glibc2.36",
//!   "unknown": ["details"],
//!   "packages": { "node_modules/a": { "version": "1.0.0", "integrity": "…" } },
//!   "files": { "node_modules/a/index.js": "BLAKE3 in hex" },
//!   "own": ["node_modules/a"],
//!   "asLeft": []
//! }
//! ```
//!
//! `packages` has the form of a lock's; `own` names the folders that came in nobody's bundle, and
//! `asLeft` those that are as their install scripts left them. `x` before a hash: executable.

use serde_json::{Map, Value, json};

use super::known::{Fact, Known};
use super::tree::Disk;
use super::{DiffError, Environment};
use crate::json;
use crate::link::Entry;
use crate::lock::{self, Lock};

/// Does this text begin like one?
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(200)];
    memchr::memmem::find(head, b"\"environment\"").is_some()
        && head.trim_ascii_start().first() == Some(&b'{')
}

/// The document of an installed tree; `None` of anything else.
pub fn document(environment: &Environment) -> Option<Value> {
    let (disk, lock) = (environment.disk.as_ref()?, environment.tree.as_ref()?);
    let packages = lock.packages.iter();
    let packages: Map<String, Value> = packages
        .map(|(location, entry)| (location.clone(), entry.clone().into()))
        .collect();
    let mut files: Map<String, Value> = Map::new();
    for (path, entry) in &disk.entries {
        let hash = |hash: &[u8; 32]| blake3::Hash::from_bytes(*hash).to_hex().to_string();
        let text = match entry {
            Entry::Folder => continue,
            Entry::Link(text) => format!("-> {text}"),
            Entry::File { mode, blake3 } if mode & 0o111 != 0 => format!("x{}", hash(blake3)),
            Entry::File { blake3, .. } => hash(blake3),
        };
        files.insert(path.clone(), text.into());
    }
    let unknown: Vec<&str> = environment.known.missing().map(Fact::as_str).collect();
    Some(json!({
        "version": 1,
        "environment": "installed",
        "target": environment.target.as_ref().map(ToString::to_string),
        "unknown": unknown,
        "packages": packages,
        "files": files,
        "own": disk.own,
        "asLeft": disk.as_left,
    }))
}

/// The environment that a document describes.
pub(super) fn read(label: &str, bytes: &[u8]) -> Result<Environment, DiffError> {
    let flawed = |reason: &str| DiffError::Snapshot {
        label: label.to_owned(),
        reason: reason.to_owned(),
    };
    let document = json::parse(bytes).map_err(|error| flawed(&error.to_string()))?;
    let mut document = document.value;
    if document.get("version") != Some(&json!(1)) {
        return Err(flawed("its version is not 1"));
    }
    if document.get("environment") != Some(&json!("installed")) {
        return Err(flawed("it describes no installed tree"));
    }
    let texts = |member: &str| -> Vec<String> {
        let list = document.get(member).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    let unknown = texts("unknown");
    let unknown = Fact::ALL
        .into_iter()
        .filter(|fact| unknown.iter().any(|word| word == fact.as_str()));
    let known = Known::ALL.without(&unknown.collect::<Vec<_>>());
    let mut disk = Disk {
        own: texts("own").into_iter().collect(),
        as_left: texts("asLeft").into_iter().collect(),
        ..Disk::default()
    };
    let files = document.get("files").and_then(Value::as_object);
    for (path, text) in files.into_iter().flatten() {
        let entry = text.as_str().and_then(entry);
        let entry = entry.ok_or_else(|| flawed("a file has no hash"))?;
        disk.entries.insert(path.clone(), entry);
    }
    let target = document.get("target").and_then(Value::as_str);
    let target = target.and_then(|text| text.parse().ok());
    let packages = document.get_mut("packages").map(Value::take);
    let lock = json!({ "lockfileVersion": 3, "packages": packages });
    let lock: Lock = lock::parse(lock.to_string(), label)?;
    lock.has_at_most(crate::limits::Limits::default().packages)?;
    Ok(Environment::of_tree(label, lock, disk, known, target))
}

fn entry(text: &str) -> Option<Entry> {
    if let Some(text) = text.strip_prefix("-> ") {
        return Some(Entry::Link(text.to_owned()));
    }
    let (mode, hex) = match text.strip_prefix('x') {
        Some(hex) => (0o755, hex),
        None => (0o644, text),
    };
    let blake3 = *blake3::Hash::from_hex(hex).ok()?.as_bytes();
    Some(Entry::File { mode, blake3 })
}
