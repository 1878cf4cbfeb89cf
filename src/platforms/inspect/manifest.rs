//! What a package's own package.json says about platforms and installs.

use serde_json::{Map, Value};

use super::Files;
use crate::platforms::facts::Declared;

/// The events of an install, in their order.
pub const EVENTS: [&str; 3] = ["preinstall", "install", "postinstall"];

/// The members of the package.json; none where it is none. `None` when it cannot be read.
pub fn read(files: &dyn Files) -> Option<Map<String, Value>> {
    let list = files.list();
    let Some(at) = list.iter().position(|(path, _)| *path == "package.json") else {
        return Some(Map::new());
    };
    let bytes = files.read(at)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => Some(Map::new()),
    }
}

/// The scripts of an install, in the order in which they run.
pub fn scripts(manifest: &Map<String, Value>) -> Vec<(String, String)> {
    let scripts = manifest.get("scripts").and_then(Value::as_object);
    let script = |event: &str| {
        let text = scripts?.get(event)?.as_str()?;
        (!text.is_empty()).then(|| (event.to_owned(), text.to_owned()))
    };
    EVENTS.into_iter().filter_map(script).collect()
}

pub fn declared(manifest: &Map<String, Value>) -> Declared {
    Declared {
        os: words(manifest.get("os")),
        cpu: words(manifest.get("cpu")),
        libc: words(manifest.get("libc")),
    }
}

/// A word, or a list of them.
fn words(value: Option<&Value>) -> Vec<String> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let words = list.iter().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}
