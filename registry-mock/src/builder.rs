//! Builds a registry folder from packages described in code.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use sha1::Digest as _;

use crate::MockError;
use crate::archive::{self, File, Packing};
use crate::folder;

/// Where the tarball addresses in a built packument point until a server rewrites them.
const HOST: &str = "http://registry.example";

/// Fields that a registry adds to a version and that the tarball's `package.json` does not have.
const REGISTRY_ONLY: &[&str] = &["dist", "deprecated", "hasInstallScript", "_hasShrinkwrap"];

/// Packages in memory; [`Registry::write`] makes the folder.
///
/// `manifest`, `file` and the like speak about the package named last.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    packages: Vec<Package>,
    tags: BTreeMap<String, Map<String, Value>>,
    packing: Packing,
}

#[derive(Debug, Clone, Default)]
struct Package {
    name: String,
    version: String,
    fields: Map<String, Value>,
    files: Vec<File>,
    time: Option<String>,
    tarball: Option<Vec<u8>>,
}

impl Registry {
    pub fn new() -> Self {
        Self::default()
    }

    /// Compresses tarballs; their bytes then depend on the deflate library's version.
    #[must_use]
    pub fn deflated(mut self) -> Self {
        self.packing = Packing::Deflated;
        self
    }

    /// Begins a package version. Versions of a name are listed in the order in which they begin.
    #[must_use]
    pub fn package(mut self, name: &str, version: &str) -> Self {
        self.packages.push(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            ..Package::default()
        });
        self
    }

    /// Adds manifest fields. `dist` fields override the computed ones in the packument; `dist`,
    /// `deprecated`, `hasInstallScript` and `_hasShrinkwrap` do not enter the tarball.
    #[must_use]
    pub fn manifest(mut self, fields: Value) -> Self {
        if let Value::Object(fields) = fields {
            self.current().fields.extend(fields);
        }
        self
    }

    /// Adds a file; one called `package.json` replaces the generated one.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>, mode: u32) -> Self {
        self.current().files.push(File {
            path: path.to_owned(),
            content: content.as_ref().to_vec(),
            mode,
        });
        self
    }

    /// When the version was published, as an ISO time.
    #[must_use]
    pub fn time(mut self, time: &str) -> Self {
        self.current().time = Some(time.to_owned());
        self
    }

    /// Gives the version these bytes for a tarball, whatever they are; the integrity is theirs.
    #[must_use]
    pub fn tarball(mut self, bytes: Vec<u8>) -> Self {
        self.current().tarball = Some(bytes);
        self
    }

    /// Points a dist-tag at a version; without one, `latest` is the highest release.
    #[must_use]
    pub fn tag(mut self, name: &str, tag: &str, version: &str) -> Self {
        self.tags
            .entry(name.to_owned())
            .or_default()
            .insert(tag.to_owned(), Value::from(version));
        self
    }

    /// The packument of every package, by name; tarball addresses are on `registry.example`.
    pub fn packuments(&self) -> BTreeMap<String, Value> {
        let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
        for package in &self.packages {
            by_name.entry(&package.name).or_default().push(package);
        }
        by_name
            .into_iter()
            .map(|(name, packages)| (name.to_owned(), self.packument(name, &packages)))
            .collect()
    }

    /// Writes packuments and tarballs into `folder`, over what is there under the same names.
    pub fn write(&self, folder: &Path) -> Result<(), MockError> {
        for (name, packument) in self.packuments() {
            let path = folder::packument_path(folder, &name);
            write(&path, pretty(&packument).as_bytes())?;
        }
        for package in &self.packages {
            let path = folder::tarball_path(folder, &package.name, &package.file_name());
            write(&path, &package.tarball_bytes(self.packing))?;
        }
        Ok(())
    }

    fn current(&mut self) -> &mut Package {
        self.packages
            .last_mut()
            .expect("`package` comes before what describes it")
    }

    fn packument(&self, name: &str, packages: &[&Package]) -> Value {
        let mut versions = Map::new();
        let mut published = Map::new();
        for (index, package) in packages.iter().enumerate() {
            let time = package.time.clone().unwrap_or_else(|| minute(index));
            published.insert(package.version.clone(), Value::from(time));
            versions.insert(package.version.clone(), package.listed(self.packing));
        }
        let mut tags = Map::new();
        if let Some(latest) = highest(packages) {
            tags.insert("latest".to_owned(), Value::from(latest));
        }
        tags.extend(self.tags.get(name).cloned().unwrap_or_default());
        json!({
            "_id": name,
            "name": name,
            "dist-tags": tags,
            "versions": versions,
            "time": times(&published),
        })
    }
}

impl Package {
    /// `x-1.0.0.tgz`, for `@s/x` too.
    fn file_name(&self) -> String {
        let base = self.name.rsplit('/').next().unwrap_or(&self.name);
        format!("{base}-{}.tgz", self.version)
    }

    fn identity(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("name".to_owned(), Value::from(self.name.as_str()));
        fields.insert("version".to_owned(), Value::from(self.version.as_str()));
        fields
    }

    /// The files as packed: `package.json` first, then the others as given.
    fn packed(&self) -> Vec<File> {
        if self.files.iter().any(|file| file.path == "package.json") {
            return self.files.clone();
        }
        let mut fields = self.identity();
        fields.extend(self.fields.clone());
        fields.retain(|key, _| !REGISTRY_ONLY.contains(&key.as_str()));
        let manifest = File {
            path: "package.json".to_owned(),
            content: pretty(&Value::Object(fields)).into_bytes(),
            mode: 0o644,
        };
        let mut files = vec![manifest];
        files.extend(self.files.iter().cloned());
        files
    }

    fn tarball_bytes(&self, packing: Packing) -> Vec<u8> {
        self.tarball
            .clone()
            .unwrap_or_else(|| archive::tarball(&self.packed(), packing))
    }

    /// The version as its packument lists it.
    fn listed(&self, packing: Packing) -> Value {
        let mut fields = self.identity();
        fields.extend(self.fields.clone());
        fields.insert(
            "_id".to_owned(),
            Value::from(format!("{}@{}", self.name, self.version)),
        );
        let mut dist = self.dist(packing);
        if let Some(Value::Object(overrides)) = self.fields.get("dist") {
            dist.extend(overrides.clone());
            dist.retain(|_, value| value != &Value::from(false));
        }
        fields.insert("dist".to_owned(), Value::Object(dist));
        Value::Object(fields)
    }

    fn dist(&self, packing: Packing) -> Map<String, Value> {
        let bytes = self.tarball_bytes(packing);
        let files = self.packed();
        let sha512 = BASE64.encode(sha2::Sha512::digest(&bytes));
        let url = format!("{HOST}/{}/-/{}", self.name, self.file_name());
        let unpacked: usize = files.iter().map(|file| file.content.len()).sum();
        Map::from_iter([
            (
                "integrity".to_owned(),
                Value::from(format!("sha512-{sha512}")),
            ),
            (
                "shasum".to_owned(),
                Value::from(hex(&sha1::Sha1::digest(&bytes))),
            ),
            ("tarball".to_owned(), Value::from(url)),
            ("fileCount".to_owned(), Value::from(files.len())),
            ("unpackedSize".to_owned(), Value::from(unpacked)),
        ])
    }
}

/// The highest release, or the highest prerelease when there is no release.
fn highest(packages: &[&Package]) -> Option<String> {
    packages
        .iter()
        .filter_map(|package| semver::Version::parse(&package.version).ok())
        .max_by(|a, b| (a.pre.is_empty(), a).cmp(&(b.pre.is_empty(), b)))
        .map(|version| version.to_string())
}

/// A made-up but fixed publishing time: versions follow each other by a minute.
fn minute(index: usize) -> String {
    let (hour, minute) = (index / 60 % 24, index % 60);
    format!("2020-01-01T{hour:02}:{minute:02}:00.000Z")
}

/// `created` and `modified` around the versions' own times, which are ISO and so sort as text.
fn times(published: &Map<String, Value>) -> Map<String, Value> {
    let mut all: Vec<&str> = published.values().filter_map(Value::as_str).collect();
    all.sort_unstable();
    let mut times = Map::new();
    times.insert("created".to_owned(), json!(all.first()));
    times.insert("modified".to_owned(), json!(all.last()));
    times.extend(published.clone());
    times
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), MockError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(MockError::at("create", parent))?;
    }
    fs::write(path, bytes).map_err(MockError::at("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_is_the_highest_release_unless_a_tag_says_otherwise() {
        let registry = Registry::new()
            .package("a", "1.10.0")
            .package("a", "1.9.0")
            .package("a", "2.0.0-rc.1");
        let latest =
            |registry: &Registry| registry.packuments()["a"]["dist-tags"]["latest"].clone();
        assert_eq!(latest(&registry), "1.10.0");
        assert_eq!(latest(&registry.tag("a", "latest", "1.9.0")), "1.9.0");
    }

    #[test]
    fn integrity_and_shasum_are_those_of_the_written_tarball() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new()
            .package("@s/x", "1.0.0")
            .manifest(json!({ "license": "MIT" }))
            .file("index.js", b"1", 0o644);
        registry.write(folder.path()).unwrap();
        let bytes = fs::read(folder.path().join("@s/x/-/x-1.0.0.tgz")).unwrap();
        let dist = &registry.packuments()["@s/x"]["versions"]["1.0.0"]["dist"];
        let sha512 = BASE64.encode(sha2::Sha512::digest(&bytes));
        assert_eq!(dist["integrity"], format!("sha512-{sha512}"));
        assert_eq!(dist["shasum"], hex(&sha1::Sha1::digest(&bytes)));
        assert_eq!(dist["fileCount"], 2);
    }

    #[test]
    fn what_the_registry_adds_stays_out_of_the_tarball() {
        let plain = Registry::new().package("a", "1.0.0");
        let deprecated = plain.clone().manifest(json!({ "deprecated": "old" }));
        assert_eq!(
            plain.packages[0].packed(),
            deprecated.packages[0].packed(),
            "deprecating later cannot change the bytes"
        );
        assert_eq!(
            deprecated.packuments()["a"]["versions"]["1.0.0"]["deprecated"],
            "old"
        );
    }

    #[test]
    fn a_dist_field_can_be_overridden_or_taken_away() {
        let registry = Registry::new().package("a", "1.0.0").manifest(json!({
            "dist": { "integrity": false, "shasum": "0" }
        }));
        let dist = registry.packuments()["a"]["versions"]["1.0.0"]["dist"].clone();
        assert!(dist.get("integrity").is_none());
        assert_eq!(dist["shasum"], "0");
    }
}
