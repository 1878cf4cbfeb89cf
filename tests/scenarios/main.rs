//! Every scenario, in process and without sockets: heatseal's lock against the one that npm gave.
//!
//! The expectations beside the scenarios are npm's: `cargo run -p registry-mock -- record-scenarios
//! fixtures/scenarios` asks it again. A scenario with a `known_difference` must differ.

mod damage;
mod generate;
mod generated;
mod satisfied;
mod shrink;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heatseal::npmrc::{Allowed, Config, Generation};
use heatseal::ops::{self, Session, ShrinkwrapError, ShrinkwrapRequest, Writing};
use heatseal::report::Silent;
use heatseal::resolve::{Omit, Options, Rules, Strategy, Update};
use heatseal::spec::{Mode, parse_version};
use heatseal::target::{Libc, LibcFamily, Target};
use miette::Diagnostic;
use registry_mock::npm::{self, Answer, PROJECT, REPOSITORIES};
use registry_mock::repository;
use registry_mock::scenario::{self, Scenario};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/scenarios");

#[test]
fn every_scenario_gives_npms_lock() {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut paths = scenario::find(Path::new(FOLDER)).unwrap();
    paths.retain(|path| path.to_string_lossy().contains(&only));
    assert!(!paths.is_empty(), "no scenario is called {only:?}");
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let next = || paths.get(next.fetch_add(1, Ordering::Relaxed));
            std::iter::from_fn(next)
                .filter_map(|path| failure(path))
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        parts.collect()
    });
    assert!(
        failures.is_empty(),
        "{} of {} scenarios fail:\n\n{}",
        failures.len(),
        paths.len(),
        failures.join("\n\n")
    );
}

/// What is wrong with the scenario at `path`, if anything is.
fn failure(path: &Path) -> Option<String> {
    let name = path.strip_prefix(FOLDER).unwrap().with_extension("");
    let scenario = scenario::load(path).unwrap();
    let difference = difference(path, &scenario);
    match (&scenario.known_difference, difference) {
        (None, None) => None,
        (None, Some(difference)) => Some(format!(
            "{}: {}\n{difference}",
            name.display(),
            scenario.about
        )),
        (Some(reason), None) => Some(format!(
            "{} gives npm's lock now: remove its known_difference ({reason})",
            name.display()
        )),
        (Some(reason), Some(_)) => {
            println!("{} differs as known: {reason}", name.display());
            None
        }
    }
}

/// How heatseal differs from what npm did, in the first run and over npm's own lock.
fn difference(path: &Path, scenario: &Scenario) -> Option<String> {
    let Ok(recorded) = npm::recorded(path) else {
        return Some("  npm's answer is not recorded".to_owned());
    };
    let place = Place::new(scenario);
    let first = place.shrinkwrap(scenario, &Update::Nothing);
    let lock = match (recorded.first, first) {
        (Answer::Lock(want), Ok(got)) if want == got => want,
        (Answer::Lock(want), Ok(got)) => return Some(first_difference(&want, &got)),
        (Answer::Lock(_), Err((code, message))) => {
            return Some(format!(
                "  npm gives a lock, we fail with {code}: {message}"
            ));
        }
        (Answer::Error(want), Ok(_)) => {
            return Some(format!("  npm fails with `{want}`, we give a lock"));
        }
        (Answer::Error(want), Err((got, _))) if want == got || want.is_empty() => return None,
        // npm shows git's exit code as its own.
        (Answer::Error(want), Err((got, _))) if want.parse::<u8>().is_ok() && got == "EGIT" => {
            return None;
        }
        (Answer::Error(want), Err((got, message))) => {
            return Some(format!(
                "  npm fails with `{want}`, we with `{got}`: {message}"
            ));
        }
    };
    let again = recorded.again.unwrap_or_else(|| lock.clone());
    // npm's next run removes what it called extraneous in its first; ours leaves the lock alone.
    let again = if scenario.then.is_none() && is_without_extraneous(&lock, &again) {
        lock
    } else {
        again
    };
    let failure = String::from_utf8_lossy(&again).into_owned();
    let failure = failure.strip_prefix(npm::FAILS).map(str::trim_end);
    match (place.shrinkwrap_again(scenario), failure) {
        (Ok(_), Some(code)) => Some(format!("  then npm fails with `{code}`, we give a lock")),
        (Ok(got), None) if again == got => None,
        (Ok(got), None) => Some(format!("  then:\n{}", first_difference(&again, &got))),
        (Err((got, _)), Some(want)) if got == want => None,
        (Err((code, message)), _) => Some(format!("  then: {code}: {message}")),
    }
}

fn is_without_extraneous(lock: &[u8], again: &[u8]) -> bool {
    let (Ok(mut lock), Ok(again)) = (
        serde_json::from_slice::<Value>(lock),
        serde_json::from_slice::<Value>(again),
    ) else {
        return false;
    };
    if let Some(Value::Object(packages)) = lock.get_mut("packages") {
        packages.retain(|_, entry| entry.get("extraneous") != Some(&Value::Bool(true)));
    }
    lock == again
}

/// Which packages the second run may move.
fn update(scenario: &Scenario) -> Update {
    let names = scenario.then.as_ref().and_then(|then| then.update.clone());
    match names {
        None => Update::Nothing,
        Some(names) if names.is_empty() => Update::Everything,
        Some(names) => Update::Names(names),
    }
}

/// A project, a registry folder and a store, gone at the end.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(scenario: &Scenario) -> Self {
        // In memory where there is such a place: these are thousands of small files.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.unwrap();
        for name in [PROJECT, "registry"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let place = Self { folder };
        scenario.write_project(&place.path(PROJECT)).unwrap();
        scenario.registry.write(&place.path("registry")).unwrap();
        repository::write(&scenario.repositories, &place.path(REPOSITORIES)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// The second run, over whatever lock is there.
    fn shrinkwrap_again(&self, scenario: &Scenario) -> Result<Vec<u8>, (String, String)> {
        if let Some(then) = &scenario.then {
            then.write_project(&self.path(PROJECT)).unwrap();
        }
        self.shrinkwrap(scenario, &update(scenario))
    }

    /// The lock's bytes, or code and message.
    fn shrinkwrap(
        &self,
        scenario: &Scenario,
        update: &Update,
    ) -> Result<Vec<u8>, (String, String)> {
        if !scenario.repositories.is_empty() {
            return self.by_program(scenario);
        }
        let flags = flags(&scenario.flags);
        let registry = format!("file:{}", self.path("registry").display());
        let env = [
            ("npm_config_registry", registry),
            ("HOME", self.path("home").display().to_string()),
        ];
        let env: BTreeMap<String, String> = env
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let config = Config::load(&self.path(PROJECT), &env, &flags).unwrap();
        let session = Session {
            project: self.path(PROJECT),
            host: recording_host(scenario.npm),
            store: self.path("store"),
            reporter: Arc::new(Silent),
            config,
        };
        let request = ShrinkwrapRequest {
            lockfile: None,
            lockfile_version: session
                .config
                .text("lockfile-version")
                .and_then(|text| text.parse().ok()),
            writing: Writing::Write,
            from: None,
            completes: false,
            options: options(&session, update.clone()),
        };
        match ops::shrinkwrap(&session, &request) {
            Ok(outcome) => Ok(fs::read(outcome.path).unwrap()),
            Err(error) => Err((code(&error), error.to_string())),
        }
    }
}

impl Place {
    /// In a process of its own, whose git finds the scenario's repositories.
    fn by_program(&self, scenario: &Scenario) -> Result<Vec<u8>, (String, String)> {
        let registry = format!("file:{}", self.path("registry").display());
        let npm = format!("--npm-version={}", scenario.npm);
        let output = Command::new(env!("CARGO_BIN_EXE_heatseal"))
            .args(["shrinkwrap", "--json", "--registry", &registry, &npm])
            .args(&scenario.flags)
            .current_dir(self.path(PROJECT))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("HEATSEAL_STORE_DIR", self.path("store"))
            .env(
                "GIT_CONFIG_GLOBAL",
                self.path(REPOSITORIES).join("gitconfig"),
            )
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(fs::read(self.path(PROJECT).join("npm-shrinkwrap.json")).unwrap());
        }
        let failure: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |field: &str| {
            failure["error"][field]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        Err((text("code"), text("message")))
    }
}

/// Where npm ran when the expectations were recorded.
fn recording_host(npm: u64) -> Target {
    let (node, npm) = match npm {
        12 => ("24.21.0", "12.2.0"),
        _ => ("20.20.2", "11.19.1"),
    };
    Target {
        os: "linux".to_owned(),
        cpu: "x64".to_owned(),
        libc: Some(Libc {
            family: LibcFamily::Glibc,
            version: None,
        }),
        node: parse_version(node, Mode::Strict),
        npm: parse_version(npm, Mode::Strict),
    }
}

/// `--key=value`, `--key`, `--no-key`.
fn flags(words: &[String]) -> Vec<(String, String)> {
    let words = words.iter().map(|word| word.trim_start_matches('-'));
    let pairs = words.map(|word| match word.split_once('=') {
        Some((key, value)) => (key, value),
        None => match word.strip_prefix("no-") {
            Some(key) => (key, "false"),
            None => (word, "true"),
        },
    });
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn options(session: &Session, update: Update) -> Options {
    let config = &session.config;
    let generation = Generation::of(session.host.npm.as_ref());
    let on = |key: &str| config.flag(key).unwrap_or(false);
    let omitted = config.omitted();
    let mut optional_target = session.host.clone();
    for (key, field) in [
        ("os", &mut optional_target.os),
        ("cpu", &mut optional_target.cpu),
    ] {
        if let Some(text) = config.text(key) {
            text.clone_into(field);
        }
    }
    Options {
        rules: Rules {
            legacy_peer_deps: on("legacy-peer-deps"),
            install_links: on("install-links"),
            generation,
            allowed: Allowed::find(config, generation).unwrap(),
        },
        strategy: match config.text("install-strategy") {
            _ if on("legacy-bundling") => Strategy::Nested,
            _ if on("global-style") => Strategy::Shallow,
            Some("nested") => Strategy::Nested,
            Some("shallow") => Strategy::Shallow,
            _ => Strategy::Hoisted,
        },
        force: on("force"),
        strict_peer_deps: on("strict-peer-deps"),
        prefer_dedupe: on("prefer-dedupe"),
        engine_strict: on("engine-strict"),
        omit: Omit {
            dev: omitted.contains(&"dev"),
            optional: omitted.contains(&"optional"),
            peer: omitted.contains(&"peer"),
        },
        update,
        optional_target,
        ..Options::new(session.host.clone())
    }
}

/// npm's code for the error, empty where npm has none.
fn code(error: &ShrinkwrapError) -> String {
    let of = |error: &dyn Diagnostic| error.code().map(|code| code.to_string());
    let code = match error {
        ShrinkwrapError::Manifest(error) => of(error),
        ShrinkwrapError::Lock(error) => of(error),
        ShrinkwrapError::Foreign(error) => of(error),
        ShrinkwrapError::Config(error) => of(error),
        ShrinkwrapError::Registry(error) => of(error),
        ShrinkwrapError::Resolve(error) => Some(error.code()),
        ShrinkwrapError::Disk(error) => of(error),
        ShrinkwrapError::Moves { .. } => Some("EUSAGE".to_owned()),
    };
    code.unwrap_or_default()
}

/// The lines from the first that differs, a few of each.
fn first_difference(want: &[u8], got: &[u8]) -> String {
    const SHOWN: usize = 8;
    let (want, got) = (String::from_utf8_lossy(want), String::from_utf8_lossy(got));
    let (want, got): (Vec<&str>, Vec<&str>) =
        (want.split('\n').collect(), got.split('\n').collect());
    let same = want.iter().zip(&got).take_while(|(w, g)| w == g).count();
    let near = want[..same]
        .iter()
        .rev()
        .find(|line| line.contains("\": {") && line.contains("node_modules"));
    let show = |mark: char, lines: &[&str]| {
        let lines = lines[same.min(lines.len())..].iter().take(SHOWN);
        lines
            .map(|line| format!("  {mark} {line:?}"))
            .collect::<Vec<_>>()
            .join("\n")
            + "\n"
    };
    format!(
        "  line {} (after {}):\n{}{}",
        same + 1,
        near.map_or("the top", |line| line.trim()),
        show('-', &want),
        show('+', &got)
    )
}
