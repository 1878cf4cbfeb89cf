//! Differences that a project accepts, each with its reason.
//!
//! ```json
//! "heatseal": {"diff": {"ignore": [
//!   {"package": "left-pad", "class": "licence", "reason": "only its spelling changed"},
//!   {"package": "@acme/*", "class": ["minor", "patch"], "reason": "our own, reviewed there"},
//!   {"package": "tool@2.0.1", "reason": "patched by hand, see ADR 12"}
//! ]}}
//! ```
//!
//! `package` is a name, `*` in it stands for anything; `@version` means the version after the
//! change. `class` is one class or several; without it every class is meant.

use globset::{Glob, GlobMatcher};
use serde_json::{Map, Value};

use super::graph::Side;
use super::{Class, Ignored};

/// One entry of the list.
#[derive(Debug, Clone)]
pub struct Rule {
    name: GlobMatcher,
    version: Option<String>,
    /// None: all.
    classes: Vec<Class>,
    pub reason: String,
}

/// Why the list cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("heatseal.diff.ignore in package.json: {0}")]
#[diagnostic(
    code(EUSAGE),
    help(
        "write {{\"package\": \"NAME\", \"class\": \"licence\", \"reason\": \"…\"}}; classes are those of `heatseal diff --help`"
    )
)]
pub struct IgnoreError(String);

impl Rule {
    /// `NAME`, `NAME@VERSION`, each with `:CLASS` behind it or not.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let (package, class) = match text.rsplit_once(':') {
            Some((package, class)) => (package, Some(class)),
            None => (text, None),
        };
        let classes = class.map(|word| parse_class(word)).transpose()?;
        let reason = "ignored on the command line".to_owned();
        Self::new(package, classes.into_iter().collect(), reason)
    }

    fn new(package: &str, classes: Vec<Class>, reason: String) -> Result<Self, IgnoreError> {
        let at = package.char_indices().skip(1).find(|(_, c)| *c == '@');
        let (name, version) = match at {
            Some((at, _)) => (&package[..at], Some(package[at + 1..].to_owned())),
            None => (package, None),
        };
        let glob = Glob::new(name)
            .map_err(|_| IgnoreError(format!("{package:?} is no package or pattern")))?;
        Ok(Self {
            name: glob.compile_matcher(),
            version,
            classes,
            reason,
        })
    }

    fn covers(&self, side: &Side, class: Class) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && self.name.is_match(&side.name)
            && (self.version.is_none() || self.version == side.version)
    }
}

fn parse_class(word: &str) -> Result<Class, IgnoreError> {
    Class::parse(word).ok_or_else(|| IgnoreError(format!("{word:?} is no class")))
}

/// The rules of a package.json.
pub fn rules(manifest: &Map<String, Value>) -> Result<Vec<Rule>, IgnoreError> {
    let list = manifest
        .get("heatseal")
        .and_then(|heatseal| heatseal.get("diff")?.get("ignore"));
    let Some(list) = list else {
        return Ok(Vec::new());
    };
    let list = list
        .as_array()
        .ok_or_else(|| IgnoreError("it is no list".to_owned()))?;
    list.iter().map(rule).collect()
}

fn rule(value: &Value) -> Result<Rule, IgnoreError> {
    let text = |member: &str| {
        let text = value.get(member).and_then(Value::as_str);
        let text = text.filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| IgnoreError(format!("an entry has no `{member}`")))
    };
    let package = text("package")?;
    let reason = text("reason").map_err(|_| IgnoreError(format!("{package:?} has no `reason`")))?;
    let words: Vec<&Value> = match value.get("class") {
        None => Vec::new(),
        Some(Value::Array(words)) => words.iter().collect(),
        Some(word) => vec![word],
    };
    let classes = words.into_iter().map(|word| match word.as_str() {
        Some(word) => parse_class(word),
        None => Err(IgnoreError(format!("{word} is no class"))),
    });
    Rule::new(
        package,
        classes.collect::<Result<_, _>>()?,
        reason.to_owned(),
    )
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

    fn parsed(list: Value) -> Result<Vec<Rule>, IgnoreError> {
        let manifest = json!({"heatseal": {"diff": {"ignore": list}}});
        rules(manifest.as_object().unwrap())
    }

    #[test]
    fn a_rule_covers_its_packages_and_classes_only() {
        let rules = parsed(json!([
            {"package": "@a/*", "class": ["minor", "patch"], "reason": "ours"},
            {"package": "b@2.0.0", "reason": "patched"},
        ]))
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
    }

    #[test]
    fn a_rule_without_a_reason_or_with_an_unknown_class_is_refused() {
        for list in [
            json!({}),
            json!([{"package": "a"}]),
            json!([{"package": "a", "reason": " "}]),
            json!([{"reason": "x"}]),
            json!([{"package": "a", "reason": "x", "class": "licens"}]),
            json!([{"package": "a", "reason": "x", "class": 1}]),
            json!(["a"]),
        ] {
            assert!(parsed(list.clone()).is_err(), "{list}");
        }
        assert!(parsed(json!([])).unwrap().is_empty());
    }
}
