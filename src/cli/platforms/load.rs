//! `heatseal platforms --load`: what the loader says to each installed native module.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::args::Platforms;
use super::super::errors::{Failure, exit};
use super::super::paint::{count, one_line};
use super::super::{Context, interrupt, node, settings};
use crate::disk;
use crate::lock::LockError;
use crate::ops::{self, LoadRequest, Loaded, Outcome, Session};

/// For each file.
const WITHIN: Duration = Duration::from_secs(20);

pub fn run(args: &Platforms, context: &Context) -> Result<u8, Failure> {
    let project = settings::project(&args.place)?;
    let flags = (&context.global, &args.runtime, &args.npm);
    let session = settings::session_in(project, flags, &context.renderer)?;
    let program = match &args.node {
        Some(node) => Some(std::path::absolute(node).unwrap_or_else(|_| node.clone())),
        None => node::program(&context.env),
    };
    let node = program.ok_or_else(|| {
        let hint = "name the one that will run the project: --node /usr/bin/node";
        Failure::usage("there is no `node` on PATH to load anything with", hint)
    })?;
    // Its own version decides which files are for it.
    let mut session = session;
    if args.node.is_some() {
        session.host.node = node::asked(&node);
    }
    interrupt::listen(session.project.clone());
    let mut omit = settings::platforms_request(&session)?.omit;
    omit.dev |= !session
        .config
        .list("include")
        .iter()
        .any(|kind| *kind == "dev");
    let request = LoadRequest {
        node,
        omit,
        within: WITHIN,
    };
    let loaded = ops::load(&session, &request)?;
    context.renderer.finish();
    let text = if args.is_json() {
        format!("{:#}\n", document(&loaded, &request, &session))
    } else {
        lines(&loaded)
    };
    match &args.output {
        Some(file) => disk::write_atomically(file, text.as_bytes()).map_err(LockError::from)?,
        None => context.print(&text),
    }
    context.renderer.say(&closing(&loaded, &session, context));
    Ok(if loaded.iter().all(Loaded::is_fine) {
        exit::OK
    } else {
        exit::PLATFORM
    })
}

/// A line for each package, and one for each of its files where that says more.
fn lines(loaded: &[Loaded]) -> String {
    let mut lines = Vec::new();
    for package in loaded {
        let (name, version) = (&package.name, &package.version);
        let word = if package.is_fine() { "loads" } else { "fails" };
        let shown = format!("{name}@{version} ({})", package.location);
        lines.push(format!("{word}  {}", one_line(&shown)));
        if let Some(unfit) = &package.unfit {
            let line = format!("has no file for this machine: {unfit}");
            lines.push(format!("       {}", one_line(&line)));
        }
        let is_plain = package.is_fine() && package.files.len() == 1;
        for (file, outcome) in package.files.iter().filter(|_| !is_plain) {
            let line = format!("{file}: {}", said(outcome));
            lines.push(format!("       {}", one_line(&line)));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Loaded => "loaded".to_owned(),
        Outcome::Refused(message) => message.clone(),
        Outcome::Died(how) => format!("the process died: {how}"),
        Outcome::TimedOut => format!("did not end within {} s", WITHIN.as_secs()),
    }
}

/// For machines: version 1.
///
/// `packages` are those with native modules; one of `files` that `loads` is enough for a package to
/// be `fine`; `unfit` says why there was no file to try.
fn document(loaded: &[Loaded], request: &LoadRequest, session: &Session) -> Value {
    let packages = loaded.iter().map(|package| {
        let files = package.files.iter().map(|(path, outcome)| {
            let loads = *outcome == Outcome::Loaded;
            json!({"path": path, "loads": loads, "said": (!loads).then(|| said(outcome))})
        });
        json!({
            "name": package.name,
            "version": package.version,
            "location": package.location,
            "fine": package.is_fine(),
            "files": files.collect::<Vec<_>>(),
            "unfit": package.unfit,
        })
    });
    json!({
        "version": 1,
        "node": request.node,
        "host": session.host.to_string(),
        "packages": packages.collect::<Vec<_>>(),
    })
}

fn closing(loaded: &[Loaded], session: &Session, context: &Context) -> String {
    let paint = context.renderer.paint;
    let fine = loaded.iter().filter(|package| package.is_fine()).count();
    let all = format!(
        "{} of {} native modules load",
        count(fine),
        count(loaded.len())
    );
    let all = if fine == loaded.len() {
        paint.green(all)
    } else {
        paint.red(all)
    };
    format!("{all} on {} in {:.2} s", session.host, context.seconds())
}
