//! The tree that is about to be replaced, as a source of files: what did not change is linked from
//! it where the store cannot be linked to, so that it neither is written twice nor shared with other
//! projects.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};

use super::plan::Home;
use crate::store::open_folder;

/// The present `node_modules` of each home, where there is one.
pub(super) struct Former(Vec<Option<OwnedFd>>);

/// What a file must be to be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub mode: u32,
    pub size: u64,
    pub blake3: [u8; 32],
}

impl Former {
    pub fn of(project: &Path, homes: &[Home]) -> Self {
        let open = |home: &Home| open_folder(&project.join(&home.folder).join("node_modules")).ok();
        Self(homes.iter().map(open).collect())
    }

    /// Links the file at `path` of a package below the home's `node_modules` to `path` in `folder`.
    /// `false` when it is not what is wanted: its content is read, its size and times are not trusted.
    pub fn link(
        &self,
        (home, package, path): (usize, &str, &str),
        wanted: Wanted,
        folder: BorrowedFd<'_>,
    ) -> bool {
        let Some(home) = self.0.get(home).and_then(Option::as_ref) else {
            return false;
        };
        let Some(file) = same_file(home.as_fd(), &format!("{package}/{path}"), wanted) else {
            return false;
        };
        // By its descriptor: another file may have its name by now.
        let this = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::linkat(CWD, this, folder, path, AtFlags::SYMLINK_FOLLOW).is_ok()
    }
}

/// The file if it is the wanted one, this user's own, and not reached through a link.
fn same_file(home: BorrowedFd<'_>, path: &str, wanted: Wanted) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let inside = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
    let file = rustix::fs::openat2(home, path, flags, Mode::empty(), inside).ok()?;
    let stat = rustix::fs::fstat(&file).ok()?;
    let fits = FileType::from_raw_mode(stat.st_mode).is_file()
        && stat.st_mode & 0o7777 == wanted.mode
        && u64::try_from(stat.st_size) == Ok(wanted.size)
        && stat.st_uid == rustix::process::geteuid().as_raw();
    if !fits {
        return None;
    }
    let (mut file, mut bytes) = (File::from(file), Vec::new());
    file.read_to_end(&mut bytes).ok()?;
    (*blake3::hash(&bytes).as_bytes() == wanted.blake3).then_some(file)
}
