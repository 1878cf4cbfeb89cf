//! Finds changes to package.json that settle a peer conflict, by trying them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Source;
use super::error::{Dispute, ResolveError};
use crate::manifest::Manifest;
use crate::spec::Spec;

/// Resolutions tried for one conflict; packuments are there already, so each takes milliseconds.
const TRIES: usize = 16;
/// How many older versions of one direct dependency are looked at.
const STEPS: usize = 4;
/// One line for each kind of change.
const SHOWN: usize = 3;

/// Where a project says what it needs; the ones later in the list give way to the earlier ones.
const MAPS: [&str; 3] = ["devDependencies", "optionalDependencies", "dependencies"];

/// A change to package.json, in words, and the manifest after it.
struct Change {
    words: String,
    manifest: Manifest,
}

/// Up to three lines of advice, each of a change after which `resolves` holds.
pub fn advice(
    dispute: &Dispute,
    manifest: &Manifest,
    source: &dyn Source,
    mut resolves: impl FnMut(&Arc<Manifest>) -> Result<(), ResolveError>,
) -> Vec<String> {
    let kinds: [Vec<Change>; 3] = [
        ranges(dispute, manifest, source),
        overrides(dispute, manifest),
        removals(dispute, manifest),
    ];
    let mut tries = 0;
    let mut lines = Vec::new();
    for changes in kinds {
        for change in changes {
            tries += 1;
            if tries > TRIES {
                return lines;
            }
            if resolves(&Arc::new(change.manifest)).is_ok() {
                lines.push(change.words);
                break;
            }
        }
        if lines.len() == SHOWN {
            break;
        }
    }
    lines
}

/// Other ranges for the project's own dependencies that take part in the dispute.
fn ranges(dispute: &Dispute, manifest: &Manifest, source: &dyn Source) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut push =
        |name: &str, spec: &str| {
            changes.extend(asked(manifest, name).filter(|(_, now)| *now != spec).map(
                |(field, _)| Change {
                    words: format!("set \"{name}\" to \"{spec}\" in package.json"),
                    manifest: with(manifest, field, name, Some(json!(spec))),
                },
            ));
        };
    push(&dispute.name, &dispute.spec);
    for direct in &dispute.directs {
        for version in other_versions(direct, manifest, source) {
            push(direct, &format!("^{version}"));
        }
    }
    changes
}

/// The newest version of a package, then some that are older than the one asked for now.
fn other_versions(name: &str, manifest: &Manifest, source: &dyn Source) -> Vec<String> {
    let pick = |text: &str| {
        let spec = Spec::parse(name, text, "/".as_ref()).ok()?;
        let fetched = source.manifest(name, &spec).ok()?;
        Some(fetched.manifest.version()?.to_owned())
    };
    let now = asked(manifest, name).and_then(|(_, spec)| pick(spec));
    let newest = pick("*").filter(|newest| Some(newest) != now.as_ref());
    let mut versions: Vec<String> = newest.into_iter().collect();
    let mut below = now;
    for _ in 0..STEPS {
        below = below.and_then(|version| pick(&format!("<{version}")));
        versions.extend(below.clone());
    }
    versions
}

/// The version that others have, or the one asked for, for everybody.
fn overrides(dispute: &Dispute, manifest: &Manifest) -> Vec<Change> {
    let Dispute {
        name, spec, from, ..
    } = dispute;
    let own = asked(manifest, name).is_some();
    let mut candidates = Vec::new();
    if own {
        let nested = Map::from_iter([(name.clone(), json!(format!("${name}")))]);
        candidates.push((from.clone(), Value::Object(nested)));
        candidates.push((name.clone(), json!(format!("${name}"))));
    } else {
        candidates.extend(
            dispute
                .found
                .iter()
                .map(|found| (name.clone(), json!(found))),
        );
        candidates.push((name.clone(), json!(spec)));
    }
    let known = manifest.object("overrides");
    let free = |key: &String| known.is_none_or(|known| !known.contains_key(key));
    let candidates = candidates.into_iter().filter(|(key, _)| free(key));
    candidates
        .map(|(key, value)| Change {
            words: format!(
                "add \"overrides\": {} to package.json, if the packages work with that",
                json!({ &key: &value })
            ),
            manifest: with(manifest, "overrides", &key, Some(value)),
        })
        .collect()
}

fn removals(dispute: &Dispute, manifest: &Manifest) -> Vec<Change> {
    let removal = |name: &String| {
        let (field, _) = asked(manifest, name)?;
        Some(Change {
            words: format!("remove \"{name}\" from package.json"),
            manifest: with(manifest, field, name, None),
        })
    };
    dispute.directs.iter().filter_map(removal).collect()
}

/// The map in which the project asks for `name`, and the spec.
fn asked<'a>(manifest: &'a Manifest, name: &str) -> Option<(&'static str, &'a str)> {
    MAPS.iter()
        .find_map(|field| Some((*field, manifest.object(field)?.get(name)?.as_str()?)))
}

fn with(manifest: &Manifest, field: &str, name: &str, value: Option<Value>) -> Manifest {
    let mut manifest = manifest.clone();
    let fields = manifest.fields.entry(field).or_insert_with(|| json!({}));
    if let Value::Object(fields) = fields {
        match value {
            Some(value) => fields.insert(name.to_owned(), value),
            None => fields.shift_remove(name),
        };
    }
    manifest
}

impl Dispute {
    /// Direct dependencies in order, each once.
    pub fn with_directs(mut self, names: impl IntoIterator<Item = String>) -> Self {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let names = names.into_iter().filter(|name| seen.insert(name.clone()));
        self.directs = names.collect();
        self
    }
}
