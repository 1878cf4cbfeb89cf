//! An installed tree, read from disk: which packages lie in `node_modules`, and what is in them.
//!
//! Every package.json below a `node_modules` is read and given the form of a lock's entry; what
//! only the installer knew (addresses, hashes, flags) is taken from npm's hidden lock where name and
//! version agree. Every file is hashed. The folder that pnpm keeps its packages in is understood,
//! too; its links are no places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::contents::{File, Files, Opened, manifest};
use super::known::{Fact, Known};
use crate::disk::{self, DiskError};
use crate::json;
use crate::link::Entry;
use crate::lock::{self, Lock, Packages, is_in_modules};
use crate::manifest::Manifest;
use crate::verify::{self, Entries, Record};

/// A package.json beyond this many bytes is not read.
const LARGEST_MANIFEST: u64 = 4 << 20;

/// What was found on disk.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// Where the files can be looked at; none for a tree that was read elsewhere.
    pub(super) project: Option<PathBuf>,
    /// By path relative to the project.
    pub(super) entries: Entries,
    /// Folders of packages that were installed by themselves, not in another's bundle.
    pub(super) own: BTreeSet<String>,
    /// Folders that are as their own install scripts left them.
    pub(super) as_left: BTreeSet<String>,
}

/// A tree as a lock, with its files.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub lock: Lock,
    pub disk: Disk,
    pub known: Known,
}

/// Reads `project/node_modules` and those of its workspaces. `record` tells what scripts left.
pub(super) fn read(project: &Path, record: &Record) -> Result<Tree, DiskError> {
    let mut homes = vec!["node_modules".to_owned()];
    let mut entries = verify::read_tree(project, &homes)?;
    let folders = linked_folders(&entries);
    let workspaces = folders.iter().filter(|folder| !folder.starts_with(".."));
    homes = workspaces
        .map(|folder| format!("{folder}/node_modules"))
        .collect();
    entries.extend(verify::read_tree(project, &homes)?);
    let hidden = hidden_lock(project);
    let mut reading = Reading {
        project,
        entries: &entries,
        hidden: &hidden,
        packages: Vec::new(),
        own: BTreeSet::new(),
    };
    reading.add_project();
    reading.add_packages();
    reading.add_links(&folders);
    let (packages, own) = (reading.packages, reading.own);
    let is_pnpm = entries.contains_key("node_modules/.pnpm");
    let has_project = packages.first().is_some_and(|(at, _)| at.is_empty());
    let mut unknown = vec![Fact::Details];
    if hidden.is_empty() {
        unknown.extend([
            Fact::Flags,
            Fact::Sources,
            Fact::Integrity,
            Fact::Deprecations,
        ]);
    }
    if is_pnpm {
        unknown.push(Fact::Places);
    }
    if !has_project {
        unknown.push(Fact::Direct);
    }
    let mut disk = Disk {
        project: Some(project.to_owned()),
        entries,
        own,
        as_left: BTreeSet::new(),
    };
    disk.as_left = disk.left_by_scripts(record);
    let lock = Lock {
        file_name: "node_modules".to_owned(),
        version: 3,
        packages,
        ..Lock::default()
    };
    Ok(Tree {
        lock,
        disk,
        known: Known::ALL.without(&unknown),
    })
}

/// npm's record of what it installed; empty when there is none that can be read.
fn hidden_lock(project: &Path) -> BTreeMap<String, Map<String, Value>> {
    let path = project.join("node_modules/.package-lock.json");
    let bytes = disk::read_if_there(&path).ok().flatten();
    let lock = bytes.and_then(|bytes| lock::parse(bytes, ".package-lock.json").ok());
    let packages = lock.map(|lock| lock.packages).unwrap_or_default();
    packages.into_iter().collect()
}

/// Folders of the project, or outside of it, that stand in `node_modules` as links.
fn linked_folders(entries: &Entries) -> BTreeSet<String> {
    let links = entries.iter().filter_map(|(path, entry)| match entry {
        Entry::Link(text) if is_package_place(path) => Some(target_of(path, text)),
        _ => None,
    });
    let outside = |target: &String| !is_in_modules(target);
    links.flatten().filter(outside).collect()
}

/// Where a link leads, relative to the project; `None` for an absolute one and for the project.
fn target_of(path: &str, text: &str) -> Option<String> {
    if text.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/")).filter(|target| !target.is_empty())
}

/// `…/node_modules/name` or `…/node_modules/@scope/name`.
fn is_package_place(path: &str) -> bool {
    let name = lock::folder_name(path);
    let above = path.strip_suffix(name).unwrap_or_default();
    let plain = !name.starts_with('.') && (!name.starts_with('@') || name.contains('/'));
    plain && (above == "node_modules/" || above.ends_with("/node_modules/"))
}

struct Reading<'a> {
    project: &'a Path,
    entries: &'a Entries,
    hidden: &'a BTreeMap<String, Map<String, Value>>,
    packages: Packages,
    own: BTreeSet<String>,
}

impl Reading<'_> {
    fn add_project(&mut self) {
        if let Some(manifest) = self.manifest("") {
            let mut entry = entry_of(&manifest);
            keep_development(&manifest, &mut entry);
            self.packages.push((String::new(), entry));
        }
    }

    /// Real folders; the places that pnpm keeps packages in come before links to them.
    fn add_packages(&mut self) {
        let folders = self.entries.iter().filter(|(path, entry)| {
            **entry == Entry::Folder
                && is_package_place(path)
                && self.entries.contains_key(&format!("{path}/package.json"))
        });
        let folders: Vec<String> = folders.map(|(path, _)| path.clone()).collect();
        for location in folders {
            let Some(manifest) = self.manifest(&location) else {
                continue;
            };
            let mut entry = entry_of(&manifest);
            let has_recipe = self
                .entries
                .contains_key(&format!("{location}/binding.gyp"));
            let declines = manifest.fields.get("gypfile") == Some(&Value::Bool(false));
            if manifest.has_install_script() || (has_recipe && !declines) {
                entry.insert("hasInstallScript".to_owned(), true.into());
            }
            if lock::folder_name(&location) != manifest.name().unwrap_or_default()
                && let Some(name) = manifest.name()
            {
                entry.insert("name".to_owned(), name.into());
            }
            self.add_what_the_installer_knew(&location, &mut entry);
            if !entry.contains_key("inBundle") {
                self.own.insert(location.clone());
            }
            self.packages.push((location, entry));
        }
    }

    fn add_what_the_installer_knew(&self, location: &str, entry: &mut Map<String, Value>) {
        const MEMBERS: [&str; 9] = [
            "resolved",
            "integrity",
            "dev",
            "optional",
            "devOptional",
            "peer",
            "inBundle",
            "extraneous",
            "deprecated",
        ];
        let Some(hidden) = self.hidden.get(location) else {
            return;
        };
        if hidden.get("version") != entry.get("version") {
            return;
        }
        for member in MEMBERS {
            if let Some(value) = hidden.get(member) {
                entry.insert(member.to_owned(), value.clone());
            }
        }
    }

    /// Workspaces and linked folders, and links inside pnpm's tree.
    fn add_links(&mut self, folders: &BTreeSet<String>) {
        for folder in folders {
            if let Some(manifest) = self.manifest(folder) {
                let mut entry = entry_of(&manifest);
                keep_development(&manifest, &mut entry);
                if let Some(name) = manifest.name() {
                    entry.insert("name".to_owned(), name.into());
                }
                self.packages.push((folder.clone(), entry));
            }
        }
        let entries: BTreeMap<String, Map<String, Value>> = self.packages.iter().cloned().collect();
        for (path, entry) in self.entries {
            let Entry::Link(text) = entry else { continue };
            let target = target_of(path, text).filter(|_| is_package_place(path));
            let Some(target) = target else { continue };
            if !is_in_modules(&target) {
                let link = json!({ "resolved": target, "link": true });
                self.packages
                    .push((path.clone(), link.as_object().cloned().unwrap_or_default()));
            } else if let Some(real) = entries.get(&target) {
                // What it requires is found from its real place.
                let mut copy = real.clone();
                for field in DEPENDENCIES {
                    copy.shift_remove(field);
                }
                if let Some(name) = real.get("name") {
                    copy.insert("name".to_owned(), name.clone());
                } else {
                    let name = lock::folder_name(&target);
                    copy.insert("name".to_owned(), name.into());
                }
                self.packages.push((path.clone(), copy));
            }
        }
    }

    /// `None` when there is none that is a JSON object.
    fn manifest(&self, folder: &str) -> Option<Manifest> {
        let path = self.project.join(folder).join("package.json");
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > LARGEST_MANIFEST {
            return None;
        }
        let bytes = fs::read(&path).ok()?;
        json::parse(&bytes).ok()?.value.as_object()?;
        Some(manifest(&bytes))
    }
}

const DEPENDENCIES: [&str; 4] = [
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
];

/// What a lock's entry repeats of a package.json, as far as a comparison needs it.
fn entry_of(manifest: &Manifest) -> Map<String, Value> {
    let mut entry = Map::new();
    let members = ["version", "os", "cpu", "libc", "engines", "bin"];
    for field in members.into_iter().chain(DEPENDENCIES) {
        if let Some(value) = manifest
            .fields
            .get(field)
            .filter(|value| json::truthy(value))
        {
            entry.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(license) = manifest
        .fields
        .get("license")
        .filter(|value| json::truthy(value))
    {
        let kind = license.get("type").filter(|kind| json::truthy(kind));
        entry.insert("license".to_owned(), kind.unwrap_or(license).clone());
    }
    entry
}

fn keep_development(manifest: &Manifest, entry: &mut Map<String, Value>) {
    if let Some(dev) = manifest.fields.get("devDependencies") {
        entry.insert("devDependencies".to_owned(), dev.clone());
    }
}

impl Disk {
    /// Can its files be looked into?
    pub fn is_here(&self) -> bool {
        self.project.is_some()
    }

    /// Files below a package's folder, other packages' left out.
    pub fn files(&self, location: &str) -> Files {
        let prefix = format!("{location}/");
        let below = self.entries.range(prefix.clone()..);
        let below = below.take_while(|(path, _)| path.starts_with(&prefix));
        let mut files = Files::new();
        for (path, entry) in below {
            let rest = &path[prefix.len()..];
            if rest.starts_with("node_modules/") || rest.contains("/node_modules/") {
                continue;
            }
            if let Some(file) = file(entry) {
                files.insert(rest.to_owned(), file);
            }
        }
        files
    }

    /// Asks the file system for the bytes of each file.
    pub fn with_sizes(&self, location: &str, mut files: Files) -> Files {
        let Some(project) = &self.project else {
            return files;
        };
        let folder = project.join(location);
        for (path, file) in &mut files {
            let metadata = fs::symlink_metadata(folder.join(path));
            file.size = metadata.ok().map(|metadata| metadata.len());
        }
        files
    }

    /// What lies at a path, unless it is a folder.
    pub(super) fn at(&self, path: &str) -> Option<File> {
        file(self.entries.get(path)?)
    }

    /// The folder of the innermost package that was installed by itself and holds `path`.
    pub(super) fn owner(&self, path: &str) -> Option<&str> {
        let ends = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
        let mut owners = ends.filter_map(|folder| self.own.get(folder));
        owners.next().map(String::as_str)
    }

    /// Folders in which every file is as it was right after their scripts ran.
    fn left_by_scripts(&self, record: &Record) -> BTreeSet<String> {
        let unchanged = |(folder, left): &(&str, &Entries)| {
            let prefix = format!("{folder}/");
            let counts = |(path, entry): &(&String, &Entry)| {
                **entry != Entry::Folder && !path.contains("/node_modules/.bin/")
            };
            let below = self.entries.range(prefix.clone()..);
            let found = below
                .take_while(|(path, _)| path.starts_with(&prefix))
                .filter(|(path, _)| self.owner(path) == Some(folder))
                .filter(counts);
            found.eq(left.iter().filter(counts))
        };
        let folders = record.packages().filter(unchanged);
        folders.map(|(folder, _)| folder.to_owned()).collect()
    }
}

/// `None` for a folder.
fn file(entry: &Entry) -> Option<File> {
    match entry {
        Entry::Folder => None,
        Entry::Link(text) => Some(File {
            blake3: *blake3::hash(text.as_bytes()).as_bytes(),
            size: None,
            executable: false,
        }),
        Entry::File { mode, blake3 } => Some(File {
            blake3: *blake3,
            size: None,
            executable: mode & 0o111 != 0,
        }),
    }
}

/// An installed package whose files can be read.
pub struct Installed<'a> {
    disk: &'a Disk,
    location: String,
    files: Files,
    manifest: Manifest,
}

impl<'a> Installed<'a> {
    pub fn open(disk: &'a Disk, location: &str) -> Self {
        let mut installed = Self {
            disk,
            location: location.to_owned(),
            files: disk.with_sizes(location, disk.files(location)),
            manifest: Manifest::default(),
        };
        let bytes = installed.read("package.json").unwrap_or_default();
        installed.manifest = manifest(&bytes);
        installed
    }
}

impl Opened for Installed<'_> {
    fn files(&self) -> &Files {
        &self.files
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let project = self.disk.project.as_ref()?;
        let path = project.join(&self.location).join(path);
        // A link may lead anywhere.
        fs::symlink_metadata(&path)
            .ok()
            .filter(fs::Metadata::is_file)?;
        fs::read(path).ok()
    }
}
