//! Ends scripts that are under way when the run is interrupted, with everything they started.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// How long a script may take to tidy up after it was asked to end.
const GRACE: Duration = Duration::from_secs(3);

/// What runs now. The process has one set of children, and a signal reaches it anywhere.
static UNDER_WAY: Mutex<UnderWay> = Mutex::new(UnderWay {
    scripts: Vec::new(),
    stopped: false,
});
static ENDED: Condvar = Condvar::new();

struct UnderWay {
    scripts: Vec<(Pid, Reach)>,
    /// No more scripts begin.
    stopped: bool,
}

/// Whom a signal for a script goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It leads a process group of its own: all it started.
    Group,
    /// It has our terminal, and so our group: itself.
    Alone,
}

/// Starts a script, which [`stop`] can end from then on. [`io::ErrorKind::Interrupted`] when the
/// run is being stopped.
pub(super) fn start(mut process: Command, reach: Reach) -> io::Result<Child> {
    let mut under_way = lock();
    if under_way.stopped {
        return Err(io::ErrorKind::Interrupted.into());
    }
    if reach == Reach::Group {
        process.process_group(0);
    }
    let child = process.spawn()?;
    under_way.scripts.push((Pid::from_child(&child), reach));
    Ok(child)
}

/// Waits for a script that [`start`] started.
pub(super) fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(child);
    let status = child.wait();
    lock().scripts.retain(|(known, _)| *known != pid);
    ENDED.notify_all();
    status
}

/// Is the run being stopped?
pub(super) fn is_stopping() -> bool {
    lock().stopped
}

/// Ends all scripts under way: asks them, and kills what is left after a moment. No more begin.
/// `true` when there were any: their install is about to take itself back.
pub fn stop() -> bool {
    let mut under_way = lock();
    under_way.stopped = true;
    let scripts = under_way.scripts.clone();
    signal(&scripts, Signal::TERM);
    let waited = ENDED.wait_timeout_while(under_way, GRACE, |now| !now.scripts.is_empty());
    let (under_way, _) = waited.unwrap_or_else(PoisonError::into_inner);
    // A group may outlive its leader; a script alone is only there while we wait for it.
    let left = |one: &&(Pid, Reach)| one.1 == Reach::Group || under_way.scripts.contains(one);
    let left: Vec<(Pid, Reach)> = scripts.iter().filter(left).copied().collect();
    signal(&left, Signal::KILL);
    !scripts.is_empty()
}

fn signal(scripts: &[(Pid, Reach)], signal: Signal) {
    for (pid, reach) in scripts {
        let _ = match reach {
            Reach::Group => rustix::process::kill_process_group(*pid, signal),
            Reach::Alone => rustix::process::kill_process(*pid, signal),
        };
    }
}

fn lock() -> MutexGuard<'static, UnderWay> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}
