//! Mistakes in the command line and in configuration: exit 2, what is wrong, what to do.

use serde_json::json;

use crate::context::Context;

#[test]
fn a_flag_that_does_not_exist_is_a_usage_error_with_a_suggestion() {
    Context::new()
        .run(&["shrinkwrap", "--chek"])
        .exits(2)
        .says(&["error[EUSAGE]: unexpected argument '--chek'", "--check"]);
}

#[test]
fn without_a_verb_there_is_help_and_exit_2() {
    let answer = Context::new().run(&[]).exits(2);
    assert!(answer.stderr.contains("Usage:"), "{}", answer.stderr);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    Context::new()
        .run(&["shrinkwrap", "--check", "--dry-run"])
        .exits(2)
        .says(&["EUSAGE"]);
}

#[test]
fn installing_by_name_is_refused_with_the_way_to_do_it() {
    let context = Context::with(&json!({"name": "p"}));
    let before = context.listing();
    context.run(&["install", "a"]).exits(2).says(&[
        "error[EUSAGE]:",
        "`a`",
        "hint: write the dependency into package.json",
    ]);
    assert_eq!(context.listing(), before);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    Context::new()
        .run(&["-C", "nowhere", "shrinkwrap"])
        .exits(2)
        .says(&["error[ENOENT]:", "`nowhere`", "hint: "]);
}

#[test]
fn a_lock_outside_the_project_is_refused() {
    Context::new()
        .run(&["shrinkwrap", "--lockfile", "../lock.json"])
        .exits(2);
}

#[test]
fn a_registry_that_is_no_url_is_refused() {
    Context::with(&json!({"name": "p"}))
        .run(&["shrinkwrap", "--registry", "gopher://x/"])
        .exits(2)
        .says(&["error[EINVALIDURL]:", "gopher"]);
}

#[test]
fn credentials_without_a_registry_are_refused_and_not_shown() {
    let context = Context::with(&json!({"name": "p"}));
    context.put(".npmrc", "_authToken=s3cret\n");
    let answer = context
        .run(&["shrinkwrap"])
        .exits(2)
        .says(&["ERR_INVALID_AUTH"]);
    assert!(!answer.stderr.contains("s3cret"));
}

#[test]
fn what_a_projects_npmrc_may_not_set_is_named_and_not_used() {
    let shell = "#!/bin/sh\ntouch ran\n";
    let manifest = json!({"name": "p", "scripts": {"postinstall": "touch right"}});
    let context = Context::with(&manifest);
    context.put("shell.sh", shell);
    context.put(
        ".npmrc",
        "script-shell=./shell.sh\nstrict-ssl=false\ntag=next\n",
    );
    let answer = context.run(&["install"]).exits(0);
    answer.says(&["warning[EPROJECTCONFIG]", "`script-shell`, `strict-ssl`"]);
    assert!(context.has("right") && !context.has("ran"));

    context.put(".npmrc", "registry=http://127.0.0.1:1/${HOME}/\n");
    let answer = context.run(&["shrinkwrap"]).exits(2);
    answer.says(&["error[EINVALIDCONFIG]", "`registry`", "variable", "hint: "]);
}

#[test]
fn a_failure_is_json_where_json_was_asked_for() {
    let answer = Context::new()
        .run(&["-C", "nowhere", "shrinkwrap", "--json"])
        .exits(2);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "ENOENT");
    assert_eq!(error["exit"], 2);
}

#[test]
fn the_store_is_where_flag_or_environment_say() {
    let context = Context::new();
    let by_environment = context.run(&["store", "path"]).exits(0);
    assert_eq!(
        by_environment.stdout,
        format!("{}\n", context.path("store").display())
    );
    let by_flag = context
        .run(&["store", "path", "--store-dir", "/elsewhere"])
        .exits(0);
    assert_eq!(by_flag.stdout, "/elsewhere\n");
    let by_cache = context.run_with(
        &["store", "path"],
        &[("HEATSEAL_STORE_DIR", ""), ("XDG_CACHE_HOME", "/c")],
    );
    assert_eq!(by_cache.exits(0).stdout, "/c/heatseal\n");
}

#[test]
fn colours_come_only_when_forced_where_there_is_no_terminal() {
    let context = Context::new();
    let args = ["-C", "nowhere", "store", "path"];
    assert!(!context.run(&args).stderr.contains('\x1b'));
    assert!(
        context
            .run_with(&args, &[("CLICOLOR_FORCE", "1")])
            .stderr
            .contains('\x1b')
    );
    let both = context.run_with(&args, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!both.stderr.contains('\x1b'));
}

#[test]
fn a_date_that_is_none_is_refused() {
    let context = Context::with(&json!({"name": "p"}));
    for args in [
        &["shrinkwrap", "--before", "nonsense"][..],
        &["shrinkwrap", "--min-release-age", "2y"],
    ] {
        let answer = context.run(args).exits(2);
        assert!(answer.stderr.starts_with("error[E"), "{}", answer.stderr);
    }
}

#[test]
fn flags_that_people_paste_from_npm_are_taken() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1.0.0"}}));
    context.run(&["shrinkwrap"]).exits(0);
    for flags in [
        &["--cache", ".npm", "--prefer-offline", "--no-audit"][..],
        &["--no-color", "-d", "--yes", "--timing", "--unsafe-perm"],
        &["--verbose", "--no-progress", "--location=project"],
        &["--build-from-source=a", "--strict-ssl=false", "-s"],
        &["--script-shell", "sh", "--node-options=--no-warnings"],
    ] {
        let answer = context.run(&[&["ci"], flags].concat()).exits(0);
        assert_eq!(answer.stderr.is_empty(), flags.contains(&"-s"), "{flags:?}");
    }
    let project = context.project();
    let prefix = ["--prefix", project.to_str().unwrap()];
    context
        .run_in(&context.path("home"), &[&["ci"], &prefix[..]].concat(), &[])
        .exits(0);
}
