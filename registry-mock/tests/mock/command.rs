//! The command line: `run`, `build`, and what npm itself makes of it.

use std::path::Path;
use std::process::{Command, Output};

use crate::registry;

fn mock(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_registry-mock"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn run_ends_with_the_commands_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let code = |script: &str| mock(&["run", path, "--", "sh", "-c", script]).status.code();
    assert_eq!(code("exit 0"), Some(0));
    assert_eq!(code("exit 7"), Some(7));
    assert_eq!(code("kill -9 $$"), Some(128 + 9));
}

#[test]
fn run_points_npms_registry_setting_at_itself() {
    let folder = tempfile::tempdir().unwrap();
    let output = mock(&[
        "run",
        folder.path().to_str().unwrap(),
        "--",
        "sh",
        "-c",
        "echo $npm_config_registry",
    ]);
    let url = String::from_utf8(output.stdout).unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert!(url.trim_end().ends_with('/'), "{url}");
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let output = mock(&["run", ".", "--", "no-such-command"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("cannot run `no-such-command`"), "{text}");
}

#[test]
fn a_fault_that_is_not_one_is_refused_before_serving() {
    let output = mock(&["serve", ".", "--fault", "flood"]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("no fault is called `flood`"), "{text}");
}

#[test]
fn building_twice_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("scenario.toml");
    std::fs::write(
        &scenario,
        "packages.\"b@1.0.0\".dependencies = { c = \"^2\" }\npackages.\"c@2.0.0\" = {}\n",
    )
    .unwrap();
    let built = ["one", "two"].map(|name| {
        let to = folder.path().join(name);
        let output = mock(&["build", scenario.to_str().unwrap(), to.to_str().unwrap()]);
        assert!(output.status.success());
        crate::fixtures::files(&to)
    });
    assert_eq!(built[0], built[1]);
    let paths: Vec<&str> = built[0].keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "b/-/b-1.0.0.tgz",
            "b/packument.json",
            "c/-/c-2.0.0.tgz",
            "c/packument.json"
        ]
    );
}

#[test]
fn npm_installs_from_it_where_there_is_an_npm() {
    if Command::new("npm").arg("--version").output().is_err() {
        println!("npm not found: nothing to compare with");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    registry().write(&at("registry")).unwrap();
    std::fs::create_dir(at("project")).unwrap();
    std::fs::write(
        at("project/package.json"),
        r#"{ "name": "p", "version": "1.0.0", "dependencies": { "a": "^1", "@s/x": "1" } }"#,
    )
    .unwrap();
    let output = npm_install(&at("registry"), &at("project"), &at("cache"));
    assert!(output.status.success(), "{output:?}");
    for (path, version) in [("a", "1.1.0"), ("@s/x", "1.0.0")] {
        let installed = at("project/node_modules").join(path).join("package.json");
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(installed).unwrap()).unwrap();
        assert_eq!(manifest["version"], version);
    }
}

fn npm_install(registry: &Path, project: &Path, cache: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_registry-mock"))
        .args(["run", registry.to_str().unwrap()])
        .args(["--", "npm", "install", "--no-update-notifier"])
        .current_dir(project)
        .env("npm_config_cache", cache)
        .env("npm_config_userconfig", cache.join("no.npmrc"))
        .output()
        .unwrap()
}
