//! Documents held against the JSON schemas in `fixtures/schemas`: as much of the language as they use.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// Claims that `document` is what `fixtures/schemas/NAME.json` describes.
#[track_caller]
pub fn assert_valid(name: &str, document: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schemas");
    let text = fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut flaws = Vec::new();
    check(&schema, &schema, document, "", &mut flaws);
    assert!(flaws.is_empty(), "{}\n{document:#}", flaws.join("\n"));
}

fn check(whole: &Value, schema: &Value, value: &Value, place: &str, flaws: &mut Vec<String>) {
    let Value::Object(keywords) = schema else {
        assert_eq!(schema, &Value::Bool(true), "a schema at {place}");
        return;
    };
    let start = flaws.len();
    for (keyword, wanted) in keywords {
        let holds = match keyword.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                let target = whole.pointer(pointer).unwrap();
                check(whole, target, value, place, flaws);
                true
            }
            "type" => is_one_of(wanted, value),
            "const" => wanted == value,
            "enum" => wanted.as_array().unwrap().contains(value),
            "minimum" => value.as_i64().is_none_or(|n| n >= wanted.as_i64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|list| list.len() as u64 >= wanted.as_u64().unwrap()),
            "uniqueItems" => value
                .as_array()
                .is_none_or(|list| (1..list.len()).all(|at| !list[..at].contains(&list[at]))),
            "pattern" => value
                .as_str()
                .is_none_or(|text| matches(wanted.as_str().unwrap(), text)),
            "required" => {
                let names = wanted.as_array().unwrap().iter();
                let mut names = names.map(|name| name.as_str().unwrap());
                value
                    .as_object()
                    .is_none_or(|map| names.all(|name| map.contains_key(name)))
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(whole, wanted, item, &format!("{place}/{at}"), flaws);
                }
                true
            }
            "properties" | "additionalProperties" => {
                members(whole, keywords, keyword, value, place, flaws)
            }
            other => panic!("the schema keyword `{other}` is not known here"),
        };
        if !holds {
            flaws.push(format!("{place}: {keyword} {wanted}"));
        }
    }
    // One flaw of a value is enough to find it.
    flaws.truncate(start + 5);
}

fn members(
    whole: &Value,
    keywords: &Map<String, Value>,
    keyword: &str,
    value: &Value,
    place: &str,
    flaws: &mut Vec<String>,
) -> bool {
    let known = keywords.get("properties").and_then(Value::as_object);
    let mut holds = true;
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{place}/{name}");
        let own = known.and_then(|known| known.get(name));
        match (own, keyword) {
            (Some(schema), "properties") => check(whole, schema, member, &place, flaws),
            (None, "additionalProperties") => match &keywords[keyword] {
                Value::Bool(allowed) => holds &= allowed,
                schema => check(whole, schema, member, &place, flaws),
            },
            _ => {}
        }
    }
    holds
}

fn is_one_of(wanted: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("the type `{other}` is not known here"),
    };
    match wanted {
        Value::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    }
}

/// Patterns of the form `^PREFIX[CLASS]+$` or `^PREFIX[CLASS]{N,M}$`, which is all that the schemas need.
fn matches(pattern: &str, text: &str) -> bool {
    let inside = pattern
        .strip_prefix('^')
        .and_then(|rest| rest.strip_suffix('$'));
    let (prefix, class) = inside.and_then(|inside| inside.split_once('[')).unwrap();
    let (class, count) = class.split_once(']').unwrap();
    let lengths: Vec<usize> = count
        .trim_matches(['{', '}'])
        .split('|')
        .filter_map(|length| length.parse().ok())
        .collect();
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    let class: Vec<char> = class.chars().collect();
    let in_class = |c: char| {
        let ranges = class.windows(3).filter(|range| range[1] == '-');
        let mut ranges = ranges.filter(|range| range[0] < range[2]);
        ranges.any(|range| (range[0]..=range[2]).contains(&c)) || class.contains(&c)
    };
    let long_enough = if lengths.is_empty() {
        !rest.is_empty()
    } else {
        lengths.contains(&rest.len())
    };
    long_enough && rest.chars().all(in_class)
}
