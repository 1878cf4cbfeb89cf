//! `heatseal merge`: a merge driver for git, and how git is told of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Merge;
use super::errors::{Failure, exit};
use super::npm_flags::NpmFlags;
use super::paint::one_line;
use super::{Context, settings, shown_path};
use crate::disk::DiskError;
use crate::merge::Dispute;
use crate::merge::markers::Labels;
use crate::ops::{self, MergeOutcome, MergeRequest, Session, Setup};
use crate::report::Silent;

pub fn run(args: &Merge, context: &Context) -> Result<u8, Failure> {
    if args.install {
        let setup = ops::install_driver(&program(), args.global)?;
        return Ok(tell_setup(&setup, true, args, context));
    }
    if args.uninstall {
        let setup = ops::uninstall_driver(args.global)?;
        return Ok(tell_setup(&setup, false, args, context));
    }
    let (Some(base), Some(ours), Some(theirs)) = (&args.base, &args.ours, &args.theirs) else {
        return Err(Failure::usage(
            "three files are merged",
            "heatseal merge --help",
        ));
    };
    let default = PathBuf::from("package-lock.json");
    let request = MergeRequest {
        base: read(base)?,
        ours: read(ours)?,
        theirs: read(theirs)?,
        path: args.path.clone().unwrap_or(default),
        labels: labels(args),
    };
    let merged = merge(args, &request, context);
    let outcome = match merged {
        Ok(outcome) => outcome,
        Err(failure) => {
            // What git would have left; it is told of the conflict by the exit code.
            write(ours, &ops::fall_back(&request))?;
            return Err(failure);
        }
    };
    write(ours, outcome.text.as_bytes())?;
    if args.json {
        context.print_json(&document(&outcome, &request));
    }
    for (code, message) in &outcome.warnings {
        context.renderer.warn(code, message);
    }
    if outcome.disputes.is_empty() {
        context.renderer.say(&closing(&outcome, &request, context));
        return Ok(exit::OK);
    }
    let failure = conflict(&outcome, &request);
    super::render::write_line(&failure.text(context.renderer.paint));
    Ok(exit::NO)
}

fn merge(args: &Merge, request: &MergeRequest, context: &Context) -> Result<MergeOutcome, Failure> {
    let name = request.path.file_name().unwrap_or_default();
    if name == "package.json" {
        return Ok(ops::merge_manifests(request)?);
    }
    let folder = request.path.parent().filter(|folder| folder.is_dir());
    let folder = folder.filter(|folder| *folder != Path::new(""));
    let project = settings::project(folder.unwrap_or(Path::new(".")))?;
    let session = |npm: &NpmFlags| -> Result<Session, Failure> {
        let flags = (&context.global, &args.runtime, npm);
        let session = settings::session_in(project.clone(), flags, &context.renderer)?;
        Ok(Session {
            reporter: Arc::new(Silent),
            ..session
        })
    };
    let mut offline = args.npm.clone();
    offline
        .typed
        .push(("offline".to_owned(), "true".to_owned()));
    let (session, cached) = (session(&args.npm)?, session(&offline)?);
    let options = settings::merge_options(&session)?;
    Ok(ops::merge_locks(&session, &cached, &options, request)?)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure {
        causes: vec![error.to_string()],
        ..Failure::usage(
            format!("cannot read `{}`", path.display()),
            "name the three files that git gives its merge drivers: %O %A %B",
        )
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = fs::write(path, bytes).map_err(DiskError::at("write", path));
    written.map_err(|error| ops::MergeError::Disk(error).into())
}

/// Names of the sides; older versions of git do not fill them in.
fn labels(args: &Merge) -> Labels {
    let default = Labels::default();
    let label = |at: usize, otherwise: String| match args.labels.get(at) {
        Some(label) if !label.is_empty() && !label.starts_with('%') => one_line(label),
        _ => otherwise,
    };
    Labels {
        base: label(0, default.base),
        ours: label(1, default.ours),
        theirs: label(2, default.theirs),
    }
}

/// How git is to call this program: by name where that finds it, else by its path.
fn program() -> String {
    let Ok(own) = std::env::current_exe().and_then(fs::canonicalize) else {
        return "heatseal".to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("heatseal"));
    let found = found.find(|file| file.is_file());
    if found
        .and_then(|found| fs::canonicalize(found).ok())
        .as_ref()
        == Some(&own)
    {
        return "heatseal".to_owned();
    }
    format!("'{}'", own.to_string_lossy().replace('\'', "'\\''"))
}

/// What both sides had, for a person.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What is disputed: `lodash`, `lodash in packages/w`, `version`.
fn subject(dispute: &Dispute, request: &MergeRequest) -> String {
    let parts: Vec<&str> = dispute.path.iter().map(String::as_str).collect();
    let own = request.path.with_file_name("package.json");
    match parts.as_slice() {
        ["locked", name, dependent] => format!("{name} for {dependent}"),
        ["content", id] => format!("the content of {id}"),
        [file, members @ ..] => {
            let members = match members {
                [map, rest @ ..] if map.ends_with("ependencies") && !rest.is_empty() => {
                    rest.join(".")
                }
                members => members.join("."),
            };
            if Path::new(file) == own {
                members
            } else {
                format!("{members} in {file}")
            }
        }
        [] => String::new(),
    }
}

fn conflict(outcome: &MergeOutcome, request: &MergeRequest) -> Failure {
    let details = outcome.disputes.iter().map(|dispute| {
        let [base, ours, theirs] =
            [&dispute.base, &dispute.ours, &dispute.theirs].map(|value| shown(value.as_ref()));
        let subject = subject(dispute, request);
        format!("{subject}: {ours} ours, {theirs} theirs (was {base})")
    });
    let is_lock = request
        .path
        .file_name()
        .is_some_and(|name| name != "package.json");
    let hint = if is_lock {
        "settle package.json, run `heatseal shrinkwrap`, then `git add` both"
    } else {
        "settle what is between the markers, then `git add` it"
    };
    Failure {
        code: "ECONFLICT".to_owned(),
        message: format!("both sides changed the same in {}", request.path.display()),
        details: details.collect(),
        hints: vec![hint.to_owned()],
        exit: exit::NO,
        ..Failure::default()
    }
}

fn closing(outcome: &MergeOutcome, request: &MergeRequest, context: &Context) -> String {
    let merged = context.renderer.paint.green("merged");
    let file = one_line(&request.path.to_string_lossy());
    let how = match outcome.method {
        ops::Method::OneSide => "only one side changed it",
        ops::Method::Text => "line by line",
        ops::Method::Members => "member by member",
        ops::Method::Fresh => "resolved with the versions of both sides",
        ops::Method::Kept => "resolved from the places of both sides",
    };
    let new = match outcome.new.as_slice() {
        [] => String::new(),
        new => format!("; from the registry: {}", one_line(&new.join(", "))),
    };
    format!("{merged} {file} ({how}{new})")
}

/// The summary for machines: version 1.
///
/// `method` is how the file came about: `one-side`, `text`, `members`, `fresh` or `kept`; `new`
/// lists what neither side had; each of `disputes` has the `path` of what both sides changed.
fn document(outcome: &MergeOutcome, request: &MergeRequest) -> Value {
    let disputes = outcome.disputes.iter().map(|dispute| {
        json!({
            "path": dispute.path,
            "base": dispute.base,
            "ours": dispute.ours,
            "theirs": dispute.theirs,
        })
    });
    json!({
        "version": 1,
        "file": request.path,
        "method": outcome.method.as_str(),
        "new": outcome.new,
        "disputes": disputes.collect::<Vec<_>>(),
    })
}

fn tell_setup(setup: &Setup, installed: bool, args: &Merge, context: &Context) -> u8 {
    let file = shown_path(&setup.attributes);
    if args.json {
        context.print_json(&json!({
            "version": 1,
            "attributes": setup.attributes,
            "lines": setup.lines,
            "settings": setup.settings,
            "changed": setup.changed(),
        }));
    }
    let renderer = &context.renderer;
    for line in &setup.lines {
        let sign = if installed { '+' } else { '-' };
        renderer.say(&format!("{sign} {file}: {line}"));
    }
    for setting in &setup.settings {
        let sign = if installed { '+' } else { '-' };
        renderer.say(&format!("{sign} git config: {}", one_line(setting)));
    }
    let whose = if args.global {
        "this user"
    } else {
        "this repository"
    };
    renderer.say(&match (installed, setup.changed()) {
        (true, true) if args.global => format!("git merges locks of {whose} with heatseal"),
        (true, true) => format!(
            "git merges locks of {whose} with heatseal; commit {file}, and run this in each clone"
        ),
        (true, false) => format!("git merges locks of {whose} with heatseal already"),
        (false, true) => format!("git merges locks of {whose} by itself again"),
        (false, false) => "there was nothing to take back".to_owned(),
    });
    exit::OK
}
