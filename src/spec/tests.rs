//! Specs as npm itself reads them, from `fixtures/spec/npa.json` (made by `record.mjs` beside it).

use serde_json::{Value, json};

use super::*;
use crate::npmrc::Generation;

fn table() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/spec/npa.json");
    let text = std::fs::read_to_string(path).expect(path);
    // The recording's home folder, in place of whoever runs the tests.
    let home = std::env::home_dir().expect("a home folder");
    let text = text.replace("/home/user", &home.to_string_lossy());
    serde_json::from_str(&text).expect(path)
}

fn rows(table: &Value, section: &str) -> Vec<Vec<Value>> {
    let rows = table[section].as_array().expect(section).iter();
    rows.map(|row| row.as_array().expect(section).clone())
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The shape in which `record.mjs` writes npm's result.
fn shape(name: Option<&str>, spec: &Spec, sha: &str) -> Value {
    let mut shape = json!({
        "name": name,
        "raw": &*spec.raw,
        "type": match spec.kind {
            SpecKind::Version(_) => "version",
            SpecKind::Range(_) => "range",
            SpecKind::Tag(_) => "tag",
            SpecKind::Alias { .. } => "alias",
            SpecKind::Git(_) => "git",
            SpecKind::Remote(_) => "remote",
            SpecKind::File { .. } => "file",
            SpecKind::Directory { .. } => "directory",
        },
        "fetch": spec.fetch_spec(),
        "save": spec.save_spec(),
        "registry": spec.is_registry(),
    });
    match &spec.kind {
        SpecKind::Alias { name, target } => {
            shape["target"] = self::shape(Some(name.as_str()), target, sha);
        }
        SpecKind::Git(git) => shape["git"] = git_shape(git, &spec.raw, sha),
        _ => {}
    }
    shape
}

fn git_shape(git: &GitSpec, raw: &str, sha: &str) -> Value {
    let mut shape = json!({
        "committish": git.committish,
        "range": git.range,
        "path": git.path,
        "pinned": git.resolved_if_pinned(raw, Generation::Eleven),
        "found": git.resolved_at(raw, sha, Generation::Eleven),
    });
    if let Some(hosted) = &git.hosted {
        shape["hosted"] = json!({
            "ssh": hosted.ssh(Committish::Kept),
            "sshurl": hosted.ssh_url(Committish::Dropped),
            "https": hosted.https_url(Committish::Dropped),
            "shortcut": hosted.shortcut(Committish::Kept),
            "tarball": hosted.tarball_url(),
        });
    }
    shape
}

fn error_code(error: &SpecError) -> &'static str {
    match error {
        SpecError::Name(_) => "EINVALIDPACKAGENAME",
        SpecError::Protocol { .. } => "EUNSUPPORTEDPROTOCOL",
        SpecError::Tag { .. } => "EINVALIDTAGNAME",
        SpecError::Url { .. } => "ERR_INVALID_URL",
        SpecError::Alias { .. }
        | SpecError::Committish { .. }
        | SpecError::File { .. }
        | SpecError::LongRange { .. } => "none",
    }
}

fn compare_all(section: &str, read: impl Fn(&str) -> Result<Value, SpecError>) {
    let mut differences = Vec::new();
    for row in rows(&table(), section) {
        let got = read(text(&row[0]));
        let got = got.unwrap_or_else(|error| json!({ "error": error_code(&error) }));
        if got != row[1] {
            differences.push(format!("{}\n  got  {got}\n  want {}", row[0], row[1]));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_dependencys_spec_means_what_it_means_to_npm() {
    let table = table();
    let (base, sha) = (Path::new(text(&table["base"])), text(&table["sha"]));
    compare_all("edges", |spec| {
        Spec::parse("a", spec, base).map(|spec| shape(Some("a"), &spec, sha))
    });
}

#[test]
fn a_dependencys_name_is_checked_as_npm_checks_it() {
    let table = table();
    let (base, sha) = (Path::new(text(&table["base"])), text(&table["sha"]));
    compare_all("names", |name| {
        Spec::parse(name, "1", base).map(|spec| shape(Some(name), &spec, sha))
    });
}

#[test]
fn an_argument_means_what_it_means_to_npm() {
    let table = table();
    let (base, sha) = (Path::new(text(&table["base"])), text(&table["sha"]));
    compare_all("arguments", |argument| {
        parse_argument(argument, base).map(|Argument { name, spec }| {
            shape(name.as_ref().map(PackageName::as_str), &spec, sha)
        })
    });
}

#[test]
fn a_resolved_text_travels_between_folders_as_with_npm() {
    let table = table();
    let (from, to) = (Path::new(text(&table["base"])), Path::new("/proj/other"));
    for row in rows(&table, "resolved") {
        for (paths, want) in [(Paths::Absolute, &row[1]), (Paths::Relative, &row[2])] {
            let got = consistent_resolve(text(&row[0]), from, to, paths, Generation::Eleven);
            assert_eq!(&json!(got), want, "{} {paths:?}", row[0]);
        }
    }
}

#[test]
fn npm_12_keeps_the_https_address_of_a_repository() {
    // What npm 12.2.0's `consistent-resolve.js` gives.
    let https = "git+https://github.com/u/r.git#abc";
    let ssh = "git+ssh://git@github.com/u/r.git#abc";
    for (given, want) in [
        (https, https),
        ("https://github.com/u/r#abc", https),
        ("github:u/r#abc", ssh),
        ("u/r#abc", ssh),
        (ssh, ssh),
        ("git://github.com/u/r.git#abc", ssh),
        (
            "https://gitlab.com/u/r.git",
            "git+https://gitlab.com/u/r.git",
        ),
        (
            "git+https://gist.github.com/u/1234.git#abc",
            "git+https://gist.github.com/1234.git#abc",
        ),
        (
            "https://git.sr.ht/~u/r#abc",
            "git+https://git.sr.ht/~u/r#abc",
        ),
    ] {
        let root = Path::new("/");
        let got = consistent_resolve(given, root, root, Paths::Relative, Generation::Twelve);
        assert_eq!(got.as_deref(), Some(want), "{given}");
    }
}

#[test]
fn repositories_are_told_apart_as_npm_tells_them() {
    let table = table();
    for row in rows(&table, "repositories") {
        let spec = Spec::parse("a", text(&row[0]), Path::new("/proj/sub")).expect("a spec");
        let SpecKind::Git(git) = &spec.kind else {
            panic!("{} is not git", row[0]);
        };
        assert_eq!(json!(git.is_resolved_by(text(&row[1]))), row[2], "{row:?}");
    }
}
