//! Makes a failing case as small as it can be, and writes it down as a scenario file.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The smallest case found for which `fails` still holds, by leaving out one thing after another.
pub fn smallest(
    mut case: Map<String, Value>,
    mut fails: impl FnMut(&Map<String, Value>) -> bool,
) -> Map<String, Value> {
    loop {
        let mut smaller = false;
        let mut paths = Vec::new();
        collect(&case, &mut Vec::new(), &mut paths);
        // What contains much goes first.
        paths.sort_by_key(Vec::len);
        for path in paths {
            let mut candidate = Value::Object(case.clone());
            if remove(&mut candidate, &path)
                && let Value::Object(candidate) = candidate
                && fails(&candidate)
            {
                case = candidate;
                smaller = true;
            }
        }
        if !smaller {
            return case;
        }
    }
}

fn collect(fields: &Map<String, Value>, at: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    for (key, value) in fields {
        at.push(key.clone());
        paths.push(at.clone());
        match value {
            Value::Object(fields) => collect(fields, at, paths),
            Value::Array(items) => {
                for index in (0..items.len()).rev() {
                    at.push(index.to_string());
                    paths.push(at.clone());
                    at.pop();
                }
            }
            _ => {}
        }
        at.pop();
    }
}

fn remove(value: &mut Value, path: &[String]) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return false;
    };
    match value {
        Value::Object(fields) if rest.is_empty() => fields.shift_remove(key).is_some(),
        Value::Object(fields) => fields.get_mut(key).is_some_and(|value| remove(value, rest)),
        Value::Array(items) => {
            let index = key.parse().unwrap_or(items.len());
            index < items.len() && {
                items.remove(index);
                true
            }
        }
        _ => false,
    }
}

/// The case as the text of a scenario file.
pub fn toml(case: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (key, value) in case {
        let quoted = !matches!(key.as_str(), "root" | "then");
        match value {
            Value::Object(fields) => {
                for (below, value) in fields {
                    let below = if quoted {
                        inline(&Value::from(below.as_str()))
                    } else {
                        below.clone()
                    };
                    let _ = writeln!(text, "{key}.{below} = {}", inline(value));
                }
            }
            value => {
                let _ = writeln!(text, "{key} = {}", inline(value));
            }
        }
    }
    text
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let bare =
                |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let members: Vec<String> = fields
                .iter()
                .map(|(key, value)| {
                    let key = if bare(key) {
                        key.clone()
                    } else {
                        Value::from(key.as_str()).to_string()
                    };
                    format!("{key} = {}", inline(value))
                })
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
