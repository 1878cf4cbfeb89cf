//! Which packages of a lock are bound to a platform.
//!
//! [`findings`] asks the lock alone: `os`, `cpu` and `libc` as declared; install scripts, which may
//! build or download something; and families, that is packages whose `optionalDependencies` are
//! prebuilt binaries for one platform each. npm decides what to install by the declarations of
//! what the lock holds, so a member that the lock lacks is silently not there (npm/cli#4828); its
//! name tells which platform misses it.
//!
//! [`report`] goes on with the [`Facts`](facts::Facts) of tarballs, as far as they are known: each
//! package is judged on each target by the ways in which it gets native code and by the binaries
//! that it would load there, and what it declares is held against what it ships.

mod evidence;
pub mod facts;
mod family;
mod fit;
pub mod inspect;
pub mod json;
mod judge;
mod label;
mod loading;
mod prebuilds;
mod report;

pub use evidence::{Evidence, host};
pub use judge::Cell;
pub use label::{Mislabel, Rule};
pub use loading::loading;
pub use report::{Aim, FactsByLocation, Label, Report, Row, report};

use serde_json::{Map, Value};

use crate::collate;
use crate::json::truthy;
use crate::lock::{Index, Lock, package_name};
use crate::manifest::Manifest;
use crate::target::{PlatformField, Target, platform_exclusions};

/// What a lock says about one package on one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub name: String,
    pub version: String,
    pub location: String,
    /// The target as text.
    pub target: String,
    pub verdict: Verdict,
    pub proof: Proof,
    /// The lock lets an install go on without the package.
    pub optional: bool,
}

/// What becomes of a package on a target; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It is required, and its declarations exclude the target.
    CannotRun,
    /// A family has a binary for the target, and the lock lacks it.
    Missing,
    /// A family has no binary for the target.
    Uncovered,
    /// An install script decides, and nobody can tell what it does.
    Script,
    /// An install script fetches the binary from somewhere.
    Downloads,
    /// It is compiled at the install, which takes a toolchain.
    Builds,
    /// It is optional, and its declarations exclude the target.
    Skipped,
    Runs,
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The fields that exclude the target; none when it is allowed.
    Declared(Vec<PlatformField>),
    InstallScript,
    Family(Family),
}

/// The members of a family that are for the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Family {
    /// In the lock.
    pub present: Vec<String>,
    /// Required by the package, and not in the lock.
    pub absent: Vec<String>,
    /// How many members the family has for all platforms.
    pub size: usize,
    /// Of these, those for one system and one processor: compiled code.
    pub compiled: usize,
}

impl Verdict {
    /// The worst first.
    pub const ALL: [Self; 8] = [
        Self::CannotRun,
        Self::Missing,
        Self::Uncovered,
        Self::Script,
        Self::Downloads,
        Self::Builds,
        Self::Skipped,
        Self::Runs,
    ];

    /// Something that will go wrong on the target. [`Self::Uncovered`] is none by itself: many
    /// families only serve the systems that need help, and their package does without elsewhere.
    pub fn is_problem(self) -> bool {
        self <= Self::Missing
    }

    /// The word in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CannotRun => "cannot-run",
            Self::Missing => "missing",
            Self::Uncovered => "uncovered",
            Self::Script => "script",
            Self::Downloads => "downloads",
            Self::Builds => "builds",
            Self::Skipped => "skipped",
            Self::Runs => "runs",
        }
    }
}

/// The host, and the platforms that most services and their developers use.
pub fn default_targets(host: &Target) -> Vec<Target> {
    const COMMON: [&str; 5] = [
        "linux-x64-glibc",
        "linux-x64-musl",
        "linux-arm64-glibc",
        "darwin-arm64",
        "win32-x64",
    ];
    let mut targets = vec![host.clone()];
    for target in COMMON.iter().filter_map(|text| text.parse::<Target>().ok()) {
        if !targets.iter().any(|known| same_platform(known, &target)) {
            targets.push(target);
        }
    }
    targets
}

fn same_platform(one: &Target, other: &Target) -> bool {
    let libc = |target: &Target| target.libc.map(|libc| libc.family);
    (&one.os, &one.cpu, libc(one)) == (&other.os, &other.cpu, libc(other))
}

/// Packages whose families have compiled code for others and none for the target. Families of
/// which fewer than two members name a processor serve the systems that need help: no findings.
pub fn uncovered(lock: &Lock, target: &Target) -> Vec<Finding> {
    let mut found = findings(lock, std::slice::from_ref(target));
    found.retain(|finding| match &finding.proof {
        Proof::Family(family) => {
            family.compiled > 1 && matches!(finding.verdict, Verdict::Missing | Verdict::Uncovered)
        }
        _ => false,
    });
    found
}

/// What the lock says about every package bound to a platform, for every target: the worst verdict
/// first, then by name, place and the order of `targets`. Members of a family speak through the
/// package that chooses among them.
pub fn findings(lock: &Lock, targets: &[Target]) -> Vec<Finding> {
    let index = Index::new(lock);
    let families = family::all(lock, &index);
    let mut in_family = vec![false; lock.packages.len()];
    for member in families.iter().flat_map(|(_, members)| members) {
        if let Some(at) = member.at {
            in_family[at] = true;
        }
    }
    let mut found = Vec::new();
    for (at, (location, entry)) in lock.packages.iter().enumerate() {
        let is_set = |member: &str| entry.get(member).is_some_and(truthy);
        if location.is_empty() || is_set("link") {
            continue;
        }
        let optional = is_set("optional");
        let declares = PlatformField::ALL.iter().any(|field| is_set(field.name()));
        if declares && !(in_family[at] && optional) {
            found.extend(
                targets
                    .iter()
                    .map(|target| declared(entry, target))
                    .zip(targets)
                    .map(|((verdict, proof), target)| {
                        finding((location, entry), target, verdict, proof)
                    }),
            );
        }
        if is_set("hasInstallScript") {
            found.extend(
                targets
                    .iter()
                    .filter(|target| allowed(entry, target))
                    .map(|target| {
                        finding(
                            (location, entry),
                            target,
                            Verdict::Script,
                            Proof::InstallScript,
                        )
                    }),
            );
        }
    }
    for (at, members) in &families {
        let (location, entry) = &lock.packages[*at];
        for target in targets.iter().filter(|target| allowed(entry, target)) {
            let (verdict, family) = family::verdict(members, target);
            found.push(finding(
                (location, entry),
                target,
                verdict,
                Proof::Family(family),
            ));
        }
    }
    found.sort_by(|a, b| {
        a.verdict
            .cmp(&b.verdict)
            .then_with(|| collate::compare(&a.name, &b.name))
            .then_with(|| collate::compare(&a.location, &b.location))
    });
    found
}

fn finding(
    (location, entry): (&str, &Map<String, Value>),
    target: &Target,
    verdict: Verdict,
    proof: Proof,
) -> Finding {
    let version = entry.get("version").and_then(Value::as_str);
    Finding {
        name: package_name(location, entry).to_owned(),
        version: version.unwrap_or_default().to_owned(),
        location: location.to_owned(),
        target: target.to_string(),
        verdict,
        proof,
        optional: entry.get("optional").is_some_and(truthy),
    }
}

fn declared(entry: &Map<String, Value>, target: &Target) -> (Verdict, Proof) {
    let exclusions = exclusions(entry, target);
    let verdict = if exclusions.is_empty() {
        Verdict::Runs
    } else if entry.get("optional").is_some_and(truthy) {
        Verdict::Skipped
    } else {
        Verdict::CannotRun
    };
    (verdict, Proof::Declared(exclusions))
}

fn allowed(entry: &Map<String, Value>, target: &Target) -> bool {
    exclusions(entry, target).is_empty()
}

/// A field of an entry as a list.
fn declared_values(entry: &Map<String, Value>, field: PlatformField) -> Vec<String> {
    let values = match entry.get(field.name()) {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let shown = values.iter().map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    shown.collect()
}

fn exclusions(entry: &Map<String, Value>, target: &Target) -> Vec<PlatformField> {
    // Only these members are asked about, and most entries have none of them.
    let fields: Map<String, Value> = PlatformField::ALL
        .iter()
        .filter_map(|field| Some((field.name().to_owned(), entry.get(field.name())?.clone())))
        .collect();
    if fields.is_empty() {
        return Vec::new();
    }
    platform_exclusions(&Manifest { fields }, target)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdicts;
