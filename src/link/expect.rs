//! What a tree holds once it is installed, told from the store's indexes without a look at it.

use std::collections::BTreeMap;
use std::path::Path;

use super::bins::{Bin, mended};
use super::plan::{Bundled, Link, Place, Plan, Purpose, is_installed};
use super::{LinkError, Wanted, WantedPackage};
use crate::name::PackageId;
use crate::store::{Package, Store};

/// One path below a `node_modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Folder,
    File {
        /// Permission bits.
        mode: u32,
        blake3: [u8; 32],
    },
    /// A symbolic link and its text.
    Link(String),
}

/// A whole tree, every workspace's `node_modules` included. Paths are relative to the project.
#[derive(Debug, Default)]
pub struct Expected {
    pub entries: BTreeMap<String, Entry>,
    /// Package folders, bundled ones not counted, and who lives there.
    pub packages: BTreeMap<String, PackageId>,
    /// Every `node_modules` of the project and its workspaces, expected or not.
    pub homes: Vec<String>,
    /// Those of them in which others may keep what they like.
    pub shared: Vec<String>,
    /// npm's own record of the tree, if there is to be one.
    pub hidden_lock: Option<String>,
}

/// The tree that [`super::stage`] makes of `wanted`.
///
/// `packages` gives what the store has for each wanted package that is not bundled. Modes are those
/// of the store's umask.
pub fn expect(
    project: &Path,
    wanted: &Wanted,
    store: &Store,
    packages: &dyn Fn(&WantedPackage) -> Option<Package>,
) -> Result<Expected, LinkError> {
    let plan = Plan::of(wanted)?;
    let mut expected = Expected::default();
    for home in &plan.homes {
        let folder = folder_of(&home.folder);
        if home.wanted {
            expected.entries.insert(folder.clone(), Entry::Folder);
        }
        expected.shared.extend(home.shared.then(|| folder.clone()));
        expected.homes.push(folder);
    }
    let mut sources: Vec<(String, Package)> = Vec::new();
    for place in &plan.places {
        let package = packages(place.package)
            .ok_or_else(|| LinkError::Undelivered(place.package.id.clone()))?;
        let home = expected.homes[place.home].clone();
        expected.add_package(&home, place, &package, store)?;
        sources.push((format!("{home}/{}", place.path), package));
    }
    for bundled in &plan.bundled {
        let home = expected.homes[bundled.home].clone();
        expected.add_bundled(&home, bundled, &sources, store)?;
    }
    for link in &plan.links {
        let home = expected.homes[link.home].clone();
        expected.add_link(&home, link, project);
    }
    let root = folder_of("");
    if let Some(bytes) = &wanted.hidden_lock
        && (expected.entries.contains_key(&root) || project.join(&root).is_dir())
    {
        let file = Entry::File {
            mode: 0o666 & !store.umask(),
            blake3: *blake3::hash(bytes).as_bytes(),
        };
        expected.entries.insert(root.clone(), Entry::Folder);
        let path = format!("{root}/.package-lock.json");
        expected.entries.insert(path.clone(), file);
        expected.hidden_lock = Some(path);
    }
    Ok(expected)
}

fn folder_of(home: &str) -> String {
    if home.is_empty() {
        "node_modules".to_owned()
    } else {
        format!("{home}/node_modules")
    }
}

impl Expected {
    fn add_package(
        &mut self,
        home: &str,
        place: &Place<'_>,
        package: &Package,
        store: &Store,
    ) -> Result<(), LinkError> {
        let location = format!("{home}/{}", place.path);
        let inside = |path: &str, folder: &str| {
            let rest = path.strip_prefix(folder);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let foreign = |path: &str| place.nested.iter().any(|nested| inside(path, nested));
        self.add_folders(home, &location);
        self.packages
            .insert(location.clone(), place.package.id.clone());
        for folder in package.index().folders().filter(|path| !foreign(path)) {
            self.entries
                .insert(format!("{location}/{folder}"), Entry::Folder);
        }
        for file in package.index().files().filter(|file| !foreign(file.path)) {
            let purpose = place.purpose_of(file.path);
            let mut entry = Entry::File {
                mode: purpose.mode(file.stamp.mode, store.umask()),
                blake3: file.blake3,
            };
            if purpose == Purpose::Bin {
                entry = bin_entry(package, file.path, file.crlf_shebang, store)?;
            }
            self.entries
                .insert(format!("{location}/{}", file.path), entry);
        }
        for bin in &place.bins {
            self.add_bin(home, &location, bin);
        }
        Ok(())
    }

    /// Bins of a bundled package are files of the tarball around it.
    fn add_bundled(
        &mut self,
        home: &str,
        bundled: &Bundled,
        sources: &[(String, Package)],
        store: &Store,
    ) -> Result<(), LinkError> {
        let location = format!("{home}/{}", bundled.path);
        for bin in &bundled.bins {
            let path = format!("{location}/{}", bin.target);
            let source = sources
                .iter()
                .filter_map(|(at, package)| {
                    Some((
                        at,
                        package,
                        path.strip_prefix(at.as_str())?.strip_prefix('/')?,
                    ))
                })
                .max_by_key(|(at, ..)| at.len());
            let Some((_, package, below)) = source else {
                continue;
            };
            if matches!(self.entries.get(&path), Some(Entry::File { .. })) {
                let entry = bin_entry(package, below, true, store)?;
                self.entries.insert(path, entry);
            }
            self.add_bin(home, &location, bin);
        }
        Ok(())
    }

    fn add_link(&mut self, home: &str, link: &Link, project: &Path) {
        let path = format!("{home}/{}", link.path);
        self.add_folders(home, &path);
        self.entries.insert(path, Entry::Link(link.text.clone()));
        for bin in &link.bins {
            let target = format!("{}/{}", link.target, bin.target);
            let is_there = if is_installed(&link.target) {
                self.entries.contains_key(&target)
            } else {
                project.join(target).symlink_metadata().is_ok()
            };
            if is_there {
                self.add_bin_link(home, bin);
            }
        }
    }

    fn add_bin(&mut self, home: &str, location: &str, bin: &Bin) {
        let target = format!("{location}/{}", bin.target);
        if self.entries.contains_key(&target) {
            self.add_bin_link(home, bin);
        }
    }

    fn add_bin_link(&mut self, home: &str, bin: &Bin) {
        let path = format!("{home}/{}", bin.link);
        self.add_folders(home, &path);
        self.entries.insert(path, Entry::Link(bin.text.clone()));
    }

    /// The folders between `home` and what lies at `path`, that at `path` included unless it is
    /// something else already.
    fn add_folders(&mut self, home: &str, path: &str) {
        let ends = path.match_indices('/').map(|(at, _)| at);
        for end in ends.chain([path.len()]).filter(|end| *end > home.len()) {
            let folder = &path[..end];
            if !self.entries.contains_key(folder) {
                self.entries.insert(folder.to_owned(), Entry::Folder);
            }
        }
    }
}

/// A command's file: executable, and mended where npm does that.
fn bin_entry(package: &Package, path: &str, mend: bool, store: &Store) -> Result<Entry, LinkError> {
    let unstable = || {
        LinkError::Unstable(PackageId::new(
            package.index().name(),
            package.index().version(),
        ))
    };
    let known = package.index().files().find(|file| file.path == path);
    let known = known.ok_or_else(unstable)?;
    let mut blake3 = known.blake3;
    if mend && known.crlf_shebang {
        let bytes = store.read(package, path).ok_or_else(unstable)?;
        blake3 = *blake3::hash(&mended(bytes)).as_bytes();
    }
    Ok(Entry::File {
        mode: 0o777 & !store.umask(),
        blake3,
    })
}
