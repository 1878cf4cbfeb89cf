//! `heatseal shrinkwrap`: what it writes, what it leaves alone, how it fails.

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::Context;

const LOCK: &str = "npm-shrinkwrap.json";

fn wants_a() -> Context {
    Context::with(&json!({"name": "p", "version": "1.0.0", "dependencies": {"a": "^1.0.0"}}))
}

fn locked_version(context: &Context, name: &str) -> Value {
    let lock: Value = serde_json::from_str(&context.read(LOCK)).unwrap();
    lock["packages"][format!("node_modules/{name}")]["version"].clone()
}

#[test]
fn the_lock_is_written_and_the_closing_line_counts() {
    let context = wants_a();
    context
        .run(&["shrinkwrap"])
        .exits(0)
        .says(&["locked 2 packages in ", "(npm-shrinkwrap.json written)"]);
    assert_eq!(locked_version(&context, "a"), "1.1.0");
    assert_eq!(context.listing(), [LOCK, "package.json"]);
}

#[test]
fn locking_twice_leaves_the_file_untouched() {
    let context = wants_a();
    context.run(&["shrinkwrap"]).exits(0);
    let (text, time) = (context.read(LOCK), context.modified(LOCK));
    context.run(&["shrinkwrap"]).exits(0).says(&["unchanged"]);
    assert_eq!((context.read(LOCK), context.modified(LOCK)), (text, time));
}

#[test]
fn check_exits_1_with_the_differences_and_writes_nothing() {
    let context = wants_a();
    let answer = context.run(&["shrinkwrap", "--check"]).exits(1);
    assert!(answer.stdout.contains("1.1.0"), "{}", answer.stdout);
    assert!(!context.has(LOCK));
    context.run(&["shrinkwrap"]).exits(0);
    context.run(&["shrinkwrap", "--check"]).exits(0);
}

#[test]
fn a_dry_run_shows_the_same_and_exits_0() {
    let context = wants_a();
    let answer = context.run(&["shrinkwrap", "--dry-run"]).exits(0);
    assert!(answer.stdout.contains("1.1.0"), "{}", answer.stdout);
    assert!(!context.has(LOCK));
}

#[test]
fn what_is_locked_stays_until_update_names_it() {
    let context = wants_a();
    context
        .run(&["shrinkwrap", "--before", "1970-01-01T00:00:00Z"])
        .exits(9);
    context.run(&["shrinkwrap"]).exits(0);
    context.serve(
        &Registry::new()
            .package("a", "1.1.0")
            .package("a", "1.2.0")
            .package("b", "1.0.0")
            .package("b", "1.5.0"),
    );
    context.run(&["shrinkwrap", "--prefer-online"]).exits(0);
    assert_eq!(locked_version(&context, "a"), "1.1.0");
    context
        .run(&["shrinkwrap", "--prefer-online", "--update", "b"])
        .exits(0);
    assert_eq!(locked_version(&context, "a"), "1.1.0");
    assert_eq!(locked_version(&context, "b"), "1.5.0");
    context
        .run(&["shrinkwrap", "--prefer-online", "--update"])
        .exits(0);
    assert_eq!(locked_version(&context, "a"), "1.2.0");
}

#[test]
fn the_lock_has_the_name_that_was_asked_for() {
    let context = wants_a();
    context
        .run(&["shrinkwrap", "--lockfile", "package-lock.json"])
        .exits(0);
    assert_eq!(context.listing(), ["package-lock.json", "package.json"]);
}

#[test]
fn npms_pasted_flags_change_nothing() {
    let (plain, pasted) = (wants_a(), wants_a());
    plain.run(&["shrinkwrap"]).exits(0);
    let flags = [
        "shrinkwrap",
        "--package-lock-only",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ];
    pasted.run(&flags).exits(0);
    assert_eq!(plain.read(LOCK), pasted.read(LOCK));
}

#[test]
fn quiet_prints_nothing() {
    let answer = wants_a().run(&["shrinkwrap", "--quiet"]).exits(0);
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
}

#[test]
fn json_sums_up_on_standard_output() {
    let document = wants_a().run(&["shrinkwrap", "--json"]).exits(0).json();
    assert_eq!(document["version"], 1);
    assert_eq!(document["packages"], 2);
    assert_eq!(document["changed"], true);
    assert_eq!(document["changes"]["summary"]["added"], 2);
}

#[test]
fn a_broken_manifest_is_named_and_the_lock_stays() {
    let context = wants_a();
    context.run(&["shrinkwrap"]).exits(0);
    let before = context.read(LOCK);
    context.put("package.json", "{\"name\": ");
    context.run(&["shrinkwrap"]).exits(2).says(&[
        "error[EJSONPARSE]:",
        "package.json",
        "caused by: line 1",
        "hint: ",
    ]);
    assert_eq!(context.read(LOCK), before);
}

#[test]
fn a_package_that_the_registry_lacks_is_e404_with_the_way_to_it() {
    let context = Context::with(
        &json!({"name": "p", "version": "1.0.0", "dependencies": {"wants-missing": "1"}}),
    );
    context.run(&["shrinkwrap"]).exits(7).says(&[
        "error[E404]:",
        "not-there",
        "required by: ",
        "wants-missing@1.0.0",
    ]);
    assert!(!context.has(LOCK));
}

#[test]
fn a_range_that_nothing_satisfies_is_etarget() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"a": "^9.0.0"}}));
    context
        .run(&["shrinkwrap"])
        .exits(9)
        .says(&["error[ETARGET]:", "a@^9.0.0"]);
}

#[test]
fn a_peer_conflict_is_eresolve() {
    let context =
        Context::with(&json!({"name": "p", "dependencies": {"a": "1.0.0", "wants-a-1-1": "1"}}));
    let peer = json!({"peerDependencies": {"a": "1.1.0"}});
    context.serve(
        &Registry::new()
            .package("wants-a-1-1", "1.0.0")
            .manifest(peer),
    );
    context
        .run(&["shrinkwrap"])
        .exits(9)
        .says(&["error[ERESOLVE]:", "hint: "]);
    assert!(!context.has(LOCK));
    context.run(&["shrinkwrap", "--legacy-peer-deps"]).exits(0);
}

#[test]
fn a_workspace_s_folder_leads_to_the_project_s_lock() {
    let context = Context::with(&json!({"name": "p", "workspaces": ["packages/*"]}));
    context.put(
        "packages/w/package.json",
        r#"{"name": "w", "version": "1.0.0", "dependencies": {"a": "1"}}"#,
    );
    context
        .run_in(&context.project().join("packages/w"), &["shrinkwrap"], &[])
        .exits(0);
    assert!(context.has(LOCK));
    assert!(!context.has("packages/w/npm-shrinkwrap.json"));
}

#[test]
fn packages_bound_to_a_platform_are_listed_at_the_end() {
    let context = Context::with(
        &json!({"name": "p", "optionalDependencies": {"elsewhere": "1"}, "dependencies": {"scripted": "1"}}),
    );
    context.run(&["shrinkwrap"]).exits(0).says(&[
        "bound to a platform (2):",
        "elsewhere@1.0.0",
        "scripted@1.0.0",
        "install script",
    ]);
}
