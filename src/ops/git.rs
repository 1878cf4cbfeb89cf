//! Git dependencies: which commit a spec means, and the manifest in it, through the user's `git`.
//!
//! Source: pacote's `git.js`. Nothing from the repository is run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::disk::beside;
use crate::manifest;
use crate::npmrc::Generation;
use crate::resolve::{Fetched, LoadFailure};
use crate::spec::{Committish, GitSpec, Mode, Prerelease, parse_version};

/// Why a git dependency cannot be locked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum GitError {
    #[error("cannot run `git`")]
    #[diagnostic(code(ENOGIT), help("install git, or depend on a registry version"))]
    NoGit(#[source] std::io::Error),
    #[error("git cannot read {repository}: {reason}")]
    #[diagnostic(
        code(EGIT),
        help("check the address and that you may read the repository")
    )]
    Failed { repository: String, reason: String },
    #[error("{repository} has no branch, tag or version `{wanted}`")]
    #[diagnostic(code(EGIT), help("name a branch, a tag or a commit that is there"))]
    NoSuchRef { repository: String, wanted: String },
    #[error("no tag of {repository} is a version in `{range}`")]
    #[diagnostic(code(ETARGET), help("name a tag, a branch or a commit that is there"))]
    NoTag { repository: String, range: String },
    #[error("{repository} has no package.json{}", below(folder))]
    #[diagnostic(
        code(ENOENT),
        help("is it an npm package? `#path:FOLDER` names a folder of it")
    )]
    NoManifest { repository: String, folder: String },
    #[error("`{0}` is no address of a repository")]
    #[diagnostic(code(EINVALIDREPO), help("write git+https://host/user/repository.git"))]
    Address(String),
}

fn below(folder: &str) -> String {
    match folder.trim_matches('/') {
        "" => String::new(),
        folder => format!(" in `{folder}`"),
    }
}

/// The manifest of the commit that `spec` means, and the lock's `resolved` for it.
pub fn fetch(spec: &GitSpec, raw: &str, generation: Generation) -> Result<Fetched, LoadFailure> {
    find(spec, raw, generation).map_err(LoadFailure::new)
}

fn find(spec: &GitSpec, raw: &str, generation: Generation) -> Result<Fetched, GitError> {
    let mut failure = GitError::Address(raw.to_owned());
    for repository in addresses(spec) {
        if repository.starts_with('-') {
            continue;
        }
        match at(spec, &repository, raw, generation) {
            Err(error @ GitError::Failed { .. }) => failure = error,
            done => return done,
        }
    }
    Err(failure)
}

/// Where the repository may be read: known hosts over https, then ssh.
fn addresses(spec: &GitSpec) -> Vec<String> {
    match &spec.hosted {
        Some(hosted) => vec![
            hosted.https_url(Committish::Dropped),
            hosted.ssh_url(Committish::Dropped),
        ],
        None => spec.fetch_spec.clone().into_iter().collect(),
    }
}

fn at(
    spec: &GitSpec,
    repository: &str,
    raw: &str,
    generation: Generation,
) -> Result<Fetched, GitError> {
    let sha = commit(spec, repository)?;
    let folder = beside(&std::env::temp_dir().join("heatseal-git"));
    let read = checkout(repository, &sha, &folder).and_then(|()| {
        let below = spec.path.as_deref().unwrap_or_default();
        let package = folder.join(below.trim_start_matches('/'));
        if !package.join("package.json").exists() {
            return Err(GitError::NoManifest {
                repository: crate::npmrc::masked(repository),
                folder: below.to_owned(),
            });
        }
        let file = manifest::read(&package).map_err(|error| GitError::Failed {
            repository: crate::npmrc::masked(repository),
            reason: error.to_string(),
        })?;
        Ok(file.manifest)
    });
    let _ = std::fs::remove_dir_all(&folder);
    Ok(Fetched {
        manifest: Arc::new(read?),
        resolved: Some(spec.resolved_at(raw, &sha, generation).into()),
        integrity: None,
    })
}

/// The commit that the spec names: itself, a branch or tag, the best tag of a range, or `HEAD`.
fn commit(spec: &GitSpec, repository: &str) -> Result<String, GitError> {
    if spec.is_commit()
        && let Some(sha) = &spec.committish
    {
        return Ok(sha.to_lowercase());
    }
    let refs = git(&["ls-remote", "--", repository], None, repository)?;
    let refs: Vec<(&str, &str)> = refs
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect();
    // An annotated tag's commit is listed under its name with `^{}`.
    let sha_of = |name: &str| {
        let peeled = format!("{name}^{{}}");
        let found = |name: &str| refs.iter().find(|(_, known)| *known == name);
        found(&peeled)
            .or_else(|| found(name))
            .map(|(sha, _)| (*sha).to_owned())
    };
    if spec.range.is_some() {
        let best = best_tag(spec, refs.iter().map(|(_, name)| *name));
        return best
            .and_then(|tag| sha_of(&tag))
            .ok_or_else(|| GitError::NoTag {
                repository: crate::npmrc::masked(repository),
                range: spec.range.clone().unwrap_or_default(),
            });
    }
    let Some(wanted) = spec.committish.as_deref().filter(|text| !text.is_empty()) else {
        return sha_of("HEAD").ok_or_else(|| GitError::NoSuchRef {
            repository: crate::npmrc::masked(repository),
            wanted: "HEAD".to_owned(),
        });
    };
    let short = |sha: &&(&str, &str)| wanted.len() >= 7 && sha.0.starts_with(wanted);
    [
        format!("refs/heads/{wanted}"),
        format!("refs/tags/{wanted}"),
        format!("refs/{wanted}"),
        wanted.to_owned(),
    ]
    .iter()
    .find_map(|name| sha_of(name))
    .or_else(|| refs.iter().find(short).map(|(sha, _)| (*sha).to_owned()))
    .ok_or_else(|| GitError::NoSuchRef {
        repository: crate::npmrc::masked(repository),
        wanted: wanted.to_owned(),
    })
}

/// The highest tag in the range; tags end in a version: `v1.2.3`, `release-1.2.3`.
fn best_tag<'a>(spec: &GitSpec, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let range = spec.version_range()?;
    let tags = names.filter(|name| name.starts_with("refs/tags/") && !name.ends_with("^{}"));
    let versions = tags.filter_map(|name| {
        let from = name.find(|c: char| c.is_ascii_digit())?;
        let version = parse_version(&name[from..], Mode::Loose)?;
        Some((version, name.to_owned()))
    });
    versions
        .filter(|(version, _)| range.satisfies(version, Prerelease::Strict))
        .max_by(|(a, _), (b, _)| a.cmp_precedence(b))
        .map(|(_, name)| name)
}

/// The commit's files in `folder`: fetched alone where the server allows it, else with history.
fn checkout(repository: &str, sha: &str, folder: &Path) -> Result<(), GitError> {
    let path = folder.to_string_lossy();
    git(&["init", "--quiet", "--", &path], None, repository)?;
    let alone = ["fetch", "--quiet", "--depth=1", "--", repository, sha];
    if git(&alone, Some(folder), repository).is_err() {
        let everything = [
            "fetch",
            "--quiet",
            "--tags",
            "--",
            repository,
            "+refs/heads/*:refs/remotes/origin/*",
        ];
        git(&everything, Some(folder), repository)?;
    }
    git(
        &["checkout", "--quiet", "--detach", sha],
        Some(folder),
        repository,
    )
    .map(drop)
}

/// Runs git without questions, hooks, or filters of the repository; its standard output.
fn git(arguments: &[&str], folder: Option<&Path>, repository: &str) -> Result<String, GitError> {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "protocol.ext.allow=never",
        ])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .stdin(Stdio::null());
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let output = command.output().map_err(GitError::NoGit)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.lines().last().unwrap_or_default().trim();
    Err(GitError::Failed {
        repository: crate::npmrc::masked(repository),
        reason: reason.chars().take(200).collect(),
    })
}
