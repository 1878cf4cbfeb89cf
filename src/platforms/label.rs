//! What a package declares against what it ships.

use super::facts::{Binary, Declared, Facts, Format, Recipe};
use super::judge::{is_addon, used};
use crate::target::PlatformField;

/// Something about a package that holds on every target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mislabel {
    pub rule: Rule,
    pub field: PlatformField,
    /// What the manifest says; empty when it says nothing.
    pub declared: Vec<String>,
    /// What the files are for.
    pub actual: Vec<String>,
    /// A file that shows it.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// It declares a platform, and every binary is for another.
    Mislabelled,
    /// It declares nothing, and its binaries are for some platforms only.
    Unlabelled,
}

impl Rule {
    /// The word in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mislabelled => "mislabelled",
            Self::Unlabelled => "unlabelled",
        }
    }
}

/// Where the declarations and the binaries of a package disagree.
///
/// Packages that build, download, choose among many files or serve all usual systems are not held
/// against their silence.
pub fn mislabels(facts: &Facts) -> Vec<Mislabel> {
    let binaries: Vec<&Binary> = used(facts)
        .filter(|binary| binary.format != Format::Wasm)
        .collect();
    let mut found = Vec::new();
    if binaries.is_empty() {
        return found;
    }
    let declares_any = !facts.declared.os.is_empty() || !facts.declared.cpu.is_empty();
    for field in PlatformField::ALL {
        let actual = actual(&binaries, field);
        let declared = of(&facts.declared, field);
        let Some((_, path)) = actual
            .first()
            .filter(|_| actual.iter().all(|(v, _)| v.is_some()))
        else {
            continue;
        };
        let path = (*path).to_owned();
        let mut values: Vec<String> = actual
            .iter()
            .filter_map(|(v, _)| v.map(str::to_owned))
            .collect();
        values.sort();
        values.dedup();
        let widely = match field {
            PlatformField::Os => ["linux", "darwin", "win32"].as_slice(),
            PlatformField::Cpu => &[],
            PlatformField::Libc => &["glibc", "musl"],
        };
        let serves_most = widely
            .iter()
            .all(|one| values.iter().any(|value| value == one));
        let rule = if !declared.is_empty() && !values.iter().any(|value| allows(declared, value)) {
            Rule::Mislabelled
        } else if declared.is_empty() && !serves_most && is_silent(facts, field, declares_any) {
            Rule::Unlabelled
        } else {
            continue;
        };
        found.push(Mislabel {
            rule,
            field,
            declared: declared.to_vec(),
            actual: values,
            path,
        });
    }
    found
}

/// Does its silence about the field let npm install it where nothing of it runs?
fn is_silent(facts: &Facts, field: PlatformField, declares_any: bool) -> bool {
    if !facts.recipes.is_empty() && !facts.recipes.contains(&Recipe::NapiLoader) {
        return false;
    }
    match field {
        PlatformField::Os => !declares_any,
        // The system says enough; only on Linux the C library is one more choice.
        PlatformField::Cpu => false,
        PlatformField::Libc => facts.declared.os == ["linux"],
    }
}

/// The value of every part of every file; programs for another C library are told apart by addons
/// only where there are some.
fn actual<'a>(binaries: &[&'a Binary], field: PlatformField) -> Vec<(Option<&'a str>, &'a str)> {
    let has_addons = binaries.iter().any(|binary| is_addon(binary));
    let counted = binaries
        .iter()
        .filter(|binary| !has_addons || is_addon(binary));
    counted
        .flat_map(|binary| {
            binary.slices.iter().map(move |slice| {
                let value = match field {
                    PlatformField::Os => slice.os.as_deref().or(match binary.format {
                        Format::MachO => Some("darwin"),
                        Format::Pe => Some("win32"),
                        Format::Elf | Format::Wasm => None,
                    }),
                    PlatformField::Cpu => slice.cpu.as_deref(),
                    PlatformField::Libc => slice.libc.map(crate::target::LibcFamily::name),
                };
                (value, binary.path.as_str())
            })
        })
        .collect()
}

fn of(declared: &Declared, field: PlatformField) -> &[String] {
    match field {
        PlatformField::Os => &declared.os,
        PlatformField::Cpu => &declared.cpu,
        PlatformField::Libc => &declared.libc,
    }
}

/// As npm reads such a list.
fn allows(declared: &[String], value: &str) -> bool {
    if declared == ["any"] {
        return true;
    }
    let excluded = declared.iter().filter_map(|entry| entry.strip_prefix('!'));
    if excluded.clone().any(|excluded| excluded == value) {
        return false;
    }
    declared.iter().any(|entry| entry == value) || excluded.count() == declared.len()
}

impl std::fmt::Display for Mislabel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (field, actual) = (self.field.name(), self.actual.join(", "));
        match self.rule {
            Rule::Mislabelled => {
                let declared = self.declared.join(", ");
                write!(
                    f,
                    "it says {field} {declared}, and {} is for {actual}",
                    self.path
                )
            }
            Rule::Unlabelled => {
                write!(
                    f,
                    "it says no {field}, and {} is for {actual} only",
                    self.path
                )
            }
        }
    }
}
