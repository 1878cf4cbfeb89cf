//! The project's workspaces: which folders `workspaces` in package.json means.
//!
//! Source: npm's `map-workspaces`.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use indexmap::IndexMap;
use serde_json::Value;

use super::paths;
use crate::collate;
use crate::disk::DiskError;
use crate::manifest::{self, Manifest, ManifestError};
use crate::name::{NameError, PackageName};

/// A workspace: its package's name, or its folder's, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    pub name: String,
    /// Absolute.
    pub path: String,
}

/// A `workspaces` that npm refuses.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum WorkspaceError {
    #[error("workspaces config expects an Array")]
    #[diagnostic(
        code(EWORKSPACESCONFIG),
        help("write \"workspaces\": [\"packages/*\"] in package.json")
    )]
    NotAList,
    #[error(
        "must not have multiple workspaces with the same name\n{}",
        list(duplicates)
    )]
    #[diagnostic(
        code(EDUPLICATEWORKSPACE),
        help("rename one of the packages, or exclude its folder with \"!folder\"")
    )]
    Duplicate {
        duplicates: Vec<(String, Vec<String>)>,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Manifest(#[from] ManifestError),
}

fn list(duplicates: &[(String, Vec<String>)]) -> String {
    let lines = duplicates.iter().map(|(name, paths)| {
        let paths: Vec<String> = paths.iter().map(|path| format!("    {path}")).collect();
        format!(
            "package '{name}' has conflicts in the following paths:\n{}",
            paths.join("\n")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The workspaces of a project, in npm's order: by pattern, then by collation.
pub fn workspaces(project: &Path, manifest: &Manifest) -> Result<Vec<Workspace>, WorkspaceError> {
    let Some(config) = manifest.fields.get("workspaces") else {
        return Ok(Vec::new());
    };
    let list = config
        .get("packages")
        .filter(|packages| packages.is_array());
    let Value::Array(list) = list.unwrap_or(config) else {
        return Err(WorkspaceError::NotAList);
    };
    let patterns = Patterns::new(list.iter().filter_map(Value::as_str));
    let mut by_name: IndexMap<String, Vec<String>> = IndexMap::new();
    for folder in patterns.folders(project)? {
        let path = project.join(&folder);
        let file = manifest::read(&path)?;
        if file.document.is_none() {
            continue;
        }
        let path = paths::join(&project.to_string_lossy(), &folder);
        let name = file.manifest.name().map(str::to_owned);
        let name = name.unwrap_or_else(|| paths::name_from_folder(&path));
        PackageName::parse(&name)?;
        let known = by_name.entry(name).or_default();
        if !known.contains(&path) {
            known.push(path);
        }
    }
    let duplicates: Vec<(String, Vec<String>)> = by_name
        .iter()
        .filter(|(_, paths)| paths.len() > 1)
        .map(|(name, paths)| (name.clone(), paths.clone()))
        .collect();
    if !duplicates.is_empty() {
        return Err(WorkspaceError::Duplicate { duplicates });
    }
    let single = by_name.into_iter().filter_map(|(name, mut paths)| {
        let path = paths.pop()?;
        Some(Workspace { name, path })
    });
    Ok(single.collect())
}

struct Patterns {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl Patterns {
    /// Splits off the negated patterns; a later pattern that one of them would match lifts it.
    fn new<'a>(list: impl Iterator<Item = &'a str>) -> Self {
        let (mut wanted, mut unwanted): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for text in list {
            let pattern = text.trim_start_matches('!');
            let negations = text.len() - pattern.len();
            let pattern = match pattern.strip_prefix('.') {
                Some(rest) if rest.starts_with('/') => rest,
                _ => pattern,
            };
            let pattern = pattern
                .trim_start_matches('/')
                .trim_end_matches('/')
                .to_owned();
            if negations % 2 == 1 {
                unwanted.push(pattern);
            } else {
                unwanted
                    .retain(|negated| !glob(negated).is_some_and(|glob| glob.is_match(&pattern)));
                wanted.push(pattern);
            }
        }
        for negated in unwanted.iter().filter_map(|negated| glob(negated)) {
            wanted.retain(|pattern| !negated.is_match(pattern));
        }
        Self { wanted, unwanted }
    }

    /// Matching folders, relative to the project.
    fn folders(&self, project: &Path) -> Result<Vec<String>, DiskError> {
        let ignored: Vec<GlobMatcher> =
            self.unwanted.iter().filter_map(|text| glob(text)).collect();
        let globs: Vec<GlobMatcher> = self.wanted.iter().filter_map(|text| glob(text)).collect();
        let deepest = self.wanted.iter().map(|pattern| {
            if pattern.contains("**") {
                usize::MAX
            } else {
                pattern.split('/').count()
            }
        });
        let deepest = deepest.max().unwrap_or(0);
        let mut found: BTreeSet<String> = BTreeSet::new();
        for folder in folders_below(project, deepest)? {
            if globs.iter().any(|glob| glob.is_match(&folder)) {
                found.insert(folder);
            }
        }
        // Plain paths may lead where a walk does not: upwards, or into hidden folders.
        for pattern in self.wanted.iter().filter(|pattern| !has_magic(pattern)) {
            if is_folder(&project.join(pattern))? {
                found.insert(if pattern.is_empty() {
                    ".".to_owned()
                } else {
                    pattern.clone()
                });
            }
        }
        found.retain(|folder| !ignored.iter().any(|glob| glob.is_match(folder)));
        let mut found: Vec<String> = found.into_iter().collect();
        found.sort_by(|a, b| collate::compare(a, b));
        let mut ordered: Vec<String> = Vec::new();
        for pattern in &self.wanted {
            let matching = found.iter().filter(|folder| begins_like(folder, pattern));
            for folder in matching {
                if !ordered.contains(folder) {
                    ordered.push(folder.clone());
                }
            }
        }
        Ok(ordered)
    }
}

fn has_magic(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '{', '(', '!', '+', '@']) && !pattern.starts_with('@')
        || pattern.contains(['*', '?', '[', '{'])
}

fn glob(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .ok()
        .map(|glob| glob.compile_matcher())
}

/// Does the folder match the pattern, or its first parts? (npm's order of results depends on it.)
fn begins_like(folder: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('/').collect();
    let folders: Vec<&str> = folder.split('/').collect();
    if let Some(deep) = parts.iter().position(|part| *part == "**") {
        let shared = deep.min(folders.len());
        return matches_parts(&folders[..shared], &parts[..shared])
            && (folders.len() <= deep || glob(pattern).is_some_and(|glob| glob.is_match(folder)))
            || folders.len() >= deep && matches_parts(&folders[..deep], &parts[..deep]);
    }
    folders.len() <= parts.len() && matches_parts(&folders, &parts)
}

fn matches_parts(folders: &[&str], parts: &[&str]) -> bool {
    folders
        .iter()
        .zip(parts)
        .all(|(folder, part)| glob(part).is_some_and(|glob| glob.is_match(folder)))
}

/// Folders below `top` down to `deepest` levels, without `node_modules` and hidden ones.
///
/// Errors: a folder that cannot be listed. Taken for empty it would hide workspaces.
fn folders_below(top: &Path, deepest: usize) -> Result<Vec<String>, DiskError> {
    let mut found = Vec::new();
    let everywhere = deepest == usize::MAX;
    let mut pending: Vec<(PathBuf, String, usize)> = vec![(top.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = pending.pop() {
        if depth == deepest {
            continue;
        }
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if is_nothing(&error) => continue,
            // Of `**` npm takes what it may see.
            Err(error) if everywhere && error.kind() == io::ErrorKind::PermissionDenied => continue,
            entries => entries.map_err(DiskError::at("list", &folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(DiskError::at("list", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "node_modules" {
                continue;
            }
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = entry.path();
            if !(kind.is_dir() || kind.is_symlink() && path.is_dir()) {
                continue;
            }
            let name = format!("{prefix}{name}");
            // A link may be a workspace; what lies beyond it is another folder's business.
            if kind.is_dir() {
                pending.push((path, format!("{name}/"), depth + 1));
            }
            found.push(name);
        }
    }
    Ok(found)
}

fn is_folder(path: &Path) -> Result<bool, DiskError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_dir()),
        Err(error) if is_nothing(&error) => Ok(false),
        Err(error) => Err(DiskError::at("read", path)(error)),
    }
}

/// Not there, or no folder.
fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn names(folders: &[&str], config: &Value) -> Result<Vec<String>, String> {
        let project = tempfile::tempdir().unwrap();
        for folder in folders {
            let path = project.path().join(folder);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("package.json"), "{}").unwrap();
        }
        let manifest = Manifest::from_registry(json!({ "workspaces": config }));
        let found = workspaces(project.path(), &manifest).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|workspace| workspace.name).collect())
    }

    #[test]
    fn patterns_keep_their_order_and_negations_hold() {
        let folders = [
            "packages/b",
            "packages/a",
            "packages/x",
            "tools/z",
            "node_modules/n",
        ];
        assert_eq!(
            names(&folders, &json!(["tools/*", "./packages/*", "!packages/x"])),
            Ok(vec!["z".into(), "a".into(), "b".into()])
        );
        assert_eq!(
            names(&folders, &json!({"packages": ["packages/x"]})),
            Ok(vec!["x".into()])
        );
    }

    #[test]
    fn scoped_folders_give_scoped_names() {
        assert_eq!(
            names(&["p/@q/foo"], &json!(["p/**"])),
            Ok(vec!["@q/foo".into()])
        );
    }

    #[test]
    fn anything_but_a_list_is_refused() {
        assert_eq!(
            names(&[], &json!("b")),
            Err("workspaces config expects an Array".into())
        );
    }

    #[test]
    fn two_workspaces_of_one_name_are_both_named() {
        let error = names(&["a/x", "b/x"], &json!(["a/*", "b/*"])).unwrap_err();
        assert!(
            error.contains("package 'x' has conflicts") && error.contains("a/x\n"),
            "{error}"
        );
    }
}
