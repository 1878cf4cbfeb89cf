//! The text of an `.npmrc`: lines to keys and values, `${VAR}` to what the environment says.

use std::collections::BTreeMap;

/// A key's value as its source has it; what type it is depends on who asks.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
}

/// Reads an ini text as npm's `ini` package does: `;` and `#` start comments, quotes are JSON's,
/// `key[] = v` collects a list, a bare `key` is `true`. Sections hold nothing that npm reads.
pub(super) fn parse(text: &str, env: &BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let mut in_section = false;
    for line in text.trim_start_matches('\u{feff}').split(['\r', '\n']) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with([';', '#']) {
            continue;
        }
        if line.starts_with('[') && trimmed.ends_with(']') {
            in_section = true;
        }
        if in_section {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some(("", _)) => continue,
            Some((key, value)) => (unquote(key), unquote(value)),
            None => (unquote(line), "true".to_owned()),
        };
        let value = expand(&value, env);
        let key = expand(&key, env);
        match key.strip_suffix("[]") {
            Some(list) if !list.is_empty() => append(&mut values, list, value),
            _ => store(&mut values, &key, value),
        }
    }
    values
}

/// A later `key = v` replaces an earlier one, but joins a list.
fn store(values: &mut BTreeMap<String, Value>, key: &str, value: String) {
    if let Some(Value::List(list)) = values.get_mut(key) {
        list.push(value);
    } else {
        values.insert(key.to_owned(), Value::Text(value));
    }
}

/// Adds to a list, which a former single value becomes the start of.
pub(super) fn append(values: &mut BTreeMap<String, Value>, key: &str, value: String) {
    let list = match values.remove(key) {
        None => vec![value],
        Some(Value::Text(first)) => vec![first, value],
        Some(Value::List(mut list)) => {
            list.push(value);
            list
        }
    };
    values.insert(key.to_owned(), Value::List(list));
}

fn unquote(text: &str) -> String {
    let text = text.trim();
    let quoted = |mark: char| text.len() > 1 && text.starts_with(mark) && text.ends_with(mark);
    if quoted('"') {
        return serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
    }
    if quoted('\'') {
        let inner = &text[1..text.len() - 1];
        return serde_json::from_str(inner).unwrap_or_else(|_| inner.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            ';' | '#' => break,
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ';' | '#')) => plain.push(escaped),
                Some(other) => plain.extend(['\\', other]),
                None => plain.push('\\'),
            },
            c => plain.push(c),
        }
    }
    plain.trim().to_owned()
}

/// Replaces `${VAR}`; an unset variable stays as written, `${VAR?}` is then empty, and a backslash
/// before the dollar sign keeps it literal (two are one backslash).
pub(super) fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        let Some((inner, tail)) = variable(&after[2..]) else {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &after[2..];
            continue;
        };
        let plain = before.trim_end_matches('\\');
        let slashes = before.len() - plain.len();
        expanded.push_str(plain);
        expanded.extend(std::iter::repeat_n('\\', slashes / 2));
        let written = &after[..after.len() - tail.len()];
        let (name, or_empty) = match inner.strip_suffix('?') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        match env.get(name) {
            _ if slashes % 2 == 1 => expanded.push_str(written),
            Some(value) => expanded.push_str(value),
            None if or_empty => {}
            None => expanded.push_str(written),
        }
        rest = tail;
    }
    expanded.push_str(rest);
    expanded
}

/// `NAME` or `NAME?` up to the closing brace, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let end = text.find('}')?;
    let inner = &text[..end];
    let name = inner.strip_suffix('?').unwrap_or(inner);
    let well_formed = !name.is_empty() && !name.contains(['$', '{', '?']);
    well_formed.then(|| (inner, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> BTreeMap<String, String> {
        BTreeMap::from([("A".to_owned(), "one".to_owned())])
    }

    #[test]
    fn variables_expand_as_npm_expands_them() {
        for (text, expanded) in [
            ("x-${A}-y", "x-one-y"),
            ("${B}", "${B}"),
            ("${B?}", ""),
            ("${A?}", "one"),
            ("\\${A}", "${A}"),
            ("\\\\${A}", "\\one"),
            ("${", "${"),
            ("${}${A}", "${}one"),
            ("$A ${A${A}", "$A ${Aone"),
        ] {
            assert_eq!(expand(text, &env()), expanded, "{text}");
        }
    }

    #[test]
    fn lines_become_values_as_in_npms_ini() {
        let text = "; no\n# no\nbare\na = 1 ; rest\n b=\"x;y\"\nc[]=1\r\nc[] = 2\nd=\\#5\ne='q'\n\
                    f=1\nf=2\n//h/:_authToken=${A}\n[section]\nhidden=1\n";
        let values = parse(text, &env());
        let text = |key: &str| match values.get(key) {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::List(list)) => list.join(","),
            None => "-".to_owned(),
        };
        let keys = [
            "bare",
            "a",
            "b",
            "c",
            "d",
            "e",
            "f",
            "//h/:_authToken",
            "hidden",
        ];
        let found: Vec<String> = keys.iter().map(|key| text(key)).collect();
        assert_eq!(
            found,
            ["true", "1", "x;y", "1,2", "#5", "q", "2", "one", "-"]
        );
    }
}
