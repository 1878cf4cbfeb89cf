//! Peer conflicts: who disagrees is named, and every way out that is offered leads out.

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::Context;

/// A project whose conflict must end with these hints; each of them is then carried out.
#[track_caller]
fn settled_by(manifest: &Value, registry: &Registry, hints: &[&str]) -> String {
    let context = Context::new();
    context.put("package.json", &format!("{manifest:#}\n"));
    context.serve(registry);
    let answer = context.run(&["shrinkwrap"]).exits(9);
    let offered: Vec<&str> = answer
        .stderr
        .lines()
        .filter_map(|line| line.trim().strip_prefix("hint: "))
        .collect();
    let (last, offered) = offered.split_last().expect("there are hints");
    assert_eq!(
        *last,
        "or accept an incorrect tree with --force or --legacy-peer-deps"
    );
    assert_eq!(offered, hints, "{}", answer.stderr);
    for hint in offered {
        context.put("package.json", &format!("{:#}\n", followed(manifest, hint)));
        context.run(&["shrinkwrap"]).exits(0);
        std::fs::remove_file(context.project().join("npm-shrinkwrap.json")).unwrap();
    }
    answer.stderr
}

/// The manifest after somebody did what the hint says.
fn followed(manifest: &Value, hint: &str) -> Value {
    let mut manifest = manifest.clone();
    let quoted: Vec<&str> = hint.split('"').skip(1).step_by(2).collect();
    if hint.starts_with("set ") {
        manifest["dependencies"][quoted[0]] = json!(quoted[1]);
    } else if hint.starts_with("remove ") {
        let dependencies = manifest["dependencies"].as_object_mut().unwrap();
        dependencies.remove(quoted[0]).unwrap();
    } else {
        let (from, to) = (hint.find('{').unwrap(), hint.rfind('}').unwrap());
        manifest["overrides"] = serde_json::from_str(&hint[from..=to]).unwrap();
    }
    manifest
}

fn frameworks() -> Registry {
    let peer = |range: &str| json!({"peerDependencies": {"react": range}});
    Registry::new()
        .package("react", "16.14.0")
        .package("react", "17.0.2")
        .package("react", "18.3.1")
        .package("grid", "1.0.0")
        .manifest(peer("^16.0.0"))
        .package("grid", "2.0.0")
        .manifest(peer("^18.0.0"))
        .package("chart", "1.0.0")
        .manifest(peer("^17.0.0"))
        .package("menu", "1.0.0")
        .manifest(peer("^16.0.0"))
}

#[test]
fn the_project_s_own_version_against_a_peer() {
    let manifest = json!({"name": "p", "dependencies": {"react": "^18.0.0", "grid": "^1.0.0"}});
    let words = settled_by(
        &manifest,
        &frameworks(),
        &[
            "set \"react\" to \"^16.0.0\" in package.json",
            "add \"overrides\": {\"grid\":{\"react\":\"$react\"}} to package.json, if the packages work with that",
            "remove \"grid\" from package.json",
        ],
    );
    assert!(words.contains("peer react@\"^16.0.0\" from grid@1.0.0"));
    assert!(words.contains("react@\"^18.0.0\" from p"), "{words}");
}

#[test]
fn two_plugins_of_which_one_has_a_version_that_fits() {
    let registry = frameworks()
        .package("chart", "2.0.0")
        .manifest(json!({"peerDependencies": {"react": "^16.0.0"}}));
    let manifest = json!({"name": "p", "dependencies": {"chart": "^1.0.0", "menu": "^1.0.0"}});
    settled_by(
        &manifest,
        &registry,
        &[
            "set \"chart\" to \"^2.0.0\" in package.json",
            "add \"overrides\": {\"react\":\"17.0.2\"} to package.json, if the packages work with that",
            "remove \"menu\" from package.json",
        ],
    );
}

#[test]
fn two_plugins_that_will_never_agree() {
    let manifest = json!({"name": "p", "dependencies": {"chart": "^1.0.0", "menu": "^1.0.0"}});
    settled_by(
        &manifest,
        &frameworks(),
        &[
            "add \"overrides\": {\"react\":\"17.0.2\"} to package.json, if the packages work with that",
            "remove \"menu\" from package.json",
        ],
    );
}
