//! A comparison as Markdown for a comment on a pull request: folded, and never too long for one.

use std::fmt::Write as _;

use super::details;
use crate::cli::paint::{count, one_line};
use crate::cli::tables::{self, Risk};
use crate::diff::{Change, Class, Diff, Environment};

/// Changes of one class beyond this many are counted.
const MOST_ROWS: usize = 60;

/// A comment on GitHub may have 65,536 characters; others allow more.
const LONGEST: usize = 60_000;

pub fn comment(diff: &Diff, before: &Environment, after: &Environment) -> String {
    let mut out = format!(
        "### {}\n\n{} → {}\n",
        details::heading(diff),
        code(&before.label),
        code(&after.label)
    );
    for class in Class::ALL {
        let changes: Vec<&Change> = diff
            .changes
            .iter()
            .filter(|change| change.class == class)
            .collect();
        if changes.is_empty() {
            continue;
        }
        let section = section(class, &changes);
        if out.len() + section.len() > LONGEST {
            let title = format!("{} ({})", tables::title(class), count(changes.len()));
            let _ = writeln!(
                out,
                "\n**{title}**: left out, the comment would be too long"
            );
        } else {
            out.push_str(&section);
        }
    }
    for line in details::ignored(diff).iter().take(20) {
        let _ = writeln!(out, "\n{}", plain(line));
    }
    if let Some(line) = details::not_compared(diff, (before, after)) {
        let _ = writeln!(out, "\n{}", plain(&line));
    }
    out
}

/// One class: open when it is risky, else folded.
fn section(class: Class, changes: &[&Change]) -> String {
    let risk = tables::risk(class);
    let open = if risk == Risk::High { " open" } else { "" };
    let sign = match risk {
        Risk::High => "🔴",
        Risk::Medium => "🟡",
        Risk::Low => "⚪",
    };
    let mut out = format!(
        "\n<details{open}><summary>{sign} <b>{}</b> ({})</summary>\n\n\
         | package | before | after | |\n|---|---|---|---|\n",
        tables::title(class),
        count(changes.len())
    );
    let rows = tables::rows(changes);
    for row in rows.iter().take(MOST_ROWS) {
        let mut notes: Vec<String> = Vec::new();
        if !row.notes.is_empty() {
            notes.push(plain(&row.notes));
        }
        notes.extend(row.details.iter().map(|line| code(line)));
        let cells = [&row.name, &row.before, &row.after].map(|text| code(text));
        let _ = writeln!(out, "| {} | {} |", cells.join(" | "), notes.join("<br>"));
    }
    if rows.len() > MOST_ROWS {
        let _ = writeln!(out, "\nand {} more", count(rows.len() - MOST_ROWS));
    }
    out.push_str("\n</details>\n");
    out
}

/// Foreign text in which nothing means anything to Markdown, mentions neither.
fn code(text: &str) -> String {
    let text = clipped(&one_line(text).replace('`', "'").replace('|', "\\|"));
    if text.is_empty() {
        return String::new();
    }
    format!("`{text}`")
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in clipped(&one_line(text)).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // A word joiner keeps `@name` from calling somebody.
            '@' => out.push_str("@\u{2060}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn clipped(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_means_nothing_to_markdown() {
        assert_eq!(code("a`|<b>"), "`a'\\|<b>`");
        assert_eq!(
            plain("<img> @user [x](y) a|b"),
            "&lt;img&gt; @\u{2060}user \\[x\\](y) a\\|b"
        );
        assert_eq!(plain("a\n# b"), "a \\# b");
    }
}
