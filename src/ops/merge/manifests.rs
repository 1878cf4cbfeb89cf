//! `merge` of a package.json: as git does it, and where that conflicts member by member.

use serde_json::{Map, Value};

use super::{MergeOutcome, MergeRequest, Method, SideError, git, one_sided};
use crate::json::{self, Document};
use crate::merge::markers;
use crate::merge::{Stand, Three};

/// Merges manifests; nothing is written.
///
/// Shape: where git's own merge is clean, that; else ours, with the members that theirs changed, in
/// the form of ours. Only members that both changed in different ways are between markers.
pub fn merge_manifests(request: &MergeRequest) -> Result<MergeOutcome, SideError> {
    if let Some(outcome) = one_sided(request) {
        return Ok(outcome);
    }
    let outcome = |text: String, method| MergeOutcome {
        text,
        disputes: Vec::new(),
        method,
        new: Vec::new(),
        warnings: Vec::new(),
    };
    if let Some((text, false)) = git::merge_texts(request)
        && json::parse(&text).is_ok()
        && let Ok(text) = String::from_utf8(text)
    {
        return Ok(outcome(text, Method::Text));
    }
    let file = request.path.to_string_lossy();
    let read = |bytes: &[u8], side| {
        if bytes.is_empty() {
            return Ok(Document::default());
        }
        json::parse(bytes).map_err(|source| SideError::Json {
            file: file.clone().into_owned(),
            side,
            source,
        })
    };
    let base = read(&request.base, "the ancestor")?;
    let ours = read(&request.ours, "ours")?;
    let theirs = read(&request.theirs, "theirs")?;
    let merged = |stand| {
        let mut three = Three::new(stand);
        let [base, ours, theirs] = [&base, &ours, &theirs].map(members);
        let value = Value::Object(three.objects(&[&file], &base, &ours, &theirs));
        let text = json::stringify_plain(&value, &document_indent(&request.ours), "\n");
        (text, three.disputes)
    };
    let (text, disputes) = merged(Stand::Ours);
    let text = if disputes.is_empty() {
        text
    } else {
        let (base, theirs) = (merged(Stand::Base).0, merged(Stand::Theirs).0);
        markers::conflict(&base, &text, &theirs, &request.labels, |_| true)
    };
    Ok(MergeOutcome {
        disputes,
        ..outcome(as_written(&text, &request.ours), Method::Members)
    })
}

fn members(document: &Document) -> Map<String, Value> {
    document.value.as_object().cloned().unwrap_or_default()
}

fn document_indent(bytes: &[u8]) -> String {
    let indent = json::parse(bytes).map(|document| document.indent);
    indent
        .ok()
        .filter(|indent| !indent.is_empty())
        .unwrap_or_else(|| "  ".to_owned())
}

/// With the line breaks of the file it replaces.
fn as_written(text: &str, former: &[u8]) -> String {
    let text = if former.ends_with(b"\n") {
        text
    } else {
        text.trim_end_matches('\n')
    };
    if memchr::memmem::find(former, b"\r\n").is_some() {
        text.replace('\n', "\r\n")
    } else {
        text.to_owned()
    }
}
