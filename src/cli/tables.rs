//! Changes as a table: by class and risk, the riskiest first.

use super::diff::details;
use super::paint::{Paint, count, one_line, shortened};
use crate::diff::{Change, Class, Diff, Side, shown_address};

/// How much attention a class deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risk {
    High,
    Medium,
    Low,
}

pub fn risk(class: Class) -> Risk {
    match class {
        Class::Content
        | Class::Source
        | Class::Integrity
        | Class::InstallScript
        | Class::Native
        | Class::Platform => Risk::High,
        Class::Direct | Class::Major | Class::Added | Class::Removed => Risk::Medium,
        Class::Minor
        | Class::Patch
        | Class::Moved
        | Class::Licence
        | Class::Deprecated
        | Class::Flags => Risk::Low,
    }
}

pub fn title(class: Class) -> &'static str {
    match class {
        Class::Content => "same version, other content",
        Class::Source => "host or protocol changed",
        Class::Integrity => "integrity lost or weakened",
        Class::InstallScript => "new install script",
        Class::Native => "native binary gained or lost",
        Class::Platform => "platform lost",
        Class::Direct => "direct dependency removed or downgraded",
        Class::Major => "major",
        Class::Minor => "minor",
        Class::Patch => "patch",
        Class::Added => "added",
        Class::Removed => "removed",
        Class::Moved => "moved in the tree",
        Class::Licence => "licence changed",
        Class::Deprecated => "deprecated",
        Class::Flags => "flags only",
    }
}

/// All changes, a paragraph for each class; empty when there are none.
pub fn changes(diff: &Diff, paint: Paint) -> String {
    let mut out = String::new();
    for class in Class::ALL {
        let rows: Vec<Row> = diff
            .changes
            .iter()
            .filter(|change| change.class == class)
            .map(Row::of)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let head = format!("{} ({})", title(class), count(rows.len()));
        out.push_str(&match risk(class) {
            Risk::High => paint.red(head),
            Risk::Medium => paint.yellow(head),
            Risk::Low => paint.bold(head),
        });
        out.push('\n');
        push_rows(&mut out, &rows, paint);
    }
    out
}

/// One package: its name, both sides, and what else is to be said.
pub struct Row {
    pub name: String,
    pub before: String,
    pub after: String,
    pub notes: String,
    /// What differs inside, one thing a line.
    details: Vec<String>,
}

impl Row {
    pub fn of(change: &Change) -> Self {
        let side = |side: Option<&Side>| {
            side.map_or("–".to_owned(), |side| clipped(&state(side, change)))
        };
        Self {
            details: details::lines(change),
            name: clipped(&change.name),
            before: side(change.before.as_ref()),
            after: side(change.after.as_ref()),
            notes: clipped(&notes(change)),
        }
    }
}

/// Foreign text on one line that is no longer than anybody reads.
fn clipped(text: &str) -> String {
    shortened(one_line(text))
}

/// What a class is about, on one side.
fn state(side: &Side, change: &Change) -> String {
    let version = || side.version.clone().unwrap_or_else(|| "linked".to_owned());
    match change.class {
        // The disk tells more than the hashes, which are the same.
        Class::Content if !change.files.is_empty() => version(),
        Class::Content | Class::Integrity => match &side.integrity {
            Some(integrity) => integrity.chars().take(18).chain("…".chars()).collect(),
            None => "no integrity".to_owned(),
        },
        Class::Source => side
            .resolved
            .as_deref()
            .map_or("nowhere".to_owned(), origin),
        Class::Moved => side.location.clone(),
        Class::Licence => side
            .license
            .clone()
            .unwrap_or_else(|| "no licence".to_owned()),
        _ => version(),
    }
}

/// Protocol and host of an address.
fn origin(address: &str) -> String {
    let shown = shown_address(address);
    let end = shown.find("://").map_or(0, |scheme| scheme + 3);
    let host = shown[end..]
        .find('/')
        .map_or(shown.len(), |slash| end + slash);
    shown[..host].to_owned()
}

/// The other classes, and who brings the package.
fn notes(change: &Change) -> String {
    let mut notes: Vec<String> = change
        .also
        .iter()
        .map(|class| note(*class, change))
        .collect();
    notes.extend(details::size(change));
    let others: Vec<&str> = change
        .via
        .iter()
        .map(String::as_str)
        .filter(|name| *name != change.name)
        .collect();
    match others.as_slice() {
        [] => {}
        [one, two, three, rest @ ..] if !rest.is_empty() => {
            notes.push(format!("via {one}, {two}, {three} and {} more", rest.len()));
        }
        few => notes.push(format!("via {}", few.join(", "))),
    }
    notes.join("; ")
}

/// A class that does not lead: its title, or what it is about.
fn note(class: Class, change: &Change) -> String {
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return title(class).to_owned();
    };
    match class {
        Class::Licence => {
            let licence = |side: &Side| side.license.clone().unwrap_or_else(|| "none".to_owned());
            format!("licence {} → {}", licence(before), licence(after))
        }
        Class::Deprecated if after.deprecated.is_none() => "no longer deprecated".to_owned(),
        _ => title(class).to_owned(),
    }
}

/// Columns beyond this width do not widen the table.
const WIDEST: usize = 40;

fn push_rows(out: &mut String, rows: &[Row], paint: Paint) {
    let width = |column: fn(&Row) -> &str| {
        let widths = rows.iter().map(|row| column(row).chars().count());
        widths.max().unwrap_or_default().min(WIDEST)
    };
    let (name, before, after) = (
        width(|row| &row.name),
        width(|row| &row.before),
        width(|row| &row.after),
    );
    for row in rows {
        let line = format!(
            "  {:name$}  {:before$} → {:after$}  {}",
            row.name,
            row.before,
            row.after,
            paint.dim(&row.notes),
        );
        let line = if row.notes.is_empty() {
            format!(
                "  {:name$}  {:before$} → {}",
                row.name, row.before, row.after
            )
        } else {
            line
        };
        out.push_str(&line);
        out.push('\n');
        for detail in &row.details {
            out.push_str(&format!("      {}\n", shortened(detail.clone())));
        }
    }
}
