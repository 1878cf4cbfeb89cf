//! Ctrl-C and SIGTERM: ends scripts under way, takes back half-written files beside the lock, then
//! ends with 130 or 143.
//!
//! Staged trees stay: the next run clears them away, and doing so may take longer than whoever
//! pressed Ctrl-C wants to wait. A tree that is in place and whose scripts were ended is put back by
//! its install, which hears of it as of a script that failed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::scripts;

const INTERRUPTED: i32 = 130;
const TERMINATED: i32 = 143;
/// How long the install may take to bring the former tree back before the process ends anyway.
const PUTTING_BACK: Duration = Duration::from_secs(10);

/// Negative: nothing happened.
static CODE: AtomicI32 = AtomicI32::new(-1);

/// Listens from now on, for as long as the process lives. Without a listener a signal ends the
/// process by itself.
pub fn listen(project: PathBuf) {
    let Ok(runtime) = Builder::new_current_thread().enable_io().build() else {
        return;
    };
    // Registered here and not in the thread, so that no signal comes too early.
    let registered = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        )
    };
    let (Ok(mut interrupt), Ok(mut terminate)) = registered else {
        return;
    };
    thread::spawn(move || {
        let code = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => INTERRUPTED,
                _ = terminate.recv() => TERMINATED,
            }
        });
        CODE.store(code, Ordering::Relaxed);
        if scripts::stop() {
            thread::sleep(PUTTING_BACK);
        }
        take_back(&project);
        std::process::exit(code);
    });
}

/// The exit code of a run that was interrupted, whatever it makes of that.
pub fn code() -> Option<u8> {
    u8::try_from(CODE.load(Ordering::Relaxed)).ok()
}

/// Removes what `disk::write_atomically` of this process has not finished yet.
fn take_back(project: &Path) {
    let ours = format!(".{}-", std::process::id());
    for entry in fs::read_dir(project).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_temporary = name.starts_with('.') && name.ends_with(".tmp") && name.contains(&ours);
        if is_temporary && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_process_s_unfinished_files_are_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = crate::disk::beside(&folder.path().join("npm-shrinkwrap.json"));
        let of_another = folder.path().join(".npm-shrinkwrap.json.0-1.tmp");
        for path in [&unfinished, &of_another] {
            fs::write(path, "x").unwrap();
        }
        take_back(folder.path());
        assert!(!unfinished.exists());
        assert!(of_another.exists());
    }
}
