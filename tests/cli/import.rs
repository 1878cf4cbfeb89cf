//! `heatseal shrinkwrap --from`: what other tools locked is kept, and what moved is told.

use std::fs;
use std::path::{Path, PathBuf};

use registry_mock::{Registry, scenario};
use serde_json::{Value, json};

use crate::context::Context;

const LOCK: &str = "npm-shrinkwrap.json";

/// The recorded locks: folder and file, and the project they are of.
fn fixture(name: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    repository.join("fixtures/foreign").join(name)
}

/// The recorded project in today's registry, where most versions that were locked are outdated.
fn grove() -> Context {
    let context = Context::new();
    for file in ["package.json", "packages/w/package.json"] {
        let text = fs::read_to_string(fixture("project").join(file));
        context.put(file, &text.unwrap());
    }
    context.serve(&scenario::load(&fixture("registry.toml")).unwrap().registry);
    context
}

fn recorded(lock: &str) -> String {
    fs::read_to_string(fixture(lock)).unwrap()
}

/// A project that asks for these, in a registry of `leaf` 1.0.0 to 1.2.0 and `twig`, which asks for it.
fn small(manifest: &Value) -> Context {
    let context = Context::new();
    context.put("package.json", &format!("{manifest:#}\n"));
    let wants_leaf = json!({"dependencies": {"leaf": "^1.0.0"}});
    let registry = ["1.0.0", "1.1.0", "1.2.0"]
        .into_iter()
        .fold(Registry::new(), |registry, version| {
            registry.package("leaf", version)
        });
    context.serve(
        &registry
            .package("twig", "1.0.0")
            .manifest(wants_leaf.clone())
            .package("bough", "1.0.0")
            .manifest(wants_leaf),
    );
    context
}

fn version(context: &Context, location: &str) -> Value {
    let lock: Value = serde_json::from_str(&context.read(LOCK)).unwrap();
    lock["packages"][location]["version"].clone()
}

#[test]
fn every_tool_s_lock_becomes_the_lock_that_npm_wrote_on_that_day() {
    let npm = recorded("npm-11/package-lock.json")
        .replace("http://127.0.0.1:4874/", "http://registry.example/");
    for lock in [
        "yarn-1/yarn.lock",
        "berry-2/yarn.lock",
        "berry-3/yarn.lock",
        "berry-4/yarn.lock",
        "pnpm-6/pnpm-lock.yaml",
        "pnpm-7/pnpm-lock.yaml",
        "pnpm-8/pnpm-lock.yaml",
        "pnpm-9/pnpm-lock.yaml",
        "pnpm-12/pnpm-lock.yaml",
        "bun-1/bun.lock",
    ] {
        let context = grove();
        let file = lock.rsplit('/').next().unwrap();
        context.put(file, &recorded(lock));
        let kept = format!("kept 11 of 11 versions of {file}\n");
        let answer = context.run(&["shrinkwrap", "--from", file]).exits(0);
        let answer = answer.says(&[&kept]);
        assert!(!answer.stderr.contains("added"), "{}", answer.stderr);
        // npm names the folder's name where the manifest has none; this one has.
        assert_eq!(context.read(LOCK), npm, "{lock}");
        context.run(&["shrinkwrap", "--check"]).exits(0);
    }
}

#[test]
fn without_from_a_hint_tells_of_it_and_versions_are_npm_s() {
    let context = grove();
    context.put("pnpm-lock.yaml", &recorded("pnpm-9/pnpm-lock.yaml"));
    context
        .run(&["shrinkwrap"])
        .exits(0)
        .says(&["hint: `heatseal shrinkwrap --from pnpm-lock.yaml` keeps the versions"]);
    assert_eq!(version(&context, "node_modules/tool"), "3.1.0");
    let again = context.run(&["shrinkwrap"]).exits(0);
    assert!(!again.stderr.contains("hint"), "{}", again.stderr);
}

#[test]
fn the_other_lock_wins_over_the_project_s_own_and_says_so() {
    let context = grove();
    context.run(&["shrinkwrap"]).exits(0);
    assert_eq!(version(&context, "node_modules/tool"), "3.1.0");
    context.put("bun.lock", &recorded("bun-1/bun.lock"));
    context
        .run(&["shrinkwrap", "--from", "bun.lock"])
        .exits(0)
        .says(&["npm-shrinkwrap.json is not looked at: bun.lock takes its place"]);
    assert_eq!(version(&context, "node_modules/tool"), "3.0.0");
}

#[test]
fn a_dry_run_with_json_tells_what_became_of_each_version_and_writes_nothing() {
    let context = grove();
    context.put("yarn.lock", &recorded("yarn-1/yarn.lock"));
    let answer = context.run(&["shrinkwrap", "--from", "yarn.lock", "--dry-run", "--json"]);
    let document = answer.exits(0).json();
    let import = &document["import"];
    assert_eq!(import["tool"], "yarn");
    assert_eq!(
        (&import["kept"], &import["total"]),
        (&json!(11), &json!(11))
    );
    assert_eq!(import["moved"], json!([]));
    assert!(!context.has(LOCK));
}

/// yarn's lock in which `bough` and `twig` got two versions that one range allows.
const TWO_LEAVES: &str = "lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      bough: {specifier: 1.0.0, version: 1.0.0}
      twig: {specifier: 1.0.0, version: 1.0.0}
packages:
  bough@1.0.0: {}
  leaf@1.0.0: {}
  leaf@1.1.0: {}
  twig@1.0.0: {}
snapshots:
  bough@1.0.0: {dependencies: {leaf: 1.0.0}}
  leaf@1.0.0: {}
  leaf@1.1.0: {}
  twig@1.0.0: {dependencies: {leaf: 1.1.0}}
";

#[test]
fn two_versions_that_one_range_would_allow_stay_two() {
    let context = small(&json!({"name": "p", "dependencies": {"bough": "1.0.0", "twig": "1.0.0"}}));
    context.put("pnpm-lock.yaml", TWO_LEAVES);
    context
        .run(&["shrinkwrap", "--from", "pnpm-lock.yaml"])
        .exits(0)
        .says(&["kept 4 of 4 versions"]);
    assert_eq!(version(&context, "node_modules/leaf"), "1.0.0");
    let nested = version(&context, "node_modules/twig/node_modules/leaf");
    assert_eq!(nested, "1.1.0");
    context.run(&["shrinkwrap", "--check"]).exits(0);
}

#[test]
fn a_version_that_the_range_does_not_allow_moves_and_is_told() {
    // As after a `resolutions` in package.json, which npm does not know.
    let context = small(&json!({"name": "p", "dependencies": {"leaf": "^1.1.0", "twig": "1.0.0"}}));
    context.put(
        "yarn.lock",
        "# yarn lockfile v1\n\nleaf@^1.0.0, leaf@^1.1.0:\n  version \"1.0.0\"\n\ntwig@1.0.0:\n  version \"1.0.0\"\n  dependencies:\n    leaf \"^1.0.0\"\n",
    );
    let answer = context.run(&["shrinkwrap", "--from", "yarn.lock"]).exits(0);
    answer.says(&[
        "kept 2 of 2 versions of yarn.lock; moved 1:",
        "leaf  1.0.0 → 1.2.0  ^1.1.0 does not allow it; the project asked",
    ]);
    assert_eq!(version(&context, "node_modules/leaf"), "1.2.0");
    let nested = version(&context, "node_modules/twig/node_modules/leaf");
    assert_eq!(nested, "1.0.0");

    context.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"leaf": "^1.1.0"}}"#,
    );
    let answer = context.run(&["shrinkwrap", "--from", "yarn.lock"]).exits(0);
    answer.says(&[
        "kept 0 of 1 version of yarn.lock; moved 1:",
        "leaf  1.0.0 → 1.2.0  ^1.1.0 does not allow it; the project asked",
    ]);
}

#[test]
fn what_yarn_s_resolutions_replaced_is_known_and_moves() {
    let context = small(&json!({"name": "p", "dependencies": {"leaf": "^1.1.0", "twig": "1.0.0"}}));
    context.put(
        "yarn.lock",
        r#"__metadata:
  version: 8

"leaf@npm:1.0.0":
  version: 1.0.0
  resolution: "leaf@npm:1.0.0"

"p@workspace:.":
  version: 0.0.0-use.local
  resolution: "p@workspace:."
  dependencies:
    leaf: "npm:^1.1.0"
    twig: "npm:1.0.0"

"twig@npm:1.0.0":
  version: 1.0.0
  resolution: "twig@npm:1.0.0"
  dependencies:
    leaf: "npm:^1.0.0"
"#,
    );
    let answer = context.run(&["shrinkwrap", "--from", "yarn.lock"]).exits(0);
    answer.says(&[
        "kept 2 of 2 versions of yarn.lock; moved 1:",
        "leaf  1.0.0 → 1.2.0  ^1.1.0 does not allow it; the project asked",
    ]);
}

#[test]
fn npm_s_overrides_win_and_are_the_reason() {
    let manifest =
        json!({"name": "p", "dependencies": {"twig": "1.0.0"}, "overrides": {"leaf": "1.2.0"}});
    let context = small(&manifest);
    context.put(
        "yarn.lock",
        "leaf@^1.0.0:\n  version \"1.0.0\"\n\ntwig@1.0.0:\n  version \"1.0.0\"\n  dependencies:\n    leaf \"^1.0.0\"\n",
    );
    let answer = context.run(&["shrinkwrap", "--from", "yarn.lock"]).exits(0);
    answer.says(&[
        "kept 1 of 2 versions",
        "leaf  1.0.0 → 1.2.0  `overrides` in package.json ask for 1.2.0; twig@1.0.0 asked",
    ]);
}

#[test]
fn a_version_that_the_registry_lacks_moves_and_is_told() {
    let context = small(&json!({"name": "p", "dependencies": {"leaf": "^1.0.0"}}));
    context.put("yarn.lock", "leaf@^1.0.0:\n  version \"1.0.7\"\n");
    let answer = context.run(&["shrinkwrap", "--from", "yarn.lock"]).exits(0);
    answer.says(&["leaf  1.0.7 → 1.2.0  the registry does not have it"]);
}

#[test]
fn a_hash_that_contradicts_the_registry_s_is_eintegrity_and_nothing_is_written() {
    let context = grove();
    let yarn = recorded("yarn-1/yarn.lock").replace("sha512-Mre8EV0e", "sha512-AAAAEV0e");
    context.put("yarn.lock", &yarn);
    context
        .run(&["shrinkwrap", "--from", "yarn.lock"])
        .exits(4)
        .says(&[
            "error[EINTEGRITY]: `leaf@1.1.0` is sha512-Mre8EV0e",
            "but yarn.lock promises sha512-AAAAEV0e",
            "hint: ",
        ]);
    assert!(!context.has(LOCK));
}

#[test]
fn peers_that_cannot_agree_on_the_lock_s_versions_get_npm_s() {
    let context = Context::new();
    let manifest = json!({"name": "p", "dependencies": {"host": "^1.0.0", "plug": "^1.0.0"}});
    context.put("package.json", &manifest.to_string());
    context.serve(
        &Registry::new()
            .package("host", "1.0.0")
            .package("host", "1.1.0")
            .package("plug", "1.0.0")
            .manifest(json!({"peerDependencies": {"host": "^1.1.0"}})),
    );
    // yarn 1 leaves peers alone.
    context.put(
        "yarn.lock",
        "host@^1.0.0:\n  version \"1.0.0\"\n\nplug@^1.0.0:\n  version \"1.0.0\"\n",
    );
    let answer = context.run(&["shrinkwrap", "--from", "yarn.lock"]).exits(0);
    answer.says(&["moved 1:", "host  1.0.0 → 1.1.0"]);
}

#[test]
fn what_the_other_tool_patches_is_warned_of() {
    let context = small(&json!({"name": "p", "dependencies": {"leaf": "^1.0.0"}}));
    context.put(
        "pnpm-lock.yaml",
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      leaf: {specifier: ^1.0.0, version: 1.0.0(patch_hash=abc)}\npackages:\n  leaf@1.0.0: {}\nsnapshots:\n  leaf@1.0.0(patch_hash=abc): {}\n",
    );
    let answer = context.run(&["shrinkwrap", "--from", "pnpm-lock.yaml"]);
    answer.exits(0).says(&[
        "kept 1 of 1",
        "pnpm patches these, and npm does not: leaf@1.0.0",
    ]);
}

#[test]
fn a_damaged_lock_is_named_with_the_line_and_nothing_is_written() {
    let context = grove();
    for (file, text, line) in [
        (
            "yarn.lock",
            "# yarn lockfile v1\n\na@^1:\n   version\n",
            "line 4",
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\npackages: [",
            "line 2",
        ),
        (
            "bun.lock",
            "{\n  \"lockfileVersion\": 1,\n  \"packages\": {\n    \"a\": [}",
            "line 4",
        ),
        ("yarn.lock", "<<<<<<< HEAD\n", "line 1: a merge conflict"),
    ] {
        context.put(file, text);
        let place = format!("`{file}`, {line}");
        let answer = context.run(&["shrinkwrap", "--from", file]).exits(3);
        answer.says(&["error[EUSAGE]: ", &place, "hint: "]);
        assert!(!context.has(LOCK));
    }
    context.run(&["shrinkwrap", "--from", "none.lock"]).exits(2);
    context
        .run(&["shrinkwrap", "--from", "x", "--update"])
        .exits(2);
}

#[test]
fn other_tools_protocols_are_refused_with_their_line_and_npm_s_form() {
    for (spec, form) in [
        (
            "workspace:^",
            "npm links a workspace where a plain range allows its version",
        ),
        ("catalog:", "npm has no catalogs"),
        ("patch:leaf@1#x.patch", "npm does not patch"),
        ("portal:../leaf", "file:PATH"),
    ] {
        let context = Context::new();
        let manifest = json!({"name": "p", "dependencies": {"leaf": spec}});
        context.put("package.json", &format!("{manifest:#}\n"));
        context.run(&["shrinkwrap"]).exits(9).says(&[
            "error[EUNSUPPORTEDPROTOCOL]: `package.json`, line 4: ",
            spec,
            form,
        ]);
    }
}
