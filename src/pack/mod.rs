//! The files of a folder that npm would publish, and a tarball of them.
//!
//! Git dependencies, and folders that `--install-links` copies, are packed before they are unpacked
//! in their place: that is how npm leaves out what their authors do not publish. Rules apply folder
//! by folder, from the package down: built-in ones, `files` of package.json, else `.npmignore`, else
//! `.gitignore`, then what is always in or out. Only regular files count. What the package bundles and
//! is there goes with it ([`bundle`]).
//!
//! Source: `npm-packlist`, `ignore-walk` (npm-semantics.md 9.1).

mod bundle;
mod pattern;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::Value;

use crate::disk::DiskError;
use crate::manifest::Manifest;
use pattern::Pattern;

/// Out unless something says otherwise.
const DEFAULTS: &str = "
.npmignore
.gitignore
**/.git
**/.svn
**/.hg
**/CVS
**/.git/**
**/.svn/**
**/.hg/**
**/CVS/**
/.lock-wscript
/.wafpickle-*
/build/config.gypi
npm-debug.log
**/.npmrc
.*.swp
.DS_Store
**/.DS_Store/**
._*
**/._*/**
*.orig
/archived-packages/**
";

/// In or out whatever anybody says.
const STRICT: &str = "
/.git
!/package.json
!/readme{,.*[^~$]}
!/copying{,.*[^~$]}
!/license{,.*[^~$]}
!/licence{,.*[^~$]}
/.git
/node_modules
.npmrc
/package-lock.json
/yarn.lock
/pnpm-lock.yaml
/bun.lockb
";

/// Folders below one another beyond this many are no package.
const DEEPEST: usize = 256;

/// What a package is packed as; it decides which rules its top folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// By itself, or as the target of a link that is bundled.
    Own,
    /// In the bundle of another: what its author did not publish is gone already.
    Bundled,
}

/// The rules of one folder.
struct Level<'a> {
    above: Option<&'a Level<'a>>,
    /// Its name in the folder above.
    name: String,
    /// It is taken in by name, so that what is inside is judged here even if it is out above.
    exact: bool,
    rules: Vec<Pattern>,
    /// Files right here that `files` names.
    required: Vec<String>,
}

/// Packs the package in `folder`, whose normalised package.json is `manifest`. The same content
/// gives the same bytes.
///
/// Errors: what cannot be read.
pub fn pack(folder: &Path, manifest: &Manifest) -> Result<Vec<u8>, DiskError> {
    let root = Level::root(folder, manifest, Role::Own)?;
    let mut files = Vec::new();
    walk(folder, "", &root, &mut files)?;
    for part in bundle::of(folder, manifest) {
        let level = Level::root(&part.folder, &part.manifest, part.role)?;
        walk(&part.folder, &format!("{}/", part.path), &level, &mut files)?;
    }
    files.sort();
    files.dedup();
    let mut tar = Vec::new();
    for file in &files {
        let path = folder.join(file);
        let metadata = fs::symlink_metadata(&path).map_err(DiskError::at("read", &path))?;
        let bytes = fs::read(&path).map_err(DiskError::at("read", &path))?;
        // npm drops the first folder of the path, whatever it is, before it compares.
        let below = file
            .split_once('/')
            .map_or(file.as_str(), |(_, below)| below);
        let is_bin = manifest.bins().any(|(_, bin)| bin == below);
        let executable = is_bin || metadata.mode() & 0o111 != 0;
        append(&mut tar, &format!("package/{file}"), executable, &bytes);
    }
    tar.resize(tar.len() + 1024, 0);
    let level = libdeflater::CompressionLvl::fastest();
    let mut compressor = libdeflater::Compressor::new(level);
    let mut packed = vec![0; compressor.gzip_compress_bound(tar.len())];
    let failed = |_| io::Error::other("it cannot be compressed");
    let size = compressor.gzip_compress(&tar, &mut packed).map_err(failed);
    packed.truncate(size.map_err(DiskError::at("pack", folder))?);
    Ok(packed)
}

fn walk(
    folder: &Path,
    prefix: &str,
    level: &Level<'_>,
    files: &mut Vec<String>,
) -> Result<(), DiskError> {
    if prefix.matches('/').count() > DEEPEST {
        return Err(DiskError::at("pack", folder)(io::Error::other(
            "its folders are too deep",
        )));
    }
    let entries = fs::read_dir(folder).map_err(DiskError::at("read", folder))?;
    for entry in entries {
        let entry = entry.map_err(DiskError::at("read", folder))?;
        let kind = entry.file_type().map_err(DiskError::at("read", folder))?;
        // A name that is no UTF-8 or has a star is not portable; npm leaves the latter out, too.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.contains('*') {
            continue;
        }
        let path = format!("{prefix}{name}");
        let as_file = level.lets_in(&name, false, None);
        if kind.is_file() && as_file {
            files.push(path);
        } else if kind.is_dir() && level.lets_in(&name, true, None) {
            let exact = as_file || level.lets_in(&format!("{name}/"), false, None);
            let below = Level::below(level, &entry.path(), name, exact)?;
            walk(&entry.path(), &format!("{path}/"), &below, files)?;
        }
    }
    Ok(())
}

impl<'a> Level<'a> {
    fn root(folder: &Path, manifest: &Manifest, role: Role) -> Result<Self, DiskError> {
        let (mut listed, mut strict) = (Vec::new(), String::new());
        let mut required = Vec::new();
        let files = manifest.fields.get("files").and_then(Value::as_array);
        if let Some(files) = files {
            listed.push("*".to_owned());
            for file in files.iter().filter_map(Value::as_str) {
                let file = file
                    .strip_prefix('.')
                    .filter(|rest| rest.starts_with('/'))
                    .unwrap_or(file);
                let file = if file.ends_with("/*") {
                    format!("{file}*")
                } else {
                    file.to_owned()
                };
                let place = folder.join(file.trim_start_matches(['!', '/']));
                match fs::symlink_metadata(place) {
                    Ok(found) if found.is_file() => {
                        strict.insert_str(0, &format!("!{file}\n"));
                        required.push(file.trim_start_matches('/').to_owned());
                    }
                    Ok(found) if found.is_dir() => {
                        listed.push(format!("!{file}"));
                        listed.push(format!("!{file}/**"));
                    }
                    Ok(_) => {}
                    Err(_) => listed.push(format!("!{file}")),
                }
            }
        }
        strict.push_str(STRICT);
        let named = ["browser", "main"].map(|field| manifest.text(field));
        let bins = manifest.bins().map(|(_, path)| path);
        for path in named.into_iter().flatten().chain(bins) {
            let _ = writeln!(strict, "!/{path}");
        }
        let mut rules = match role {
            Role::Own => Pattern::parse_all(DEFAULTS),
            Role::Bundled => Vec::new(),
        };
        if files.is_some() {
            rules.extend(Pattern::parse_all(&listed.join("\n")));
        } else if role == Role::Own {
            rules.extend(ignore_file(folder)?);
        }
        rules.extend(Pattern::parse_all(&strict));
        Ok(Self {
            above: None,
            name: String::new(),
            exact: false,
            rules,
            required,
        })
    }

    fn below(above: &'a Self, folder: &Path, name: String, exact: bool) -> Result<Self, DiskError> {
        let inside = format!("{name}/");
        let required = above.required.iter().filter_map(|file| {
            let rest = file.strip_prefix(&inside)?;
            (!rest.contains('/')).then(|| rest.to_owned())
        });
        let required: Vec<String> = required.collect();
        let mut rules = Pattern::parse_all(DEFAULTS);
        rules.extend(ignore_file(folder)?);
        rules.extend(Pattern::parse("/.git"));
        rules.extend(
            required
                .iter()
                .filter_map(|file| Pattern::parse(&format!("!{file}"))),
        );
        Ok(Self {
            above: Some(above),
            name,
            exact,
            rules,
            required,
        })
    }

    /// Is `entry` in? `as_folder`: or something in it. `base`: its last name, when the question
    /// comes from a folder below.
    fn lets_in(&self, entry: &str, as_folder: bool, base: Option<&str>) -> bool {
        let mut inside = true;
        if let Some(above) = self.above {
            let path = format!("{}/{entry}", self.name);
            inside = above.lets_in(&path, as_folder, Some(base.unwrap_or(entry)));
            if !inside && !self.exact {
                return false;
            }
        }
        for rule in &self.rules {
            if rule.negated != inside && speaks_of(rule, entry, as_folder, base) {
                inside = rule.negated;
            }
        }
        inside
    }
}

fn speaks_of(rule: &Pattern, entry: &str, as_folder: bool, base: Option<&str>) -> bool {
    let either = |path: &str, partial: bool| {
        rule.matches(&format!("/{path}"), partial) || rule.matches(path, partial)
    };
    let in_it =
        |path: &str| either(&format!("{path}/"), false) || (rule.negated && either(path, true));
    if either(entry, false) {
        return true;
    }
    as_folder && (in_it(entry) || base.is_some_and(|base| rule.is_bare() && in_it(base)))
}

/// The rules of a folder's own ignore file.
fn ignore_file(folder: &Path) -> Result<Vec<Pattern>, DiskError> {
    for name in [".npmignore", ".gitignore"] {
        let path = folder.join(name);
        // What is no regular file has nothing to say.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            let bytes = fs::read(&path).map_err(DiskError::at("read", &path))?;
            return Ok(Pattern::parse_all(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(Vec::new())
}

/// One file with its header; a path that is too long for it gets an extended one.
fn append(tar: &mut Vec<u8>, path: &str, executable: bool, bytes: &[u8]) {
    if path.len() > 100 {
        let record = pax("path", path);
        header(tar, "PaxHeader", b'x', 0o644, record.len());
        body(tar, record.as_bytes());
    }
    let mode = if executable { 0o755 } else { 0o644 };
    header(tar, path, b'0', mode, bytes.len());
    body(tar, bytes);
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn pax(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

fn header(tar: &mut Vec<u8>, path: &str, kind: u8, mode: u32, size: usize) {
    let mut block = [0; 512];
    let mut put = |at: usize, text: &[u8]| {
        for (to, from) in block[at..].iter_mut().zip(text) {
            *to = *from;
        }
    };
    put(0, path.as_bytes().get(..100).unwrap_or(path.as_bytes()));
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, b"00000000000");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let seal = format!("{sum:06o}\0 ");
    block[148..156].copy_from_slice(seal.as_bytes());
    tar.extend(block);
}

fn body(tar: &mut Vec<u8>, bytes: &[u8]) {
    tar.extend(bytes);
    tar.resize(tar.len().next_multiple_of(512), 0);
}
