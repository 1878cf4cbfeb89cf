//! `platforms --load`: with a program in Node's place that answers as Node does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::context::{Answer, Context};

/// Answers by the name of the file that it is to load: `node -e CODE FILE WORD`.
const NODE: &str = r#"#!/bin/sh
if [ "$1" = --version ]; then echo v20.1.0; exit; fi
case "$3" in
  *good.node) printf '\n%s{}\n' "$4" ;;
  *glibc.node) printf '\n%s{"message":"version `GLIBC_2.38'"'"' not found\\nmore"}\n' "$4" ;;
  *env.node) printf '\n%s{"message":"token=%s"}\n' "$4" "$NPM_TOKEN" ;;
  *crash.node) kill -SEGV $$ ;;
  *last.node) printf '\n%s{}\n' "$4"; kill -SEGV $$ ;;
  *) echo nothing; exit 3 ;;
esac
"#;

/// What a compiled file begins with; nobody can read more of it.
const ADDON: &str = "\x7fELF and no more";

fn installed(files: &[(&str, Value)]) -> Context {
    let context = Context::new();
    context.put("package.json", r#"{"name": "p", "version": "1.0.0"}"#);
    context.put("node", NODE);
    let node = context.project().join("node");
    fs::set_permissions(node, fs::Permissions::from_mode(0o755)).unwrap();
    let mut packages = json!({});
    for (file, entry) in files {
        let (name, _) = file.split_once('/').unwrap();
        context.put(&format!("node_modules/{file}"), ADDON);
        packages[format!("node_modules/{name}")] = entry.clone();
    }
    let lock = json!({"lockfileVersion": 3, "packages": packages});
    context.put("node_modules/.package-lock.json", &lock.to_string());
    context
}

fn load(context: &Context) -> Answer {
    context.run_with(
        &["platforms", "--load", "--node", "./node"],
        &[("NPM_TOKEN", "secret")],
    )
}

fn one() -> Value {
    json!({"version": "1.0.0"})
}

#[test]
fn modules_that_load_are_told_and_the_exit_is_good() {
    let context = installed(&[
        ("a/build/Release/good.node", one()),
        ("plain/index.js", one()),
    ]);
    let answer = load(&context)
        .exits(0)
        .says(&["1 of 1 native modules load"]);
    assert_eq!(answer.stdout, "loads  a@1.0.0 (node_modules/a)\n");
}

#[test]
fn the_loaders_own_words_are_told_and_the_exit_is_5() {
    let context = installed(&[
        ("a/glibc.node", one()),
        ("b/crash.node", one()),
        ("c/last.node", one()),
        ("d/odd.node", one()),
        ("e/env.node", one()),
    ]);
    let answer = load(&context)
        .exits(5)
        .says(&["0 of 5 native modules load"]);
    assert_eq!(
        answer.stdout,
        "fails  a@1.0.0 (node_modules/a)
       glibc.node: version `GLIBC_2.38' not found
fails  b@1.0.0 (node_modules/b)
       crash.node: the process died: signal 11
fails  c@1.0.0 (node_modules/c)
       last.node: the process died: signal 11 at the end, after it was loaded
fails  d@1.0.0 (node_modules/d)
       odd.node: the process died: exit code 3
fails  e@1.0.0 (node_modules/e)
       env.node: token=
"
    );
}

#[test]
fn what_only_development_needs_is_left_out_unless_it_is_included() {
    let context = installed(&[("a/good.node", json!({"version": "1.0.0", "dev": true}))]);
    assert_eq!(load(&context).exits(0).stdout, "");
    let answer = context.run(&[
        "platforms",
        "--load",
        "--node",
        "./node",
        "--include=dev",
        "--json",
    ]);
    let document = answer.exits(0).json();
    assert_eq!(document["version"], 1);
    assert_eq!(
        document["packages"],
        json!([{
            "name": "a",
            "version": "1.0.0",
            "location": "node_modules/a",
            "fine": true,
            "files": [{"path": "good.node", "loads": true, "said": null}],
            "unfit": null,
        }])
    );
}

#[test]
fn without_an_install_or_a_node_it_says_what_is_missing() {
    let context = Context::new();
    context.put("package.json", "{}");
    let answer = load(&context).exits(2);
    answer.says(&["error[ENOENT]", "install first"]);
    let context = installed(&[("a/good.node", one())]);
    let answer = context.run(&["platforms", "--load", "--node", "./absent"]);
    answer.exits(2).says(&["cannot run", "absent"]);
}
