//! `heatseal why`: chains, places, limits, what is not there; the JSON is held by a schema.

use serde_json::{Value, json};

use crate::context::Context;

fn with_lock(packages: &Value) -> Context {
    let context = Context::new();
    let lock = json!({"name": "p", "lockfileVersion": 3, "requires": true, "packages": packages});
    context.put("package.json", "{\"name\": \"p\"}");
    context.put("package-lock.json", &lock.to_string());
    context
}

fn two_copies() -> Context {
    with_lock(&json!({
        "": {"name": "p", "dependencies": {"a": "^1", "c": "^1"}, "devDependencies": {"d": "*"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "^1"}},
        "node_modules/b": {"version": "1.5.0"},
        "node_modules/c": {"version": "1.0.0", "optionalDependencies": {"b": "^2"}},
        "node_modules/c/node_modules/b": {"version": "2.0.0", "optional": true},
        "node_modules/d": {"version": "1.0.0", "dev": true, "dependencies": {"c": "*"}},
    }))
}

#[test]
fn every_copy_is_a_paragraph_with_its_place_and_its_chains() {
    let answer = two_copies().run(&["why", "b"]).exits(0);
    assert_eq!(
        answer.stdout,
        "b@1.5.0  node_modules/b\n  \
         at the top: nothing there minds, so that all below can share it\n  \
         p › a@1.0.0 › b@1.5.0 (^1)\n\
         \n\
         b@2.0.0  node_modules/c/node_modules/b  optional\n  \
         inside c@1.0.0: further up is b@1.5.0 at node_modules/b, for a@1.0.0 (^1)\n  \
         p › c@1.0.0 › optional b@2.0.0 (^2)\n  \
         p › dev d@1.0.0 › c@1.0.0 › optional b@2.0.0 (^2)\n"
    );
    assert_eq!(answer.stderr, "2 copies of b\n");
}

#[test]
fn a_limit_is_told_with_what_it_hides() {
    let packages = json!({
        "": {"dependencies": {"x": "1", "y": "1", "z": "1"}},
        "node_modules/b": {"version": "1.0.0"},
        "node_modules/x": {"version": "1.0.0", "dependencies": {"b": "1"}},
        "node_modules/y": {"version": "1.0.0", "dependencies": {"b": "1"}},
        "node_modules/z": {"version": "1.0.0", "dependencies": {"b": "1"}},
    });
    let context = with_lock(&packages);
    let answer = context.run(&["why", "b", "--limit", "1"]).exits(0);
    let last = answer.stdout.lines().last().unwrap();
    assert_eq!(
        last,
        "  1 of 3 chains are shown; 2 dependents more: y@1.0.0, z@1.0.0; --limit N or --all shows more"
    );
    let all = context.run(&["why", "b", "--all"]).exits(0);
    assert_eq!(all.stdout.lines().count(), 5);
}

#[test]
fn a_graph_with_a_billion_ways_is_answered_at_once() {
    let mut packages = json!({"": {"dependencies": {"l0": "*", "r0": "*"}}});
    for level in 0..30 {
        let next = match level {
            29 => json!({"end": "*"}),
            _ => json!({format!("l{}", level + 1): "*", format!("r{}", level + 1): "*"}),
        };
        for side in ["l", "r"] {
            packages[format!("node_modules/{side}{level}")] =
                json!({"version": "1.0.0", "dependencies": next});
        }
    }
    packages["node_modules/end"] = json!({"version": "1.0.0"});
    let answer = with_lock(&packages).run(&["why", "end"]).exits(0);
    assert_eq!(answer.stdout.lines().count(), 2 + 10 + 1);
    assert!(
        answer
            .stdout
            .contains("10 of 1,073,741,824 chains are shown"),
        "{}",
        answer.stdout
    );
}

#[test]
fn a_package_that_is_not_locked_exits_1_with_what_was_perhaps_meant() {
    let context = with_lock(&json!({
        "": {"dependencies": {"lodash": "*"}},
        "node_modules/lodash": {"version": "4.17.21"},
    }));
    context.run(&["why", "lodahs"]).exits(1).says(&[
        "error[ENOTLOCKED]: `lodahs` is not in package-lock.json",
        "did you mean lodash?",
    ]);
    context
        .run(&["why", "lodash@3"])
        .exits(1)
        .says(&["hint: it has 4.17.21"]);
    context
        .run(&["why", "no name"])
        .exits(2)
        .says(&["error[EUSAGE]:"]);
    context.run(&["why"]).exits(2);
    let answer = context.run(&["why", "lodahs", "--json"]).exits(1);
    assert_eq!(answer.json()["similar"], json!(["lodash"]));
}

#[test]
fn another_lock_can_be_named_and_no_lock_exits_3() {
    let context = two_copies();
    context.put("elsewhere/package.json", "{}");
    context
        .run(&["-C", "elsewhere", "why", "b"])
        .exits(3)
        .says(&["error[ENOLOCK]:"]);
    context
        .run(&[
            "-C",
            "elsewhere",
            "why",
            "b",
            "--lock",
            "../package-lock.json",
        ])
        .exits(0);
    context
        .run(&["why", "b", "--lock", "nowhere.json"])
        .exits(2)
        .says(&["error[ENOENT]:"]);
}

#[test]
fn nothing_in_a_lock_reaches_the_terminal_raw() {
    let context = with_lock(&json!({
        "": {"dependencies": {"a": "1\u{1b}[2J"}},
        "node_modules/a": {"version": "1.0.0\u{1b}]0;x\u{7}"},
    }));
    let answer = context.run(&["why", "a"]).exits(0);
    assert!(
        !answer.stdout.contains(['\u{1b}', '\u{7}']),
        "{:?}",
        answer.stdout
    );
}

#[test]
fn the_json_is_what_its_schema_says() {
    let schema = include_str!("../../fixtures/schemas/why.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let context = two_copies();
    for query in ["b", "a", "b@^9", "node_modules/d"] {
        let answer = context.run(&["why", query, "--json"]);
        let document = answer.json();
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{query}: {errors:#?}");
    }
    let document = context.run(&["why", "b", "--json"]).exits(0).json();
    assert_eq!(document["copies"][1]["place"]["reason"], "conflict");
    assert_eq!(document["copies"][1]["place"]["in"], "node_modules/c");
    assert_eq!(document["copies"][1]["chains"][0][1]["kind"], "optional");
    assert_eq!(document["copies"][1]["chainsTotal"], 2);
    // A member that the schema does not know is a mistake: it is to be described there, too.
    let mut other = document;
    other["copies"][0]["surprise"] = json!(1);
    assert!(!validator.is_valid(&other));
}
