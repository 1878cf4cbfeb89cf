//! A project, a registry folder and a store of its own for each test, and the program run there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use registry_mock::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Context {
    folder: TempDir,
}

/// What a run printed, and its exit code; -1 when a signal ended it.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Context {
    /// An empty project and an empty registry.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["project", "registry", "home"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// A project with this package.json, and `a` 1.0.0 and 1.1.0, which wants `b`, in the registry.
    pub fn with(manifest: &Value) -> Self {
        let context = Self::new();
        context.put("package.json", &format!("{manifest:#}\n"));
        let registry = Registry::new()
            .package("a", "1.0.0")
            .manifest(json!({"dependencies": {"b": "^1.0.0"}}))
            .file("index.js", "module.exports = 'a 1.0.0'\n", 0o644)
            .package("a", "1.1.0")
            .manifest(json!({"dependencies": {"b": "^1.0.0"}}))
            .file("index.js", "module.exports = 'a 1.1.0'\n", 0o644)
            .package("b", "1.0.0")
            .manifest(json!({"bin": {"b": "cli.js"}}))
            .file("cli.js", "#!/usr/bin/env node\n", 0o755)
            .package("d", "2.0.0")
            .package("scripted", "1.0.0")
            .manifest(json!({"scripts": {"install": "exit 3"}}))
            .package("elsewhere", "1.0.0")
            .manifest(json!({"os": ["no-such-os"]}))
            .package("wants-missing", "1.0.0")
            .manifest(json!({"dependencies": {"not-there": "1"}}));
        context.serve(&registry);
        context
    }

    /// Adds to the registry.
    pub fn serve(&self, registry: &Registry) {
        registry.write(&self.path("registry")).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// Writes a file of the project.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.project().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A file of the project.
    pub fn read(&self, name: &str) -> String {
        let path = self.project().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn has(&self, name: &str) -> bool {
        self.project().join(name).exists()
    }

    pub fn modified(&self, name: &str) -> SystemTime {
        let path = self.project().join(name);
        fs::metadata(path).unwrap().modified().unwrap()
    }

    /// Everything that lies in the project's folder itself.
    pub fn listing(&self) -> Vec<String> {
        let entries = fs::read_dir(self.project()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Runs the program in the project.
    pub fn run(&self, args: &[&str]) -> Answer {
        self.run_in(&self.project(), args, &[])
    }

    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Answer {
        self.run_in(&self.project(), args, env)
    }

    pub fn run_in(&self, folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Answer {
        let output = self
            .command(folder, args)
            .envs(env.iter().copied())
            .output();
        Answer::of(&output.unwrap())
    }

    /// The program with an environment of its own.
    pub fn command(&self, folder: &Path, args: &[&str]) -> Command {
        let registry = format!("file:{}", self.path("registry").display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_heatseal"));
        command
            .args(args)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("HEATSEAL_STORE_DIR", self.path("store"))
            .env("npm_config_registry", registry)
            .env("CI", "1");
        command
    }
}

impl Answer {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Claims the exit code; shows everything when it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Claims that standard error holds each of these.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "{text:?} is not in:\n{}",
                self.stderr
            );
        }
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }
}
