//! Reads a registry folder: packuments in the form a client asks for, and tarballs.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use sha1::Digest as _;

use crate::MockError;
use crate::archive;
use crate::builder::hex;

/// The fields of a version that the abbreviated document keeps.
///
/// Source: the npm registry's package metadata description, and what its answers hold; `libc`,
/// `license` and `scripts` are not among them.
const ABBREVIATED: &[&str] = &[
    "name",
    "version",
    "deprecated",
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "bundledDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "acceptDependencies",
    "bin",
    "directories",
    "dist",
    "engines",
    "funding",
    "cpu",
    "os",
    "_hasShrinkwrap",
    "hasInstallScript",
];

/// `<folder>/<name>/packument.json`.
pub fn packument_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join("packument.json")
}

/// `<folder>/<name>/-/<file>`.
pub fn tarball_path(folder: &Path, name: &str, file: &str) -> PathBuf {
    folder.join(name).join("-").join(file)
}

/// The last part of a tarball's address: the file it is kept in.
pub fn tarball_file(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path)
}

/// Which document a client accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    Full,
    Abbreviated,
}

impl Form {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Full => "application/json",
            Self::Abbreviated => "application/vnd.npm.install-v1+json",
        }
    }
}

/// A packument's text in one form, and compressed once somebody asks.
#[derive(Debug)]
pub struct Document {
    pub text: Bytes,
    /// A validator of the text, without quotes.
    pub tag: String,
    gzip: OnceLock<Bytes>,
}

impl Document {
    fn new(value: &Value) -> Self {
        let text = Bytes::from(value.to_string());
        let tag = hex(&sha1::Sha1::digest(&text));
        Self {
            text,
            tag,
            gzip: OnceLock::new(),
        }
    }

    pub fn gzip(&self) -> Bytes {
        self.gzip
            .get_or_init(|| Bytes::from(archive::deflated(&self.text)))
            .clone()
    }
}

/// A file as it was when a document was prepared from it: time of its last change, and bytes.
pub type Stamp = (SystemTime, u64);
type Key = (PathBuf, Stamp, Form);

/// A registry folder being served, with the documents prepared so far.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    /// Where tarball addresses point instead of where they pointed; `None` leaves them.
    base: Option<String>,
    prepared: Mutex<HashMap<Key, Arc<Document>>>,
}

impl Folder {
    pub fn new(root: PathBuf, base: Option<String>) -> Self {
        Self {
            root,
            base,
            prepared: Mutex::default(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The packument of `name`, or `None` when the folder has none. Blocks on the disk.
    pub fn packument(&self, name: &str, form: Form) -> Result<Option<Arc<Document>>, MockError> {
        let Some((path, stamp)) = find_packument(&self.root, name)? else {
            return Ok(None);
        };
        let key = (path, stamp, form);
        let prepared = || self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = prepared().get(&key) {
            return Ok(Some(document.clone()));
        }
        let mut value = read_packument(&key.0)?;
        if let Some(base) = &self.base {
            rewrite_tarballs(&mut value, name, base);
        }
        if form == Form::Abbreviated {
            value = abbreviate(value);
        }
        let document = Arc::new(Document::new(&value));
        prepared().insert(key, document.clone());
        Ok(Some(document))
    }

    /// A tarball's bytes, or `None` when the folder has no such file. Blocks on the disk.
    pub fn tarball(&self, name: &str, file: &str) -> Result<Option<Bytes>, MockError> {
        let path = tarball_path(&self.root, name, file);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Bytes::from(bytes))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(MockError::at("read", &path)(error)),
        }
    }
}

/// The packument's file, compressed or not, and its stamp.
pub fn find_packument(root: &Path, name: &str) -> Result<Option<(PathBuf, Stamp)>, MockError> {
    let plain = packument_path(root, name);
    for path in [plain.clone(), plain.with_extension("json.gz")] {
        let stamp =
            fs::metadata(&path).and_then(|metadata| Ok((metadata.modified()?, metadata.len())));
        match stamp {
            Ok(stamp) => return Ok(Some((path, stamp))),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(MockError::at("read", &path)(error)),
        }
    }
    Ok(None)
}

/// The packument in a file found by [`find_packument`].
pub fn read_packument(path: &Path) -> Result<Value, MockError> {
    let mut bytes = fs::read(path).map_err(MockError::at("read", path))?;
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut text)
            .map_err(MockError::at("decompress", path))?;
        bytes = text;
    }
    serde_json::from_slice(&bytes).map_err(|source| MockError::Packument {
        path: path.to_owned(),
        source,
    })
}

/// The addresses of a packument's tarballs, in its versions' order.
pub fn tarball_urls(packument: &Value) -> impl Iterator<Item = &str> {
    let versions = packument.get("versions").and_then(Value::as_object);
    versions
        .into_iter()
        .flat_map(Map::values)
        .filter_map(|version| version.get("dist")?.get("tarball")?.as_str())
}

fn rewrite_tarballs(packument: &mut Value, name: &str, base: &str) {
    let versions = packument.get_mut("versions").and_then(Value::as_object_mut);
    for version in versions.into_iter().flat_map(Map::values_mut) {
        if let Some(Value::String(url)) = version.pointer_mut("/dist/tarball") {
            *url = format!("{base}/{name}/-/{}", tarball_file(url));
        }
    }
}

/// Cuts a full packument to what installing needs.
fn abbreviate(mut packument: Value) -> Value {
    let mut short = Map::new();
    for key in ["name", "dist-tags"] {
        if let Some(value) = packument.get_mut(key) {
            short.insert(key.to_owned(), value.take());
        }
    }
    if let Some(modified) = packument.pointer_mut("/time/modified") {
        short.insert("modified".to_owned(), modified.take());
    }
    if let Some(Value::Object(versions)) = packument.get_mut("versions").map(Value::take) {
        let versions: Map<String, Value> = versions
            .into_iter()
            .map(|(version, manifest)| (version, abbreviate_version(manifest)))
            .collect();
        short.insert("versions".to_owned(), Value::Object(versions));
    }
    Value::Object(short)
}

fn abbreviate_version(mut manifest: Value) -> Value {
    let scripts = manifest.get("scripts");
    let installs = ["preinstall", "install", "postinstall"]
        .iter()
        .any(|name| scripts.is_some_and(|scripts| scripts.get(name).is_some()));
    if let Value::Object(fields) = &mut manifest {
        fields.retain(|key, _| ABBREVIATED.contains(&key.as_str()));
        if installs {
            fields.insert("hasInstallScript".to_owned(), Value::from(true));
        }
    }
    manifest
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_abbreviated_document_keeps_what_installing_needs() {
        let full = json!({
            "name": "a", "readme": "long", "time": { "modified": "2020" },
            "dist-tags": { "latest": "1.0.0" },
            "versions": { "1.0.0": {
                "name": "a", "license": "MIT", "libc": ["musl"], "os": ["linux"],
                "scripts": { "install": "x" }, "dependencies": { "b": "1" },
            } },
        });
        assert_eq!(
            abbreviate(full),
            json!({
                "name": "a", "dist-tags": { "latest": "1.0.0" }, "modified": "2020",
                "versions": { "1.0.0": {
                    "name": "a", "os": ["linux"], "dependencies": { "b": "1" },
                    "hasInstallScript": true,
                } },
            })
        );
    }

    #[test]
    fn tarball_addresses_are_moved_with_their_file_names() {
        let mut packument = json!({ "versions": { "1.0.0": { "dist": {
            "tarball": "https://elsewhere.example/x/@s/x/-/x-1.0.0.tgz?y=1"
        } } } });
        rewrite_tarballs(&mut packument, "@s/x", "http://127.0.0.1:1");
        assert_eq!(
            tarball_urls(&packument).collect::<Vec<_>>(),
            ["http://127.0.0.1:1/@s/x/-/x-1.0.0.tgz"]
        );
    }
}
