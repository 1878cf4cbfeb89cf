//! What of a manifest steers an install, in a form in which two manifests can be compared.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::Manifest;
use crate::json;

/// The fields that decide what else is installed, what is linked, run, or left out.
///
/// - Shape: member (`dependencies.left`, `bin.cli`, `os`) to value; scripts are `install script`.
/// - Source: threats.md rows 42, 52, 53, 65.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<String, String>);

/// One claim that two manifests do not share; `None` where a side lacks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub member: String,
    pub locked: Option<String>,
    pub packed: Option<String>,
}

const SCRIPT: &str = "install script";

impl Claims {
    /// The claims of a normalised manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let mut claims = BTreeMap::new();
        for field in ["dependencies", "optionalDependencies", "peerDependencies"] {
            for (name, range) in manifest.object(field).into_iter().flatten() {
                if let Some(range) = range.as_str() {
                    claims.insert(format!("{field}.{name}"), range.trim().to_owned());
                }
            }
        }
        for (name, path) in manifest.bins() {
            let path = path.trim_end_matches('/');
            claims.insert(format!("bin.{name}"), path.to_owned());
        }
        for field in ["os", "cpu", "libc"] {
            if let Some(list) = listed(manifest.fields.get(field)) {
                claims.insert(field.to_owned(), list);
            }
        }
        if manifest.has_install_script() {
            claims.insert(SCRIPT.to_owned(), "yes".to_owned());
        }
        Self(claims)
    }

    /// A digest: equal claims, equal digests.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for (member, value) in &self.0 {
            for text in [member, value] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        *hasher.finalize().as_bytes()
    }

    /// The first claim in which a lock's entry and the package itself (`packed`) differ.
    ///
    /// A script that only the lock announces does no harm: nothing is there to run.
    pub fn difference_from(&self, packed: &Self) -> Option<Difference> {
        let members = self.0.keys().chain(packed.0.keys());
        let differences = members.filter_map(|member| {
            let (locked, packed) = (self.0.get(member), packed.0.get(member));
            let harmless = member == SCRIPT && packed.is_none();
            (locked != packed && !harmless).then(|| Difference {
                member: member.clone(),
                locked: locked.cloned(),
                packed: packed.cloned(),
            })
        });
        differences.min_by(|a, b| a.member.cmp(&b.member))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| text.chars().take(60).collect::<String>();
        let side = |side: &Option<String>| match side {
            Some(text) => format!("{:?}", short(text)),
            None => "nothing".to_owned(),
        };
        let (packed, locked) = (side(&self.packed), side(&self.locked));
        let member = short(&self.member);
        write!(f, "{member:?} is {packed} in its package.json and {locked}")
    }
}

/// `os` and the like: a word or a list of words, whose order says nothing.
fn listed(value: Option<&Value>) -> Option<String> {
    let value = value.filter(|value| json::truthy(value))?;
    let mut words: Vec<&str> = match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    words.sort_unstable();
    words.dedup();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A name of a command, or `@scope/name`, of which npm takes the second part.
pub fn is_plain_name(name: &str) -> bool {
    let name = match name.strip_prefix('@').and_then(|rest| rest.split_once('/')) {
        Some(("" | "." | "..", _)) => return false,
        Some((_, name)) => name,
        None => name,
    };
    let name = name.strip_prefix("./").unwrap_or(name);
    !matches!(name, "" | "." | "..")
        && !name.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control())
}

/// A path that stays below its package whoever reads it.
pub fn is_plain_path(path: &str) -> bool {
    !path.starts_with('/')
        && !path.contains(|c: char| matches!(c, '\\' | ':') || c.is_control())
        && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(fields: Value) -> Claims {
        Claims::of(&Manifest::from_registry(fields))
    }

    #[test]
    fn what_is_written_differently_and_means_the_same_is_no_difference() {
        let one = claims(json!({
            "dependencies": {"a": "^1", "b": " 2 "}, "bin": {"x": "./x.js"}, "os": ["linux", "darwin"],
            "hasInstallScript": true,
        }));
        let other = claims(json!({
            "os": ["darwin", "linux"], "bin": {"x": "x.js"}, "dependencies": {"b": "2", "a": "^1"},
            "scripts": {"install": "make", "test": "x"}, "cpu": [],
        }));
        assert_eq!(one.difference_from(&other), None);
        assert_eq!(one.digest(), other.digest());
    }

    #[test]
    fn each_field_that_steers_an_install_counts() {
        let plain = claims(json!({}));
        for fields in [
            json!({"dependencies": {"a": "1"}}),
            json!({"optionalDependencies": {"a": "1"}}),
            json!({"peerDependencies": {"a": "1"}}),
            json!({"bin": {"a": "a.js"}}),
            json!({"os": "linux"}),
            json!({"cpu": ["x64"]}),
            json!({"libc": ["musl"]}),
            json!({"scripts": {"postinstall": "x"}}),
        ] {
            let more = claims(fields.clone());
            assert!(plain.difference_from(&more).is_some(), "{fields}");
            assert_ne!(plain.digest(), more.digest(), "{fields}");
        }
    }

    #[test]
    fn a_script_that_only_the_lock_announces_is_harmless() {
        let announced = claims(json!({"hasInstallScript": true}));
        assert_eq!(announced.difference_from(&claims(json!({}))), None);
    }
}
