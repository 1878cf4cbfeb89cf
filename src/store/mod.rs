//! Tarballs to verified package folders that many projects share.
//!
//! Under `<store>/v1/`, one folder for each umask (`022`), in it one for each package, named by the
//! sha512 of its tarball in hex: the files under their numbers `0`, `1`…, the `tarball` itself as the
//! sealed original, an `index` (see [`index`]), and perhaps `findings` about them. A package is made
//! whole in `tmp` and renamed; what is visible never changes, except that an index gets fresh stamps
//! and a damaged package is exchanged for one rebuilt from its tarball. `alias` leads from weaker hashes to a sha512; `state`
//! remembers what was installed where.
//!
//! Nothing is believed that `stat` contradicts: a file whose size, mtime, inode or mode moved is
//! hashed again before use, and so is everything that was last hashed in another boot, because
//! nothing here is synced to disk.

pub(crate) mod disk;
mod error;
mod gzip;
mod header;
pub mod index;
mod names;
mod object;
mod path;
mod scan;
mod spill;
mod tar;
mod unpack;
mod upkeep;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{Mode, OFlags};

pub use crate::limits::Limits;
pub(crate) use disk::{file_mode, unguessable};
pub use error::{Flaw, Rule, StoreError};
pub use object::Package;
pub use path::path_inside;
pub use tar::File;
pub(crate) use unpack::has_crlf_shebang;
pub use unpack::{Archive, Bench, check_claims, check_identity, read_manifest, unpack, verify};

pub use upkeep::{Audit, Damaged, Pruned, audit, prune};

use crate::integrity::Integrity;
use crate::name::PackageId;

/// A sha512 digest.
pub type Sha512 = [u8; 64];

/// A folder of packages that any number of processes share.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// `<root>/v1/<umask>`; `None` in a store that is empty and cannot be written.
    objects: Option<OwnedFd>,
    umask: u32,
    boot: [u8; 16],
    limits: Limits,
    workshop: Mutex<Option<object::Workshop>>,
    /// Keeps [`prune`] away as long as the store is in use.
    lock: Mutex<Option<OwnedFd>>,
}

impl Store {
    /// Opens the store at `folder`, making it (for its owner alone) when it is not there.
    ///
    /// - `umask`: the process's; packages unpacked under another one are not seen.
    /// - Errors: [`StoreError::NotPrivate`] when others may write there. A store that cannot be
    ///   written opens all the same.
    pub fn open(folder: &Path, umask: u32) -> Result<Self, StoreError> {
        let umask = umask & 0o777;
        let versioned = folder.join("v1");
        let named = versioned.join(format!("{umask:03o}"));
        match crate::disk::make_private(&named) {
            Err(error) if !is_read_only(&error) => {
                return Err(StoreError::at("make", &named)(error));
            }
            _ => {}
        }
        for path in [folder, &versioned, &named] {
            check_private(path)?;
        }
        for path in [&versioned, &named] {
            check_own(path)?;
        }
        Ok(Self {
            lock: Mutex::new(upkeep::share(&versioned)),
            root: versioned,
            objects: open_folder(&named).ok(),
            umask,
            boot: boot_id(),
            limits: Limits::default(),
            workshop: Mutex::new(None),
        })
    }

    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn umask(&self) -> u32 {
        self.umask
    }

    /// Names the time since the machine was started: what was written before may have been lost.
    pub fn boot(&self) -> &[u8] {
        &self.boot
    }

    /// As if the machine was started anew.
    #[cfg(test)]
    pub fn restart(&mut self) {
        self.boot = [!0; 16];
    }

    /// A folder of the store for another kind of record, such as `state`; made on demand.
    pub fn annex(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.root.join(name);
        crate::disk::make_private(&path).map_err(StoreError::at("make", &path))?;
        check_own(&path)?;
        Ok(path)
    }

    /// What one worker needs to unpack tarballs: bombs go to files in the store, not to memory.
    pub fn bench(&self) -> Bench {
        Bench::below(self.annex("tmp").ok())
    }

    /// The package whose tarball has this integrity; `None` when it is not there or beyond repair.
    ///
    /// Its files are as good as their stamps: ask [`Package::is_intact`] before use, and
    /// [`Store::heal`] when the answer is no.
    pub fn lookup(&self, integrity: &Integrity) -> Option<Package> {
        self.take(self.key(integrity)?)
    }

    /// What the store's index says of the package with this integrity, without a look at its files:
    /// enough to tell about it, not to use it.
    pub fn peek(&self, integrity: &Integrity) -> Option<Package> {
        self.object(&self.key(integrity)?)
    }

    /// By integrity, else by the name that it was [remembered](Store::remember) under.
    pub fn find(&self, integrity: Option<&Integrity>, name: Option<&str>) -> Option<Package> {
        match integrity {
            Some(integrity) => self.lookup(integrity),
            None => self.take(self.alias(name?)?),
        }
    }

    fn take(&self, sha512: Sha512) -> Option<Package> {
        let package = self.object(&sha512)?;
        if let Some(objects) = &self.objects {
            upkeep::note_use(objects, &sha512);
        }
        if package.index().boot() == self.boot {
            Some(package)
        } else {
            self.heal(&sha512)
        }
    }

    /// Verifies a tarball, unpacks it and keeps it.
    ///
    /// - `expected`: the strongest of its hashes must hold; without it anything goes.
    /// - Errors: see [`verify`] and [`unpack`]; [`StoreError::ReadOnly`].
    /// - Another process may add the same package at the same time: both succeed.
    pub fn add(
        &self,
        bench: &mut Bench,
        id: &PackageId,
        tarball: &[u8],
        expected: Option<&Integrity>,
    ) -> Result<Package, StoreError> {
        let sha512 = verify(id, tarball, expected)?;
        let archive = unpack(bench, id, tarball, sha512, &self.limits)?;
        self.keep(&archive, tarball, expected)
    }

    /// The sha512 that stands for `integrity` here.
    pub(super) fn key(&self, integrity: &Integrity) -> Option<Sha512> {
        if integrity.sha512_hex().is_some() {
            return Some(unpack::sha512_of(integrity));
        }
        self.alias(&integrity.to_string())
    }

    pub(super) fn alias(&self, name: &str) -> Option<Sha512> {
        let text = fs::read_to_string(self.alias_file(name)).ok()?;
        let real = Integrity::parse(&text)?;
        real.sha512_hex()?;
        Some(unpack::sha512_of(&real))
    }

    /// Where another name is remembered: under its BLAKE3, because most make poor file names.
    fn alias_file(&self, name: &str) -> PathBuf {
        let name = blake3::hash(name.as_bytes()).to_hex();
        self.root.join("alias").join(name.as_str())
    }

    /// Gives a package a name besides its sha512: a weaker hash, a git commit. Best effort.
    pub fn remember(&self, name: &str, sha512: &Sha512) {
        let real = Integrity::from_sha512(*sha512).to_string();
        if self.annex("alias").is_ok() {
            let _ = crate::disk::replace(&self.alias_file(name), real.as_bytes());
        }
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// What lies behind a link is somebody else's, and not to be swept or pruned.
fn check_own(path: &Path) -> Result<(), StoreError> {
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if is_link {
        return Err(StoreError::Linked(path.to_owned()));
    }
    Ok(())
}

/// Is this one of the names that are given here: so many hexadecimal digits?
fn is_given(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_private(path: &Path) -> Result<(), StoreError> {
    let Ok(metadata) = fs::metadata(path) else {
        return Ok(()); // not there and read-only: nothing to believe
    };
    let why = if metadata.mode() & 0o022 != 0 {
        "its folder is writable by group or world"
    } else if ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid())
        && !rustix::process::geteuid().is_root()
    {
        "its folder belongs to another user"
    } else {
        return Ok(());
    };
    let path = path.to_owned();
    Err(StoreError::NotPrivate { path, why })
}

pub(crate) fn open_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Zeros where the system does not tell.
fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digest = blake3::hash(text.trim().as_bytes());
    *digest.as_bytes().first_chunk().unwrap_or(&[0; 16])
}
