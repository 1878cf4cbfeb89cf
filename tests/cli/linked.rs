//! The `linked` install strategy: the tree that npm 11 makes of `fixtures/projects/isolated`, as
//! `fixtures/trees/isolated.txt` has it from npm, and what is peculiar to such a tree.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use registry_mock::Registry;
use serde_json::json;

use crate::context::Context;

const LINKED: &str = "--install-strategy=linked";

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// What lies in each `node_modules`, a line for each: folders end in `/`, executables in `*`.
fn list(folder: &Path, prefix: &str, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let shown = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
        let inside = shown.split('/').any(|part| part == "node_modules");
        let metadata = fs::symlink_metadata(&path).unwrap();
        let line = if metadata.is_symlink() {
            format!("{shown} -> {}", fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            list(&path, &format!("{shown}/"), lines);
            format!("{shown}/")
        } else if metadata.permissions().mode() & 0o100 != 0 {
            format!("{shown}*")
        } else {
            shown
        };
        if inside {
            lines.push(line);
        }
    }
}

#[test]
fn the_linked_tree_is_the_one_that_npm_makes() {
    let context = Context::new();
    let copied = Command::new("cp")
        .arg("-R")
        .arg(fixture("projects/isolated/."))
        .arg(context.project())
        .status();
    assert!(copied.unwrap().success());
    let registry = format!("file:{}", fixture("registry").display());
    let flags = [
        LINKED,
        "--os=linux",
        "--cpu=x64",
        "--libc=glibc",
        "--replace-registry-host=always",
        "--registry",
        &registry,
    ];
    let run = |verb: &str| context.run(&[&[verb], &flags[..]].concat());
    run("ci").exits(0).says(&["installed 9 packages"]);
    let mut lines = Vec::new();
    list(&context.project(), "", &mut lines);
    lines.sort();
    let npms = fs::read_to_string(fixture("trees/isolated.txt")).unwrap();
    assert_eq!(lines, npms.lines().collect::<Vec<_>>());
    let hidden = fs::read_to_string(fixture("trees/isolated-hidden-lock.json")).unwrap();
    assert_eq!(context.read("node_modules/.package-lock.json"), hidden);
    run("verify").exits(0);
    run("ci").exits(0).says(&["up to date"]);
}

#[test]
fn a_script_in_a_linked_tree_finds_what_its_package_depends_on() {
    let context = Context::with(&json!({
        "name": "p", "dependencies": {"asks": "1"},
        "heatseal": {"allowScripts": {"asks": true}},
    }));
    let registry = Registry::new().package("asks", "1.0.0").manifest(json!({
        "dependencies": {"a": "1"},
        "scripts": {"postinstall": "echo $NODE_PATH > path; test -d ../a"},
    }));
    context.serve(&registry);
    context.run(&["install", LINKED]).exits(0);
    let path = context.read("node_modules/asks/path");
    let asks = fs::canonicalize(context.project().join("node_modules/asks")).unwrap();
    assert_eq!(Path::new(path.trim()), asks.parent().unwrap());
    context.run(&["verify", LINKED]).exits(0);
}

#[test]
fn what_is_incomplete_is_refused_in_a_linked_tree_too() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"fast": "1"}}));
    let registry = Registry::new()
        .package("fast", "1.0.0")
        .manifest(json!({"optionalDependencies": {
            "@fast/aix": "1.0.0", "@fast/sunos": "1.0.0",
        }}))
        .package("@fast/aix", "1.0.0")
        .manifest(json!({"os": ["aix"], "cpu": ["ppc64"]}))
        .package("@fast/sunos", "1.0.0")
        .manifest(json!({"os": ["sunos"], "cpu": ["x64"]}));
    context.serve(&registry);
    context.run(&["shrinkwrap"]).exits(0);
    let answer = context.run(&["ci", LINKED]).exits(5);
    answer.says(&["error[EBADPLATFORM]: `fast@1.0.0`"]);
}

/// npm locks it for nobody, calls it extraneous, and does not install it; so nobody finds it.
#[test]
fn what_the_lock_calls_extraneous_is_nobodys_dependency() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"host": "1"}}));
    let registry = Registry::new()
        .package("host", "1.0.0")
        .manifest(json!({
            "peerDependencies": {"guest": "1"},
            "peerDependenciesMeta": {"guest": {"optional": true}},
        }))
        .package("guest", "1.0.0");
    context.serve(&registry);
    context.run(&["shrinkwrap"]).exits(0);
    let mut lock: serde_json::Value =
        serde_json::from_str(&context.read("npm-shrinkwrap.json")).unwrap();
    lock["packages"]["node_modules/guest"] = json!({"version": "1.0.0", "extraneous": true});
    context.put("npm-shrinkwrap.json", &lock.to_string());
    context.run(&["ci", LINKED]).exits(0);
    let mut lines = Vec::new();
    list(&context.project(), "", &mut lines);
    assert!(lines.iter().any(|line| line.contains("node_modules/host")));
    assert!(
        !lines.iter().any(|line| line.contains("guest")),
        "{lines:?}"
    );
}
