//! Turns the recursive `dependencies` of a version 1 lock into `packages`.
//!
//! An old entry's `version` is a version, a git address, an alias, a tarball or a folder; its
//! `requires` does not tell the kinds of dependencies apart, so these are guessed from flags.
//! Source: Arborist's `shrinkwrap.js` and `spec-from-lock.js`.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::read::Fault;
use super::{Lock, Packages};
use crate::json::truthy;
use crate::manifest::Manifest;

type Entry = Map<String, Value>;

/// The `packages` of a lock that only has `dependencies`, in the order of the file.
pub(super) fn packages(
    lock: &Lock,
    dependencies: &Entry,
    root: &Manifest,
) -> Result<Packages, Fault> {
    let mut table = Table::default();
    let mut project = Entry::new();
    for (key, value) in [("name", &lock.name), ("version", &lock.root_version)] {
        if let Some(value) = value {
            project.insert(key.to_owned(), value.clone().into());
        }
    }
    table.set("", project);
    table.load_all("", dependencies)?;
    table.adopt_manifest(root);
    table.sort_requires();
    Ok(table.entries)
}

#[derive(Default)]
struct Table {
    entries: Packages,
    at: FxHashMap<String, usize>,
}

impl Table {
    fn get(&self, location: &str) -> Option<&Entry> {
        Some(&self.entries[*self.at.get(location)?].1)
    }

    fn set(&mut self, location: &str, entry: Entry) {
        if let Some(at) = self.at.get(location) {
            self.entries[*at].1 = entry;
        } else {
            self.at.insert(location.to_owned(), self.entries.len());
            self.entries.push((location.to_owned(), entry));
        }
    }

    fn load_all(&mut self, location: &str, dependencies: &Entry) -> Result<(), Fault> {
        for (name, value) in dependencies {
            let slash = if location.is_empty() { "" } else { "/" };
            let location = format!("{location}{slash}node_modules/{name}");
            let Value::Object(old) = value else {
                let place = format!("dependencies of {name:?}");
                return Err(Fault::new(&place, value, "an object").at_key(name));
            };
            // Dependencies nested under a link are really under its target.
            let location = self.load(&location, name, old, true).unwrap_or(location);
            match old.get("dependencies") {
                Some(Value::Object(nested)) => self.load_all(&location, nested)?,
                None | Some(Value::Null) => {}
                Some(other) => {
                    return Err(Fault::new("dependencies", other, "an object").at_key(name));
                }
            }
        }
        Ok(())
    }

    /// Files one entry; tells the target when it is a link.
    fn load(&mut self, location: &str, name: &str, old: &Entry, versioned: bool) -> Option<String> {
        let what = locked(old, versioned);
        if let Locked::Directory(target) = what {
            let mut link = Entry::new();
            link.insert("link".to_owned(), true.into());
            link.insert("resolved".to_owned(), target.clone().into());
            self.set(location, link);
            if self.get(&target).is_none() {
                self.load(&target, name, old, false);
            }
            return Some(target);
        }
        self.set(location, entry(name, old, &what, versioned));
        None
    }

    /// Old locks say nothing about the project itself, so its manifest does.
    fn adopt_manifest(&mut self, root: &Manifest) {
        const MEMBERS: [&str; 16] = [
            "version",
            "dependencies",
            "peerDependencies",
            "peerDependenciesMeta",
            "optionalDependencies",
            "bundleDependencies",
            "acceptDependencies",
            "funding",
            "engines",
            "os",
            "cpu",
            "libc",
            "license",
            "bin",
            "workspaces",
            "hasInstallScript",
        ];
        let project = &mut self.entries[0].1;
        for member in MEMBERS {
            let Some(value) = root.fields.get(member).filter(|value| truthy(value)) else {
                continue;
            };
            let kind = value.get("type").filter(|kind| truthy(kind));
            match (member, kind) {
                ("license", Some(kind)) => project.insert(member.to_owned(), kind.clone()),
                _ if is_empty(value) => continue,
                _ => project.insert(member.to_owned(), value.clone()),
            };
        }
    }

    /// Splits every `requires` by what the flags of both ends suggest.
    fn sort_requires(&mut self) {
        for at in 0..self.entries.len() {
            let Some(requires) = self.entries[at].1.shift_remove("requires") else {
                continue;
            };
            let requires = requires.as_object().into_iter().flatten();
            for (name, range) in requires {
                let kind = self.kind_of(at, name);
                let members = &mut self.entries[at].1;
                let map = members
                    .entry(kind)
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(map) = map {
                    map.insert(name.clone(), range.clone());
                }
            }
        }
    }

    fn kind_of(&self, at: usize, name: &str) -> &'static str {
        let (location, entry) = &self.entries[at];
        let flag = |entry: &Entry, name: &str| entry.get(name).is_some_and(truthy);
        match self.reach(location, name) {
            Some(found) if flag(found, "optional") && !flag(entry, "optional") => {
                "optionalDependencies"
            }
            Some(found) if flag(found, "dev") && !flag(entry, "dev") => "devDependencies",
            _ => "dependencies",
        }
    }

    fn reach(&self, location: &str, name: &str) -> Option<&Entry> {
        let mut folder = location;
        loop {
            let slash = if folder.is_empty() { "" } else { "/" };
            if let Some(found) = self.get(&format!("{folder}{slash}node_modules/{name}")) {
                return Some(found);
            }
            if folder.is_empty() {
                return None;
            }
            folder = folder.rfind('/').map_or("", |slash| &folder[..slash]);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// A text member, unless it is missing or empty.
fn text<'a>(old: &'a Entry, member: &str) -> Option<&'a str> {
    old.get(member)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// One new entry; `old` without its version when `versioned` is false.
fn entry(name: &str, old: &Entry, what: &Locked, versioned: bool) -> Entry {
    let mut new = Entry::new();
    let mut set = |member: &str, value: Value| new.insert(member.to_owned(), value);
    if let Some(requires @ Value::Object(_)) = old.get("requires") {
        set("requires", requires.clone());
    }
    for flag in ["optional", "dev"] {
        if old.get(flag).is_some_and(truthy) {
            set(flag, true.into());
        }
    }
    let integrity = text(old, "integrity");
    if let Some(integrity) = integrity {
        set("integrity", integrity.into());
    }
    let version = text(old, "version").filter(|_| versioned);
    match what {
        Locked::Git(resolved) => {
            set("resolved", resolved.clone().into());
            if integrity.is_none() && version.is_some() {
                return new; // a git entry says no more than that
            }
        }
        Locked::File(path) => {
            let resolved = format!("file:{path}");
            infer_version(name, &[path, &resolved], &mut new);
            new.insert("resolved".to_owned(), resolved.into());
        }
        Locked::Remote(url) => {
            infer_version(name, &[url], &mut new);
            new.insert("resolved".to_owned(), url.clone().into());
        }
        Locked::Registry | Locked::Alias { .. } => {
            if let Some(resolved) = text(old, "resolved") {
                set("resolved", resolved.into());
            }
            if let Locked::Alias { name, version } = what {
                set("name", name.clone().into());
                set("version", version.clone().into());
            } else if let Some(version) = version {
                set("version", version.trim().into());
            }
        }
        Locked::Directory(_) => {} // is a link
    }
    if old.get("bundled").is_some_and(truthy) {
        new.insert("inBundle".to_owned(), true.into());
    }
    new
}

/// Version (and name, where it is another one) as the tarball's file name tells them.
fn infer_version(name: &str, places: &[&str], new: &mut Entry) {
    let found = places.iter().find_map(|place| from_tarball(name, place));
    if let Some((found_name, version)) = found {
        new.insert("version".to_owned(), version.into());
        if found_name != name {
            new.insert("name".to_owned(), found_name.into());
        }
    }
}

/// Name and version in `…/@scope/name/-/name-1.2.3.tgz` or `name-1.2.3.tgz`.
fn from_tarball(name: &str, place: &str) -> Option<(String, String)> {
    let base = place.rsplit('/').next().unwrap_or(place);
    let stem = base.strip_suffix(".tgz")?;
    let url = url::Url::parse(place).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    let before = url.as_ref().and_then(|url| {
        let (before, after) = url.path().rsplit_once("/-/")?;
        (after == base).then_some(before)
    });
    let full = before.unwrap_or(name).replace("%2f", "/");
    let full = full.replace("%2F", "/");
    let mut parts = full.rsplit('/');
    let project = parts.next().unwrap_or_default();
    let version = stem.strip_prefix(project)?.strip_prefix('-')?;
    let version = semver::Version::parse(version).ok()?;
    let scope = parts.next().filter(|scope| scope.starts_with('@'));
    let found = scope.map_or_else(|| project.to_owned(), |scope| format!("{scope}/{project}"));
    let build = semver::BuildMetadata::EMPTY;
    Some((found, semver::Version { build, ..version }.to_string()))
}

/// What an old entry locks.
#[derive(Debug, PartialEq)]
enum Locked {
    Registry,
    Alias { name: String, version: String },
    Git(String),
    File(String),
    Directory(String),
    Remote(String),
}

/// The spec in `version`, `from` or `resolved`, whichever npm believes.
fn locked(old: &Entry, versioned: bool) -> Locked {
    let version = text(old, "version").filter(|_| versioned);
    let resolved = text(old, "resolved");
    if let Some(version) = version {
        let what = classify(version);
        if text(old, "integrity").is_some() || matches!(what, Locked::Git(_)) {
            return what;
        }
    }
    if let Some(from) = text(old, "from") {
        match classify(from) {
            Locked::Registry | Locked::Alias { .. } => {
                if let Some(version) = version {
                    return classify(version);
                }
            }
            what if resolved.is_none() => return what,
            _ => {}
        }
    }
    resolved.or(version).map_or(Locked::Registry, classify)
}

fn classify(spec: &str) -> Locked {
    let spec = spec.trim();
    if let Some(alias) = spec.strip_prefix("npm:") {
        let at = alias.rfind('@').filter(|at| *at > 0);
        let (name, version) = at.map_or((alias, "*"), |at| (&alias[..at], &alias[at + 1..]));
        return Locked::Alias {
            name: name.to_owned(),
            version: version.to_owned(),
        };
    }
    if let Some(path) = spec.strip_prefix("file:") {
        return local(path);
    }
    if let Some(git) = git_address(spec) {
        return Locked::Git(git);
    }
    if spec.starts_with("http://") || spec.starts_with("https://") {
        return Locked::Remote(spec.to_owned());
    }
    let is_path = ["./", "../", "/", "~/"]
        .iter()
        .any(|start| spec.starts_with(start));
    if is_path || is_tarball(spec) {
        return local(spec);
    }
    Locked::Registry
}

fn is_tarball(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// A path as a lock writes it: relative to the project, `.` and `..` taken away where possible.
fn local(path: &str) -> Locked {
    let path = path.strip_prefix("//").unwrap_or(path);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    let tidy = format!("{root}{}", parts.join("/"));
    if is_tarball(&tidy) {
        Locked::File(tidy)
    } else {
        Locked::Directory(tidy)
    }
}

/// A git address as locks write it: over ssh for the hosts that npm knows, unless it has
/// credentials; else unchanged.
fn git_address(spec: &str) -> Option<String> {
    const HOSTS: [(&str, &str); 3] = [
        ("github:", "github.com"),
        ("gitlab:", "gitlab.com"),
        ("bitbucket:", "bitbucket.org"),
    ];
    let ssh = |host: &str, path: &str, commit: &str| {
        let path = path.strip_suffix(".git").unwrap_or(path);
        format!("git+ssh://git@{host}/{path}.git{commit}")
    };
    let (address, commit) = spec
        .find('#')
        .map_or((spec, ""), |hash| (&spec[..hash], &spec[hash..]));
    for (short, host) in HOSTS {
        if let Some(path) = address.strip_prefix(short) {
            return Some(ssh(host, path, commit));
        }
        let path = address
            .strip_prefix("git@")
            .and_then(|rest| rest.strip_prefix(host))
            .and_then(|rest| rest.strip_prefix(':'));
        if let Some(path) = path {
            return Some(ssh(host, path, commit));
        }
        if let Some(path) = known_host_path(address, host) {
            return Some(ssh(host, path, commit));
        }
    }
    let words = address.split('/').collect::<Vec<_>>();
    if let [user, repository] = words[..]
        && !user.is_empty()
        && !repository.is_empty()
        && !user.starts_with(['@', '.', '~'])
        && !user.contains([':', '@'])
        && !is_tarball(repository)
    {
        return Some(ssh("github.com", address, commit));
    }
    let other = ["git+", "git://", "git@"];
    other
        .iter()
        .any(|start| address.starts_with(start))
        .then(|| spec.to_owned())
}

/// `user/repository` of an address at a known host without credentials.
fn known_host_path<'a>(address: &'a str, host: &str) -> Option<&'a str> {
    let (scheme, rest) = address.split_once("://")?;
    let is_git = matches!(
        scheme,
        "git" | "git+https" | "git+ssh" | "git+http" | "ssh" | "https" | "http"
    );
    let rest = rest.strip_prefix("git@").unwrap_or(rest);
    let path = rest.strip_prefix(host)?.strip_prefix(['/', ':'])?;
    (is_git && path.split('/').count() == 2).then_some(path)
}
