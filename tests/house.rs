//! The house's own rules: imports point up the map, files are introduced and short, no registry
//! is named, nothing that is built is kept.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const LONGEST_FILE: usize = 800;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Vec<u8> {
    fs::read(repository().join(path)).unwrap()
}

fn text(path: &str) -> String {
    String::from_utf8(read(path)).unwrap()
}

/// What git tracks, and what it would track once added; deleted files are left out.
fn tracked() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others"])
        .arg("--exclude-standard")
        .current_dir(repository())
        .output()
        .expect("git lists the repository's files");
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let there = |path: &&str| repository().join(path).is_file();
    let paths = listed.split_terminator('\0').filter(there);
    paths.map(str::to_owned).collect()
}

fn rust_files() -> impl Iterator<Item = String> {
    let rust = |path: &String| Path::new(path).extension().is_some_and(|end| end == "rs");
    tracked().into_iter().filter(rust)
}

/// The rooms in the order of the map in `src/lib.rs`, the cellar first.
fn map() -> Vec<String> {
    let lib = text("src/lib.rs");
    let rooms = lib.lines().filter_map(|line| {
        let (room, _) = line.strip_prefix("//! - [`")?.split_once("`]: ")?;
        Some(room.to_owned())
    });
    rooms.collect()
}

/// The room that a file under `src` belongs to; none for `lib.rs` and `main.rs`.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let room = inside.split(['/', '.']).next()?;
    (!["lib.rs", "main.rs"].contains(&inside)).then_some(room)
}

/// What follows each `crate::` of the code; comments may speak of any room.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    let lines = code.lines();
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
}

fn assert_none(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_map_shows_every_room_once() {
    let lib = text("src/lib.rs");
    let declared = lib.lines().filter_map(|line| {
        let room = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
        Some(room.to_owned())
    });
    let declared: BTreeSet<String> = declared.collect();
    let mut shown = map();
    shown.sort();
    assert_eq!(shown, Vec::from_iter(declared));
}

#[test]
fn imports_point_up_the_map() {
    let map = map();
    let floor = |room: &str| map.iter().position(|shown| shown == room);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in rust_files() {
        let Some(room) = room_of(&path) else { continue };
        let own = floor(room).unwrap_or_else(|| panic!("`{path}` is in no room of the map"));
        for import in imports(&text(&path)) {
            seen += 1;
            match floor(import) {
                None => wrong.push(format!("{path}: `crate::{import}` is no room of the map")),
                Some(other) if other > own => {
                    wrong.push(format!("{path}: `{import}` is below `{room}` in the map"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were found");
    assert_none(wrong);
}

#[test]
fn every_file_begins_with_a_sentence_about_it() {
    let silent = |path: &String| !text(path).starts_with("//! ");
    assert_none(rust_files().filter(silent));
}

#[test]
fn no_file_is_longer_than_eight_hundred_lines() {
    let long = rust_files().filter_map(|path| {
        let lines = text(&path).lines().count();
        (lines > LONGEST_FILE).then(|| format!("{path}: {lines} lines"))
    });
    assert_none(long);
}

#[test]
fn no_registry_is_named() {
    // In parts, because this file is searched, too.
    let hosts = [
        ["npm", "js.org"],
        ["npm", "js.com"],
        ["yarn", "pkg.com"],
        ["npm", "mirror.com"],
        ["npm.tao", "bao.org"],
        ["npm.pkg.git", "hub.com"],
        ["npm.", "jsr.io"],
    ];
    let hosts = hosts.map(|parts| parts.concat());
    let mut wrong = Vec::new();
    for path in tracked() {
        let bytes = read(&path);
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let named = hosts.iter().filter(|host| text.contains(*host));
        wrong.extend(named.map(|host| format!("{path}: {host}")));
    }
    assert_none(wrong);
}

#[test]
fn what_is_built_is_not_kept_and_the_lock_of_our_own_dependencies_is() {
    let tracked = tracked();
    let built = |path: &&String| {
        let outside = path.strip_prefix("src/target/").unwrap_or(path);
        outside
            .split('/')
            .any(|part| ["target", "node_modules"].contains(&part))
    };
    assert_none(tracked.iter().filter(built).cloned());
    assert!(tracked.contains(&"Cargo.lock".to_owned()));
}
