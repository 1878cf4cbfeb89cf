//! One program in a process of its own that is gone afterwards, with everything it started.

use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::output::Tail;
use super::stop::{self, Reach};

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: it took too long and was killed.
    pub status: Option<ExitStatus>,
    /// The end of what it printed, fit to be shown.
    pub stdout: String,
    pub stderr: String,
}

/// How long output is waited for when something that escaped holds the pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a program to its end, but not longer than `within`, and kills what it left behind.
///
/// Errors: it cannot be started; [`io::ErrorKind::Interrupted`] when the run is being stopped.
pub fn run_throwaway(mut command: Command, within: Duration) -> io::Result<Ended> {
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = stop::start(command, Reach::Group)?;
    let pid = Pid::from_child(&child);
    let stdout = tail(child.stdout.take());
    let stderr = tail(child.stderr.take());
    let (sender, ended) = mpsc::channel();
    let in_time = std::thread::scope(|scope| {
        scope.spawn(move || {
            // It stays a zombie for now, so that its group's number is nobody else's.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let wait = || rustix::process::waitid(WaitId::Pid(pid), options);
            let _ = rustix::io::retry_on_intr(wait);
            let _ = sender.send(());
        });
        let in_time = ended.recv_timeout(within) != Err(RecvTimeoutError::Timeout);
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        in_time
    });
    let status = stop::wait(&mut child)?;
    Ok(Ended {
        status: in_time.then_some(status),
        stdout: stdout.recv_timeout(LAST_WORDS).unwrap_or_default(),
        stderr: stderr.recv_timeout(LAST_WORDS).unwrap_or_default(),
    })
}

/// Reads a pipe to its end, on a thread of its own.
fn tail(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, text) = mpsc::channel();
    std::thread::spawn(move || {
        let mut tail = Tail::default();
        let mut bytes = [0; 8192];
        let mut pipe = pipe;
        while let Some(Ok(read @ 1..)) = pipe.as_mut().map(|pipe| pipe.read(&mut bytes)) {
            tail.push(&bytes[..read]);
        }
        let _ = sender.send(tail.text());
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Dead soon, as a kill takes its moment: gone, or a zombie that nobody has buried yet.
    fn dies(pid: &str) -> bool {
        let stat = format!("/proc/{}/stat", pid.trim());
        let dead = || {
            std::thread::yield_now();
            std::fs::read_to_string(&stat).map_or(true, |state| state.contains(") Z"))
        };
        (0..1_000_000).any(|_| dead())
    }

    #[test]
    fn output_and_status_are_told() {
        let ended = run_throwaway(
            shell("echo out; echo err >&2; exit 3"),
            Duration::from_mins(1),
        );
        let ended = ended.unwrap();
        assert_eq!(ended.status.unwrap().code(), Some(3));
        assert_eq!((&*ended.stdout, &*ended.stderr), ("out", "err"));
    }

    #[test]
    fn what_takes_too_long_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("child");
        let script = format!(
            "sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600' & wait",
            mark.display()
        );
        let ended = run_throwaway(shell(&script), Duration::from_millis(500)).unwrap();
        assert!(ended.status.is_none());
        if let Ok(pid) = std::fs::read_to_string(mark) {
            assert!(dies(&pid), "{pid}");
        }
    }

    #[test]
    fn what_a_program_leaves_behind_is_killed() {
        let script = "sleep 600 & echo $!";
        let ended = run_throwaway(shell(script), Duration::from_mins(1)).unwrap();
        assert!(ended.status.unwrap().success());
        assert!(dies(&ended.stdout), "{}", ended.stdout);
    }
}
