//! Trees that `heatseal install` makes, held against npm's rules, and what a failure leaves behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use registry_mock::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

const LOCK: &str = "npm-shrinkwrap.json";

/// A project with a store of its own, and the folder that is its registry.
struct Project {
    folder: TempDir,
    registry: PathBuf,
}

/// What a run printed, and its exit code; -1 when a signal ended it.
struct Answer {
    code: i32,
    stderr: String,
}

impl Project {
    /// The README's demo and its registry.
    fn demo() -> Self {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let manifest = fs::read_to_string(fixtures.join("projects/demo/package.json")).unwrap();
        Self::new(&manifest, fixtures.join("registry"))
    }

    fn with(manifest: &Value, packages: &Registry) -> Self {
        let project = Self::new(&format!("{manifest:#}\n"), PathBuf::new());
        let registry = project.path("registry");
        packages.write(&registry).unwrap();
        Self {
            registry,
            ..project
        }
    }

    fn new(manifest: &str, registry: PathBuf) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let project = Self { folder, registry };
        project.put("package.json", manifest);
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path("project").join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.at(name)).is_ok()
    }

    /// Runs the program under umask 022 on a Linux with glibc, whatever the machine is.
    fn run(&self, args: &[&str]) -> Answer {
        self.run_under("022", args)
    }

    fn run_under(&self, umask: &str, args: &[&str]) -> Answer {
        let under = format!(r#"umask {umask}; exec "$@""#);
        let output = Command::new("sh")
            .args(["-c", &under, "sh"])
            .arg(env!("CARGO_BIN_EXE_heatseal"))
            .args(args)
            .current_dir(self.at(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("HEATSEAL_STORE_DIR", self.path("store"))
            .env("npm_config_os", "linux")
            .env("npm_config_cpu", "x64")
            .env("npm_config_libc", "glibc")
            .env(
                "npm_config_registry",
                format!("file:{}", self.registry.display()),
            )
            .env("CI", "1")
            .output()
            .unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn lock(&self) -> Value {
        serde_json::from_str(&self.read(LOCK)).unwrap()
    }

    /// Changes the lock by hand.
    fn edit_lock(&self, edit: impl FnOnce(&mut Value)) {
        let mut lock = self.lock();
        edit(&mut lock);
        self.put(LOCK, format!("{lock:#}\n"));
    }

    /// Everything below every `node_modules`: `path/`, `path -> text`, `path` or `path*` when
    /// executable; the modes are those of umask 022.
    fn tree(&self) -> BTreeSet<String> {
        let mut tree = BTreeSet::new();
        list(&self.at(""), "", false, &mut tree);
        tree
    }

    /// Everything in the project's folder, `node_modules` unopened.
    fn files(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.at("")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

fn list(folder: &Path, prefix: &str, inside: bool, tree: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let inside = inside || name == "node_modules";
        let shown = format!("{prefix}{name}");
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            list(&path, &format!("{shown}/"), inside, tree);
        }
        if !inside {
            continue;
        }
        tree.insert(if metadata.is_symlink() {
            format!("{shown} -> {}", fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            assert_eq!(mode, 0o755, "{shown}");
            format!("{shown}/")
        } else if mode == 0o755 {
            format!("{shown}*")
        } else {
            assert_eq!(mode, 0o644, "{shown}");
            shown
        });
    }
}

impl Answer {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        self
    }

    #[track_caller]
    fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "{text:?} is not in:\n{}",
                self.stderr
            );
        }
        self
    }
}

/// Lines as a set, written below one another.
fn lines(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// What `npm ci` (11.19.1, linux-x64-glibc, umask 022) makes of the demo and this lock.
const DEMO: &str = "
    node_modules/
    node_modules/.bin/
    node_modules/.bin/greet -> ../greet/cli.js
    node_modules/.package-lock.json
    node_modules/@acme/
    node_modules/@acme/config/
    node_modules/@acme/config/config.json
    node_modules/@acme/config/package.json
    node_modules/@fastmath/
    node_modules/@fastmath/linux-x64-gnu/
    node_modules/@fastmath/linux-x64-gnu/fastmath.linux-x64-gnu.node
    node_modules/@fastmath/linux-x64-gnu/package.json
    node_modules/fastmath/
    node_modules/fastmath/index.js
    node_modules/fastmath/package.json
    node_modules/greet/
    node_modules/greet/cli.js*
    node_modules/greet/index.js
    node_modules/greet/node_modules/
    node_modules/greet/node_modules/words/
    node_modules/greet/node_modules/words/index.js
    node_modules/greet/node_modules/words/package.json
    node_modules/greet/package.json
    node_modules/plugin-loud/
    node_modules/plugin-loud/index.js
    node_modules/plugin-loud/package.json
    node_modules/stamp/
    node_modules/stamp/index.js
    node_modules/stamp/package.json
    node_modules/stamp/stamped
    node_modules/words/
    node_modules/words/index.js
    node_modules/words/package.json
";
const DEMO_DEV: &str = "
    node_modules/tiny-diff/
    node_modules/tiny-diff/index.js
    node_modules/tiny-diff/package.json
    node_modules/tiny-test/
    node_modules/tiny-test/index.js
    node_modules/tiny-test/package.json
";

#[test]
fn the_demo_gets_the_tree_that_npm_ci_makes() {
    let project = Project::demo();
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["install", "--frozen"]).exits(0);
    assert_eq!(project.tree(), lines(&format!("{DEMO}{DEMO_DEV}")));
    let hidden: Value =
        serde_json::from_str(&project.read("node_modules/.package-lock.json")).unwrap();
    let mut packages = project.lock()["packages"].as_object().unwrap().clone();
    packages.retain(|location, _| project.has(location) && !location.is_empty());
    assert_eq!(hidden["packages"], Value::Object(packages));
    assert_eq!(hidden["name"], "demo");
    assert_eq!(
        project.files(),
        lines(&format!("{LOCK}\nnode_modules\npackage.json"))
    );
}

#[test]
fn omitted_development_dependencies_are_in_neither_tree_nor_hidden_lock() {
    let project = Project::demo();
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci", "--omit=dev"]).exits(0);
    assert_eq!(project.tree(), lines(DEMO));
    let hidden = project.read("node_modules/.package-lock.json");
    assert!(!hidden.contains("tiny-"), "{hidden}");
}

#[test]
fn every_link_mode_gives_the_same_tree() {
    for mode in ["auto", "hardlink", "reflink", "copy"] {
        let project = Project::demo();
        project.run(&["shrinkwrap"]).exits(0);
        project.run(&["ci", "--link-mode", mode]).exits(0);
        assert_eq!(
            project.tree(),
            lines(&format!("{DEMO}{DEMO_DEV}")),
            "{mode}"
        );
        let links = fs::metadata(project.at("node_modules/stamp/index.js"))
            .unwrap()
            .nlink();
        assert_eq!(links, 1, "a package with scripts shares its files ({mode})");
    }
}

#[test]
fn a_second_run_touches_nothing_even_where_scripts_ran() {
    let project = Project::demo();
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci"]).exits(0);
    let inode = |name: &str| fs::metadata(project.at(name)).unwrap().ino();
    let before = (inode("node_modules"), inode("node_modules/stamp/stamped"));
    project.run(&["ci"]).exits(0).says(&["up to date"]);
    assert_eq!(
        before,
        (inode("node_modules"), inode("node_modules/stamp/stamped"))
    );
}

#[test]
fn a_tree_that_changed_is_put_right_by_the_next_run() {
    type Damage = fn(&Project);
    let project = Project::demo();
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci"]).exits(0);
    let whole = project.tree();
    let damages: [Damage; 4] = [
        |project| fs::remove_file(project.at("node_modules/words/index.js")).unwrap(),
        |project| project.put("node_modules/greet/node_modules/words/extra.js", "1"),
        |project| fs::remove_file(project.at("node_modules/.bin/greet")).unwrap(),
        |project| project.put("node_modules/stray/index.js", "1"),
    ];
    for damage in damages {
        damage(&project);
        assert_ne!(project.tree(), whole);
        project.run(&["ci"]).exits(0).says(&["installed"]);
        assert_eq!(project.tree(), whole);
    }
}

#[test]
fn scripts_of_the_project_itself_run_even_when_the_tree_is_up_to_date() {
    let manifest = json!({
        "name": "p", "dependencies": {"a": "1"},
        "scripts": {"postinstall": "echo ran >> log"},
    });
    let project = Project::with(&manifest, &Registry::new().package("a", "1.0.0"));
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci"]).exits(0);
    project.run(&["ci"]).exits(0).says(&["up to date"]);
    assert_eq!(project.read("log"), "ran\nran\n");
    project.run(&["ci", "--ignore-scripts"]).exits(0);
    assert_eq!(project.read("log"), "ran\nran\n");
}

#[test]
fn a_lock_that_disagrees_exits_3_and_names_the_edge() {
    let registry = Registry::new()
        .package("a", "1.0.0")
        .package("a", "2.0.0")
        .package("b", "1.0.0");
    let project = Project::with(&json!({"name": "p", "dependencies": {"a": "1"}}), &registry);
    project.run(&["install"]).exits(0);
    let (lock, tree) = (project.read(LOCK), project.tree());
    for (wants, edge) in [
        (json!({"a": "2"}), "a@1.0.0 does not satisfy a@2"),
        (json!({"a": "1", "b": "^1.0.0"}), "Missing: b@^1.0.0"),
    ] {
        project.put(
            "package.json",
            json!({"name": "p", "dependencies": wants}).to_string(),
        );
        project.run(&["ci"]).exits(3).says(&["error[EUSAGE]", edge]);
        assert_eq!(
            (project.read(LOCK), project.tree()),
            (lock.clone(), tree.clone())
        );
    }
}

#[test]
fn an_optional_dependency_without_an_entry_is_missing() {
    let project = Project::demo();
    project.run(&["shrinkwrap"]).exits(0);
    project.edit_lock(|lock| {
        let packages = lock["packages"].as_object_mut().unwrap();
        packages
            .shift_remove("node_modules/@fastmath/linux-x64-gnu")
            .unwrap();
    });
    project
        .run(&["ci"])
        .exits(3)
        .says(&["Missing: @fastmath/linux-x64-gnu@2.0.1", "fastmath@2.0.1"]);
    assert!(!project.has("node_modules"));
}

/// npm looks for holes where the project leads without passing through a link, and at workspaces.
#[test]
fn below_a_workspace_a_family_may_have_holes_where_it_serves_the_target() {
    let member = |os: &str| json!({"os": [os], "cpu": ["x64"]});
    let registry = Registry::new()
        .package("fast", "1.0.0")
        .manifest(json!({"optionalDependencies": {
            "@fast/linux": "1.0.0", "@fast/darwin": "1.0.0", "lone": "1.0.0",
        }}))
        .package("@fast/linux", "1.0.0")
        .manifest(member("linux"))
        .package("@fast/darwin", "1.0.0")
        .manifest(member("darwin"))
        .package("lone", "1.0.0");
    let needs =
        |name: &str| json!({"name": name, "version": "1.0.0", "dependencies": {"fast": "1"}});
    let root = json!({"name": "p", "workspaces": ["w"]});
    let project = Project::with(&root, &registry);
    project.put("w/package.json", needs("w").to_string());
    project.run(&["shrinkwrap"]).exits(0);
    let whole = project.read("npm-shrinkwrap.json");
    let without = |name: &str| {
        project.put("npm-shrinkwrap.json", &whole);
        project.edit_lock(|lock| {
            let packages = lock["packages"].as_object_mut().unwrap();
            let key = format!("node_modules/{name}");
            packages.shift_remove(&key).unwrap();
        });
    };
    without("@fast/darwin");
    let (linux, darwin) = (
        ["ci", "--target", "linux-x64"],
        ["ci", "--target", "darwin-x64"],
    );
    let missing = "Missing: @fast/darwin@1.0.0";
    project.run(&linux).exits(0).says(&[
        "fast@1.0.0",
        "nothing for 1 of",
        "@fast/darwin",
        "serves linux-x64",
    ]);
    assert!(project.has("node_modules/@fast/linux/package.json"));
    project.run(&darwin).exits(3).says(&[missing]);
    // What has no family could be needed anywhere.
    without("lone");
    project.run(&linux).exits(3).says(&["Missing: lone@1.0.0"]);
    // And what the project itself reaches has to be there.
    project.put(
        "package.json",
        json!({"name": "p", "workspaces": ["w"], "dependencies": {"fast": "1"}}).to_string(),
    );
    project.run(&["shrinkwrap"]).exits(0);
    project.edit_lock(|lock| {
        let packages = lock["packages"].as_object_mut().unwrap();
        packages.shift_remove("node_modules/@fast/darwin").unwrap();
    });
    project.run(&linux).exits(3).says(&[missing]);
}

#[test]
fn no_lock_exits_3() {
    let project = Project::demo();
    project.run(&["ci"]).exits(3);
    assert_eq!(project.files(), lines("package.json"));
}

#[test]
fn a_tampered_tarball_exits_4_and_leaves_the_old_tree() {
    let registry = Registry::new()
        .package("a", "1.0.0")
        .package("b", "1.0.0")
        .file("index.js", "honest", 0o644);
    let project = Project::with(&json!({"name": "p", "dependencies": {"a": "1"}}), &registry);
    project.run(&["install"]).exits(0);
    let tree = project.tree();
    project.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"a": "1", "b": "1"}}"#,
    );
    project.run(&["shrinkwrap"]).exits(0);
    let tampered = Registry::new()
        .package("b", "1.0.0")
        .file("index.js", "wicked", 0o644);
    tampered.write(&project.registry).unwrap();
    project
        .run(&["ci"])
        .exits(4)
        .says(&["error[EINTEGRITY]", "b@1.0.0"]);
    assert_eq!(project.tree(), tree);
    assert_eq!(
        project.files(),
        lines(&format!("{LOCK}\nnode_modules\npackage.json"))
    );
}

#[test]
fn a_required_script_that_fails_exits_8_and_brings_the_old_tree_back() {
    let registry = Registry::new()
        .package("a", "1.0.0")
        .package("bad", "1.0.0")
        .manifest(json!({"scripts": {"postinstall": "exit 3"}}));
    let project = Project::with(&json!({"name": "p", "dependencies": {"a": "1"}}), &registry);
    project.run(&["install"]).exits(0);
    let tree = project.tree();
    project.put(
        "package.json",
        r#"{"name": "p", "dependencies": {"a": "1", "bad": "1"}}"#,
    );
    project.run(&["shrinkwrap"]).exits(0);
    project
        .run(&["ci", "--scripts", "npm"])
        .exits(8)
        .says(&["bad@1.0.0"]);
    assert_eq!(project.tree(), tree);
    assert_eq!(
        project.files(),
        lines(&format!("{LOCK}\nnode_modules\npackage.json"))
    );
}

#[test]
fn an_optional_script_that_fails_takes_its_branch_away() {
    let registry = Registry::new()
        .package("kept", "1.0.0")
        .manifest(json!({"scripts": {"postinstall": "echo yes > ran"}}))
        .package("bad", "1.0.0")
        .manifest(json!({"dependencies": {"only-bad": "1", "kept": "1"},
                         "scripts": {"postinstall": "exit 3"}}))
        .package("only-bad", "1.0.0");
    let manifest = json!({
        "name": "p", "dependencies": {"kept": "1"}, "optionalDependencies": {"bad": "1"},
    });
    let project = Project::with(&manifest, &registry);
    project.run(&["shrinkwrap"]).exits(0);
    let lock = project.read(LOCK);
    project.run(&["ci", "--scripts", "npm"]).exits(0);
    let expected = lines(
        "node_modules/
         node_modules/.package-lock.json
         node_modules/kept/
         node_modules/kept/package.json
         node_modules/kept/ran",
    );
    assert_eq!(project.tree(), expected);
    let hidden = project.read("node_modules/.package-lock.json");
    assert!(!hidden.contains("bad"), "{hidden}");
    assert_eq!(project.read(LOCK), lock);
}

#[test]
fn an_optional_download_that_fails_is_not_skipped() {
    let registry = Registry::new().package("a", "1.0.0").package("b", "1.0.0");
    let manifest = json!({
        "name": "p", "dependencies": {"a": "1"}, "optionalDependencies": {"b": "1"},
    });
    let project = Project::with(&manifest, &registry);
    project.run(&["shrinkwrap"]).exits(0);
    fs::remove_dir_all(project.registry.join("b/-")).unwrap();
    project.run(&["ci"]).exits(7).says(&["error[E404]"]);
    assert!(!project.has("node_modules"));
}

#[test]
fn a_required_package_for_another_system_exits_5_and_an_optional_one_is_left_out() {
    let registry = Registry::new()
        .package("a", "1.0.0")
        .package("mac", "1.0.0")
        .manifest(json!({"os": ["darwin"]}));
    let manifest = json!({
        "name": "p", "dependencies": {"a": "1"}, "optionalDependencies": {"mac": "1"},
    });
    let optional = Project::with(&manifest, &registry);
    optional.run(&["shrinkwrap"]).exits(0);
    optional.run(&["ci"]).exits(0);
    assert!(optional.has("node_modules/a") && !optional.has("node_modules/mac"));

    let manifest = json!({"name": "p", "dependencies": {"a": "1", "mac": "1"}});
    let required = Project::with(&manifest, &registry);
    required.run(&["shrinkwrap", "--force"]).exits(0);
    required
        .run(&["ci"])
        .exits(5)
        .says(&["error[EBADPLATFORM]", "mac@1.0.0"]);
    assert!(!required.has("node_modules"));
}

#[test]
fn what_is_in_the_store_installs_without_a_registry() {
    let registry = Registry::new()
        .package("a", "1.0.0")
        .manifest(json!({"bin": "cli.js"}))
        .file("cli.js", "#!/usr/bin/env node\r\n1\r\n", 0o644);
    let project = Project::with(&json!({"name": "p", "dependencies": {"a": "1"}}), &registry);
    project.run(&["install"]).exits(0);
    let tree = project.tree();
    fs::remove_dir_all(&project.registry).unwrap();
    fs::remove_dir_all(project.at("node_modules")).unwrap();
    project.run(&["ci", "--offline"]).exits(0);
    assert_eq!(project.tree(), tree);
    // npm mends the first line of a command, and that one alone.
    assert_eq!(
        project.read("node_modules/a/cli.js"),
        "#!/usr/bin/env node\n1\r\n"
    );
}

#[test]
fn local_tarballs_are_copied_and_folders_linked() {
    let registry = Registry::new()
        .package("packed", "1.0.0")
        .file("index.js", "packed", 0o644)
        .package("a", "1.0.0");
    let manifest = json!({
        "name": "p",
        "workspaces": ["packages/*"],
        "dependencies": {"packed": "file:vendor/packed.tgz", "folder": "file:folder"},
    });
    let project = Project::with(&manifest, &registry);
    let tarball = project.registry.join("packed/-/packed-1.0.0.tgz");
    project.put("vendor/packed.tgz", fs::read(tarball).unwrap());
    fs::remove_dir_all(project.registry.join("packed")).unwrap();
    project.put(
        "folder/package.json",
        r#"{"name": "folder", "version": "1.0.0"}"#,
    );
    project.put(
        "packages/w/package.json",
        r#"{"name": "@s/w", "version": "1.0.0", "bin": "w.js", "dependencies": {"a": "1"}}"#,
    );
    project.put("packages/w/w.js", "#!/usr/bin/env node\n");
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci"]).exits(0);
    let expected = lines(
        "node_modules/
         node_modules/.bin/
         node_modules/.bin/w -> ../@s/w/w.js
         node_modules/.package-lock.json
         node_modules/@s/
         node_modules/@s/w -> ../../packages/w
         node_modules/a/
         node_modules/a/package.json
         node_modules/folder -> ../folder
         node_modules/packed/
         node_modules/packed/index.js
         node_modules/packed/package.json",
    );
    assert_eq!(project.tree(), expected);

    fs::remove_dir_all(project.path("store")).unwrap();
    fs::remove_dir_all(project.at("node_modules")).unwrap();
    let another = project.registry.join("a/-/a-1.0.0.tgz");
    project.put("vendor/packed.tgz", fs::read(another).unwrap());
    project
        .run(&["ci"])
        .exits(4)
        .says(&["error[EINTEGRITY]", "packed@1.0.0"]);
}

#[test]
fn bundled_packages_come_from_the_tarball_around_them() {
    let inner = r#"{"name": "inner", "version": "9.0.0", "bin": "i.js"}"#;
    let registry = Registry::new()
        .package("outer", "1.0.0")
        .manifest(json!({"dependencies": {"inner": "9"}, "bundleDependencies": ["inner"]}))
        .file("node_modules/inner/package.json", inner, 0o644)
        .file("node_modules/inner/i.js", "#!/usr/bin/env node\n", 0o644);
    let manifest = json!({"name": "p", "dependencies": {"outer": "1"}});
    let project = Project::with(&manifest, &registry);
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci"]).exits(0);
    let expected = lines(
        "node_modules/
         node_modules/.package-lock.json
         node_modules/outer/
         node_modules/outer/node_modules/
         node_modules/outer/node_modules/.bin/
         node_modules/outer/node_modules/.bin/inner -> ../inner/i.js
         node_modules/outer/node_modules/inner/
         node_modules/outer/node_modules/inner/i.js*
         node_modules/outer/node_modules/inner/package.json
         node_modules/outer/package.json",
    );
    assert_eq!(project.tree(), expected);
}

#[test]
fn a_new_store_is_private_also_where_the_umask_lets_the_group_write() {
    let project = Project::demo();
    project.run_under("002", &["shrinkwrap"]).exits(0);
    project.run_under("002", &["ci"]).exits(0);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(project.path("store")), 0o700);
    assert_eq!(mode(project.at("node_modules/words/index.js")), 0o644);
    assert_eq!(mode(project.at("node_modules/words")), 0o775);
}

/// As npm: it is in the tarball, so its command is linked; only the hidden lock leaves it out.
#[test]
fn what_is_omitted_and_comes_in_a_bundle_is_there_with_its_commands() {
    let inner = r#"{"name": "inner", "version": "9.0.0", "bin": "i.js"}"#;
    let registry = Registry::new()
        .package("outer", "1.0.0")
        .manifest(json!({"optionalDependencies": {"inner": "9"}, "bundleDependencies": ["inner"]}))
        .file("node_modules/inner/package.json", inner, 0o644)
        .file("node_modules/inner/i.js", "#!/usr/bin/env node\n", 0o644);
    let manifest = json!({"name": "p", "dependencies": {"outer": "1"}});
    let project = Project::with(&manifest, &registry);
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci", "--omit=optional"]).exits(0);
    assert!(project.has("node_modules/outer/node_modules/.bin/inner"));
    let hidden = project.read("node_modules/.package-lock.json");
    assert!(!hidden.contains("outer/node_modules/inner"), "{hidden}");
    project.run(&["verify", "--omit=optional"]).exits(0);
}

/// As npm, whose hidden lock says so of what it finds in a tarball.
#[test]
fn what_a_bundle_holds_without_need_is_in_the_hidden_lock() {
    let registry = Registry::new()
        .package("outer", "1.0.0")
        .manifest(json!({"bundleDependencies": ["unneeded"]}))
        .file(
            "node_modules/unneeded/package.json",
            r#"{"name": "unneeded", "version": "9.0.0"}"#,
            0o644,
        );
    let manifest = json!({"name": "p", "dependencies": {"outer": "1"}});
    let project = Project::with(&manifest, &registry);
    project.run(&["shrinkwrap"]).exits(0);
    project.run(&["ci"]).exits(0);
    let hidden: Value =
        serde_json::from_str(&project.read("node_modules/.package-lock.json")).unwrap();
    let entry = &hidden["packages"]["node_modules/outer/node_modules/unneeded"];
    let expected = json!({"version": "9.0.0", "extraneous": true, "inBundle": true});
    assert_eq!(*entry, expected);
    project.run(&["verify"]).exits(0);
}
