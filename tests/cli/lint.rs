//! `heatseal lint`: each rule finds what it is about and nothing else; repairs move no version.

use registry_mock::Registry;
use serde_json::{Map, Value, json};

use crate::context::{Answer, Context};
use crate::schema;

const LOCK: &str = "npm-shrinkwrap.json";

/// A locked project: `a` 1.1.0 brings `b` 1.0.0, and `d` 2.0.0 is for development.
fn locked() -> Context {
    let context = Context::with(&json!({
        "name": "p", "version": "1.0.0",
        "dependencies": {"a": "^1.0.0"}, "devDependencies": {"d": "2.0.0"},
    }));
    context.run(&["shrinkwrap"]).exits(0);
    context
}

fn lock(context: &Context) -> Value {
    serde_json::from_str(&context.read(LOCK)).unwrap()
}

/// Changes the lock's packages.
fn edit(context: &Context, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut lock = lock(context);
    change(lock["packages"].as_object_mut().unwrap());
    context.put(LOCK, &format!("{lock:#}\n"));
}

/// The rules that a run names, each once, in its order.
fn rules(answer: &Answer) -> Vec<String> {
    let document = answer.json();
    schema::assert_valid("lint-1", &document);
    let findings = document["findings"].as_array().unwrap();
    let rule = |finding: &Value| finding["rule"].as_str().unwrap().to_owned();
    let mut rules: Vec<String> = findings.iter().map(rule).collect();
    rules.dedup();
    rules
}

#[track_caller]
fn finds(wanted: &[&str], change: impl FnOnce(&mut Map<String, Value>)) {
    let context = locked();
    edit(&context, change);
    let answer = context.run(&["lint", "--json"]);
    assert_eq!(rules(&answer), wanted, "{}", answer.stdout);
}

const A: &str = "node_modules/a";
const B: &str = "node_modules/b";
const D: &str = "node_modules/d";

#[test]
fn a_fresh_lock_has_no_findings() {
    let context = locked();
    let answer = context.run(&["lint"]).exits(0);
    assert_eq!(answer.stdout, "");
    answer.says(&["no findings in 3 packages"]);
    context.run(&["ci"]).exits(0);
    context
        .run(&["lint"])
        .exits(0)
        .says(&["no findings in 3 packages"]);
}

#[test]
fn hashes_that_are_missing_weak_malformed_or_another_packages_are_found() {
    finds(&["missing-integrity"], |packages| {
        packages[A].as_object_mut().unwrap().remove("integrity");
    });
    finds(&["weak-integrity"], |packages| {
        packages[A]["integrity"] = json!("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    });
    finds(&["malformed-integrity"], |packages| {
        packages[A]["integrity"] = json!("sha512-short");
    });
    finds(&["shared-integrity"], |packages| {
        packages[A]["integrity"] = packages[B]["integrity"].clone();
    });
    finds(&["other-integrity"], |packages| {
        let mut copy = packages[B].clone();
        copy["integrity"] = json!(format!("sha512-{}==", "A".repeat(86)));
        packages.insert(format!("{A}/{B}"), copy);
        packages[D]["dependencies"] = json!({"b": "1"});
        packages[B]["dev"] = json!(true);
    });
}

#[test]
fn addresses_that_lead_elsewhere_are_found() {
    finds(&["unknown-host"], |packages| {
        packages[A]["resolved"] = json!("https://evil.example/a.tgz");
    });
    finds(&["name-and-url"], |packages| {
        packages[A]["resolved"] = json!("http://registry.example/a/-/a-1.0.0.tgz");
    });
    finds(&["credentials"], |packages| {
        packages[A]["resolved"] = json!("http://u:s3cret@registry.example/a/-/a-1.1.0.tgz");
    });
    finds(&["unasked-source"], |packages| {
        let commit = "0123456789".repeat(4);
        packages[A]["resolved"] = json!(format!("git+ssh://git@git.example/a.git#{commit}"));
    });
    finds(&["unasked-name"], |packages| {
        packages[A]["name"] = json!("z");
        packages[A]["resolved"] = json!("http://registry.example/z/-/z-1.1.0.tgz");
    });
    finds(&["unasked-link"], |packages| {
        packages.insert("lib".to_owned(), json!({"name": "b", "version": "1.0.0"}));
        packages[B] = json!({"resolved": "lib", "link": true});
    });
}

#[test]
fn a_repository_without_a_commit_is_found() {
    let context = locked();
    context.put(
        "package.json",
        &json!({"dependencies": {"a": "^1.0.0", "g": "git+https://git.example/g.git"}, "devDependencies": {"d": "2.0.0"}}).to_string(),
    );
    edit(&context, |packages| {
        packages.insert(
            "node_modules/g".to_owned(),
            json!({"version": "1.0.0", "resolved": "git+https://git.example/g.git#main"}),
        );
    });
    let answer = context.run(&["lint", "--json"]).exits(1);
    assert_eq!(rules(&answer), ["unpinned"]);
}

#[test]
fn demands_that_are_not_met_are_found() {
    finds(&["unsatisfied"], |packages| {
        packages[B]["version"] = json!("2.0.0");
        packages[B]["resolved"] = json!("http://registry.example/b/-/b-2.0.0.tgz");
    });
    finds(&["peer-conflict"], |packages| {
        packages[A]["peerDependencies"] = json!({"d": "^1.0.0"});
        packages[D].as_object_mut().unwrap().remove("dev");
    });
    finds(&["missing-optional"], |packages| {
        packages[A]["optionalDependencies"] = json!({"elsewhere": "1"});
    });
    finds(&["incomplete-family"], |packages| {
        let members = json!({"@a/linux-x64-gnu": "1", "@a/darwin-arm64": "1"});
        packages[A]["optionalDependencies"] = members;
    });
    let context = locked();
    context.put("package.json", "{\"dependencies\": {\"a\": \"^2.0.0\"}}");
    let answer = context.run(&["lint", "--json"]).exits(1);
    assert_eq!(rules(&answer), ["out-of-sync", "unneeded"]);
}

#[test]
fn entries_that_the_graph_does_not_bear_out_are_found() {
    let stray = || json!({"version": "1.0.0", "integrity": format!("sha512-{}==", "A".repeat(86))});
    finds(&["unneeded"], |packages| {
        packages.insert("node_modules/x".to_owned(), stray());
    });
    finds(&["extraneous"], |packages| {
        packages.insert("node_modules/x".to_owned(), stray());
        packages["node_modules/x"]["extraneous"] = json!(true);
    });
    finds(&["false-flag"], |packages| {
        packages[A]["dev"] = json!(true);
    });
    finds(&["missing-flag"], |packages| {
        packages[D].as_object_mut().unwrap().remove("dev");
    });
}

#[test]
fn what_authors_did_is_told() {
    finds(&["deprecated"], |packages| {
        packages[D]["deprecated"] = json!("use e");
    });
    finds(&["foreign-shrinkwrap"], |packages| {
        packages[D]["hasShrinkwrap"] = json!(true);
    });
}

#[test]
fn a_version_that_is_there_anyway_makes_another_one_a_duplicate() {
    let context = Context::with(&json!({"dependencies": {"a": "1.0.0", "n": "1.0.0"}}));
    context.serve(
        &Registry::new()
            .package("n", "1.0.0")
            .manifest(json!({"dependencies": {"a": "^1.0.0"}})),
    );
    context.run(&["shrinkwrap"]).exits(0);
    edit(&context, |packages| {
        let mut newer = packages[A].clone();
        newer["version"] = json!("1.1.0");
        newer["resolved"] = json!("http://registry.example/a/-/a-1.1.0.tgz");
        newer["integrity"] = json!(format!("sha512-{}==", "A".repeat(86)));
        packages.insert(format!("node_modules/n/{A}"), newer);
    });
    let answer = context.run(&["lint", "--json"]).exits(0);
    assert_eq!(rules(&answer), ["duplicate"]);
    let finding = &answer.json()["findings"][0];
    assert_eq!(finding["version"], "1.1.0");
    let what = "1.0.0, which is there anyway, does as well: ^1.0.0 (n@1.0.0)";
    assert_eq!(finding["what"], what);
}

#[test]
fn a_tarball_of_another_version_or_manifest_is_found_once_it_is_in_the_store() {
    let context = locked();
    context.run(&["ci"]).exits(0);
    let sound = context.read(LOCK);
    edit(&context, |packages| {
        packages[A]["version"] = json!("1.0.9");
        packages[A]["resolved"] = json!("http://registry.example/a/-/a-1.0.9.tgz");
    });
    let answer = context.run(&["lint", "--json"]).exits(1);
    assert_eq!(rules(&answer), ["tarball-identity"]);
    assert_eq!(
        answer.json()["findings"][0]["what"],
        "its tarball holds a@1.1.0"
    );
    context.put(LOCK, &sound);
    edit(&context, |packages| {
        packages[B].as_object_mut().unwrap().remove("bin");
    });
    let answer = context.run(&["lint", "--json"]).exits(1);
    assert_eq!(rules(&answer), ["tarball-manifest"]);
}

#[test]
fn a_key_written_twice_and_a_lock_of_version_1_are_told() {
    let context = locked();
    let twice = context.read(LOCK).replacen('{', "{\n  \"name\": \"q\",", 1);
    context.put(LOCK, &twice);
    let answer = context.run(&["lint", "--json"]).exits(1);
    assert_eq!(rules(&answer), ["structure"]);
    context.put(LOCK, "");
    context
        .run(&["shrinkwrap", "--lockfile-version", "1"])
        .exits(0);
    let answer = context.run(&["lint", "--json"]).exits(0);
    assert_eq!(rules(&answer), ["old-version"]);
}

/// Removes hashes, sets wrong flags, adds an entry: all that `--fix` puts right.
fn damage(packages: &mut Map<String, Value>) {
    packages[A].as_object_mut().unwrap().remove("integrity");
    packages[D].as_object_mut().unwrap().remove("dev");
    packages[B]["dev"] = json!(true);
    packages.insert(
        "node_modules/x".to_owned(),
        json!({"version": "1.0.0", "integrity": format!("sha512-{}==", "A".repeat(86))}),
    );
}

#[test]
fn fix_gives_back_the_sound_lock_byte_for_byte() {
    for version in ["2", "3"] {
        let context = locked();
        context
            .run(&["shrinkwrap", "--lockfile-version", version])
            .exits(0);
        let sound = context.read(LOCK);
        let mut lock = lock(&context);
        damage(lock["packages"].as_object_mut().unwrap());
        if let Some(nested) = lock.get_mut("dependencies") {
            nested["a"].as_object_mut().unwrap().remove("integrity");
            nested["b"]["dev"] = json!(true);
            nested["x"] = json!({"version": "1.0.0"});
        }
        context.put(LOCK, &format!("{lock:#}\n"));
        context.run(&["lint"]).exits(1);
        let answer = context.run(&["lint", "--fix", "--json"]).exits(0);
        answer.json();
        let document = answer.json();
        schema::assert_valid("lint-1", &document);
        assert_eq!(document["repair"]["moved"], 0);
        assert_eq!(document["repair"]["fixed"].as_array().unwrap().len(), 4);
        answer.says(&["fixed 4 findings; 0 versions moved"]);
        assert_eq!(context.read(LOCK), sound, "version {version}");
    }
}

#[test]
fn fix_finds_hashes_for_a_lock_of_version_1() {
    let context = locked();
    context.put(LOCK, "");
    context
        .run(&["shrinkwrap", "--lockfile-version", "1"])
        .exits(0);
    let sound = context.read(LOCK);
    let mut lock = lock(&context);
    lock["dependencies"]["b"]
        .as_object_mut()
        .unwrap()
        .remove("integrity");
    context.put(LOCK, &format!("{lock:#}\n"));
    context.run(&["lint", "--fix"]).exits(0);
    assert_eq!(context.read(LOCK), sound);
}

#[test]
fn a_lock_with_nothing_to_fix_is_not_touched() {
    let context = locked();
    let before = context.modified(LOCK);
    context
        .run(&["lint", "--fix"])
        .exits(0)
        .says(&["nothing to fix; 0 versions moved"]);
    assert_eq!(context.modified(LOCK), before);
}

#[test]
fn fix_takes_no_hash_that_contradicts_the_one_that_is_there() {
    let context = locked();
    edit(&context, |packages| {
        packages[A]["integrity"] = json!("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=");
    });
    let before = context.read(LOCK);
    let answer = context.run(&["lint", "--fix", "--json"]).exits(1);
    assert_eq!(rules(&answer), ["weak-integrity"]);
    assert_eq!(context.read(LOCK), before);
}

#[test]
fn fix_keeps_the_lock_when_the_registry_cannot_be_asked() {
    let context = locked();
    edit(&context, |packages| {
        packages[A].as_object_mut().unwrap().remove("integrity");
    });
    let before = context.read(LOCK);
    let answer = context.run(&["lint", "--fix", "--registry", "file:nowhere"]);
    answer.exits(1).says(&["ENOTFIXED", "a@1.1.0"]);
    assert_eq!(context.read(LOCK), before);
}

#[test]
fn fail_on_decides_what_makes_the_answer_no() {
    let context = locked();
    edit(&context, |packages| {
        packages[D]["deprecated"] = json!("use e");
    });
    for (what, code) in [
        ("error", 0),
        ("warning", 1),
        ("note", 1),
        ("deprecated", 1),
        ("unneeded,duplicate", 0),
        ("never", 0),
    ] {
        context.run(&["lint", "--fail-on", what]).exits(code);
    }
    context
        .run(&["lint", "--fail-on", "everything"])
        .exits(2)
        .says(&["EUSAGE"]);
}

#[test]
fn findings_are_ignored_by_rule_and_package_with_reasons_in_package_json() {
    let context = locked();
    edit(&context, |packages| {
        packages[D]["deprecated"] = json!("use e");
        packages[A]["deprecated"] = json!("use e");
    });
    let answer = context.run(&["lint", "--json", "--ignore", "deprecated:d@2.0.0"]);
    assert_eq!(answer.json()["summary"]["warning"], 1);
    assert_eq!(answer.json()["summary"]["ignored"], 1);
    let manifest = |ignore: Value| {
        json!({
            "name": "p", "version": "1.0.0",
            "dependencies": {"a": "^1.0.0"}, "devDependencies": {"d": "2.0.0"},
            "heatseal": {"lint": {"ignore": ignore}},
        })
        .to_string()
    };
    let why = "until e is released, and not longer";
    context.put(
        "package.json",
        &manifest(json!({"deprecated": why, "duplicate:zz": "no"})),
    );
    let answer = context.run(&["lint", "--json"]).exits(0);
    let document = answer.json();
    assert_eq!(document["findings"], json!([]));
    assert_eq!(document["ignored"][1]["reason"], why);
    answer.says(&["nothing is ignored by `duplicate:zz`"]);
    context.put("package.json", &manifest(json!({"deprecated": ""})));
    context.run(&["lint"]).exits(2).says(&["gives no reason"]);
    context.put("package.json", &manifest(json!({})));
    context
        .run(&["lint", "--ignore", "nonsense"])
        .exits(2)
        .says(&["no rule `nonsense`"]);
}

#[test]
fn sarif_points_at_the_line_of_what_is_wrong() {
    let context = locked();
    edit(&context, |packages| {
        packages[D]["deprecated"] = json!("use e");
        packages[A]["integrity"] = json!("sha512-short");
    });
    let answer = context
        .run(&["lint", "--format", "sarif", "--ignore", "deprecated"])
        .exits(1);
    let document = answer.json();
    schema::assert_valid("sarif-2.1.0-reduced", &document);
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let at = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[at]["id"], result["ruleId"]);
    }
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], LOCK);
    let line = place["region"]["startLine"].as_u64().unwrap() as usize;
    let text = context.read(LOCK);
    assert!(text.lines().nth(line - 1).unwrap().contains("sha512-short"));
    assert_eq!(results[1]["suppressions"][0]["kind"], "external");
}

#[test]
fn a_lock_without_its_project_is_linted_alone() {
    let context = Context::with(&json!({
        "name": "p", "dependencies": {"a": "^1.0.0"}, "workspaces": ["packages/*"],
    }));
    context.put(
        "packages/w/package.json",
        r#"{"name": "w", "version": "1.0.0", "dependencies": {"d": "2"}}"#,
    );
    context.run(&["shrinkwrap"]).exits(0);
    context.put("elsewhere/prod.json", &context.read(LOCK));
    context
        .run(&["lint", "elsewhere/prod.json"])
        .exits(0)
        .says(&["no findings in 5 packages"]);
    context
        .run(&["lint", "elsewhere"])
        .exits(3)
        .says(&["ENOLOCK"]);
    context.run(&["lint", "nowhere"]).exits(2).says(&["ENOENT"]);
}

#[test]
fn neither_credentials_nor_escape_sequences_are_printed() {
    let context = locked();
    edit(&context, |packages| {
        packages[A]["resolved"] = json!("https://u:s3cret@evil.example/a.tgz?token=s3cret");
        packages[D]["deprecated"] = json!("\u{1b}[2Juse e");
    });
    for format in ["text", "json", "sarif"] {
        let answer = context.run(&["lint", "--format", format]).exits(1);
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
