//! Shows work under way: a moving line on a terminal, plain lines elsewhere, nothing when quiet.
//!
//! [`Renderer::emit`] is called many thousand times, from many threads: it counts, and no more. On a
//! terminal a thread of its own draws what was counted, a few times a second, and only once a run
//! has lasted long enough to be worth it.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, IsTerminal, Write as _};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::paint::{Paint, count, one_line, packages, shortened};
use crate::report::{Event, Reporter};

/// How much is shown while work is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Quiet,
    Lines,
    Bars,
}

impl Manner {
    /// Bars on a terminal, unless in CI.
    pub fn of(quiet: bool, env: &BTreeMap<String, String>) -> Self {
        let ci = env
            .get("CI")
            .is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
        let dumb = env.get("TERM").is_some_and(|term| term == "dumb");
        match (quiet, io::stderr().is_terminal() && !ci && !dumb) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Bars,
            (false, false) => Self::Lines,
        }
    }
}

/// Before this much time nothing moves; between drawings this much passes.
const FIRST_DRAWING: Duration = Duration::from_millis(150);
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(80);

/// The phases of a run, in their order.
const RESOLVE: u8 = 1;
const FETCH: u8 = 2;
const LINK: u8 = 3;
const SCRIPTS: u8 = 4;

/// What was counted so far.
#[derive(Debug, Default)]
struct Counters {
    phase: AtomicU8,
    wanted: AtomicU64,
    ready: AtomicU64,
    placed: AtomicU64,
    total: AtomicU64,
    stored: AtomicU64,
    linked: AtomicU64,
    bytes: AtomicU64,
    script: Mutex<String>,
}

/// A log is not to be flooded: what comes after these is only mentioned.
const MOST_WARNINGS: usize = 100;

/// The one listener of a run.
pub struct Renderer {
    manner: Manner,
    pub paint: Paint,
    counters: Arc<Counters>,
    bar: ProgressBar,
    drawer: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
    warned: Mutex<HashSet<String>>,
}

impl Renderer {
    pub fn new(manner: Manner, paint: Paint) -> Self {
        let counters = Arc::<Counters>::default();
        let target = match manner {
            Manner::Bars => ProgressDrawTarget::stderr(),
            Manner::Quiet | Manner::Lines => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let drawer = (manner == Manner::Bars).then(|| draw(&bar, &counters));
        Self {
            manner,
            paint,
            counters,
            bar,
            drawer: Mutex::new(drawer),
            warned: Mutex::default(),
        }
    }

    /// A line for the user, on standard error.
    pub fn say(&self, line: &str) {
        if self.manner != Manner::Quiet {
            self.bar.suspend(|| write_line(line));
        }
    }

    /// Says `warning[CODE]: message`, once for each message.
    pub fn warn(&self, code: &str, message: &str) {
        let code = if code.is_empty() {
            String::new()
        } else {
            format!("[{code}]")
        };
        let line = format!(
            "{}: {}",
            self.paint.yellow(format!("warning{code}")),
            shortened(one_line(message))
        );
        let shown = {
            let mut warned = lock(&self.warned);
            warned.insert(line.clone()).then_some(warned.len())
        };
        match shown {
            Some(..=MOST_WARNINGS) => self.say(&line),
            Some(number) if number == MOST_WARNINGS + 1 => self.say("more warnings are not shown"),
            _ => {}
        }
    }

    /// Clears what moves. What is printed afterwards stays.
    pub fn finish(&self) {
        if let Some((stop, thread)) = lock(&self.drawer).take() {
            drop(stop);
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
    }

    /// A later phase begins. Says so where nothing moves.
    fn enter(&self, phase: u8) {
        if self.counters.phase.load(Ordering::Relaxed) >= phase
            || self.counters.phase.fetch_max(phase, Ordering::Relaxed) >= phase
            || self.manner != Manner::Lines
        {
            return;
        }
        let total = self.counters.total.load(Ordering::Relaxed) as usize;
        match phase {
            RESOLVE => self.say("resolving dependencies"),
            FETCH => self.say(&format!("collecting {}", packages(total))),
            LINK => self.say("linking node_modules"),
            _ => {}
        }
    }
}

impl Reporter for Renderer {
    fn emit(&self, event: Event) {
        let add = |counter: &AtomicU64, number: u64| {
            counter.fetch_add(number, Ordering::Relaxed);
        };
        let counters = &*self.counters;
        match event {
            Event::PackumentWanted { .. } => {
                add(&counters.wanted, 1);
                self.enter(RESOLVE);
            }
            Event::PackumentReady { bytes, .. } => {
                add(&counters.ready, 1);
                add(&counters.bytes, bytes);
            }
            Event::NodePlaced { .. } => {
                add(&counters.placed, 1);
                self.enter(RESOLVE);
            }
            Event::PackagesWanted { total } => {
                counters.total.store(total, Ordering::Relaxed);
                self.enter(FETCH);
            }
            Event::TarballStored { bytes, .. } => {
                add(&counters.stored, 1);
                add(&counters.bytes, bytes);
                self.enter(FETCH);
            }
            Event::PackageLinked { .. } => {
                add(&counters.linked, 1);
                self.enter(LINK);
            }
            Event::ScriptStarted { id, event } => {
                let script = one_line(&format!("{event} of {id}"));
                self.enter(SCRIPTS);
                if self.manner == Manner::Lines {
                    self.say(&format!("running {script}"));
                }
                *lock(&counters.script) = script;
            }
            Event::Warning { code, message } => self.warn(code, &message),
        }
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Starts the thread that draws.
fn draw(bar: &ProgressBar, counters: &Arc<Counters>) -> (Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = mpsc::channel::<()>();
    let (bar, counters) = (bar.clone(), Arc::clone(counters));
    let thread = std::thread::spawn(move || {
        let mut wait = FIRST_DRAWING;
        while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            wait = BETWEEN_DRAWINGS;
            show(&bar, &counters);
        }
    });
    (stop, thread)
}

/// Draws the line of the present phase.
fn show(bar: &ProgressBar, counters: &Counters) {
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let megabytes = of(&counters.bytes) as f64 / 1e6;
    let (done, message) = match counters.phase.load(Ordering::Relaxed) {
        RESOLVE => {
            let placed = count(of(&counters.placed) as usize);
            let (ready, wanted) = (of(&counters.ready), of(&counters.wanted));
            (
                None,
                format!(
                    "resolving  {placed} placed, {ready}/{wanted} packuments, {megabytes:.1} MB"
                ),
            )
        }
        FETCH => (
            Some(of(&counters.stored)),
            format!("collecting, {megabytes:.1} MB fetched"),
        ),
        LINK => (Some(of(&counters.linked)), "linking".to_owned()),
        SCRIPTS => (None, format!("running    {}", lock(&counters.script))),
        _ => return,
    };
    let template = if done.is_some() {
        "{spinner} [{bar:30}] {pos}/{len} {wide_msg}"
    } else {
        "{spinner} {wide_msg}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    if let Some(done) = done {
        bar.set_length(of(&counters.total).max(done));
        bar.set_position(done);
    }
    bar.set_message(message);
    bar.tick();
}

/// Standard error may be gone; nothing can be said about that.
pub fn write_line(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_entered_once_and_never_left_backwards() {
        let renderer = Renderer::new(Manner::Quiet, Paint::plain());
        renderer.emit(Event::PackagesWanted { total: 3 });
        renderer.emit(Event::NodePlaced {
            location: "node_modules/a".to_owned(),
        });
        assert_eq!(renderer.counters.phase.load(Ordering::Relaxed), FETCH);
        assert_eq!(renderer.counters.placed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn an_equal_warning_is_said_once() {
        let renderer = Renderer::new(Manner::Quiet, Paint::plain());
        for message in ["one", "one", "two"] {
            renderer.warn("EBADENGINE", message);
        }
        assert_eq!(lock(&renderer.warned).len(), 2);
    }
}
