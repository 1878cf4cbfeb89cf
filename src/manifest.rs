//! `package.json` as written (unknown fields and key order survive), and normalised as npm does.

mod claims;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::disk::{self, DiskError};
use crate::json::{self, Document, JsonError};

pub use claims::{Claims, Difference, is_plain_name, is_plain_path};

/// One package's manifest: the project's own, a workspace's, a registry version's or a lock entry.
///
/// A thin shell over the JSON object: fields that nobody understands stay where they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest {
    pub fields: Map<String, Value>,
}

/// A manifest read from disk, with the formatting that the lock inherits from it.
#[derive(Debug, Clone, Default)]
pub struct ManifestFile {
    pub manifest: Manifest,
    /// `None` when there is no such file.
    pub document: Option<Document>,
}

/// Where a manifest comes from decides which of npm's normalisation steps apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The project, a workspace, a link target, an unpacked tarball.
    Disk,
    /// A registry's packument, or a lock's entry.
    Registry,
}

/// Why a `package.json` cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ManifestError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    #[error("`{}` is not valid JSON", path.display())]
    #[diagnostic(code(EJSONPARSE), help("correct the file; nothing was changed"))]
    Json {
        path: PathBuf,
        #[source]
        source: JsonError,
    },
    #[error("`{}` holds {found}, where npm expects an object", path.display())]
    #[diagnostic(code(EJSONPARSE), help("a package.json is one JSON object: {{ … }}"))]
    NotAnObject { path: PathBuf, found: &'static str },
}

/// Reads and normalises `folder/package.json`; a missing file is an empty manifest, as for npm.
pub fn read(folder: &Path) -> Result<ManifestFile, ManifestError> {
    let path = folder.join("package.json");
    let Some(bytes) = disk::read_if_there(&path)? else {
        return Ok(ManifestFile::default());
    };
    let document = json::parse(&bytes).map_err(|source| ManifestError::Json {
        path: path.clone(),
        source,
    })?;
    let Value::Object(fields) = &document.value else {
        let found = json::kind(&document.value);
        return Err(ManifestError::NotAnObject { path, found });
    };
    let mut manifest = Manifest {
        fields: fields.clone(),
    };
    manifest.normalize(Origin::Disk);
    manifest.expand_bin_directory(folder);
    Ok(ManifestFile {
        manifest,
        document: Some(document),
    })
}

impl Manifest {
    /// A registry version or lock entry, normalised. Anything but an object is an empty manifest.
    pub fn from_registry(value: Value) -> Self {
        let Value::Object(fields) = value else {
            return Self::default();
        };
        let mut manifest = Self { fields };
        manifest.normalize(Origin::Registry);
        manifest
    }

    pub fn name(&self) -> Option<&str> {
        self.text("name")
    }

    pub fn version(&self) -> Option<&str> {
        self.text("version")
    }

    /// A field's text; absent when it is not a string or is empty.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields
            .get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }

    pub fn object(&self, field: &str) -> Option<&Map<String, Value>> {
        self.fields.get(field).and_then(Value::as_object)
    }

    pub fn flag(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(json::truthy)
    }

    /// JavaScript's `Object.entries` of a dependency map: arrays have their indices as names.
    pub fn entries(&self, field: &str) -> Vec<(String, &Value)> {
        match self.fields.get(field) {
            Some(Value::Object(map)) => map.iter().map(|(k, v)| (k.clone(), v)).collect(),
            Some(Value::Array(list)) => list
                .iter()
                .enumerate()
                .map(|(index, value)| (index.to_string(), value))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub fn bundled(&self) -> impl Iterator<Item = &str> {
        let list = self
            .fields
            .get("bundleDependencies")
            .and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Bins after normalisation: name to path inside the package.
    pub fn bins(&self) -> impl Iterator<Item = (&str, &str)> {
        self.object("bin")
            .into_iter()
            .flatten()
            .filter_map(|(name, path)| Some((name.as_str(), path.as_str()?)))
    }

    /// Would npm call it a package with install scripts?
    pub fn has_install_script(&self) -> bool {
        self.flag("hasInstallScript")
            || self.object("scripts").is_some_and(|scripts| {
                ["preinstall", "install", "postinstall"]
                    .iter()
                    .any(|event| scripts.get(*event).is_some_and(json::truthy))
            })
    }

    /// npm's normalisation steps, in its order. Idempotent.
    pub fn normalize(&mut self, origin: Origin) {
        self.normalize_bin();
        if origin == Origin::Disk {
            self.fields.retain(|key, _| !key.starts_with('_'));
        }
        self.normalize_bundle();
        self.drop_optional_from_prod();
        self.normalize_scripts();
        if let Some(Value::String(url)) = self.fields.get("funding")
            && !url.is_empty()
        {
            let url = Value::String(url.clone());
            let funding = Map::from_iter([("url".to_owned(), url)]);
            self.fields.insert("funding".to_owned(), funding.into());
        }
    }

    fn normalize_bin(&mut self) {
        let cleaned = match self.fields.get("bin") {
            None => return,
            Some(Value::String(path)) if !path.is_empty() => match self.name() {
                Some(name) => clean_bins([(name, path.as_str())]),
                None => Map::new(),
            },
            Some(Value::Array(paths)) => clean_bins(paths.iter().filter_map(|path| {
                let path = path.as_str()?;
                Some((basename(path), path))
            })),
            Some(Value::Object(bins)) => clean_bins(
                bins.iter()
                    .filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))),
            ),
            Some(_) => Map::new(),
        };
        if cleaned.is_empty() {
            self.fields.shift_remove("bin");
        } else {
            self.fields.insert("bin".to_owned(), cleaned.into());
        }
    }

    fn normalize_bundle(&mut self) {
        if let Some(typo) = self.fields.shift_remove("bundledDependencies") {
            self.fields.entry("bundleDependencies").or_insert(typo);
        }
        let names = match self.fields.get("bundleDependencies") {
            None | Some(Value::Array(_)) => return,
            Some(Value::Bool(false)) => Some(Vec::new()),
            Some(Value::Bool(true)) => Some(keys(self.object("dependencies"))),
            Some(Value::Object(map)) => Some(keys(Some(map))),
            Some(_) => None,
        };
        match names {
            Some(names) => {
                self.fields
                    .insert("bundleDependencies".to_owned(), names.into());
            }
            None => {
                self.fields.shift_remove("bundleDependencies");
            }
        }
    }

    /// A name in both maps is optional: it leaves `dependencies`.
    fn drop_optional_from_prod(&mut self) {
        let Some(optional) = self.object("optionalDependencies") else {
            return;
        };
        let names: Vec<String> = optional.keys().cloned().collect();
        if let Some(Value::Object(prod)) = self.fields.get_mut("dependencies") {
            for name in names {
                prod.shift_remove(&name);
            }
            if prod.is_empty() {
                self.fields.shift_remove("dependencies");
            }
        }
    }

    fn normalize_scripts(&mut self) {
        match self.fields.get_mut("scripts") {
            None | Some(Value::Array(_)) => {}
            Some(Value::Object(scripts)) => scripts.retain(|_, script| script.is_string()),
            Some(_) => {
                self.fields.shift_remove("scripts");
            }
        }
    }

    /// `directories.bin`, where there is no `bin`: every visible file below it becomes one.
    fn expand_bin_directory(&mut self, folder: &Path) {
        let files = match self.bin_directory() {
            Some(directory) => files_below(&folder.join(&directory)),
            None => return,
        };
        self.adopt_bin_directory(files.iter().map(String::as_str));
    }

    /// The cleaned `directories.bin`, when it counts.
    pub fn bin_directory(&self) -> Option<String> {
        if self.fields.contains_key("bin") {
            return None;
        }
        let directory = self.object("directories")?.get("bin")?.as_str()?;
        Some(clean_path(directory)).filter(|cleaned| !cleaned.is_empty())
    }

    /// Makes the files below [`Self::bin_directory`] (paths relative to it) this package's bins,
    /// and the folders among them too: npm's glob does not tell them apart.
    pub fn adopt_bin_directory<'a>(&mut self, files: impl Iterator<Item = &'a str>) {
        let Some(directory) = self.bin_directory() else {
            return;
        };
        let shown = files.filter(|file| !file.split('/').any(|part| part.starts_with('.')));
        let with_folders = shown.flat_map(|file| {
            let ends = file.match_indices('/').map(|(end, _)| end);
            ends.chain([file.len()]).map(|end| &file[..end])
        });
        let bins: Map<String, Value> = with_folders
            .map(|path| {
                (
                    basename(path).to_owned(),
                    format!("{directory}/{path}").into(),
                )
            })
            .collect();
        if !bins.is_empty() {
            self.fields.insert("bin".to_owned(), bins.into());
            self.normalize_bin();
        }
    }
}

fn keys(map: Option<&Map<String, Value>>) -> Vec<Value> {
    map.into_iter()
        .flat_map(Map::keys)
        .map(|name| Value::String(name.clone()))
        .collect()
}

fn clean_bins<'a>(bins: impl IntoIterator<Item = (&'a str, &'a str)>) -> Map<String, Value> {
    let mut cleaned = Map::new();
    for (name, path) in bins {
        let name = clean_path(name);
        let (name, path) = (basename(&name), clean_path(path));
        if !name.is_empty() && !path.is_empty() {
            cleaned.insert(name.to_owned(), path.into());
        }
    }
    cleaned
}

/// The path as npm confines it to its package: `\` and `:` separate, `..` stops at the top.
pub fn clean_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\', ':']) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut cleaned = parts.join("/");
    if path.ends_with(['/', '\\', ':']) && !cleaned.is_empty() {
        cleaned.push('/');
    }
    cleaned
}

fn basename(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}

/// Regular files below `folder`, as sorted `/`-separated relative paths. Unreadable folders are empty.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push((entry.path(), format!("{name}/"))),
                Ok(_) => found.push(name),
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn normalized(value: Value) -> Value {
        Value::Object(Manifest::from_registry(value).fields)
    }

    #[test]
    fn bins_are_confined_to_their_package() {
        assert_eq!(
            normalized(json!({"bin": {"../evil": "../../escape.js", "@s/q": "./cli.js", "x": 1}})),
            json!({"bin": {"evil": "escape.js", "q": "cli.js"}})
        );
        assert_eq!(
            normalized(json!({"name": "@s/x", "bin": "x.js"})),
            json!({"name": "@s/x", "bin": {"x": "x.js"}})
        );
        assert_eq!(normalized(json!({"bin": "x.js"})), json!({}));
    }

    #[test]
    fn a_name_in_both_maps_is_optional() {
        assert_eq!(
            normalized(json!({"dependencies": {"a": "1"}, "optionalDependencies": {"a": "2"}})),
            json!({"optionalDependencies": {"a": "2"}})
        );
    }

    #[test]
    fn bundle_dependencies_take_every_shape_npm_reads() {
        let bundle = |value: Value| {
            normalized(json!({"dependencies": {"a": "1"}, "bundledDependencies": value}))
                .get("bundleDependencies")
                .cloned()
        };
        assert_eq!(bundle(json!(true)), Some(json!(["a"])));
        assert_eq!(bundle(json!(false)), Some(json!([])));
        assert_eq!(bundle(json!({"b": 1})), Some(json!(["b"])));
        assert_eq!(bundle(json!("x")), None);
    }
}
