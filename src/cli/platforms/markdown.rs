//! The matrix in Markdown, for a review.

use std::fmt::Write as _;

use super::super::paint::{count, one_line, packages};
use super::matrix::grouped;
use super::words;
use crate::platforms::json::About;
use crate::platforms::{Report, Row, Verdict};

/// Rows beyond this many are only counted: a comment has its limits.
const MOST_ROWS: usize = 200;

pub fn text(report: &Report, about: About<'_>) -> String {
    let mut out = String::from("## Platforms\n\n");
    let (bound, all) = (count(report.rows.len()), packages(report.packages));
    let _ = write!(
        out,
        "{bound} of {all} in {} are bound to a platform",
        code(about.lock)
    );
    out.push_str(if about.opened {
        ".\n"
    } else {
        "; told from the lock alone.\n"
    });
    if !report.rows.is_empty() {
        push_table(&mut out, report);
        push_proofs(&mut out, report);
    }
    push_labels(&mut out, report);
    out
}

fn push_table(out: &mut String, report: &Report) {
    out.push_str("\n| package |");
    for aim in &report.aims {
        let _ = write!(out, " {} |", cell(&words::aim(aim)));
    }
    out.push_str("\n|---|");
    out.push_str(&":-:|".repeat(report.aims.len()));
    out.push('\n');
    for row in report.rows.iter().take(MOST_ROWS) {
        let _ = write!(out, "| {} |", code(&row.id()));
        for one in &row.cells {
            let word = match one.verdict {
                Verdict::Runs | Verdict::Skipped => words::symbol(one.verdict),
                verdict => verdict.as_str(),
            };
            let _ = write!(out, " {word} |");
        }
        out.push('\n');
    }
    let rest = report.rows.len().saturating_sub(MOST_ROWS);
    if rest > 0 {
        let _ = writeln!(out, "\nand {} more", packages(rest));
    }
}

fn push_proofs(out: &mut String, report: &Report) {
    for verdict in Verdict::ALL {
        if matches!(verdict, Verdict::Runs | Verdict::Skipped) {
            continue;
        }
        let has = |row: &&Row| row.cells.iter().any(|cell| cell.verdict == verdict);
        let rows: Vec<&Row> = report.rows.iter().filter(has).collect();
        if rows.is_empty() {
            continue;
        }
        let title = words::title(verdict);
        let open = if verdict.is_problem() { " open" } else { "" };
        let _ = writeln!(
            out,
            "\n<details{open}><summary>{title} ({})</summary>\n",
            count(rows.len())
        );
        for row in rows.into_iter().take(MOST_ROWS) {
            for (targets, proofs) in grouped(row, verdict, report) {
                let proofs: Vec<String> = proofs.iter().map(|proof| cell(proof)).collect();
                let (id, proofs) = (code(&row.id()), proofs.join("; "));
                let _ = writeln!(out, "- {id} on {}: {proofs}", cell(&targets));
            }
        }
        out.push_str("\n</details>\n");
    }
}

fn push_labels(out: &mut String, report: &Report) {
    if report.labels.is_empty() {
        return;
    }
    out.push_str("\nLabels and binaries disagree:\n\n");
    for label in report.labels.iter().take(MOST_ROWS) {
        let id = code(&format!("{}@{}", label.name, label.version));
        let _ = writeln!(out, "- {id}: {}", cell(&label.mislabel.to_string()));
    }
}

/// Foreign text that neither ends a table's cell nor is taken for markup.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text).chars() {
        if matches!(c, '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~') {
            out.push('\\');
        }
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // No mention of anybody.
            '@' => out.push_str("@\u{200b}"),
            c => out.push(c),
        }
    }
    out
}

/// Foreign text as code.
fn code(text: &str) -> String {
    let text = one_line(text).replace('`', "'").replace('|', "\\|");
    format!("`{text}`")
}
