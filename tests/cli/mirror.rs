//! `heatseal mirror`: what is in the folder is enough to lock and to install, and nothing else is.

use std::fs;

use registry_mock::{Options, Registry, Server};
use serde_json::{Value, json};

use crate::context::Context;

fn locked() -> Context {
    let context = Context::with(&json!({
        "name": "p", "version": "1.0.0",
        "dependencies": {"a": "^1.0.0", "nick": "npm:@s/x@1"}, "devDependencies": {"d": "2.0.0"},
    }));
    context.serve(
        &Registry::new()
            .package("@s/x", "1.0.0-rc.1")
            .package("@s/x", "1.0.0")
            .manifest(json!({"license": "MIT", "os": ["linux", "darwin"]})),
    );
    context.run(&["shrinkwrap"]).exits(0);
    context
}

fn packument(context: &Context, name: &str) -> Value {
    let text = context.read(&format!("../mirror/{name}/packument.json"));
    serde_json::from_str(&text).unwrap()
}

fn versions(document: &Value) -> Vec<&str> {
    let versions = document["versions"].as_object().unwrap();
    versions.keys().map(String::as_str).collect()
}

#[test]
fn a_mirror_is_enough_to_lock_and_to_install() {
    let context = locked();
    let answer = context.run(&["mirror", "../mirror", "--json"]).exits(0);
    let document = answer.json();
    assert_eq!(document["packages"], 4);
    assert_eq!(document["leftOut"], json!([]));
    answer.says(&["mirrored 4 packages in"]);
    fs::remove_dir_all(context.path("registry")).unwrap();
    let elsewhere = [
        "--registry",
        "file:../mirror",
        "--store-dir",
        "../other-store",
    ];
    let run = |verb: &[&str]| context.run(&[verb, &elsewhere].concat()).exits(0);
    run(&["ci"]);
    let lock = context.read("npm-shrinkwrap.json");
    run(&["shrinkwrap", "--check"]);
    fs::remove_file(context.project().join("npm-shrinkwrap.json")).unwrap();
    run(&["shrinkwrap"]);
    assert_eq!(context.read("npm-shrinkwrap.json"), lock);
}

#[test]
fn the_mock_registry_serves_a_mirror() {
    let context = locked();
    context.run(&["mirror", "../mirror"]).exits(0);
    let server = Server::start(Options::new(context.path("mirror"))).unwrap();
    let url = format!("{}/", server.url());
    // The lock names the addresses of another host.
    let replace = [("npm_config_replace_registry_host", "always")];
    let args = ["--registry", &url, "--store-dir", "../other-store"];
    context
        .run_with(&[&["ci"][..], &args].concat(), &replace)
        .exits(0);
    assert!(context.has("node_modules/nick/package.json"));
}

#[test]
fn only_locked_versions_are_in_it_and_further_locks_add_theirs() {
    let context = locked();
    context.run(&["mirror", "../mirror"]).exits(0);
    assert_eq!(versions(&packument(&context, "a")), ["1.1.0"]);
    assert_eq!(
        packument(&context, "a")["dist-tags"],
        json!({"latest": "1.1.0"})
    );
    context.put("other/package.json", r#"{"dependencies": {"a": "1.0.0"}}"#);
    context.run(&["-C", "other", "shrinkwrap"]).exits(0);
    context
        .run(&["mirror", "../mirror", "other"])
        .exits(0)
        .says(&["2 packages", "1 fetched, 1 there already"]);
    assert_eq!(versions(&packument(&context, "a")), ["1.0.0", "1.1.0"]);
    assert_eq!(packument(&context, "a")["dist-tags"]["latest"], "1.1.0");
    assert_eq!(
        packument(&context, "a")["time"]["1.0.0"],
        "2020-01-01T00:00:00.000Z"
    );
}

#[test]
fn a_second_run_keeps_what_is_right_and_mends_what_is_not() {
    let context = locked();
    context.run(&["mirror", "../mirror"]).exits(0);
    let tarball = context.path("mirror").join("a/-/a-1.1.0.tgz");
    let sound = fs::read(&tarball).unwrap();
    let before = fs::metadata(context.path("mirror").join("b/packument.json")).unwrap();
    fs::write(&tarball, "damaged").unwrap();
    context
        .run(&["mirror", "../mirror"])
        .exits(0)
        .says(&["1 fetched, 3 there already"]);
    assert_eq!(fs::read(&tarball).unwrap(), sound);
    let after = fs::metadata(context.path("mirror").join("b/packument.json")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
}

#[test]
fn what_is_omitted_is_not_mirrored() {
    let context = locked();
    context
        .run(&["mirror", "../mirror", "--omit", "dev"])
        .exits(0);
    assert!(context.has("../mirror/a/packument.json"));
    assert!(!context.has("../mirror/d"));
}

#[test]
fn a_tarball_that_is_not_what_the_lock_promises_is_refused() {
    let context = locked();
    let path = context.path("registry").join("b/-/b-1.0.0.tgz");
    fs::copy(context.path("registry").join("d/-/d-2.0.0.tgz"), path).unwrap();
    context
        .run(&["mirror", "../mirror"])
        .exits(4)
        .says(&["error[EINTEGRITY]", "b@1.0.0"]);
    assert!(!context.has("../mirror/b/-/b-1.0.0.tgz"));
}

#[test]
fn what_no_registry_has_is_named() {
    let context = Context::new();
    let commit = "0123456789".repeat(4);
    context.put(
        "package-lock.json",
        &json!({"name": "p", "lockfileVersion": 3, "packages": {
            "": {"dependencies": {"g": "git+https://git.example/g.git"}},
            "node_modules/g": {"version": "1.0.0", "resolved": format!("git+https://git.example/g.git#{commit}")},
        }})
        .to_string(),
    );
    context
        .run(&["mirror", "../mirror"])
        .exits(1)
        .says(&["ENOTMIRRORED", "g@1.0.0: it comes from a git repository"]);
}
