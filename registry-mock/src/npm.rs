//! Runs real npm on a scenario and keeps beside it what npm answers.
//!
//! For `x.toml` that is `x.lock.json`, or `x.error` with npm's code (empty where npm has none).
//! Then npm runs again over its own lock; only if that changes it there is `x.again.json`. npm asks
//! `http://registry.example/` through the mock as its proxy, so addresses need no rewriting.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use crate::MockError;
use crate::repository;
use crate::scenario::{self, Scenario};
use crate::server::{Options, Server};

/// Where npm believes the registry to be.
pub const REGISTRY: &str = "http://registry.example/";
/// The project's folder is called so: npm takes a name that is missing from there.
pub const PROJECT: &str = "project";
/// Repositories lie in a folder beside the project, with a configuration that leads there.
pub const REPOSITORIES: &str = "git";
/// What stands for a code when npm does not come to an end.
pub const ENDLESS: &str = "ENDLESS";

/// npm's slowest honest answer takes a fraction of this.
const PATIENCE: Duration = Duration::from_secs(40);

const AT_ONCE: usize = 4;

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Lock(Vec<u8>),
    /// npm's code, empty where it has none.
    Error(String),
}

/// What npm answered to a scenario, as kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub first: Answer,
    /// The lock after a second run, where that is another.
    pub again: Option<Vec<u8>>,
}

/// Reads what was recorded for the scenario at `path`.
pub fn recorded(path: &Path) -> Result<Recorded, MockError> {
    let error = path.with_extension("error");
    if let Some(code) = read_if_there(&error)? {
        let code = String::from_utf8_lossy(&code).trim().to_owned();
        return Ok(Recorded {
            first: Answer::Error(code),
            again: None,
        });
    }
    let lock = path.with_extension("lock.json");
    Ok(Recorded {
        first: Answer::Lock(fs::read(&lock).map_err(MockError::at("read", &lock))?),
        again: read_if_there(&path.with_extension("again.json"))?,
    })
}

pub fn is_recorded(path: &Path) -> bool {
    path.with_extension("error").exists() || path.with_extension("lock.json").exists()
}

/// Runs npm on those of `scenarios` that are for its major version, a few at a time, and keeps the
/// answers; their number.
///
/// Errors: [`MockError::Surprises`] when a second run changes a lock and the scenario has no
/// `changes_again`, or the reverse; everything is kept all the same.
pub fn record_all(scenarios: &[PathBuf], npm: &Path) -> Result<usize, MockError> {
    let major = major(npm)?;
    let mut mine = Vec::new();
    for path in scenarios {
        if scenario::load(path)?.npm == major {
            mine.push(path.clone());
        }
    }
    let scenarios = &mine[..];
    let next = AtomicUsize::new(0);
    let surprises: Vec<String> = std::thread::scope(|scope| {
        let work = || record_from(scenarios, &next, npm);
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let parts = threads.into_iter().map(ScopedJoinHandle::join);
        let parts = parts.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        parts.collect::<Result<Vec<_>, _>>()
    })?
    .concat();
    if surprises.is_empty() {
        return Ok(scenarios.len());
    }
    Err(MockError::Surprises(surprises.join("\n")))
}

/// The major version of the npm at `npm`; 0 when it does not say.
fn major(npm: &Path) -> Result<u64, MockError> {
    let output = Command::new(npm).arg("--version").output();
    let output = output.map_err(|source| MockError::Run {
        program: npm.display().to_string(),
        source,
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let major = text.trim().split('.').next().unwrap_or_default();
    Ok(major.parse().unwrap_or_default())
}

/// Takes scenarios from the list until there is none left.
fn record_from(
    scenarios: &[PathBuf],
    next: &AtomicUsize,
    npm: &Path,
) -> Result<Vec<String>, MockError> {
    let mut surprises = Vec::new();
    while let Some(path) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
        let scenario = scenario::load(path)?;
        let answer = ask(&scenario, npm)?;
        keep(path, &answer)?;
        let changed = answer.again.is_some();
        if changed != scenario.changes_again.is_some() {
            surprises.push(format!(
                "{}: the second run {} the lock",
                path.display(),
                if changed { "changes" } else { "keeps" }
            ));
        }
    }
    Ok(surprises)
}

fn keep(path: &Path, answer: &Recorded) -> Result<(), MockError> {
    for extension in ["error", "lock.json", "again.json"] {
        let stale = path.with_extension(extension);
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(MockError::at("remove", &stale)(error));
            }
            _ => {}
        }
    }
    let write = |extension: &str, content: &[u8]| {
        let path = path.with_extension(extension);
        fs::write(&path, content).map_err(MockError::at("write", &path))
    };
    match &answer.first {
        Answer::Lock(lock) => write("lock.json", lock)?,
        Answer::Error(code) => write("error", format!("{code}\n").as_bytes())?,
    }
    if let Some(lock) = &answer.again {
        write("again.json", lock)?;
    }
    Ok(())
}

/// npm's answer to a scenario.
pub fn ask(scenario: &Scenario, npm: &Path) -> Result<Recorded, MockError> {
    let place = std::env::temp_dir();
    let folder = tempfile::tempdir().map_err(MockError::at("create a folder in", &place))?;
    let folder = folder
        .path()
        .canonicalize()
        .map_err(MockError::at("read", folder.path()))?;
    let make = |name: &str| {
        let path = folder.join(name);
        fs::create_dir(&path)
            .map_err(MockError::at("create", &path))
            .map(|()| path)
    };
    let (project, registry) = (make(PROJECT)?, make("registry")?);
    make("home")?;
    scenario.write_project(&project)?;
    scenario.registry.write(&registry)?;
    repository::write(&scenario.repositories, &folder.join(REPOSITORIES))?;
    let server = Server::start(Options {
        rewrite: false,
        ..Options::new(registry)
    })?;
    let run = || run(npm, &folder, server.url(), &scenario.flags);
    let first = run()?;
    let again = match &first {
        Answer::Error(_) => None,
        Answer::Lock(lock) => match run()? {
            Answer::Lock(again) => (again != *lock).then_some(again),
            Answer::Error(code) => Some(format!("npm fails: {code}\n").into_bytes()),
        },
    };
    Ok(Recorded { first, again })
}

fn run(npm: &Path, folder: &Path, proxy: &str, flags: &[String]) -> Result<Answer, MockError> {
    let project = folder.join(PROJECT);
    let log = folder.join("stderr");
    let stderr = fs::File::create(&log).map_err(MockError::at("create", &log))?;
    let mut command = Command::new(npm);
    command
        .args(["install", "--package-lock-only", "--ignore-scripts"])
        .args(["--no-audit", "--no-fund", "--fetch-retries=0"])
        .args(flags)
        .current_dir(&project)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder.join("home"))
        .env("npm_config_cache", folder.join("cache"))
        .env("npm_config_userconfig", folder.join("home/npmrc"))
        .env("npm_config_globalconfig", folder.join("home/global"))
        .env("npm_config_update_notifier", "false")
        .env("npm_config_registry", REGISTRY)
        .env("npm_config_proxy", proxy)
        .env(
            "GIT_CONFIG_GLOBAL",
            folder.join(REPOSITORIES).join("gitconfig"),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr);
    match wait(&mut command, npm)? {
        None => Ok(Answer::Error(ENDLESS.to_owned())),
        Some(true) => lock(&project).map(Answer::Lock),
        Some(false) => {
            let text = fs::read(&log).map_err(MockError::at("read", &log))?;
            let code = code(&String::from_utf8_lossy(&text)).to_owned();
            Ok(Answer::Error(code))
        }
    }
}

/// Whether the command succeeded; `None` when it was still at work after [`PATIENCE`].
fn wait(command: &mut Command, npm: &Path) -> Result<Option<bool>, MockError> {
    let failed = |source| MockError::Run {
        program: npm.display().to_string(),
        source,
    };
    let mut child = command.spawn().map_err(failed)?;
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(Some(status.success()));
        }
        if begin.elapsed() > PATIENCE {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The lock that npm wrote: the shrinkwrap where there is one.
fn lock(project: &Path) -> Result<Vec<u8>, MockError> {
    let shrinkwrap = read_if_there(&project.join("npm-shrinkwrap.json"))?;
    if let Some(lock) = shrinkwrap {
        return Ok(lock);
    }
    let path = project.join("package-lock.json");
    fs::read(&path).map_err(MockError::at("read", &path))
}

/// The code on npm's `npm error code X` line.
fn code(stderr: &str) -> &str {
    let line = stderr
        .lines()
        .find_map(|line| line.strip_prefix("npm error code "));
    line.unwrap_or_default().trim()
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, MockError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(MockError::at("read", path)(error)),
    }
}
