//! `platforms --load`: each native module of an installed tree, loaded in a process of its own.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use super::session::Session;
use crate::disk::{self, DiskError};
use crate::json::truthy;
use crate::lock::{self, LockError, package_name};
use crate::platforms::facts::Binary;
use crate::platforms::inspect;
use crate::platforms::loading;
use crate::resolve::Omit;
use crate::scripts::{Ended, run_throwaway};
use crate::store::unguessable;

/// Where an install notes what it has put there.
const HIDDEN_LOCK: &str = "node_modules/.package-lock.json";
/// Compiled files of one package that are looked at.
const MOST_FILES: usize = 512;
/// Folders below each other in which they are looked for.
const DEEPEST: usize = 8;

/// Loads a file as `require` would, and says what came of it on a line that begins with a word
/// nobody else knows. Some addons keep the process alive: it ends itself.
const LOADER: &str = "const [, file, word] = process.argv; let said = {};
try { process.dlopen({ exports: {} }, file) }
catch (error) { said = { message: String(error && error.message || error) } }
require('fs').writeSync(1, '\\n' + word + JSON.stringify(said) + '\\n'); process.exit(0)";

#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// The program that will run the project.
    pub node: PathBuf,
    pub omit: Omit,
    /// For each file; then it is killed.
    pub within: Duration,
}

/// What the loader said to one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    pub name: String,
    pub version: String,
    pub location: String,
    /// The files that were tried; one that loads is enough.
    pub files: Vec<(String, Outcome)>,
    /// Why there was nothing to try.
    pub unfit: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Loaded,
    /// In the loader's words.
    Refused(String),
    /// The process died of a signal, or ended without a word.
    Died(String),
    TimedOut,
}

impl Loaded {
    pub fn is_fine(&self) -> bool {
        let mut files = self.files.iter();
        files.any(|(_, outcome)| *outcome == Outcome::Loaded)
    }
}

/// Why nothing could be loaded.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LoadError {
    #[error("`{}` has no installed packages", .0.display())]
    #[diagnostic(
        code(ENOENT),
        help(
            "install first, with heatseal or npm 7 and later: they note what they installed in node_modules/.package-lock.json"
        )
    )]
    NotInstalled(PathBuf),
    #[error("cannot run `{}`", .0.display())]
    #[diagnostic(code(ENONODE), help("is that the Node that will run the project?"))]
    Node(PathBuf, #[source] io::Error),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

/// Loads the native modules of the installed packages: those of production, unless `omit` says that
/// development's belong to it.
///
/// Their code runs, with little of the environment, in an empty folder, and not for long.
pub fn load(session: &Session, request: &LoadRequest) -> Result<Vec<Loaded>, LoadError> {
    let project = &session.project;
    let bytes = disk::read_if_there(&project.join(HIDDEN_LOCK))?;
    let bytes = bytes.ok_or_else(|| LoadError::NotInstalled(project.clone()))?;
    let installed = lock::parse(bytes, HIDDEN_LOCK)?;
    lock::check(&installed)?;
    let packages = installed.packages.iter();
    let packages: Vec<_> = packages
        .filter(|(location, entry)| is_asked(location, entry, request.omit))
        .collect();
    let place = Place {
        session,
        request,
        folder: session.store.join("v1").join("load").join(unguessable()),
    };
    disk::make_private(&place.folder).map_err(DiskError::at("make", &place.folder))?;
    let loaded = in_order(&packages, |(location, entry)| {
        place.package(location, entry)
    });
    let _ = fs::remove_dir_all(&place.folder);
    let loaded: Result<Vec<Option<Loaded>>, LoadError> = loaded.into_iter().collect();
    Ok(loaded?.into_iter().flatten().collect())
}

fn is_asked(location: &str, entry: &Map<String, Value>, omit: Omit) -> bool {
    let is = |member: &str| entry.get(member).is_some_and(truthy);
    let left_out =
        (omit.dev && is("dev")) || (omit.optional && is("optional")) || (omit.peer && is("peer"));
    location.contains("node_modules/") && !is("link") && !left_out
}

/// Answers in the order of the questions, found by several threads.
fn in_order<T: Sync, R: Send>(questions: &[T], answer: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(question) = questions.get(at) else {
                return;
            };
            let found = answer(question);
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push((at, found));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(8) {
            scope.spawn(work);
        }
        work();
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, found)| found).collect()
}

struct Place<'a> {
    session: &'a Session,
    request: &'a LoadRequest,
    /// Where the processes run.
    folder: PathBuf,
}

impl Place<'_> {
    /// `None` for a package without native modules, or that is not there.
    fn package(
        &self,
        location: &str,
        entry: &Map<String, Value>,
    ) -> Result<Option<Loaded>, LoadError> {
        let folder = self.session.project.join(location);
        let mut binaries = Vec::new();
        find(&folder, "", 0, &mut binaries);
        binaries.sort_by(|a, b| a.path.cmp(&b.path));
        let version = entry.get("version").and_then(Value::as_str);
        let mut loaded = Loaded {
            name: package_name(location, entry).to_owned(),
            version: version.unwrap_or_default().to_owned(),
            location: location.to_owned(),
            files: Vec::new(),
            unfit: None,
        };
        match loading(&binaries, &self.session.host) {
            Ok(files) if files.is_empty() => return Ok(None),
            Ok(files) => {
                for file in files {
                    let outcome = self.file(&folder.join(&file.path))?;
                    loaded.files.push((file.path.clone(), outcome));
                }
            }
            Err(misfit) => loaded.unfit = Some(misfit.to_string()),
        }
        Ok(Some(loaded))
    }

    fn file(&self, path: &Path) -> Result<Outcome, LoadError> {
        // What the system's loader looks at, and nothing that is secret or steers Node.
        const KEPT: [&str; 7] = [
            "PATH",
            "HOME",
            "LANG",
            "LC_ALL",
            "TZ",
            "LD_LIBRARY_PATH",
            "DYLD_LIBRARY_PATH",
        ];
        let node = &self.request.node;
        let word = unguessable();
        let mut command = Command::new(node);
        command.arg("-e").arg(LOADER).arg(path).arg(&word);
        command.env_clear().current_dir(&self.folder);
        command.envs(
            KEPT.iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        let ended = run_throwaway(command, self.request.within);
        let ended = ended.map_err(|error| LoadError::Node(node.clone(), error))?;
        Ok(outcome(&ended, &word))
    }
}

fn outcome(ended: &Ended, word: &str) -> Outcome {
    let Some(status) = ended.status else {
        return Outcome::TimedOut;
    };
    let said = ended
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(word));
    let said: Option<Value> = said.and_then(|said| serde_json::from_str(said).ok());
    let died = match (status.signal(), status.code()) {
        (Some(signal), _) => Some(format!("signal {signal}")),
        (None, Some(0)) => None,
        (None, code) => Some(format!("exit code {}", code.unwrap_or(-1))),
    };
    match (said, died) {
        (None, died) => {
            let last = ended.stderr.lines().last().unwrap_or_default();
            let died = died.unwrap_or_else(|| "it ended the process".to_owned());
            Outcome::Died(format!("{died} {last}").trim_end().to_owned())
        }
        (Some(said), died) => match (said.get("message").and_then(Value::as_str), died) {
            (Some(message), _) => {
                Outcome::Refused(message.lines().next().unwrap_or_default().to_owned())
            }
            (None, Some(died)) => Outcome::Died(format!("{died} at the end, after it was loaded")),
            (None, None) => Outcome::Loaded,
        },
    }
}

/// The compiled files of a package's folder that may be addons; its own dependencies are others.
fn find(folder: &Path, below: &str, depth: usize, found: &mut Vec<Binary>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
            continue;
        };
        let path = format!("{below}{name}");
        if kind.is_dir() && name != "node_modules" && depth < DEEPEST {
            find(&entry.path(), &format!("{path}/"), depth + 1, found);
        } else if kind.is_file() && inspect::ends_in(&name, "node") && found.len() < MOST_FILES {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            found.extend(inspect::binary(&path, &bytes));
        }
    }
}
