//! Git dependencies: the commit that a spec means, as npm 11 writes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::context::Context;

/// Runs git in `folder`, apart from the machine's own configuration; its standard output.
fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=n@registry.example"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with `gd` 1.2.0, tagged with a note, and 1.3.0; their commits.
fn repository(folder: &Path) -> [String; 2] {
    fs::create_dir(folder).unwrap();
    git(folder, &["init", "--quiet", "-b", "main", "."]);
    ["1.2.0", "1.3.0"].map(|version| {
        let manifest = json!({"name": "gd", "version": version}).to_string();
        fs::write(folder.join("package.json"), manifest).unwrap();
        git(folder, &["add", "."]);
        git(folder, &["commit", "--quiet", "-m", version]);
        git(
            folder,
            &["tag", "-a", &format!("v{version}"), "-m", version],
        );
        git(folder, &["rev-parse", "HEAD"])
    })
}

#[test]
fn a_branch_a_tag_and_a_range_are_locked_as_the_commit_they_name() {
    let context = Context::new();
    let folder = context.path("repository");
    let [older, newer] = repository(&folder);
    let address = format!("git+file://{}", folder.display());
    let cases = [
        ("", "1.3.0", &newer),
        ("#main", "1.3.0", &newer),
        ("#v1.2.0", "1.2.0", &older),
        ("#semver:~1.2.0", "1.2.0", &older),
    ];
    for (committish, version, commit) in cases {
        let spec = format!("{address}{committish}");
        let manifest = json!({"name": "p", "dependencies": {"gd": spec}});
        context.put("package.json", &manifest.to_string());
        context.run(&["shrinkwrap"]).exits(0);
        let lock: Value = serde_json::from_str(&context.read("npm-shrinkwrap.json")).unwrap();
        let want = json!({"version": version, "resolved": format!("{address}#{commit}")});
        assert_eq!(lock["packages"]["node_modules/gd"], want, "{committish}");
    }
}

#[test]
fn a_ref_that_is_not_there_is_named_and_nothing_is_written() {
    let context = Context::new();
    let folder = context.path("repository");
    repository(&folder);
    let spec = format!("git+file://{}#nope", folder.display());
    let manifest = json!({"name": "p", "dependencies": {"gd": spec}});
    context.put("package.json", &manifest.to_string());
    let answer = context.run(&["shrinkwrap"]);
    answer.says(&["error[EGIT]:", "`nope`"]);
    assert!(!context.has("npm-shrinkwrap.json"));
}
