//! JSON text with its indentation and newlines, written back as npm writes it.

use serde_json::Value;

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

/// Parses JSON as npm reads it: a byte-order mark is dropped, the last of two equal keys wins.
pub fn parse(_bytes: &[u8]) -> Result<Document, JsonError> {
    todo!()
}

/// npm's text of `value` (`json-stringify-nice`): sorted, indented by `indent`, `newline` at each
/// line's end and after the last.
pub fn stringify_nice(_value: &Value, _indent: &str, _newline: &str) -> String {
    todo!()
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
