//! What was installed where, so that doing it again takes a glance at the folders.
//!
//! One file per project under the store's `state`, never in `node_modules`: magic (8), BLAKE3 of the
//! caller's digest (32), the number of packages (4), then for each folder its mtime, ctime (ns), inode (8 bytes each, little
//! endian), the length of its path (4) and the path, then the BLAKE3 of everything before.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType};

use super::plan::{Location, Plan};
use crate::store::{Package, Store, open_folder};

const MAGIC: &[u8; 8] = b"heatsst1";

/// The folders of a tree, named without a look at the disk.
#[derive(Debug, Default)]
pub struct Contents {
    homes: Vec<String>,
    /// Each place with its package.
    packages: Vec<(String, Package)>,
    bins: Vec<String>,
    /// Every package is in the store, so every folder is known.
    complete: bool,
}

impl Contents {
    pub(super) fn of(plan: &Plan<'_>, packages: &[Option<Package>]) -> Self {
        let complete = packages.iter().all(Option::is_some);
        let prefix = |home: usize| {
            let folder = plan.homes.get(home).map_or("", |home| &*home.folder);
            if folder.is_empty() {
                "node_modules".to_owned()
            } else {
                format!("{folder}/node_modules")
            }
        };
        let places = plan.places.iter().filter_map(|place| {
            let package = packages.get(place.slot)?.clone()?;
            Some((format!("{}/{}", prefix(place.home), place.path), package))
        });
        let bins = plan.places.iter().filter_map(|place| {
            let (folder, _) = place.bins.first()?.link.rsplit_once('/')?;
            Some(format!("{}/{folder}", prefix(place.home)))
        });
        let links = plan
            .links
            .iter()
            .map(|link| format!("{}/{}", prefix(link.home), link.path));
        Self {
            homes: (0..plan.homes.len()).map(prefix).collect(),
            packages: places.collect(),
            bins: bins.chain(links).collect(),
            complete,
        }
    }

    /// Each location with its package, as far as the store has it.
    pub(super) fn packages(&self) -> &[(String, Package)] {
        &self.packages
    }

    /// Every folder below every `node_modules`, relative to the project, sorted.
    fn folders(&self) -> Vec<String> {
        let mut folders = self.homes.clone();
        for location in self
            .bins
            .iter()
            .chain(self.packages.iter().map(|(at, _)| at))
        {
            // Scopes and inner `node_modules` on the way.
            let start = Location::parse(location).map_or(0, |at| location.len() - at.path.len());
            let ancestors = location.match_indices('/').filter(|(at, _)| *at >= start);
            folders.extend(ancestors.map(|(at, _)| location[..at].to_owned()));
            folders.push(location.clone());
        }
        for (location, package) in &self.packages {
            folders.extend(
                package
                    .index()
                    .folders()
                    .map(|below| format!("{location}/{below}")),
            );
        }
        folders.sort_unstable();
        folders.dedup();
        folders
    }
}

/// Remembers that `project` now holds what `digest` stands for. Best effort: without it the next
/// run does the work again.
pub fn record(project: &Path, digest: &str, store: &Store, contents: &Contents) {
    let _ = try_record(project, digest, store, contents);
}

fn try_record(project: &Path, digest: &str, store: &Store, contents: &Contents) -> Option<()> {
    let path = file_of(project, store)?;
    if !contents.complete {
        return fs::remove_file(path).ok();
    }
    let root = open_folder(project).ok()?;
    let mut bytes = head(digest);
    bytes.extend((contents.packages.len() as u32).to_le_bytes());
    for folder in contents.folders() {
        // Folders that nobody made (a bin without its target, another's place) are not listed.
        let Some(stamp) = stamp(&root, &folder) else {
            continue;
        };
        bytes.extend(stamp);
        bytes.extend((folder.len() as u32).to_le_bytes());
        bytes.extend(folder.as_bytes());
    }
    let seal = blake3::hash(&bytes);
    bytes.extend(seal.as_bytes());
    crate::disk::write_atomically(&path, &bytes).ok()
}

/// Is `project` as it was when `digest` was recorded? Looks at every folder's mtime, ctime and inode.
pub fn is_current(project: &Path, digest: &str, store: &Store) -> bool {
    current(project, digest, store).is_some()
}

/// How many packages [`is_current`] finds in place; `None` when something moved.
pub fn current(project: &Path, digest: &str, store: &Store) -> Option<usize> {
    let bytes = fs::read(file_of(project, store)?).ok()?;
    let (body, seal) = bytes.split_last_chunk::<32>()?;
    let rest = body.strip_prefix(&*head(digest))?;
    let (packages, mut rest) = rest.split_first_chunk::<4>()?;
    if blake3::hash(body) != *seal || rest.is_empty() {
        return None;
    }
    let root = open_folder(project).ok()?;
    while !rest.is_empty() {
        let (known, after) = rest.split_first_chunk::<24>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let (folder, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let folder = std::str::from_utf8(folder).ok()?;
        if stamp(&root, folder)? != *known {
            return None;
        }
        rest = after;
    }
    Some(u32::from_le_bytes(*packages) as usize)
}

fn head(digest: &str) -> Vec<u8> {
    let digest = blake3::hash(digest.as_bytes());
    [MAGIC.as_slice(), digest.as_bytes()].concat()
}

/// Where the store keeps a record of its own about this project; `None` when it cannot.
pub fn record_of(project: &Path, store: &Store, kind: &str) -> Option<PathBuf> {
    Some(file_of(project, store)?.with_extension(kind))
}

fn file_of(project: &Path, store: &Store) -> Option<PathBuf> {
    let project = fs::canonicalize(project).ok()?;
    let name = blake3::hash(project.as_os_str().as_bytes()).to_hex();
    Some(store.annex("state").ok()?.join(name.as_str()))
}

/// `None` for anything but a folder.
fn stamp(root: &std::os::fd::OwnedFd, path: &str) -> Option<[u8; 24]> {
    let stat = rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if !FileType::from_raw_mode(stat.st_mode).is_dir() {
        return None;
    }
    let ns = |seconds: i64, rest: u64| seconds * 1_000_000_000 + rest.cast_signed();
    let mut stamp = [0; 24];
    stamp[..8].copy_from_slice(&ns(stat.st_mtime, stat.st_mtime_nsec).to_le_bytes());
    stamp[8..16].copy_from_slice(&ns(stat.st_ctime, stat.st_ctime_nsec).to_le_bytes());
    stamp[16..].copy_from_slice(&stat.st_ino.to_le_bytes());
    Some(stamp)
}
