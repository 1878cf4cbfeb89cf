//! What was installed where, so that doing it again takes a glance at what is there.
//!
//! One file per project under the store's `state`, never in `node_modules`: magic (8), BLAKE3 of the
//! caller's digest (32), the boot (16), the number of packages (4), then folders and files: `d` or
//! `f`, mtime (ns), ctime (ns) of a folder or size of a file, inode (8 bytes each), mode (4), the
//! length of the path (4) and the path; then the BLAKE3 of everything before. Numbers are little
//! endian.
//!
//! A tree is not synced to disk: after a crash of the machine its files may be empty or full of
//! zeros with every stamp in order. So a record counts in the boot that it was made in, and need not
//! be synced either.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{AtFlags, FileType};

use super::plan::{Location, Plan};
use super::work::{in_parallel, take};
use crate::disk;
use crate::store::{Package, Store, open_folder};

const MAGIC: &[u8; 8] = b"heatsst2";
/// So many paths are looked at in one go.
const SHARE: usize = 512;

/// How closely a tree is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What was added, removed or replaced.
    Folders,
    /// Also what was written to.
    Files,
}

/// mtime, ctime or size, inode, mode.
type Stamp = [u8; 28];

/// One path of a record.
struct Known<'a> {
    is_file: bool,
    stamp: Stamp,
    path: &'a str,
}

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

    /// Every file of every package, relative to the project, sorted.
    fn files(&self) -> Vec<String> {
        let packages = self.packages.iter();
        let files = packages.flat_map(|(location, package)| {
            let files = package.index().files();
            files.map(move |file| format!("{location}/{}", file.path))
        });
        let mut files: Vec<String> = files.collect();
        files.sort_unstable();
        files.dedup();
        files
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
    let mut bytes = head(digest, store);
    bytes.extend((contents.packages.len() as u32).to_le_bytes());
    let (folders, files) = (contents.folders(), contents.files());
    let paths = folders.iter().map(|path| (false, path));
    let paths: Vec<_> = paths.chain(files.iter().map(|path| (true, path))).collect();
    // What nobody made (a bin without its target, another's place) is not listed.
    for ((is_file, path), stamp) in paths.iter().zip(stamps(&root, &paths)) {
        let Some(stamp) = stamp else {
            continue;
        };
        bytes.push(if *is_file { b'f' } else { b'd' });
        bytes.extend(stamp);
        bytes.extend((path.len() as u32).to_le_bytes());
        bytes.extend(path.as_bytes());
    }
    let seal = blake3::hash(&bytes);
    bytes.extend(seal.as_bytes());
    disk::replace(&path, &bytes).ok()
}

fn stamps(root: &OwnedFd, paths: &[(bool, &String)]) -> Vec<Option<Stamp>> {
    let found = Mutex::new(vec![None; paths.len()]);
    let next = AtomicUsize::new(0);
    in_parallel(|| {
        while let Some(share) = take(&next, paths.len().div_ceil(SHARE)) {
            let from = share * SHARE;
            let mine = &paths[from..paths.len().min(from + SHARE)];
            let looked = mine
                .iter()
                .map(|(is_file, path)| stamp(root, path, *is_file));
            let looked: Vec<Option<Stamp>> = looked.collect();
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found[from..from + looked.len()].copy_from_slice(&looked);
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Is `project` as it was when `digest` was recorded?
pub fn is_current(project: &Path, digest: &str, store: &Store, look: Look) -> bool {
    current(project, digest, store, look).is_some()
}

/// How many packages [`is_current`] finds in place; `None` when something moved, or when the machine
/// was started anew since.
pub fn current(project: &Path, digest: &str, store: &Store, look: Look) -> Option<usize> {
    let bytes = fs::read(file_of(project, store)?).ok()?;
    let (body, seal) = bytes.split_last_chunk::<32>()?;
    let rest = body.strip_prefix(&*head(digest, store))?;
    let (packages, rest) = rest.split_first_chunk::<4>()?;
    if blake3::hash(body) != *seal || rest.is_empty() {
        return None;
    }
    let mut known = parse(rest)?;
    known.retain(|known| !known.is_file || look == Look::Files);
    let root = open_folder(project).ok()?;
    let moved = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let is_as_known =
        |known: &Known<'_>| stamp(&root, known.path, known.is_file) == Some(known.stamp);
    in_parallel(|| {
        while let Some(share) = take(&next, known.len().div_ceil(SHARE)) {
            let mine = known.chunks(SHARE).nth(share).unwrap_or_default();
            if moved.load(Ordering::Relaxed) {
                return;
            }
            if !mine.iter().all(is_as_known) {
                moved.store(true, Ordering::Relaxed);
            }
        }
    });
    (!moved.into_inner()).then_some(u32::from_le_bytes(*packages) as usize)
}

fn parse(mut rest: &[u8]) -> Option<Vec<Known<'_>>> {
    let mut known = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        let (stamp, after) = after.split_first_chunk::<28>()?;
        let (length, after) = after.split_first_chunk::<4>()?;
        let (path, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        known.push(Known {
            is_file: *kind == b'f',
            stamp: *stamp,
            path: std::str::from_utf8(path).ok()?,
        });
        rest = after;
    }
    Some(known)
}

fn head(digest: &str, store: &Store) -> Vec<u8> {
    let digest = blake3::hash(digest.as_bytes());
    [MAGIC.as_slice(), digest.as_bytes(), store.boot()].concat()
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

/// `None` where there is something else than a folder or a regular file, as asked for. The ctime of
/// a file says nothing: it moves whenever somebody links the same file of the store.
fn stamp(root: &OwnedFd, path: &str, is_file: bool) -> Option<Stamp> {
    let stat = rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if is_file != kind.is_file() || is_file == kind.is_dir() {
        return None;
    }
    let ns = |seconds: i64, rest: u64| seconds * 1_000_000_000 + rest.cast_signed();
    let second = if is_file {
        stat.st_size
    } else {
        ns(stat.st_ctime, stat.st_ctime_nsec)
    };
    let mut stamp = [0; 28];
    stamp[..8].copy_from_slice(&ns(stat.st_mtime, stat.st_mtime_nsec).to_le_bytes());
    stamp[8..16].copy_from_slice(&second.to_le_bytes());
    stamp[16..24].copy_from_slice(&stat.st_ino.to_le_bytes());
    stamp[24..].copy_from_slice(&stat.st_mode.to_le_bytes());
    Some(stamp)
}
