//! Changes as a table: by class and risk, the riskiest first.

use rustc_hash::FxHashMap;

use super::diff::details;
use super::paint::{Paint, count, one_line, shortened};
use crate::collate;
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
        let changes = diff.changes.iter().filter(|change| change.class == class);
        let changes: Vec<&Change> = changes.collect();
        if changes.is_empty() {
            continue;
        }
        let rows = rows(&changes);
        let head = format!("{} ({})", title(class), count(changes.len()));
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
    pub details: Vec<String>,
}

/// The rows of one class; copies of a package that differ in the same way share one.
pub fn rows(changes: &[&Change]) -> Vec<Row> {
    let mut groups: Vec<Vec<&Change>> = Vec::new();
    let mut places: FxHashMap<[String; 3], usize> = FxHashMap::default();
    for change in changes {
        let side = |side: &Option<Side>| side.as_ref().map(|side| state(side, change));
        let [before, after] = [&change.before, &change.after].map(|s| side(s).unwrap_or_default());
        let at = places.get(&[change.name.clone(), before.clone(), after.clone()]);
        let alike = |first: &Change| first.also == change.also && change.contents.is_none();
        match at.filter(|at| alike(groups[**at][0])) {
            Some(at) if change.files.is_empty() => groups[*at].push(change),
            _ => {
                places.insert([change.name.clone(), before, after], groups.len());
                groups.push(vec![change]);
            }
        }
    }
    groups.iter().map(|group| Row::of(group)).collect()
}

impl Row {
    /// `changes`: one, or copies that differ in the same way.
    pub fn of(changes: &[&Change]) -> Self {
        let change = changes[0];
        let side = |side: Option<&Side>| {
            side.map_or("–".to_owned(), |side| clipped(&state(side, change)))
        };
        let mut via: Vec<&str> = Vec::new();
        for name in changes.iter().flat_map(|change| &change.via) {
            if !via.contains(&name.as_str()) {
                via.push(name);
            }
        }
        if changes.len() > 1 {
            via.sort_by(|a, b| collate::compare(a, b));
        }
        let mut notes = notes(change, &via);
        if changes.len() > 1 {
            notes.insert(0, format!("{} copies", count(changes.len())));
        }
        Self {
            details: details::lines(change),
            name: clipped(&change.name),
            before: side(change.before.as_ref()),
            after: side(change.after.as_ref()),
            notes: clipped(&notes.join("; ")),
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
fn notes(change: &Change, via: &[&str]) -> Vec<String> {
    let mut notes: Vec<String> = change
        .also
        .iter()
        .map(|class| note(*class, change))
        .collect();
    if change.downgraded {
        notes.insert(0, "downgraded".to_owned());
    }
    if !change.new_bins.is_empty() {
        notes.push(format!("new command {}", change.new_bins.join(", ")));
    }
    notes.extend(details::size(change));
    let others = via.iter().copied();
    let others: Vec<&str> = others.filter(|name| *name != change.name).collect();
    match others.as_slice() {
        [] => {}
        [one, two, three, rest @ ..] if !rest.is_empty() => {
            notes.push(format!("via {one}, {two}, {three} and {} more", rest.len()));
        }
        few => notes.push(format!("via {}", few.join(", "))),
    }
    notes
}

/// A class that does not lead: its title, or what it is about.
fn note(class: Class, change: &Change) -> String {
    if class == Class::Flags {
        return "other flags".to_owned();
    }
    let (Some(before), Some(after)) = (&change.before, &change.after) else {
        return title(class).to_owned();
    };
    match class {
        Class::Licence => {
            let licence = |side: &Side| side.license.clone().unwrap_or_else(|| "none".to_owned());
            format!("licence {} → {}", licence(before), licence(after))
        }
        Class::Direct if !after.direct => "no longer a direct dependency".to_owned(),
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
            out.push_str("      ");
            out.push_str(&shortened(detail.clone()));
            out.push('\n');
        }
    }
}
