//! Reads scenario files: a registry small enough to read, the project that uses it, what must come.
//!
//! ```toml
//! about = "one sentence"
//! npm = 12
//! flags = ["--omit=dev"]
//! root.dependencies = { b = "^1" }
//! packages."b@1.0.0".dependencies = { c = "^2" }
//! packages."b@1.0.0".files."index.js" = "module.exports = 1\n"
//! packages."b@1.0.0".files."b.node" = { hex = "7f454c46", mode = "755" }
//! packages."c@2.0.0" = { time = "2021-01-01T00:00:00.000Z", deprecated = "use d" }
//! tags."b".latest = "1.0.0"
//! git."registry.example/g.git" = [{ tag = "v1.0.0", files."package.json" = { name = "g" } }]
//! project."packages/w/package.json" = { name = "w" }
//! project.".npmrc" = "legacy-peer-deps=true\n"
//! project."w.tgz" = { tarball."package.json" = { name = "w", version = "1.0.0" } }
//! expect."node_modules/b" = "1.0.0"
//! ```
//!
//! A project's file is its text, or a table: JSON, or the files of a tarball. `root` is short for
//! `project."package.json"`. Paths may begin with one `../`. `changes_again` and
//! `known_difference` are sentences, see the fields.
//!
//! Under a package, `files` (when a table) and `time` are the scenario's; everything else is a
//! manifest field. Keys of the file that are not listed above are handed on in `extra`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::MockError;
use crate::archive::{self, File, Packing};
use crate::builder::Registry;
use crate::repository::{Commit, Repository};

/// One scenario, read.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub about: String,
    /// The project's manifest, an empty object when the scenario has none.
    pub root: Value,
    pub registry: Registry,
    /// Repositories that git finds under their https and ssh addresses.
    pub repositories: Vec<Repository>,
    /// The npm that answers, by its major version: 11 unless `npm = 12` is said.
    pub npm: u64,
    /// Arguments for the command under test.
    pub flags: Vec<String>,
    /// The project's files by path, `package.json` among them unless the project has none.
    pub project: Vec<(String, Vec<u8>)>,
    /// Why npm's second run over its own lock changes it, where it does.
    pub changes_again: Option<String>,
    /// In which respect heatseal does not do here what npm does.
    pub known_difference: Option<String>,
    /// What must come of it, usually by location in the lock.
    pub expect: Map<String, Value>,
    /// Top-level keys that mean nothing to this crate.
    pub extra: Map<String, Value>,
}

impl Scenario {
    /// Writes the project's files into `folder`, which exists.
    pub fn write_project(&self, folder: &Path) -> Result<(), MockError> {
        for (path, content) in &self.project {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(MockError::at("create", parent))?;
            }
            fs::write(&path, content).map_err(MockError::at("write", &path))?;
        }
        Ok(())
    }
}

/// Reads a scenario file.
///
/// Errors: [`MockError::Toml`] for syntax, [`MockError::Scenario`] naming the key otherwise.
pub fn load(path: &Path) -> Result<Scenario, MockError> {
    let text = fs::read_to_string(path).map_err(MockError::at("read", path))?;
    let fields: Map<String, Value> = toml::from_str(&text).map_err(|source| MockError::Toml {
        path: path.to_owned(),
        source: Box::new(source),
    })?;
    read(fields).map_err(|(key, reason)| MockError::Scenario {
        place: format!("{}: `{key}`", path.display()),
        reason,
    })
}

/// Every scenario file below `folder`, in the order of their paths.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>, MockError> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(MockError::at("read", folder))?;
    for entry in entries {
        let path = entry.map_err(MockError::at("read", folder))?.path();
        if path.is_dir() {
            found.extend(find(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// A key of the scenario, and what is wrong with it.
type Wrong = (String, String);

fn read(mut fields: Map<String, Value>) -> Result<Scenario, Wrong> {
    let about = match fields.remove("about") {
        None => String::new(),
        Some(about) => text("about", about)?,
    };
    let mut project = project_files(take_table(&mut fields, "project")?)?;
    if let Some(root) = fields.get("root") {
        project.insert(0, ("package.json".to_owned(), pretty(root)));
    }
    let root = Value::Object(take_table(&mut fields, "root")?);
    let changes_again = take_text(&mut fields, "changes_again")?;
    let known_difference = take_text(&mut fields, "known_difference")?;
    let flags = match fields.remove("flags") {
        None => Vec::new(),
        Some(Value::Array(flags)) => flags
            .into_iter()
            .map(|flag| text("flags", flag))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(wrong("flags", "expected a list of strings")),
    };
    let npm = match fields.remove("npm") {
        None => 11,
        Some(npm) => npm
            .as_u64()
            .ok_or_else(|| wrong("npm", "expected a major version"))?,
    };
    let packages = take_table(&mut fields, "packages")?;
    let tags = take_table(&mut fields, "tags")?;
    let repositories = take_table(&mut fields, "git")?;
    let repositories = repositories.into_iter().map(repository);
    let repositories = repositories.collect::<Result<_, _>>()?;
    let expect = take_table(&mut fields, "expect")?;
    Ok(Scenario {
        about,
        root,
        registry: registry(packages, tags)?,
        repositories,
        npm,
        flags,
        project,
        changes_again,
        known_difference,
        expect,
        extra: fields,
    })
}

fn registry(packages: Map<String, Value>, tags: Map<String, Value>) -> Result<Registry, Wrong> {
    let mut registry = Registry::new();
    for (id, package) in packages {
        let (name, version) = id
            .rsplit_once('@')
            .filter(|(name, version)| !name.is_empty() && !version.is_empty())
            .ok_or_else(|| wrong(&id, "expected `name@version`"))?;
        registry = add_package(registry.package(name, version), &id, package)?;
    }
    for (name, tags) in tags {
        for (tag, version) in table(&name, tags)? {
            registry = registry.tag(&name, &tag, &text(&name, version)?);
        }
    }
    Ok(registry)
}

fn repository((name, commits): (String, Value)) -> Result<Repository, Wrong> {
    let Value::Array(commits) = commits else {
        return Err(wrong(&name, "expected a list of commits"));
    };
    let read = |commit: Value| {
        let mut fields = table(&name, commit)?;
        Ok(Commit {
            files: project_files(take_table(&mut fields, "files")?)?,
            tag: take_text(&mut fields, "tag")?,
            branch: take_text(&mut fields, "branch")?,
        })
    };
    let commits = commits
        .into_iter()
        .map(read)
        .collect::<Result<_, Wrong>>()?;
    Ok(Repository { name, commits })
}

fn project_files(files: Map<String, Value>) -> Result<Vec<(String, Vec<u8>)>, Wrong> {
    let read = |(path, file): (String, Value)| {
        if Path::new(&path).is_absolute() || path.trim_start_matches("../").contains("..") {
            return Err(wrong(&path, "expected a path in the project or beside it"));
        }
        let content = match file {
            Value::Object(mut fields) if fields.contains_key("tarball") => {
                tarball(take_table(&mut fields, "tarball")?)?
            }
            Value::Object(_) => pretty(&file),
            file => text(&path, file)?.into_bytes(),
        };
        Ok((path, content))
    };
    files.into_iter().map(read).collect()
}

/// A tarball of these files; a table is JSON.
fn tarball(files: Map<String, Value>) -> Result<Vec<u8>, Wrong> {
    let read = |(path, file): (String, Value)| {
        let content = match file {
            Value::Object(_) => pretty(&file),
            file => text(&path, file)?.into_bytes(),
        };
        Ok(File {
            path,
            content,
            mode: 0o644,
        })
    };
    let files: Vec<File> = files.into_iter().map(read).collect::<Result<_, Wrong>>()?;
    Ok(archive::tarball(&files, Packing::Stored))
}

/// JSON as npm writes a package.json.
fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn add_package(mut registry: Registry, id: &str, package: Value) -> Result<Registry, Wrong> {
    let mut fields = table(id, package)?;
    if let Some(time) = fields.shift_remove("time") {
        registry = registry.time(&text(id, time)?);
    }
    // npm's own `files` is a list and stays in the manifest.
    if fields.get("files").is_some_and(Value::is_object) {
        for (path, file) in take_table(&mut fields, "files")? {
            let (content, mode) = file_content(&format!("{id} {path}"), file)?;
            registry = registry.file(&path, content, mode);
        }
    }
    Ok(registry.manifest(Value::Object(fields)))
}

/// A file is its text, or a table: `json`, or `text` or `hex` and perhaps `mode` in octal.
fn file_content(key: &str, file: Value) -> Result<(Vec<u8>, u32), Wrong> {
    let Value::Object(mut fields) = file else {
        return Ok((text(key, file)?.into_bytes(), 0o644));
    };
    if let Some(json) = fields.remove("json") {
        return Ok((pretty(&json), 0o644));
    }
    let mode = match fields.remove("mode") {
        None => 0o644,
        Some(mode) => u32::from_str_radix(&text(key, mode)?, 8)
            .map_err(|_| wrong(key, "`mode` is octal digits in quotes, such as \"755\""))?,
    };
    let content = match (fields.remove("text"), fields.remove("hex")) {
        (Some(content), None) => text(key, content)?.into_bytes(),
        (None, Some(digits)) => {
            unhex(&text(key, digits)?).ok_or_else(|| wrong(key, "`hex` is pairs of hex digits"))?
        }
        _ => return Err(wrong(key, "expected one of `text` and `hex`")),
    };
    Ok((content, mode))
}

/// Bytes from pairs of hex digits; white space between the digits is for the reader.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = digits
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .map(|digit| digit.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn take_table(fields: &mut Map<String, Value>, key: &str) -> Result<Map<String, Value>, Wrong> {
    fields
        .shift_remove(key)
        .map_or(Ok(Map::new()), |value| table(key, value))
}

fn take_text(fields: &mut Map<String, Value>, key: &str) -> Result<Option<String>, Wrong> {
    fields
        .shift_remove(key)
        .map(|value| text(key, value))
        .transpose()
}

fn table(key: &str, value: Value) -> Result<Map<String, Value>, Wrong> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(wrong(key, "expected a table")),
    }
}

fn text(key: &str, value: Value) -> Result<String, Wrong> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong(key, "expected a string")),
    }
}

fn wrong(key: &str, reason: &str) -> Wrong {
    (key.to_owned(), reason.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scenario(text: &str) -> Result<Scenario, MockError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scenario.toml");
        fs::write(&path, text).unwrap();
        load(&path)
    }

    #[test]
    fn a_scenario_gives_a_registry_a_root_and_expectations() {
        let scenario = scenario(
            r#"
about = "b nests"
flags = ["--omit=dev"]
root.dependencies = { z = "^1", b = "^1" }
packages."@s/b@1.0.0".dependencies = { c = "^2" }
packages."@s/b@1.0.0".time = "2021-02-03T00:00:00.000Z"
packages."@s/b@1.0.0".deprecated = "old"
packages."@s/b@1.1.0" = {}
tags."@s/b".latest = "1.0.0"
expect."node_modules/b" = "1.0.0"
workspaces."packages/w".name = "w"
"#,
        )
        .unwrap();
        assert_eq!(scenario.about, "b nests");
        assert_eq!(scenario.flags, ["--omit=dev"]);
        assert_eq!(
            scenario.root.to_string(),
            r#"{"dependencies":{"z":"^1","b":"^1"}}"#,
            "in the order written"
        );
        let packument = &scenario.registry.packuments()["@s/b"];
        assert_eq!(packument["dist-tags"]["latest"], "1.0.0");
        assert_eq!(packument["time"]["1.0.0"], "2021-02-03T00:00:00.000Z");
        assert_eq!(packument["versions"]["1.0.0"]["deprecated"], "old");
        assert_eq!(scenario.expect["node_modules/b"], "1.0.0");
        assert_eq!(
            scenario.extra["workspaces"]["packages/w"],
            json!({ "name": "w" })
        );
    }

    #[test]
    fn files_may_be_text_or_bytes() {
        assert_eq!(
            file_content("x", json!({ "hex": "7f 45", "mode": "755" })),
            Ok((vec![0x7f, 0x45], 0o755))
        );
        assert_eq!(file_content("x", json!("hi")), Ok((b"hi".to_vec(), 0o644)));
        assert!(file_content("x", json!({ "hex": "7" })).is_err());
    }

    #[test]
    fn a_wrong_key_is_named() {
        let error = scenario("packages.b = {}").unwrap_err().to_string();
        assert!(error.ends_with("`b`: expected `name@version`"), "{error}");
    }
}
