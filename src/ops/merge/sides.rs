//! The three sides of a merge: each one's lock, and the manifests that belong to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::session::Session;
use super::git;
use super::{MergeError, MergeRequest, SideError};
use crate::json;
use crate::lock::{self, Lock, Place};
use crate::manifest::{self, Manifest};
use crate::merge::Three;

/// Manifests by their path in the repository.
pub type Files = BTreeMap<String, Value>;

pub struct Side {
    pub lock: Lock,
    pub files: Files,
}

pub struct Sides {
    pub base: Side,
    pub ours: Side,
    pub theirs: Side,
    /// The repository's folder, or the project's where git does not help.
    pub repository: PathBuf,
    /// The project's folder in it.
    pub directory: String,
    /// Local tarballs, by their path in the repository.
    pub tarballs: BTreeMap<String, Vec<u8>>,
    omits_resolved: bool,
}

/// Members of a project's manifest that its lock repeats or depends on.
const OF_LOCKS: [&str; 19] = [
    "name",
    "version",
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bundledDependencies",
    "acceptDependencies",
    "overrides",
    "workspaces",
    "funding",
    "engines",
    "os",
    "cpu",
    "libc",
    "license",
    "bin",
];

impl Sides {
    pub fn read(session: &Session, request: &MergeRequest) -> Result<Self, MergeError> {
        let path = request.path.to_string_lossy().into_owned();
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let omits = session.config.flag("omit-lockfile-registry-resolved");
        let omits_resolved = omits.unwrap_or(false);
        if let Some(commits) = Commits::find(request, &path) {
            let [base, ours, theirs] = commits.manifests(directory);
            let bytes = [&request.base, &request.ours, &request.theirs];
            let files = [&base, &ours, &theirs];
            let mut locks = Vec::new();
            for (bytes, files) in bytes.into_iter().zip(files) {
                locks.push(read(bytes, name, || {
                    let value = files.get(&manifest_path(directory)).cloned();
                    value.map(Manifest::from_registry)
                })?);
            }
            let tarballs = commits.tarballs(directory, &locks);
            let [base_lock, ours_lock, theirs_lock] = three(locks);
            let side = |lock, files| Side { lock, files };
            return Ok(Self {
                base: side(base_lock, base),
                ours: side(ours_lock, ours),
                theirs: side(theirs_lock, theirs),
                repository: commits.repository,
                directory: directory.to_owned(),
                tarballs,
                omits_resolved,
            });
        }
        let present = manifest::read(&session.project).ok();
        let present = present.and_then(|file| file.document);
        let present = present.map_or(Value::Null, |document| document.value);
        let side = |bytes: &[u8], side| {
            let lock = read(bytes, name, || None)?;
            if lock.loaded_from_v1 {
                return Err(MergeError::Side(SideError::NoManifest { side }));
            }
            let files = from_lock(&lock, &present);
            Ok(Side { lock, files })
        };
        Ok(Self {
            base: side(&request.base, "the ancestor's")?,
            ours: side(&request.ours, "our")?,
            theirs: side(&request.theirs, "their")?,
            repository: session.project.clone(),
            directory: String::new(),
            tarballs: BTreeMap::new(),
            omits_resolved,
        })
    }

    pub fn registry_resolved(&self) -> bool {
        !self.omits_resolved
    }

    /// npm's name of a project without a name.
    pub fn folder_name(&self) -> String {
        let project = self.repository.join(&self.directory);
        let name = project.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The manifests of the merged project. Disputes are those that concern the lock.
    pub fn merged_files(&self, three: &mut Three) -> Files {
        let Self {
            base, ours, theirs, ..
        } = self;
        let concerned = self.concerned();
        let mut merged = Files::new();
        let mut disputes = Vec::new();
        for path in ours.files.keys().chain(theirs.files.keys()) {
            if merged.contains_key(path) {
                continue;
            }
            let (o, a, b) = (
                base.files.get(path),
                ours.files.get(path),
                theirs.files.get(path),
            );
            let value = match (o, a, b) {
                (_, a, b) if a == b || b == o => a.cloned(),
                (o, a, b) if a == o => b.cloned(),
                (o, Some(Value::Object(a)), Some(Value::Object(b))) => {
                    let nothing = Map::new();
                    let o = o.and_then(Value::as_object).unwrap_or(&nothing);
                    let value = three.objects(&[path], o, a, b);
                    let found = std::mem::take(&mut three.disputes);
                    disputes.extend(found.into_iter().filter(|dispute| {
                        let member = dispute.path.get(1).map_or("", String::as_str);
                        concerned.contains(path) && OF_LOCKS.contains(&member)
                    }));
                    Some(Value::Object(value))
                }
                (_, a, b) => a.or(b).cloned(),
            };
            if let Some(value) = value {
                merged.insert(path.clone(), value);
            }
        }
        three.disputes = disputes;
        merged
    }

    /// The project's manifest, and those of the folders that its locks link to.
    fn concerned(&self) -> Vec<String> {
        let mut paths = vec![manifest_path(&self.directory)];
        for lock in [&self.ours.lock, &self.theirs.lock] {
            let entries = lock.packages.iter();
            let targets = entries.filter_map(|(_, entry)| lock::link_target(entry));
            paths.extend(targets.map(|target| manifest_path(&join(&self.directory, target))));
        }
        paths
    }
}

fn three<T>(list: Vec<T>) -> [T; 3] {
    list.try_into()
        .unwrap_or_else(|_| unreachable!("three were pushed"))
}

fn manifest_path(folder: &str) -> String {
    join(folder, "package.json")
}

/// A path with `..` carried out as far as it goes.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A lock; an empty file is one without packages.
fn read(
    bytes: &[u8],
    name: &str,
    root: impl FnOnce() -> Option<Manifest>,
) -> Result<Lock, MergeError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Lock {
            file_name: name.to_owned(),
            version: 0,
            ..Lock::default()
        });
    }
    let lock = lock::parse_for(bytes.to_vec(), name, root)?;
    if !(1..=3).contains(&lock.version) {
        return Err(MergeError::Lock(lock::LockError::Version {
            file: name.to_owned(),
            found: lock.version,
        }));
    }
    Ok(lock)
}

/// Manifests as a lock repeats them; what it does not repeat is as in the present package.json.
fn from_lock(lock: &Lock, present: &Value) -> Files {
    let mut files = Files::new();
    let mut root = present.as_object().cloned().unwrap_or_default();
    root.retain(|member, _| member == "overrides" || !OF_LOCKS.contains(&member.as_str()));
    for (location, entry) in &lock.packages {
        let place = lock::check_key(location);
        match place {
            Ok(Place::Project) => root.extend(entry.clone()),
            Ok(Place::Folder | Place::Outside) => {
                let mut entry = entry.clone();
                if !entry.contains_key("name") {
                    let name = lock::folder_name(location).to_owned();
                    entry.insert("name".to_owned(), name.into());
                }
                files.insert(manifest_path(location), entry.into());
            }
            Ok(Place::Package) | Err(_) => {}
        }
    }
    files.insert("package.json".to_owned(), root.into());
    files
}

/// The commits whose locks are the very ones that git handed over.
struct Commits {
    repository: PathBuf,
    base: Option<String>,
    ours: String,
    theirs: String,
}

impl Commits {
    fn find(request: &MergeRequest, path: &str) -> Option<Self> {
        let repository = PathBuf::from(git::ask_line(&["rev-parse", "--show-toplevel"])?);
        let has = |commit: &str, bytes: &[u8]| git::file(commit, path).as_deref() == Some(bytes);
        let labels = &request.labels;
        let ours = [Some("HEAD".to_owned()), from_label(&labels.ours)];
        let ours = commits(ours).find(|commit| has(commit, &request.ours))?;
        let theirs = commits(their_names(&labels.theirs));
        let theirs = { theirs }.find(|commit| has(commit, &request.theirs))?;
        let base = if request.base.is_empty() {
            None
        } else {
            let common = git::ask_line(&["merge-base", &ours, &theirs]);
            let names = [from_label(&labels.base), common, Some(format!("{theirs}^"))];
            Some(commits(names).find(|commit| has(commit, &request.base))?)
        };
        Some(Self {
            repository,
            base,
            ours,
            theirs,
        })
    }

    /// The manifests of base, ours and theirs that can be read.
    fn manifests(&self, directory: &str) -> [Files; 3] {
        let wanted = |path: &str| {
            let name = Path::new(path).file_name();
            name.is_some_and(|name| name == "package.json") && !path.contains("node_modules/")
        };
        let lists = [self.base.as_ref(), Some(&self.ours), Some(&self.theirs)];
        let lists = lists
            .map(|commit| commit.map_or_else(BTreeMap::new, |commit| git::files(commit, wanted)));
        let mut blobs: Vec<&str> = Vec::new();
        blobs.extend(
            lists
                .iter()
                .flat_map(|list| list.values().map(String::as_str)),
        );
        blobs.sort_unstable();
        blobs.dedup();
        let contents = git::contents(&blobs);
        let values: BTreeMap<&str, Value> = blobs
            .iter()
            .zip(contents)
            .filter_map(|(blob, bytes)| Some((*blob, json::parse(&bytes).ok()?.value)))
            .filter(|(_, value)| value.is_object())
            .collect();
        let mut files = lists.each_ref().map(|list| {
            let entries = list.iter();
            let entries = entries.filter_map(|(path, blob)| {
                Some((path.clone(), values.get(blob.as_str())?.clone()))
            });
            entries.collect::<Files>()
        });
        for files in &mut files {
            let own = files.entry(manifest_path(directory));
            own.or_insert_with(|| Value::Object(Map::new()));
        }
        files
    }

    /// Tarballs in the repository that a lock takes packages from: theirs where ours has none.
    fn tarballs(&self, directory: &str, locks: &[Lock]) -> BTreeMap<String, Vec<u8>> {
        let entries = locks.iter().flat_map(|lock| &lock.packages);
        let named = entries.filter_map(|(_, entry)| {
            let resolved = entry.get("resolved")?.as_str()?;
            Some(join(directory, resolved.strip_prefix("file:")?))
        });
        let there = named.filter_map(|path| {
            let bytes = git::file(&self.ours, &path).or_else(|| git::file(&self.theirs, &path));
            Some((path, bytes?))
        });
        there.collect()
    }
}

fn commits(names: impl IntoIterator<Item = Option<String>>) -> impl Iterator<Item = String> {
    let names = names.into_iter().flatten();
    names.filter_map(|name| git::commit(&name))
}

/// Where the other side's commit may be written down while git merges, picks, reverts or rebases.
fn their_names(label: &str) -> Vec<Option<String>> {
    let heads = std::env::vars().filter_map(|(name, _)| {
        let head = name.strip_prefix("GITHEAD_")?;
        Some(Some(head.to_owned()))
    });
    let mut names: Vec<Option<String>> = heads.collect();
    names.push(from_label(label));
    let kept = ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD"];
    names.extend(kept.map(|name| Some(name.to_owned())));
    names.push(Some("REVERT_HEAD^".to_owned()));
    names.push(picked());
    names
}

/// The commit that a rebase is at: the last that it has taken up.
fn picked() -> Option<String> {
    let done = git::ask_line(&["rev-parse", "--git-path", "rebase-merge/done"])?;
    let done = std::fs::read_to_string(done).ok()?;
    let mut words = done.lines().last()?.split(' ');
    words.nth(1).map(str::to_owned)
}

/// `feature`, `1234abc (subject)`, `parent of 1234abc (subject)`.
fn from_label(label: &str) -> Option<String> {
    let (label, up) = match label.strip_prefix("parent of ") {
        Some(label) => (label, "^"),
        None => (label, ""),
    };
    let name = label.split([' ', ':']).next()?.trim_end_matches("...");
    (!name.is_empty()).then(|| format!("{name}{up}"))
}
