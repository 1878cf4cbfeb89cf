//! Notices what install scripts change in packages that are not theirs.
//!
//! Every file of a package that runs no script is looked at before and after: size, mtime, inode and
//! mode. Not ctime, which moves whenever somebody links the same file of the store. A file that was
//! written in place is shared with the store and with every other tree that links it, the former one
//! included: the store puts its sealed content back.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashSet;

use super::LinkError;
use super::state::Contents;
use super::work::{in_parallel, take};
use crate::name::PackageId;
use crate::store::disk::stamp;
use crate::store::index::Stamp;
use crate::store::{Package, Store, open_folder};

/// The files of a tree, as they were before scripts ran.
pub struct Watch {
    project: PathBuf,
    packages: Vec<(String, Package)>,
    /// For each package, its files' stamps; `None` where there is no such file.
    stamps: Vec<Vec<Option<Stamp>>>,
}

impl Watch {
    /// Looks at all packages but those at the locations `scripted`.
    pub(super) fn begin(project: &Path, contents: &Contents, scripted: &FxHashSet<&str>) -> Self {
        let packages = contents.packages().iter();
        let quiet = packages.filter(|(location, _)| !scripted.contains(location.as_str()));
        let mut watch = Self {
            project: project.to_owned(),
            packages: quiet.cloned().collect(),
            stamps: Vec::new(),
        };
        watch.stamps = watch.look();
        for ((location, package), stamps) in watch.packages.iter().zip(&mut watch.stamps) {
            // Packages inside this one's folder, bundled or not, may have scripts of their own.
            let inner: Vec<&str> = scripted
                .iter()
                .filter_map(|inner| inner.strip_prefix(location.as_str())?.strip_prefix('/'))
                .collect();
            if inner.is_empty() {
                continue;
            }
            for (file, stamp) in package.index().files().zip(stamps) {
                let is_inside = |inner: &&str| {
                    let below = file.path.strip_prefix(*inner);
                    below.is_some_and(|below| below.starts_with('/'))
                };
                if inner.iter().any(is_inside) {
                    *stamp = None;
                }
            }
        }
        watch
    }

    /// Holds every file against what it was while the scripts of `ran` did not run yet.
    ///
    /// Errors: [`LinkError::Neighbour`]; then the store and what is linked to it are as before.
    pub fn check(&self, store: &Store, ran: &[PackageId]) -> Result<(), LinkError> {
        let mut first = None;
        for (((location, package), before), after) in
            self.packages.iter().zip(&self.stamps).zip(self.look())
        {
            let files = package.index().files().zip(before.iter().zip(&after));
            let mut changed =
                files.filter(|(_, (before, after))| before.is_some() && before != after);
            let Some((file, (_, after))) = changed.next() else {
                continue;
            };
            store.restore(package);
            first.get_or_insert_with(|| LinkError::Neighbour {
                package: PackageId::new(package.index().name(), package.index().version()),
                path: format!("{location}/{}", file.path),
                what: if after.is_some() { "changed" } else { "gone" },
                ran: ran.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>(),
            });
        }
        first.map_or(Ok(()), Err)
    }

    fn look(&self) -> Vec<Vec<Option<Stamp>>> {
        let found = Mutex::new(vec![Vec::new(); self.packages.len()]);
        let project = open_folder(&self.project).ok();
        let look = |path: &str| stamp(project.as_ref()?.as_fd(), path);
        let next = AtomicUsize::new(0);
        in_parallel(|| {
            while let Some(at) = take(&next, self.packages.len()) {
                let (location, package) = &self.packages[at];
                let path = |file: &str| format!("{location}/{file}");
                let files = package.index().files();
                let stamps = files.map(|file| look(&path(file.path)));
                let stamps: Vec<Option<Stamp>> = stamps.collect();
                found.lock().unwrap_or_else(PoisonError::into_inner)[at] = stamps;
            }
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
