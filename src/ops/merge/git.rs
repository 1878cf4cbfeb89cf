//! What git knows: commits, their files, and how it merges texts.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::MergeRequest;
use crate::merge::markers::{self, Labels};

/// A program that git would start for us to read is none of ours: no pager, no editor, no question.
fn command() -> Command {
    let mut git = Command::new("git");
    git.env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    git
}

/// What a git command prints, if it succeeds.
pub fn ask(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = command().args(arguments).output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// One line of it.
pub fn ask_line(arguments: &[&str]) -> Option<String> {
    let text = String::from_utf8(ask(arguments)?).ok()?;
    let line = text.trim_end_matches(['\n', '\r']);
    (!line.is_empty()).then(|| line.to_owned())
}

/// The commit that a name stands for.
pub fn commit(name: &str) -> Option<String> {
    if name.is_empty() || name.starts_with('-') {
        return None;
    }
    ask_line(&[
        "rev-parse",
        "--quiet",
        "--verify",
        &format!("{name}^{{commit}}"),
    ])
}

/// A file of a commit.
pub fn file(commit: &str, path: &str) -> Option<Vec<u8>> {
    ask(&["cat-file", "blob", &format!("{commit}:{path}")])
}

/// Paths and blobs of a commit's files that `wanted` takes.
pub fn files(commit: &str, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let listed = ask(&["ls-tree", "-r", "-z", "--full-tree", commit]).unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed);
    let entries = listed.split_terminator('\0').filter_map(|line| {
        let (about, path) = line.split_once('\t')?;
        let mut about = about.split(' ');
        // Links (120000) and submodules (160000) are no files of this repository.
        let is_file = about.next()?.starts_with("100");
        let blob = about.nth(1)?;
        (is_file && wanted(path)).then(|| (path.to_owned(), blob.to_owned()))
    });
    entries.collect()
}

/// Contents of many blobs, in their order; fewer where git fails.
pub fn contents(blobs: &[&str]) -> Vec<Vec<u8>> {
    let child = command()
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        return Vec::new();
    };
    let mut asked = blobs.join("\n");
    asked.push('\n');
    let input = child.stdin.take();
    let writer = std::thread::spawn(move || {
        if let Some(mut input) = input {
            let _ = input.write_all(asked.as_bytes());
        }
    });
    let output = child.wait_with_output();
    let _ = writer.join();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    let mut rest = output.as_slice();
    let mut contents = Vec::with_capacity(blobs.len());
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = head.rsplit(' ').next().and_then(|size| size.parse().ok());
        let Some(content) = size.and_then(|size: usize| rest.get(end + 1..end + 1 + size)) else {
            break;
        };
        contents.push(content.to_vec());
        rest = rest.get(end + 2 + content.len()..).unwrap_or_default();
    }
    contents
}

/// The files as git merges texts, and whether that left conflicts; `None` without git.
pub fn merge_texts(request: &MergeRequest) -> Option<(Vec<u8>, bool)> {
    let folder = std::env::temp_dir().join(format!("heatseal-texts-{}", std::process::id()));
    std::fs::create_dir(&folder).ok()?;
    let merged = merge_texts_in(&folder, request);
    let _ = std::fs::remove_dir_all(&folder);
    merged
}

fn merge_texts_in(folder: &Path, request: &MergeRequest) -> Option<(Vec<u8>, bool)> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).ok().map(|()| path)
    };
    let ours = put("ours", &request.ours)?;
    let base = put("base", &request.base)?;
    let theirs = put("theirs", &request.theirs)?;
    let Labels {
        base: o,
        ours: a,
        theirs: b,
    } = &request.labels;
    let output = command()
        .args(["merge-file", "-p", "--diff3", "-L", a, "-L", o, "-L", b])
        .args([ours, base, theirs])
        .output()
        .ok()?;
    // The exit code is the number of conflicts, or beyond 127 an error.
    match output.status.code()? {
        0 => Some((output.stdout, false)),
        1..=127 => Some((output.stdout, true)),
        _ => None,
    }
}

/// What to leave in the file when it cannot be merged: what git would have left.
pub fn fall_back(request: &MergeRequest) -> Vec<u8> {
    if let Some((text, _)) = merge_texts(request) {
        return text;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (base, ours, theirs) = (
        text(&request.base),
        text(&request.ours),
        text(&request.theirs),
    );
    markers::conflict(&base, &ours, &theirs, &request.labels, |_| true).into_bytes()
}
