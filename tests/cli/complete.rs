//! Where others exit 0 with something missing or wrong: heatseal does not.
//!
//! Seven such cases have a test named after each: four are here, a script that is needed and not
//! allowed in `scripts.rs`, files edited in the tree and in the store in `verify.rs` and `store.rs`.

use std::fs;

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::Context;

const LOCK: &str = "npm-shrinkwrap.json";

/// `fast` has binaries for two platforms, and `mark` a script.
fn registry() -> Registry {
    let member = |os: &str, cpu: &str| json!({"os": [os], "cpu": [cpu]});
    Registry::new()
        .package("fast", "1.0.0")
        .manifest(json!({"optionalDependencies": {
            "@fast/linux-x64": "1.0.0", "@fast/darwin-arm64": "1.0.0",
        }}))
        .package("@fast/linux-x64", "1.0.0")
        .manifest(member("linux", "x64"))
        .package("@fast/darwin-arm64", "1.0.0")
        .manifest(member("darwin", "arm64"))
        .package("other", "1.0.0")
        .package("plain", "1.0.0")
        .file("index.js", "module.exports = 1\n", 0o644)
}

fn locked(dependencies: &Value) -> Context {
    let context = Context::with(&json!({"name": "p", "dependencies": dependencies}));
    context.serve(&registry());
    context.run(&["shrinkwrap"]).exits(0);
    context
}

fn lock(context: &Context) -> Value {
    serde_json::from_str(&context.read(LOCK)).unwrap()
}

#[test]
fn no_hash() {
    let context = locked(&json!({"plain": "1"}));
    let mut lock = lock(&context);
    let entry = lock["packages"]["node_modules/plain"].as_object_mut();
    entry.unwrap().shift_remove("integrity").unwrap();
    context.put(LOCK, &format!("{lock:#}\n"));
    let refused = &[
        "error[EINTEGRITY]",
        "plain@1.0.0",
        "--allow-missing-integrity",
    ];
    context.run(&["ci"]).exits(4).says(refused);
    assert!(!context.has("node_modules"));
    context.run(&["ci", "--allow-missing-integrity"]).exits(0);
    // Accepting it once does not vouch for it.
    context.run(&["ci"]).exits(4).says(refused);
}

#[test]
fn impostor_tarball() {
    let context = locked(&json!({"plain": "1", "other": "1"}));
    let mut lock = lock(&context);
    let other = lock["packages"]["node_modules/other"]["integrity"].clone();
    lock["packages"]["node_modules/plain"]["integrity"] = other;
    context.put(LOCK, &format!("{lock:#}\n"));
    let tarball = |name: &str| context.path(&format!("registry/{name}/-/{name}-1.0.0.tgz"));
    fs::copy(tarball("other"), tarball("plain")).unwrap();
    context
        .run(&["ci"])
        .exits(4)
        .says(&["plain@1.0.0", "other@1.0.0"]);
    assert!(!context.has("node_modules"));
}

#[test]
fn the_hosts_optional_package_unavailable() {
    let context = locked(&json!({"fast": "1"}));
    fs::remove_dir_all(context.path("registry/@fast/linux-x64/-")).unwrap();
    context
        .run(&["ci", "--target", "linux-x64"])
        .exits(7)
        .says(&["error[E404]", "linux-x64"]);
    assert!(!context.has("node_modules"));
    // Another's is not needed.
    context.run(&["ci", "--target", "darwin-arm64"]).exits(0);
    assert!(context.has("node_modules/@fast/darwin-arm64"));
    assert!(!context.has("node_modules/@fast/linux-x64"));
}

#[test]
fn no_variant_for_the_target_when_the_family_has_one_for_others() {
    let context = locked(&json!({"fast": "1"}));
    context.run(&["ci", "--target", "win32-x64"]).exits(5).says(&[
        "error[EBADPLATFORM]: `fast@1.0.0` has binaries for other platforms and none for win32-x64",
        "--allow-without-binary",
    ]);
    assert!(!context.has("node_modules"));
    let accepted = [
        "ci",
        "--target",
        "win32-x64",
        "--allow-without-binary",
        "fast",
    ];
    context.run(&accepted).exits(0);
    context.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"fast": "1"}, "heatseal": {"allowWithoutBinary": ["fast"]}}"#,
    );
    context.run(&["ci", "--target", "win32-x64"]).exits(0);
    assert!(context.has("node_modules/fast") && !context.has("node_modules/@fast"));
}

#[test]
fn a_required_package_for_another_platform_is_judged_by_the_target() {
    let context = locked(&json!({"plain": "1"}));
    context.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"@fast/darwin-arm64": "1"}}"#,
    );
    context.run(&["shrinkwrap", "--force"]).exits(0);
    context
        .run(&["ci", "--target", "linux-x64"])
        .exits(5)
        .says(&["error[EBADPLATFORM]"]);
    context.run(&["ci", "--target", "darwin-arm64"]).exits(0);
}
