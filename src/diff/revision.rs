//! Locks as they were in a revision, read through the user's `git`.
//!
//! Nothing is checked out: one `git cat-file` is asked for all files that may be wanted. What the
//! user typed reaches git only behind `--end-of-options`, or as part of an object's name.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::DiffError;
use super::contents::manifest;
use super::environment::Material;
use crate::foreign;
use crate::lock;

/// `REV` or `REV:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// As typed.
    pub name: String,
    /// The commit's full hash.
    commit: String,
    /// A file or a folder, from the top of the repository, without slashes at its ends.
    path: String,
}

impl Revision {
    /// What git knows under this name from here; `None` when it knows nothing.
    ///
    /// A path is one from the top of the repository, as in git itself, or from the present folder
    /// when it begins with `./` or `../`; without one the present folder is meant.
    pub fn find(text: &str) -> Result<Option<Self>, DiffError> {
        let (name, path) = match text.split_once(':') {
            Some((name, path)) => (name, Some(path)),
            None => (text, None),
        };
        if name.is_empty() || name.starts_with('-') || text.contains(['\n', '\0']) {
            return Ok(None);
        }
        let wanted = format!("{name}^{{commit}}");
        let asked = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &wanted,
        ];
        let Some(commit) = ask(&asked)? else {
            return Ok(None);
        };
        let from_here = path.is_none_or(|path| path.starts_with("./") || path.starts_with("../"));
        let here = if from_here {
            ask(&["rev-parse", "--show-prefix"])?.unwrap_or_default()
        } else {
            String::new()
        };
        let path = joined(&here, path.unwrap_or_default());
        Ok(path.map(|path| Self {
            name: text.to_owned(),
            commit,
            path,
        }))
    }

    /// The lock there, and the project's manifest beside it.
    pub fn read(&self) -> Result<Material, DiffError> {
        let names = lock::FILE_NAMES.iter().chain(&foreign::FILE_NAMES);
        let below = |name: &str| joined(&self.path, name).unwrap_or_default();
        let mut wanted = vec![self.path.clone(), below("package.json")];
        wanted.extend(names.map(|name| below(name)));
        let parent = self.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        wanted.push(joined(parent, "package.json").unwrap_or_default());
        let mut found = self.files(&wanted)?;
        let manifests = |bytes: Option<Vec<u8>>| {
            let manifest = bytes.map(|bytes| (String::new(), manifest(&bytes)));
            manifest.into_iter().collect()
        };
        let beside = found.pop().flatten();
        if let Some(bytes) = found[0].take() {
            return Ok(Material {
                label: self.name.clone(),
                file: self.shown(&self.path),
                bytes,
                manifests: manifests(beside),
            });
        }
        let inside = found[1].take();
        let lock = found.into_iter().zip(wanted).find_map(|(bytes, path)| {
            let bytes = bytes.filter(|bytes| !bytes.is_empty())?;
            Some((bytes, path))
        });
        let (bytes, path) = lock.ok_or_else(|| DiffError::NoLockThere {
            place: self.shown(&self.path),
        })?;
        Ok(Material {
            label: self.name.clone(),
            file: self.shown(&path),
            bytes,
            manifests: manifests(inside),
        })
    }

    fn shown(&self, path: &str) -> String {
        let name = self.name.split(':').next().unwrap_or_default();
        format!("{name}:{path}")
    }

    /// The bytes of each path that is a file in the commit.
    fn files(&self, paths: &[String]) -> Result<Vec<Option<Vec<u8>>>, DiffError> {
        let mut child = git(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(DiffError::NoGit)?;
        let lines = paths.iter();
        let lines = lines.map(|path| format!("{}:{path}\n", self.commit));
        let lines = lines.collect::<String>();
        let input = child.stdin.take();
        let writer = std::thread::spawn(move || {
            // git may have ended; then its answer tells why.
            input.map(|mut input| input.write_all(lines.as_bytes()))
        });
        let output = child.wait_with_output().map_err(DiffError::NoGit)?;
        let _ = writer.join();
        if !output.status.success() {
            return Err(self.failed(&output.stderr));
        }
        let files = objects(&output.stdout, paths.len());
        files.ok_or_else(|| self.failed(b"its answer is cut short"))
    }

    fn failed(&self, said: &[u8]) -> DiffError {
        DiffError::Git {
            revision: self.name.clone(),
            reason: last_line(said),
        }
    }
}

/// The last line that a program said.
pub(super) fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .next_back()
        .unwrap_or("it does not say why")
        .to_owned()
}

/// The answers of `cat-file --batch`; `None` for what is missing or no file.
fn objects(mut rest: &[u8], count: usize) -> Option<Vec<Option<Vec<u8>>>> {
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        let end = memchr::memchr(b'\n', rest)?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        let mut words = head.rsplit(' ');
        let Some(size) = words.next().and_then(|size| size.parse::<usize>().ok()) else {
            found.push(None);
            continue;
        };
        let (bytes, after) = rest.split_at_checked(size)?;
        found.push((words.next() == Some("blob")).then(|| bytes.to_vec()));
        rest = after.strip_prefix(b"\n")?;
    }
    Some(found)
}

fn git(args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(args)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// One line of git's; `None` when it fails, for example outside of a repository.
fn ask(args: &[&str]) -> Result<Option<String>, DiffError> {
    let output = git(args).output().map_err(DiffError::NoGit)?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(output
        .status
        .success()
        .then(|| said.trim_end_matches('\n').to_owned()))
}

/// `path` seen from `folder`, without `.` and `..`; `None` when it leads out.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Is this folder where git could know of revisions?
pub(super) fn may_be_one(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['-', '/', '.']) && !Path::new(text).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_answers_is_cut_at_the_sizes_it_tells() {
        let answer = b"aa blob 3\na\nb\nx:y missing\nbb tree 1\n?\n";
        let found = objects(answer, 3).unwrap();
        assert_eq!(found, [Some(b"a\nb".to_vec()), None, None]);
        assert_eq!(objects(b"aa blob 9\nab\n", 1), None);
    }

    #[test]
    fn paths_stay_in_the_repository() {
        assert_eq!(joined("a/b/", "../c").as_deref(), Some("a/c"));
        assert_eq!(joined("", "x/").as_deref(), Some("x"));
        assert_eq!(joined("a", "../../b"), None);
    }
}
