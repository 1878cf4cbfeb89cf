//! Finds, in a lock, the package that a dependency of another one reaches, as node does.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::Lock;

/// A lock's locations by name, for walking its edges.
#[derive(Debug)]
pub struct Index<'a> {
    lock: &'a Lock,
    by_location: FxHashMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    pub fn new(lock: &'a Lock) -> Self {
        let locations = lock.packages.iter().enumerate();
        Self {
            lock,
            by_location: locations.map(|(at, (key, _))| (key.as_str(), at)).collect(),
        }
    }

    /// The place in [`Lock::packages`] of a location.
    pub fn at(&self, location: &str) -> Option<usize> {
        self.by_location.get(location).copied()
    }

    /// Where `name`, required from the package at `location`, is found: its own `node_modules`,
    /// else that of each folder above. Links are followed to their target.
    pub fn resolve(&self, location: &str, name: &str) -> Option<usize> {
        let mut folder = location;
        let mut key = String::with_capacity(location.len() + name.len() + 14);
        loop {
            // `node_modules` itself has no `node_modules`.
            if folder != "node_modules" && !folder.ends_with("/node_modules") {
                key.clear();
                key.push_str(folder);
                if !folder.is_empty() {
                    key.push('/');
                }
                key.push_str("node_modules/");
                key.push_str(name);
                if let Some(at) = self.at(&key) {
                    return Some(self.follow(at));
                }
            }
            // Nothing of the project is above a folder outside of it.
            if folder.is_empty() || folder == ".." || folder.ends_with("/..") {
                return None;
            }
            folder = folder.rfind('/').map_or("", |slash| &folder[..slash]);
        }
    }

    /// A link's target, or the place itself when it is no link or links to nothing known.
    pub fn follow(&self, at: usize) -> usize {
        let Some((_, entry)) = self.lock.packages.get(at) else {
            return at;
        };
        link_target(entry)
            .and_then(|target| self.at(target))
            .unwrap_or(at)
    }
}

/// The location a link entry points to.
pub fn link_target(entry: &Map<String, Value>) -> Option<&str> {
    if entry.get("link").is_some_and(crate::json::truthy) {
        entry.get("resolved").and_then(Value::as_str)
    } else {
        None
    }
}
