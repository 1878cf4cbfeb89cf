//! Holds what lies in an installed package against the same package elsewhere, or in the store.

use super::Environment;
use super::contents::{self, Fate, FileChange, Files, Opened as _};
use super::graph::Side;
use super::tree::{Disk, Installed};
use crate::integrity::Integrity;
use crate::store::{Package, Store};

/// Both environments, and the store that knows packages.
pub(super) struct Proof<'a> {
    pub store: Option<&'a Store>,
    pub before: &'a Environment,
    pub after: &'a Environment,
}

/// What looking at files said of a package that has the same version on both sides.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are the same, or there is nothing to look at.
    Same,
    Differ(Vec<FileChange>),
    /// Nobody knows what should be there.
    Unproven,
}

impl Proof<'_> {
    /// Are the files the same? Asked only where at least one side lies on disk.
    pub fn contents(&self, old: &Side, new: &Side) -> Verdict {
        let disks = (self.before.disk.as_ref(), self.after.disk.as_ref());
        let is_bundled = old.flags.bundled || new.flags.bundled;
        if old.version != new.version || old.link || new.link || is_bundled {
            return Verdict::Same;
        }
        let changes = match disks {
            (None, None) => return Verdict::Same,
            (Some(before), Some(after)) => {
                let (old, new) = (before.files(&old.location), after.files(&new.location));
                contents::file_changes(&old, &new)
            }
            (None, Some(disk)) => {
                let Some(changes) = self.against_store(old, disk, new) else {
                    return Verdict::Unproven;
                };
                changes
            }
            (Some(disk), None) => {
                let Some(changes) = self.against_store(new, disk, old) else {
                    return Verdict::Unproven;
                };
                changes.into_iter().map(turned).collect()
            }
        };
        if changes.is_empty() {
            Verdict::Same
        } else {
            Verdict::Differ(changes)
        }
    }

    /// How a package on disk differs from what its lock promises; `None` when the store does not
    /// have that.
    fn against_store(&self, locked: &Side, disk: &Disk, side: &Side) -> Option<Vec<FileChange>> {
        let location = &side.location;
        if disk.as_left.contains(location) {
            return Some(Vec::new());
        }
        let store = self.store?;
        let package = store.peek(&Integrity::parse(locked.integrity.as_deref()?)?)?;
        let mut wanted = contents::stored_files(&package);
        let mut found = disk.files(location);
        // Files of its bundle lie in folders of their own.
        wanted.retain(|path, _| {
            let place = format!("{location}/{path}");
            let is_nested = path.starts_with("node_modules/") || path.contains("/node_modules/");
            if is_nested && let Some(file) = disk.at(&place) {
                found.insert(path.clone(), file);
            }
            !is_nested || disk.owner(&place) == Some(location.as_str())
        });
        found.retain(|path, _| {
            let place = format!("{location}/{path}");
            disk.owner(&place) == Some(location.as_str())
        });
        let mut changes = contents::file_changes(&wanted, &found);
        changes.retain(|change| {
            let is_from_script = package.index().has_install_script() && change.fate == Fate::Added;
            let hash = found.get(&change.path).map(|file| file.blake3);
            let mended =
                hash.is_some_and(|hash| contents::is_mended(store, &package, &change.path, &hash));
            !is_from_script && !mended
        });
        Some(changes)
    }

    /// Fills in sizes. Tells whether native code came or went, by the files of both sides.
    pub fn fill(&self, old: &mut Option<Side>, new: &mut Option<Side>) -> bool {
        let before = old.as_mut().map(|side| self.look(self.before, side));
        let after = new.as_mut().map(|side| self.look(self.after, side));
        match (before, after) {
            (Some(Some(before)), Some(Some(after))) => before != after,
            (None, Some(Some(native))) | (Some(Some(native)), None) => native,
            _ => false,
        }
    }

    /// Notes the size of a package; is there native code in it? `None` when nobody knows its files.
    fn look(&self, environment: &Environment, side: &mut Side) -> Option<bool> {
        if side.link {
            return None;
        }
        let (files, native) = if let Some(disk) = &environment.disk {
            // Of a tree that was only described nobody can look into files.
            let package = disk
                .is_here()
                .then(|| Installed::open(disk, &side.location))?;
            let native = contents::is_native(package.files(), &|path| package.read(path));
            (package.files().clone(), native)
        } else {
            let store = self.store?;
            let package = store.peek(&Integrity::parse(side.integrity.as_deref()?)?)?;
            let files = contents::stored_files(&package);
            let native = self.is_native(&package, &files);
            (files, native)
        };
        let sizes: Option<Vec<u64>> = files.values().map(|file| file.size).collect();
        side.size = sizes.map(|sizes| sizes.iter().sum());
        Some(native)
    }

    fn is_native(&self, package: &Package, files: &Files) -> bool {
        let read = |path: &str| self.store?.read(package, path);
        contents::is_native(files, &read)
    }
}

/// The same change in the other direction.
fn turned(change: FileChange) -> FileChange {
    FileChange {
        fate: match change.fate {
            Fate::Added => Fate::Removed,
            Fate::Removed => Fate::Added,
            Fate::Changed => Fate::Changed,
        },
        before: change.after,
        after: change.before,
        ..change
    }
}
