//! `heatseal verify`: what a tree that changed after its install is told to be.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::Context;

fn installed() -> Context {
    let context = Context::with(&json!({
        "name": "p", "version": "1.0.0",
        "workspaces": ["packages/*"],
        "dependencies": {"a": "1", "crlf": "1", "stamps": "1", "wraps": "1"},
        "devDependencies": {"d": "2"},
        "heatseal": {"allowScripts": {"stamps": true}},
    }));
    let registry = Registry::new()
        .package("crlf", "1.0.0")
        .manifest(json!({"bin": "cli.js"}))
        .file("cli.js", "#!/usr/bin/env node\r\n1\r\n", 0o644)
        .package("stamps", "1.0.0")
        .manifest(json!({"scripts": {"postinstall": "echo yes > stamped; mkdir out"}}))
        .package("wraps", "1.0.0")
        .manifest(json!({"dependencies": {"inner": "1"}, "bundleDependencies": ["inner"]}))
        .file(
            "node_modules/inner/package.json",
            r#"{"name": "inner", "version": "1.0.0", "bin": "i.js"}"#,
            0o644,
        )
        .file("node_modules/inner/i.js", "#!/usr/bin/env node\r\n", 0o644);
    context.serve(&registry);
    context.put(
        "packages/w/package.json",
        r#"{"name": "w", "version": "1.0.0", "bin": "w.js", "dependencies": {"a": "1.0.0"}}"#,
    );
    context.put("packages/w/w.js", "#!/usr/bin/env node\n");
    context.run(&["install"]).exits(0);
    context
}

fn classes(document: &Value) -> Vec<String> {
    let list = document["differences"].as_array().unwrap();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|one| format!("{} {}", text(one, "class"), text(one, "path")))
        .collect()
}

#[test]
fn what_was_just_installed_is_what_the_lock_says() {
    let context = installed();
    let answer = context.run(&["verify"]).exits(0);
    assert_eq!(answer.stdout.trim().len(), 64);
    answer.says(&["node_modules is what the lock says: 7 packages, "]);
    let document = context.run(&["verify", "--json"]).exits(0).json();
    assert_eq!(document["scripted"], json!(["node_modules/stamps"]));
    for mode in ["hardlink", "reflink", "copy"] {
        context.run(&["ci", "--link-mode", mode]).exits(0);
        let again = context.run(&["verify", "--json"]).exits(0).json();
        assert_eq!(again["digest"], document["digest"], "{mode}");
    }
    context.run(&["ci", "--omit=dev"]).exits(0);
    context.run(&["verify"]).exits(4);
    let production = context
        .run(&["verify", "--omit=dev", "--json"])
        .exits(0)
        .json();
    assert_ne!(production["digest"], document["digest"]);
}

#[test]
fn edited_file_in_the_tree() {
    let context = installed();
    let digest = context.run(&["verify"]).exits(0).stdout;
    let path = context.project().join("node_modules/a/index.js");
    let bytes = fs::read(&path).unwrap();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    // A private copy of the same size and time.
    fs::remove_file(&path).unwrap();
    fs::write(&path, vec![b'x'; bytes.len()]).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(time).unwrap();
    let answer = context.run(&["verify"]).exits(4);
    assert!(
        answer
            .stdout
            .contains("changed content: node_modules/a/index.js (a@1.1.0)"),
        "{}",
        answer.stdout
    );
    assert!(!answer.stdout.contains(digest.trim()));
}

#[test]
fn an_edited_file_in_the_tree_is_put_right_by_the_next_frozen_install() {
    let context = installed();
    let digest = context.run(&["verify"]).exits(0).stdout;
    let file = "node_modules/a/index.js";
    let before = context.read(file);
    let edits: [fn(&Context); 3] = [
        |context| context.put("node_modules/a/index.js", "edited in place"),
        |context| {
            let path = context.project().join("node_modules/a/index.js");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        },
        |context| context.put("node_modules/stamps/package.json", "{}"),
    ];
    for mode in ["auto", "copy"] {
        context.run(&["ci", "--link-mode", mode]).exits(0);
        for edit in edits {
            edit(&context);
            let answer = context.run(&["ci", "--link-mode", mode]).exits(0);
            answer.says(&["installed"]);
            assert_eq!(context.read(file), before);
            assert_eq!(context.run(&["verify"]).exits(0).stdout, digest);
        }
        let answer = context.run(&["ci", "--link-mode", mode]).exits(0);
        answer.says(&["up to date"]);
    }
}

#[test]
fn every_kind_of_change_is_named() {
    let context = installed();
    let at = |path: &str| context.project().join("node_modules").join(path);
    fs::set_permissions(at("a/package.json"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(at("a/index.js")).unwrap();
    fs::write(at("a/extra.js"), "").unwrap();
    fs::remove_file(at(".bin/crlf")).unwrap();
    symlink("/bin/true", at(".bin/crlf")).unwrap();
    fs::remove_file(at(".bin/w")).unwrap();
    fs::remove_dir_all(at("d")).unwrap();
    fs::create_dir(at("evil")).unwrap();
    fs::write(at("evil/package.json"), "{}").unwrap();
    fs::write(at("stamps/stamped"), "no").unwrap();
    fs::remove_file(at("w")).unwrap();
    fs::create_dir(at("w")).unwrap();
    fs::remove_dir_all(context.project().join("packages/w/node_modules/a")).unwrap();
    fs::write(at(".package-lock.json"), "{}").unwrap();
    let document = context.run(&["verify", "--json"]).exits(4).json();
    assert_eq!(
        classes(&document),
        [
            "link node_modules/.bin/crlf",
            "missing node_modules/.bin/w",
            "changed node_modules/.package-lock.json",
            "surplus node_modules/a/extra.js",
            "missing node_modules/a/index.js",
            "mode node_modules/a/package.json",
            "package-missing node_modules/d",
            "package-surplus node_modules/evil",
            "changed node_modules/stamps/stamped",
            "kind node_modules/w",
            "package-missing packages/w/node_modules/a",
        ]
    );
    context.run(&["ci"]).exits(0);
    context.run(&["verify"]).exits(0);
}

#[test]
fn what_the_store_lacks_is_fetched() {
    let context = installed();
    fs::remove_dir_all(context.path("store")).unwrap();
    let (registry, aside) = (context.path("registry"), context.path("aside"));
    fs::rename(&registry, &aside).unwrap();
    context.run(&["verify"]).exits(7);
    fs::rename(&aside, &registry).unwrap();
    let document = context.run(&["verify", "--json"]).exits(4).json();
    // The record of what the script left went with the store.
    assert_eq!(
        classes(&document),
        [
            "surplus node_modules/stamps/out",
            "surplus node_modules/stamps/stamped"
        ]
    );
    fs::remove_dir_all(context.project().join("node_modules")).unwrap();
    let document = context.run(&["verify", "--json"]).exits(4).json();
    assert_eq!(document["differences"][0]["path"], "node_modules");
}

#[test]
fn a_lock_that_disagrees_exits_3() {
    let context = installed();
    context.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"zz": "1"}}"#,
    );
    context.run(&["verify"]).exits(3);
}
