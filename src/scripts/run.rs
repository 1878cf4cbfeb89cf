//! Runs scripts: their order, how many at once, and what becomes of their output.

use std::io::{self, PipeReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use super::environment::{Environment, Script, package_variables};
use super::output::Tail;
use super::plan::{Plan, Planned, Step, gyp_install, has_binding_gyp, script};
use super::stop::{self, Reach};
use super::{Account, Ending, ScriptError};
use crate::manifest::Manifest;
use crate::name::PackageId;
use crate::report::{Event, Reporter};

/// The project's own events after the tree has changed.
pub const DEPENDENCIES: [&str; 3] = ["predependencies", "dependencies", "postdependencies"];
/// The project's own events at the end of every `install` and `ci`, as npm 11 has them.
pub const AFTER_INSTALL: [&str; 7] = [
    "preinstall",
    "install",
    "postinstall",
    "prepublish",
    "preprepare",
    "prepare",
    "postprepare",
];

/// How long a finished script's output is waited for when something it left behind holds the pipe.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What became of the dependencies' scripts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Scripts that ran to a good end.
    pub count: usize,
    /// Locations of optional packages whose script failed: they have to leave the tree, with what
    /// only they need. Their later scripts did not run.
    pub failed_optional: Vec<String>,
}

/// Runs a plan, event by event, several packages at once but in the foreground.
///
/// A required script's failure lets those under way finish and starts no more. When several failed,
/// the first in order is reported. We share our process group with all of them, so an interrupt from
/// the terminal reaches each.
pub fn run_dependencies(
    plan: &Plan,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<Ran, ScriptError> {
    let mut ran = Ran::default();
    for mut step in plan.steps() {
        step.jobs
            .retain(|(planned, _)| !ran.failed_optional.contains(&planned.location));
        for (planned, outcome) in run_step(&step, environment, reporter) {
            match outcome {
                Ok(()) => ran.count += 1,
                Err(error) if planned.optional && !stop::is_stopping() => {
                    reporter.emit(Event::Warning {
                        code: "EOPTIONAL",
                        message: format!("{} is left out: {error}", planned.location),
                    });
                    ran.failed_optional.push(planned.location.clone());
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(ran)
}

type Outcome = Result<(), ScriptError>;

/// All jobs of one event; outcomes in the jobs' order.
fn run_step<'a>(
    step: &Step<'a>,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Vec<(&'a Planned, Outcome)> {
    let (next, halt) = (AtomicUsize::new(0), AtomicBool::new(false));
    let outcomes = Mutex::new(Vec::new());
    let worker = || {
        while !halt.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(planned, command)) = step.jobs.get(index) else {
                break;
            };
            let outcome = run_one(planned, step.event, command, environment, reporter);
            if outcome.is_err() && !planned.optional {
                halt.store(true, Ordering::Relaxed);
            }
            let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes.push((index, planned, outcome));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..at_once(environment).min(step.jobs.len()) {
            // One thread less is only slower: this one works as well.
            let _ = std::thread::Builder::new().spawn_scoped(scope, worker);
        }
        worker();
    });
    let mut outcomes = outcomes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    outcomes.sort_by_key(|(index, ..)| *index);
    let in_order = outcomes.into_iter();
    in_order
        .map(|(_, planned, outcome)| (planned, outcome))
        .collect()
}

/// One less than there are processors; one in the foreground.
fn at_once(environment: &Environment) -> usize {
    if environment.foreground {
        return 1;
    }
    std::thread::available_parallelism().map_or(1, |count| (count.get() - 1).max(1))
}

fn run_one(
    planned: &Planned,
    event: &str,
    command: &str,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Outcome {
    reporter.emit(Event::ScriptStarted {
        id: planned.id.clone(),
        event: event.to_owned(),
    });
    let script = Script {
        package: &planned.id.to_string(),
        event,
        command,
        folder: &planned.folder,
        variables: &planned.variables,
    };
    let mut process = prepare(&script, environment);
    process.envs(if planned.own {
        environment.for_project(&script)
    } else {
        environment.for_dependency(&script)
    });
    if environment.foreground {
        shown(process, &script, environment)
    } else {
        captured(process, &script, environment)
    }
}

/// Runs the project's own scripts for `events`, those it has; answers how many. Their output is
/// shown, but for [`DEPENDENCIES`] in the background. `install` defaults to `node-gyp rebuild`.
pub fn run_root(
    project: &Path,
    manifest: &Manifest,
    events: &[&str],
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<usize, ScriptError> {
    let name = manifest.name().unwrap_or("this project");
    let id = PackageId::new(name, manifest.version().unwrap_or_default());
    let package = id.to_string();
    let variables = package_variables(manifest);
    let mut count = 0;
    for event in events {
        let gyp =
            || gyp_install(manifest).filter(|_| *event == "install" && has_binding_gyp(project));
        let Some(command) = script(manifest, event).or_else(gyp) else {
            continue;
        };
        reporter.emit(Event::ScriptStarted {
            id: id.clone(),
            event: (*event).to_owned(),
        });
        let script = Script {
            package: package.trim_end_matches('@'),
            event,
            command,
            folder: project,
            variables: &variables,
        };
        let mut process = prepare(&script, environment);
        process.envs(environment.for_project(&script));
        if DEPENDENCIES.contains(event) && !environment.foreground {
            captured(process, &script, environment)?;
        } else {
            shown(process, &script, environment)?;
        }
        count += 1;
    }
    Ok(count)
}

fn prepare(script: &Script, environment: &Environment) -> Command {
    let mut process = Command::new(&environment.shell);
    process
        .arg("-c")
        .arg(script.command)
        .current_dir(script.folder)
        .env_clear();
    process
}

/// The script has our terminal, and its output needs no quoting.
fn shown(process: Command, script: &Script, environment: &Environment) -> Outcome {
    let status = attend(process, environment.keep_stdout);
    let status = status.map_err(|source| cannot_start(script, environment, source))?;
    judge(script, status, String::new)
}

fn attend(mut process: Command, keep_stdout: bool) -> io::Result<ExitStatus> {
    if keep_stdout {
        process.stdout(Stdio::from(io::stderr().as_fd().try_clone_to_owned()?));
    }
    let mut child = stop::start(process, Reach::Alone)?;
    stop::wait(&mut child)
}

/// The script has no input, and its output is read to be quoted if it fails.
fn captured(process: Command, script: &Script, environment: &Environment) -> Outcome {
    let tail = Arc::new(Mutex::new(Tail::default()));
    let started = start_captured(process, &tail);
    let (mut child, ended) = started.map_err(|source| cannot_start(script, environment, source))?;
    let status = stop::wait(&mut child);
    let status = status.map_err(|source| cannot_start(script, environment, source))?;
    judge(script, status, || {
        let _ = ended.recv_timeout(LAST_WORDS);
        tail.lock().unwrap_or_else(PoisonError::into_inner).text()
    })
}

/// Takes the command, and with it our ends of the pipe: were they open, it would never end.
fn start_captured(
    mut process: Command,
    tail: &Arc<Mutex<Tail>>,
) -> io::Result<(Child, mpsc::Receiver<()>)> {
    let (reader, writer) = io::pipe()?;
    process.stdin(Stdio::null());
    process.stdout(writer.try_clone()?).stderr(writer);
    let ended = listen(reader, Arc::clone(tail))?;
    Ok((stop::start(process, Reach::Group)?, ended))
}

/// Reads to the end on a thread of its own, which outlives us if a daemon keeps the pipe open.
/// The channel closes when the output ends.
fn listen(mut reader: PipeReader, tail: Arc<Mutex<Tail>>) -> io::Result<mpsc::Receiver<()>> {
    let (sender, ended) = mpsc::channel();
    let read = move || {
        let _open: mpsc::Sender<()> = sender;
        let mut buffer = [0; 8192];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
                    tail.push(&buffer[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    };
    std::thread::Builder::new().spawn(read)?;
    Ok(ended)
}

fn judge(script: &Script, status: ExitStatus, output: impl FnOnce() -> String) -> Outcome {
    let ending = match (status.code(), status.signal()) {
        (Some(0), _) => return Ok(()),
        (Some(code), _) => Ending::Code(code),
        (None, signal) => Ending::Signal(signal.unwrap_or_default()),
    };
    Err(ScriptError::Failed {
        package: script.package.to_owned(),
        event: script.event.to_owned(),
        ending,
        account: Box::new(Account {
            command: script.command.to_owned(),
            folder: script.folder.to_owned(),
            output: output(),
        }),
    })
}

fn cannot_start(script: &Script, environment: &Environment, source: io::Error) -> ScriptError {
    ScriptError::Start {
        package: script.package.to_owned(),
        event: script.event.to_owned(),
        shell: environment.shell.clone(),
        folder: script.folder.to_owned(),
        source,
    }
}
