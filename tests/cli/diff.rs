//! `heatseal diff`: what it takes, exit codes, outputs.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::{Answer, Context};
use crate::schema;

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
    schema::assert_valid("diff-1", &document);
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

/// `class name before>after`, one for each change.
fn rows(answer: &Answer) -> Vec<String> {
    let document = answer.json();
    schema::assert_valid("diff-1", &document);
    let changes = document["changes"].as_array().unwrap().iter();
    let version = |side: &Value| side["version"].as_str().unwrap_or("-").to_owned();
    changes
        .map(|change| {
            let (before, after) = (version(&change["before"]), version(&change["after"]));
            let (class, name) = (&change["class"], &change["name"]);
            let [class, name] = [class, name].map(|text| text.as_str().unwrap());
            format!("{class} {name} {before}>{after}")
        })
        .collect()
}

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=n@registry.example"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

/// A repository whose `app` folder was locked by `old.json`, then by `new.json`.
fn repository() -> Context {
    let context = two_locks();
    let folder = context.project();
    git(&folder, &["init", "--quiet", "-b", "main", "."]);
    for (file, tag) in [("old.json", "v1"), ("new.json", "v2")] {
        context.put("app/npm-shrinkwrap.json", &context.read(file));
        git(&folder, &["add", "app"]);
        git(&folder, &["commit", "--quiet", "-m", tag]);
        git(&folder, &["tag", tag]);
    }
    context
}

#[test]
fn a_revision_is_the_lock_that_was_there() {
    let context = repository();
    let expected = ["direct gone 1.0.0>-", "major a 1.0.0>2.0.0"];
    let app = context.path("project/app");
    for (folder, before, after) in [
        (&app, "HEAD~1", "."),
        (&app, "v1", "git:v2"),
        (&app, "git:v1:./npm-shrinkwrap.json", "main"),
        (&app, "v1:app", "../new.json"),
        (&context.project(), "git:v1:app", "app"),
        (&context.project(), "v1:app/npm-shrinkwrap.json", "v2:app"),
    ] {
        let answer = context.run_in(folder, &["diff", before, after, "--json"], &[]);
        assert_eq!(rows(&answer.exits(1)), expected, "{before} {after}");
    }
}

#[test]
fn what_is_no_revision_is_named_and_nothing_of_it_becomes_an_option_of_git() {
    let context = repository();
    for (typed, code) in [
        ("git:nosuch", "error[EGIT]"),
        ("git:--output=made", "error[EGIT]"),
        ("git:-h", "error[EGIT]"),
        ("nosuch", "error[ENOENT]"),
    ] {
        let answer = context.run(&["diff", typed, "old.json"]).exits(2);
        answer.says(&[code]);
    }
    context
        .run(&["diff", "git:v1:nowhere", "old.json"])
        .exits(3)
        .says(&["error[ENOLOCK]", "v1:nowhere"]);
    assert!(!context.has("made"));
}

#[test]
fn one_side_may_come_through_standard_input() {
    let context = two_locks();
    let mut command = context.command(&context.project(), &["diff", "-", "new.json", "--json"]);
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let text = context.read("old.json");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let answer = Answer::of(&child.wait_with_output().unwrap());
    assert_eq!(rows(&answer).len(), 2);
    context
        .run(&["diff", "-", "-"])
        .exits(2)
        .says(&["only one of both"]);
}

#[test]
fn locks_of_other_tools_are_environments_and_silence_is_no_difference() {
    let context = Context::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/foreign");
    let path = |name: &str| fixtures.join(name).display().to_string();
    let diff = |before: &str, after: &str| {
        let answer = context.run(&["diff", &path(before), &path(after), "--json"]);
        assert!(answer.code < 2, "{}", answer.stderr);
        answer
    };
    let same = [
        ("pnpm-6/pnpm-lock.yaml", "pnpm-9/pnpm-lock.yaml"),
        ("pnpm-7/pnpm-lock.yaml", "pnpm-8/pnpm-lock.yaml"),
        ("berry-2/yarn.lock", "berry-4/yarn.lock"),
        ("npm-11/package-lock.json", "bun-1/bun.lock"),
    ];
    for (before, after) in same {
        let found = rows(&diff(before, after));
        assert_eq!(found, Vec::<String>::new(), "{before} {after}");
    }
    let document = diff("npm-11/package-lock.json", "yarn-1/yarn.lock").json();
    let untold = document["notCompared"].as_array().unwrap();
    assert!(untold.contains(&json!("places")) && untold.contains(&json!("licences")));
    assert_eq!(
        document["environments"]["after"]["kind"],
        "yarn lock, version 1"
    );
}

#[test]
fn kinds_of_dependencies_are_known_of_other_tools_where_package_json_is_there() {
    let context = Context::new();
    let lock = "a@^1:\n  version \"1.0.0\"\n\nb@^1:\n  version \"1.0.0\"\n";
    let text = format!("# yarn lockfile v1\n\n\n{lock}");
    context.put("alone/yarn.lock", &text);
    context.put("whole/yarn.lock", &text);
    let manifest = json!({"dependencies": {"a": "^1"}, "devDependencies": {"b": "^1"}});
    context.put("whole/package.json", &manifest.to_string());
    let answer = context.run(&["diff", "whole", "--omit", "none", "--omit", "dev", "--json"]);
    assert_eq!(rows(&answer.exits(1)), ["direct b 1.0.0>-"]);
    context
        .run(&["diff", "alone", "--omit", "none", "--omit", "dev"])
        .exits(2)
        .says(&["does not tell what is for development"]);
}

/// A lock with a package for musl, one for macOS and one that everybody needs.
fn platforms() -> Context {
    let context = Context::new();
    let member = |os: &str, cpu: &str, libc: Value| json!({"version": "1.0.0", "optional": true, "os": [os], "cpu": [cpu], "libc": libc});
    let packages = json!({
        "": {"name": "p", "dependencies": {"tool": "1"}, "devDependencies": {"d": "1"}},
        "node_modules/tool": {"version": "1.0.0", "optionalDependencies": {"@t/musl": "1", "@t/mac": "1"}},
        "node_modules/@t/musl": member("linux", "x64", json!(["musl"])),
        "node_modules/@t/mac": member("darwin", "arm64", Value::Null),
        "node_modules/d": {"version": "1.0.0", "dev": true},
    });
    context.put("package-lock.json", &lock(&packages));
    context
}

#[test]
fn one_lock_is_compared_for_two_targets_and_with_other_kinds_left_out() {
    let context = platforms();
    let answer = context.run(&[
        "diff",
        ".",
        "--target",
        "linux-x64-musl",
        "--target",
        "darwin-arm64",
        "--json",
    ]);
    assert_eq!(
        rows(&answer.exits(1)),
        ["platform @t/musl 1.0.0>-", "added @t/mac ->1.0.0"]
    );
    let answer = context.run(&["diff", ".", "--omit", "none", "--omit", "dev", "--json"]);
    assert_eq!(rows(&answer.exits(1)), ["direct d 1.0.0>-"]);
    for typed in [
        vec!["diff", "."],
        vec!["diff", ".", "--target", "linux-x64"],
        vec!["diff", ".", "--omit", "dev"],
    ] {
        context
            .run(&typed)
            .exits(2)
            .says(&["there is nothing to compare with"]);
    }
}

#[test]
fn only_some_classes_may_be_shown_or_count() {
    let context = two_locks();
    let run = |more: &[&str]| {
        let mut args = vec!["diff", "old.json", "new.json", "--json"];
        args.extend(more);
        context.run(&args)
    };
    let only = run(&["--only", "major,minor"]).exits(1);
    assert_eq!(rows(&only), ["major a 1.0.0>2.0.0"]);
    assert_eq!(only.json()["leftOut"], 1);
    run(&["--only", "content"]).exits(0);
    run(&["--fail-on", "content,source"]).exits(0);
    // It counts, too, where it does not lead.
    run(&["--fail-on", "content,removed"]).exits(1);
    run(&["--fail-on", "none"]).exits(0);
    run(&["--fail-on", "removd"])
        .exits(2)
        .says(&["classes are content, source"]);
}

#[test]
fn what_package_json_accepts_is_told_with_its_reason_and_does_not_count() {
    let context = two_locks();
    let ignore = json!({"major:a": "we wrote it", "*:gone": "replaced by us"});
    let manifest = json!({"name": "p", "heatseal": {"diff": {"ignore": ignore}}});
    context.put("package.json", &manifest.to_string());
    let answer = context.run(&["diff", "old.json", "new.json"]).exits(0);
    assert_eq!(answer.stdout, "");
    answer.says(&["1 difference accepted: we wrote it", "replaced by us"]);
    let document = context
        .run(&["diff", "old.json", "new.json", "--json"])
        .exits(0);
    assert_eq!(document.json()["ignored"].as_array().map(Vec::len), Some(3));
    schema::assert_valid("diff-1", &document.json());
    context
        .run(&["diff", "old.json", "new.json", "--no-ignore"])
        .exits(1);
    context.put(
        "package.json",
        r#"{"heatseal": {"diff": {"ignore": {"major:a": ""}}}}"#,
    );
    context
        .run(&["diff", "old.json", "new.json"])
        .exits(2)
        .says(&["gives no reason for `major:a`"]);
    fs::remove_file(context.path("project/package.json")).unwrap();
    let answer = context.run(&[
        "diff", "old.json", "new.json", "--ignore", "major:a", "--json",
    ]);
    assert_eq!(rows(&answer.exits(1)), ["direct gone 1.0.0>-"]);
}

/// `a`, `b` and a package that its own script changes, installed.
fn installed() -> Context {
    let context = Context::with(&json!({
        "name": "p", "version": "1.0.0",
        "dependencies": {"a": "1.0.0", "maker": "1"}, "devDependencies": {"d": "2"},
        "optionalDependencies": {"elsewhere": "1"},
    }));
    let registry = Registry::new()
        .package("maker", "1.0.0")
        .manifest(json!({"scripts": {"install": "echo made > made && echo other > index.js"}}))
        .file("index.js", "module.exports = 1\n", 0o644)
        .file("cli.js", "#!/usr/bin/env node\r\nx()\r\n", 0o644)
        .manifest(json!({"bin": {"maker": "cli.js"}, "dependencies": {"inner": "3"}, "bundleDependencies": ["inner"]}))
        .file(
            "node_modules/inner/package.json",
            r#"{"name":"inner","version":"3.0.0"}"#,
            0o644,
        )
        .file("node_modules/inner/index.js", "", 0o644);
    context.serve(&registry);
    context.run(&["shrinkwrap"]).exits(0);
    context.run(&["ci", "--allow-scripts", "maker"]).exits(0);
    context
}

#[test]
fn a_fresh_tree_is_what_its_lock_says() {
    let context = installed();
    for typed in [
        vec!["diff", ".", "--installed", "--json"],
        vec!["diff", "npm-shrinkwrap.json", "node_modules", "--json"],
        vec!["diff", "node_modules", ".", "--json"],
    ] {
        let answer = context.run(&typed);
        assert_eq!(rows(&answer), Vec::<String>::new(), "{typed:?}");
        assert_eq!(answer.json()["unproven"], 0);
        answer.exits(0);
    }
}

#[test]
fn one_byte_changed_on_disk_is_the_same_version_with_other_content() {
    let context = installed();
    context.put("node_modules/a/index.js", "module.exports = 'a 1.0.1'\n");
    let answer = context
        .run(&["diff", ".", "--installed", "--json"])
        .exits(1);
    assert_eq!(rows(&answer), ["content a 1.0.0>1.0.0"]);
    let files = &answer.json()["changes"][0]["files"];
    assert_eq!(files[0]["path"], "index.js");
    assert_eq!(files[0]["fate"], "changed");
    assert_eq!(files.as_array().map(Vec::len), Some(1));
    let text = context.run(&["diff", ".", "--installed"]).exits(1).stdout;
    assert!(text.contains("same version, other content (1)"), "{text}");
    assert!(text.contains("~ index.js"), "{text}");
}

#[test]
fn an_edit_after_a_script_is_seen_and_so_is_what_is_in_a_bundle() {
    let context = installed();
    context.put("node_modules/maker/made", "by hand");
    let answer = context
        .run(&["diff", ".", "--installed", "--json"])
        .exits(1);
    assert_eq!(rows(&answer), ["content maker 1.0.0>1.0.0"]);
    let context = installed();
    context.put("node_modules/maker/node_modules/inner/index.js", "evil()");
    let answer = context
        .run(&["diff", ".", "--installed", "--json"])
        .exits(1);
    assert_eq!(rows(&answer), ["content maker 1.0.0>1.0.0"]);
}

#[test]
fn packages_too_many_and_missing_on_disk_are_added_and_removed() {
    let context = installed();
    context.put(
        "node_modules/stray/package.json",
        r#"{"name":"stray","version":"9.0.0"}"#,
    );
    fs::remove_dir_all(context.path("project/node_modules/b")).unwrap();
    let answer = context
        .run(&["diff", ".", "--installed", "--json"])
        .exits(1);
    assert_eq!(rows(&answer), ["added stray ->9.0.0", "removed b 1.0.0>-"]);
}

#[test]
fn a_tree_can_be_written_down_and_compared_later() {
    let context = installed();
    context
        .run(&[
            "diff",
            "node_modules",
            "--snapshot",
            "--output",
            "tree.json",
        ])
        .exits(0);
    let answer = context
        .run(&["diff", "tree.json", "node_modules", "--json"])
        .exits(0);
    assert_eq!(rows(&answer), Vec::<String>::new());
    let answer = context.run(&["diff", ".", "tree.json", "--json"]).exits(0);
    assert_eq!(rows(&answer), Vec::<String>::new());
    context.put("node_modules/b/cli.js", "#!/usr/bin/env node\nnew()\n");
    let answer = context
        .run(&["diff", "tree.json", "node_modules", "--json"])
        .exits(1);
    assert_eq!(rows(&answer), ["content b 1.0.0>1.0.0"]);
    context
        .run(&["diff", "npm-shrinkwrap.json", "--snapshot"])
        .exits(2)
        .says(&["is no installed tree"]);
    context.put(
        "tree.json",
        r#"{"version": 1, "environment": "installed", "files": {"a": "x"}}"#,
    );
    context
        .run(&["diff", "tree.json", "node_modules"])
        .exits(2)
        .says(&["a file has no hash"]);
}

/// A stand-in for `ssh` that notes its arguments and runs the shell here.
fn with_ssh(context: &Context, more_path: &str) -> String {
    let folder = context.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$@\" > {}/asked\necho 'Welcome!'\nPATH=\"{more_path}$PATH\"\nexec sh\n",
        folder.display()
    );
    fs::write(folder.join("ssh"), script).unwrap();
    fs::set_permissions(folder.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn another_machine_is_asked_through_ssh() {
    let context = installed();
    let path = with_ssh(&context, "");
    let there = context.path("it's there");
    fs::create_dir_all(there.join("node_modules")).unwrap();
    for file in [
        "npm-shrinkwrap.json",
        "package.json",
        "node_modules/.package-lock.json",
    ] {
        fs::write(there.join(file), context.read(file)).unwrap();
    }
    let address = format!("ssh://me@host.example:2222{}", there.display());
    let run = |args: &[&str]| context.run_with(args, &[("PATH", &path)]);
    let answer = run(&["diff", ".", &address, "--json"]).exits(0);
    assert_eq!(rows(&answer), Vec::<String>::new());
    let asked = fs::read_to_string(context.path("bin/asked")).unwrap();
    assert!(asked.contains("BatchMode=yes"), "{asked}");
    assert!(asked.contains("-p 2222 -- me@host.example sh"), "{asked}");
    // Nobody looked at the disk there, but npm noted what it put there.
    let installed = format!("{address}/node_modules");
    let answer = run(&["diff", ".", &installed, "--json"]).exits(0);
    let kind = &answer.json()["environments"]["after"]["kind"];
    assert_eq!(kind, "npm's record of the installed tree");
    let nowhere = format!("{address}/nowhere");
    run(&["diff", ".", &nowhere])
        .exits(3)
        .says(&["error[ENOLOCK]"]);
    run(&["diff", ".", "ssh://-oProxyCommand=id/x"])
        .exits(2)
        .says(&["is no address of another machine"]);
}

#[test]
fn a_heatseal_on_the_other_machine_describes_its_disk() {
    let context = installed();
    let program = Path::new(env!("CARGO_BIN_EXE_heatseal")).parent().unwrap();
    let path = with_ssh(&context, &format!("{}:", program.display()));
    context.put("node_modules/a/index.js", "tampered()\n");
    let address = format!(
        "ssh://host.example{}/node_modules",
        context.project().display()
    );
    let run = |args: &[&str]| context.run_with(args, &[("PATH", &path)]);
    let answer = run(&["diff", ".", &address, "--json"]).exits(1);
    assert_eq!(rows(&answer), ["content a 1.0.0>1.0.0"]);
    assert_eq!(
        answer.json()["environments"]["after"]["kind"],
        "installed tree"
    );
}

/// Two versions of `lib`, locked in `one` and `two`.
fn two_versions() -> Context {
    let context = Context::new();
    let registry = Registry::new()
        .package("lib", "1.0.0")
        .file("index.js", "1", 0o644)
        .file("old.js", "", 0o644)
        .package("lib", "1.1.0")
        .manifest(json!({"scripts": {"postinstall": "node x.js"}, "bin": {"lib": "index.js"}}))
        .file("index.js", "22", 0o644)
        .file("build/lib.node", "\u{7f}ELF", 0o644);
    context.serve(&registry);
    for (folder, version) in [("one", "1.0.0"), ("two", "1.1.0")] {
        let manifest = json!({"name": "p", "dependencies": {"lib": version}});
        context.put(&format!("{folder}/package.json"), &manifest.to_string());
        context.run(&["-C", folder, "shrinkwrap"]).exits(0);
    }
    context
}

#[test]
fn contents_tell_what_differs_between_two_tarballs() {
    let context = two_versions();
    let answer = context
        .run(&["diff", "one", "two", "--json", "--contents", "lib"])
        .exits(1);
    let document = answer.json();
    schema::assert_valid("diff-1", &document);
    let contents = &document["changes"][0]["contents"];
    let files = contents["files"].as_array().unwrap().iter();
    let files: Vec<String> = files
        .map(|file| format!("{} {} {}", file["fate"], file["path"], file["binary"]))
        .collect();
    assert_eq!(
        files,
        [
            r#""added" "build/lib.node" true"#,
            r#""changed" "index.js" false"#,
            r#""removed" "old.js" false"#,
            r#""changed" "package.json" false"#,
        ]
    );
    assert_eq!(
        contents["scripts"],
        json!([{"name": "postinstall", "before": null, "after": "node x.js"}])
    );
    assert_eq!(contents["bins"][0]["name"], "lib");
    // The store knows the files now: sizes and binaries are told without being asked for.
    let answer = context.run(&["diff", "one", "two", "--json"]).exits(1);
    let change = &answer.json()["changes"][0];
    assert_eq!(change["class"], "install-script");
    assert_eq!(change["also"], json!(["native", "minor"]));
    assert!(change["after"]["size"].is_u64());
    let text = context
        .run(&["diff", "one", "two", "--contents"])
        .exits(1)
        .stdout;
    for line in [
        "+ script postinstall: node x.js",
        "+ build/lib.node (4 B, binary)",
        "- old.js",
    ] {
        assert!(text.contains(line), "{text}");
    }
    context
        .run(&["diff", "one", "two", "--contents", "other"])
        .exits(2)
        .says(&["`other` does not differ"]);
}

#[test]
fn contents_are_fetched_from_configured_registries_only() {
    let context = two_versions();
    let path = "two/npm-shrinkwrap.json";
    let mut document: Value = serde_json::from_str(&context.read(path)).unwrap();
    let entry = &mut document["packages"]["node_modules/lib"];
    entry["resolved"] = json!("https://elsewhere.example/lib/-/lib-1.1.0.tgz");
    context.put(path, &document.to_string());
    context
        .run(&[
            "diff",
            "one",
            "two",
            "--contents",
            "--registry",
            "https://registry.example/",
        ])
        .exits(1)
        .says(&["`lib@1.1.0` cannot be looked into", "elsewhere.example"]);
}

#[test]
fn markdown_folds_and_keeps_foreign_text_from_meaning_anything() {
    let context = two_locks();
    let packages = json!({
        "": {"name": "p", "dependencies": {"a": "*"}},
        "node_modules/a": {"version": "3.0.0|`<script>", "license": "@everyone"},
    });
    context.put("odd.json", &lock(&packages));
    let answer = context
        .run(&["diff", "new.json", "odd.json", "--format", "markdown"])
        .exits(1);
    let text = answer.stdout;
    assert!(text.starts_with("### "), "{text}");
    assert_eq!(
        text.matches("<details").count(),
        text.matches("</details>").count()
    );
    assert!(
        !text.contains("`<script>") && text.contains("\\|'<script>"),
        "{text}"
    );
}

#[test]
fn many_changes_still_fit_a_comment() {
    let context = Context::new();
    let many = |version: &str| {
        let mut packages = json!({"": {"name": "p"}});
        for at in 0..3000 {
            packages[format!("node_modules/package-{at}")] = json!({"version": version});
        }
        lock(&packages)
    };
    context.put("old.json", &many("1.0.0"));
    context.put("new.json", &many("2.0.0"));
    let answer = context
        .run(&["diff", "old.json", "new.json", "--format", "markdown"])
        .exits(1);
    assert!(answer.stdout.len() < 65_536, "{}", answer.stdout.len());
    assert!(answer.stdout.contains("and 2,940 more"));
}

#[test]
fn the_page_is_one_file_that_asks_for_nothing() {
    let context = two_locks();
    let hostile = json!({
        "": {"name": "p", "dependencies": {"a": "*"}},
        "node_modules/a": {"version": "</script><script>alert(1)</script>"},
    });
    context.put("odd.json", &lock(&hostile));
    context
        .run(&["diff", "new.json", "odd.json", "--output", "report.html"])
        .exits(1)
        .says(&["report.html written"]);
    let page = context.read("report.html");
    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("</script>").count(), 2, "{page}");
    for outside in ["src=", "href=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
