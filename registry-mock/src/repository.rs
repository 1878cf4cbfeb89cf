//! Small git repositories for scenarios, the same commits in every run.
//!
//! A repository is called `<host>/<path>`, and lies in a folder of that name; [`config`] is a git
//! configuration that leads https and ssh addresses of such hosts there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::MockError;

/// A commit on the branch `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    pub files: Vec<(String, Vec<u8>)>,
    pub tag: Option<String>,
    pub branch: Option<String>,
}

/// A repository and its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `registry.example/a.git`, as in its address.
    pub name: String,
    pub commits: Vec<Commit>,
}

/// Makes the repositories below `folder`, and the git configuration that finds them.
pub fn write(repositories: &[Repository], folder: &Path) -> Result<PathBuf, MockError> {
    for repository in repositories {
        let place = folder.join(&repository.name);
        fs::create_dir_all(&place).map_err(MockError::at("create", &place))?;
        git(&place, &["init", "--quiet", "-b", "main", "."])?;
        git(&place, &["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        for commit in &repository.commits {
            commit_to(&place, commit)?;
        }
    }
    let path = folder.join("gitconfig");
    fs::create_dir_all(folder).map_err(MockError::at("create", folder))?;
    fs::write(&path, config(repositories, folder)).map_err(MockError::at("write", &path))?;
    Ok(path)
}

fn commit_to(place: &Path, commit: &Commit) -> Result<(), MockError> {
    for (path, content) in &commit.files {
        let path = place.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(MockError::at("create", parent))?;
        }
        fs::write(&path, content).map_err(MockError::at("write", &path))?;
    }
    git(place, &["add", "--all", "."])?;
    git(place, &["commit", "--quiet", "--allow-empty", "-m", "c"])?;
    if let Some(tag) = &commit.tag {
        git(place, &["tag", "-a", "-m", "t", tag])?;
    }
    if let Some(branch) = &commit.branch {
        git(place, &["branch", branch])?;
    }
    Ok(())
}

/// `https://host/` and `ssh://git@host/` lead below `folder`.
fn config(repositories: &[Repository], folder: &Path) -> String {
    let host = |repository: &Repository| {
        let host = repository.name.split('/').next();
        host.unwrap_or_default().to_owned()
    };
    let hosts: BTreeSet<String> = repositories.iter().map(host).collect();
    let folder = folder.display();
    let rules = hosts.iter().map(|host| {
        format!(
            "[url \"file://{folder}/{host}/\"]\n\
             \tinsteadOf = https://{host}/\n\
             \tinsteadOf = ssh://git@{host}/\n\
             \tinsteadOf = git@{host}:\n"
        )
    });
    let rules: String = rules.collect();
    format!("{rules}[safe]\n\tdirectory = *\n[protocol \"file\"]\n\tallow = always\n")
}

fn git(place: &Path, arguments: &[&str]) -> Result<(), MockError> {
    let failed = |source| MockError::Run {
        program: "git".to_owned(),
        source,
    };
    let when = "2021-02-03T04:05:06Z";
    let status = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=n@registry.example"])
        .args(arguments)
        .current_dir(place)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_AUTHOR_DATE", when)
        .env("GIT_COMMITTER_DATE", when)
        .stdin(Stdio::null())
        .status()
        .map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(failed(std::io::Error::other(format!(
        "{arguments:?} failed"
    ))))
}
