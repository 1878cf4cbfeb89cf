//! JSON text with its indentation and newlines, written back as npm writes it.

mod strict;

use serde_json::{Map, Number, Value};

use crate::collate;

pub use strict::{Ambiguity, Matters, first_ambiguity};

/// A parsed text with the formatting that npm carries over to what it writes.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// Object keys in JavaScript's property order: canonical array indices first, ascending.
    pub value: Value,
    /// The white space after the first line break: one level of indentation. May be empty.
    pub indent: String,
    /// The run of line breaks after the opening bracket: `\n`, `\r\n`, or several. May be empty.
    pub newline: String,
}

/// Why a text is not JSON.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("line {line}, column {column}: {message}")]
#[diagnostic(code(EJSONPARSE))]
pub struct JsonError {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// Parses JSON as npm reads it: a byte-order mark is dropped, the last of two equal keys wins (at
/// the first one's place), bytes that are not UTF-8 become U+FFFD.
///
/// - Errors: what `JSON.parse` refuses, and besides lone surrogates, numbers beyond a double and
///   texts nested deeper than 127 levels.
/// - Source: `json-parse-even-better-errors`.
pub fn parse(bytes: &[u8]) -> Result<Document, JsonError> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    let mut value: Value = serde_json::from_str(&text).map_err(|error| describe(&error))?;
    put_indices_first(&mut value);
    let (indent, newline) = match value {
        Value::Object(_) | Value::Array(_) => formatting(&text),
        _ => ("", ""),
    };
    Ok(Document {
        value,
        indent: indent.to_owned(),
        newline: newline.to_owned(),
    })
}

fn describe(error: &serde_json::Error) -> JsonError {
    let mut message = error.to_string();
    if let Some(place) = message.rfind(" at line ") {
        message.truncate(place);
    }
    if message == "recursion limit exceeded" {
        "nested deeper than 127 levels".clone_into(&mut message);
    }
    JsonError {
        line: error.line(),
        column: error.column(),
        message,
    }
}

/// One level of indentation and the run of line breaks, as npm captures them; see [`Document`].
fn formatting(text: &str) -> (&str, &str) {
    if let Some(rest) = text.strip_prefix("{}").or_else(|| text.strip_prefix("[]")) {
        let breaks = line_breaks(rest);
        if breaks.len() == rest.len() {
            return ("  ", if breaks.is_empty() { "\n" } else { breaks });
        }
    }
    // The text is JSON, so the first character that is no white space is the bracket.
    let inside = text.trim_start().get(1..).unwrap_or_default();
    let newline = line_breaks(inside);
    if newline.is_empty() {
        return ("", "");
    }
    let rest = &inside[newline.len()..];
    (&rest[..rest.len() - rest.trim_start().len()], newline)
}

/// The leading run of `\n` and `\r\n`.
fn line_breaks(text: &str) -> &str {
    let mut rest = text;
    while let Some(next) = rest
        .strip_prefix('\n')
        .or_else(|| rest.strip_prefix("\r\n"))
    {
        rest = next;
    }
    &text[..text.len() - rest.len()]
}

/// The number that a key stands for in JavaScript's property order: `"0"` to `"4294967294"`.
pub fn array_index(key: &str) -> Option<u32> {
    let first = *key.as_bytes().first()?;
    if !first.is_ascii_digit() || key.len() > 10 || (first == b'0' && key.len() > 1) {
        return None;
    }
    if !key.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    key.parse().ok().filter(|index| *index != u32::MAX)
}

/// Brings every object's keys into JavaScript's property order.
fn put_indices_first(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(put_indices_first);
            if map.keys().any(|key| array_index(key).is_some()) {
                let mut members: Vec<_> = std::mem::take(map).into_iter().collect();
                members.sort_by_key(|(key, _)| index_rank(key));
                *map = members.into_iter().collect();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(put_indices_first),
        _ => {}
    }
}

/// Sorts array indices to the front, and leaves a stable sort to keep the rest in order.
fn index_rank(key: &str) -> u32 {
    array_index(key).unwrap_or(u32::MAX)
}

/// The keys npm puts before all others, wherever they occur.
const PREFERRED: [&str; 8] = [
    "name",
    "version",
    "lockfileVersion",
    "resolved",
    "integrity",
    "requires",
    "packages",
    "dependencies",
];

/// npm's text of `value` (`json-stringify-nice`): sorted, indented by `indent`, `newline` at each
/// line's end and after the last.
///
/// An empty `indent` stands for two spaces (only the first 10 characters count, as in JavaScript),
/// an empty `newline` for `\n`.
pub fn stringify_nice(value: &Value, indent: &str, newline: &str) -> String {
    let indent = if indent.is_empty() { "  " } else { indent };
    let newline = if newline.is_empty() { "\n" } else { newline };
    write(value, &Layout::new(indent, newline, true), true)
}

/// Sorted as [`stringify_nice`] does, without any white space (npm's `format-package-lock=false`).
pub fn stringify_nice_compact(value: &Value) -> String {
    write(value, &Layout::new("", "", true), false)
}

/// `JSON.stringify(value, null, indent)` and a line break, as npm writes `package.json`: members
/// in their own order, and an empty `indent` or `newline` means none at all.
pub fn stringify_plain(value: &Value, indent: &str, newline: &str) -> String {
    write(value, &Layout::new(indent, newline, false), true)
}

struct Layout<'a> {
    indent: String,
    newline: &'a str,
    nice: bool,
}

impl<'a> Layout<'a> {
    fn new(indent: &str, newline: &'a str, nice: bool) -> Self {
        let indent: String = indent.chars().take(10).collect();
        Self {
            indent: indent.replace('\n', newline),
            newline,
            nice,
        }
    }
}

fn write(value: &Value, layout: &Layout, trailing_newline: bool) -> String {
    let mut writer = Writer {
        out: String::with_capacity(4096),
        layout,
        depth: 0,
    };
    writer.value(value);
    if trailing_newline {
        writer.out.push_str(layout.newline);
    }
    writer.out
}

struct Writer<'a> {
    out: String,
    layout: &'a Layout<'a>,
    depth: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.out.push_str("null"),
            Value::Bool(true) => self.out.push_str("true"),
            Value::Bool(false) => self.out.push_str("false"),
            Value::Number(number) => self.number(number),
            Value::String(text) => quote(&mut self.out, text),
            Value::Array(list) => self.list(list),
            Value::Object(map) => self.object(map),
        }
    }

    fn list(&mut self, list: &[Value]) {
        if list.is_empty() {
            return self.out.push_str("[]");
        }
        self.out.push('[');
        self.depth += 1;
        for (place, value) in list.iter().enumerate() {
            self.separate(place);
            self.value(value);
        }
        self.depth -= 1;
        self.break_line();
        self.out.push(']');
    }

    fn object(&mut self, map: &Map<String, Value>) {
        let members = if self.layout.nice {
            nice_order(map)
        } else {
            own_order(map)
        };
        if members.is_empty() {
            return self.out.push_str("{}");
        }
        self.out.push('{');
        self.depth += 1;
        for (place, (key, value)) in members.into_iter().enumerate() {
            self.separate(place);
            quote(&mut self.out, key);
            let colon = if self.layout.indent.is_empty() {
                ":"
            } else {
                ": "
            };
            self.out.push_str(colon);
            self.value(value);
        }
        self.depth -= 1;
        self.break_line();
        self.out.push('}');
    }

    fn separate(&mut self, place: usize) {
        if place > 0 {
            self.out.push(',');
        }
        self.break_line();
    }

    fn break_line(&mut self) {
        if self.layout.indent.is_empty() {
            return;
        }
        self.out.push_str(self.layout.newline);
        for _ in 0..self.depth {
            self.out.push_str(&self.layout.indent);
        }
    }

    /// A number as JavaScript prints the double it becomes.
    fn number(&mut self, number: &Number) {
        const EXACT: u64 = 1 << 53;
        match number.as_i64() {
            Some(whole) if whole.unsigned_abs() <= EXACT => {
                self.out.push_str(&whole.to_string());
            }
            _ => push_double(&mut self.out, number.as_f64().unwrap_or(f64::NAN)),
        }
    }
}

type Members<'a> = Vec<(&'a String, &'a Value)>;

fn own_order(map: &Map<String, Value>) -> Members<'_> {
    let mut members: Members = map.iter().collect();
    members.sort_by_key(|(key, _)| index_rank(key));
    members
}

/// Scalars and arrays before objects; preferred keys, then the collator's order; and, since npm
/// builds a JavaScript object of it, array indices before all and no `__proto__`.
fn nice_order(map: &Map<String, Value>) -> Members<'_> {
    let mut ranked: Vec<_> = map
        .iter()
        .filter(|(key, _)| *key != "__proto__")
        .map(|(key, value)| ((value.is_object(), preference(key)), key, value))
        .collect();
    ranked.sort_by(|(left_rank, left, _), (right_rank, right, _)| {
        left_rank
            .cmp(right_rank)
            .then_with(|| collate::compare(left, right))
    });
    if ranked.iter().any(|(_, key, _)| array_index(key).is_some()) {
        ranked.sort_by_key(|(_, key, _)| index_rank(key));
    }
    ranked
        .into_iter()
        .map(|(_, key, value)| (key, value))
        .collect()
}

fn preference(key: &str) -> usize {
    PREFERRED
        .iter()
        .position(|preferred| *preferred == key)
        .unwrap_or(PREFERRED.len())
}

/// Appends `text` as a JSON string with JavaScript's escapes: `"`, `\`, control characters.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    let mut written = 0;
    for (place, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[written..place]);
        written = place + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0a => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            0x0d => out.push_str("\\r"),
            _ => {
                let _ = std::fmt::Write::write_fmt(out, format_args!("\\u{byte:04x}"));
            }
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
}

/// ECMAScript's `Number::toString`: shortest digits, plain between 1e-7 and 1e21.
fn push_double(out: &mut String, number: f64) {
    if !number.is_finite() {
        return out.push_str("null");
    }
    if number == 0.0 {
        return out.push('0');
    }
    if number < 0.0 {
        out.push('-');
    }
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let point = exponent.parse::<i32>().unwrap_or(0) + 1; // digits before the decimal point
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |amount: i32| "0".repeat(usize::try_from(amount).unwrap_or(0));
    match point {
        1..=21 if count <= point => {
            out.push_str(&digits);
            out.push_str(&zeros(point - count));
        }
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
        -5..=0 => {
            out.push_str("0.");
            out.push_str(&zeros(-point));
            out.push_str(&digits);
        }
        _ => {
            let sign = if point > 0 { '+' } else { '-' };
            let exponent = (point - 1).unsigned_abs();
            let _ = std::fmt::Write::write_fmt(out, format_args!("{mantissa}e{sign}{exponent}"));
        }
    }
}

/// Where, from `from` on, `key` is first written as a member's name.
pub fn place_of(text: &[u8], key: &str, from: usize) -> Option<usize> {
    let quoted = serde_json::to_string(key).ok()?;
    let finder = memchr::memmem::Finder::new(&quoted);
    let places = finder.find_iter(&text[from..]).map(|place| from + place);
    let is_name = |place: &usize| {
        let after = &text[place + quoted.len()..];
        after.trim_ascii_start().first() == Some(&b':')
    };
    places.into_iter().find(is_name)
}

/// The 1-based line of a byte.
pub fn line_at(text: &[u8], place: usize) -> usize {
    memchr::memchr_iter(b'\n', &text[..place]).count() + 1
}

/// JavaScript's truth of a value.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// What a value is, in words for an error.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(text: &str) -> Document {
        parse(text.as_bytes()).unwrap()
    }

    fn format_of(text: &str) -> (String, String) {
        let document = parsed(text);
        (document.indent, document.newline)
    }

    fn compact(text: &str) -> String {
        stringify_plain(&parsed(text).value, "", "")
    }

    #[test]
    fn formatting_is_what_follows_the_bracket_at_once() {
        let pair = |indent: &str, newline: &str| (indent.to_owned(), newline.to_owned());
        assert_eq!(format_of("{\n\t\"a\":1}"), pair("\t", "\n"));
        assert_eq!(format_of("{\r\n    \"a\":1}"), pair("    ", "\r\n"));
        assert_eq!(format_of(" \n[\n\n 1]"), pair(" ", "\n\n"));
        assert_eq!(format_of("{ \n  \"a\":1}"), pair("", ""));
        assert_eq!(format_of("{\"a\":1}"), pair("", ""));
        assert_eq!(format_of("{\n\"a\":1}"), pair("", "\n"));
        assert_eq!(format_of("{\r \"a\":1}"), pair("", ""));
        assert_eq!(format_of("{}"), pair("  ", "\n"));
        assert_eq!(format_of("[]\r\n\r\n"), pair("  ", "\r\n\r\n"));
        assert_eq!(format_of("{} "), pair("", ""));
        assert_eq!(format_of("{\n}"), pair("", "\n"));
    }

    #[test]
    fn a_byte_order_mark_is_dropped_once() {
        assert_eq!(parsed("\u{feff}{}").value, json!({}));
        assert!(parse("\u{feff}\u{feff}{}".as_bytes()).is_err());
    }

    #[test]
    fn the_last_of_equal_keys_wins_at_the_first_ones_place() {
        assert_eq!(compact(r#"{"a":1,"b":2,"a":3}"#), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn array_indices_lead_in_numeric_order() {
        assert_eq!(
            compact(r#"{"b":[{"x":0,"3":1}],"10":1,"9":2,"01":3,"4294967295":4,"4294967294":5}"#),
            r#"{"9":2,"10":1,"4294967294":5,"b":[{"3":1,"x":0}],"01":3,"4294967295":4}"#
        );
    }

    #[test]
    fn errors_tell_line_and_column() {
        let error = parse(b"{\n  \"a\": 1,\n}").unwrap_err();
        assert_eq!((error.line, error.column), (3, 1));
        assert!(!error.message.contains("line"), "{error}");
        let deep = "[".repeat(5000);
        let error = parse(deep.as_bytes()).unwrap_err();
        assert!(error.message.contains("nested deeper"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_utf8_become_replacement_characters() {
        let document = parse(b"{\"author\":\"Ren\xe9\"}").unwrap();
        assert_eq!(document.value, json!({"author": "Ren\u{fffd}"}));
    }

    #[test]
    fn nice_text_sorts_scalars_preferred_keys_and_the_rest() {
        let value = json!({
            "packages": {}, "z": [{"b": {}, "a": 1}], "dependencies": {"version": "1", "b": "1", "B": "1", "a": "1"},
            "1": {}, "name": "x", "lockfileVersion": 3, "requires": true, "_": null, "__proto__": 1
        });
        assert_eq!(
            stringify_nice_compact(&value),
            concat!(
                r#"{"1":{},"name":"x","lockfileVersion":3,"requires":true,"_":null,"#,
                r#""z":[{"a":1,"b":{}}],"packages":{},"#,
                r#""dependencies":{"version":"1","a":"1","b":"1","B":"1"}}"#
            )
        );
    }

    #[test]
    fn nice_text_is_indented_with_at_most_ten_characters() {
        let value = json!({"a": [], "b": {"c": [1]}});
        assert_eq!(
            stringify_nice(&value, "", ""),
            "{\n  \"a\": [],\n  \"b\": {\n    \"c\": [\n      1\n    ]\n  }\n}\n"
        );
        assert_eq!(
            stringify_nice(&json!({"a": 1}), &" ".repeat(12), "\r\n"),
            format!("{{\r\n{}\"a\": 1\r\n}}\r\n", " ".repeat(10))
        );
    }

    #[test]
    fn plain_text_of_an_unformatted_manifest_stays_on_one_line() {
        assert_eq!(
            stringify_plain(&json!({"b": 1, "a": 2}), "", ""),
            r#"{"b":1,"a":2}"#
        );
        assert_eq!(
            stringify_plain(&json!({"b": 1}), "\t", "\n"),
            "{\n\t\"b\": 1\n}\n"
        );
    }

    #[test]
    fn only_quotes_backslashes_and_controls_are_escaped() {
        assert_eq!(
            stringify_plain(
                &json!("\"\\/\u{8}\t\n\u{c}\r\u{1f}\u{7f}\u{2028}<é"),
                "",
                ""
            ),
            "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u001f\u{7f}\u{2028}<é\""
        );
    }

    #[test]
    fn numbers_are_printed_as_javascript_does() {
        for (text, printed) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("1e21", "1e+21"),
            ("123456789012345680000", "123456789012345680000"),
            ("12345678901234567890", "12345678901234567000"),
            ("0.000001", "0.000001"),
            ("1.5e-7", "1.5e-7"),
            ("-12.50", "-12.5"),
            ("9007199254740993", "9007199254740992"),
        ] {
            assert_eq!(compact(text), printed);
        }
    }
}
