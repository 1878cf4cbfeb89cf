//! The matrix for terminals: packages by targets, then what the verdicts rest on.

use std::fmt::Write as _;

use super::super::paint::{Paint, count, one_line};
use super::words;
use crate::platforms::{Report, Row, Verdict};

/// Columns of a terminal that everybody has.
const WIDTH: usize = 80;
/// Longer names are cut.
const LONGEST_NAME: usize = 36;

/// Empty when nothing is bound to a platform.
pub fn text(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    if !report.rows.is_empty() {
        let ids: Vec<String> = report
            .rows
            .iter()
            .map(|row| cut(&row.id(), LONGEST_NAME))
            .collect();
        let lengths = ids.iter().map(|id| id.chars().count());
        let width = lengths.max().unwrap_or_default();
        push_stairs(&mut out, report, width);
        for (row, id) in report.rows.iter().zip(&ids) {
            push_row(&mut out, row, &format!("{id:width$}"), paint);
        }
        push_legend(&mut out, report, paint);
        push_proofs(&mut out, report, paint);
    }
    push_labels(&mut out, report, paint);
    out
}

/// On one line of at most this many characters.
fn cut(text: &str, longest: usize) -> String {
    let text = one_line(text);
    if text.chars().count() <= longest {
        return text;
    }
    let head: String = text.chars().take(longest.saturating_sub(1)).collect();
    format!("{head}…")
}

/// A line for each target that leads down to its column.
fn push_stairs(out: &mut String, report: &Report, width: usize) {
    for (place, aim) in report.aims.iter().enumerate() {
        let rails = "│ ".repeat(place);
        let label = cut(
            &words::aim(aim),
            WIDTH.saturating_sub(width + 2 * place + 5),
        );
        let _ = writeln!(out, "{:width$}  {rails}┌─ {label}", "");
    }
}

fn push_row(out: &mut String, row: &Row, id: &str, paint: Paint) {
    out.push_str(id);
    out.push(' ');
    for cell in &row.cells {
        out.push(' ');
        out.push_str(&words::painted(
            cell.verdict,
            words::symbol(cell.verdict),
            paint,
        ));
    }
    out.push('\n');
}

/// What the symbols mean that occur.
fn push_legend(out: &mut String, report: &Report, paint: Paint) {
    let occurs = |verdict: &Verdict| {
        let mut cells = report.rows.iter().flat_map(|row| &row.cells);
        cells.any(|cell| cell.verdict == *verdict)
    };
    let mut line = String::new();
    for verdict in Verdict::ALL.iter().rev().copied().filter(|one| occurs(one)) {
        let (symbol, title) = (words::symbol(verdict), words::title(verdict));
        let length = line.chars().count() + title.len() + 5;
        if !line.is_empty() && length > WIDTH {
            out.push_str(&paint.dim(&line));
            out.push('\n');
            line.clear();
        }
        if !line.is_empty() {
            line.push_str(" · ");
        }
        let _ = write!(line, "{symbol} {title}");
    }
    out.push_str(&paint.dim(&line));
    out.push('\n');
}

/// Everything but what runs, by verdict.
fn push_proofs(out: &mut String, report: &Report, paint: Paint) {
    for verdict in Verdict::ALL {
        if matches!(verdict, Verdict::Runs | Verdict::Skipped) {
            continue;
        }
        let rows: Vec<&Row> = report
            .rows
            .iter()
            .filter(|row| row.cells.iter().any(|cell| cell.verdict == verdict))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let head = format!("{} ({})", words::title(verdict), count(rows.len()));
        out.push('\n');
        out.push_str(&words::painted(verdict, &head, paint));
        out.push('\n');
        for row in rows {
            for (targets, proofs) in grouped(row, verdict, report) {
                let _ = writeln!(out, "  {} on {targets}", one_line(&row.id()));
                for proof in proofs {
                    let _ = writeln!(out, "    {}", paint.dim(proof));
                }
            }
        }
    }
}

/// A row's cells with a verdict: the targets for which the same is said, and what is said.
pub fn grouped(row: &Row, verdict: Verdict, report: &Report) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (cell, aim) in row.cells.iter().zip(&report.aims) {
        if cell.verdict != verdict {
            continue;
        }
        let proofs: Vec<String> = cell
            .evidence
            .iter()
            .map(|evidence| one_line(&evidence.brief()))
            .collect();
        let label = one_line(&aim.label);
        match groups.iter_mut().find(|(_, known)| *known == proofs) {
            Some((targets, _)) => targets.push(label),
            None => groups.push((vec![label], proofs)),
        }
    }
    let joined = groups.into_iter();
    joined
        .map(|(targets, proofs)| match targets.len() {
            all if all > 1 && all == report.aims.len() => ("every target".to_owned(), proofs),
            _ => (targets.join(", "), proofs),
        })
        .collect()
}

fn push_labels(out: &mut String, report: &Report, paint: Paint) {
    if report.labels.is_empty() {
        return;
    }
    let head = format!(
        "labels and binaries disagree ({})",
        count(report.labels.len())
    );
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&paint.yellow(head));
    out.push('\n');
    for label in &report.labels {
        let id = one_line(&format!("{}@{}", label.name, label.version));
        let word = label.mislabel.rule.as_str();
        let text = one_line(&label.mislabel.to_string());
        let _ = writeln!(out, "  {id} {word}\n    {}", paint.dim(text));
    }
}
