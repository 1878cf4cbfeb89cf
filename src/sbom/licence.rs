//! What a package says of its licence: an SPDX expression, or a name that is none.

use serde_json::Value;
use spdx::{Expression, ParseMode};

use crate::manifest::Manifest;

/// npm's own tools take identifiers that SPDX has deprecated; many packages have them.
const MODE: ParseMode = ParseMode {
    allow_deprecated: true,
    ..ParseMode::STRICT
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Licence {
    /// One identifier of SPDX's list.
    Id(String),
    Expression(String),
    /// Anything else, such as `SEE LICENSE IN LICENSE.md`.
    Name(String),
}

impl Licence {
    /// `license`, or the `licenses` of old packages.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let one = manifest.fields.get("license").and_then(text);
        let many = || {
            let list = manifest.fields.get("licenses")?.as_array()?;
            let texts: Vec<String> = list.iter().filter_map(text).collect();
            (!texts.is_empty()).then(|| texts.join(" OR "))
        };
        Some(Self::parse(&one.or_else(many)?))
    }

    fn parse(text: &str) -> Self {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match Expression::parse_mode(&text, MODE) {
            Ok(_) if spdx::license_id(&text).is_some_and(|id| id.name == text) => Self::Id(text),
            Ok(_) => Self::Expression(text),
            Err(_) => Self::Name(text),
        }
    }
}

/// A licence as text or as an object's `type`; a list of them as alternatives.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim())
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
        Value::Object(map) => map.get("type").or_else(|| map.get("name")).and_then(text),
        Value::Array(list) => {
            let texts: Vec<String> = list.iter().filter_map(text).collect();
            (!texts.is_empty()).then(|| texts.join(" OR "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(fields: Value) -> Option<Licence> {
        Licence::of(&Manifest::from_registry(fields))
    }

    #[test]
    fn identifiers_expressions_and_other_texts_are_told_apart() {
        let id = |text: &str| Some(Licence::Id(text.to_owned()));
        assert_eq!(of(json!({"license": "MIT"})), id("MIT"));
        assert_eq!(of(json!({"license": "GPL-2.0"})), id("GPL-2.0"));
        assert_eq!(of(json!({"license": {"type": "ISC"}})), id("ISC"));
        for expression in [
            "(MIT OR Apache-2.0)",
            "GPL-3.0-or-later WITH Classpath-exception-2.0",
            "Apache-2.0 AND LicenseRef-own",
        ] {
            let found = of(json!({"license": expression}));
            assert_eq!(found, Some(Licence::Expression(expression.to_owned())));
        }
        for name in ["SEE LICENSE IN x.md", "UNLICENSED", "BSD", "MIT/X11"] {
            let found = of(json!({"license": name}));
            assert_eq!(found, Some(Licence::Name(name.to_owned())));
        }
        let old = of(json!({"licenses": [{"type": "MIT"}, {"type": "BSD-2-Clause"}]}));
        assert_eq!(
            old,
            Some(Licence::Expression("MIT OR BSD-2-Clause".to_owned()))
        );
        assert_eq!(of(json!({"license": ""})), None);
    }
}
