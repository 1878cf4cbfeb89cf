//! `heatseal verify`: is `node_modules` what the lock says?

use serde_json::{Value, json};

use super::args::Verify;
use super::errors::{Failure, exit};
use super::paint::{count, one_line, packages};
use super::{Context, settings};
use crate::ops::{self, VerifyOutcome};
use crate::verify::{Class, Difference, Report};

/// Differences beyond this many are counted, not shown.
const MOST_SHOWN: usize = 50;

pub fn run(args: &Verify, context: &Context) -> Result<u8, Failure> {
    let session = settings::session(&context.global, &args.runtime, &args.npm, &context.renderer)?;
    let request = settings::verify_request(args, &session)?;
    let outcome = ops::verify(&session, &request)?;
    context.renderer.finish();
    let report = &outcome.report;
    if args.json {
        context.print_json(&document(&outcome, context));
    } else {
        for difference in report.differences.iter().take(MOST_SHOWN) {
            context.print(&format!("{}\n", line(difference)));
        }
        let rest = report.differences.len().saturating_sub(MOST_SHOWN);
        if rest > 0 {
            context.print(&format!("and {} more\n", count(rest)));
        }
        context.print(&format!("{}\n", report.digest));
    }
    context.renderer.say(&closing(report, context));
    if report.differences.is_empty() {
        Ok(exit::OK)
    } else {
        Ok(exit::INTEGRITY)
    }
}

fn line(difference: &Difference) -> String {
    let mut line = format!("{} {}", word(difference.class), difference.path);
    if let Some(package) = &difference.package {
        line = format!("{line} ({package})");
    }
    if !difference.detail.is_empty() {
        line = format!("{line}: {}", difference.detail);
    }
    one_line(&line)
}

fn word(class: Class) -> &'static str {
    match class {
        Class::Changed => "changed content:",
        Class::Missing => "missing:",
        Class::Surplus => "too much:",
        Class::Mode => "changed mode:",
        Class::Link => "changed link:",
        Class::Kind => "changed kind:",
        Class::PackageMissing => "missing package:",
        Class::PackageSurplus => "package too many:",
    }
}

/// The findings for machines: version 1.
fn document(outcome: &VerifyOutcome, context: &Context) -> Value {
    let report = &outcome.report;
    let differences = report.differences.iter().map(|one| {
        json!({
            "class": one.class.as_str(),
            "path": one.path,
            "package": one.package,
            "detail": one.detail,
        })
    });
    json!({
        "version": 1,
        "digest": report.digest,
        "target": outcome.target,
        "packages": report.packages,
        "files": report.files,
        "differences": differences.collect::<Vec<_>>(),
        "scripted": report.scripted,
        "seconds": context.seconds(),
    })
}

fn closing(report: &Report, context: &Context) -> String {
    let paint = context.renderer.paint;
    let seconds = context.seconds();
    let all = format!(
        "{}, {} files in {seconds:.2} s",
        packages(report.packages),
        count(report.files)
    );
    let found = report.differences.len();
    if found == 0 {
        format!(
            "{}: {all}",
            paint.green("node_modules is what the lock says")
        )
    } else {
        let noun = if found == 1 {
            "difference"
        } else {
            "differences"
        };
        let said = format!("{} {noun} from the lock", count(found));
        format!("{}: {all}", paint.red(said))
    }
}
