//! System calls relative to open folders, without a call too many.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::index::{Record, Stamp};

/// Decimal file names without an allocation each.
#[derive(Default)]
pub(crate) struct FileName(String);

impl FileName {
    pub fn of(&mut self, number: usize) -> &str {
        self.0.clear();
        let _ = write!(self.0, "{number}");
        &self.0
    }
}

/// Makes a new file; its mode is `mode`, which the process's umask must allow.
pub(crate) fn create_file(
    folder: BorrowedFd<'_>,
    name: &str,
    mode: u32,
    bytes: &[u8],
) -> Result<(), Errno> {
    create(folder, name, mode, bytes).map(drop)
}

fn create(folder: BorrowedFd<'_>, name: &str, mode: u32, bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(mode))?;
    write_all(file.as_fd(), bytes)?;
    Ok(file)
}

/// 0644, or 0755 with any execute bit, under the umask: nothing else survives of an archive's mode.
pub(crate) fn file_mode(executable: bool, umask: u32) -> u32 {
    let mode = if executable { 0o755 } else { 0o644 };
    mode & !umask
}

/// Makes a new file and returns its stamp.
pub(super) fn write_file(
    folder: BorrowedFd<'_>,
    name: &str,
    mode: u32,
    bytes: &[u8],
) -> Result<Stamp, Errno> {
    let file = create(folder, name, mode, bytes)?;
    stamp_new(&file, mode)
}

/// As [`write_file`], for a file of any length: `each` sees every piece when it is written.
pub(super) fn write_pieces(
    folder: BorrowedFd<'_>,
    name: &str,
    mode: u32,
    bytes: &[u8],
    mut each: impl FnMut(&[u8]),
) -> Result<Stamp, Errno> {
    let file = create(folder, name, mode, &[])?;
    for piece in bytes.chunks(PIECE) {
        write_all(file.as_fd(), piece)?;
        each(piece);
    }
    stamp_new(&file, mode)
}

fn stamp_new(file: &OwnedFd, mode: u32) -> Result<Stamp, Errno> {
    let stat = rustix::fs::fstat(file)?;
    if stat.st_mode & 0o7777 == mode {
        return Ok(stamp_of(&stat));
    }
    // Another umask than the process's, or a folder with default ACLs.
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
    Ok(stamp_of(&rustix::fs::fstat(file)?))
}

/// As much of a large file as is in memory at once.
pub(crate) const PIECE: usize = 4 << 20;

/// Gives a file its content back without giving it another inode: every hard link of it is mended.
pub(super) fn rewrite(
    folder: BorrowedFd<'_>,
    name: &str,
    mode: u32,
    bytes: &[u8],
) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    rustix::fs::ftruncate(&file, 0)?;
    write_all(file.as_fd(), bytes)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
}

fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The stamp of a regular file; `None` for anything else.
pub(crate) fn stamp(folder: BorrowedFd<'_>, name: &str) -> Option<Stamp> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let regular = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    regular.then(|| stamp_of(&stat))
}

fn stamp_of(stat: &Stat) -> Stamp {
    Stamp {
        size: stat.st_size.cast_unsigned(),
        mtime: stat.st_mtime * 1_000_000_000 + stat.st_mtime_nsec.cast_signed(),
        inode: stat.st_ino,
        mode: stat.st_mode & 0o7777,
    }
}

pub(super) fn read_at(folder: BorrowedFd<'_>, path: &str) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(folder, path, flags, Mode::empty())?;
    let size = rustix::fs::fstat(&file)?.st_size;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    fs::File::from(file).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Holds a stored file against its record; what is wrong with it, in words.
pub(super) fn check_file(
    folder: BorrowedFd<'_>,
    number: usize,
    record: &Record<'_>,
) -> Result<(), &'static str> {
    let mut name = FileName::default();
    let name = name.of(number);
    let found = stamp(folder, name).ok_or("is missing or no file")?;
    if found.mode != record.stamp.mode {
        return Err("has another mode");
    }
    read_record(folder, name, record)
        .map(drop)
        .ok_or("has another content")
}

/// A stored file's bytes, if they are those of the record.
pub(crate) fn read_record(
    folder: BorrowedFd<'_>,
    name: &str,
    record: &Record<'_>,
) -> Option<Vec<u8>> {
    let bytes = read_at(folder, name).ok()?;
    (*blake3::hash(&bytes).as_bytes() == record.blake3).then_some(bytes)
}

/// Copies a stored file of any length, its first piece changed by `first`; `false`, and no copy,
/// when it is not that of the record.
pub(crate) fn copy_record(
    (store, name): (BorrowedFd<'_>, &str),
    record: &Record<'_>,
    (folder, path): (BorrowedFd<'_>, &str),
    mode: u32,
    first: impl Fn(Vec<u8>) -> Vec<u8>,
) -> Result<bool, Errno> {
    use io::Read as _;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(source) = rustix::fs::openat(store, name, flags, Mode::empty()) else {
        return Ok(false);
    };
    let mut source = fs::File::from(source);
    let copy = create(folder, path, mode, &[])?;
    let mut hasher = blake3::Hasher::new();
    let mut is_first = true;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = source.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        if read.is_err() || piece.is_empty() {
            break;
        }
        hasher.update(&piece);
        let piece = if is_first { first(piece) } else { piece };
        write_all(copy.as_fd(), &piece)?;
        is_first = false;
    }
    let is_right = *hasher.finalize().as_bytes() == record.blake3;
    if !is_right {
        rustix::fs::unlinkat(folder, path, AtFlags::empty())?;
    }
    Ok(is_right)
}

/// A name that nobody can plant something under beforehand.
pub(crate) fn unguessable() -> String {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
