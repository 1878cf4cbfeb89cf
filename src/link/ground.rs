//! On which file system a `node_modules` is staged, and its exchange where it is a mount point.
//!
//! Renames end at a mount, so what cannot be staged in the project's own staging folder lies in a
//! second one of the same name: in the workspace's folder, when that is mounted, or inside
//! `node_modules`, when that is a mount point itself, such as a container's volume. Such a
//! `node_modules` stays where it is and its children are exchanged: the former ones move to
//! `<number>.former`, then a folder `<number>.moved` is made, then the new ones move in. So as long
//! as there is no such folder, what lies in `node_modules` is former, and afterwards it is new.
//! A file `elsewhere` in the project's staging folder tells of the second ones.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::swap::{PREFIX, aside, children, is_there};

const ELSEWHERE: &str = "elsewhere";

/// Where a new `node_modules` is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    Project,
    Workspace,
    Inside,
}

impl Ground {
    /// For the `node_modules` of the folder `home` of `project`, both of them there.
    pub fn of(project: &Path, home: &str) -> io::Result<Self> {
        let folder = project.join(home);
        let own = mount_of(&folder)?;
        let target = folder.join("node_modules");
        if fs::symlink_metadata(&target).is_ok_and(|there| there.is_dir())
            && mount_of(&target)? != own
        {
            return Ok(Self::Inside);
        }
        Ok(if own == mount_of(project)? {
            Self::Project
        } else {
            Self::Workspace
        })
    }

    /// The staging folder called `name`.
    pub fn folder(self, project: &Path, home: &str, name: &str) -> PathBuf {
        match self {
            Self::Project => project.join(name),
            Self::Workspace => project.join(home).join(name),
            Self::Inside => project.join(home).join("node_modules").join(name),
        }
    }

    /// What stands for it in our own files.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Project => "",
            Self::Workspace => "w",
            Self::Inside => "i",
        }
    }

    /// What [`Ground::letter`] stands at the end of, and the rest.
    pub fn split(text: &str) -> (Self, &str) {
        let find = |ground: Self| Some((ground, text.strip_suffix(ground.letter())?));
        find(Self::Workspace)
            .or_else(|| find(Self::Inside))
            .unwrap_or((Self::Project, text))
    }
}

/// Is the folder at `path` the root of a mount?
pub fn is_mount_point(path: &Path) -> bool {
    let Some(parent) = path.parent() else {
        return true;
    };
    matches!((mount_of(path), mount_of(parent)), (Ok(own), Ok(outer)) if own != outer)
}

/// A mount point below `folder`, as far as the system tells: what lies there is not ours to delete.
pub(super) fn mounted_below(folder: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder).ok()?;
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    // Blanks are written as octal numbers there.
    let mut points = points.map(|point| PathBuf::from(point.replace("\\040", " ")));
    points.find(|point| *point != folder && point.starts_with(&folder))
}

/// The device and, where the system tells, the mount that a folder lies on: a bind mount has the
/// same device.
fn mount_of(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let device = fs::symlink_metadata(path)?.dev();
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
        let told = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID);
        if let Ok(told) = told
            && told.stx_mask & StatxFlags::MNT_ID.bits() != 0
        {
            return Ok((device, told.stx_mnt_id));
        }
    }
    Ok((device, 0))
}

/// Writes down which staging folders are about to be made besides `folder`.
pub(super) fn write_elsewhere(folder: &Path, others: &[(Ground, &str)]) -> io::Result<()> {
    if others.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for (ground, home) in others {
        let _ = writeln!(text, "{home}/{}", ground.letter());
    }
    fs::write(folder.join(ELSEWHERE), text)
}

/// The staging folders that are there besides `folder`. The file may be a stranger's: nothing
/// outside the project is named, nor anything behind a link.
pub(super) fn elsewhere(folder: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(folder.join(ELSEWHERE)).unwrap_or_default();
    let (Some(project), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Vec::new();
    };
    let name = name.to_string_lossy();
    let found = text.lines().filter_map(|line| {
        let (ground, home) = Ground::split(line);
        let home = home.strip_suffix('/')?;
        let is_ours = ground != Ground::Project && name.starts_with(PREFIX);
        let path = ground.folder(project, home, &name);
        (is_ours && is_real(project, &path)).then_some(path)
    });
    found.collect()
}

/// Does `path` lie below `project` with nothing but folders on the way, itself included?
pub(super) fn is_real(project: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(project) else {
        return false;
    };
    let mut folder = project.to_owned();
    below.components().all(|part| {
        folder.push(part);
        let is_folder = fs::symlink_metadata(&folder).is_ok_and(|there| there.is_dir());
        matches!(part, std::path::Component::Normal(_)) && is_folder
    })
}

/// Puts the children of `staged` in the place of those of `target`, the folder around its own.
pub(super) fn exchange_children(staged: &Path, target: &Path) -> io::Result<()> {
    let former = aside(staged);
    fs::create_dir(&former)?;
    move_children(target, &former)?;
    fs::create_dir(moved(staged))?;
    move_children(staged, target)
}

/// The opposite, from wherever [`exchange_children`] or this was interrupted.
pub(super) fn undo_children(staged: &Path, target: &Path) -> io::Result<()> {
    let (former, moved) = (aside(staged), moved(staged));
    if is_there(&moved) {
        move_children(target, staged)?;
        fs::remove_dir(&moved)?;
    }
    if is_there(&former) {
        move_children(&former, target)?;
    }
    Ok(())
}

fn moved(staged: &Path) -> PathBuf {
    staged.with_extension("moved")
}

fn move_children(from: &Path, to: &Path) -> io::Result<()> {
    for path in children(from) {
        let name = path.file_name().unwrap_or_default();
        // The second belongs to the file system of a whole disk.
        if name.to_string_lossy().starts_with(PREFIX) || name == "lost+found" {
            continue;
        }
        fs::rename(&path, to.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A `node_modules` with the former child `old` and `same`, and a staged tree with `new` and
    /// `same`, as for a mount point.
    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let project = tempfile::tempdir().unwrap();
        let target = project.path().join("node_modules");
        let staged = target.join(format!("{PREFIX}x/0"));
        for (folder, name) in [(&target, "old"), (&staged, "new")] {
            for name in [name, "same"] {
                fs::create_dir_all(folder.join(name)).unwrap();
                fs::write(folder.join(name).join("file"), folder.to_str().unwrap()).unwrap();
            }
        }
        (project, staged, target)
    }

    fn listing(target: &Path) -> Vec<String> {
        let names = children(target).into_iter().map(|path| {
            let origin = fs::read_to_string(path.join("file")).unwrap_or_default();
            let origin = if origin.contains(PREFIX) {
                "new"
            } else {
                "old"
            };
            format!("{} {origin}", path.file_name().unwrap().display())
        });
        let mut names: Vec<String> = names.filter(|name| !name.starts_with(PREFIX)).collect();
        names.sort();
        names
    }

    #[test]
    fn children_are_exchanged_and_come_back() {
        let (_project, staged, target) = folders();
        exchange_children(&staged, &target).unwrap();
        assert_eq!(listing(&target), ["new new", "same new"]);
        undo_children(&staged, &target).unwrap();
        assert_eq!(listing(&target), ["old old", "same old"]);
        undo_children(&staged, &target).unwrap();
        assert_eq!(listing(&target), ["old old", "same old"]);
    }

    #[test]
    fn an_exchange_that_stops_anywhere_is_undone() {
        for stop in 0..5 {
            let (_project, staged, target) = folders();
            let mut left = stop;
            let mut step = |from: &Path, to: &Path| {
                for name in ["old", "new", "same"] {
                    if left > 0 && from.join(name).exists() {
                        fs::rename(from.join(name), to.join(name)).unwrap();
                        left -= 1;
                    }
                }
            };
            fs::create_dir(aside(&staged)).unwrap();
            step(&target, &aside(&staged));
            if stop > 2 {
                fs::create_dir(moved(&staged)).unwrap();
                step(&staged, &target);
            }
            undo_children(&staged, &target).unwrap();
            assert_eq!(listing(&target), ["old old", "same old"], "{stop}");
        }
    }

    #[test]
    fn a_list_of_staging_folders_never_leads_out_of_the_project() {
        let outer = tempfile::tempdir().unwrap();
        let project = outer.path().join("project");
        let name = format!("{PREFIX}x");
        for folder in ["", "project", "project/w", "project/node_modules"] {
            fs::create_dir_all(outer.path().join(folder).join(&name)).unwrap();
        }
        std::os::unix::fs::symlink(outer.path(), project.join("link")).unwrap();
        let list = "../w\nlink/w\nw/w\n/i\n/tmp/w\nw/\n\nw/../../w\ngone/w\n";
        fs::write(project.join(&name).join(ELSEWHERE), list).unwrap();
        let found = elsewhere(&project.join(&name));
        let own = [
            project.join("w").join(&name),
            project.join("node_modules").join(&name),
        ];
        assert_eq!(found, own);
    }
}
