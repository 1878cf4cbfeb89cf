//! `heatseal install` and `heatseal ci`: trees on disk, and what a failure leaves behind.

use std::fs;

use registry_mock::Registry;
use serde_json::json;

use crate::context::Context;

const LOCK: &str = "npm-shrinkwrap.json";

fn wants_a() -> Context {
    Context::with(&json!({
        "name": "p",
        "version": "1.0.0",
        "dependencies": {"a": "^1.0.0"},
        "devDependencies": {"d": "^2.0.0"},
    }))
}

#[test]
fn install_locks_and_installs_and_then_has_nothing_to_do() {
    let context = wants_a();
    context
        .run(&["install"])
        .exits(0)
        .says(&["installed 3 packages in ", "3 fetched"]);
    assert_eq!(
        context.read("node_modules/a/index.js"),
        "module.exports = 'a 1.1.0'\n"
    );
    assert!(context.has("node_modules/.bin/b"));
    assert!(context.has(LOCK));
    let time = context.modified("node_modules/a/index.js");
    context
        .run(&["install"])
        .exits(0)
        .says(&["node_modules is up to date: 3 packages"]);
    assert_eq!(context.modified("node_modules/a/index.js"), time);
}

#[test]
fn ci_without_a_lock_exits_3_and_touches_nothing() {
    let context = wants_a();
    let before = context.listing();
    for verb in [&["ci"][..], &["install", "--frozen"]] {
        context
            .run(verb)
            .exits(3)
            .says(&["error[", "hint: run `heatseal shrinkwrap`"]);
    }
    assert_eq!(context.listing(), before);
}

#[test]
fn a_disagreement_names_the_line_of_the_manifest_and_the_side_that_is_older() {
    let context = wants_a();
    context.run(&["shrinkwrap"]).exits(0);
    let manifest = context.read("package.json");
    let locked = context.read(LOCK);
    let line = |text: &str| {
        let manifest = context.read("package.json");
        1 + manifest
            .lines()
            .position(|line| line.contains(text))
            .unwrap()
    };

    context.put("package.json", &manifest.replace("^2.0.0", "^3.0.0"));
    let place = format!(
        "package.json:{}; {LOCK} was made for ^2.0.0",
        line("^3.0.0")
    );
    context.run(&["ci"]).exits(3).says(&["d@^3.0.0", &place]);

    let added = manifest.replace("\"d\": ", "\"e\": \"1\",\n    \"d\": ");
    context.put("package.json", &added);
    let place = format!("package.json:{}; {LOCK} was made before", line("\"e\""));
    context
        .run(&["ci"])
        .exits(3)
        .says(&["Missing: e@1", &place]);

    context.put("package.json", &manifest);
    context.put(
        LOCK,
        &locked.replace("\"version\": \"2.0.0\"", "\"version\": \"1.0.0\""),
    );
    let said = "was made for the same: it was edited or merged wrongly";
    context.run(&["ci"]).exits(3).says(&["d@1.0.0", said]);
}

#[test]
fn ci_with_a_lock_that_disagrees_exits_3_and_keeps_the_tree() {
    let context = wants_a();
    context.run(&["install"]).exits(0);
    let lock = context.read(LOCK);
    context.put("package.json", r#"{"name": "p", "version": "1.0.0", "dependencies": {"a": "^1.0.0", "d": "^2.0.0", "scripted": "1"}}"#);
    context
        .run(&["ci"])
        .exits(3)
        .says(&["error[EUSAGE]:", "disagree", "scripted"]);
    assert_eq!(context.read(LOCK), lock);
    assert!(context.has("node_modules/a/index.js"));
}

#[test]
fn ci_installs_what_the_lock_says_and_leaves_the_lock_alone() {
    let context = wants_a();
    context.run(&["shrinkwrap"]).exits(0);
    let time = context.modified(LOCK);
    context.run(&["ci"]).exits(0);
    assert!(context.has("node_modules/a/package.json"));
    assert!(context.has("node_modules/.package-lock.json"));
    assert_eq!(context.modified(LOCK), time);
}

#[test]
fn development_dependencies_stay_out_where_they_are_omitted() {
    let context = wants_a();
    context.run(&["shrinkwrap"]).exits(0);
    for (args, env) in [
        (&["ci", "--omit=dev"][..], &[][..]),
        (&["ci", "--production"], &[]),
        (&["ci"], &[("NODE_ENV", "production")]),
    ] {
        context.run_with(args, env).exits(0);
        assert!(context.has("node_modules/a"), "{args:?}");
        assert!(!context.has("node_modules/d"), "{args:?}");
    }
    context
        .run_with(&["ci", "--include=dev"], &[("NODE_ENV", "production")])
        .exits(0);
    assert!(context.has("node_modules/d"));
}

#[test]
fn what_is_in_the_store_needs_no_registry() {
    let context = wants_a();
    context.run(&["install"]).exits(0);
    fs::remove_dir_all(context.project().join("node_modules")).unwrap();
    fs::remove_dir_all(context.path("registry")).unwrap();
    context.run(&["ci", "--offline"]).exits(0);
    assert!(context.has("node_modules/a/index.js"));
}

#[test]
fn a_tampered_tarball_exits_4_and_keeps_the_former_tree() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1.0.0"}}));
    context.run(&["install"]).exits(0);
    context.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"a": "1.1.0"}}"#,
    );
    context.run(&["shrinkwrap"]).exits(0);
    let tampered = Registry::new()
        .package("a", "1.1.0")
        .file("index.js", "evil()\n", 0o644);
    context.serve(&tampered);
    context
        .run(&["ci"])
        .exits(4)
        .says(&["error[EINTEGRITY]:", "a@1.1.0"]);
    assert_eq!(
        context.read("node_modules/a/index.js"),
        "module.exports = 'a 1.0.0'\n"
    );
    assert_eq!(context.listing(), ["node_modules", LOCK, "package.json"]);
}

#[test]
fn a_wrong_hash_says_whether_the_files_are_the_same() {
    let files = |registry: Registry, text: &str| {
        let fields = json!({"bin": {"run": "cli.js"}});
        let package = registry.package("c", "1.0.0").manifest(fields);
        let package = package.file("cli.js", "#!/usr/bin/env node\r\n", 0o644);
        package.file("index.js", text, 0o644)
    };
    for in_tree in [true, false] {
        let known = if in_tree {
            "those in `node_modules/c`"
        } else {
            "those that the store has of `c@1.0.0` under another hash"
        };
        let context = Context::with(&json!({"name": "p", "dependencies": {"c": "1"}}));
        context.serve(&files(Registry::new(), "same\n"));
        context.run(&["install"]).exits(0);
        let integrity = format!("sha512-{}==", "A".repeat(86));
        let mut lock: serde_json::Value = serde_json::from_str(&context.read(LOCK)).unwrap();
        lock["packages"]["node_modules/c"]["integrity"] = json!(integrity);
        context.put(LOCK, &format!("{lock:#}\n"));
        if in_tree {
            fs::remove_dir_all(context.path("store")).unwrap();
        } else {
            fs::remove_dir_all(context.project().join("node_modules")).unwrap();
        }
        context.serve(&files(Registry::new().deflated(), "same\n"));
        let same = format!("  the files inside are the same as {known}: it was only packed again");
        let answer = context.run(&["ci"]).exits(4);
        answer.says(&["error[EINTEGRITY]:", &same]);
        context.serve(&files(Registry::new(), "evil\n"));
        let other = format!("  1 file inside differs from {known}: `index.js`");
        context.run(&["ci"]).exits(4).says(&[&other]);
        let two = files(Registry::new(), "evil\n").file("more.js", "", 0o644);
        context.serve(&two);
        let others = format!("  2 files inside differ from {known}, such as `index.js`");
        context.run(&["ci"]).exits(4).says(&[&others]);
        assert_eq!(context.has("node_modules/c/index.js"), in_tree);
    }
}

#[test]
fn a_required_package_for_another_system_exits_5() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"elsewhere": "1"}}));
    context.run(&["shrinkwrap", "--force"]).exits(0);
    context
        .run(&["ci"])
        .exits(5)
        .says(&["error[EBADPLATFORM]:", "elsewhere@1.0.0"]);
    assert!(!context.has("node_modules"));
}

#[test]
fn a_script_that_fails_exits_8_unless_scripts_are_ignored() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"scripted": "1"}}));
    context.run(&["shrinkwrap"]).exits(0);
    context
        .run(&["ci", "--allow-scripts", "scripted"])
        .exits(8)
        .says(&["scripted@1.0.0"]);
    assert!(!context.has("node_modules/scripted"));
    context.run(&["ci", "--ignore-scripts"]).exits(0);
    assert!(context.has("node_modules/scripted"));
}

#[test]
fn a_dry_run_says_what_would_change_and_installs_nothing() {
    let context = wants_a();
    context.run(&["shrinkwrap"]).exits(0);
    let answer = context.run(&["ci", "--dry-run"]).exits(0);
    assert_eq!(
        answer.stdout,
        "add a@1.1.0 (node_modules/a)\nadd b@1.0.0 (node_modules/b)\nadd d@2.0.0 (node_modules/d)\n"
    );
    answer.says(&["would install 3 packages"]);
    assert!(!context.has("node_modules"));
    context.run(&["ci"]).exits(0);
    let manifest =
        r#"{"name": "p", "version": "1.0.0", "dependencies": {"a": "1.0.0", "scripted": "1"}}"#;
    context.put("package.json", manifest);
    context.run(&["shrinkwrap"]).exits(0);
    let answer = context.run(&["ci", "--dry-run"]).exits(0);
    assert_eq!(
        answer.stdout,
        "add scripted@1.0.0 (node_modules/scripted)\n\
         change a@1.1.0 to a@1.0.0 (node_modules/a)\n\
         remove d@2.0.0 (node_modules/d)\n\
         refuse: scripted@1.0.0 may not run the install scripts that it needs\n"
    );
    let allowed = ["ci", "--dry-run", "--json", "--allow-scripts", "scripted"];
    let document = context.run(&allowed).exits(0).json();
    assert_eq!(document["wouldDo"]["scripts"], json!(["scripted@1.0.0"]));
    assert!(context.has("node_modules/d"));
}

#[test]
fn json_sums_up_on_standard_output() {
    let document = wants_a().run(&["install", "--json"]).exits(0).json();
    assert_eq!(document["version"], 1);
    assert_eq!(document["packages"], 3);
    assert_eq!(document["current"], false);
}

#[test]
fn a_node_modules_that_is_a_link_is_refused_and_its_target_untouched() {
    let context = wants_a();
    context.run(&["shrinkwrap"]).exits(0);
    let elsewhere = context.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("precious"), "1").unwrap();
    let link = context.project().join("node_modules");
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    context
        .run(&["ci"])
        .exits(6)
        .says(&["error[ELINKED]", "node_modules` is a link to"]);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    assert!(link.is_symlink());
}

#[test]
fn a_command_without_a_link_in_bin_is_executable_where_npm_knows_of_it() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"tool": "1", "a": "1"}}));
    let registry = Registry::new()
        .package("tool", "1.0.0")
        .manifest(json!({"bin": {"b": "other.js", "tool": "tool.js"}}))
        .file("tool.js", "#!/usr/bin/env node\r\n", 0o644)
        .file("other.js", "#!/usr/bin/env node\r\n", 0o644)
        .package("b", "1.0.0")
        .manifest(json!({"bin": {"b": "cli.js"}}))
        .file("cli.js", "#!/usr/bin/env node\r\n", 0o644);
    context.serve(&registry);
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = context.project().join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o111
    };
    // npm knows the bins of what it has to look up; of a tarball's URL it knows nothing.
    for (lock, executable) in [
        ("--omit-lockfile-registry-resolved", 0o111),
        ("--no-omit-lockfile-registry-resolved", 0),
    ] {
        let _ = fs::remove_file(context.project().join("npm-shrinkwrap.json"));
        context.run(&["shrinkwrap", lock]).exits(0);
        for mode_of_links in ["hardlink", "copy"] {
            let flags = ["--no-bin-links", "--link-mode", mode_of_links];
            context.run(&[&["ci"], &flags[..]].concat()).exits(0);
            assert!(!context.has("node_modules/.bin"));
            assert_eq!(mode("node_modules/tool/tool.js"), executable, "{lock}");
            // Only who gets a link has its first line mended.
            assert!(context.read("node_modules/tool/tool.js").ends_with("\r\n"));
            context.run(&["verify", "--no-bin-links"]).exits(0);
        }
        // `b` comes before `tool` and has the link.
        context.run(&["ci"]).exits(0).says(&["EBINTAKEN"]);
        assert_eq!(mode("node_modules/b/cli.js"), 0o111);
        assert_eq!(mode("node_modules/tool/other.js"), executable, "{lock}");
        context.run(&["verify"]).exits(0);
    }
}

/// The file of a command that is not executable in its tarball cannot be linked from the store.
#[test]
fn what_the_store_cannot_give_is_linked_from_the_former_tree_where_unchanged() {
    use std::os::unix::fs::MetadataExt as _;
    let context = Context::with(&json!({"name": "p", "dependencies": {"tool": "1"}}));
    let registry = Registry::new()
        .package("tool", "1.0.0")
        .manifest(json!({"bin": {"tool": "tool.js"}}))
        .file("tool.js", "#!/usr/bin/env node\n", 0o644)
        .package("a", "1.0.0")
        .package("b", "1.0.0");
    context.serve(&registry);
    let path = context.project().join("node_modules/tool/tool.js");
    let inode = || fs::metadata(&path).unwrap().ino();
    let install = |names: &[&str], mode: &str| {
        let mut manifest = json!({"name": "p", "dependencies": {"tool": "1"}});
        for name in names {
            manifest["dependencies"][name] = json!("1");
        }
        context.put("package.json", &manifest.to_string());
        context.run(&["shrinkwrap"]).exits(0);
        let before = inode();
        // Kept, so that its inode is not given to a new file.
        let kept = context.project().join("kept");
        fs::hard_link(&path, &kept).unwrap();
        context.run(&["ci", "--link-mode", mode]).exits(0);
        assert_eq!(
            context.read("node_modules/tool/tool.js"),
            "#!/usr/bin/env node\n"
        );
        context.run(&["verify"]).exits(0);
        fs::remove_file(kept).unwrap();
        before == inode()
    };
    context.run(&["shrinkwrap"]).exits(0);
    context.run(&["ci"]).exits(0);
    assert!(install(&["a"], "auto"));
    assert!(!install(&["b"], "copy"));
    assert!(!install(&["a"], "hardlink"));
    // Of the same size and time, and yet another.
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "#!/usr/bin/env NODE\n").unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert!(!install(&["b"], "auto"));
    // What lies behind a link is somebody else's.
    let package = context.project().join("node_modules/tool");
    let elsewhere = context.project().join("elsewhere");
    fs::rename(&package, &elsewhere).unwrap();
    std::os::unix::fs::symlink("../elsewhere", &package).unwrap();
    assert!(!install(&["a"], "auto"));
    assert!(elsewhere.join("tool.js").exists());
}

#[test]
fn a_cycle_that_npm_closes_by_a_link_is_installed() {
    let context = Context::with(&json!({"name": "p", "dependencies": {"m1": "1"}}));
    let wants = |name: &str, version: &str| json!({"dependencies": {name: version}});
    context.serve(
        &Registry::new()
            .package("m1", "1.0.0")
            .manifest(wants("m2", "1"))
            .package("m1", "2.0.0")
            .manifest(wants("m2", "2"))
            .package("m2", "1.0.0")
            .manifest(json!({"dependencies": {"m1": "2"}, "bin": "m2.js"}))
            .file("m2.js", "#!/usr/bin/env node\r\n", 0o644)
            .package("m2", "2.0.0")
            .manifest(wants("m1", "1")),
    );
    context.run(&["shrinkwrap"]).exits(0);
    let lock: serde_json::Value = serde_json::from_str(&context.read(LOCK)).unwrap();
    let entries = lock["packages"].as_object().unwrap().iter();
    let links: Vec<&String> = entries
        .filter(|(_, entry)| entry["link"] == true)
        .map(|(location, _)| location)
        .collect();
    assert_eq!(links.len(), 1, "{lock:#}");
    context.run(&["ci"]).exits(0);
    assert!(context.project().join(links[0]).is_symlink());
    context.run(&["verify"]).exits(0);
    // The command is beside the link, and nowhere else.
    let (beside, _) = links[0].rsplit_once('/').unwrap();
    let command = format!("{beside}/.bin/m2");
    assert_eq!(context.read(&command), "#!/usr/bin/env node\n");
    assert!(!context.has("node_modules/.bin"));
}

#[test]
fn what_others_keep_in_the_folder_of_a_file_dependency_stays() {
    let context = Context::with(&json!({
        "name": "p", "dependencies": {"lib": "file:lib", "b": "1.0.0", "d": "2"},
    }));
    context.serve(
        &Registry::new()
            .package("b", "1.0.0")
            .package("b", "2.0.0")
            .manifest(json!({"bin": {"b": "cli.js"}}))
            .file("cli.js", "", 0o755),
    );
    let lib = json!({"name": "lib", "version": "1.0.0", "dependencies": {"b": "2"}});
    context.put("lib/package.json", &lib.to_string());
    let modules = "lib/node_modules";
    for name in [
        "kept/x/y.js",
        "@s/kept/x.js",
        ".bin/kept",
        "b/old.js",
        ".package-lock.json",
    ] {
        context.put(&format!("{modules}/{name}"), "theirs");
    }
    context.run(&["shrinkwrap"]).exits(0);
    for _ in 0..2 {
        context.run(&["ci"]).exits(0);
        for name in [
            "kept/x/y.js",
            "@s/kept/x.js",
            ".bin/kept",
            ".package-lock.json",
        ] {
            assert_eq!(context.read(&format!("{modules}/{name}")), "theirs");
        }
        assert!(context.has(&format!("{modules}/.bin/b")));
        assert!(!context.has(&format!("{modules}/b/old.js")));
        context.run(&["verify"]).exits(0);
        context.put(&format!("{modules}/another.js"), "theirs");
    }
    context.put(&format!("{modules}/b/more.js"), "");
    context.run(&["verify"]).exits(4);
}

#[test]
fn with_package_lock_only_the_lock_is_written_or_held_and_nothing_is_installed() {
    let context = wants_a();
    let answer = context.run(&["install", "--package-lock-only"]).exits(0);
    assert!(answer.stdout.contains("add a@"), "{}", answer.stdout);
    assert!(context.has(LOCK) && !context.has("node_modules"));
    context.run(&["ci", "--package-lock-only"]).exits(0);
    assert!(!context.has("node_modules"));
}
