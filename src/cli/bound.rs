//! A short list of the packages that are bound to a platform.

use super::paint::{Paint, count, one_line};
use crate::platforms::{Finding, Proof, Verdict};

/// Packages beyond this many are only named.
const MOST_LINES: usize = 12;
/// Of these, names beyond this many are only counted.
const MOST_NAMES: usize = 8;

/// What the findings say about one package.
#[derive(Debug)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    findings: Vec<&'a Finding>,
}

/// The lines of the list, the worst first; none when no package is bound to a platform.
pub fn lines(findings: &[Finding], paint: Paint) -> Vec<String> {
    let bound: Vec<(String, String)> = packages(findings)
        .iter()
        .filter_map(|package| {
            let why = package.why(paint);
            let id = one_line(&format!("{}@{}", package.name, package.version));
            (!why.is_empty()).then(|| (id, why.join("; ")))
        })
        .collect();
    if bound.is_empty() {
        return Vec::new();
    }
    let (shown, rest) = bound.split_at(bound.len().min(MOST_LINES));
    let width = shown
        .iter()
        .map(|(id, _)| id.chars().count())
        .max()
        .unwrap_or_default();
    let mut lines = vec![format!("bound to a platform ({}):", count(bound.len()))];
    lines.extend(
        shown
            .iter()
            .map(|(id, why)| format!("  {id:width$}  {why}")),
    );
    if !rest.is_empty() {
        let names: Vec<&str> = rest
            .iter()
            .take(MOST_NAMES)
            .map(|(id, _)| id.as_str())
            .collect();
        let dots = if rest.len() > MOST_NAMES { ", …" } else { "" };
        lines.push(format!(
            "  and {} more: {}{dots}",
            count(rest.len()),
            names.join(", ")
        ));
    }
    lines
}

/// Findings by package, in the order of their worst verdicts. Copies at several places count once.
fn packages(findings: &[Finding]) -> Vec<Package<'_>> {
    let mut packages: Vec<Package> = Vec::new();
    let mut places = rustc_hash::FxHashMap::default();
    for finding in findings {
        let (name, version) = (finding.name.as_str(), finding.version.as_str());
        let at = *places.entry((name, version)).or_insert_with(|| {
            packages.push(Package {
                name,
                version,
                findings: Vec::new(),
            });
            packages.len() - 1
        });
        packages[at].findings.push(finding);
    }
    packages
}

impl Package<'_> {
    fn why(&self, paint: Paint) -> Vec<String> {
        let mut why = Vec::new();
        let mut add = |verdict: Verdict, say: &dyn Fn(&str) -> String| {
            let targets = self.targets(verdict);
            if !targets.is_empty() {
                why.push(say(&targets.join(", ")));
            }
        };
        add(Verdict::CannotRun, &|on| {
            paint.red(format!("cannot run on {on}"))
        });
        add(Verdict::Missing, &|on| {
            paint.red(format!("the lock lacks its binary for {on}"))
        });
        add(Verdict::Uncovered, &|on| {
            paint.yellow(format!("no binary for {on}"))
        });
        add(Verdict::Skipped, &|on| {
            format!("optional, left out on {on}")
        });
        if let Some(size) = self.family() {
            why.push(format!("prebuilt for {size} platforms"));
        }
        if !self.targets(Verdict::Script).is_empty() {
            why.push("install script".to_owned());
        }
        why
    }

    /// Targets with this verdict, each once.
    fn targets(&self, verdict: Verdict) -> Vec<&str> {
        let mut targets: Vec<&str> = Vec::new();
        for finding in self
            .findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
        {
            if !targets.contains(&finding.target.as_str()) {
                targets.push(&finding.target);
            }
        }
        targets
    }

    /// How many members its family has.
    fn family(&self) -> Option<usize> {
        self.findings
            .iter()
            .find_map(|finding| match &finding.proof {
                Proof::Family(family) => Some(family.size),
                Proof::Declared(_) | Proof::InstallScript => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::Family;

    fn finding(name: &str, target: &str, verdict: Verdict, proof: Proof) -> Finding {
        Finding {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            location: format!("node_modules/{name}"),
            target: target.to_owned(),
            verdict,
            proof,
            optional: false,
        }
    }

    fn family(size: usize) -> Proof {
        Proof::Family(Family {
            size,
            ..Family::default()
        })
    }

    #[test]
    fn a_package_is_one_line_with_every_reason() {
        let findings = [
            finding("sharp", "linux-x64-musl", Verdict::Missing, family(9)),
            finding(
                "sharp",
                "linux-x64-glibc",
                Verdict::Script,
                Proof::InstallScript,
            ),
            finding("sharp", "linux-x64-glibc", Verdict::Runs, family(9)),
        ];
        assert_eq!(
            lines(&findings, Paint::plain()),
            [
                "bound to a platform (1):",
                "  sharp@1.0.0  the lock lacks its binary for linux-x64-musl; prebuilt for 9 platforms; install script",
            ]
        );
    }

    #[test]
    fn what_runs_everywhere_is_not_listed() {
        let runs = finding("a", "linux-x64", Verdict::Runs, Proof::Declared(Vec::new()));
        assert_eq!(lines(&[runs], Paint::plain()), Vec::<String>::new());
    }

    #[test]
    fn a_long_list_ends_with_names_and_a_count() {
        let names: Vec<String> = (10..40).map(|number| format!("p{number}")).collect();
        let findings: Vec<Finding> = names
            .iter()
            .map(|name| finding(name, "linux-x64", Verdict::Script, Proof::InstallScript))
            .collect();
        let lines = lines(&findings, Paint::plain());
        assert_eq!(lines.len(), 14);
        assert!(
            lines[13].starts_with("  and 18 more: p22@1.0.0, p23@1.0.0"),
            "{}",
            lines[13]
        );
        assert!(lines[13].ends_with(", …"));
    }
}
