//! The fields of a version that locks and installs need; the rest is never parsed or kept.

use std::ops::Range;

use serde_json::{Map, Value};

use super::scan::{Members, key_text};
use crate::json;
use crate::manifest::Manifest;

/// A kept field, by its place in [`NAMES`].
pub(super) type Field = u8;

/// Kept fields of a manifest. The place of each is part of the cache format.
const NAMES: [&str; 24] = [
    "name",
    "version",
    "dependencies",
    "optionalDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "bundleDependencies",
    "bundledDependencies",
    "acceptDependencies",
    "bin",
    "directories",
    "engines",
    "os",
    "cpu",
    "libc",
    "license",
    "licenses",
    "funding",
    "deprecated",
    "_hasShrinkwrap",
    "hasInstallScript",
    "gypfile",
    "dist",
    "scripts",
];

const DIST: Field = 22;
const SCRIPTS: Field = 23;
const DIRECTORIES: Field = 10;
/// Stands for `"hasInstallScript": true`, found in `scripts`; has no text of its own.
const SCRIPTED: Field = 32;
const TARBALL: Field = 33;
const INTEGRITY: Field = 34;
const SHASUM: Field = 35;

/// Where the kept fields of the version object at `span` are; `None` when it is not an object.
pub(super) fn find(bytes: &[u8], span: &Range<usize>) -> Option<Vec<(Field, Range<usize>)>> {
    let mut members = Members::new(bytes, span.start, 2)?;
    let mut found = Vec::with_capacity(16);
    while let Some(member) = members.next_member()? {
        let key = member.key()?;
        let Some(field) = NAMES.iter().position(|name| *name == key) else {
            continue;
        };
        match field as Field {
            DIST => find_dist(bytes, &member.value, &mut found)?,
            SCRIPTS if installs(bytes.get(member.value.clone())?) => found.push((SCRIPTED, 0..0)),
            SCRIPTS => {}
            field => found.push((field, member.value)),
        }
    }
    Some(found)
}

fn find_dist(
    bytes: &[u8],
    span: &Range<usize>,
    found: &mut Vec<(Field, Range<usize>)>,
) -> Option<()> {
    let Some(mut members) = Members::new(bytes, span.start, 3) else {
        return Some(());
    };
    while let Some((key, _)) = members.next_key()? {
        let value = members.pass()?;
        let field = match key_text(key)?.as_ref() {
            "tarball" => TARBALL,
            "integrity" => INTEGRITY,
            "shasum" => SHASUM,
            _ => continue,
        };
        found.push((field, value));
    }
    Some(())
}

/// Does a `scripts` object say that something runs at install?
fn installs(text: &[u8]) -> bool {
    if memchr::memmem::find(text, b"install").is_none() && !text.contains(&b'\\') {
        return false;
    }
    let scripts: Map<String, Value> = serde_json::from_slice(text).unwrap_or_default();
    ["preinstall", "install", "postinstall"]
        .iter()
        .any(|event| {
            scripts
                .get(*event)
                .is_some_and(|script| script.is_string() && json::truthy(script))
        })
}

/// Builds the manifest from its fields' texts; an error tells what is not JSON, or is there twice.
pub(super) fn manifest<'a>(
    fields: impl Iterator<Item = (Field, &'a [u8])>,
) -> Result<Manifest, String> {
    let mut map = Map::new();
    let mut dist = Map::new();
    let mut seen = 0_u64;
    for (field, text) in fields {
        let bit = 1 << field.min(63);
        if seen & bit != 0 {
            return Err(format!("it has {:?} twice", name_of(field)));
        }
        seen |= bit;
        let parse = || read(field, text);
        match field {
            SCRIPTED => {
                map.insert("hasInstallScript".to_owned(), Value::Bool(true));
            }
            TARBALL => {
                dist.insert("tarball".to_owned(), parse()?);
            }
            INTEGRITY => {
                dist.insert("integrity".to_owned(), parse()?);
            }
            SHASUM => {
                dist.insert("shasum".to_owned(), parse()?);
            }
            DIRECTORIES => {
                if let Some(bin) = parse()?.get("bin") {
                    let directories = Map::from_iter([("bin".to_owned(), bin.clone())]);
                    map.insert("directories".to_owned(), directories.into());
                }
            }
            field => {
                if let Some(name) = NAMES.get(usize::from(field)) {
                    map.insert((*name).to_owned(), parse()?);
                }
            }
        }
    }
    if !dist.is_empty() {
        map.insert("dist".to_owned(), dist.into());
    }
    Ok(Manifest::from_registry(Value::Object(map)))
}

fn name_of(field: Field) -> &'static str {
    match field {
        SCRIPTED => "scripts",
        TARBALL => "tarball",
        INTEGRITY => "integrity",
        SHASUM => "shasum",
        field => NAMES.get(usize::from(field)).copied().unwrap_or_default(),
    }
}

/// A field's value. Readers disagree on which of two equal members counts, so neither does.
fn read(field: Field, text: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let Value::Object(map) = &value else {
        return Ok(value);
    };
    let members = Members::new(text, 0, 0).and_then(Members::count);
    if members.is_some_and(|members| members != map.len()) {
        return Err(format!("it has a member of {:?} twice", name_of(field)));
    }
    Ok(value)
}
