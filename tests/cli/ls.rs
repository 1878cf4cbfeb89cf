//! `heatseal ls`: what `npm ls --package-lock-only` prints. Expectations are npm 11.19.1's own.

use serde_json::{Value, json};

use crate::context::Context;

fn project(manifest: &Value, packages: &Value) -> Context {
    let context = Context::new();
    let lock = json!({"name": "p", "lockfileVersion": 3, "requires": true, "packages": packages});
    context.put("package.json", &manifest.to_string());
    context.put("package-lock.json", &lock.to_string());
    context
}

/// Everything that a line can say: deduped, invalid, extraneous, unmet, linked, aliased.
fn everything() -> Context {
    let wants = json!({"a": "^1.0.0", "alias": "npm:real@1", "gone": "^3.0.0", "old": "^2.0.0"});
    let manifest = json!({
        "name": "p",
        "version": "1.0.0",
        "workspaces": ["packages/*"],
        "dependencies": wants,
        "devDependencies": {"d": "*"},
        "optionalDependencies": {"maybe": "1"},
    });
    let context = project(
        &manifest,
        &json!({
            "": manifest,
            "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "^1.0.0"}},
            "node_modules/alias": {"name": "real", "version": "1.0.0"},
            "node_modules/b": {"version": "1.0.0", "dependencies": {"a": "*"}},
            "node_modules/d": {"version": "1.0.0", "dev": true, "dependencies": {"b": "^2.0.0"}},
            "node_modules/old": {"version": "1.0.0"},
            "node_modules/stray": {"version": "1.0.0", "extraneous": true},
            "node_modules/w": {"resolved": "packages/w", "link": true},
            "packages/w": {"version": "1.0.0", "dependencies": {"b": "1"}},
        }),
    );
    context.put(
        "packages/w/package.json",
        &json!({"name": "w", "version": "1.0.0", "dependencies": {"b": "1"}}).to_string(),
    );
    context
}

#[test]
fn the_tree_has_npms_marks_and_problems_exit_1() {
    let context = everything();
    let answer = context.run(&["ls", "--all"]).exits(1);
    let (head, tree) = answer.stdout.split_once('\n').unwrap();
    assert_eq!(
        head,
        format!(
            "p@1.0.0 {}",
            context.project().canonicalize().unwrap().display()
        )
    );
    assert_eq!(
        tree,
        "\
├─┬ a@1.0.0
│ └─┬ b@1.0.0 invalid: \"^2.0.0\" from node_modules/d
│   └── a@1.0.0 deduped
├── alias@npm:real@1.0.0
├─┬ d@1.0.0
│ └── b@1.0.0 deduped invalid: \"^2.0.0\" from node_modules/d
├── UNMET DEPENDENCY gone@^3.0.0
├── UNMET OPTIONAL DEPENDENCY maybe@1
├── old@1.0.0 invalid: \"^2.0.0\" from the root project
├── stray@1.0.0 extraneous
└─┬ w@1.0.0 -> ./packages/w
  └── b@1.0.0 deduped invalid: \"^2.0.0\" from node_modules/d
"
    );
    answer.says(&[
        "error[ELSPROBLEMS]: package-lock.json does not give what is asked for",
        "  missing: gone@^3.0.0, required by p@1.0.0",
        "  invalid: b@1.0.0 ",
        "  extraneous: stray@1.0.0 ",
    ]);
}

#[test]
fn names_show_what_leads_to_them_and_exit_1_when_there_are_none() {
    let context = everything();
    let answer = context.run(&["ls", "alias", "old@^1"]);
    let tree: Vec<&str> = answer.stdout.lines().skip(1).collect();
    assert_eq!(
        tree,
        [
            "├── alias@npm:real@1.0.0",
            "└── old@1.0.0 invalid: \"^2.0.0\" from the root project"
        ]
    );
    let answer = context.run(&["ls", "old@^3"]).exits(1);
    assert!(
        answer.stdout.ends_with("└── (empty)\n"),
        "{}",
        answer.stdout
    );
    context.run(&["ls", "no name"]).exits(2).says(&["EUSAGE"]);
}

#[test]
fn depth_and_omit_leave_out() {
    let context = everything();
    let lines = |args: &[&str]| context.run(args).stdout.lines().count();
    // The workspace's own dependencies count as the project's.
    assert_eq!(lines(&["ls"]), 1 + 8 + 1);
    assert_eq!(lines(&["ls", "--omit", "dev,optional"]), 1 + 6 + 1);
    assert_eq!(lines(&["ls", "--depth", "1"]), 1 + 8 + 3);
    let env = [("NODE_ENV", "production")];
    let production = context.run_with(&["ls"], &env).stdout;
    assert!(!production.contains("─ d@1.0.0"), "{production}");
}

#[test]
fn json_is_npms_tree_in_a_versioned_document() {
    let document = everything().run(&["ls", "--all", "--json"]).exits(1).json();
    assert_eq!(document["version"], 1);
    assert_eq!(document["lock"], "package-lock.json");
    let tree = &document["tree"];
    assert_eq!(tree["name"], "p");
    let w = json!({
        "version": "1.0.0",
        "resolved": "file:../packages/w",
        "overridden": false,
        "dependencies": {"b": {
            "version": "1.0.0",
            "invalid": "\"^2.0.0\" from node_modules/d",
            "problems": [tree["dependencies"]["w"]["dependencies"]["b"]["problems"][0]],
        }},
    });
    assert_eq!(tree["dependencies"]["w"], w);
    let gone = &tree["dependencies"]["gone"];
    assert_eq!(gone["required"], "^3.0.0");
    assert_eq!(gone["missing"], true);
    assert_eq!(tree["dependencies"]["maybe"], json!({}));
    assert_eq!(document["problems"].as_array().map(Vec::len), Some(4));
}

#[test]
fn an_extraneous_package_alone_is_no_failure_and_an_override_is_marked() {
    let manifest = json!({
        "name": "p",
        "version": "1.0.0",
        "dependencies": {"a": "1"},
        "overrides": {"b": "2.0.0"},
    });
    let context = project(
        &manifest,
        &json!({
            "": manifest,
            "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "^1.0.0"}},
            "node_modules/b": {"version": "2.0.0"},
            "node_modules/stray": {"version": "1.0.0"},
        }),
    );
    let answer = context.run(&["ls", "--all"]).exits(0);
    let tree: Vec<&str> = answer.stdout.lines().skip(1).collect();
    assert_eq!(
        tree,
        [
            "├─┬ a@1.0.0",
            "│ └── b@2.0.0 overridden",
            "└── stray@1.0.0 extraneous"
        ]
    );
}

#[test]
fn a_project_without_a_lock_exits_3() {
    let context = Context::new();
    context.put("package.json", "{}");
    context.run(&["ls"]).exits(3).says(&["error[ENOLOCK]:"]);
}
