//! Manifests from the locks that are merged; others are asked for what those do not know.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::manifest::Manifest;
use crate::merge::Known;
use crate::name::PackageId;
use crate::resolve::{Contents, Fetched, LoadFailure, Source};
use crate::spec::{Spec, SpecKind};

pub struct LockedFirst<'a> {
    pub known: &'a Known,
    pub others: &'a dyn Source,
}

impl LockedFirst<'_> {
    fn locked(&self, name: &str, spec: &Spec) -> Option<Fetched> {
        let entry = match &spec.kind {
            SpecKind::Alias { name, target } => return self.locked(name.as_str(), target),
            SpecKind::Version(version) => self.known.version(name, &version.to_string()),
            SpecKind::Git(_) | SpecKind::Remote(_) => self.known.spec(name, &spec.raw),
            _ => None,
        };
        entry.map(fetched)
    }
}

impl Source for LockedFirst<'_> {
    /// Most is known, and what is not is asked for when it is wanted.
    fn prefetch(&self, _: &str, _: &Spec) {}

    fn manifest(&self, name: &str, spec: &Spec) -> Result<Fetched, LoadFailure> {
        match self.locked(name, spec) {
            Some(fetched) => Ok(fetched),
            None => self.others.manifest(name, spec),
        }
    }

    fn contents(
        &self,
        id: &PackageId,
        resolved: &str,
        integrity: Option<&str>,
    ) -> Result<Contents, LoadFailure> {
        self.others.contents(id, resolved, integrity)
    }
}

/// An entry repeats the manifest, as far as locks depend on it.
fn fetched(entry: &Map<String, Value>) -> Fetched {
    let text = |member: &str| entry.get(member).and_then(Value::as_str).map(Into::into);
    let mut manifest = entry.clone();
    for member in ["resolved", "integrity"] {
        manifest.shift_remove(member);
    }
    Fetched {
        manifest: Arc::new(Manifest::from_registry(Value::Object(manifest))),
        resolved: text("resolved"),
        integrity: text("integrity"),
    }
}
