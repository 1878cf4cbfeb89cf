//! One package folder: its folders, its files in the way the mode asks for, its bins.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::bins::{self, Bin};
use super::former::{self, Former};
use super::plan::{Bundled, Link, Place, Plan, Purpose, is_installed};
use super::swap::Staging;
use super::{LinkError, LinkMode};
use crate::store::disk::{FileName, create_file, read_record};
use crate::store::index::Record;
use crate::store::{Archive, Package, file_mode, has_crlf_shebang};

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW);

/// Where a package's files come from.
pub(super) enum Source<'a> {
    /// The store: the package, and its folder.
    Stored(&'a Package, BorrowedFd<'a>),
    /// A tarball just unpacked that the store could not keep.
    Unpacked(&'a Archive<'a>),
}

/// How files are brought over; what the file system refuses once is not tried again.
pub(super) struct Carrier {
    mode: LinkMode,
    former: Former,
    umask: u32,
    refused: AtomicBool,
    /// Sentences about bins whose file is not there.
    missing: Mutex<Vec<String>>,
}

/// Why a package folder is not there.
pub(super) enum PlaceError {
    /// A file of the store changed or vanished: heal the package and try again.
    Unstable,
    Disk(&'static str, PathBuf, io::Error),
}

/// The facts about a file that decide how it comes over.
struct Item<'a> {
    number: usize,
    path: &'a str,
    mode: u32,
    crlf_shebang: bool,
    content: Content<'a>,
}

enum Content<'a> {
    Stored(BorrowedFd<'a>, Record<'a>),
    Memory(&'a [u8]),
}

impl Source<'_> {
    fn each(
        &self,
        umask: u32,
        mut take: impl FnMut(&Item<'_>) -> Result<(), PlaceError>,
    ) -> Result<(), PlaceError> {
        match self {
            Self::Stored(package, folder) => {
                for (number, record) in package.index().files().enumerate() {
                    take(&Item {
                        number,
                        path: record.path,
                        mode: record.stamp.mode,
                        crlf_shebang: record.crlf_shebang,
                        content: Content::Stored(*folder, record),
                    })?;
                }
            }
            Self::Unpacked(archive) => {
                for (number, file) in archive.files.iter().enumerate() {
                    take(&Item {
                        number,
                        path: &file.path,
                        mode: file_mode(file.executable, umask),
                        crlf_shebang: has_crlf_shebang(file.bytes),
                        content: Content::Memory(file.bytes),
                    })?;
                }
            }
        }
        Ok(())
    }

    fn has_install_script(&self) -> bool {
        match self {
            Self::Stored(package, _) => package.index().has_install_script(),
            Self::Unpacked(archive) => archive.has_install_script,
        }
    }

    fn folders(&self) -> Vec<&str> {
        match self {
            Self::Stored(package, _) => package.index().folders().collect(),
            Self::Unpacked(archive) => {
                crate::store::index::folders(archive.files.iter().map(|file| &*file.path))
            }
        }
    }
}

impl Carrier {
    /// What is to be said about bins whose file is not there, in a fixed order.
    pub fn missing_bins(self) -> Vec<String> {
        let mut missing = self
            .missing
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        missing.sort();
        missing
    }

    pub fn new(mode: LinkMode, former: Former, umask: u32) -> Self {
        Self {
            mode,
            former,
            umask,
            refused: AtomicBool::new(false),
            missing: Mutex::default(),
        }
    }

    /// Makes the package's folder below `home`, an open `node_modules`.
    ///
    /// `again`: the folder may hold files of a first attempt.
    pub fn place(
        &self,
        home: BorrowedFd<'_>,
        place: &Place<'_>,
        source: &Source<'_>,
        again: bool,
    ) -> Result<(), PlaceError> {
        make_folder(home, &place.path).map_err(disk("make", &place.path))?;
        let folder = rustix::fs::openat(home, &*place.path, FOLDER, Mode::empty())
            .map_err(disk("open", &place.path))?;
        // Another package's folder inside this one is not ours to fill.
        let foreign = |path: &str| {
            place.nested.iter().any(|nested| {
                path.strip_prefix(nested.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        for below in source.folders() {
            if !foreign(below) {
                match rustix::fs::mkdirat(&folder, below, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(disk("make", &place.path)(error)),
                }
            }
        }
        let scripted = place.bundles || source.has_install_script();
        let way = if place.package.runs_scripts && scripted {
            LinkMode::Copy
        } else {
            self.mode
        };
        source.each(self.umask, |item| {
            if foreign(item.path) {
                return Ok(());
            }
            if again {
                let _ = rustix::fs::unlinkat(&folder, item.path, AtFlags::empty());
            }
            self.carry(folder.as_fd(), place, item, way)
                .map_err(|error| error.below(&place.path))
        })?;
        for bin in &place.bins {
            let linked = link_bin(home, folder.as_fd(), bin);
            if !linked.map_err(disk("make the link", &bin.link))? {
                let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
                missing.push(format!(
                    "{}: its bin `{}` is not in its tarball",
                    place.package.id, bin.target
                ));
            }
        }
        Ok(())
    }

    fn carry(
        &self,
        folder: BorrowedFd<'_>,
        place: &Place<'_>,
        item: &Item<'_>,
        way: LinkMode,
    ) -> Result<(), PlaceError> {
        let purpose = place.purpose_of(item.path);
        let mode = purpose.mode(item.mode, self.umask);
        let mends = purpose == Purpose::Bin && item.crlf_shebang;
        let private = mends || mode != item.mode;
        if let Content::Stored(store, _) = item.content
            && !private
            && way != LinkMode::Copy
            && self.try_link(store, folder, item, way)?
        {
            return Ok(());
        }
        if let Content::Stored(_, record) = &item.content
            && !mends
            && way == LinkMode::Auto
            && self.take_former(folder, place, record, mode)
        {
            return Ok(());
        }
        let bytes = match item.content {
            Content::Memory(bytes) if !private => {
                return create_file(folder, item.path, mode, bytes)
                    .map_err(disk("write", item.path));
            }
            Content::Memory(bytes) => bytes.to_vec(),
            Content::Stored(store, record) => {
                let mut name = FileName::default();
                read_record(store, name.of(item.number), &record).ok_or(PlaceError::Unstable)?
            }
        };
        let bytes = if mends { bins::mended(bytes) } else { bytes };
        create_file(folder, item.path, mode, &bytes).map_err(disk("write", item.path))
    }

    /// `false`: the former tree does not have this file.
    fn take_former(
        &self,
        folder: BorrowedFd<'_>,
        place: &Place<'_>,
        record: &Record<'_>,
        mode: u32,
    ) -> bool {
        let wanted = former::Wanted {
            mode,
            size: record.stamp.size,
            blake3: record.blake3,
        };
        let file = (place.home, &*place.path, record.path);
        self.former.link(file, wanted, folder)
    }

    /// `false`: it has to be a copy.
    fn try_link(
        &self,
        store: BorrowedFd<'_>,
        folder: BorrowedFd<'_>,
        item: &Item<'_>,
        way: LinkMode,
    ) -> Result<bool, PlaceError> {
        if self.refused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut name = FileName::default();
        let name = name.of(item.number);
        let linked = if way == LinkMode::Reflink {
            reflink(store, name, folder, item)
        } else {
            rustix::fs::linkat(store, name, folder, item.path, AtFlags::empty())
        };
        match linked {
            Ok(()) => Ok(true),
            // Another home may lie on the store's own file system.
            Err(Errno::MLINK | Errno::XDEV) => Ok(false),
            Err(Errno::NOENT) => Err(PlaceError::Unstable),
            Err(
                Errno::PERM
                | Errno::ACCESS
                | Errno::OPNOTSUPP
                | Errno::NOTTY
                | Errno::INVAL
                | Errno::NOSYS,
            ) => {
                self.refused.store(true, Ordering::Relaxed);
                Ok(false)
            }
            Err(error) => Err(disk("link", item.path)(error)),
        }
    }
}

/// A link in `.bin`, when its target is there; is it? `folder` is the package's.
fn link_bin(home: BorrowedFd<'_>, folder: BorrowedFd<'_>, bin: &Bin) -> io::Result<bool> {
    match rustix::fs::statat(folder, &*bin.target, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => make_link(home, &bin.link, &bin.text).map(|()| true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn reflink(
    store: BorrowedFd<'_>,
    name: &str,
    folder: BorrowedFd<'_>,
    item: &Item<'_>,
) -> Result<(), Errno> {
    let read = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let from = rustix::fs::openat(store, name, read, Mode::empty())?;
    let make = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let to = rustix::fs::openat(folder, item.path, make, Mode::from_raw_mode(item.mode))?;
    let cloned = rustix::fs::ioctl_ficlone(&to, &from);
    if cloned.is_err() {
        rustix::fs::unlinkat(folder, item.path, AtFlags::empty())?;
    }
    cloned
}

fn disk<E: Into<io::Error>>(
    action: &'static str,
    path: &str,
) -> impl FnOnce(E) -> PlaceError + use<E> {
    let path = PathBuf::from(path);
    move |error| PlaceError::Disk(action, path, error.into())
}

impl PlaceError {
    fn below(self, package: &str) -> Self {
        match self {
            Self::Disk(action, path, error) => {
                Self::Disk(action, PathBuf::from(package).join(path), error)
            }
            Self::Unstable => Self::Unstable,
        }
    }
}

/// Makes `path` below `home`, and what is missing above it.
fn make_folder(home: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
    match rustix::fs::mkdirat(home, path, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => {
            let (parent, _) = path.rsplit_once('/').ok_or(Errno::NOENT)?;
            make_folder(home, parent)?;
            match rustix::fs::mkdirat(home, path, Mode::from_raw_mode(0o777)) {
                Err(Errno::EXIST) => Ok(()),
                done => done,
            }
        }
        Err(error) => Err(error),
    }
}

/// A symbolic link, in the place of whatever file a tarball put there.
fn make_link(home: BorrowedFd<'_>, path: &str, text: &str) -> io::Result<()> {
    match rustix::fs::symlinkat(text, home, path) {
        Err(Errno::NOENT) => {
            let (parent, _) = path.rsplit_once('/').ok_or(Errno::NOENT)?;
            make_folder(home, parent)?;
            Ok(rustix::fs::symlinkat(text, home, path)?)
        }
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(home, path, AtFlags::empty())?;
            Ok(rustix::fs::symlinkat(text, home, path)?)
        }
        done => Ok(done?),
    }
}

/// What needs every package in place: bundled bins, links, the hidden lock.
pub(super) fn finish(
    plan: &Plan<'_>,
    staging: &Staging,
    umask: u32,
    hidden_lock: Option<&[u8]>,
) -> Result<(), LinkError> {
    for bundled in &plan.bundled {
        finish_bundled(bundled, staging.home(bundled.home)?, umask)?;
    }
    for link in &plan.links {
        finish_link(link, staging)?;
    }
    if let Some(bytes) = hidden_lock
        && staging.has_home(0)
    {
        let name = ".package-lock.json";
        create_file(staging.home(0)?, name, 0o666 & !umask, bytes)
            .map_err(LinkError::at("write", name))?;
    }
    Ok(())
}

fn finish_bundled(bundled: &Bundled, home: BorrowedFd<'_>, umask: u32) -> Result<(), LinkError> {
    let folder = rustix::fs::openat(home, &*bundled.path, FOLDER, Mode::empty());
    let folder = folder.map_err(|_| LinkError::NotBundled {
        location: bundled.path.clone(),
    })?;
    for bin in &bundled.bins {
        if make_executable(folder.as_fd(), &bin.target, 0o777 & !umask)
            .map_err(LinkError::at("make executable", &bin.target))?
        {
            make_link(home, &bin.link, &bin.text)
                .map_err(LinkError::at("make the link", &bin.link))?;
        }
    }
    Ok(())
}

fn finish_link(link: &Link, staging: &Staging) -> Result<(), LinkError> {
    let home = staging.home(link.home)?;
    make_link(home, &link.path, &link.text).map_err(LinkError::at("make the link", &link.path))?;
    for bin in &link.bins {
        let target = format!("{}/{}", link.target, bin.target);
        let is_there = match target.strip_prefix("node_modules/") {
            Some(below) if is_installed(&link.target) => {
                let top = staging.home(0)?;
                rustix::fs::statat(top, below, AtFlags::SYMLINK_NOFOLLOW).is_ok()
            }
            _ => std::fs::symlink_metadata(staging.project().join(target)).is_ok(),
        };
        if is_there {
            make_link(home, &bin.link, &bin.text)
                .map_err(LinkError::at("make the link", &bin.link))?;
        }
    }
    Ok(())
}

/// Gives a regular file `mode` and an LF after its `#!` line, by a private copy where needed: the
/// file may share its inode with the store. `false` when it is not there.
pub(super) fn make_executable(folder: BorrowedFd<'_>, path: &str, mode: u32) -> io::Result<bool> {
    use io::Read as _;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file: OwnedFd = match rustix::fs::openat(folder, path, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    std::fs::File::from(file).read_to_end(&mut bytes)?;
    let has_mode = stat.st_mode & 0o7777 == mode;
    if has_mode && !has_crlf_shebang(&bytes) {
        return Ok(true);
    }
    let temporary = format!("{path}.{}", crate::store::disk::unguessable());
    create_file(folder, &temporary, mode, &bins::mended(bytes))?;
    rustix::fs::renameat(folder, &*temporary, folder, path)?;
    Ok(true)
}
