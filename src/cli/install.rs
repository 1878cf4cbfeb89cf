//! `heatseal install` and `heatseal ci`: `node_modules` as the lock says.

use serde_json::{Value, json};

use super::args::Installing;
use super::errors::{Failure, exit};
use super::paint::{count, one_line, packages};
use super::{Context, interrupt, settings};
use crate::ops::{self, InstallOutcome, Preview};

/// Deprecations and skipped packages beyond this many are counted, not shown.
const MOST_SHOWN: usize = 10;

pub fn run(frozen: bool, args: &Installing, context: &Context) -> Result<u8, Failure> {
    let session = settings::session(&context.global, &args.runtime, &args.npm, &context.renderer)?;
    let request = settings::install_request(frozen, args, &session)?;
    interrupt::listen(session.project.clone());
    let outcome = ops::install(&session, &request)?;
    context.renderer.finish();
    tell_deprecated(&outcome, context);
    if args.json {
        context.print_json(&document(&outcome, context));
    } else if let Some(preview) = &outcome.preview {
        context.print(&preview_lines(preview));
    }
    context
        .renderer
        .say(&closing(&outcome, args.dry_run, context));
    Ok(exit::OK)
}

/// What would be done, a line for each package.
fn preview_lines(preview: &Preview) -> String {
    let added = preview
        .added
        .iter()
        .map(|(at, id)| format!("add {id} ({at})"));
    let changed = preview.changed.iter();
    let changed = changed.map(|(at, was, is)| format!("change {was} to {is} ({at})"));
    let removed = preview.removed.iter();
    let removed = removed.map(|(at, id)| format!("remove {id} ({at})"));
    let scripts = preview.scripts.iter();
    let scripts = scripts.map(|id| format!("run the install scripts of {id}"));
    let refused = preview.refused.iter();
    let refused =
        refused.map(|id| format!("refuse: {id} may not run the install scripts that it needs"));
    let lines = added
        .chain(changed)
        .chain(removed)
        .chain(scripts)
        .chain(refused);
    lines.map(|line| one_line(&line) + "\n").collect()
}

/// The same for machines.
fn preview_document(preview: &Preview) -> Value {
    let packages = |list: &[(String, String)]| -> Vec<Value> {
        let shown = list.iter();
        shown
            .map(|(location, id)| json!({"location": location, "package": id}))
            .collect()
    };
    let changed = preview
        .changed
        .iter()
        .map(|(location, was, is)| json!({"location": location, "package": is, "former": was}));
    json!({
        "added": packages(&preview.added),
        "removed": packages(&preview.removed),
        "changed": changed.collect::<Vec<_>>(),
        "scripts": preview.scripts,
        "refused": preview.refused,
    })
}

fn tell_deprecated(outcome: &InstallOutcome, context: &Context) {
    for (package, text) in outcome.deprecated.iter().take(MOST_SHOWN) {
        context
            .renderer
            .warn("deprecated", &format!("{package}: {text}"));
    }
    let rest = outcome.deprecated.len().saturating_sub(MOST_SHOWN);
    if rest > 0 {
        context
            .renderer
            .say(&format!("{} more are deprecated", packages(rest)));
    }
}

/// The summary for machines: version 1.
///
/// `packages` are in the tree now, `fetched` of them in this run; `current` says that nothing had
/// to be touched; `skipped` do not run on this platform; `wouldDo` is there in a dry run.
fn document(outcome: &InstallOutcome, context: &Context) -> Value {
    let deprecated = outcome.deprecated.iter();
    json!({
        "version": 1,
        "packages": outcome.packages,
        "fetched": outcome.fetched,
        "current": outcome.current,
        "skipped": outcome.skipped,
        "deprecated": deprecated.map(|(package, text)| json!({"package": package, "message": text})).collect::<Vec<_>>(),
        "scriptsRun": outcome.scripts_run,
        "wouldDo": outcome.preview.as_ref().map(preview_document),
        "seconds": context.seconds(),
    })
}

fn closing(outcome: &InstallOutcome, dry_run: bool, context: &Context) -> String {
    let paint = context.renderer.paint;
    let (all, seconds) = (packages(outcome.packages), context.seconds());
    if outcome.current {
        return format!(
            "{}: {all} in {seconds:.2} s",
            paint.green("node_modules is up to date")
        );
    }
    let verb = if dry_run {
        "would install"
    } else {
        "installed"
    };
    let mut facts = vec![format!("{} fetched", count(outcome.fetched))];
    if outcome.scripts_run > 0 {
        let noun = if outcome.scripts_run == 1 {
            "script"
        } else {
            "scripts"
        };
        facts.push(format!("{} {noun} run", count(outcome.scripts_run)));
    }
    if !outcome.skipped.is_empty() {
        facts.push(format!(
            "{} not for this platform",
            count(outcome.skipped.len())
        ));
    }
    format!(
        "{} {all} in {seconds:.2} s ({})",
        paint.green(verb),
        facts.join(", ")
    )
}
