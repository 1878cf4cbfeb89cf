//! The files of one package, in memory or in the store.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags};

use crate::store::disk::{FileName, read_record};
use crate::store::index::Record;
use crate::store::{Archive, Package, Store};

/// How many bytes tell what a file is.
pub const HEAD: usize = 8;

/// A package that can be looked into.
pub trait Files {
    /// Paths and sizes; their order numbers the files.
    fn list(&self) -> Vec<(&str, u64)>;

    /// The first [`HEAD`] bytes, fewer of a shorter file; `None` when it cannot be read.
    fn head(&self, at: usize) -> Option<Vec<u8>>;

    /// The whole file, as it was when its tarball was verified; `None` when it is not.
    fn read(&self, at: usize) -> Option<Cow<'_, [u8]>>;
}

impl Files for Archive<'_> {
    fn list(&self) -> Vec<(&str, u64)> {
        let files = self.files.iter();
        files
            .map(|file| (&*file.path, file.bytes.len() as u64))
            .collect()
    }

    fn head(&self, at: usize) -> Option<Vec<u8>> {
        let bytes = self.files.get(at)?.bytes;
        Some(bytes.get(..HEAD).unwrap_or(bytes).to_vec())
    }

    fn read(&self, at: usize) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self.files.get(at)?.bytes))
    }
}

/// A package as it lies in the store.
pub struct Stored<'a> {
    folder: OwnedFd,
    files: Vec<Record<'a>>,
}

impl<'a> Stored<'a> {
    /// `None` when its files are not as they were when they were last hashed.
    pub fn open(store: &Store, package: &'a Package) -> Option<Self> {
        let folder = store.open_package(package).ok()?;
        let files = package.index().files().collect();
        let intact = package.is_intact(folder.as_fd());
        intact.then_some(Self { folder, files })
    }
}

impl Files for Stored<'_> {
    fn list(&self) -> Vec<(&str, u64)> {
        let files = self.files.iter();
        files.map(|file| (file.path, file.stamp.size)).collect()
    }

    fn head(&self, at: usize) -> Option<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut name = FileName::default();
        let file = rustix::fs::openat(&self.folder, name.of(at), flags, Mode::empty()).ok()?;
        let mut head = Vec::with_capacity(HEAD);
        let most = HEAD as u64;
        File::from(file).take(most).read_to_end(&mut head).ok()?;
        Some(head)
    }

    fn read(&self, at: usize) -> Option<Cow<'_, [u8]>> {
        let record = self.files.get(at)?;
        let bytes = read_record(self.folder.as_fd(), FileName::default().of(at), record)?;
        Some(Cow::Owned(bytes))
    }
}
