//! Git dependencies: which commit a spec means, and what is in it, through the user's `git`.
//!
//! To be installed, a commit is checked out, prepared by its own scripts where they may run, packed
//! as its author would publish it, and then goes the way of every tarball. The store remembers it by
//! the commit. Source: pacote's `git.js`.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::install::{self, InstallError, InstallRequest};
use super::lifecycle::Scripts;
use super::part::Part;
use super::session::Session;
use super::wanted::Choice;
use crate::disk::{self, DiskError};
use crate::lock;
use crate::manifest::{self, Manifest};
use crate::npmrc::Generation;
use crate::pack;
use crate::resolve::{Fetched, LoadFailure, Omit};
use crate::scripts::Candidate;
use crate::spec::{Committish, GitSpec, Mode, Prerelease, Spec, SpecKind, parse_version};

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
    #[error("`{package}` has to be built by its own scripts, and may not run them ({script})")]
    #[diagnostic(
        code(EALLOWSCRIPTS),
        help("to allow them, add this to package.json: \"heatseal\": {{\"allowScripts\": {{{}: true}}}}; with false it is installed as it is in the repository", serde_json::json!(key))
    )]
    NeedsScripts {
        package: String,
        script: String,
        key: String,
    },
    #[error("`{package}` cannot be prepared: {reason}")]
    #[diagnostic(
        code(EGITPREPARE),
        help("its own scripts build it after a checkout; see whether they work in a clone of it")
    )]
    Prepare { package: String, reason: String },
    #[error("`{0}` is not in the store")]
    #[diagnostic(code(ENOTCACHED), help("install once without --offline"))]
    Offline(String),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
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
    let clone = Checkout::at(spec, repository, &sha)?;
    Ok(Fetched {
        manifest: Arc::new(clone.manifest.clone()),
        resolved: Some(spec.resolved_at(raw, &sha, generation).into()),
        integrity: None,
    })
}

/// Does a lock's `resolved` name a commit of a repository?
pub fn is_pinned(resolved: &str) -> bool {
    resolved.starts_with("git") && pinned(resolved).is_some()
}

fn pinned(resolved: &str) -> Option<GitSpec> {
    let spec = Spec::parse("", resolved, Path::new("/")).ok()?;
    match spec.kind {
        SpecKind::Git(spec) if spec.is_commit() => Some(*spec),
        _ => None,
    }
}

/// What the store remembers a packed commit by; other rules of packing are another number.
pub fn source(resolved: &str, prepared: bool) -> String {
    let how = if prepared { "prepared" } else { "as-is" };
    format!("git-2 {how} {resolved}")
}

/// The same commit, prepared if it was not and the other way round.
pub fn other_source(source: &str) -> String {
    match source.strip_prefix("git-2 prepared ") {
        Some(resolved) => self::source(resolved, false),
        None => source.replacen("as-is", "prepared", 1),
    }
}

/// How git dependencies become tarballs.
#[derive(Clone)]
pub struct Packing<'a> {
    pub session: &'a Session,
    pub request: &'a InstallRequest,
    /// May the scripts of a locked commit run?
    verdicts: BTreeMap<String, Option<bool>>,
}

impl<'a> Packing<'a> {
    pub fn new(choice: Choice<'a>, candidates: &[Candidate]) -> Self {
        let verdicts = candidates.iter().filter_map(|candidate| {
            let resolved = candidate.resolved.as_deref().filter(|url| is_pinned(url))?;
            Some((resolved.to_owned(), choice.policy.allows(candidate)))
        });
        Self {
            session: choice.session,
            request: choice.request,
            verdicts: verdicts.collect(),
        }
    }

    /// The tarball of a locked commit.
    ///
    /// Errors: [`GitError::NeedsScripts`] when nobody said whether its scripts may run.
    pub fn packed(&self, resolved: &str) -> Result<Vec<u8>, GitError> {
        let address = || GitError::Address(resolved.to_owned());
        let spec = pinned(resolved).ok_or_else(address)?;
        if self.session.config.flag("offline").unwrap_or(false) {
            return Err(GitError::Offline(crate::npmrc::masked(resolved)));
        }
        let mut failure = address();
        for repository in addresses(&spec) {
            if repository.starts_with('-') {
                continue;
            }
            let sha = commit(&spec, &repository)?;
            match Checkout::at(&spec, &repository, &sha) {
                Ok(clone) => return self.pack(&clone, resolved),
                Err(error @ GitError::Failed { .. }) => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    fn pack(&self, clone: &Checkout, resolved: &str) -> Result<Vec<u8>, GitError> {
        let package = || {
            let name = clone.manifest.name().unwrap_or(resolved);
            let version = clone.manifest.version().unwrap_or_default();
            format!("{name}@{version}")
        };
        let script = PREPARATIONS.iter().find_map(|event| {
            Some((
                event,
                clone.manifest.object("scripts")?.get(*event)?.as_str()?,
            ))
        });
        let being_prepared = self.request.preparing.iter().any(|one| one == resolved);
        match (script, self.verdicts.get(resolved).copied().flatten()) {
            (Some(_), Some(true)) if !being_prepared => {
                self.prepare(clone, resolved, Scripts::AsNpm, package)?;
            }
            (Some((event, command)), None) => {
                return Err(GitError::NeedsScripts {
                    package: package(),
                    script: format!("{event}: {command}"),
                    key: match resolved.split_once('#') {
                        Some((address, commit)) => {
                            format!("{}#{commit}", crate::npmrc::masked(address))
                        }
                        None => crate::npmrc::masked(resolved),
                    },
                });
            }
            // What it bundles is what npm installs into the checkout, scripts or not.
            _ if !being_prepared && bundles(&clone.manifest) => {
                self.prepare(clone, resolved, Scripts::Ignored, package)?;
            }
            _ => {}
        }
        Ok(pack::pack(&clone.package, &clone.manifest)?)
    }

    fn prepare(
        &self,
        clone: &Checkout,
        resolved: &str,
        scripts: Scripts,
        package: impl Fn() -> String,
    ) -> Result<(), GitError> {
        let failed = |error: InstallError| GitError::Prepare {
            package: package(),
            reason: error.to_string(),
        };
        self.install_in(clone, resolved, scripts).map_err(failed)
    }

    /// Installs what the clone needs for its own scripts, and runs them; its lock stays as it is.
    fn install_in(
        &self,
        clone: &Checkout,
        resolved: &str,
        scripts: Scripts,
    ) -> Result<(), InstallError> {
        let session = Session {
            project: clone.package.clone(),
            config: self.session.config.clone(),
            store: self.session.store.clone(),
            host: self.session.host.clone(),
            reporter: Arc::clone(&self.session.reporter),
        };
        let mut options = self.request.options.clone();
        options.force = true;
        options.omit = Omit::default();
        options.host = session.host.clone();
        options.optional_target = session.host.clone();
        let mut request = InstallRequest {
            frozen: false,
            omit: Omit::default(),
            part: Part::Whole,
            scripts,
            target: None,
            options,
            ..self.request.clone()
        };
        request.preparing.push(resolved.to_owned());
        let shrinkwrap = clone.package.join(lock::FILE_NAMES[0]);
        let former = disk::read_if_there(&shrinkwrap)?;
        install::install(&session, &request)?;
        match former {
            Some(bytes) => disk::write_atomically(&shrinkwrap, &bytes)?,
            None => _ = std::fs::remove_file(&shrinkwrap),
        }
        Ok(())
    }
}

/// Scripts that npm runs in a checkout before it packs it.
const PREPARATIONS: [&str; 4] = ["prepare", "preinstall", "install", "postinstall"];

/// Does it bundle dependencies, and does npm install them before it packs a checkout of it?
fn bundles(manifest: &Manifest) -> bool {
    let events = PREPARATIONS.iter().chain(&["build", "prepack"]);
    let scripts = manifest.object("scripts");
    let prepares = scripts.is_some_and(|scripts| {
        events
            .into_iter()
            .any(|event| scripts.get(*event).is_some_and(crate::json::truthy))
    });
    let installs = prepares || manifest.flag("workspaces");
    installs && manifest.bundled().next().is_some()
}

/// A commit's files in a folder of their own, which goes with this.
struct Checkout {
    folder: PathBuf,
    /// Where the package lies in it.
    package: PathBuf,
    manifest: Manifest,
}

impl Checkout {
    fn at(spec: &GitSpec, repository: &str, sha: &str) -> Result<Self, GitError> {
        // Nobody can know the name beforehand, and nobody else may look inside.
        let name = format!("heatseal-git-{}", crate::store::unguessable());
        let folder = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(DiskError::at("make", &folder))?;
        let below = spec.path.as_deref().unwrap_or_default();
        let mut clone = Self {
            package: folder.join(below.trim_start_matches('/')),
            folder,
            manifest: Manifest::default(),
        };
        checkout(repository, sha, &clone.folder)?;
        let failed = |reason: String| GitError::Failed {
            repository: crate::npmrc::masked(repository),
            reason,
        };
        if !clone.package.join("package.json").exists() {
            return Err(GitError::NoManifest {
                repository: crate::npmrc::masked(repository),
                folder: below.to_owned(),
            });
        }
        let inside = clone.package.canonicalize();
        let inside = inside.map_err(|error| failed(error.to_string()))?;
        let root = clone.folder.canonicalize();
        if !root.is_ok_and(|root| inside.starts_with(root)) {
            return Err(failed(format!("`{below}` leads out of it")));
        }
        let file = manifest::read(&clone.package).map_err(|error| failed(error.to_string()))?;
        clone.manifest = file.manifest;
        Ok(clone)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
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
    // What went wrong first; the last lines are advice.
    let told = |line: &&str| line.starts_with("fatal:") || line.starts_with("error:");
    let reason = text.lines().find(told).or_else(|| text.lines().last());
    let reason = crate::npmrc::without_credentials(reason.unwrap_or_default().trim());
    Err(GitError::Failed {
        repository: crate::npmrc::masked(repository),
        reason: reason.chars().take(200).collect(),
    })
}
