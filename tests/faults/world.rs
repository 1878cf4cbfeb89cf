//! A registry of many small packages, a project in two revisions, and what its trees must be.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;

use registry_mock::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const LOCK: &str = "npm-shrinkwrap.json";

/// Paths below a folder: `d`, `l` and where it leads, or `f`, mode and content.
pub type Tree = BTreeMap<String, String>;

/// A revision of the project: its files, and its `node_modules` when installed.
pub struct Revision {
    pub manifest: String,
    pub lock: Vec<u8>,
    pub tree: Tree,
}

/// The registry and both revisions; made once, read by every test.
pub struct World {
    folder: TempDir,
    pub old: Revision,
    pub new: Revision,
}

/// A project and a store of one test.
pub struct Place {
    folder: TempDir,
    store: PathBuf,
    registry: String,
}

/// The program that is tried, `HEATSEAL_PROGRAM` for another build of it.
pub fn program() -> String {
    let own = || env!("CARGO_BIN_EXE_heatseal").to_owned();
    std::env::var("HEATSEAL_PROGRAM").unwrap_or_else(|_| own())
}

/// How a run ended and what it said.
pub struct Answer {
    pub status: ExitStatus,
    pub text: String,
}

impl World {
    /// A few packages, for the short tests.
    pub fn small() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| Self::new(16))
    }

    /// More than a hundred, for the long ones.
    pub fn large() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| Self::new(120))
    }

    fn new(packages: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = folder.path().join("registry");
        registry_of(packages).write(&registry).unwrap();
        let url = format!("file:{}", registry.display());
        let revision = |major: u32| {
            let place = Place::new(&url, &std::env::temp_dir());
            let manifest = manifest(packages, major);
            place.put("package.json", manifest.as_bytes());
            place.put("packages/w/package.json", workspace(major).as_bytes());
            place.run(&["shrinkwrap"]).succeeds();
            place.run(&["ci"]).succeeds();
            Revision {
                manifest,
                lock: fs::read(place.at(LOCK)).unwrap(),
                tree: place.tree(),
            }
        };
        Self {
            old: revision(1),
            new: revision(2),
            folder,
        }
    }

    pub fn registry(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// A place with nothing but an empty project and store.
    pub fn place(&self) -> Place {
        self.place_in(&std::env::temp_dir())
    }

    /// The same below a folder, on whatever file system that is.
    pub fn place_in(&self, parent: &Path) -> Place {
        Place::new(&format!("file:{}", self.registry().display()), parent)
    }
}

/// Packages `p0`… in two majors, every third scoped, every fourth with a bin, each needing the next
/// but one; `leaf` in two majors that meet in one tree.
fn registry_of(packages: usize) -> Registry {
    let mut registry = Registry::new();
    for at in 0..packages {
        for major in 1..=2 {
            let mut dependencies = json!({"leaf": format!("^{}", 1 + at % 2)});
            if at + 2 < packages {
                dependencies[name(at + 2)] = json!(format!("^{major}"));
            }
            let mut fields = json!({ "dependencies": dependencies });
            if at % 4 == 0 {
                fields["bin"] = json!({ format!("run{at}"): "cli.js" });
            }
            registry = registry
                .package(&name(at), &format!("{major}.0.0"))
                .manifest(fields)
                .file("index.js", format!("exports.is = '{at} {major}'\n"), 0o644)
                .file("cli.js", "#!/usr/bin/env node\n", 0o755)
                .file(
                    "lib/data.txt",
                    format!("{at} {major}\n").repeat(40 * at),
                    0o644,
                );
        }
    }
    for version in ["1.0.0", "2.0.0"] {
        registry = registry.package("leaf", version).file(
            "index.js",
            format!("exports.is = 'leaf {version}'\n"),
            0o644,
        );
    }
    registry
}

fn name(at: usize) -> String {
    if at.is_multiple_of(3) {
        format!("@s/p{at}")
    } else {
        format!("p{at}")
    }
}

fn manifest(packages: usize, major: u32) -> String {
    let mut dependencies = json!({ name(0): format!("^{major}"), name(1): format!("^{major}") });
    if packages > 10 {
        dependencies[name(10)] = json!("^1");
    }
    let manifest = json!({
        "name": "project",
        "version": format!("{major}.0.0"),
        "workspaces": ["packages/*"],
        "dependencies": dependencies,
    });
    format!("{manifest:#}\n")
}

fn workspace(major: u32) -> String {
    let manifest: Value = json!({
        "name": "w",
        "version": "1.0.0",
        "dependencies": { name(5): format!("^{}", 3 - major) },
    });
    format!("{manifest:#}\n")
}

impl Place {
    fn new(registry: &str, parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        for name in ["project", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            store: folder.path().join("store"),
            folder,
            registry: registry.to_owned(),
        }
    }

    /// The same place with another's store.
    pub fn with_store_of(self, other: &Self) -> Self {
        Self {
            store: other.store.clone(),
            ..self
        }
    }

    /// The same place with the registry at a URL.
    pub fn with_registry(self, url: &str) -> Self {
        Self {
            registry: url.to_owned(),
            ..self
        }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("project").join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.store.clone()
    }

    pub fn put(&self, name: &str, content: &[u8]) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Gives the project the files of a revision; `node_modules` stays as it is.
    pub fn check_out(&self, revision: &Revision) {
        self.put("package.json", revision.manifest.as_bytes());
        self.put(LOCK, &revision.lock);
        let major = if revision.manifest.contains("\"version\": \"1.0.0\"") {
            1
        } else {
            2
        };
        self.put("packages/w/package.json", workspace(major).as_bytes());
    }

    /// The program in the project, in an environment of its own; `wrapper` is a command before it.
    pub fn command(&self, wrapper: &[&str], args: &[&str]) -> Command {
        let program = program();
        let words: Vec<&str> = [wrapper, &[&program], args].concat();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .current_dir(self.at(""))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("HEATSEAL_STORE_DIR", self.store())
            .env("npm_config_registry", &self.registry)
            .env("CI", "1");
        command
    }

    pub fn run(&self, args: &[&str]) -> Answer {
        self.run_under(&[], args)
    }

    pub fn run_under(&self, wrapper: &[&str], args: &[&str]) -> Answer {
        Answer::of(&self.command(wrapper, args).output().unwrap())
    }

    /// Everything below the `node_modules` of the project and of its workspace.
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for folder in ["node_modules", "packages/w/node_modules"] {
            list(&self.at(folder), folder, &mut tree);
        }
        tree
    }

    /// What lies in the project's folder and its workspace's, `node_modules` unopened.
    pub fn listing(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in ["", "packages/w"] {
            let Ok(entries) = fs::read_dir(self.at(folder)) else {
                continue;
            };
            for entry in entries {
                let name = entry.unwrap().file_name().into_string().unwrap();
                names.push(format!("{folder}/{name}"));
            }
        }
        names.sort();
        names
    }

    /// Claims that the tree is this one, nothing else lies about, and the lock is the revision's.
    #[track_caller]
    pub fn is_exactly(&self, revision: &Revision, after: &str) {
        difference(&self.tree(), &revision.tree, after);
        assert_eq!(fs::read(self.at(LOCK)).unwrap(), revision.lock, "{after}");
        let left: Vec<String> = self
            .listing()
            .into_iter()
            .filter(|name| name.contains("heatseal"))
            .collect();
        assert!(left.is_empty(), "{after}: {left:?} was left behind");
        let left = leftovers(&self.store());
        assert_eq!(left.len(), 0, "{after}: files were left in the store");
    }
}

/// Unfinished files in the store.
fn leftovers(store: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![store.join("v1/tmp")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

fn list(folder: &Path, prefix: &str, tree: &mut Tree) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let shown = format!("{prefix}/{}", path.file_name().unwrap().to_str().unwrap());
        let metadata = fs::symlink_metadata(&path).unwrap();
        let said = if metadata.is_symlink() {
            format!("l {}", fs::read_link(&path).unwrap().display())
        } else if metadata.is_dir() {
            list(&path, &shown, tree);
            "d".to_owned()
        } else {
            let mode = metadata.permissions().mode() & 0o7777;
            let content = fs::read(&path).unwrap();
            format!("f {mode:o} {}", String::from_utf8_lossy(&content))
        };
        tree.insert(shown, said);
    }
}

/// Claims that two trees are equal; says where they first differ.
#[track_caller]
pub fn difference(got: &Tree, want: &Tree, after: &str) {
    let all = got.keys().chain(want.keys());
    let differing: Vec<&String> = all
        .filter(|path| got.get(*path) != want.get(*path))
        .collect();
    assert!(
        differing.is_empty(),
        "{after}: {} paths differ, such as {:?}: got {:?}, want {:?}",
        differing.len(),
        differing[0],
        got.get(differing[0]),
        want.get(differing[0])
    );
}

impl Answer {
    pub fn of(output: &Output) -> Self {
        Self {
            status: output.status,
            text: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert!(self.status.success(), "{}: {}", self.status, self.text);
        self
    }

    /// Claims a failure that is told in words: no panic, no silence, no more than a screen.
    #[track_caller]
    pub fn fails_cleanly(self, after: &str) -> Self {
        let code = self.status.code();
        assert!(
            code.is_some_and(|code| (1..=130).contains(&code) && code != 101),
            "{after}: {}: {}",
            self.status,
            self.text
        );
        assert!(!self.text.contains("panicked"), "{after}: {}", self.text);
        assert!(
            !self.text.trim().is_empty(),
            "{after}: it failed in silence"
        );
        self
    }
}
