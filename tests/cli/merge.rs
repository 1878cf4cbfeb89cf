//! `heatseal merge`: real branches in real repositories, merged by git.

use std::process::Output;

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::{Answer, Context};

/// A repository whose git merges with heatseal.
struct Repository {
    context: Context,
}

const LOCK: &str = "npm-shrinkwrap.json";

impl Repository {
    /// On the branch `main`, with this manifest and its lock committed.
    fn new(manifest: &Value) -> Self {
        Self::locked(manifest, &["shrinkwrap"])
    }

    fn locked(manifest: &Value, lock: &[&str]) -> Self {
        let context = Context::new();
        context.serve(&registry());
        let repository = Self { context };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.context.run(&["merge", "--install"]).exits(0);
        repository.commit(manifest, lock);
        repository
    }

    /// Commits the manifest and its lock.
    fn commit(&self, manifest: &Value, lock: &[&str]) {
        self.context.put("package.json", &format!("{manifest:#}\n"));
        self.context.run(lock).exits(0);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "work"]);
    }

    /// A branch off the present one with another manifest; the present one is checked out after.
    fn branch(&self, name: &str, manifest: &Value) {
        self.git(&["checkout", "--quiet", "-b", name, "main"]);
        self.commit(manifest, &["shrinkwrap"]);
        self.git(&["checkout", "--quiet", "main"]);
    }

    fn run_git(&self, args: &[&str]) -> Output {
        let own = self.context.command(&self.context.project(), &[]);
        let mut git = std::process::Command::new("git");
        git.args(args)
            .current_dir(self.context.project())
            .env_clear();
        for (name, value) in own.get_envs() {
            git.env(name, value.unwrap_or_default());
        }
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "n");
            git.env(format!("GIT_{role}_EMAIL"), "n@registry.example");
        }
        git.env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap()
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> Answer {
        Answer::of(&self.run_git(args)).exits(0)
    }

    /// Claims that the lock is what a fresh lock of the present package.json is.
    #[track_caller]
    fn is_fresh(&self, lock: &str) {
        let merged = self.context.read(lock);
        std::fs::remove_file(self.context.project().join(lock)).unwrap();
        let version =
            serde_json::from_str::<Value>(&merged).unwrap()["lockfileVersion"].to_string();
        let args = [
            "shrinkwrap",
            "--lockfile",
            lock,
            "--lockfile-version",
            &version,
        ];
        self.context.run(&args).exits(0);
        assert_eq!(merged, self.context.read(lock));
    }
}

/// `left` and `right` want different majors of `shared`; `deep` sits below both.
fn registry() -> Registry {
    let wants = |dependencies: Value| json!({"dependencies": dependencies});
    Registry::new()
        .package("app", "1.0.0")
        .manifest(wants(json!({"shared": "^1.0.0"})))
        .package("left", "1.0.0")
        .manifest(wants(json!({"shared": "^1.0.0", "deep": "^1.0.0"})))
        .package("left", "1.1.0")
        .manifest(wants(json!({"shared": "^1.0.0", "deep": "^1.0.0"})))
        .package("right", "1.0.0")
        .manifest(wants(json!({"shared": "^2.0.0", "deep": "^1.0.0"})))
        .package("deep", "1.0.0")
        .package("shared", "1.0.0")
        .package("shared", "1.2.0")
        .package("shared", "2.0.0")
}

fn manifest(dependencies: &Value) -> Value {
    json!({"name": "p", "version": "1.0.0", "dependencies": dependencies})
}

/// The manifest of the merged project.
fn dependencies(repository: &Repository) -> Value {
    let text = repository.context.read("package.json");
    serde_json::from_str::<Value>(&text).unwrap()["dependencies"].clone()
}

#[test]
fn branches_that_add_different_dependencies_merge_to_a_fresh_lock() {
    let repository = Repository::new(&manifest(&json!({"app": "^1.0.0"})));
    repository.branch(
        "one",
        &manifest(&json!({"app": "^1.0.0", "left": "^1.0.0"})),
    );
    repository.branch(
        "two",
        &manifest(&json!({"app": "^1.0.0", "right": "^1.0.0"})),
    );
    repository.git(&["merge", "--quiet", "one"]);
    let merged = repository.git(&["merge", "two", "--message", "both"]);
    merged.says(&["merged npm-shrinkwrap.json (resolved with the versions of both sides)"]);
    let both = json!({"app": "^1.0.0", "left": "^1.0.0", "right": "^1.0.0"});
    assert_eq!(dependencies(&repository), both);
    assert_eq!(repository.git(&["status", "--porcelain"]).stdout, "");
    repository.is_fresh(LOCK);
}

#[test]
fn a_merge_needs_no_registry_for_what_the_branches_know() {
    let repository = Repository::new(&manifest(&json!({"app": "^1.0.0"})));
    repository.branch(
        "one",
        &manifest(&json!({"app": "^1.0.0", "left": "^1.0.0"})),
    );
    repository.branch(
        "two",
        &manifest(&json!({"app": "^1.0.0", "right": "^1.0.0"})),
    );
    for folder in ["registry", "store"] {
        std::fs::remove_dir_all(repository.context.path(folder)).unwrap();
    }
    repository.git(&["merge", "--quiet", "one"]);
    repository.git(&["merge", "two", "--message", "both"]);
    repository.context.serve(&registry());
    repository.is_fresh(LOCK);
}

#[test]
fn versions_stay_what_the_branches_locked_when_the_registry_has_newer_ones() {
    let repository = Repository::new(&manifest(&json!({"app": "^1.0.0"})));
    repository.branch(
        "one",
        &manifest(&json!({"app": "^1.0.0", "left": "^1.0.0"})),
    );
    repository.branch(
        "two",
        &manifest(&json!({"app": "^1.0.0", "right": "^1.0.0"})),
    );
    let newer = Registry::new()
        .package("shared", "1.9.0")
        .package("deep", "1.9.0");
    repository.context.serve(&newer);
    repository.git(&["merge", "--quiet", "one"]);
    repository.git(&["merge", "two", "--message", "both"]);
    assert!(!repository.context.read(LOCK).contains("1.9.0"));
    repository.context.run(&["shrinkwrap", "--check"]).exits(0);
}

#[test]
fn a_side_that_removes_a_dependency_removes_what_only_that_needed() {
    let base = json!({"app": "^1.0.0", "left": "^1.0.0"});
    let repository = Repository::new(&manifest(&base));
    repository.branch("one", &manifest(&json!({"app": "^1.0.0"})));
    let more = json!({"app": "^1.0.0", "left": "^1.0.0", "right": "^1.0.0"});
    repository.branch("two", &manifest(&more));
    repository.git(&["merge", "--quiet", "one"]);
    repository.git(&["merge", "two", "--message", "both"]);
    assert_eq!(
        dependencies(&repository),
        json!({"app": "^1.0.0", "right": "^1.0.0"})
    );
    assert!(!repository.context.read(LOCK).contains("node_modules/left"));
    repository.is_fresh(LOCK);
}

#[test]
fn one_dependency_wanted_in_two_versions_is_a_conflict_that_shrinkwrap_understands() {
    let repository = Repository::new(&manifest(&json!({"app": "^1.0.0"})));
    repository.branch(
        "one",
        &manifest(&json!({"app": "^1.0.0", "shared": "^1.0.0"})),
    );
    let theirs = json!({"app": "^1.0.0", "right": "^1.0.0", "shared": "^2.0.0"});
    repository.branch("two", &manifest(&theirs));
    repository.git(&["merge", "--quiet", "one"]);
    let merge = Answer::of(&repository.run_git(&["merge", "two"]));
    let merge = merge.exits(1).says(&[
        "error[ECONFLICT]: both sides changed the same in npm-shrinkwrap.json",
        "  shared: ^1.0.0 ours, ^2.0.0 theirs (was nothing)",
    ]);
    assert!(!merge.stderr.contains("right"), "{}", merge.stderr);
    let lock = repository.context.read(LOCK);
    assert!(
        lock.contains("\n<<<<<<< HEAD\n") && lock.contains("\n>>>>>>> two\n"),
        "{lock}"
    );
    let manifest_text = repository.context.read("package.json");
    // Only the disputed line is between markers.
    assert_eq!(manifest_text.matches("<<<<<<<").count(), 1);
    assert!(
        manifest_text.contains("    \"right\": \"^1.0.0\",\n<<<<<<<"),
        "{manifest_text}"
    );
    // The conflict is settled in package.json, and the lock follows.
    repository.context.run(&["ci"]).exits(2);
    let settled = manifest(&json!({"app": "^1.0.0", "right": "^1.0.0", "shared": "^1.0.0"}));
    repository
        .context
        .put("package.json", &format!("{settled:#}\n"));
    repository.context.run(&["shrinkwrap"]).exits(0);
    repository.is_fresh(LOCK);
}

#[test]
fn a_dependency_that_one_side_changes_and_the_other_removes_is_a_conflict() {
    let repository = Repository::new(&manifest(&json!({"app": "^1.0.0", "shared": "^1.0.0"})));
    repository.branch("one", &manifest(&json!({"app": "^1.0.0"})));
    repository.branch(
        "two",
        &manifest(&json!({"app": "^1.0.0", "shared": "^2.0.0"})),
    );
    repository.git(&["merge", "--quiet", "one"]);
    Answer::of(&repository.run_git(&["merge", "two"]))
        .exits(1)
        .says(&["  shared: nothing ours, ^2.0.0 theirs (was ^1.0.0)"]);
}

#[test]
fn equal_changes_of_both_sides_are_one_change() {
    let repository = Repository::new(&manifest(&json!({"app": "^1.0.0"})));
    let both = manifest(&json!({"app": "^1.0.0", "left": "^1.0.0"}));
    repository.branch("one", &both);
    repository.branch("two", &both);
    repository.git(&["merge", "--quiet", "one"]);
    repository.git(&["merge", "two", "--message", "both"]);
    repository.is_fresh(LOCK);
}

#[test]
fn locks_of_every_version_and_name_merge() {
    for (lock, version) in [
        ("package-lock.json", "1"),
        ("package-lock.json", "2"),
        ("package-lock.json", "3"),
        (LOCK, "1"),
        (LOCK, "2"),
    ] {
        let args = [
            "shrinkwrap",
            "--lockfile",
            lock,
            "--lockfile-version",
            version,
        ];
        let repository = Repository::locked(&manifest(&json!({"app": "^1.0.0"})), &args);
        let branch = |name: &str, dependencies: Value| {
            repository.git(&["checkout", "--quiet", "-b", name, "main"]);
            repository.commit(&manifest(&dependencies), &args);
            repository.git(&["checkout", "--quiet", "main"]);
        };
        branch("one", json!({"app": "^1.0.0", "left": "^1.0.0"}));
        branch("two", json!({"app": "^1.0.0", "right": "^1.0.0"}));
        repository.git(&["merge", "--quiet", "one"]);
        repository.git(&["merge", "two", "--message", "both"]);
        let merged: Value = serde_json::from_str(&repository.context.read(lock)).unwrap();
        assert_eq!(merged["lockfileVersion"].to_string(), version);
        repository.is_fresh(lock);
    }
}

#[test]
fn branches_that_add_workspaces_and_overrides_merge() {
    let project = |dependencies: Value, overrides: Value| {
        let mut project = manifest(&dependencies);
        project["workspaces"] = json!(["packages/*"]);
        project["overrides"] = overrides;
        project
    };
    let app = json!({"app": "^1.0.0"});
    let repository = Repository::new(&project(app.clone(), json!({})));
    let workspace = |name: &str, wants: &str| {
        let text = json!({"name": name, "version": "1.0.0", "dependencies": {wants: "^1.0.0"}});
        let path = format!("packages/{name}/package.json");
        repository.context.put(&path, &text.to_string());
    };
    repository.git(&["checkout", "--quiet", "-b", "one", "main"]);
    workspace("w", "left");
    repository.commit(
        &project(app.clone(), json!({"shared": "1.0.0"})),
        &["shrinkwrap"],
    );
    repository.git(&["checkout", "--quiet", "-b", "two", "main"]);
    workspace("x", "right");
    repository.commit(&project(app, json!({"deep": "1.0.0"})), &["shrinkwrap"]);
    repository.git(&["merge", "one", "--message", "both"]);
    for link in ["node_modules/w", "node_modules/x"] {
        assert!(repository.context.read(LOCK).contains(link), "{link}");
    }
    repository.is_fresh(LOCK);
}

#[test]
fn a_rebase_and_a_pick_merge_as_well() {
    for how in [
        &["rebase", "--quiet", "two"][..],
        &["cherry-pick", "two"][..],
    ] {
        let repository = Repository::new(&manifest(&json!({"app": "^1.0.0"})));
        repository.branch(
            "one",
            &manifest(&json!({"app": "^1.0.0", "left": "^1.0.0"})),
        );
        repository.branch(
            "two",
            &manifest(&json!({"app": "^1.0.0", "right": "^1.0.0"})),
        );
        repository.git(&["checkout", "--quiet", "one"]);
        repository.git(how);
        let both = json!({"app": "^1.0.0", "left": "^1.0.0", "right": "^1.0.0"});
        assert_eq!(dependencies(&repository), both);
        repository.is_fresh(LOCK);
    }
}

#[test]
fn without_a_repository_the_locks_say_what_the_branches_ask_for() {
    let context = Context::new();
    context.serve(&registry());
    let lock = |name: &str, dependencies: Value| {
        context.put("package.json", &format!("{:#}\n", manifest(&dependencies)));
        context.run(&["shrinkwrap", "--lockfile", name]).exits(0);
        let _ = std::fs::remove_file(context.project().join(LOCK));
    };
    lock("base", json!({"app": "^1.0.0"}));
    lock("ours", json!({"app": "^1.0.0", "left": "^1.0.0"}));
    lock("theirs", json!({"app": "^1.0.0", "right": "^1.0.0"}));
    let both = json!({"app": "^1.0.0", "left": "^1.0.0", "right": "^1.0.0"});
    lock("fresh", both);
    let answer = context
        .run(&["merge", "base", "ours", "theirs", LOCK, "--json"])
        .exits(0);
    assert_eq!(answer.json()["method"], "fresh");
    assert_eq!(context.read("ours"), context.read("fresh"));
}

#[test]
fn a_version_that_one_side_went_back_from_and_the_other_moved_on_is_a_conflict() {
    let context = Context::new();
    let lock = |name: &str, version: &str| {
        let lock = json!({"name": "p", "lockfileVersion": 3, "requires": true, "packages": {
            "": {"name": "p", "dependencies": {"a": "^1.0.0"}},
            "node_modules/a": {"version": version},
        }});
        context.put(name, &format!("{lock:#}\n"));
    };
    lock("base", "1.1.0");
    lock("back", "1.0.0");
    lock("on", "1.2.0");
    lock("further", "1.3.0");
    context.put("ours", &context.read("on"));
    context.run(&["merge", "base", "ours", "further"]).exits(0);
    assert!(context.read("ours").contains("\"1.3.0\""));
    context.put("ours", &context.read("on"));
    context
        .run(&["merge", "base", "ours", "back"])
        .exits(1)
        .says(&["  a for ./: 1.2.0 ours, 1.0.0 theirs (was 1.1.0)"]);
    assert!(context.read("ours").contains("<<<<<<< ours"));
}

#[test]
fn one_version_with_two_contents_is_a_conflict() {
    let context = Context::new();
    let lock = |name: &str, dependencies: Value, letter: &str| {
        let integrity = format!("sha512-{}==", letter.repeat(86));
        let lock = json!({"name": "p", "lockfileVersion": 3, "requires": true, "packages": {
            "": {"name": "p", "dependencies": dependencies},
            "node_modules/a": {"version": "1.0.0", "integrity": integrity},
        }});
        context.put(name, &format!("{lock:#}\n"));
    };
    lock("base", json!({"a": "1"}), "A");
    lock("ours", json!({"a": "^1"}), "A");
    lock("theirs", json!({"a": "1"}), "Q");
    context
        .run(&["merge", "base", "ours", "theirs"])
        .exits(1)
        .says(&["the content of a@1.0.0"]);
}

#[test]
fn what_cannot_be_merged_is_left_as_git_leaves_it_and_says_why() {
    let repository = Repository::new(&manifest(&json!({"app": "^1.0.0"})));
    let peer = |range: &str| json!({"peerDependencies": {"shared": range}});
    let plugins = Registry::new()
        .package("plugin-one", "1.0.0")
        .manifest(peer("^1.0.0"))
        .package("plugin-two", "1.0.0")
        .manifest(peer("^2.0.0"));
    repository.context.serve(&plugins);
    repository.branch(
        "one",
        &manifest(&json!({"app": "^1.0.0", "plugin-one": "^1.0.0"})),
    );
    repository.branch(
        "two",
        &manifest(&json!({"app": "^1.0.0", "plugin-two": "^1.0.0"})),
    );
    repository.git(&["merge", "--quiet", "one"]);
    let merge = Answer::of(&repository.run_git(&["merge", "two"]));
    merge.exits(1).says(&["error[ERESOLVE]", "plugin-two"]);
    assert!(repository.context.read(LOCK).contains("<<<<<<< HEAD"));
}

#[test]
fn installing_twice_changes_nothing_and_uninstalling_takes_back_only_its_own() {
    let context = Context::new();
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(args).current_dir(context.project()).env_clear();
        git.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let output = git.env("HOME", context.path("home")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    context
        .run(&["merge", "--install"])
        .exits(2)
        .says(&["ENOREPOSITORY"]);
    git(&["init", "--quiet"]);
    context.put(".gitattributes", "*.png binary");
    let first = context.run(&["merge", "--install"]).exits(0);
    first.says(&[
        "+ .gitattributes: npm-shrinkwrap.json merge=heatseal",
        "+ git config: merge.heatseal.driver = ",
    ]);
    assert!(context.read(".gitattributes").starts_with("*.png binary\n"));
    let attribute = git(&["check-attr", "merge", "packages/w/package-lock.json"]);
    assert!(attribute.ends_with("merge: heatseal\n"), "{attribute}");
    let attributes = context.read(".gitattributes");
    context
        .run(&["merge", "--install"])
        .exits(0)
        .says(&["already"]);
    assert_eq!(context.read(".gitattributes"), attributes);
    context.run(&["merge", "--uninstall"]).exits(0);
    assert_eq!(context.read(".gitattributes"), "*.png binary\n");
    assert!(!git(&["config", "--list"]).contains("heatseal"));
    context
        .run(&["merge", "--uninstall"])
        .exits(0)
        .says(&["nothing to take back"]);
    context.run(&["merge", "--install", "--global"]).exits(0);
    assert!(context.path("home/.config/git/attributes").is_file());
    let attribute = git(&["check-attr", "merge", "package.json"]);
    assert!(attribute.ends_with("merge: heatseal\n"), "{attribute}");
    context.run(&["merge", "--uninstall", "--global"]).exits(0);
    assert!(!context.path("home/.config/git/attributes").exists());
}

/// Numbers that look random and are the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

const PACKAGES: u64 = 16;

fn range(numbers: &mut Numbers) -> &'static str {
    [
        "*", "^1.0.0", "^2.0.0", "~1.1.0", "1.0.0", ">=1.1.0", "1 || 2",
    ][numbers.below(7) as usize]
}

/// Packages that depend on others of a higher number, in versions that differ.
fn random_registry(numbers: &mut Numbers) -> Registry {
    let mut registry = Registry::new();
    for package in 0..PACKAGES {
        for version in ["1.0.0", "1.1.0", "1.1.1", "2.0.0"] {
            let mut wants = json!({});
            for _ in 0..numbers.below(4) {
                let other = package + 1 + numbers.below(PACKAGES);
                if other < PACKAGES {
                    wants[format!("p{other}")] = range(numbers).into();
                }
            }
            registry = registry
                .package(&format!("p{package}"), version)
                .manifest(json!({"dependencies": wants}));
        }
    }
    registry
}

#[test]
fn random_projects_that_grow_apart_merge_to_fresh_locks() {
    let cases = std::env::var("HEATSEAL_MERGES").map_or(12, |cases| cases.parse().unwrap());
    for seed in 0..cases {
        let context = Context::new();
        let mut numbers = Numbers(seed);
        context.serve(&random_registry(&mut numbers));
        let mut sets = [json!({}), json!({}), json!({})];
        for package in 0..PACKAGES {
            // Half of the packages belong to the base, to one of the branches, or to both.
            if numbers.below(2) == 0 {
                let set = &mut sets[numbers.below(3) as usize];
                set[format!("p{package}")] = range(&mut numbers).into();
            }
        }
        let lock = |name: &str, with: &[usize]| {
            let mut all = json!({});
            for set in with {
                let set = sets[*set].as_object().unwrap().clone();
                all.as_object_mut().unwrap().extend(set);
            }
            context.put("package.json", &format!("{:#}\n", manifest(&all)));
            context.run(&["shrinkwrap", "--lockfile", name]).exits(0);
            let text = context.read(name);
            std::fs::remove_file(context.project().join(name)).unwrap();
            text
        };
        let texts = [
            ("base", &[0][..]),
            ("ours", &[0, 1]),
            ("theirs", &[0, 2]),
            ("fresh", &[0, 1, 2]),
        ];
        let texts = texts.map(|(name, with)| (name, lock(name, with)));
        for (name, text) in &texts {
            context.put(name, text);
        }
        context
            .run(&["merge", "base", "ours", "theirs", LOCK])
            .exits(0);
        assert_eq!(context.read("ours"), context.read("fresh"), "seed {seed}");
    }
}
