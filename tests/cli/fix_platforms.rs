//! `shrinkwrap --fix-platforms`: a lock that lacks members of a family, as npm/cli#4828 leaves it.

use registry_mock::Registry;
use serde_json::{Value, json};

use super::context::Context;

const MEMBERS: [&str; 3] = ["tool-linux-x64", "tool-darwin-arm64", "tool-win32-x64"];

/// A project with a family of three, whose lock knows one of them; and the whole lock.
fn cut(lockfile: &str) -> (Context, String) {
    let context = Context::with(
        &json!({"name": "p", "version": "1.0.0", "dependencies": {"tool": "1", "a": "1"}}),
    );
    let optional: Value = MEMBERS
        .iter()
        .map(|name| ((*name).to_owned(), json!("1.0.0")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mut registry = Registry::new()
        .package("tool", "1.0.0")
        .manifest(json!({"optionalDependencies": optional}));
    for name in MEMBERS {
        let mut words = name.split('-').skip(1);
        let (os, cpu) = (words.next().unwrap(), words.next().unwrap());
        registry = registry
            .package(name, "1.0.0")
            .manifest(json!({"os": [os], "cpu": [cpu]}));
    }
    context.serve(&registry);
    context
        .run(&["shrinkwrap", "--lockfile", lockfile])
        .exits(0);
    let whole = context.read(lockfile);
    let mut lock: Value = serde_json::from_str(&whole).unwrap();
    for name in &MEMBERS[1..] {
        lock["packages"]
            .as_object_mut()
            .unwrap()
            .shift_remove(&format!("node_modules/{name}"));
    }
    context.put(lockfile, &format!("{lock:#}\n"));
    (context, whole)
}

#[test]
fn the_lock_is_what_it_would_be_from_scratch() {
    for lockfile in ["npm-shrinkwrap.json", "package-lock.json"] {
        let (context, whole) = cut(lockfile);
        let answer = context.run(&["shrinkwrap", "--fix-platforms"]).exits(0);
        answer.says(&[
            "added 2 packages for other platforms, 0 versions moved",
            "tool-darwin-arm64@1.0.0",
        ]);
        assert_eq!(context.read(lockfile), whole);
        let again = context
            .run(&["shrinkwrap", "--fix-platforms", "--json"])
            .exits(0);
        let document = again.json();
        assert_eq!(document["fixedPlatforms"], json!({"added": [], "moved": 0}));
        assert_eq!(document["changed"], false);
    }
}

#[test]
fn an_older_version_that_the_lock_holds_stays() {
    let (context, whole) = cut("npm-shrinkwrap.json");
    let newer = Registry::new().package("a", "1.9.0");
    context.serve(&newer);
    context.run(&["shrinkwrap", "--fix-platforms"]).exits(0);
    assert_eq!(context.read("npm-shrinkwrap.json"), whole);
}

#[test]
fn what_would_change_more_is_refused_and_the_lock_stays() {
    let (context, _) = cut("npm-shrinkwrap.json");
    let before = context.read("npm-shrinkwrap.json");
    let manifest =
        json!({"name": "p", "version": "1.0.0", "dependencies": {"tool": "1", "a": "1", "d": "2"}});
    context.put("package.json", &format!("{manifest:#}\n"));
    let answer = context.run(&["shrinkwrap", "--fix-platforms"]).exits(3);
    answer.says(&[
        "cannot be completed without other changes",
        "node_modules/d would be added: it is required",
    ]);
    assert_eq!(context.read("npm-shrinkwrap.json"), before);
}

#[test]
fn there_has_to_be_a_lock() {
    let context = Context::with(&json!({"name": "p", "version": "1.0.0"}));
    context.run(&["shrinkwrap", "--fix-platforms"]).exits(3);
    assert!(!context.has("npm-shrinkwrap.json"));
}
