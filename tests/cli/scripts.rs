//! Whose install scripts run: those that somebody allowed, all, or nobody's.

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::Context;

/// `marks` and `marks-too` leave a file when their scripts run; `quiet` has a script that the lock
/// will be made to deny; `builds` has a `binding.gyp`.
fn registry() -> Registry {
    let marks = json!({"scripts": {"postinstall": "echo yes > ran"}});
    Registry::new()
        .package("marks", "1.0.0")
        .manifest(marks.clone())
        .package("marks-too", "2.0.0")
        .manifest(marks)
        .package("plain", "1.0.0")
        .manifest(json!({"scripts": {"prepare": "exit 1", "test": "exit 1"}}))
        .package("builds", "1.0.0")
        .file("binding.gyp", "{}", 0o644)
        .package("wraps", "1.0.0")
        .manifest(json!({"dependencies": {"inner": "1"}, "bundleDependencies": ["inner"]}))
        .file(
            "node_modules/inner/package.json",
            r#"{"name": "inner", "version": "1.0.0", "scripts": {"install": "echo yes > ran"}}"#,
            0o644,
        )
}

fn locked(manifest: &Value) -> Context {
    let context = Context::with(manifest);
    context.serve(&registry());
    context.run(&["shrinkwrap"]).exits(0);
    context
}

#[test]
fn needed_script_not_allowed() {
    let context = locked(&json!({
        "name": "p", "dependencies": {"marks": "1", "marks-too": "2", "plain": "1"},
    }));
    let before = context.listing();
    context.run(&["ci"]).exits(6).says(&[
        "error[EALLOWSCRIPTS]: 2 packages may not run the install scripts that they need",
        "marks@1.0.0  postinstall: echo yes > ran",
        "marks-too@2.0.0  postinstall: echo yes > ran",
        r#"package.json: "heatseal": {"allowScripts": {"marks-too@2.0.0": true, "marks@1.0.0": true}}"#,
    ]);
    assert_eq!(context.listing(), before);
    let lock = context.read("npm-shrinkwrap.json");
    context.put("package.json", r#"{"name": "p", "dependencies": {"marks": "1", "marks-too": "2", "plain": "1"}, "heatseal": {"allowScripts": {"marks-too@2.0.0": true, "marks@1.0.0": true}}}"#);
    context.run(&["ci"]).exits(0).says(&["2 scripts run"]);
    assert!(context.has("node_modules/marks/ran") && context.has("node_modules/marks-too/ran"));
    assert_eq!(context.read("npm-shrinkwrap.json"), lock);
}

#[test]
fn a_tree_that_is_there_outlives_a_refused_script() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1"}}));
    context.serve(&registry());
    context.run(&["install"]).exits(0);
    context.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"a": "1", "marks": "1"}}"#,
    );
    context.run(&["install"]).exits(6);
    assert!(context.has("node_modules/a") && !context.has("node_modules/marks"));
}

#[test]
fn what_is_denied_installs_without_its_script() {
    let context = locked(&json!({
        "name": "p", "dependencies": {"marks": "1", "marks-too": "2"},
        "allowScripts": {"marks": false},
        "heatseal": {"allowScripts": {"marks-too": true}},
    }));
    context.run(&["ci"]).exits(0).says(&["1 script run"]);
    assert!(context.has("node_modules/marks/package.json"));
    assert!(!context.has("node_modules/marks/ran") && context.has("node_modules/marks-too/ran"));
}

#[test]
fn the_line_to_add_fits_rules_that_are_there() {
    let context = locked(&json!({
        "name": "p", "dependencies": {"marks": "1", "marks-too": "2"},
        "heatseal": {"allowScripts": {"marks": true}},
    }));
    context.run(&["ci"]).exits(6).says(&[
        "`marks-too@2.0.0` may not run",
        r#"heatseal.allowScripts in package.json: "marks-too@2.0.0": true"#,
    ]);
}

#[test]
fn the_command_line_allows_npm_11_runs_all_and_ignoring_runs_none() {
    let context = locked(&json!({"name": "p", "dependencies": {"marks": "1", "marks-too": "2"}}));
    for (args, ran) in [
        (&["ci", "--allow-scripts", "marks,marks-too"][..], true),
        (&["ci", "--ignore-scripts"], false),
        (&["ci", "--scripts", "npm"], true),
        (&["ci", "--scripts=npm", "--ignore-scripts"], false),
    ] {
        context.run(args).exits(0);
        for name in ["marks", "marks-too"] {
            let file = format!("node_modules/{name}/ran");
            assert_eq!(context.has(&file), ran, "{args:?}");
        }
    }
    context
        .run(&["ci", "--allow-scripts", "marks@1.0.0"])
        .exits(6);
}

#[test]
fn a_lock_that_hides_a_script_does_not_hide_it_from_the_policy() {
    let context = locked(&json!({"name": "p", "dependencies": {"marks": "1"}}));
    let lock = context.read("npm-shrinkwrap.json");
    let lock = lock.replace("\"hasInstallScript\": true,", "");
    context.put("npm-shrinkwrap.json", &lock);
    context.run(&["ci"]).exits(6).says(&["marks@1.0.0"]);
    context.run(&["ci", "--allow-scripts", "marks"]).exits(0);
    assert!(context.has("node_modules/marks/ran"));
}

#[test]
fn a_binding_gyp_is_a_script() {
    let context = locked(&json!({"name": "p", "dependencies": {"builds": "1"}}));
    context
        .run(&["ci"])
        .exits(6)
        .says(&["builds@1.0.0  install: node-gyp rebuild"]);
}

#[test]
fn an_optional_package_that_needs_its_script_is_not_skipped_silently() {
    let context = locked(&json!({"name": "p", "optionalDependencies": {"marks": "1"}}));
    context.run(&["ci"]).exits(6).says(&["marks@1.0.0"]);
}

#[test]
fn a_bundled_packages_script_is_its_bundlers_to_allow() {
    let context = locked(&json!({"name": "p", "dependencies": {"wraps": "1"}}));
    context
        .run(&["ci"])
        .exits(6)
        .says(&["inner@1.0.0  install: ", r#"{"wraps@1.0.0": true}"#]);
    context.run(&["ci", "--allow-scripts", "wraps"]).exits(0);
    assert!(context.has("node_modules/wraps/node_modules/inner/ran"));
}

#[test]
fn permission_follows_the_lock_and_not_the_name_in_the_tarball() {
    let context = locked(&json!({"name": "p", "dependencies": {"marks-too": "npm:marks@1"}}));
    context
        .run(&["ci", "--allow-scripts", "marks-too"])
        .exits(6);
    context.run(&["ci", "--allow-scripts", "marks"]).exits(0);
}

#[test]
fn scripts_do_not_run_for_another_platform() {
    let context = locked(&json!({"name": "p", "dependencies": {"marks": "1"}}));
    let foreign = ["ci", "--target", "win32-x64", "--allow-scripts", "marks"];
    context
        .run(&foreign)
        .exits(6)
        .says(&["marks@1.0.0", "the tree is for win32-x64"]);
    context
        .run(&["ci", "--target", "win32-x64", "--ignore-scripts"])
        .exits(0);
    assert!(context.has("node_modules/marks") && !context.has("node_modules/marks/ran"));
}

#[test]
fn a_script_that_rewrites_a_neighbour_is_found_out() {
    let edits = [
        ("in place", "echo evil >> ../a/index.js", "changed"),
        ("anew", "echo evil > x; mv x ../a/index.js", "changed"),
        ("mode", "chmod 777 ../a/index.js", "changed"),
        ("away", "rm ../a/index.js", "gone"),
        ("and fails", "echo evil > ../a/index.js; exit 1", "changed"),
    ];
    for (how, edit, what) in edits {
        let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1.1.0"}}));
        context.serve(&Registry::new().package("evil", "1.0.0").manifest(json!({
            "scripts": {"postinstall": edit},
        })));
        context.run(&["install"]).exits(0);
        context.put(
            "package.json",
            r#"{"name": "p", "dependencies": {"a": "1.1.0", "evil": "1"}}"#,
        );
        let answer = context.run(&["install", "--allow-scripts", "evil"]);
        answer.exits(4).says(&[
            "error[EINTEGRITY]: `node_modules/a/index.js` of `a@1.1.0` was",
            what,
            "after the install scripts of `evil@1.0.0`",
        ]);
        assert!(!context.has("node_modules/evil"), "{how}");
        let former = "module.exports = 'a 1.1.0'\n";
        assert_eq!(context.read("node_modules/a/index.js"), former, "{how}");
        context.run(&["install", "--ignore-scripts"]).exits(0);
        assert_eq!(context.read("node_modules/a/index.js"), former, "{how}");
        context.run(&["verify"]).exits(0);
    }
}

#[test]
fn a_script_may_change_its_own_folder_and_add_its_own_elsewhere() {
    let own = "echo more >> index.js; mkdir -p ../.cache/x; echo x > ../.cache/x/y; ln ../a/index.js linked";
    let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1", "good": "1"}}));
    let good = Registry::new()
        .package("good", "1.0.0")
        .manifest(json!({"scripts": {"install": own}}))
        .file("index.js", "one\n", 0o644);
    context.serve(&good);
    let answer = context.run(&["install", "--allow-scripts", "good"]);
    answer.exits(0);
    assert_eq!(context.read("node_modules/good/index.js"), "one\nmore\n");
}

#[test]
fn a_version_is_allowed_also_where_the_lock_names_no_address() {
    let context = Context::with(&json!({
        "name": "p",
        "dependencies": {"quiet-script": "1.0.0"},
        "heatseal": {"allowScripts": {"quiet-script@1.0.0": true}},
    }));
    context.serve(
        &Registry::new()
            .package("quiet-script", "1.0.0")
            .manifest(json!({"scripts": {"install": "exit 0"}})),
    );
    context.put(".npmrc", "omit-lockfile-registry-resolved=true\n");
    context.run(&["shrinkwrap"]).exits(0);
    assert!(!context.read("npm-shrinkwrap.json").contains("resolved"));
    context.run(&["ci"]).exits(0).says(&["1 script run"]);
}
