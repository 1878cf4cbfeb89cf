//! Package folders of the store: writing them whole, reading them with doubt, repairing them.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::integrity::{Integrity, hex};
use crate::manifest::Claims;
use crate::name::PackageId;

use super::disk::{
    FileName, file_mode, read_at, read_record, rewrite, stamp, unguessable, write_file,
};
use super::index::{Draft, Index, Record};
use super::unpack::{self, Archive, Bench, has_crlf_shebang};
use super::{Sha512, Store, StoreError, is_given, open_folder};

pub(super) const INDEX: &str = "index";
pub(super) const TARBALL: &str = "tarball";
/// What was found out about the package's content: a text of the caller's, then the BLAKE3 of the
/// tarball's sha512 and that text. Anything else is no findings.
pub(super) const FINDINGS: &str = "findings";

/// A package of the store: what its index says. Files are opened when they are used.
#[derive(Debug, Clone)]
pub struct Package {
    sha512: Sha512,
    index: Index,
}

impl Package {
    pub fn sha512(&self) -> &Sha512 {
        &self.sha512
    }

    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Does the package deserve to be `id`?
    pub fn check_identity(&self, id: &PackageId) -> Result<(), StoreError> {
        unpack::check_identity(id, self.index.name(), self.index.version())
    }

    /// Bytes of all its files together.
    pub fn unpacked(&self) -> u64 {
        self.index.files().map(|file| file.stamp.size).sum()
    }

    /// Are all files below `folder` (from [`Store::open_package`]) as they were when last hashed?
    pub fn is_intact(&self, folder: BorrowedFd<'_>) -> bool {
        let mut name = FileName::default();
        self.index
            .files()
            .enumerate()
            .all(|(at, file)| stamp(folder, name.of(at)) == Some(file.stamp))
    }
}

/// A folder below `tmp` that belongs to this process as long as it lives.
#[derive(Debug)]
pub(super) struct Workshop {
    path: PathBuf,
    /// Holds the kernel's lock, by which others see that we live.
    folder: OwnedFd,
    count: u64,
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Store {
    /// The folder that holds the package's files under their numbers.
    pub fn open_package(&self, package: &Package) -> io::Result<OwnedFd> {
        let objects = self.objects.as_ref().ok_or(Errno::NOENT)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(rustix::fs::openat(
            objects,
            hex(&package.sha512),
            flags,
            Mode::empty(),
        )?)
    }

    /// The sealed original of a package; `None` when it is missing or its hash does not hold.
    pub fn tarball(&self, sha512: &Sha512) -> Option<Vec<u8>> {
        let path = format!("{}/{TARBALL}", hex(sha512));
        let bytes = read_at(self.objects.as_ref()?.as_fd(), &path).ok()?;
        Integrity::from_sha512(*sha512)
            .matches(&bytes)
            .then_some(bytes)
    }

    /// One file's bytes, held against their BLAKE3.
    pub fn read(&self, package: &Package, path: &str) -> Option<Vec<u8>> {
        let at = package.index.find(path)?;
        let folder = self.open_package(package).ok()?;
        let record = package.index.files().nth(at)?;
        read_record(folder.as_fd(), FileName::default().of(at), &record)
    }

    /// Does the package say of itself what a lock's entry says of it?
    pub fn check_claims(
        &self,
        package: &Package,
        id: &PackageId,
        locked: &Claims,
    ) -> Result<(), StoreError> {
        if locked.digest() == package.index.claims() {
            return Ok(());
        }
        let packed = self.read(package, "package.json").unwrap_or_default();
        unpack::check_claims(id, locked, &unpack::claims(&packed))
    }

    /// What the index says, without a look at the files.
    pub(super) fn object(&self, sha512: &Sha512) -> Option<Package> {
        let path = format!("{}/{INDEX}", hex(sha512));
        let bytes = read_at(self.objects.as_ref()?.as_fd(), &path).ok()?;
        Some(Package {
            sha512: *sha512,
            index: Index::parse(bytes, sha512)?,
        })
    }

    /// Hashes a package again: files that were only touched get fresh stamps, a damaged package is
    /// rebuilt from its tarball. `None` when that is impossible.
    ///
    /// One at a time, in this process and others: who comes second finds a whole package, instead of
    /// replacing the one that the first is reading from.
    pub fn heal(&self, sha512: &Sha512) -> Option<Package> {
        let turn = self.turn();
        let healed = self.rehash(sha512).or_else(|| self.rebuild(sha512));
        drop(turn);
        healed
    }

    /// Waits for whoever is healing a package. `None` where the file system knows no locks.
    fn turn(&self) -> Option<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(self.objects.as_ref()?, ".", flags, Mode::empty()).ok()?;
        rustix::fs::flock(&folder, FlockOperation::LockExclusive).ok()?;
        Some(folder)
    }

    /// Puts the sealed content back into files of a package that somebody wrote to in place, so that
    /// all their hard links are whole again. Best effort: a later use looks at the package anew.
    pub fn restore(&self, package: &Package) {
        let _ = self.try_restore(package);
        self.heal(&package.sha512);
    }

    fn try_restore(&self, package: &Package) -> Option<()> {
        let folder = self.open_package(package).ok()?;
        let tarball = self.tarball(&package.sha512)?;
        let mut bench = Bench::default();
        let archive = unpack::unpack_again(&mut bench, &tarball, package.sha512, &self.limits)?;
        let mut name = FileName::default();
        for (at, record) in package.index.files().enumerate() {
            let name = name.of(at);
            let found = stamp(folder.as_fd(), name).filter(|found| *found != record.stamp);
            if found.is_some_and(|found| found.inode == record.stamp.inode) {
                let bytes = archive.get(record.path)?;
                rewrite(folder.as_fd(), name, record.stamp.mode, bytes).ok()?;
            }
        }
        Some(())
    }

    fn rehash(&self, sha512: &Sha512) -> Option<Package> {
        let package = self.object(sha512)?;
        let folder = self.open_package(&package).ok()?;
        let mut name = FileName::default();
        let mut stamps = Vec::with_capacity(package.index.len());
        for (at, record) in package.index.files().enumerate() {
            let stamp = stamp(folder.as_fd(), name.of(at))?;
            if stamp.mode != record.stamp.mode {
                return None;
            }
            read_record(folder.as_fd(), name.of(at), &record)?;
            stamps.push(stamp);
        }
        let bytes = package.index.restamped(&stamps, self.boot);
        // A store that cannot be written keeps its old stamps and is hashed again next time.
        let _ = self.replace_index(folder.as_fd(), &bytes);
        Some(Package {
            sha512: *sha512,
            index: Index::parse(bytes, sha512)?,
        })
    }

    fn replace_index(&self, folder: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = StoreError::at("write an index in", &self.root);
        replace(folder, INDEX, bytes).map_err(|error| failed(error.into()))
    }

    /// Keeps findings about a package beside it, as long as the package itself is kept. Best effort.
    pub fn note(&self, sha512: &Sha512, findings: &[u8]) {
        let _ = self.try_note(sha512, findings);
    }

    fn try_note(&self, sha512: &Sha512, findings: &[u8]) -> Result<(), Errno> {
        let objects = self.objects.as_ref().ok_or(Errno::ROFS)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let folder = rustix::fs::openat(objects, hex(sha512), flags, Mode::empty())?;
        let sealed = [findings, &seal(sha512, findings)].concat();
        replace(folder.as_fd(), FINDINGS, &sealed)
    }

    /// The findings about a package, by integrity or by the name that it was
    /// [remembered](Store::remember) under; `None` when there are none or they are damaged.
    pub fn noted(&self, integrity: Option<&Integrity>, name: Option<&str>) -> Option<Vec<u8>> {
        let sha512 = match integrity {
            Some(integrity) => self.key(integrity)?,
            None => self.alias(name?)?,
        };
        let path = format!("{}/{FINDINGS}", hex(&sha512));
        let mut bytes = read_at(self.objects.as_ref()?.as_fd(), &path).ok()?;
        let (findings, found) = bytes.split_last_chunk::<32>()?;
        if seal(&sha512, findings) != *found {
            return None;
        }
        bytes.truncate(bytes.len() - 32);
        Some(bytes)
    }

    /// The tarball was accepted under some name before: its own name is believed.
    pub(super) fn rebuild(&self, sha512: &Sha512) -> Option<Package> {
        let tarball = self.tarball(sha512)?;
        let mut bench = Bench::default();
        let archive = unpack::unpack_again(&mut bench, &tarball, *sha512, &self.limits)?;
        self.keep(&archive, &tarball, None).ok()
    }

    /// Puts an unpacked tarball into the store.
    ///
    /// A package that is already there stays when it is whole, and gives way when it is not.
    pub fn keep(
        &self,
        archive: &Archive<'_>,
        tarball: &[u8],
        expected: Option<&Integrity>,
    ) -> Result<Package, StoreError> {
        let failed = |error: Errno| {
            let path = self.root.join(hex(&archive.sha512));
            StoreError::at("write", &path)(error.into())
        };
        let objects = self.objects.as_ref().ok_or(Errno::ROFS).map_err(failed)?;
        let place = self.workplace()?;
        let made = self.build(&place, archive, tarball);
        let package = made.and_then(|package| {
            self.publish(&place, objects.as_fd(), &package)?;
            Ok(package)
        });
        if let Some(expected) = expected.filter(|expected| expected.sha512_hex().is_none()) {
            self.remember(&expected.to_string(), &archive.sha512);
        }
        match package {
            Ok(package) => Ok(package),
            Err(Errno::EXIST) => {
                place.clear();
                // The winner's package, unless it vanished again in the meantime.
                self.object(&archive.sha512)
                    .ok_or_else(|| failed(Errno::EXIST))
            }
            Err(error) => {
                place.clear();
                Err(failed(error))
            }
        }
    }

    /// Writes all files of the package into the new folder `name` of the workshop.
    fn build(
        &self,
        place: &Workplace,
        archive: &Archive<'_>,
        tarball: &[u8],
    ) -> Result<Package, Errno> {
        let (workshop, name) = (&place.workshop, &*place.name);
        rustix::fs::mkdirat(workshop, name, Mode::from_raw_mode(0o700))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let folder = rustix::fs::openat(workshop, name, flags, Mode::empty())?;
        write_file(folder.as_fd(), TARBALL, 0o644, tarball)?;
        let mut files = Vec::with_capacity(archive.files.len());
        let mut number = FileName::default();
        for (at, file) in archive.files.iter().enumerate() {
            let mode = file_mode(file.executable, self.umask);
            let stamp = write_file(folder.as_fd(), number.of(at), mode, file.bytes)?;
            files.push(Record {
                path: &file.path,
                stamp,
                blake3: *blake3::hash(file.bytes).as_bytes(),
                crlf_shebang: has_crlf_shebang(file.bytes),
            });
        }
        let draft = Draft {
            sha512: archive.sha512,
            boot: self.boot,
            name: &archive.name,
            version: &archive.version,
            has_install_script: archive.has_install_script,
            claims: archive.claims.digest(),
            files,
        };
        let bytes = draft.encode();
        write_file(folder.as_fd(), INDEX, 0o644, &bytes)?;
        let index = Index::parse(bytes, &archive.sha512).ok_or(Errno::INVAL)?;
        Ok(Package {
            sha512: archive.sha512,
            index,
        })
    }

    /// Gives the finished folder its place. [`Errno::EXIST`] when a whole package has it already.
    fn publish(
        &self,
        place: &Workplace,
        objects: BorrowedFd<'_>,
        package: &Package,
    ) -> Result<(), Errno> {
        let (workshop, name) = (place.workshop.as_fd(), &*place.name);
        let target = hex(&package.sha512);
        match rustix::fs::renameat(workshop, name, objects, &*target) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            Err(error) => return Err(error),
        }
        if self.rehash(&package.sha512).is_some() {
            return Err(Errno::EXIST);
        }
        exchange(workshop, name, objects, &target)?;
        place.clear();
        Ok(())
    }

    /// A place below `tmp` for one new package.
    fn workplace(&self) -> Result<Workplace, StoreError> {
        let mut workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        if workshop.is_none() {
            let tmp = self.annex("tmp")?;
            sweep(&tmp);
            *workshop = Some(open_workshop(&tmp).map_err(StoreError::at("write", &tmp))?);
        }
        let Some(workshop) = workshop.as_mut() else {
            unreachable!("it was just made");
        };
        workshop.count += 1;
        let folder = workshop.folder.try_clone();
        let folder = folder.map_err(StoreError::at("open", &workshop.path))?;
        Ok(Workplace {
            workshop: folder,
            path: workshop.path.clone(),
            name: workshop.count.to_string(),
        })
    }
}

fn seal(sha512: &Sha512, findings: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(sha512).update(findings);
    *hasher.finalize().as_bytes()
}

/// Writes a file of a package's folder anew: readers see the old one or the new one.
fn replace(folder: BorrowedFd<'_>, name: &str, bytes: &[u8]) -> Result<(), Errno> {
    let temporary = format!("{name}.{}", unguessable());
    write_file(folder, &temporary, 0o644, bytes)
        .and_then(|_| rustix::fs::renameat(folder, &*temporary, folder, name))
        .inspect_err(|_| {
            let _ = rustix::fs::unlinkat(folder, &*temporary, AtFlags::empty());
        })
}

fn open_workshop(tmp: &Path) -> io::Result<Workshop> {
    loop {
        let path = tmp.join(unguessable());
        fs::create_dir(&path)?;
        // Until it is locked somebody may sweep it away, and has its lock while doing so.
        let folder = match open_folder(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            folder => folder?,
        };
        // Where locks do not work nobody sweeps either.
        let lock = || rustix::fs::flock(&folder, FlockOperation::LockExclusive);
        let _ = rustix::io::retry_on_intr(lock);
        if path.exists() {
            return Ok(Workshop {
                path,
                folder,
                count: 0,
            });
        }
    }
}

/// Removes the workshops of processes that died: the kernel has released their locks.
fn sweep(tmp: &Path) {
    let entries = fs::read_dir(tmp).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_given(&entry.file_name().to_string_lossy(), 32)) {
        let path = entry.path();
        if path.is_symlink() {
            continue;
        }
        let Ok(folder) = open_folder(&path) else {
            continue;
        };
        if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Exchanges two folders; where the file system cannot, moves the former aside first.
fn exchange(
    workshop: BorrowedFd<'_>,
    name: &str,
    objects: BorrowedFd<'_>,
    target: &str,
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(workshop, name, objects, target, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            let aside = format!("{name}-former");
            rustix::fs::renameat(objects, target, workshop, &*aside)?;
            rustix::fs::renameat(workshop, name, objects, target)?;
            rustix::fs::renameat(workshop, &*aside, workshop, name)
        }
        done => done,
    }
}

/// A free name in the process's workshop.
struct Workplace {
    workshop: OwnedFd,
    path: PathBuf,
    name: String,
}

impl Workplace {
    /// Best effort: what stays is swept when the process has ended.
    fn clear(&self) {
        let _ = fs::remove_dir_all(self.path.join(&self.name));
    }
}
