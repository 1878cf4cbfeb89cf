//! What a project's `.npmrc` may not do: whoever opens a checkout has not read that file.

use std::collections::BTreeMap;

use super::ini::{self, Value};
use super::{ConfigError, Layer, Source};

/// Keys that name programs, folders or trust, which are the machine's or the user's to choose; npm
/// takes all of them from a project.
///
/// Source: threats.md rows 94 to 96. Those that heatseal has no use for are named all the same.
const THEIRS: [&str; 22] = [
    "ca",
    "cafile",
    "cache",
    "cache-dir",
    "editor",
    "git",
    "globalconfig",
    "init-module",
    "local-address",
    "logs-dir",
    "node-gyp",
    "onload-script",
    "prefix",
    "script-shell",
    "shell",
    "state-dir",
    "store",
    "store-dir",
    "tmp",
    "userconfig",
    "viewer",
    "virtual-store-dir",
];

/// A project's file, and the keys in it that are not used, each once and in order.
///
/// - `${VAR}` is replaced in credentials alone (`//host/:_authToken=${TOKEN}`): elsewhere it would
///   carry a secret into addresses, and such a key is not used.
/// - Errors: a `registry` with a variable. Without it another registry would be asked for what may
///   be private names.
pub(super) fn read(
    text: &str,
    env: &BTreeMap<String, String>,
) -> Result<(Layer, Vec<String>), ConfigError> {
    let (written, expanded) = (ini::parse(text, &BTreeMap::new()), ini::parse(text, env));
    let mut values = BTreeMap::new();
    let mut unused = Vec::new();
    for (key, value) in written {
        let is_credential = key.starts_with("//");
        // A key is read as it is written; one with a variable in it means something else to npm.
        let same = expanded.get(&key) == Some(&value);
        if is_registry(&key) && !same {
            return Err(ConfigError::Variable { key });
        }
        if is_theirs(&key, &value) || (!is_credential && !same) {
            unused.push(key);
        } else if is_credential {
            let value = expanded.get(&key).cloned().unwrap_or(value);
            values.insert(key, value);
        } else {
            values.insert(key, value);
        }
    }
    let source = Source::Project;
    Ok((Layer { source, values }, unused))
}

fn is_registry(key: &str) -> bool {
    key == "registry" || (key.starts_with('@') && key.ends_with(":registry"))
}

fn is_theirs(key: &str, value: &Value) -> bool {
    let loosens = |text: &String| !matches!(text.as_str(), "true" | "");
    match key {
        // More trust than before is not the project's to give; less is.
        "strict-ssl" => match value {
            Value::Text(text) => loosens(text),
            Value::List(list) => list.iter().any(loosens),
        },
        _ if key.starts_with("//") => key.to_ascii_lowercase().ends_with(":tokenhelper"),
        _ => THEIRS.contains(&key),
    }
}
