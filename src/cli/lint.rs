//! `heatseal lint`: is the lock sound, and repaired where no version has to move.

use std::fmt::Write as _;

use super::args::{FailOn, Lint, LintFormat};
use super::errors::{Failure, exit};
use super::npm_flags::NpmFlags;
use super::paint::{Paint, count, one_line, packages, shortened};
use super::{Context, settings, shown_path};
use crate::lint::{Finding, Repair, Report, Rule, Severity, json, sarif};
use crate::ops::{self, LintOutcome, LintRequest};

/// Findings of one rule beyond this many are counted, not shown.
const MOST_SHOWN: usize = 10;

impl Lint {
    /// Is standard output for machines?
    pub fn is_machine(&self) -> bool {
        self.json || self.format != LintFormat::Text
    }

    fn fails(&self, finding: &Finding) -> bool {
        self.fail_on.iter().any(|what| match what {
            FailOn::Severity(severity) => finding.rule.severity() <= *severity,
            FailOn::Rule(rule) => finding.rule == *rule,
            FailOn::Never => false,
        })
    }
}

pub fn run(args: &Lint, context: &Context) -> Result<u8, Failure> {
    let (project, lock) = settings::lock_place(args.path.as_deref())?;
    let (global, renderer) = (&context.global, &context.renderer);
    let legacy = args.legacy_peer_deps;
    let legacy = legacy.then(|| ("legacy-peer-deps".to_owned(), "true".to_owned()));
    let npm = NpmFlags {
        typed: legacy.into_iter().collect(),
    };
    let session = settings::reading_session(global, project, &npm, renderer)?;
    let request = LintRequest {
        lock,
        ignore: args.ignore.clone(),
        fix: args.fix,
    };
    let LintOutcome {
        path,
        mut report,
        alone,
    } = ops::lint(&session, &request)?;
    report.file = shown_path(&path);
    renderer.finish();
    if args.json || args.format == LintFormat::Json {
        context.print_json(&json::document(&report));
    } else if args.format == LintFormat::Sarif {
        context.print_json(&sarif::document(&report));
    } else {
        let most = if args.all { usize::MAX } else { MOST_SHOWN };
        context.print(&table(&report, most, context.paint));
    }
    close(&report, alone, context);
    let fails = report.findings.iter().any(|finding| args.fails(finding));
    Ok(if fails { exit::NO } else { exit::OK })
}

/// Findings by rule, a paragraph for each.
fn table(report: &Report, most: usize, paint: Paint) -> String {
    let mut out = String::new();
    for rule in Rule::all() {
        let findings = report
            .findings
            .iter()
            .filter(|finding| finding.rule == rule);
        let findings: Vec<&Finding> = findings.collect();
        if findings.is_empty() {
            continue;
        }
        let severity = rule.severity();
        let head = format!(
            "{} {} ({})",
            severity.as_str(),
            rule.as_str(),
            count(findings.len())
        );
        let head = match severity {
            Severity::Error => paint.red(head),
            Severity::Warning => paint.yellow(head),
            Severity::Note => paint.bold(head),
        };
        let _ = writeln!(out, "{head}: {}", rule.about());
        push_rows(
            &mut out,
            report,
            &findings[..findings.len().min(most)],
            paint,
        );
        if findings.len() > most {
            let rest = count(findings.len() - most);
            let _ = writeln!(out, "  and {rest} more (--all shows them)");
        }
        out.push_str(&paint.dim(format!("  → {}", rule.advice())));
        out.push('\n');
    }
    out
}

/// Columns beyond this width do not widen the table.
const WIDEST: usize = 40;

fn push_rows(out: &mut String, report: &Report, findings: &[&Finding], paint: Paint) {
    let rows: Vec<[String; 3]> = findings
        .iter()
        .map(|finding| row(report, finding))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default().min(WIDEST)
    };
    let (name, place) = (width(0), width(1));
    for [package, line, what] in &rows {
        let line = paint.dim(format!("{line:place$}"));
        let _ = writeln!(out, "  {package:name$}  {line}  {what}");
    }
}

fn row(report: &Report, finding: &Finding) -> [String; 3] {
    let package = match finding.package() {
        package if !package.is_empty() => package,
        _ => "the lock".to_owned(),
    };
    let place = match finding.line {
        Some(line) => format!("{}:{line}", report.file),
        None => report.file.clone(),
    };
    [
        one_line(&package),
        one_line(&place),
        shortened(one_line(&finding.what)),
    ]
}

fn close(report: &Report, alone: bool, context: &Context) {
    let renderer = &context.renderer;
    if alone
        && report
            .findings
            .iter()
            .any(|finding| finding.rule == Rule::Unsatisfied)
    {
        let message = "no package.json belongs to this lock, so `overrides` are not known";
        renderer.warn("ENOMANIFEST", message);
    }
    for text in &report.unused {
        let message = format!("nothing is ignored by `{}`", one_line(text));
        renderer.warn("EUNUSEDIGNORE", &message);
    }
    if let Some(repair) = &report.repair {
        renderer.say(&repaired(report, repair, context));
    }
    renderer.say(&summary(report, context));
}

fn repaired(report: &Report, repair: &Repair, context: &Context) -> String {
    let paint = context.renderer.paint;
    let moved = format!("{} versions moved", count(repair.moved));
    match repair.fixed.len() {
        0 => format!("nothing to fix; {moved} ({} unchanged)", report.file),
        fixed => {
            let noun = if fixed == 1 { "finding" } else { "findings" };
            format!(
                "{} {} {noun}; {moved} ({} written)",
                paint.green("fixed"),
                count(fixed),
                report.file
            )
        }
    }
}

fn summary(report: &Report, context: &Context) -> String {
    let paint = context.renderer.paint;
    let all = packages(report.packages);
    let seconds = context.seconds();
    let ignored = match report.ignored.len() {
        0 => String::new(),
        ignored => format!(", {} ignored", count(ignored)),
    };
    if report.findings.is_empty() {
        let said = paint.green("no findings");
        return format!("{said} in {all}{ignored} ({seconds:.2} s)");
    }
    let counts = Severity::ALL.into_iter().filter_map(|severity| {
        let findings = report.findings.iter();
        let number = findings
            .filter(|finding| finding.rule.severity() == severity)
            .count();
        let plural = if number == 1 { "" } else { "s" };
        let text = format!("{} {}{plural}", count(number), severity.as_str());
        let painted = match severity {
            Severity::Error => paint.red(text),
            Severity::Warning => paint.yellow(text),
            Severity::Note => text,
        };
        (number > 0).then_some(painted)
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    format!("{counts} in {all}{ignored} ({seconds:.2} s)")
}
