//! Dependency specs, each text parsed once.

use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::spec::{Range, Spec, SpecError, SpecKind};

/// A spec's text. Equal texts are equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpecId(u32);

#[derive(Debug, Default)]
pub struct Specs {
    entries: Vec<Entry>,
    known: FxHashMap<Arc<str>, SpecId>,
}

#[derive(Debug)]
struct Entry {
    text: Arc<str>,
    /// As read from the root folder: right for all but paths, which depend on who asks.
    parsed: Result<Arc<Spec>, SpecError>,
    local: bool,
}

impl Specs {
    pub fn intern(&mut self, text: &str) -> SpecId {
        if let Some(id) = self.known.get(text) {
            return *id;
        }
        let id = SpecId(self.entries.len() as u32);
        let text: Arc<str> = text.into();
        let effective = if text.is_empty() { "*" } else { &text };
        // Any valid name: what the name is does not change the spec's kind.
        let parsed = Spec::parse("name", effective, Path::new("/")).map(Arc::new);
        let local = parsed.as_ref().is_ok_and(|spec| {
            matches!(
                spec.kind,
                SpecKind::File { .. } | SpecKind::Directory { .. }
            )
        });
        self.entries.push(Entry {
            text: text.clone(),
            parsed,
            local,
        });
        self.known.insert(text, id);
        id
    }

    pub fn text(&self, id: SpecId) -> &Arc<str> {
        &self.entries[id.0 as usize].text
    }

    /// The spec as `requestor_folder` means it; the folder is asked for only when it matters.
    pub fn parsed(
        &self,
        id: SpecId,
        requestor_folder: impl FnOnce() -> String,
    ) -> Result<Arc<Spec>, SpecError> {
        let entry = &self.entries[id.0 as usize];
        if !entry.local {
            return entry.parsed.clone();
        }
        Spec::parse("name", &entry.text, Path::new(&requestor_folder())).map(Arc::new)
    }

    /// The range or version a spec means, seen through an alias; `None` for other kinds.
    pub fn range(&self, id: SpecId) -> Option<Range> {
        let spec = self.entries[id.0 as usize].parsed.as_ref().ok()?;
        range_of(spec)
    }
}

/// The versions a registry spec allows, seen through an alias.
pub fn range_of(spec: &Spec) -> Option<Range> {
    match &spec.kind {
        SpecKind::Range(range) => Some(range.clone()),
        SpecKind::Version(version) => Range::parse(&version.to_string(), crate::spec::Mode::Loose),
        SpecKind::Alias { target, .. } => range_of(target),
        _ => None,
    }
}
