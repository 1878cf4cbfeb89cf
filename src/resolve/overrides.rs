//! The root's `overrides`: which rule speaks for which edge.
//!
//! A rule set is a tree. A node carries the rule under which it was reached; an edge asks that
//! rule, its nested rules and its parents for one that names it. Source: npm's `override-set.js`.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::names::{Name, Names};
use super::specs::range_of;
use crate::json;
use crate::spec::{Mode, Prerelease, Range, Spec, SpecKind, parse_argument};

/// A rule of the project's `overrides`; equal rules are equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(u32);

#[derive(Debug, Default)]
pub struct Overrides {
    rules: Vec<Rule>,
}

#[derive(Debug)]
pub struct Rule {
    parent: Option<RuleId>,
    children: Vec<RuleId>,
    /// `None` for the set's root, which speaks for nobody.
    pub target: Option<RuleTarget>,
}

#[derive(Debug)]
pub struct RuleTarget {
    key: String,
    pub name: Name,
    /// The part of the key after the name; `*` when there is none.
    pub key_spec: String,
    key_range: Option<Range>,
    /// The spec that replaces the one written; `*` replaces nothing.
    pub value: String,
}

/// An `overrides` that npm cannot read.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
pub enum OverrideError {
    #[error("Override without name: {0}")]
    #[diagnostic(help("a key of `overrides` is `name` or `name@range`"))]
    Unnamed(String),
    #[error("the override of `{key}` is {found}, where a string or an object belongs")]
    #[diagnostic(help("write a version range, or an object of nested overrides"))]
    Value { key: String, found: &'static str },
    #[error("Unable to resolve reference {0}")]
    #[diagnostic(help(
        "`$name` stands for a direct dependency of the project: add it, or write the range"
    ))]
    Reference(String),
    #[error("Override for {name}@{spec} conflicts with direct dependency")]
    #[diagnostic(
        code(EOVERRIDE),
        help(
            "give the dependency and its override the same spec, or write `${name}` as the override"
        )
    )]
    Direct { name: String, spec: String },
}

impl Overrides {
    /// Reads `package.json#overrides`; `None` when there are none.
    pub fn load(
        &mut self,
        fields: &Map<String, Value>,
        names: &mut Names,
    ) -> Result<Option<RuleId>, OverrideError> {
        let Some(Value::Object(overrides)) = fields.get("overrides") else {
            return Ok(None);
        };
        if overrides.is_empty() {
            return Ok(None);
        }
        let root = self.push(None, None);
        self.load_children(root, overrides, names)?;
        Ok(Some(root))
    }

    fn push(&mut self, parent: Option<RuleId>, target: Option<RuleTarget>) -> RuleId {
        let id = RuleId(self.rules.len() as u32);
        self.rules.push(Rule {
            parent,
            children: Vec::new(),
            target,
        });
        id
    }

    fn load_children(
        &mut self,
        parent: RuleId,
        overrides: &Map<String, Value>,
        names: &mut Names,
    ) -> Result<(), OverrideError> {
        for (key, value) in overrides.iter().filter(|(key, _)| *key != ".") {
            let (replacement, nested) = match value {
                Value::String(text) => (Some(text.as_str()), None),
                Value::Object(nested) => (nested.get(".").and_then(Value::as_str), Some(nested)),
                other => {
                    return Err(OverrideError::Value {
                        key: key.clone(),
                        found: json::kind(other),
                    });
                }
            };
            let argument = parse_argument(key, Path::new("/"))
                .map_err(|_| OverrideError::Unnamed(key.clone()))?;
            let Some(name) = argument.name else {
                return Err(OverrideError::Unnamed(key.clone()));
            };
            let key_spec = match argument.spec.raw.trim() {
                "" => "*".to_owned(),
                text => text.to_owned(),
            };
            let value = match replacement {
                Some("") => "*".to_owned(),
                Some(text) => text.to_owned(),
                None => key_spec.clone(),
            };
            let target = RuleTarget {
                key: key.clone(),
                name: names.intern(name.as_str()),
                key_range: Range::parse(&key_spec, Mode::Strict),
                key_spec,
                value,
            };
            let rule = self.push(Some(parent), Some(target));
            self.rules[parent.0 as usize].children.push(rule);
            if let Some(nested) = nested {
                self.load_children(rule, nested, names)?;
            }
        }
        Ok(())
    }

    pub fn target(&self, id: RuleId) -> Option<&RuleTarget> {
        self.rules[id.0 as usize].target.as_ref()
    }

    fn ancestry(&self, id: RuleId) -> impl Iterator<Item = RuleId> + '_ {
        std::iter::successors(Some(id), |rule| self.rules[rule.0 as usize].parent)
    }

    /// The rules in force under `id`: nested ones, the rule itself, then its parents'; the first of
    /// each key counts.
    fn ruleset(&self, id: RuleId) -> Vec<RuleId> {
        let mut rules: Vec<RuleId> = Vec::new();
        for ancestor in self.ancestry(id) {
            let own = self.target(ancestor).map(|_| ancestor);
            for rule in self.rules[ancestor.0 as usize]
                .children
                .iter()
                .copied()
                .chain(own)
            {
                let key = self.key(rule);
                if !rules.iter().any(|known| self.key(*known) == key) {
                    rules.push(rule);
                }
            }
        }
        rules
    }

    fn key(&self, id: RuleId) -> &str {
        self.target(id).map_or("", |target| &target.key)
    }

    /// The rule for an edge of that name and written spec that leaves a node under `context`.
    pub fn for_edge(
        &self,
        context: RuleId,
        name: Name,
        spec: impl Fn() -> Option<Arc<Spec>>,
    ) -> RuleId {
        let matches = |rule: &RuleId| {
            let Some(target) = self.target(*rule).filter(|target| target.name == name) else {
                return false;
            };
            target.key_spec == "*" || spec().is_none_or(|spec| target.covers(&spec))
        };
        self.ruleset(context)
            .into_iter()
            .find(|rule| matches(rule))
            .unwrap_or(context)
    }

    /// The rule under which a node that nothing led to stands: one that speaks of its version.
    pub fn for_node(
        &self,
        context: RuleId,
        name: Option<Name>,
        version: Option<&semver::Version>,
    ) -> RuleId {
        let speaks = |rule: &RuleId| {
            let Some(target) = self.target(*rule) else {
                return false;
            };
            let allows = |text: &str| {
                let range = Range::parse(text, Mode::Strict);
                let both = range.zip(version);
                both.is_some_and(|(range, version)| range.satisfies(version, Prerelease::Strict))
            };
            Some(target.name) == name && (allows(&target.key_spec) || allows(&target.value))
        };
        self.ruleset(context)
            .into_iter()
            .find(|rule| speaks(rule))
            .unwrap_or(context)
    }

    /// The more specific of two sets; else what both have in common; `None` when they disagree.
    pub fn more_specific(&self, first: RuleId, second: RuleId) -> Option<RuleId> {
        if self.ancestry(second).any(|rule| rule == first) {
            return Some(second);
        }
        if self.ancestry(first).any(|rule| rule == second) {
            return Some(first);
        }
        if self.disagree(first, second) {
            return None;
        }
        self.ancestry(second)
            .find(|rule| self.ancestry(first).any(|other| other == *rule))
    }

    /// Do two sets ask for versions of one package that cannot both be?
    fn disagree(&self, first: RuleId, second: RuleId) -> bool {
        let second_rules = self.ruleset(second);
        self.ruleset(first).into_iter().any(|one| {
            let key = self.key(one);
            let other = second_rules.iter().find(|rule| self.key(**rule) == key);
            other.is_some_and(|other| one != *other && self.values_clash(one, *other))
        })
    }

    fn values_clash(&self, one: RuleId, other: RuleId) -> bool {
        let (Some(one), Some(other)) = (self.target(one), self.target(other)) else {
            return false;
        };
        if one.value.starts_with('$') || other.value.starts_with('$') {
            return false;
        }
        let range = |value: &str| {
            let spec = Spec::parse("name", value, Path::new("/")).ok()?;
            match spec.kind {
                SpecKind::Range(_) | SpecKind::Version(_) => range_of(&spec),
                _ => None,
            }
        };
        match (range(&one.value), range(&other.value)) {
            (Some(one), Some(other)) => !one.intersects(&other),
            _ => false,
        }
    }
}

impl RuleTarget {
    /// Does an edge with this spec fall under the rule's key? Tags, files and URLs always do.
    fn covers(&self, spec: &Spec) -> bool {
        let spec = match &spec.kind {
            SpecKind::Alias { target, .. } => target,
            _ => spec,
        };
        let asked = match &spec.kind {
            SpecKind::Git(git) => match git.version_range() {
                Some(range) => Some(range),
                None => return false,
            },
            _ => range_of(spec),
        };
        match (asked, &self.key_range) {
            (Some(asked), Some(key)) => asked.intersects(key),
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}
