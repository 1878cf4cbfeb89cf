//! The new tree beside the old one, their exchange, and tidying after runs that were killed.
//!
//! Everything staged lies in one folder of the project, `.node_modules-heatseal-<random>`: the new
//! `node_modules` of the project as `0`, those of workspaces as `1`, `2`…. Before the first exchange
//! a `journal` there lists them with their inodes; afterwards the numbers are the former trees. The
//! journal's removal is the commit. So a leftover without journal is rubbish, and one with a journal
//! is undone: where a `node_modules` has the journal's inode, the former tree goes back. What lies
//! on another mount than the project is staged there (see [`super::ground`]).

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustc_hash::FxHashSet;
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::LinkError;
use super::bins::mended;
use super::ground::{self, Ground};
use super::plan::{Home, Location, Plan, is_installed};
use crate::report::{Event, Reporter};
use crate::store::disk::{create_file, unguessable};
use crate::store::{Package, has_crlf_shebang, open_folder};

/// How our folders in a project begin.
pub(super) const PREFIX: &str = ".node_modules-heatseal-";
const JOURNAL: &str = "journal";

/// A staged `node_modules`.
struct StagedHome {
    path: PathBuf,
    ground: Ground,
    opened: OwnedFd,
}

/// The folder in which a new tree grows; it goes with its owner unless it was completed.
pub(super) struct Staging {
    project: PathBuf,
    folder: PathBuf,
    homes: Vec<Option<StagedHome>>,
    lock: Option<OwnedFd>,
    keep: bool,
}

impl Staging {
    /// Locks the project, tidies up after others, and makes an empty folder for each home.
    pub fn begin(
        project: &Path,
        homes: &[Home],
        reporter: &dyn Reporter,
    ) -> Result<Self, LinkError> {
        let lock = lock(project, reporter)?;
        recover(project)?;
        let folder = project.join(format!("{PREFIX}{}", unguessable()));
        make_private(&folder)?;
        let mut staging = Self {
            project: project.to_owned(),
            folder,
            homes: Vec::new(),
            lock: Some(lock),
            keep: false,
        };
        let grounds = homes.iter().map(|home| staging.ground(home));
        let grounds = grounds.collect::<Result<Vec<_>, _>>()?;
        let named = grounds.iter().zip(homes);
        let elsewhere: Vec<(Ground, &str)> = named
            .filter_map(|(ground, home)| Some(((*ground)?, &*home.folder)))
            .filter(|(ground, _)| *ground != Ground::Project)
            .collect();
        ground::write_elsewhere(&staging.folder, &elsewhere)
            .map_err(LinkError::at("write in", &staging.folder))?;
        for (at, (home, ground)) in homes.iter().zip(grounds).enumerate() {
            let made = ground.map(|ground| staging.make_home(at, home, ground));
            staging.homes.push(made.transpose()?);
        }
        Ok(staging)
    }

    /// Where the `node_modules` of a home is to be staged; `None` when there is none to make or empty.
    fn ground(&self, home: &Home) -> Result<Option<Ground>, LinkError> {
        let mut folder = self.project.clone();
        for part in home.folder.split('/').filter(|part| !part.is_empty()) {
            folder.push(part);
            match fs::symlink_metadata(&folder) {
                Ok(metadata) if metadata.is_dir() => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound && !home.wanted => {
                    return Ok(None);
                }
                Err(error) => return Err(LinkError::at("read", &folder)(error)),
                Ok(_) => {
                    return Err(LinkError::Location {
                        location: home.folder.clone(),
                        why: "its workspace is a link or a file",
                    });
                }
            }
        }
        folder.push("node_modules");
        match fs::symlink_metadata(&folder) {
            Ok(there) if there.is_symlink() => {
                let target = fs::read_link(&folder).unwrap_or_default();
                return Err(LinkError::Linked {
                    path: folder,
                    target,
                });
            }
            Err(_) if !home.wanted => return Ok(None),
            _ => {}
        }
        if let Some(mounted) = ground::mounted_below(&folder) {
            return Err(LinkError::not_moved(&mounted, Errno::BUSY.into()));
        }
        let ground = Ground::of(&self.project, &home.folder);
        Ok(Some(ground.map_err(LinkError::at("read", &folder))?))
    }

    fn make_home(&self, at: usize, home: &Home, ground: Ground) -> Result<StagedHome, LinkError> {
        let folder = ground.folder(&self.project, &home.folder, &name_of(&self.folder));
        if ground != Ground::Project {
            make_private(&folder)?;
        }
        let path = folder.join(at.to_string());
        fs::create_dir(&path).map_err(LinkError::at("make", &path))?;
        let opened = open_folder(&path).map_err(LinkError::at("open", &path))?;
        Ok(StagedHome {
            path,
            ground,
            opened,
        })
    }

    pub fn project(&self) -> &Path {
        &self.project
    }

    /// The staged `node_modules` of a home.
    pub fn home(&self, at: usize) -> Result<BorrowedFd<'_>, LinkError> {
        let home = self.homes.get(at).and_then(Option::as_ref);
        home.map(|home| home.opened.as_fd()).ok_or_else(|| {
            let missing = io::Error::from(io::ErrorKind::NotFound);
            LinkError::at("open", &self.folder)(missing)
        })
    }

    /// Where the `node_modules` of a home grows.
    pub fn staged(&self, at: usize) -> Option<&Path> {
        let home = self.homes.get(at)?.as_ref()?;
        Some(&home.path)
    }

    pub fn has_home(&self, at: usize) -> bool {
        self.homes.get(at).is_some_and(Option::is_some)
    }

    /// The tree is whole.
    pub fn complete(mut self, plan: &Plan<'_>, packages: &[Option<Package>], umask: u32) -> Staged {
        let homes = plan.homes.iter().zip(&self.homes);
        let trees = homes.filter_map(|(home, staged)| {
            let staged = staged.as_ref()?;
            Some(Tree {
                staged: staged.path.clone(),
                target: self.project.join(&home.folder).join("node_modules"),
                folder: home.folder.clone(),
                ground: staged.ground,
            })
        });
        let trees = trees.collect();
        // What is installed has its modes already, and may share its files with the store.
        let links = plan.links.iter().filter(|link| !is_installed(&link.target));
        let links = links.flat_map(|link| {
            let targets = link
                .bins
                .iter()
                .map(|bin| format!("{}/{}", link.target, bin.target));
            targets.filter(|target| !target.split('/').any(|part| part == ".."))
        });
        let without = plan.places.iter().filter(|place| {
            let package = packages.get(place.slot).and_then(Option::as_ref);
            package.is_some_and(|package| !package.index().has_install_script())
        });
        let plain_places = without.map(|place| place.package.location.clone());
        self.keep = true;
        Staged {
            project: self.project.clone(),
            folder: self.folder.clone(),
            trees,
            own_bins: links.collect(),
            plain: plain_places.collect(),
            contents: super::state::Contents::of(plan, packages),
            umask,
            lock: self.lock.take(),
            live: true,
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.keep {
            remove(&self.folder);
        }
    }
}

/// One `node_modules`, new and in its place.
#[derive(Debug)]
struct Tree {
    staged: PathBuf,
    target: PathBuf,
    folder: String,
    ground: Ground,
}

impl Tree {
    fn put_in_place(&self) -> io::Result<()> {
        match self.ground {
            Ground::Inside => ground::exchange_children(&self.staged, &self.target),
            _ => exchange(&self.staged, &self.target),
        }
    }
}

/// A whole new tree beside the old one. Dropped without [`Staged::swap`], it is removed.
#[derive(Debug)]
pub struct Staged {
    project: PathBuf,
    folder: PathBuf,
    trees: Vec<Tree>,
    own_bins: Vec<String>,
    /// Locations whose tarballs have neither install scripts nor a `binding.gyp`.
    plain: FxHashSet<String>,
    contents: super::state::Contents,
    umask: u32,
    lock: Option<OwnedFd>,
    live: bool,
}

impl Staged {
    /// Where the package of a location lies before the swap; `None` when its tarball is known to
    /// have neither install scripts nor a `binding.gyp`.
    pub fn scripted(&self, location: &str) -> Option<PathBuf> {
        if self.plain.contains(location) {
            return None;
        }
        let place = Location::parse(location).ok()?;
        let tree = self.trees.iter().find(|tree| tree.folder == place.folder)?;
        Some(tree.staged.join(place.path))
    }

    /// Puts the new tree in place of the old one, all workspaces included; on an error the old one
    /// is back.
    pub fn swap(mut self) -> Result<Swapped, LinkError> {
        let journal = self.folder.join(JOURNAL);
        let text = self
            .journal()
            .map_err(LinkError::at("read", &self.folder))?;
        fs::write(&journal, text).map_err(LinkError::at("write", &journal))?;
        for tree in &self.trees {
            if let Err(error) = tree.put_in_place() {
                let failed = LinkError::not_moved(&tree.target, error);
                undo(&self.project, &self.folder)?;
                return Err(failed);
            }
        }
        self.live = false;
        let swapped = Swapped {
            project: self.project.clone(),
            folder: self.folder.clone(),
            contents: std::mem::take(&mut self.contents),
            lock: self.lock.take(),
            open: true,
        };
        for bin in &self.own_bins {
            mend_own(&self.project, bin, 0o777 & !self.umask)
                .map_err(LinkError::at("make executable", self.project.join(bin)))?;
        }
        Ok(swapped)
    }

    /// What a kill before the swap leaves.
    #[cfg(test)]
    pub(super) fn abandon(mut self) {
        self.lock = None;
        std::mem::forget(self);
    }

    fn journal(&self) -> io::Result<String> {
        let mut text = String::new();
        for tree in &self.trees {
            let inode = fs::symlink_metadata(&tree.staged)?.ino();
            let number = name_of(&tree.staged);
            let letter = tree.ground.letter();
            let _ = writeln!(text, "{number}{letter} {inode} {}", tree.folder);
        }
        text.push_str("end\n");
        Ok(text)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.live {
            remove(&self.folder);
        }
    }
}

/// The new tree is in place, the former one is still there. Dropped, it is rolled back.
#[derive(Debug)]
pub struct Swapped {
    project: PathBuf,
    folder: PathBuf,
    contents: super::state::Contents,
    lock: Option<OwnedFd>,
    open: bool,
}

impl Swapped {
    /// What a kill before the commit leaves.
    #[cfg(test)]
    pub(super) fn abandon(mut self) {
        self.lock = None;
        std::mem::forget(self);
    }

    /// Remembers what the files of all packages look like but of those at the locations `scripted`.
    pub fn watch(&self, scripted: &FxHashSet<&str>) -> super::Watch {
        super::Watch::begin(&self.project, &self.contents, scripted)
    }

    /// Makes the new tree final and deletes the former one on threads of its own. `record` gets the
    /// folders of the new tree, for [`super::state::record`], while nobody else may change it.
    pub fn commit(
        mut self,
        record: impl FnOnce(&super::state::Contents),
    ) -> Result<Cleanup, LinkError> {
        let journal = self.folder.join(JOURNAL);
        fs::remove_file(&journal).map_err(LinkError::at("remove", &journal))?;
        self.open = false;
        // What lies inside a `node_modules` changes its stamps when it goes.
        for other in ground::elsewhere(&self.folder) {
            remove_one(&other);
        }
        record(&self.contents);
        drop(self.lock.take());
        let folder = self.folder.clone();
        Ok(Cleanup(Some(std::thread::spawn(move || remove(&folder)))))
    }

    /// Brings the former tree back and removes the new one.
    pub fn roll_back(mut self) -> Result<(), LinkError> {
        self.open = false;
        undo(&self.project, &self.folder)?;
        remove(&self.folder);
        Ok(())
    }
}

impl Drop for Swapped {
    fn drop(&mut self) {
        if self.open && undo(&self.project, &self.folder).is_ok() {
            remove(&self.folder);
        }
    }
}

/// The former tree's removal, under way.
#[derive(Debug)]
pub struct Cleanup(Option<std::thread::JoinHandle<()>>);

impl Cleanup {
    /// Waits for the end, as dropping does.
    pub fn wait(self) {}
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// One heatseal at a time in a project, by the kernel's lock on its folder: it dies with its holder.
fn lock(project: &Path, reporter: &dyn Reporter) -> Result<OwnedFd, LinkError> {
    let folder = open_folder(project).map_err(LinkError::at("open", project))?;
    if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)
        == Err(Errno::WOULDBLOCK)
    {
        let message = format!("waiting for another install in `{}`", project.display());
        reporter.emit(Event::Warning {
            code: "EBUSY",
            message,
        });
        // Where locks do not work, two runs still never share a staging folder.
        let _ = rustix::fs::flock(&folder, FlockOperation::LockExclusive);
    }
    Ok(folder)
}

/// Undoes and removes what killed runs left in the project, if they left anything; waits for a run
/// that is still alive.
pub fn tidy(project: &Path, reporter: &dyn Reporter) -> Result<(), LinkError> {
    if left_behind(project)?.is_empty() {
        return Ok(());
    }
    let _lock = lock(project, reporter)?;
    recover(project)
}

pub(super) fn recover(project: &Path) -> Result<(), LinkError> {
    for folder in left_behind(project)? {
        undo(project, &folder)?;
        remove(&folder);
    }
    Ok(())
}

/// Our own folders in the project.
fn left_behind(project: &Path) -> Result<Vec<PathBuf>, LinkError> {
    let entries = fs::read_dir(project).map_err(LinkError::at("read", project))?;
    let ours = entries.flatten().filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
    });
    Ok(ours.map(|entry| entry.path()).collect())
}

/// Puts every former tree back, as far as the journal says that it was moved.
fn undo(project: &Path, folder: &Path) -> Result<(), LinkError> {
    let text = match fs::read_to_string(folder.join(JOURNAL)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LinkError::at("read", folder)(error)),
    };
    // Without its last line it was never finished, and nothing was moved.
    let Some(lines) = text.strip_suffix("end\n") else {
        return Ok(());
    };
    for line in lines.lines() {
        let mut fields = line.splitn(3, ' ');
        let (Some(number), Some(inode), Some(home)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (ground, number) = Ground::split(number);
        let plain = number.bytes().all(|byte| byte.is_ascii_digit())
            && !home.starts_with('/')
            && !home.split('/').any(|part| part == "..");
        let staging = ground.folder(project, home, &name_of(folder));
        if plain && ground::is_real(project, &staging) {
            let target = project.join(home).join("node_modules");
            let staged = staging.join(number);
            let undone = match ground {
                Ground::Inside => ground::undo_children(&staged, &target),
                _ => undo_tree(&staged, &target, inode),
            };
            undone.map_err(LinkError::at("put the former tree back at", &target))?;
        }
    }
    let journal = folder.join(JOURNAL);
    fs::remove_file(&journal).map_err(LinkError::at("remove", &journal))
}

fn undo_tree(staged: &Path, target: &Path, inode: &str) -> io::Result<()> {
    let aside = aside(staged);
    let is_new = fs::symlink_metadata(target).is_ok_and(|new| new.ino().to_string() == inode);
    if !is_new {
        // Killed between the two renames of a system without exchange.
        if !is_there(target) && is_there(&aside) {
            fs::rename(&aside, target)?;
        }
        return Ok(());
    }
    if is_there(staged) {
        return exchange(staged, target);
    }
    fs::rename(target, staged)?;
    if is_there(&aside) {
        fs::rename(&aside, target)?;
    }
    Ok(())
}

pub(super) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Where a former tree goes that cannot be exchanged with the staged one.
pub(super) fn aside(staged: &Path) -> PathBuf {
    staged.with_extension("former")
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn make_private(folder: &Path) -> Result<(), LinkError> {
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    made.map_err(LinkError::at("make", folder))
}

/// Exchanges the two, whatever `target` is (a link is moved, not followed) or whether it is there.
fn exchange(staged: &Path, target: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, staged, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT) => fs::rename(staged, target),
        Err(Errno::INVAL | Errno::NOSYS) => {
            let aside = aside(staged);
            match fs::rename(target, &aside) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            fs::rename(staged, target)
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes our folder, and before it those that it tells of. What resists is left to the next run.
fn remove(folder: &Path) {
    let others = ground::elsewhere(folder);
    for other in &others {
        remove_one(other);
    }
    if !others.iter().any(|other| is_there(other)) {
        remove_one(folder);
    }
}

/// Deletes a staging folder, its packages in parallel; never through links.
fn remove_one(folder: &Path) {
    let mut entries: Vec<PathBuf> = Vec::new();
    for tree in children(folder) {
        if fs::symlink_metadata(&tree).is_ok_and(|metadata| metadata.is_dir()) {
            entries.extend(children(&tree));
        }
    }
    let entries = Mutex::new(entries);
    super::work::in_parallel(|| {
        loop {
            let next = entries.lock().map_or(None, |mut entries| entries.pop());
            let Some(path) = next else { break };
            if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                let _ = fs::remove_dir_all(&path);
            }
        }
    });
    let _ = fs::remove_dir_all(folder);
}

pub(super) fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// npm makes the bins of workspaces executable too, in the user's own folder.
fn mend_own(project: &Path, path: &str, mode: u32) -> io::Result<()> {
    let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
    let mut folder = open_folder(project)?;
    for part in parent.split('/').filter(|part| !part.is_empty()) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        folder = match rustix::fs::openat(&folder, part, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(_) => return Ok(()), // not there, or a link that may lead anywhere
        };
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Ok(file) = rustix::fs::openat(&folder, name, flags, Mode::empty()) else {
        return Ok(());
    };
    let stat = rustix::fs::fstat(&file)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(());
    }
    if stat.st_mode & 0o7777 != mode {
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut fs::File::from(file), &mut bytes)?;
    if has_crlf_shebang(&bytes) {
        let temporary = format!(".{}.tmp", unguessable());
        create_file(folder.as_fd(), &temporary, mode, &mended(bytes))?;
        if let Err(error) = rustix::fs::renameat(&folder, &*temporary, &folder, name) {
            let _ = rustix::fs::unlinkat(&folder, &*temporary, AtFlags::empty());
            return Err(error.into());
        }
    }
    Ok(())
}
