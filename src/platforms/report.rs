//! The matrix: every package of a lock that is bound to a platform, on every target.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use super::evidence::Evidence;
use super::facts::{Facts, Recipe};
use super::family::{self, Member};
use super::judge::{Cell, is_host, judge};
use super::label::{Mislabel, mislabels};
use super::{Verdict, declared_values, exclusions};
use crate::collate;
use crate::json::truthy;
use crate::lock::{Index, Lock, package_name};
use crate::manifest::Manifest;
use crate::npmrc::public_host;
use crate::target::{PlatformField, Target, engine_allows};

/// A target and what the user calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    /// `host`, `node:22-alpine`, or the target's own text.
    pub label: String,
    pub target: Target,
}

/// What a lock and its tarballs mean on some targets.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub aims: Vec<Aim>,
    /// The worst first.
    pub rows: Vec<Row>,
    pub labels: Vec<Label>,
    /// Packages that were looked at, bound or not.
    pub packages: usize,
}

/// One package, whatever the number of its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub name: String,
    pub version: String,
    pub locations: Vec<String>,
    /// An install goes on without it.
    pub optional: bool,
    pub dev: bool,
    /// In the order of [`Report::aims`].
    pub cells: Vec<Cell>,
}

/// A package whose declarations and binaries disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub name: String,
    pub version: String,
    pub location: String,
    pub mislabel: Mislabel,
}

/// Facts by location, as far as tarballs were opened.
pub type FactsByLocation = BTreeMap<String, Arc<Facts>>;

/// What a lock says about every package that is bound to a platform, for every aim.
///
/// - Without facts, declarations, families and install scripts decide as far as they can.
/// - Members of a family speak through the package that chooses among them.
/// - `keeps` leaves packages out by their entries.
pub fn report(
    lock: &Lock,
    aims: Vec<Aim>,
    facts: &FactsByLocation,
    keeps: impl Fn(&Map<String, Value>) -> bool,
) -> Report {
    let index = Index::new(lock);
    let families = family::all(lock, &index);
    let mut in_family = vec![false; lock.packages.len()];
    for member in families.iter().flat_map(|(_, members)| members) {
        if let Some(at) = member.at {
            in_family[at] = true;
        }
    }
    let families: FxHashMap<usize, Vec<Member>> = families.into_iter().collect();
    let desk = Desk { lock, facts, aims };
    let mut rows: Vec<Row> = Vec::new();
    let mut places: FxHashMap<(&str, &str), usize> = FxHashMap::default();
    let (mut packages, mut labels) = (0, Vec::new());
    for (at, (location, entry)) in lock.packages.iter().enumerate() {
        let is_set = |member: &str| entry.get(member).is_some_and(truthy);
        if location.is_empty() || is_set("link") || !keeps(entry) {
            continue;
        }
        packages += 1;
        let package = desk.package(at, families.get(&at));
        let spoken_for = in_family[at] && package.optional;
        let is_new = !places.contains_key(&(package.name, package.version));
        if is_new && let Some(facts) = package.facts {
            labels.extend(mislabels(facts).into_iter().map(|one| package.label(one)));
        }
        let Some(row) = (!spoken_for).then(|| desk.row(&package)).flatten() else {
            continue;
        };
        let place = *places
            .entry((package.name, package.version))
            .or_insert(rows.len());
        match rows.get_mut(place) {
            Some(known) => known.take_in(row),
            None => rows.push(row),
        }
    }
    sort(&mut rows);
    labels.sort_by(|a, b| (a.mislabel.rule, &a.name).cmp(&(b.mislabel.rule, &b.name)));
    Report {
        aims: desk.aims,
        rows,
        labels,
        packages,
    }
}

fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| {
        a.worst()
            .cmp(&b.worst())
            .then_with(|| collate::compare(&a.name, &b.name))
            .then_with(|| collate::compare(&a.version, &b.version))
    });
}

impl Row {
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    pub fn worst(&self) -> Verdict {
        let verdicts = self.cells.iter().map(|cell| cell.verdict);
        verdicts.min().unwrap_or(Verdict::Runs)
    }

    /// Another copy: the worse verdict counts.
    fn take_in(&mut self, other: Self) {
        self.locations.extend(other.locations);
        self.optional &= other.optional;
        self.dev &= other.dev;
        for (known, cell) in self.cells.iter_mut().zip(other.cells) {
            if cell.verdict < known.verdict {
                *known = cell;
            }
        }
    }
}

/// One entry of the lock, with all that is known of it.
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    location: &'a str,
    entry: &'a Map<String, Value>,
    facts: Option<&'a Facts>,
    family: Option<&'a Vec<Member>>,
    optional: bool,
}

impl Package<'_> {
    fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn is_set(&self, member: &str) -> bool {
        self.entry.get(member).is_some_and(truthy)
    }

    fn label(&self, mislabel: Mislabel) -> Label {
        Label {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            location: self.location.to_owned(),
            mislabel,
        }
    }
}

/// What judging needs.
struct Desk<'a> {
    lock: &'a Lock,
    facts: &'a FactsByLocation,
    aims: Vec<Aim>,
}

impl<'a> Desk<'a> {
    fn package<'b>(&'b self, at: usize, family: Option<&'b Vec<Member>>) -> Package<'b>
    where
        'a: 'b,
    {
        let (location, entry) = &self.lock.packages[at];
        let version = entry.get("version").and_then(Value::as_str);
        Package {
            name: package_name(location, entry),
            version: version.unwrap_or_default(),
            location,
            entry,
            facts: self.facts.get(location).map(|facts| &**facts),
            family,
            optional: entry.get("optional").is_some_and(truthy),
        }
    }

    /// The package on every aim; `None` when it is bound to nothing.
    fn row(&self, package: &Package<'_>) -> Option<Row> {
        let cells: Vec<Option<Cell>> = self
            .aims
            .iter()
            .map(|aim| self.cell(package, &aim.target))
            .collect();
        // Node's version alone binds to no platform.
        let binds = |cell: &Cell| !matches!(cell.evidence.first(), Some(Evidence::Engines(_)));
        if !cells.iter().flatten().any(binds) {
            return None;
        }
        let unbound = || Cell::new(Verdict::Runs, Evidence::Declared(Vec::new()));
        Some(Row {
            name: package.name.to_owned(),
            version: package.version.to_owned(),
            locations: vec![package.location.to_owned()],
            optional: package.optional,
            dev: package.is_set("dev"),
            cells: cells
                .into_iter()
                .map(|cell| cell.unwrap_or_else(unbound))
                .collect(),
        })
    }

    fn cell(&self, package: &Package<'_>, target: &Target) -> Option<Cell> {
        if let Some(cell) = excluded(package, target) {
            return Some(cell);
        }
        let own = match package.facts {
            Some(facts) => judge(&package.id(), facts, target),
            None => package
                .is_set("hasInstallScript")
                .then(|| Cell::new(Verdict::Script, Evidence::HasInstallScript)),
        };
        let family = package.family.map(|members| self.family(members, target));
        match (family, own) {
            (Some(family), own) => Some(with_family(package, family, own)),
            (None, Some(own)) => Some(own),
            (None, None) => {
                let declares = PlatformField::ALL
                    .iter()
                    .any(|field| package.is_set(field.name()));
                declares.then(|| Cell::new(Verdict::Runs, Evidence::Declared(Vec::new())))
            }
        }
    }

    /// The members that the target would use, each judged by its own binaries.
    fn family(&self, members: &[Member], target: &Target) -> Cell {
        let mut cell = Cell {
            verdict: Verdict::Runs,
            evidence: Vec::new(),
        };
        for kind in family::kinds(members, target) {
            let absent = || kind.iter().map(|member| member.name.clone()).collect();
            let judged = kind.iter().filter_map(|member| self.member(member, target));
            let best = judged.max_by_key(|cell| cell.verdict);
            let best =
                best.unwrap_or_else(|| Cell::new(Verdict::Missing, Evidence::Absent(absent())));
            // Beside what is wrong, what is right with another kind says nothing.
            match best.verdict.cmp(&cell.verdict) {
                Ordering::Less => cell = best,
                Ordering::Equal => cell.evidence.extend(best.evidence),
                Ordering::Greater => {}
            }
        }
        if cell.evidence.is_empty() {
            return Cell::new(family::without(members), Evidence::NoMember(members.len()));
        }
        cell
    }

    fn member(&self, member: &Member, target: &Target) -> Option<Cell> {
        let package = self.package(member.at?, None);
        let (id, location) = (package.id(), package.location.to_owned());
        let judged = package.facts.and_then(|facts| judge(&id, facts, target));
        let present = Cell::new(Verdict::Runs, Evidence::Member { id, location });
        // A library for others beside the one that is meant proves nothing.
        Some(
            judged
                .filter(|cell| cell.verdict != Verdict::Uncovered)
                .unwrap_or(present),
        )
    }
}

/// Declarations, and for what is optional its engines: npm leaves it out.
fn excluded(package: &Package<'_>, target: &Target) -> Option<Cell> {
    let entry = package.entry;
    let fields = exclusions(entry, target);
    if !fields.is_empty() {
        let verdict = if package.optional {
            Verdict::Skipped
        } else {
            Verdict::CannotRun
        };
        let fields = fields
            .into_iter()
            .map(|field| (field, declared_values(entry, field)));
        return Some(Cell::new(verdict, Evidence::Declared(fields.collect())));
    }
    let engines = entry.get("engines").filter(|_| package.optional)?;
    let manifest = Manifest {
        fields: Map::from_iter([("engines".to_owned(), engines.clone())]),
    };
    if engine_allows(&manifest, target.node.as_ref(), None) {
        return None;
    }
    let range = engines
        .get("node")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Some(Cell::new(
        Verdict::Skipped,
        Evidence::Engines(range.to_owned()),
    ))
}

/// A member that runs is what counts; else what the package itself does instead.
fn with_family(package: &Package<'_>, family: Cell, own: Option<Cell>) -> Cell {
    let add = |mut cell: Cell, more: Cell| {
        cell.evidence.extend(more.evidence);
        cell
    };
    let Some(own) = own else {
        return without_member(package, family);
    };
    // A script that fetches from the registry what the lock would have had, too.
    let fetches_a_member = own.evidence.iter().any(|evidence| match evidence {
        Evidence::Script { signs, .. } => {
            let mut hosts = signs.iter().filter(|sign| is_host(sign)).peekable();
            hosts.peek().is_some() && hosts.all(|host| host == public_host())
        }
        _ => false,
    });
    let instead = !fetches_a_member
        && match family.verdict {
            Verdict::Runs | Verdict::Missing | Verdict::Skipped => false,
            // A script that checks what is there does not mend it.
            Verdict::CannotRun => own.verdict > Verdict::Script,
            _ => own.verdict > Verdict::Uncovered,
        };
    if instead {
        return add(own, family);
    }
    let scripted = own.verdict == Verdict::Script;
    let family = without_member(package, family);
    if scripted { add(family, own) } else { family }
}

/// A loader of napi-rs throws when it finds nothing.
fn without_member(package: &Package<'_>, mut family: Cell) -> Cell {
    let loads = package
        .facts
        .is_some_and(|facts| facts.recipes.contains(&Recipe::NapiLoader));
    if loads && family.verdict == Verdict::Uncovered {
        family.verdict = Verdict::CannotRun;
    }
    family
}
