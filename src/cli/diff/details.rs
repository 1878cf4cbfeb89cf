//! What is said about a change and a comparison besides the table: files, sizes, reasons.

use crate::cli::paint::{count, one_line, packages};
use crate::diff::contents::{Contents, Fate, FileChange, TextChange};
use crate::diff::{Change, Class, Diff, Environment, Side};

/// Scripts that npm runs for a package that is installed, from a repository as well.
const LIFECYCLE: [&str; 6] = [
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
];

/// Files beyond this many are counted.
const MOST_FILES: usize = 12;

/// Lines about what differs inside a package; none where nobody looked.
pub fn lines(change: &Change) -> Vec<String> {
    let mut lines = match &change.contents {
        Some(contents) => inside(contents),
        None => file_lines(&change.files),
    };
    let may_be_its_script = change.class == Class::Content
        && !change.files.is_empty()
        && change
            .after
            .as_ref()
            .is_some_and(|side| side.install_script);
    if may_be_its_script {
        lines.push("it has an install script, which may have done that".to_owned());
    }
    lines.iter().map(|line| one_line(line)).collect()
}

fn inside(contents: &Contents) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (runs, others): (Vec<&TextChange>, Vec<&TextChange>) = contents
        .scripts
        .iter()
        .partition(|change| LIFECYCLE.contains(&change.name.as_str()));
    lines.extend(runs.iter().map(|change| text_line("script", change)));
    let bins = contents.bins.iter();
    lines.extend(bins.map(|change| text_line("command", change)));
    if !others.is_empty() {
        let noun = if others.len() == 1 {
            "script"
        } else {
            "scripts"
        };
        lines.push(format!("{} other {noun} differ", count(others.len())));
    }
    let of = |fate: Fate| {
        contents
            .files
            .iter()
            .filter(move |change| change.fate == fate)
    };
    lines.push(match contents.files.len() {
        0 => "the same files".to_owned(),
        _ => format!(
            "files: {} added, {} removed, {} changed",
            count(of(Fate::Added).count()),
            count(of(Fate::Removed).count()),
            count(of(Fate::Changed).count())
        ),
    });
    lines.extend(file_lines(&contents.files));
    lines
}

fn text_line(what: &str, change: &TextChange) -> String {
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("+ {what} {}: {after}", change.name),
        (Some(before), None) => format!("- {what} {}: {before}", change.name),
        (before, after) => {
            let text = |side: &Option<String>| side.clone().unwrap_or_default();
            format!(
                "~ {what} {}: {} → {}",
                change.name,
                text(before),
                text(after)
            )
        }
    }
}

/// Binaries first: they are what nobody can read.
fn file_lines(changes: &[FileChange]) -> Vec<String> {
    let mut sorted: Vec<&FileChange> = changes.iter().collect();
    sorted.sort_by_key(|change| !change.binary);
    let shown = sorted.iter().take(MOST_FILES);
    let mut lines: Vec<String> = shown.map(|change| file_line(change)).collect();
    if changes.len() > MOST_FILES {
        let rest = count(changes.len() - MOST_FILES);
        lines.push(format!("and {rest} more files"));
    }
    lines
}

fn file_line(change: &FileChange) -> String {
    let size = match (change.before, change.after) {
        (Some(before), Some(after)) if before == after => bytes(after),
        (Some(before), Some(after)) => format!("{} → {}", bytes(before), bytes(after)),
        (Some(size), None) | (None, Some(size)) => bytes(size),
        (None, None) => String::new(),
    };
    let binary = if change.binary { "binary" } else { "" };
    let notes: Vec<&str> = [size.as_str(), binary]
        .into_iter()
        .filter(|note| !note.is_empty())
        .collect();
    let sign = change.fate.sign();
    match notes.as_slice() {
        [] => format!("{sign} {}", change.path),
        notes => format!("{sign} {} ({})", change.path, notes.join(", ")),
    }
}

/// `1.2 MB`.
pub fn bytes(size: u64) -> String {
    match size {
        0..1000 => format!("{size} B"),
        1000..1_000_000 => format!("{:.1} kB", size as f64 / 1e3),
        _ => format!("{:.1} MB", size as f64 / 1e6),
    }
}

/// `+1.2 MB`, of packages whose files are known on both sides, or one that came or went.
pub fn size(change: &Change) -> Option<String> {
    let size = |side: &Option<Side>| side.as_ref().map_or(Some(0), |side| side.size);
    let (before, after) = (size(&change.before)?, size(&change.after)?);
    if before == after {
        return None;
    }
    let sign = if after > before { '+' } else { '-' };
    Some(format!("{sign}{}", bytes(after.abs_diff(before))))
}

/// What was accepted, by reason.
pub fn ignored(diff: &Diff) -> Vec<String> {
    let mut reasons: Vec<(&str, usize)> = Vec::new();
    for ignored in &diff.ignored {
        match reasons
            .iter_mut()
            .find(|(reason, _)| *reason == ignored.reason)
        {
            Some((_, count)) => *count += 1,
            None => reasons.push((&ignored.reason, 1)),
        }
    }
    let line = |(reason, many): &(&str, usize)| {
        let noun = if *many == 1 {
            "difference"
        } else {
            "differences"
        };
        format!("{} {noun} accepted: {}", count(*many), one_line(reason))
    };
    reasons.iter().map(line).collect()
}

/// What one of both does not tell.
pub fn not_compared(diff: &Diff, environments: (&Environment, &Environment)) -> Option<String> {
    let facts: Vec<&str> = diff.not_compared.iter().map(|fact| fact.as_str()).collect();
    if facts.is_empty() {
        return None;
    }
    let (before, after) = (
        environments.0.kind.to_string(),
        environments.1.kind.to_string(),
    );
    let kinds = if before == after {
        before
    } else {
        format!("{before} and {after}")
    };
    Some(format!("not compared: {} ({kinds})", facts.join(", ")))
}

/// `3 packages differ, 1,200 are the same`.
pub fn heading(diff: &Diff) -> String {
    let same = packages(diff.unchanged);
    match diff.changes.len() {
        0 => format!("No differences in {same}"),
        1 => format!("1 package differs, {same} the same"),
        many => format!("{} differ, {same} the same", packages(many)),
    }
}
