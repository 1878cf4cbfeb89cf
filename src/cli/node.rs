//! Which Node would run: `node` on PATH is asked once, and remembered by its path and age.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use semver::Version;

use crate::disk;

/// How many answers are kept.
const MOST_REMEMBERED: usize = 16;

/// The version of the `node` on PATH; `None` when there is none, or it does not answer.
///
/// The answer is kept in `store/node`, one line for each program: time of change in nanoseconds,
/// version, path.
pub fn version(env: &BTreeMap<String, String>, store: &Path) -> Option<Version> {
    let node = on_path(env.get("PATH")?)?;
    let memory = store.join("node");
    let remembered = fs::read_to_string(&memory).unwrap_or_default();
    let changed = stamp(&node);
    if let Some(changed) = changed
        && let Some(known) = recall(&remembered, &node, changed)
    {
        return Some(known);
    }
    let version = ask(&node)?;
    if let Some(changed) = changed {
        let text = remember(&remembered, &node, changed, &version);
        // A store that cannot be written yet costs the question again, no more.
        let _ = disk::make_private(store);
        let _ = disk::write_atomically(&memory, text.as_bytes());
    }
    Some(version)
}

/// The `node` on PATH.
pub fn program(env: &BTreeMap<String, String>) -> Option<PathBuf> {
    on_path(env.get("PATH")?)
}

/// What a Node says its version is.
pub fn asked(node: &Path) -> Option<Version> {
    ask(node)
}

fn on_path(path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("node"))
        .find(|node| node.is_file())?
        .canonicalize()
        .ok()
}

/// When the program changed. `None` for scripts and for programs of another name: version managers
/// put such in Node's place, and what they answer depends on the folder.
fn stamp(node: &Path) -> Option<u128> {
    let name = node.file_name()?;
    if name != "node" && name != "nodejs" {
        return None;
    }
    let mut start = [0; 2];
    fs::File::open(node).ok()?.read_exact(&mut start).ok()?;
    if &start == b"#!" {
        return None;
    }
    let modified = fs::metadata(node).ok()?.modified().ok()?;
    Some(modified.duration_since(UNIX_EPOCH).ok()?.as_nanos())
}

fn ask(node: &Path) -> Option<Version> {
    let answer = Command::new(node)
        .arg("--version")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    Version::parse(text.trim().strip_prefix('v')?).ok()
}

fn recall(remembered: &str, node: &Path, changed: u128) -> Option<Version> {
    remembered.lines().find_map(|line| {
        let (stamp, rest) = line.split_once(' ')?;
        let (version, path) = rest.split_once(' ')?;
        let known = stamp.parse() == Ok(changed) && Path::new(path) == node;
        known.then(|| Version::parse(version).ok())?
    })
}

fn remember(remembered: &str, node: &Path, changed: u128, version: &Version) -> String {
    let path = node.to_string_lossy();
    let others = remembered
        .lines()
        .filter(|line| line.splitn(3, ' ').nth(2) != Some(&*path))
        .take(MOST_REMEMBERED - 1);
    let mut text = format!("{changed} {version} {path}\n");
    for line in others {
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn program(folder: &Path, text: &str) {
        let node = folder.join("node");
        fs::write(&node, text).unwrap();
        fs::set_permissions(&node, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_script_in_nodes_place_is_asked_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let env = BTreeMap::from([("PATH".to_owned(), folder.path().display().to_string())]);
        let store = folder.path().join("store");
        for answer in ["20.1.0", "22.2.0"] {
            program(folder.path(), &format!("#!/bin/sh\necho v{answer}\n"));
            assert_eq!(version(&env, &store), Some(Version::parse(answer).unwrap()));
        }
        assert!(!store.join("node").exists());
    }

    #[test]
    fn an_answer_holds_for_one_path_and_one_age() {
        let (node, version) = (Path::new("/a b/node"), Version::new(22, 1, 0));
        let text = remember("5 18.0.0 /a b/node\n7 20.0.0 /c/node\n", node, 6, &version);
        assert_eq!(text, "6 22.1.0 /a b/node\n7 20.0.0 /c/node\n");
        assert_eq!(recall(&text, node, 6), Some(version));
        assert_eq!(recall(&text, node, 5), None);
        assert_eq!(recall(&text, Path::new("/b/node"), 6), None);
    }

    #[test]
    fn without_a_node_there_is_no_version() {
        let folder = tempfile::tempdir().unwrap();
        let env = BTreeMap::from([("PATH".to_owned(), folder.path().display().to_string())]);
        assert_eq!(version(&env, folder.path()), None);
    }
}
