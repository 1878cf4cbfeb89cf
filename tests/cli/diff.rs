//! `heatseal diff`: exit codes, the table, the JSON.

use serde_json::{Value, json};

use crate::context::Context;

fn lock(packages: &Value) -> String {
    json!({"name": "p", "lockfileVersion": 3, "requires": true, "packages": packages}).to_string()
}

/// Two locks: `a` goes from 1 to 2, `gone` leaves, `same` stays.
fn two_locks() -> Context {
    let context = Context::new();
    let same = json!({"version": "1.0.0", "resolved": "https://user:s3cret@registry.example/same/-/same-1.0.0.tgz"});
    context.put(
        "old.json",
        &lock(&json!({
            "": {"name": "p", "dependencies": {"a": "*", "gone": "*", "same": "*"}},
            "node_modules/a": {"version": "1.0.0"},
            "node_modules/gone": {"version": "1.0.0"},
            "node_modules/same": same,
        })),
    );
    context.put(
        "new.json",
        &lock(&json!({
            "": {"name": "p", "dependencies": {"a": "*", "same": "*"}},
            "node_modules/a": {"version": "2.0.0"},
            "node_modules/same": same,
        })),
    );
    context
}

#[test]
fn equal_locks_exit_0() {
    let context = two_locks();
    let answer = context.run(&["diff", "old.json", "old.json"]).exits(0);
    assert_eq!(answer.stdout, "");
    assert!(
        answer.stderr.contains("no differences in 3 packages"),
        "{}",
        answer.stderr
    );
}

#[test]
fn different_locks_exit_1_and_name_both_versions() {
    let answer = two_locks().run(&["diff", "old.json", "new.json"]).exits(1);
    let line = answer
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with("a "));
    let line = line.unwrap_or_else(|| panic!("{}", answer.stdout));
    assert!(line.contains("1.0.0") && line.contains("2.0.0"), "{line}");
    assert!(answer.stdout.contains("gone"));
    assert!(!answer.stdout.contains("same"));
}

#[test]
fn json_is_one_versioned_document_whichever_way_it_is_asked_for() {
    let context = two_locks();
    let short = context
        .run(&["diff", "old.json", "new.json", "--json"])
        .exits(1);
    let long = context
        .run(&["diff", "old.json", "new.json", "--format", "json"])
        .exits(1);
    assert_eq!(short.stdout, long.stdout);
    let document = short.json();
    assert_eq!(document["version"], 1);
    assert_eq!(document["unchanged"], 1);
    assert_eq!(document["changes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn quiet_leaves_the_answer_alone() {
    let answer = two_locks()
        .run(&["diff", "old.json", "new.json", "--quiet"])
        .exits(1);
    assert_ne!(answer.stdout, "");
    assert_eq!(answer.stderr, "");
}

#[test]
fn project_folders_are_environments_too() {
    let context = two_locks();
    context.put("one/package-lock.json", &context.read("old.json"));
    context.put("two/npm-shrinkwrap.json", &context.read("new.json"));
    context.run(&["diff", "one", "two"]).exits(1);
    context
        .run(&["-C", "one", "diff", ".", "package-lock.json"])
        .exits(0);
}

#[test]
fn an_environment_that_is_not_there_is_a_usage_error() {
    two_locks()
        .run(&["diff", "old.json", "nowhere.json"])
        .exits(2)
        .says(&["error[ENOENT]:", "nowhere.json"]);
    two_locks()
        .run(&["diff", "old.json"])
        .exits(2)
        .says(&["EUSAGE"]);
}

#[test]
fn a_folder_without_a_lock_exits_3() {
    let context = two_locks();
    context.put("empty/package.json", "{}");
    context
        .run(&["diff", "old.json", "empty"])
        .exits(3)
        .says(&["error[ENOLOCK]:"]);
}

#[test]
fn a_broken_lock_exits_3_and_is_named() {
    let context = two_locks();
    context.put("broken.json", "{\"packages\": ");
    context
        .run(&["diff", "old.json", "broken.json"])
        .exits(3)
        .says(&["error[EJSONPARSE]:", "broken.json", "caused by: line 1"]);
}

#[test]
fn neither_credentials_nor_escape_sequences_reach_the_output() {
    let context = two_locks();
    let hostile = json!({
        "": {"name": "p"},
        "node_modules/same": {
            "version": "1.0.0\u{1b}[2J",
            "resolved": "http://user:s3cret@elsewhere.example/same/-/same-1.0.0.tgz",
        },
    });
    context.put("hostile.json", &lock(&hostile));
    for format in ["text", "json"] {
        let answer = context
            .run(&["diff", "old.json", "hostile.json", "--format", format])
            .exits(1);
        for secret in ["s3cret", "\u{1b}"] {
            assert!(
                !answer.stdout.contains(secret),
                "{format}: {}",
                answer.stdout
            );
            assert!(
                !answer.stderr.contains(secret),
                "{format}: {}",
                answer.stderr
            );
        }
    }
}
