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

/// A package with files that are not published, and a script that builds one that is.
fn built(folder: &Path, scripts: &Value) -> String {
    fs::create_dir_all(folder.join("src")).unwrap();
    git(folder, &["init", "--quiet", "-b", "main", "."]);
    let manifest = json!({
        "name": "gd", "version": "1.0.0", "main": "lib.js", "bin": "cli.js",
        "scripts": scripts, "dependencies": {"b": "1"}, "devDependencies": {"d": "2"},
    });
    for (name, text) in [
        ("package.json", &*manifest.to_string()),
        ("src/a.js", "1"),
        ("cli.js", "#!/usr/bin/env node\r\n"),
        (".npmignore", "src\nsecret\n"),
        ("secret", "s"),
        ("package-lock.json", "{}"),
        ("Readme.md", "r"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    fs::remove_file(folder.join("package-lock.json")).unwrap();
    git(folder, &["add", "-A"]);
    git(folder, &["commit", "--quiet", "-m", "1"]);
    git(folder, &["rev-parse", "HEAD"])
}

fn locked(scripts: &Value) -> (Context, String) {
    let context = Context::with(&json!({}));
    let folder = context.path("repository");
    let commit = built(&folder, scripts);
    let address = format!("git+file://{}", folder.display());
    let manifest = json!({"name": "p", "dependencies": {"gd": address}});
    context.put("package.json", &manifest.to_string());
    context.run(&["shrinkwrap"]).exits(0);
    (context, format!("{address}#{commit}"))
}

fn files(context: &Context) -> Vec<String> {
    let entries = fs::read_dir(context.project().join("node_modules/gd")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_commit_is_installed_as_its_author_would_publish_it() {
    let (context, _) = locked(&json!({"test": "exit 1"}));
    context.run(&["ci"]).exits(0).says(&["2 fetched"]);
    assert_eq!(files(&context), ["Readme.md", "cli.js", "package.json"]);
    assert_eq!(
        context.read("node_modules/.bin/gd"),
        "#!/usr/bin/env node\n"
    );
    assert!(!context.has("node_modules/d"));
    context.run(&["verify"]).exits(0);
    // The store has it now.
    fs::remove_dir_all(context.path("repository")).unwrap();
    fs::remove_dir_all(context.project().join("node_modules")).unwrap();
    context.run(&["ci", "--offline"]).exits(0);
    assert_eq!(files(&context), ["Readme.md", "cli.js", "package.json"]);
}

#[test]
fn a_commit_that_is_built_by_its_scripts_needs_permission() {
    let script = "test -d node_modules/d && cp src/a.js lib.js && echo x > secret";
    let (context, resolved) = locked(&json!({"prepare": script}));
    let line = format!("{}: true", json!(resolved));
    context.run(&["ci"]).exits(6).says(&[
        "error[EALLOWSCRIPTS]: `gd@1.0.0` has to be built by its own scripts",
        "prepare: test -d node_modules/d",
        &line,
    ]);
    assert!(!context.has("node_modules"));
    context.run(&["ci", "--allow-scripts", &resolved]).exits(0);
    assert_eq!(
        files(&context),
        ["Readme.md", "cli.js", "lib.js", "package.json"]
    );
    context.run(&["verify"]).exits(0);
    context.run(&["ci", "--ignore-scripts"]).exits(0);
    assert_eq!(files(&context), ["Readme.md", "cli.js", "package.json"]);
    context.run(&["ci", "--scripts", "npm"]).exits(0);
    assert_eq!(
        files(&context),
        ["Readme.md", "cli.js", "lib.js", "package.json"]
    );
    let left = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let names = left.map(|entry| entry.file_name().into_string().unwrap_or_default());
    assert!(names.into_iter().all(|name| !context.has(&name)));
}

#[test]
fn a_script_that_fails_in_the_checkout_says_so() {
    let (context, _) = locked(&json!({"prepare": "echo broken; exit 3"}));
    context.run(&["ci", "--scripts", "npm"]).exits(8).says(&[
        "error[EGITPREPARE]: `gd@1.0.0` cannot be prepared",
        "exit code 3",
    ]);
    assert!(!context.has("node_modules"));
}

#[test]
fn folders_are_packed_where_links_are_not_wanted() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"folder": "file:folder"}}));
    context.put(
        "folder/package.json",
        r#"{"name": "folder", "version": "1.0.0", "files": ["lib"]}"#,
    );
    context.put("folder/lib/x.js", "1");
    context.put("folder/not.js", "1");
    context.run(&["shrinkwrap", "--install-links"]).exits(0);
    context.run(&["ci", "--install-links"]).exits(0);
    assert!(context.has("node_modules/folder/lib/x.js"));
    assert!(!context.has("node_modules/folder/not.js"));
    assert!(!context.project().join("node_modules/folder").is_symlink());
    // It may change at any time: nothing says that it is up to date.
    context.put("folder/lib/x.js", "2");
    context.run(&["ci", "--install-links"]).exits(0);
    assert_eq!(context.read("node_modules/folder/lib/x.js"), "2");
}

/// A package that bundles `b`: as its repository holds it, or as an install in a checkout brings it.
fn bundler(folder: &Path, scripts: &Value, checked_in: bool) -> String {
    fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "--quiet", "-b", "main", "."]);
    let manifest = json!({
        "name": "gd", "version": "1.0.0", "scripts": scripts, "files": ["index.js"],
        "dependencies": {"b": "1"}, "bundleDependencies": ["b"], "devDependencies": {"d": "2"},
    });
    let own = json!({"name": "b", "version": "1.0.0", "dependencies": {"deep": "*"}});
    let mut files = vec![("package.json", manifest.to_string())];
    if checked_in {
        files.extend([
            ("node_modules/b/package.json", own.to_string()),
            ("node_modules/b/.npmignore", "kept\n".to_owned()),
            ("node_modules/b/kept", "1".to_owned()),
            ("node_modules/deep/package.json", "{}".to_owned()),
            ("node_modules/stray/package.json", "{}".to_owned()),
            ("node_modules/d/package.json", "{}".to_owned()),
        ]);
    }
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    git(folder, &["add", "-A", "-f"]);
    git(folder, &["commit", "--quiet", "-m", "1"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// The lock that npm writes: bundled packages have no origin of their own.
fn locks_bundle(context: &Context, folder: &Path, commit: &str, inside: &[&str]) {
    let address = format!("git+file://{}", folder.display());
    let manifest = json!({"name": "p", "dependencies": {"gd": address}});
    context.put("package.json", &manifest.to_string());
    let mut packages = json!({
        "": {"name": "p", "dependencies": {"gd": address}},
        "node_modules/gd": {
            "version": "1.0.0", "resolved": format!("{address}#{commit}"),
            "bundleDependencies": ["b"], "dependencies": {"b": "1"},
        },
    });
    for name in inside {
        packages[format!("node_modules/gd/node_modules/{name}")] =
            json!({"version": "1.0.0", "inBundle": true});
    }
    if let [_, deep] = inside {
        packages["node_modules/gd/node_modules/b"]["dependencies"] = json!({*deep: "*"});
    }
    let lock = json!({"name": "p", "lockfileVersion": 3, "requires": true, "packages": packages});
    context.put("package-lock.json", &lock.to_string());
}

#[test]
fn a_commit_brings_what_it_bundles_and_what_that_depends_on() {
    let context = Context::with(&json!({}));
    let folder = context.path("repository");
    let commit = bundler(&folder, &json!({}), true);
    locks_bundle(&context, &folder, &commit, &["b", "deep"]);
    context.run(&["ci"]).exits(0);
    let modules = "node_modules/gd/node_modules";
    assert!(context.has(&format!("{modules}/b/kept")));
    assert!(context.has(&format!("{modules}/deep/package.json")));
    assert!(!context.has(&format!("{modules}/stray")));
    assert!(!context.has(&format!("{modules}/d")));
    context.run(&["verify"]).exits(0);
}

#[test]
fn what_a_commit_bundles_is_installed_before_it_is_packed_scripts_or_not() {
    let context = Context::with(&json!({}));
    let folder = context.path("repository");
    let commit = bundler(&folder, &json!({"prepare": "echo 1 > index.js"}), false);
    locks_bundle(&context, &folder, &commit, &["b"]);
    for (flags, built) in [("--ignore-scripts", false), ("--scripts=npm", true)] {
        context.run(&["ci", flags]).exits(0);
        assert!(context.has("node_modules/gd/node_modules/b/cli.js"));
        assert!(!context.has("node_modules/gd/node_modules/d"));
        assert_eq!(context.has("node_modules/gd/index.js"), built, "{flags}");
    }
}
