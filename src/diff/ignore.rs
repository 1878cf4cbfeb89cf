//! Differences that a project accepts, each with its reason.
//!
//! ```json
//! "heatseal": {"diff": {"ignore": {
//!   "licence:left-pad": "only its spelling changed",
//!   "minor:@acme/*": "our own, reviewed there",
//!   "*:tool@2.0.1": "patched by hand, see ADR 12"
//! }}}
//! ```
//!
//! A key is `CLASS`, `CLASS:PACKAGE` or `CLASS:PACKAGE@VERSION`; `*` for the class means all of
//! them, in a name it stands for anything. The version is the one after the change.

use globset::{Glob, GlobMatcher};
use serde_json::Value;

use super::graph::Side;
use super::{Class, Ignored};
use crate::manifest::Manifest;

/// One entry of the list.
#[derive(Debug, Clone)]
pub struct Rule {
    /// None: all.
    class: Option<Class>,
    /// None: all.
    name: Option<GlobMatcher>,
    version: Option<String>,
    reason: String,
}

/// What cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum RuleError {
    #[error("there is no class `{0}` to ignore")]
    #[diagnostic(
        code(EUSAGE),
        help("write CLASS:PACKAGE; `heatseal diff --help` lists the classes")
    )]
    Class(String),
    #[error("`{0}` is no package and no pattern of names")]
    #[diagnostic(code(EUSAGE), help("write a name, or @scope/* for several"))]
    Package(String),
    #[error("`heatseal.diff.ignore` in package.json is not an object")]
    #[diagnostic(
        code(EUSAGE),
        help("write {{\"licence:NAME\": \"why this is accepted\"}}")
    )]
    NotAnObject,
    #[error("`heatseal.diff.ignore` in package.json gives no reason for `{0}`")]
    #[diagnostic(
        code(EUSAGE),
        help("its value is a sentence that says why it is accepted")
    )]
    NoReason(String),
}

impl Rule {
    /// A key of the list.
    pub fn parse(text: &str, reason: &str) -> Result<Self, RuleError> {
        let (class, package) = match text.split_once(':') {
            Some((class, package)) => (class, Some(package)),
            None => (text, None),
        };
        let class = match class {
            "*" if package.is_some() => None,
            word => Some(Class::parse(word).ok_or_else(|| RuleError::Class(word.to_owned()))?),
        };
        let package = package.map(|package| match package.rfind('@') {
            Some(at) if at > 0 => (&package[..at], Some(&package[at + 1..])),
            _ => (package, None),
        });
        let glob = |name: &str| {
            let glob = Glob::new(name).ok().filter(|_| !name.is_empty());
            glob.ok_or_else(|| RuleError::Package(name.to_owned()))
        };
        let name = package.map(|(name, _)| glob(name)).transpose()?;
        Ok(Self {
            class,
            name: name.map(|glob| glob.compile_matcher()),
            version: package.and_then(|(_, version)| version).map(str::to_owned),
            reason: reason.to_owned(),
        })
    }

    fn covers(&self, side: &Side, class: Class) -> bool {
        let name = self.name.as_ref();
        self.class.is_none_or(|own| own == class)
            && name.is_none_or(|name| name.is_match(&side.name))
            && (self.version.is_none() || self.version == side.version)
    }
}

/// What `heatseal.diff.ignore` of a package.json says.
pub fn rules(manifest: &Manifest) -> Result<Vec<Rule>, RuleError> {
    let own = manifest.object("heatseal");
    let ignore = own.and_then(|own| own.get("diff")?.get("ignore"));
    let rules = match ignore {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(rules)) => rules,
        Some(_) => return Err(RuleError::NotAnObject),
    };
    let parse = |(text, reason): (&String, &Value)| {
        let reason = reason.as_str().filter(|reason| !reason.trim().is_empty());
        let reason = reason.ok_or_else(|| RuleError::NoReason(text.clone()))?;
        Rule::parse(text, reason)
    };
    rules.iter().map(parse).collect()
}

/// Takes out the classes that a rule covers.
pub(super) fn split(
    rules: &[Rule],
    side: &Side,
    classes: Vec<Class>,
) -> (Vec<Ignored>, Vec<Class>) {
    let mut ignored = Vec::new();
    let mut rest = Vec::new();
    for class in classes {
        match rules.iter().find(|rule| rule.covers(side, class)) {
            None => rest.push(class),
            Some(rule) => ignored.push(Ignored {
                name: side.name.clone(),
                location: side.location.clone(),
                class,
                reason: rule.reason.clone(),
            }),
        }
    }
    (ignored, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(list: &Value) -> Result<Vec<Rule>, RuleError> {
        let manifest = json!({"heatseal": {"diff": {"ignore": list}}});
        rules(&Manifest::from_registry(manifest))
    }

    #[test]
    fn a_rule_covers_its_packages_and_classes_only() {
        let rules = parsed(&json!({
            "minor:@a/*": "ours",
            "*:b@2.0.0": "patched",
            "flags": "nobody minds",
        }))
        .unwrap();
        let side = |name: &str, version: &str| Side {
            name: name.to_owned(),
            version: Some(version.to_owned()),
            ..Side::default()
        };
        let covered = |side: &Side, class| rules.iter().any(|rule| rule.covers(side, class));
        assert!(covered(&side("@a/x", "1.0.0"), Class::Minor));
        assert!(!covered(&side("@a/x", "1.0.0"), Class::Major));
        assert!(!covered(&side("a", "1.0.0"), Class::Minor));
        assert!(covered(&side("b", "2.0.0"), Class::Content));
        assert!(!covered(&side("b", "2.0.1"), Class::Content));
        assert!(covered(&side("c", "1.0.0"), Class::Flags));
    }

    #[test]
    fn a_rule_without_a_reason_or_with_an_unknown_class_is_refused() {
        for list in [
            json!([]),
            json!({"minor:a": ""}),
            json!({"minor:a": " "}),
            json!({"minor:a": true}),
            json!({"licens:a": "x"}),
            json!({"*": "x"}),
            json!({"minor:": "x"}),
            json!({"a": "x"}),
        ] {
            assert!(parsed(&list).is_err(), "{list}");
        }
        assert!(parsed(&json!({})).unwrap().is_empty());
    }
}
