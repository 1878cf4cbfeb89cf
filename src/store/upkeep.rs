//! The whole store at once: hashing everything again, and removing what nobody needs any more.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FlockOperation};
use rustix::io::Errno;

use super::disk::read_at;
use super::object::{FINDINGS, INDEX, TARBALL};
use super::{Package, Sha512, Store, StoreError, is_given, open_folder};
use crate::integrity::{Integrity, hex};
use crate::name::PackageId;

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    pub packages: usize,
    pub files: usize,
    pub bytes: u64,
    /// Sorted by name.
    pub damaged: Vec<Damaged>,
}

/// A package that is not what it was when it was stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// `name@version`; the folder's name when its index cannot be read.
    pub package: String,
    /// What is wrong with it.
    pub what: String,
    /// It was made anew from its sealed tarball; else it is removed, and fetched when it is needed.
    pub rebuilt: bool,
}

/// What a pruning removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    pub packages: usize,
    pub bytes: u64,
    /// Packages that stay.
    pub kept: usize,
}

/// Hashes every package of the store at `folder`, of every umask. Damaged packages are rebuilt or
/// removed, so that nothing wrong is ever linked from there.
///
/// Errors: a store that others can change; one that cannot be written when there is damage.
pub fn audit(folder: &Path) -> Result<Audit, StoreError> {
    let mut audit = Audit::default();
    for store in stores(folder) {
        let found = store?.audit()?;
        audit.packages += found.packages;
        audit.files += found.files;
        audit.bytes += found.bytes;
        audit.damaged.extend(found.damaged);
    }
    audit.damaged.sort();
    Ok(audit)
}

/// Removes packages that nobody installed for the time `unused`, and that no `node_modules` shares
/// files with. Waits until no install is under way, and keeps new ones waiting.
pub fn prune(folder: &Path, unused: Duration) -> Result<Pruned, StoreError> {
    let mut pruned = Pruned::default();
    // One after the other: each would wait for its sister.
    for store in stores(folder) {
        let store = store?;
        let _alone = store.alone()?;
        store.prune(unused, &mut pruned)?;
    }
    Ok(pruned)
}

/// A store for each umask under which something was kept.
fn stores(folder: &Path) -> impl Iterator<Item = Result<Store, StoreError>> {
    let versioned = folder.join("v1");
    let umasks = names(&versioned).into_iter().filter_map(|name| {
        let octal = name.len() == 3;
        octal.then(|| u32::from_str_radix(&name, 8).ok()).flatten()
    });
    umasks.map(|umask| Store::open(folder, umask))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// What is wrong with a package, if anything; its files and bytes.
struct Check {
    package: String,
    files: usize,
    bytes: u64,
    flaw: Option<String>,
}

impl Store {
    fn folder(&self) -> PathBuf {
        self.root.join(format!("{:03o}", self.umask))
    }

    /// Any package of this name and version, whatever its hash. Reads every index until one fits.
    pub fn namesake(&self, id: &PackageId) -> Option<Package> {
        let names = names(&self.folder());
        let packages = names.iter().filter_map(|name| self.object(&unhex(name)?));
        let mut packages = packages.filter(|package| package.check_identity(id).is_ok());
        packages.next()
    }

    fn audit(&self) -> Result<Audit, StoreError> {
        let names = names(&self.folder());
        let next = AtomicUsize::new(0);
        let found = Mutex::new(Audit::default());
        let failure = Mutex::new(None);
        let work = || {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                let check = self.check(name);
                let damaged = check
                    .flaw
                    .map(|what| self.repair(name, check.package, what));
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.packages += 1;
                found.files += check.files;
                found.bytes += check.bytes;
                match damaged {
                    None => {}
                    Some(Ok(damaged)) => found.damaged.push(damaged),
                    Some(Err(error)) => {
                        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                        failure.get_or_insert(error);
                    }
                }
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 1..cores.min(8) {
                scope.spawn(work);
            }
            work();
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Reads a package whole: its seal, its index, and every file.
    fn check(&self, name: &str) -> Check {
        let mut check = Check {
            package: name.chars().take(16).collect(),
            files: 0,
            bytes: 0,
            flaw: None,
        };
        check.flaw = self.check_into(name, &mut check).err();
        check
    }

    fn check_into(&self, name: &str, check: &mut Check) -> Result<(), String> {
        let sha512 = unhex(name).ok_or("its name is no hash")?;
        let package = self.object(&sha512).ok_or("its index is damaged")?;
        let index = package.index();
        check.package = format!("{}@{}", index.name(), index.version());
        let folder = self.open_package(&package);
        let folder = folder.map_err(|_| "its folder cannot be opened")?;
        let tarball = read_at(folder.as_fd(), TARBALL).map_err(|_| "its tarball is missing")?;
        check.bytes += tarball.len() as u64;
        if !Integrity::from_sha512(sha512).matches(&tarball) {
            return Err("its tarball is damaged".to_owned());
        }
        for (number, record) in index.files().enumerate() {
            check.files += 1;
            check.bytes += record.stamp.size;
            super::disk::check_file(folder.as_fd(), number, &record)
                .map_err(|what| format!("`{}` {what}", record.path))?;
        }
        let known = |name: &str| {
            let number = name.parse::<usize>();
            matches!(name, INDEX | TARBALL | FINDINGS)
                || number.is_ok_and(|number| number < index.len())
        };
        let strange = names(&self.folder().join(name));
        match strange.iter().find(|name| !known(name)) {
            Some(strange) => Err(format!("`{strange}` does not belong there")),
            None => Ok(()),
        }
    }

    fn repair(&self, name: &str, package: String, what: String) -> Result<Damaged, StoreError> {
        let sha512 = unhex(name);
        let rebuilt = sha512.is_some_and(|sha512| self.rebuild(&sha512).is_some())
            && self.check(name).flaw.is_none();
        if !rebuilt {
            self.discard(name)?;
        }
        Ok(Damaged {
            package,
            what,
            rebuilt,
        })
    }

    /// Takes a package away in one step, then deletes it.
    fn discard(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder().join(name);
        let aside = self.annex("tmp")?.join(super::disk::unguessable());
        fs::rename(&path, &aside).map_err(StoreError::at("remove", &path))?;
        let removed = match fs::symlink_metadata(&aside) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&aside),
            _ => fs::remove_file(&aside),
        };
        removed.map_err(StoreError::at("remove", &aside))
    }

    /// The store to ourselves, as far as the file system knows locks.
    fn alone(&self) -> Result<OwnedFd, StoreError> {
        let failed = |error: Errno| StoreError::at("lock", &self.root)(error.into());
        let folder = open_folder(&self.root).map_err(failed)?;
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        match rustix::fs::flock(&folder, FlockOperation::LockExclusive) {
            Ok(()) | Err(Errno::NOSYS | Errno::NOTSUP) => Ok(folder),
            Err(error) => Err(failed(error)),
        }
    }

    fn prune(&self, unused: Duration, pruned: &mut Pruned) -> Result<(), StoreError> {
        for name in names(&self.folder()) {
            if !is_given(&name, 128) {
                continue;
            }
            let path = self.folder().join(&name);
            let Some(bytes) = removable(&path, unused) else {
                pruned.kept += 1;
                continue;
            };
            self.discard(&name)?;
            pruned.packages += 1;
            pruned.bytes += bytes;
        }
        Ok(())
    }
}

/// The size of a package folder that nobody used for so long, and whose files have no other name.
fn removable(folder: &Path, unused: Duration) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let used = fs::symlink_metadata(folder.join(INDEX)).and_then(|index| index.modified());
    // Without an index it is of no use to anybody; a clock that went back makes nothing old.
    let age = |used| SystemTime::now().duration_since(used).unwrap_or_default();
    if used.is_ok_and(|used| age(used) < unused) {
        return None;
    }
    let mut bytes = 0;
    for name in names(folder) {
        let metadata = fs::symlink_metadata(folder.join(name)).ok()?;
        if metadata.nlink() > 1 && metadata.is_file() {
            return None;
        }
        bytes += metadata.len();
    }
    Some(bytes)
}

/// Takes part in the use of the store: [`prune`] waits for everybody who does. `None` where locks
/// do not work; then a package that vanishes under an install is noticed and fetched again.
pub(super) fn share(root: &Path) -> Option<OwnedFd> {
    let folder = open_folder(root).ok()?;
    let locked = rustix::fs::flock(&folder, FlockOperation::LockShared);
    locked.is_ok().then_some(folder)
}

/// Notes that a package is used, at most once a day: by the time of its index. Best effort.
pub(super) fn note_use(objects: &OwnedFd, sha512: &Sha512) {
    const DAY: u64 = 24 * 60 * 60;
    let path = format!("{}/{INDEX}", hex(sha512));
    let Ok(stat) = rustix::fs::statat(objects, &path, AtFlags::SYMLINK_NOFOLLOW) else {
        return;
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    if stat.st_mtime.cast_unsigned().abs_diff(now) < DAY {
        return;
    }
    let now = rustix::fs::Timespec {
        tv_sec: 0,
        tv_nsec: rustix::fs::UTIME_NOW,
    };
    let times = rustix::fs::Timestamps {
        last_access: now,
        last_modification: now,
    };
    let _ = rustix::fs::utimensat(objects, path, &times, AtFlags::SYMLINK_NOFOLLOW);
}

/// The digest that a package folder is named by.
fn unhex(name: &str) -> Option<Sha512> {
    let mut digest = [0; 64];
    if name.len() != 128 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(name.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (hex(&digest) == name).then_some(digest)
}
