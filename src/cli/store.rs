//! `heatseal store`: where the store is, whether it is sound, and making it smaller.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Context;
use super::args::{Store, StoreAction};
use super::errors::{Failure, exit};
use super::paint::{count, one_line, packages};
use super::settings;
use crate::store::{self, Audit, Pruned};

impl Store {
    pub(super) fn is_json(&self) -> bool {
        match self.action {
            StoreAction::Path => false,
            StoreAction::Verify { json } | StoreAction::Prune { json, .. } => json,
        }
    }
}

pub fn run(args: &Store, context: &Context) -> Result<u8, Failure> {
    let folder = settings::store(&context.global, &context.env)?;
    match args.action {
        StoreAction::Path => {
            context.print(&format!("{}\n", folder.display()));
            Ok(exit::OK)
        }
        StoreAction::Verify { json } => verify(&folder, json, context),
        StoreAction::Prune { older_than, json } => prune(&folder, older_than, json, context),
    }
}

fn verify(folder: &Path, json: bool, context: &Context) -> Result<u8, Failure> {
    let audit = store::audit(folder)?;
    if json {
        context.print_json(&audit_document(&audit, context));
    } else {
        for damaged in &audit.damaged {
            let fate = if damaged.rebuilt {
                "made anew from its tarball"
            } else {
                "removed; it is fetched when it is needed"
            };
            let line = format!("damaged: {}: {}; {fate}", damaged.package, damaged.what);
            context.print(&format!("{}\n", one_line(&line)));
        }
    }
    let paint = context.renderer.paint;
    let all = format!(
        "{}, {} files, {:.1} MB in {:.2} s",
        packages(audit.packages),
        count(audit.files),
        audit.bytes as f64 / 1e6,
        context.seconds()
    );
    if audit.damaged.is_empty() {
        let said = paint.green("the store is sound");
        context.renderer.say(&format!("{said}: {all}"));
        return Ok(exit::OK);
    }
    let said = paint.red(format!("{} damaged", packages(audit.damaged.len())));
    context.renderer.say(&format!("{said}: {all}"));
    Ok(exit::INTEGRITY)
}

/// What was found, for machines: version 1.
fn audit_document(audit: &Audit, context: &Context) -> serde_json::Value {
    let damaged = audit
        .damaged
        .iter()
        .map(|one| json!({"package": one.package, "what": one.what, "rebuilt": one.rebuilt}));
    json!({
        "version": 1,
        "packages": audit.packages,
        "files": audit.files,
        "bytes": audit.bytes,
        "damaged": damaged.collect::<Vec<_>>(),
        "seconds": context.seconds(),
    })
}

fn prune(
    folder: &Path,
    older_than: Duration,
    json: bool,
    context: &Context,
) -> Result<u8, Failure> {
    let pruned = store::prune(folder, older_than)?;
    let Pruned {
        packages: removed,
        bytes,
        kept,
    } = pruned;
    if json {
        context.print_json(&json!({
            "version": 1,
            "packages": removed,
            "bytes": bytes,
            "kept": kept,
        }));
    }
    context.renderer.say(&format!(
        "{} {} ({:.1} MB), kept {}",
        context.renderer.paint.green("removed"),
        packages(removed),
        bytes as f64 / 1e6,
        count(kept)
    ));
    Ok(exit::OK)
}
