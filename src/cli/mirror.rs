//! `heatseal mirror`: a folder to install from without a network.

use serde_json::{Value, json};

use super::args::{Kind, Mirror};
use super::errors::{Failure, exit};
use super::npm_flags::NpmFlags;
use super::paint::{count, one_line, packages};
use super::{Context, settings, shown_path};
use crate::ops::{self, MirrorOutcome, MirrorRequest};

pub fn run(args: &Mirror, context: &Context) -> Result<u8, Failure> {
    let (project, lock) = settings::lock_place(args.path.as_deref())?;
    let npm = NpmFlags {
        typed: Kind::settings("omit", &args.omit),
    };
    let (global, renderer) = (&context.global, &context.renderer);
    let session = settings::reading_session(global, project, &npm, renderer)?;
    let request = MirrorRequest {
        folder: args.folder.clone(),
        lock,
        omit: settings::omit(&session.config),
    };
    let outcome = ops::mirror(&session, &request)?;
    renderer.finish();
    if args.json {
        context.print_json(&document(args, &outcome));
    }
    close(args, &outcome, context);
    Ok(if outcome.left_out.is_empty() {
        exit::OK
    } else {
        exit::NO
    })
}

/// The summary for machines: version 1.
fn document(args: &Mirror, outcome: &MirrorOutcome) -> Value {
    let left_out = outcome.left_out.iter();
    let left_out = left_out.map(|(package, why)| json!({ "package": package, "why": why }));
    json!({
        "version": 1,
        "folder": args.folder.to_string_lossy(),
        "packages": outcome.packages,
        "fetched": outcome.fetched,
        "present": outcome.present,
        "bytes": outcome.bytes,
        "leftOut": left_out.collect::<Vec<_>>(),
    })
}

fn close(args: &Mirror, outcome: &MirrorOutcome, context: &Context) {
    let renderer = &context.renderer;
    for (package, why) in &outcome.left_out {
        renderer.warn("ENOTMIRRORED", &one_line(&format!("{package}: {why}")));
    }
    let folder = shown_path(&args.folder);
    renderer.say(&format!(
        "{} {} in {folder}: {} fetched, {} there already ({:.2} s)",
        renderer.paint.green("mirrored"),
        packages(outcome.packages),
        count(outcome.fetched),
        count(outcome.present),
        context.seconds()
    ));
}
