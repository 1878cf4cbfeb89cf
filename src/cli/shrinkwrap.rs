//! `heatseal shrinkwrap`: writes the lock, or says how it would change.

use std::path::Path;

use serde_json::{Value, json};

use super::args::Shrinkwrap;
use super::errors::{Failure, exit};
use super::paint::{one_line, packages};
use super::platforms::{HOST, configured};
use super::{Context, bound, interrupt, settings, shown_path, tables};
use crate::diff::{self, Diff, Environment, environments};
use crate::lock::Lock;
use crate::manifest;
use crate::ops::{self, ImportReport, ShrinkwrapOutcome};
use crate::platforms::{self, Aim};
use crate::target::Target;

pub fn run(args: &Shrinkwrap, context: &Context) -> Result<u8, Failure> {
    let session = settings::session(&context.global, &args.runtime, &args.npm, &context.renderer)?;
    let request = settings::shrinkwrap_request(args, &session)?;
    let manifest = manifest::read(&session.project).ok();
    let aims = configured(manifest.map(|file| file.manifest).as_ref(), &session.host)?;
    interrupt::listen(session.project.clone());
    let outcome = ops::shrinkwrap(&session, &request)?;
    context.renderer.finish();
    for (code, message) in &outcome.warnings {
        context.renderer.warn(code, message);
    }
    for (name, reason) in &outcome.left_out {
        let message = format!("the optional package {name} was left out: {reason}");
        context.renderer.warn("EOPTIONAL", &message);
    }
    let only_compares = args.check || args.dry_run;
    let changes = (only_compares || args.json).then(|| Changes::of(&outcome));
    if args.json {
        context.print_json(&document(&outcome, changes.as_ref(), context));
    } else if only_compares && let Some(changes) = &changes {
        context.print(&tables::changes(&changes.diff, context.paint));
    }
    if let Some(hint) = &outcome.hint {
        let word = context.renderer.paint.cyan("hint");
        context.renderer.say(&format!("{word}: {hint}"));
    }
    if let Some(import) = &outcome.import {
        tell_import(import, context);
    }
    if let Some(added) = &outcome.added {
        tell_added(added, context);
    }
    if !args.check {
        tell_bound(&outcome.lock, &aims, context);
    }
    close(args, &outcome, context);
    Ok(if args.check && outcome.changed {
        exit::NO
    } else {
        exit::OK
    })
}

/// How the lock differs from what was there.
struct Changes {
    before: Environment,
    after: Environment,
    diff: Diff,
}

impl Changes {
    fn of(outcome: &ShrinkwrapOutcome) -> Self {
        let nothing = Lock::default();
        let before = outcome.former.as_ref().unwrap_or(&nothing);
        let before = Environment::of_lock("before", before);
        let after = Environment::of_lock("after", &outcome.lock);
        let diff = environments(&before, &after, diff::Options::default());
        Self {
            before,
            after,
            diff,
        }
    }
}

/// The summary for machines: version 1.
///
/// `lock` is the file's path, `packages` how many it locks, `changed` whether its text is or would
/// be another, `written` whether it was written; `changes` is `heatseal diff`'s document; `import`
/// is there after `--from`: how many versions (`total`) were `kept`, and those that `moved`.
fn document(outcome: &ShrinkwrapOutcome, changes: Option<&Changes>, context: &Context) -> Value {
    let changes =
        changes.map(|changes| diff::json::document(&changes.diff, &changes.before, &changes.after));
    let warnings = outcome.warnings.iter();
    let left_out = outcome.left_out.iter();
    json!({
        "version": 1,
        "lock": outcome.path,
        "packages": locked(&outcome.lock),
        "changed": outcome.changed,
        "changes": changes,
        "leftOut": left_out.map(|(name, reason)| json!({"name": name, "reason": reason})).collect::<Vec<_>>(),
        "import": outcome.import.as_ref().map(import_document),
        "fixedPlatforms": outcome.added.as_ref().map(|added| json!({"added": added, "moved": 0})),
        "warnings": warnings.map(|(code, message)| json!({"code": code, "message": message})).collect::<Vec<_>>(),
        "seconds": context.seconds(),
    })
}

/// Packages in the lock, neither the project itself nor links.
fn locked(lock: &Lock) -> usize {
    lock.packages
        .iter()
        .filter(|(location, entry)| !location.is_empty() && !entry.contains_key("link"))
        .count()
}

/// What a completion added; that nothing moved is what it promises.
fn tell_added(added: &[String], context: &Context) {
    const MOST_SHOWN: usize = 5;
    let shown = added.iter().take(MOST_SHOWN).map(String::as_str);
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if added.len() > MOST_SHOWN {
        list = format!("{list} and {} more", added.len() - MOST_SHOWN);
    }
    if !list.is_empty() {
        list = format!(" ({list})");
    }
    let all = packages(added.len());
    let line = format!("added {all} for other platforms, 0 versions moved{list}");
    context.renderer.say(&one_line(&line));
}

/// How many versions of the other lock were kept, and each that was not.
fn tell_import(import: &ImportReport, context: &Context) {
    let renderer = &context.renderer;
    for note in &import.notes {
        renderer.warn("EIMPORT", note);
    }
    let ImportReport { kept, total, .. } = import;
    let file = shown_path(Path::new(&import.file));
    let noun = if *total == 1 { "version" } else { "versions" };
    let end = match import.moved.len() {
        0 => String::new(),
        moved => format!("; moved {moved}:"),
    };
    renderer.say(&format!("kept {kept} of {total} {noun} of {file}{end}"));
    for moved in &import.moved {
        let to = moved.to.as_deref().unwrap_or("–");
        let asked = moved.by.as_deref().map(|by| format!("; {by} asked"));
        let why = format!("{}{}", moved.reason, asked.unwrap_or_default());
        let [name, from, to, why] = [&moved.name, &moved.from, to, &why].map(one_line);
        renderer.say(&format!("  {name}  {from} → {to}  {why}"));
    }
    if !import.added.is_empty() {
        let list = one_line(&import.added.join(", "));
        renderer.say(&format!("added {}: {list}", import.added.len()));
    }
    if !import.patched.is_empty() {
        let list = import.patched.join(", ");
        let message = format!("{} patches these, and npm does not: {list}", import.tool);
        renderer.warn("EPATCHED", &message);
    }
}

fn import_document(import: &ImportReport) -> Value {
    let moved = import.moved.iter().map(|moved| {
        json!({
            "name": moved.name,
            "from": moved.from,
            "to": moved.to,
            "by": moved.by,
            "reason": moved.reason,
        })
    });
    json!({
        "file": import.file,
        "tool": import.tool,
        "format": import.format,
        "total": import.total,
        "kept": import.kept,
        "moved": moved.collect::<Vec<_>>(),
        "added": import.added,
        "patched": import.patched,
        "notes": import.notes,
    })
}

/// The packages that somebody should look at before deploying to another platform.
fn tell_bound(lock: &Lock, aims: &[Aim], context: &Context) {
    if context.global.quiet {
        return;
    }
    let targets: Vec<Target> = aims.iter().map(|aim| aim.target.clone()).collect();
    let mut findings = platforms::findings(lock, &targets);
    for finding in &mut findings {
        let aim = aims
            .iter()
            .find(|aim| aim.target.to_string() == finding.target);
        if let Some(aim) = aim.filter(|aim| aim.label != HOST) {
            finding.target.clone_from(&aim.label);
        }
    }
    for line in bound::lines(&findings, context.renderer.paint) {
        context.renderer.say(&line);
    }
}

fn close(args: &Shrinkwrap, outcome: &ShrinkwrapOutcome, context: &Context) {
    let file = shown_path(&outcome.path);
    let count = packages(locked(&outcome.lock));
    let seconds = context.seconds();
    let paint = context.renderer.paint;
    let line = match (args.check || args.dry_run, outcome.changed) {
        (false, true) => format!(
            "{} {count} in {seconds:.2} s ({file} written)",
            paint.green("locked")
        ),
        (false, false) => format!(
            "{} {count} in {seconds:.2} s ({file} unchanged)",
            paint.green("locked")
        ),
        (true, false) => format!("{file} is up to date: {count}, {seconds:.2} s"),
        (true, true) if outcome.former.is_none() => {
            format!("{file} is not there yet: {count}, {seconds:.2} s")
        }
        (true, true) => format!("{file} would change: {count}, {seconds:.2} s"),
    };
    context.renderer.say(&line);
}
