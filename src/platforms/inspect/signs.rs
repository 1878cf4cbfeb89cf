//! What a custom script shows of its doings: hosts and words in its own file.

use super::bytes::clipped;
use super::package::Package;
use super::steps::steps;

/// Files that a script is followed into.
const MOST_FILES: usize = 16;
/// Signs of one script.
const MOST_SIGNS: usize = 32;

/// A path in a script is no longer.
const LONGEST_PATH: usize = 256;

/// Words that tell what a script is about, in the order in which they are told.
const WORDS: [&[&str]; 4] = [
    &[
        "node-gyp-build",
        "node-gyp",
        "node-pre-gyp",
        "prebuild-install",
        "cmake",
        "cargo",
        "python",
        "child_process",
    ],
    &FETCHING,
    &ARCHIVES,
    &["chmod", "process.platform", "npm_config_"],
];

/// Signs of a script that fetches.
pub const FETCHING: [&str; 8] = [
    "https.get",
    "https.request",
    "http.get",
    "fetch(",
    "axios",
    "request(",
    "curl",
    "wget",
];

/// Signs of what is fetched.
pub const ARCHIVES: [&str; 4] = ["unzip", ".tar.gz", ".tgz", ".zip"];

/// Hosts, then words, of the file that a command runs and of those that it requires by path.
pub fn of_command(package: &Package<'_>, command: &str) -> Vec<String> {
    let mut texts = vec![command.to_owned()];
    let mut waiting: Vec<String> = Vec::new();
    for step in steps(command) {
        let mut inline = false;
        for argument in &step.arguments {
            if std::mem::take(&mut inline) {
                waiting.extend(required(argument, ""));
            } else if ["-e", "--eval", "-p", "-pe"].contains(&&**argument) {
                inline = true;
            } else if !argument.starts_with('-') {
                waiting.push(argument.clone());
                if step.program == "node" {
                    break;
                }
            }
        }
        if step.program != "node" {
            waiting.push(step.text.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    texts.extend(followed(package, waiting));
    for text in &mut texts {
        *text = without_comments(text);
    }
    signs(&texts)
}

/// The texts of these files and of those that they require by path, nearest first.
pub fn followed(package: &Package<'_>, mut waiting: Vec<String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    while let (false, true) = (waiting.is_empty(), seen.len() < MOST_FILES) {
        let Some((path, text)) = package.script(&waiting.remove(0)) else {
            continue;
        };
        if !seen.contains(&path) {
            waiting.extend(required(&text, &path));
            seen.push(path);
            texts.push(text);
        }
    }
    texts
}

/// Lines of comment tell of issues and licences.
fn without_comments(code: &str) -> String {
    let lines = code.lines().filter(|line| {
        let line = line.trim_start();
        let mut signs = ["//", "*", "/*", "#"].iter();
        !signs.any(|sign| line.starts_with(sign))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn signs(texts: &[String]) -> Vec<String> {
    let mut signs: Vec<String> = Vec::new();
    for text in texts {
        for host in hosts(text) {
            if !signs.contains(&host) {
                signs.push(host);
            }
        }
    }
    signs.truncate(MOST_SIGNS / 2);
    let said = |word: &str| texts.iter().any(|text| has_word(text, word));
    let words = WORDS.into_iter().flatten().filter(|word| said(word));
    signs.extend(words.map(|word| (*word).to_owned()));
    signs.truncate(MOST_SIGNS);
    signs
}

/// The word, and not the middle of another: `make` is not in `makeError`, nor `node-gyp` in
/// `node-gyp-build`.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let starts = !word.starts_with(inside) || !before.is_some_and(inside);
        let ends = word.ends_with('_') || !word.ends_with(inside) || !after.is_some_and(inside);
        starts && ends
    })
}

/// Hosts of the addresses in the code.
fn hosts(text: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    for line in text.lines() {
        for scheme in ["https://", "http://"] {
            for (at, _) in line.match_indices(scheme) {
                let rest = &line[at + scheme.len()..];
                let end =
                    rest.find(|char: char| !char.is_ascii_alphanumeric() && !".-".contains(char));
                let host = rest[..end.unwrap_or(rest.len())].trim_matches('.');
                if host.contains('.') && host.len() < 254 {
                    hosts.push(host.to_ascii_lowercase());
                }
            }
        }
    }
    hosts
}

/// Files of the package that the code at `path` requires or imports by a relative path.
fn required(code: &str, path: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for opening in [
        "require('",
        "require(\"",
        "require(`",
        "from '",
        "from \"",
        "import('",
        "import(\"",
        "import '",
        "import \"",
    ] {
        for (at, _) in code.match_indices(opening) {
            let rest = clipped(&code[at + opening.len()..], LONGEST_PATH);
            let end = rest.find(['\'', '"', '`', '\n']).unwrap_or(0);
            let target = &rest[..end];
            if found.len() == MOST_FILES {
                return found;
            }
            if target.starts_with('.') {
                found.push(format!("{folder}/{target}"));
            }
        }
    }
    found
}
