//! `heatseal store`, and what becomes of a store that was damaged.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::context::Context;

fn installed() -> Context {
    let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1.0.0"}}));
    context.run(&["install"]).exits(0);
    context
}

/// Stored files that hold this text.
fn stored(context: &Context, text: &str) -> Vec<PathBuf> {
    let umask = fs::read_dir(context.path("store/v1")).unwrap();
    let umask = umask.map(|entry| entry.unwrap().path());
    let folders = umask
        .filter(|path| path.file_name().unwrap().len() == 3 && path.file_name().unwrap() != "tmp");
    let packages = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = packages.flat_map(|package| fs::read_dir(package.unwrap().path()).unwrap());
    let files = files.map(|file| file.unwrap().path());
    files
        .filter(|file| fs::read(file).unwrap() == text.as_bytes())
        .collect()
}

const CONTENT: &str = "module.exports = 'a 1.0.0'\n";

#[test]
fn edited_file_in_the_store() {
    let context = installed();
    let file = stored(&context, CONTENT).remove(0);
    // In place, and so in the installed tree as well, which shares the file.
    fs::write(&file, CONTENT.replace("1.0.0", "6.6.6")).unwrap();
    context.run(&["verify"]).exits(4);
    fs::remove_dir_all(context.project().join("node_modules")).unwrap();
    context.run(&["ci"]).exits(0);
    assert_eq!(context.read("node_modules/a/index.js"), CONTENT);
    context.run(&["verify"]).exits(0);
}

#[test]
fn a_file_that_was_edited_without_a_trace_is_found_by_store_verify() {
    let context = installed();
    context
        .run(&["store", "verify"])
        .exits(0)
        .says(&["the store is sound: 2 packages"]);
    let file = stored(&context, CONTENT).remove(0);
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, CONTENT.replace("1.0.0", "6.6.6")).unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(time)
        .unwrap();
    let document = context.run(&["store", "verify", "--json"]).exits(4).json();
    assert_eq!(
        document["damaged"],
        json!([{"package": "a@1.0.0", "what": "`index.js` has another content", "rebuilt": true}])
    );
    context.run(&["store", "verify"]).exits(0);
    assert_eq!(stored(&context, CONTENT).len(), 1);
}

#[test]
fn a_package_that_cannot_be_repaired_is_removed_and_fetched_anew() {
    let context = installed();
    let file = stored(&context, CONTENT).remove(0);
    fs::write(file.with_file_name("tarball"), "no tarball").unwrap();
    let answer = context.run(&["store", "verify"]).exits(4);
    assert_eq!(
        answer.stdout,
        "damaged: a@1.0.0: its tarball is damaged; removed; it is fetched when it is needed\n"
    );
    fs::remove_dir_all(context.project().join("node_modules")).unwrap();
    context.run(&["ci"]).exits(0).says(&["1 fetched"]);
}

#[test]
fn prune_removes_what_nobody_used_or_shares() {
    let context = installed();
    let kept = |args: &[&str]| context.run(args).exits(0).json()["kept"].clone();
    assert_eq!(kept(&["store", "prune", "--json"]), 2);
    // Old enough, but the tree shares their files.
    let long_ago = SystemTime::now() - Duration::from_hours(24 * 40);
    for package in [CONTENT, "#!/usr/bin/env node\n"] {
        let index = stored(&context, package).remove(0).with_file_name("index");
        fs::File::options()
            .write(true)
            .open(index)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    assert_eq!(kept(&["store", "prune", "--json"]), 2);
    fs::remove_dir_all(context.project().join("node_modules")).unwrap();
    let age = ["store", "prune", "--json", "--older-than", "60d"];
    assert_eq!(kept(&age), 2);
    // Using them makes them young again.
    context.run(&["ci", "--link-mode", "copy"]).exits(0);
    assert_eq!(kept(&["store", "prune", "--json"]), 2);
    let all = ["store", "prune", "--json", "--older-than", "0"];
    let document = context.run(&all).exits(0).json();
    assert_eq!(
        (&document["packages"], &document["kept"]),
        (&json!(2), &json!(0))
    );
    context.run(&["ci"]).exits(0);
}
