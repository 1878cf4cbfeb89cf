//! Arguments, settings, rendering; the only room that talks to users.
//!
//! [`args`] is what was typed, [`settings`] what it means, `render` shows work under way, `errors`
//! what went wrong. Each verb has a file of its own; it returns the exit code of its answer.

#![allow(clippy::result_large_err)] // a failure is made once in a run, at its end

mod args;
mod bound;
mod diff;
mod errors;
mod install;
mod interrupt;
mod lint;
mod ls;
mod manuals;
mod merge;
mod mirror;
mod node;
mod npm_flags;
mod paint;
mod parts;
mod platforms;
mod render;
mod sbom;
mod settings;
mod shrinkwrap;
mod store;
mod tables;
mod verify;
mod why;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser as _;
use clap::error::ErrorKind;
use serde_json::Value;

use crate::npmrc::without_credentials;
use crate::ops::SessionError;
use args::{Cli, Global, Verb};
use errors::{Failure, exit};
use paint::Paint;
use render::{Manner, Renderer};

/// What every verb is given.
struct Context {
    global: Global,
    env: BTreeMap<String, String>,
    renderer: Arc<Renderer>,
    /// Colours of standard output.
    paint: Paint,
    started: Instant,
}

/// Runs the program on the process's own command line.
pub fn main() -> ExitCode {
    let started = Instant::now();
    let env = settings::environment();
    let paint = Paint::of(&io::stderr(), &env);
    tell_of_defects(paint);
    let cli = match Cli::try_parse_from(args::normalized(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => return answer_usage(&error, paint),
    };
    let renderer = Arc::new(Renderer::new(Manner::of(cli.global.quiet, &env), paint));
    let json = wants_json(&cli.verb);
    let context = Context {
        global: cli.global,
        paint: Paint::of(&io::stdout(), &env),
        env,
        renderer: Arc::clone(&renderer),
        started,
    };
    let answer = context
        .enter_directory()
        .and_then(|()| run(cli.verb, &context));
    renderer.finish();
    let answer = match (answer, interrupt::code()) {
        // The failure is only that its scripts were ended.
        (Err(_), Some(code)) => Ok(code),
        (answer, _) => answer,
    };
    let code = answer.unwrap_or_else(|failure| {
        if json {
            context.print_json(&failure.json());
        }
        render::write_line(&failure.text(paint));
        failure.exit
    });
    ExitCode::from(code)
}

fn run(verb: Verb, context: &Context) -> Result<u8, Failure> {
    match verb {
        Verb::Shrinkwrap(args) => shrinkwrap::run(&args, context),
        Verb::Install(args) => match args.names.first() {
            Some(name) => Err(no_names(name)),
            None => install::run(args.frozen, &args.how, context),
        },
        Verb::Ci(args) => install::run(true, &args.how, context),
        Verb::Verify(args) => verify::run(&args, context),
        Verb::Diff(args) => diff::run(&args, context),
        Verb::Platforms(args) => platforms::run(&args, context),
        Verb::Lint(args) => lint::run(&args, context),
        Verb::Why(args) => why::run(&args, context),
        Verb::Ls(args) => ls::run(&args, context),
        Verb::Merge(args) => merge::run(&args, context),
        Verb::Sbom(args) => sbom::run(&args, context),
        Verb::Mirror(args) => mirror::run(&args, context),
        Verb::Completions(args) => Ok(manuals::completions(&args, context)),
        Verb::Man(args) => manuals::man(&args, context),
        Verb::Store(args) => store::run(&args, context),
    }
}

fn no_names(name: &str) -> Failure {
    Failure::usage(
        format!("heatseal does not edit package.json, so it cannot install `{name}`"),
        "write the dependency into package.json, then run `heatseal install`",
    )
}

fn wants_json(verb: &Verb) -> bool {
    match verb {
        Verb::Shrinkwrap(args) => args.json,
        Verb::Install(args) => args.how.json,
        Verb::Ci(args) => args.how.json,
        Verb::Verify(args) => args.json,
        Verb::Diff(args) => args.is_json(),
        Verb::Platforms(args) => args.is_json(),
        Verb::Lint(args) => args.is_machine(),
        Verb::Why(args) => args.json,
        Verb::Ls(args) => args.json,
        Verb::Merge(args) => args.json,
        // Standard output is for a document of somebody else's form.
        Verb::Sbom(_) | Verb::Completions(_) | Verb::Man(_) => false,
        Verb::Mirror(args) => args.json,
        Verb::Store(args) => args.is_json(),
    }
}

impl Context {
    /// `-C`: from here on every relative path is relative to that folder.
    fn enter_directory(&self) -> Result<(), Failure> {
        let Some(folder) = &self.global.directory else {
            return Ok(());
        };
        std::env::set_current_dir(folder)
            .map_err(|_| SessionError::NoProject(folder.clone()).into())
    }

    /// Writes to standard output. Whoever reads it may have had enough: that is no failure.
    fn print(&self, text: &str) {
        self.renderer.finish();
        let mut out = io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// Whatever URLs are in it, none has credentials.
    fn print_json(&self, document: &Value) {
        let text = format!("{document:#}\n");
        self.print(&without_credentials(&text));
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Help and version are answers; everything else is a mistake in the command line.
fn answer_usage(error: &clap::Error, paint: Paint) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let _ = error.print();
        return ExitCode::from(exit::OK);
    }
    let text = error.render().to_string();
    match text.strip_prefix("error: ") {
        Some(rest) => render::write_line(&format!(
            "{}: {}",
            paint.red("error[EUSAGE]"),
            rest.trim_end()
        )),
        None => {
            let _ = error.print();
        }
    }
    ExitCode::from(exit::USAGE)
}

/// A panic is a defect of heatseal: one line says so, and nothing goes on half-done.
fn tell_of_defects(paint: Paint) {
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        render::write_line(&format!(
            "{}: this is a defect in heatseal {}, at {place}: {}; please report it with the command line",
            paint.red("error[EBUG]"),
            env!("CARGO_PKG_VERSION"),
            paint::one_line(text.unwrap_or("no message")),
        ));
        std::process::exit(i32::from(exit::NO));
    }));
}

/// A path as a person would write it: relative to the present folder where it lies below.
fn shown_path(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let below = path.strip_prefix(&here).unwrap_or(path);
    paint::one_line(&below.to_string_lossy())
}
