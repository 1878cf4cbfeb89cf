//! Merges a lock that git left with conflict markers, as npm does.
//!
//! The text is three texts: ours, theirs, and their parent (empty where git was not told to show
//! it). What turned the parent into ours is done to theirs.
//! Source: `parse-conflict-json`. Lists are taken whole from ours where npm compares their items.

use serde_json::{Map, Value};

use crate::json::line_at;
use crate::json::{self, Document, JsonError};

/// The 1-based line of the first marker, when the text has all that make a conflict.
pub fn first_marker(bytes: &[u8]) -> Option<usize> {
    let find = |marker: &[u8]| memchr::memmem::find(bytes, marker);
    let (ours, _, _) = (find(b"<<<<<<<")?, find(b"=======")?, find(b">>>>>>>")?);
    Some(line_at(bytes, ours))
}

/// The merged lock.
pub fn merge(bytes: &[u8]) -> Result<Document, JsonError> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    let sides = Sides::split(&text);
    let parent = json::parse(sides.parent.as_bytes())?;
    let ours = json::parse(sides.ours.as_bytes())?;
    let mut theirs = json::parse(sides.theirs.as_bytes())?;
    if let (Value::Object(parent), Value::Object(ours), Value::Object(theirs)) =
        (&parent.value, &ours.value, &mut theirs.value)
    {
        apply(parent, ours, theirs);
    }
    Ok(theirs)
}

#[derive(Default)]
struct Sides {
    parent: String,
    ours: String,
    theirs: String,
}

#[derive(Clone, Copy)]
enum Part {
    Common,
    Ours,
    Parent,
    Theirs,
}

impl Sides {
    fn split(text: &str) -> Self {
        let mut sides = Self::default();
        let mut part = Part::Common;
        for line in text.split(['\n', '\r']) {
            match marker(line) {
                Some(next) => part = next,
                None => sides.push(part, line),
            }
        }
        sides
    }

    fn push(&mut self, part: Part, line: &str) {
        match part {
            Part::Ours => self.ours.push_str(line),
            Part::Theirs => self.theirs.push_str(line),
            Part::Parent => self.parent.push_str(line),
            Part::Common => {
                for side in [&mut self.ours, &mut self.theirs, &mut self.parent] {
                    side.push_str(line);
                }
            }
        }
    }
}

fn marker(line: &str) -> Option<Part> {
    if line.contains("|||||||") {
        Some(Part::Parent)
    } else if line.contains("<<<<<<<") {
        Some(Part::Ours)
    } else if line.contains("=======") {
        Some(Part::Theirs)
    } else if line.contains(">>>>>>>") {
        Some(Part::Common)
    } else {
        None
    }
}

/// Members of every JavaScript object; npm leaves changes to keys of these names out.
const BUILT_IN: [&str; 12] = [
    "constructor",
    "__defineGetter__",
    "__defineSetter__",
    "hasOwnProperty",
    "__lookupGetter__",
    "__lookupSetter__",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toString",
    "valueOf",
    "__proto__",
    "toLocaleString",
];

/// Does to `theirs` what made `ours` of `parent`.
fn apply(parent: &Map<String, Value>, ours: &Map<String, Value>, theirs: &mut Map<String, Value>) {
    let counts = |key: &&String| !BUILT_IN.contains(&key.as_str());
    for key in parent.keys().filter(counts) {
        if !ours.contains_key(key) {
            theirs.shift_remove(key);
        }
    }
    for key in ours.keys().filter(counts) {
        let (former, wanted) = (parent.get(key), &ours[key]);
        if former == Some(wanted) {
            continue;
        }
        match (former, wanted, theirs.get_mut(key)) {
            (Some(Value::Object(former)), Value::Object(wanted), Some(Value::Object(theirs))) => {
                apply(former, wanted, theirs);
            }
            (Some(Value::Object(former)), Value::Object(wanted), None) => {
                let mut changes = Map::new();
                apply(former, wanted, &mut changes);
                theirs.insert(key.clone(), changes.into());
            }
            _ => {
                theirs.insert(key.clone(), wanted.clone());
            }
        }
    }
}

/// What `merge` needs to see of a text: cheap when there is nothing to merge.
pub fn document(bytes: &[u8]) -> (Result<Document, JsonError>, bool) {
    match first_marker(bytes) {
        None => (json::parse(bytes), false),
        Some(_) => (merge(bytes), true),
    }
}
