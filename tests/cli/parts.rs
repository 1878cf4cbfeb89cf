//! `--workspace` and what goes with it: only a part of the project is installed, as with npm 11.

use std::fs;

use registry_mock::Registry;
use serde_json::json;

use crate::context::Context;

/// The project needs `a` and, for development, `d`; workspace `one` needs `d` and another `b` than
/// `a` does; `two` needs `one`.
fn project() -> Context {
    let context = Context::with(&json!({
        "name": "p", "workspaces": ["packages/*"],
        "dependencies": {"a": "1.1.0"}, "devDependencies": {"d": "2"},
    }));
    context.serve(&Registry::new().package("b", "1.0.0").package("b", "2.0.0"));
    let one = json!({"name": "one", "version": "1.0.0", "dependencies": {"d": "2", "b": "2"}});
    let two = json!({"name": "@s/two", "version": "1.0.0", "dependencies": {"one": "*"}});
    context.put("packages/one/package.json", &one.to_string());
    context.put("packages/two/package.json", &two.to_string());
    context.run(&["shrinkwrap"]).exits(0);
    context
}

/// Which of the packages are there.
fn there(context: &Context) -> Vec<&'static str> {
    let all = [
        ("a", "node_modules/a"),
        ("b", "node_modules/b"),
        ("d", "node_modules/d"),
        ("one", "node_modules/one"),
        ("one's b", "packages/one/node_modules/b"),
        ("two", "node_modules/@s/two"),
    ];
    let there = all.into_iter().filter(|(_, path)| context.has(path));
    there.map(|(name, _)| name).collect()
}

#[test]
fn a_part_is_what_the_named_workspaces_lead_to() {
    let context = project();
    let everything = there_after(&context, &["ci"]);
    assert_eq!(everything, ["a", "b", "d", "one", "one's b", "two"]);
    for (flags, expected) in [
        (&["-w", "one"][..], &["d", "one", "one's b"][..]),
        (&["-w", "packages/one"], &["d", "one", "one's b"]),
        (&["-w", "@s/two"], &["d", "one", "one's b", "two"]),
        (&["-w", "packages"], &["d", "one", "one's b", "two"]),
        (&["-ws"], &["d", "one", "one's b", "two"]),
        (&["--no-workspaces"], &["a", "b", "d"]),
        (
            &["-w", "one", "--include-workspace-root"],
            &["a", "b", "d", "one", "one's b"],
        ),
    ] {
        let arguments = [&["ci"], flags].concat();
        assert_eq!(there_after(&context, &arguments), expected, "{flags:?}");
        context.run(&[&["verify"], flags].concat()).exits(0);
        let again = context.run(&arguments).exits(0);
        again.says(&["up to date"]);
    }
}

fn there_after(context: &Context, arguments: &[&str]) -> Vec<&'static str> {
    context.run(arguments).exits(0);
    there(context)
}

#[test]
fn the_hidden_lock_of_a_part_lists_the_part_alone() {
    let context = project();
    context.run(&["ci", "-w", "one"]).exits(0);
    let text = context.read("node_modules/.package-lock.json");
    let hidden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<&String> = hidden["packages"].as_object().unwrap().keys().collect();
    let expected = [
        "node_modules/d",
        "node_modules/one",
        "packages/one",
        "packages/one/node_modules/b",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn a_workspaces_folder_chooses_it_for_ci_and_not_for_install() {
    let context = project();
    let inside = context.project().join("packages/one");
    fs::create_dir(inside.join("src")).unwrap();
    for folder in [inside.join("src"), inside.clone()] {
        context.run_in(&folder, &["ci"], &[]).exits(0);
        assert_eq!(there(&context), ["d", "one", "one's b"]);
    }
    context.run_in(&inside, &["install"], &[]).exits(0);
    assert_eq!(there(&context), ["a", "b", "d", "one", "one's b", "two"]);
}

#[test]
fn a_workspace_that_is_not_there_is_a_mistake() {
    let context = project();
    context
        .run(&["ci", "-w", "three"])
        .exits(2)
        .says(&["there is no workspace `three`", "they are one, @s/two"]);
    context
        .run(&["ci", "-w", "one", "--no-workspaces"])
        .exits(2)
        .says(&["contradict"]);
    context
        .run(&["ci", "-w", "one", "--install-strategy=linked"])
        .exits(2)
        .says(&["as a whole"]);
    assert!(!context.has("node_modules"));
}

#[test]
fn without_package_json_a_lock_is_not_installed() {
    let context = Context::new();
    context.put(
        "package-lock.json",
        r#"{"lockfileVersion": 3, "packages": {}}"#,
    );
    context
        .run(&["ci"])
        .exits(2)
        .says(&["error[ENOENT]: there is no package.json in "]);
    assert!(!context.has("node_modules"));
}
