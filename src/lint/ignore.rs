//! Findings that somebody decided to live with, and why.

use serde_json::Value;

use super::{Finding, Rule};
use crate::manifest::Manifest;

/// `RULE` or `RULE:PACKAGE`, the package with or without its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    pub text: String,
    rule: Rule,
    package: Option<String>,
    pub reason: Option<String>,
}

/// A finding that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    pub finding: Finding,
    pub reason: Option<String>,
}

/// What cannot be ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum IgnoreError {
    #[error("there is no rule `{0}` to ignore")]
    #[diagnostic(code(EUSAGE), help("`heatseal lint --help` lists the rules"))]
    Rule(String),
    #[error("`heatseal.lint.ignore` in package.json is not an object")]
    #[diagnostic(
        code(EUSAGE),
        help("write {{\"deprecated:NAME\": \"why this is accepted\"}}")
    )]
    NotAnObject,
    #[error("`heatseal.lint.ignore` in package.json gives no reason for `{0}`")]
    #[diagnostic(
        code(EUSAGE),
        help("its value is a sentence that says why it is accepted")
    )]
    NoReason(String),
}

impl Ignore {
    pub fn parse(text: &str, reason: Option<&str>) -> Result<Self, IgnoreError> {
        let (word, package) = match text.split_once(':') {
            Some((word, package)) => (word, Some(package)),
            None => (text, None),
        };
        let rule = Rule::parse(word).ok_or_else(|| IgnoreError::Rule(word.to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            rule,
            package: package.map(str::to_owned),
            reason: reason.map(str::to_owned),
        })
    }

    /// What `heatseal.lint.ignore` of a package.json says: rules, and for each the reason.
    pub fn of_manifest(manifest: &Manifest) -> Result<Vec<Self>, IgnoreError> {
        let own = manifest.object("heatseal");
        let ignore = own.and_then(|own| own.get("lint")?.get("ignore"));
        let rules = match ignore {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Object(rules)) => rules,
            Some(_) => return Err(IgnoreError::NotAnObject),
        };
        let parse = |(text, reason): (&String, &Value)| {
            let reason = reason.as_str().filter(|reason| !reason.trim().is_empty());
            let reason = reason.ok_or_else(|| IgnoreError::NoReason(text.clone()))?;
            Self::parse(text, Some(reason))
        };
        rules.iter().map(parse).collect()
    }

    fn covers(&self, finding: &Finding) -> bool {
        let package = self.package.as_deref();
        self.rule == finding.rule
            && package.is_none_or(|package| package == finding.name || package == finding.package())
    }
}

/// The findings that count, those that do not, and what of `ignores` covers nothing.
pub fn sort_out(
    findings: Vec<Finding>,
    ignores: &[Ignore],
) -> (Vec<Finding>, Vec<Ignored>, Vec<String>) {
    let (mut counting, mut passed_over) = (Vec::new(), Vec::new());
    let mut used = vec![false; ignores.len()];
    for finding in findings {
        match ignores.iter().position(|ignore| ignore.covers(&finding)) {
            None => counting.push(finding),
            Some(at) => {
                used[at] = true;
                passed_over.push(Ignored {
                    finding,
                    reason: ignores[at].reason.clone(),
                });
            }
        }
    }
    let unused = ignores.iter().zip(used).filter(|(_, used)| !used);
    let unused = unused.map(|(ignore, _)| ignore.text.clone()).collect();
    (counting, passed_over, unused)
}
