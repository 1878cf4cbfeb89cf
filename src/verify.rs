//! Holds an installed tree against what it should be, file by file.
//!
//! [`compare`] walks every `node_modules` of the project without following links, hashes every file
//! and names each difference once: of a folder that is missing or should not be there, not its
//! content. The tree digest is a BLAKE3 over path, kind, executable bit, and content or link text of
//! everything below every `node_modules`, sorted by path; npm's hidden lock, which depends on
//! settings, is left out. Equal lock, target and flags give the same digest on every machine.
//!
//! What install scripts left in the folders of their own packages is known from a [`Record`] that
//! the install made right after them: there the tree has to be as it was then, and the digest counts
//! what the tarball holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use crate::disk::DiskError;
use crate::link::{Entry, Expected, state};
use crate::store::Store;

/// What was found.
#[derive(Debug)]
pub struct Report {
    pub packages: usize,
    pub files: usize,
    /// BLAKE3 in hex.
    pub digest: String,
    /// Sorted by path.
    pub differences: Vec<Difference>,
    /// Package folders held against the record of what their scripts left.
    pub scripted: Vec<String>,
}

/// One path that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub class: Class,
    /// Relative to the project.
    pub path: String,
    /// `name@version` of the package whose folder it lies in.
    pub package: Option<String>,
    /// What is there and what should be, where that says more than the class.
    pub detail: String,
}

/// How a path differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Another content.
    Changed,
    Missing,
    Surplus,
    /// Other permission bits.
    Mode,
    /// A link to elsewhere.
    Link,
    /// A file where a folder should be, or the like.
    Kind,
    /// A whole package.
    PackageMissing,
    PackageSurplus,
}

impl Class {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Surplus => "surplus",
            Self::Mode => "mode",
            Self::Link => "link",
            Self::Kind => "kind",
            Self::PackageMissing => "package-missing",
            Self::PackageSurplus => "package-surplus",
        }
    }
}

/// What lies at each path, relative to the project.
pub type Entries = BTreeMap<String, Entry>;

/// What scripts left in the folders of their packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// By package folder.
    packages: BTreeMap<String, Entries>,
    /// Locations of optional packages whose scripts failed: they are not in the tree, nor is what
    /// only they need.
    pub left_out: Vec<String>,
}

/// Holds the project's tree against `expected`. `record` is what is known of packages whose scripts
/// ran.
///
/// Errors: a folder or file that cannot be read.
pub fn compare(project: &Path, expected: &Expected, record: &Record) -> Result<Report, DiskError> {
    let mut actual = read_tree(project, &expected.homes)?;
    leave_to_others(&mut actual, expected);
    // A folder that an install emptied stays, as with npm.
    for home in &expected.homes {
        let inside = format!("{home}/");
        let next = actual.range(inside.clone()..).next();
        let is_empty = next.is_none_or(|(path, _)| !path.starts_with(&inside));
        if is_empty
            && !expected.entries.contains_key(home)
            && actual.get(home) == Some(&Entry::Folder)
        {
            actual.remove(home);
        }
    }
    let mut wanted = expected.entries.clone();
    let scripted: Vec<String> = record
        .packages
        .keys()
        .filter(|folder| expected.packages.contains_key(*folder))
        .cloned()
        .collect();
    for folder in &scripted {
        own_entries(&mut wanted, folder, expected);
        wanted.extend(record.packages[folder].clone());
    }
    let differences = differences(&wanted, &actual, expected);
    let digest = digest(&wanted, &actual, expected);
    let is_file = |entry: &&Entry| matches!(entry, Entry::File { .. });
    Ok(Report {
        packages: expected.packages.len(),
        files: actual.values().filter(is_file).count(),
        digest,
        differences,
        scripted,
    })
}

/// Reads what lies in the folders of these packages now; a bundled package's is its bundler's.
pub fn record<'a>(
    project: &Path,
    expected: &Expected,
    locations: impl IntoIterator<Item = &'a str>,
) -> Result<Record, DiskError> {
    let owners = locations.into_iter().filter_map(|at| owner(at, expected));
    let folders: BTreeSet<&str> = owners.collect();
    let mut actual = Entries::new();
    for folder in &folders {
        walk(project, folder, &mut actual)?;
    }
    hash_files(project, &mut actual)?;
    let mut record = Record::default();
    for folder in folders {
        let own = own_entries(&mut actual, folder, expected);
        record.packages.insert(folder.to_owned(), own);
    }
    Ok(record)
}

/// Takes the entries below a package's folder that no other package fills.
fn own_entries(entries: &mut Entries, folder: &str, expected: &Expected) -> Entries {
    let prefix = format!("{folder}/");
    let below = entries.range(prefix.clone()..);
    let below = below.map(|(path, _)| path.clone());
    let own: Vec<String> = below
        .take_while(|path| path.starts_with(&prefix))
        .filter(|path| owner(path, expected) == Some(folder))
        .collect();
    own.into_iter()
        .filter_map(|path| entries.remove_entry(&path))
        .collect()
}

/// The package folder that a path lies in; the shared folders between packages have none.
fn owner<'a>(path: &str, expected: &'a Expected) -> Option<&'a str> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let mut candidates: Vec<usize> = ends.chain([path.len()]).collect();
    candidates.reverse();
    candidates.into_iter().find_map(|end| {
        let (folder, _) = expected.packages.get_key_value(&path[..end])?;
        let rest = &path[end..];
        // `a/node_modules/.bin` and scopes there belong to nobody, and so do packages found there.
        let shared = matches!(rest, "/node_modules") || rest.starts_with("/node_modules/.bin");
        (!shared).then_some(folder.as_str())
    })
}

/// Forgets what lies in a shared `node_modules` and is no part of an expected package.
fn leave_to_others(actual: &mut Entries, expected: &Expected) {
    actual.retain(|path, _| {
        let is_shared = expected.shared.iter().any(|home| within(path, Some(home)));
        !is_shared || expected.entries.contains_key(path) || owner(path, expected).is_some()
    });
}

/// What lies in these folders of the project, every file hashed; links are not followed.
pub fn read_tree(project: &Path, homes: &[String]) -> Result<Entries, DiskError> {
    let mut actual = Entries::new();
    for home in homes {
        if let Ok(metadata) = fs::symlink_metadata(project.join(home)) {
            if metadata.is_dir() {
                actual.insert(home.clone(), Entry::Folder);
                walk(project, home, &mut actual)?;
            } else {
                actual.insert(home.clone(), link_or_file(&project.join(home), &metadata)?);
            }
        }
    }
    hash_files(project, &mut actual)?;
    Ok(actual)
}

/// Everything below a folder; files get their hashes later.
fn walk(project: &Path, folder: &str, entries: &mut Entries) -> Result<(), DiskError> {
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        let path = project.join(&folder);
        let failed = || DiskError::at("read", &path);
        for entry in fs::read_dir(&path).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name();
            let shown = format!("{folder}/{}", name.to_string_lossy());
            let metadata = entry.metadata().map_err(failed())?;
            if metadata.is_dir() {
                pending.push(shown.clone());
                entries.insert(shown, Entry::Folder);
            } else {
                let found = link_or_file(&entry.path(), &metadata)?;
                entries.insert(shown, found);
            }
        }
    }
    Ok(())
}

fn link_or_file(path: &Path, metadata: &fs::Metadata) -> Result<Entry, DiskError> {
    if metadata.is_symlink() {
        let text = fs::read_link(path).map_err(DiskError::at("read", path))?;
        return Ok(Entry::Link(text.to_string_lossy().into_owned()));
    }
    Ok(Entry::File {
        mode: metadata.mode() & 0o7777,
        blake3: [0; 32],
    })
}

/// Hashes every file, on all cores.
fn hash_files(project: &Path, entries: &mut Entries) -> Result<(), DiskError> {
    let files: Vec<String> = entries
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::File { .. }))
        .map(|(path, _)| path.clone())
        .collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(files.len()));
    let work = || {
        let mut buffer = vec![0; 64 << 10];
        let mut own = Vec::new();
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            own.push((path, hash_file(&project.join(path), &mut buffer)));
        }
        let mut results = results
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        results.extend(own);
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(8) {
            scope.spawn(work);
        }
        work();
    });
    let results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for (path, hash) in results {
        let hash = match hash {
            // Its name is no UTF-8, so it is nobody's.
            Err(_) if path.contains('\u{fffd}') => [0; 32],
            hash => hash.map_err(DiskError::at("read", &project.join(path)))?,
        };
        if let Some(Entry::File { blake3, .. }) = entries.get_mut(path) {
            *blake3 = hash;
        }
    }
    Ok(())
}

/// Anything but a regular file has no content; a pipe would never end.
fn hash_file(path: &Path, buffer: &mut [u8]) -> io::Result<[u8; 32]> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok([0; 32]);
    }
    let mut file = fs::File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(*hasher.finalize().as_bytes()),
            Ok(count) => _ = hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn differences(wanted: &Entries, actual: &Entries, expected: &Expected) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut add = |class, path: &str, detail: String| {
        let package = owner(path, expected).and_then(|folder| expected.packages.get(folder));
        found.push(Difference {
            class,
            path: path.to_owned(),
            package: package.map(ToString::to_string),
            detail,
        });
    };
    // A folder speaks for what is in it.
    let mut gone: Option<&str> = None;
    for (path, entry) in wanted {
        if within(path, gone) {
            continue;
        }
        let told = match actual.get(path) {
            Some(there) => difference(entry, there),
            None if expected.packages.contains_key(path) => {
                Some((Class::PackageMissing, String::new()))
            }
            None => Some((Class::Missing, String::new())),
        };
        if let Some((class, detail)) = told {
            add(class, path, detail);
            gone = (*entry == Entry::Folder).then_some(path);
        }
    }
    let mut extra: Option<&str> = None;
    for (path, entry) in actual {
        if within(path, extra) || wanted.contains_key(path) {
            continue;
        }
        let is_package = *entry == Entry::Folder
            && actual.contains_key(&format!("{path}/package.json"))
            && path.contains("node_modules/");
        let class = if is_package {
            Class::PackageSurplus
        } else {
            Class::Surplus
        };
        add(class, path, String::new());
        extra = (*entry == Entry::Folder).then_some(path);
    }
    found.sort_by(|a, b| (&a.path, a.class).cmp(&(&b.path, b.class)));
    found
}

fn within(path: &str, folder: Option<&str>) -> bool {
    let rest = folder.and_then(|folder| path.strip_prefix(folder));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

fn difference(wanted: &Entry, there: &Entry) -> Option<(Class, String)> {
    match (wanted, there) {
        (
            Entry::File { mode, blake3 },
            Entry::File {
                mode: own,
                blake3: found,
            },
        ) => {
            if blake3 != found {
                Some((Class::Changed, String::new()))
            } else if mode == own {
                None
            } else {
                Some((Class::Mode, format!("{own:04o} instead of {mode:04o}")))
            }
        }
        (Entry::Link(text), Entry::Link(own)) if text != own => {
            Some((Class::Link, format!("to {own} instead of {text}")))
        }
        (Entry::Folder, Entry::Folder) | (Entry::Link(_), Entry::Link(_)) => None,
        _ => {
            let detail = format!("a {} instead of a {}", kind(there), kind(wanted));
            Some((Class::Kind, detail))
        }
    }
}

fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Folder => "folder",
        Entry::File { .. } => "file",
        Entry::Link(_) => "link",
    }
}

/// What is on disk; but where that is as it should be, what the lock says should be.
fn digest(wanted: &Entries, actual: &Entries, expected: &Expected) -> String {
    let paths: BTreeSet<&String> = actual.keys().chain(expected.entries.keys()).collect();
    let mut hasher = blake3::Hasher::new();
    for path in paths {
        if Some(path) == expected.hidden_lock.as_ref() {
            continue;
        }
        let as_recorded = wanted.get(path) == actual.get(path);
        let entry = if as_recorded {
            expected.entries.get(path)
        } else {
            actual.get(path)
        };
        let Some(entry) = entry else { continue };
        let (kind, content): (u8, &[u8]) = match entry {
            Entry::Folder => (b'd', &[]),
            Entry::File { mode, blake3 } if mode & 0o111 != 0 => (b'x', blake3),
            Entry::File { blake3, .. } => (b'f', blake3),
            Entry::Link(text) => (b'l', text.as_bytes()),
        };
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        hasher.update(&[kind]);
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(content);
    }
    hasher.finalize().to_hex().to_string()
}

/// The kind of record, among those that the store keeps of a project, that tells what scripts left.
pub const RECORD: &str = "scripts";

/// What the scripts of the project's last install left, as the store remembers it.
pub fn recorded(project: &Path, store: &Store) -> Record {
    let path = state::record_of(project, store, RECORD);
    let bytes = path.and_then(|path| fs::read(path).ok());
    bytes
        .and_then(|bytes| Record::parse(&bytes))
        .unwrap_or_default()
}

impl Record {
    /// Package folders with what the scripts left in them.
    pub fn packages(&self) -> impl Iterator<Item = (&str, &Entries)> {
        let packages = self.packages.iter();
        packages.map(|(folder, entries)| (folder.as_str(), entries))
    }

    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.left_out.is_empty()
    }

    /// As JSON: for each package folder its paths; a folder is `null`, a link its text, a file its
    /// mode and hash.
    pub fn to_bytes(&self) -> Vec<u8> {
        let entries = |entries: &Entries| -> Map<String, Value> {
            let shown = entries.iter().map(|(path, entry)| {
                let value = match entry {
                    Entry::Folder => Value::Null,
                    Entry::Link(text) => json!(text),
                    Entry::File { mode, blake3 } => {
                        json!([mode, blake3::Hash::from_bytes(*blake3).to_hex().as_str()])
                    }
                };
                (path.clone(), value)
            });
            shown.collect()
        };
        let folders = self.packages.iter();
        let folders: Map<String, Value> = folders
            .map(|(folder, own)| (folder.clone(), entries(own).into()))
            .collect();
        json!({ "version": 1, "packages": folders, "leftOut": self.left_out })
            .to_string()
            .into_bytes()
    }

    /// `None` for anything but a whole record.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        if document.get("version")? != &json!(1) {
            return None;
        }
        let entry = |value: &Value| match value {
            Value::Null => Some(Entry::Folder),
            Value::String(text) => Some(Entry::Link(text.clone())),
            Value::Array(parts) => Some(Entry::File {
                mode: u32::try_from(parts.first()?.as_u64()?).ok()?,
                blake3: *blake3::Hash::from_hex(parts.get(1)?.as_str()?)
                    .ok()?
                    .as_bytes(),
            }),
            _ => None,
        };
        let mut record = Self::default();
        for (folder, own) in document.get("packages")?.as_object()? {
            let own = own.as_object()?.iter();
            let own = own.map(|(path, value)| Some((path.clone(), entry(value)?)));
            record
                .packages
                .insert(folder.clone(), own.collect::<Option<_>>()?);
        }
        let left_out = document.get("leftOut")?.as_array()?.iter();
        let left_out = left_out.map(|location| Some(location.as_str()?.to_owned()));
        record.left_out = left_out.collect::<Option<_>>()?;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::PackageId;

    /// A project with `a`, which ran a script, and `b`.
    struct World {
        folder: tempfile::TempDir,
        expected: Expected,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut expected = Expected {
                homes: vec!["node_modules".to_owned()],
                ..Expected::default()
            };
            for path in ["node_modules", "node_modules/a", "node_modules/b"] {
                fs::create_dir(folder.path().join(path)).unwrap();
                expected.entries.insert(path.to_owned(), Entry::Folder);
            }
            for name in ["a", "b"] {
                let at = format!("node_modules/{name}");
                expected
                    .packages
                    .insert(at.clone(), PackageId::new(name, "1.0.0"));
                for file in ["package.json", "index.js"] {
                    let path = format!("{at}/{file}");
                    fs::write(folder.path().join(&path), file).unwrap();
                    let mode = fs::metadata(folder.path().join(&path)).unwrap().mode() & 0o7777;
                    let blake3 = *blake3::hash(file.as_bytes()).as_bytes();
                    expected.entries.insert(path, Entry::File { mode, blake3 });
                }
            }
            Self { folder, expected }
        }

        fn write(&self, path: &str, text: &str) {
            fs::write(self.folder.path().join(path), text).unwrap();
        }

        fn compare(&self, record: &Record) -> Report {
            compare(self.folder.path(), &self.expected, record).unwrap()
        }
    }

    fn shown(report: &Report) -> Vec<String> {
        let found = report.differences.iter();
        found
            .map(|one| format!("{} {}", one.class.as_str(), one.path))
            .collect()
    }

    #[test]
    fn a_folder_speaks_for_what_is_in_it() {
        let world = World::new();
        let whole = world.compare(&Record::default());
        assert_eq!(shown(&whole), Vec::<String>::new());
        fs::remove_dir_all(world.folder.path().join("node_modules/b")).unwrap();
        fs::create_dir(world.folder.path().join("node_modules/c")).unwrap();
        world.write("node_modules/c/package.json", "{}");
        world.write("node_modules/a/index.js", "other");
        world.write("node_modules/stray", "");
        let damaged = world.compare(&Record::default());
        assert_eq!(
            shown(&damaged),
            [
                "changed node_modules/a/index.js",
                "package-missing node_modules/b",
                "package-surplus node_modules/c",
                "surplus node_modules/stray",
            ]
        );
        assert_eq!(damaged.differences[0].package.as_deref(), Some("a@1.0.0"));
        assert_ne!(whole.digest, damaged.digest);
    }

    #[test]
    fn what_scripts_left_is_held_against_the_record_and_not_in_the_digest() {
        let world = World::new();
        let digest = world.compare(&Record::default()).digest;
        world.write("node_modules/a/built", "by a script");
        fs::remove_file(world.folder.path().join("node_modules/a/index.js")).unwrap();
        assert_eq!(world.compare(&Record::default()).differences.len(), 2);
        let record = record(world.folder.path(), &world.expected, ["node_modules/a"]).unwrap();
        let record = Record::parse(&record.to_bytes()).unwrap();
        let report = world.compare(&record);
        assert_eq!(shown(&report), Vec::<String>::new());
        assert_eq!(report.digest, digest);
        assert_eq!(report.scripted, ["node_modules/a"]);
        world.write("node_modules/a/built", "edited later");
        world.write("node_modules/b/index.js", "by the same script");
        assert_eq!(
            shown(&world.compare(&record)),
            [
                "changed node_modules/a/built",
                "changed node_modules/b/index.js"
            ]
        );
    }
}
