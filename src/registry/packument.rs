//! A registry's document for a name, from its JSON or from the cache; manifests on demand.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustc_hash::FxHashMap;
use semver::Version;
use serde_json::Value;

use super::cache::Cached;
use super::error::PickError;
use super::fields::{self, Field};
use super::scan::{self, Members, key_text};
use crate::manifest::Manifest;
use crate::npmrc::parse_date;
use crate::spec::{Mode, compare, parse_version};

/// Versions, dist-tags and times of one package. Versions are addressed by index, in the
/// document's order.
pub struct Packument {
    name: Arc<str>,
    tags: Tags,
    pub(super) body: Body,
    restricted: Option<Restricted>,
    manifests: Mutex<FxHashMap<u32, Result<Arc<Manifest>, PickError>>>,
    pub(super) picks: Mutex<FxHashMap<Box<str>, Result<u32, PickError>>>,
}

/// Dist-tags and the versions they point to.
type Tags = Vec<(Box<str>, Box<str>)>;

/// Where the versions are.
pub(super) enum Body {
    Json(Json),
    Cached(Cached),
}

/// The document as it came, and where its parts lie.
pub(super) struct Json {
    pub bytes: Vec<u8>,
    pub versions: Vec<(Box<str>, Range<usize>)>,
    pub time: Option<Range<usize>>,
    times: OnceLock<FxHashMap<String, i64>>,
    ranked: OnceLock<Ranked>,
}

pub(super) struct Ranked {
    pub versions: Vec<Option<Version>>,
    /// Indices of valid versions, highest first; equal ones in document order.
    pub order: Vec<u32>,
    /// Is some version listed twice?
    pub twins: bool,
}

/// Versions that a registry's policy withholds.
struct Restricted {
    versions: Vec<String>,
    message: String,
}

/// Why a document is no packument.
#[derive(Debug)]
pub(super) enum Flaw {
    Malformed(String),
    OtherName(String),
}

impl Packument {
    /// Reads the document `bytes`; `None` where it is not the packument of `name`.
    pub fn parse(name: &str, bytes: Vec<u8>) -> Option<Self> {
        Self::from_json(&name.into(), bytes).ok()
    }

    /// Indexes the document `bytes` of `name`. Manifests inside are not parsed yet.
    pub(super) fn from_json(name: &Arc<str>, bytes: Vec<u8>) -> Result<Self, Flaw> {
        let Some(parts) = Parts::find(&bytes) else {
            return Err(Flaw::Malformed(why_not_json(&bytes)));
        };
        if let Some(twice) = parts.twice {
            return Err(Flaw::Malformed(format!("it has {twice:?} twice")));
        }
        if let Some(span) = &parts.name {
            let text = bytes.get(span.clone()).unwrap_or_default();
            match serde_json::from_slice::<String>(text) {
                Ok(got) if got == **name => {}
                Ok(got) => return Err(Flaw::OtherName(got)),
                Err(_) => return Err(Flaw::Malformed("its name is not a text".to_owned())),
            }
        }
        let tags = parts
            .tags
            .as_ref()
            .map_or(Ok(Vec::new()), |span| tags(&bytes[span.clone()]));
        let tags = tags.map_err(|error| Flaw::Malformed(format!("dist-tags: {error}")))?;
        let restricted = parts
            .restricted
            .and_then(|span| Restricted::parse(&bytes[span]));
        let body = Body::Json(Json {
            versions: parts.versions,
            time: parts.time,
            times: OnceLock::new(),
            ranked: OnceLock::new(),
            bytes,
        });
        Ok(Self::new(name, tags, body, restricted))
    }

    pub(super) fn from_cache(name: &Arc<str>, cached: Cached) -> Self {
        let tags = cached.tags().collect();
        Self::new(name, tags, Body::Cached(cached), None)
    }

    /// The document's bytes, for another use; empty for a cached packument.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self.body {
            Body::Json(json) => json.bytes,
            Body::Cached(_) => Vec::new(),
        }
    }

    fn new(name: &Arc<str>, tags: Tags, body: Body, restricted: Option<Restricted>) -> Self {
        Self {
            name: name.clone(),
            tags,
            body,
            restricted,
            manifests: Mutex::default(),
            picks: Mutex::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version a dist-tag points to; it need not exist.
    pub fn dist_tag(&self, tag: &str) -> Option<&str> {
        self.tags
            .iter()
            .rev()
            .find(|(name, _)| **name == *tag)
            .map(|(_, version)| &**version)
    }

    pub fn dist_tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(tag, version)| (&**tag, &**version))
    }

    /// How many versions there are.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::Json(json) => json.versions.len(),
            Body::Cached(cached) => cached.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The texts of all versions, in the document's order.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.version_text(index))
    }

    /// A version as the document writes it; empty when there is no such index.
    pub fn version_text(&self, index: usize) -> &str {
        match &self.body {
            Body::Json(json) => json.versions.get(index).map_or("", |(text, _)| text),
            Body::Cached(cached) => cached.version_text(index),
        }
    }

    /// The index of a version, written exactly so; the last of two equal ones, as in JavaScript.
    pub fn find(&self, text: &str) -> Option<usize> {
        match &self.body {
            Body::Json(json) => json
                .versions
                .iter()
                .rposition(|(known, _)| **known == *text),
            Body::Cached(cached) => cached.find(text),
        }
    }

    /// A version, parsed loosely.
    pub fn version(&self, index: usize) -> Option<Version> {
        match &self.body {
            Body::Json(json) => match json.ranked.get() {
                Some(ranked) => ranked.versions.get(index)?.clone(),
                None => parse_version(&json.versions.get(index)?.0, Mode::Loose),
            },
            Body::Cached(cached) => cached.version(index),
        }
    }

    /// Indices of valid versions, highest first.
    pub(super) fn ranked(&self) -> impl Iterator<Item = usize> {
        let (order, cached) = match &self.body {
            Body::Json(json) => (json.ranked().order.as_slice(), None),
            Body::Cached(cached) => (&[][..], Some(cached.ranked())),
        };
        order
            .iter()
            .map(|index| *index as usize)
            .chain(cached.into_iter().flatten())
    }

    /// A version's manifest, normalised; empty when the entry cannot be read.
    pub fn manifest(&self, index: usize) -> Arc<Manifest> {
        self.checked_manifest(index).unwrap_or_default()
    }

    /// A version's manifest, normalised, or what is wrong with its entry.
    pub fn checked_manifest(&self, index: usize) -> Result<Arc<Manifest>, PickError> {
        let key = index as u32;
        let known = || {
            self.manifests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(manifest) = known().get(&key) {
            return manifest.clone();
        }
        // Parsed outside the lock: two threads may both do it, and the first is kept.
        let parsed = self
            .parse_manifest(index)
            .map_err(|reason| PickError::Malformed {
                id: format!("{}@{}", self.name, self.version_text(index)),
                reason,
            });
        known().entry(key).or_insert(parsed.map(Arc::new)).clone()
    }

    fn parse_manifest(&self, index: usize) -> Result<Manifest, String> {
        match &self.body {
            Body::Json(json) => {
                let fields = json.fields(index).ok_or("it is not an object")?;
                let text = |(field, span): (Field, Range<usize>)| {
                    (field, json.bytes.get(span).unwrap_or_default())
                };
                fields::manifest(fields.into_iter().map(text))
            }
            Body::Cached(cached) => {
                let fields = cached.fields(index).ok_or("the cache is damaged")?;
                fields::manifest(fields.into_iter())
            }
        }
    }

    /// Is there another entry under the same key? What the cache holds has none.
    pub(super) fn has_twin(&self, index: usize) -> bool {
        let Body::Json(json) = &self.body else {
            return false;
        };
        let text = self.version_text(index);
        let equal = json.versions.iter().filter(|(known, _)| **known == *text);
        equal.count() > 1
    }

    /// When a version was published, in ms since 1970; `i64::MAX` when the date is unreadable.
    pub fn time(&self, version: &str) -> Option<i64> {
        match &self.body {
            Body::Json(json) => json.times().get(version).copied(),
            Body::Cached(cached) => cached.time(self.find(version)?),
        }
    }

    /// Does the document tell when versions were published?
    pub fn has_time(&self) -> bool {
        match &self.body {
            Body::Json(json) => json.time.is_some(),
            Body::Cached(cached) => cached.has_time(),
        }
    }

    pub(super) fn is_restricted(&self, version: &str) -> bool {
        let listed = |restricted: &Restricted| restricted.versions.iter().any(|v| v == version);
        self.restricted.as_ref().is_some_and(listed)
    }

    /// The withheld versions and the registry's words about them.
    pub(super) fn restrictions(&self) -> Option<(&[String], &str)> {
        let restricted = self.restricted.as_ref()?;
        Some((&restricted.versions, &restricted.message))
    }
}

impl fmt::Debug for Packument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packument({}, {} versions)", self.name, self.len())
    }
}

impl Json {
    pub fn fields(&self, index: usize) -> Option<Vec<(Field, Range<usize>)>> {
        fields::find(&self.bytes, &self.versions.get(index)?.1)
    }

    pub fn ranked(&self) -> &Ranked {
        self.ranked.get_or_init(|| {
            let parse = |(text, _): &(Box<str>, _)| parse_version(text, Mode::Loose);
            let versions: Vec<_> = self.versions.iter().map(parse).collect();
            let mut valid: Vec<(&Version, u32)> = versions
                .iter()
                .zip(0..)
                .filter_map(|(version, index)| Some((version.as_ref()?, index)))
                .collect();
            valid.sort_by(|a, b| compare(b.0, a.0).then(a.1.cmp(&b.1)));
            let order: Vec<u32> = valid.into_iter().map(|(_, index)| index).collect();
            let text = |index: u32| self.versions.get(index as usize).map(|(text, _)| text);
            let twins = order.windows(2).any(|pair| text(pair[0]) == text(pair[1]));
            Ranked {
                versions,
                order,
                twins,
            }
        })
    }

    pub fn times(&self) -> &FxHashMap<String, i64> {
        self.times.get_or_init(|| {
            let Some(span) = self.time.clone() else {
                return FxHashMap::default();
            };
            let times: FxHashMap<String, Value> =
                serde_json::from_slice(&self.bytes[span]).unwrap_or_default();
            let date = |value: &Value| match value.as_str() {
                Some("") => None,
                Some(text) => Some(parse_date(text).unwrap_or(i64::MAX)),
                None => crate::json::truthy(value).then_some(i64::MAX),
            };
            times
                .into_iter()
                .filter_map(|(version, value)| Some((version, date(&value)?)))
                .collect()
        })
    }
}

impl Restricted {
    fn parse(text: &[u8]) -> Option<Self> {
        let policy: Value = serde_json::from_slice(text).ok()?;
        let versions = policy.get("versions")?.as_object()?;
        let message = policy.get("message").and_then(Value::as_str);
        Some(Self {
            versions: versions.keys().cloned().collect(),
            message: message.unwrap_or_default().chars().take(200).collect(),
        })
    }
}

/// Members of a document that decide something.
const COUNTED: [&str; 3] = ["name", "dist-tags", "versions"];

/// Where the parts of a document are.
#[derive(Default)]
struct Parts {
    name: Option<Range<usize>>,
    tags: Option<Range<usize>>,
    time: Option<Range<usize>>,
    restricted: Option<Range<usize>>,
    versions: Vec<(Box<str>, Range<usize>)>,
    /// A member that counts and is there again.
    twice: Option<&'static str>,
}

impl Parts {
    fn find(bytes: &[u8]) -> Option<Self> {
        let start = scan::blanks(
            bytes,
            if bytes.starts_with(b"\xef\xbb\xbf") {
                3
            } else {
                0
            },
        );
        let mut members = Members::new(bytes, start, 0)?;
        let mut parts = Self::default();
        let mut seen = [false; COUNTED.len()];
        while let Some((key, value)) = members.next_key()? {
            let key = key_text(key)?;
            if let Some(at) = COUNTED.iter().position(|name| *name == key) {
                if seen[at] {
                    parts.twice = Some(COUNTED[at]);
                }
                seen[at] = true;
            }
            if key == "versions" {
                parts.versions.clear();
                if bytes.get(value) == Some(&b'{') {
                    let after = parts.find_versions(bytes, value)?;
                    members.resume(after);
                    continue;
                }
            }
            let span = members.pass()?;
            let is_object = bytes.get(span.start) == Some(&b'{');
            match key.as_ref() {
                "name" => parts.name = Some(span),
                "dist-tags" => parts.tags = is_object.then_some(span),
                "time" => parts.time = is_object.then_some(span),
                "policyRestrictions" => parts.restricted = is_object.then_some(span),
                _ => {}
            }
        }
        let end = members.end()?;
        (scan::blanks(bytes, end) == bytes.len()).then_some(parts)
    }

    fn find_versions(&mut self, bytes: &[u8], start: usize) -> Option<usize> {
        let mut members = Members::new(bytes, start, 1)?;
        while let Some((key, value)) = members.next_key()? {
            let span = members.pass()?;
            if bytes.get(value) == Some(&b'{') {
                self.versions.push((key_text(key)?.into(), span));
            }
        }
        members.end()
    }
}

fn tags(text: &[u8]) -> Result<Tags, serde_json::Error> {
    let tags: serde_json::Map<String, Value> = serde_json::from_slice(text)?;
    let pair = |(tag, version): (String, Value)| Some((tag.into(), version.as_str()?.into()));
    Ok(tags.into_iter().filter_map(pair).collect())
}

/// serde's words for a text that the scanner refused.
fn why_not_json(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Err(error) => error.to_string(),
        Ok(Value::Object(_)) => format!("it is nested deeper than {} levels", scan::MAX_DEPTH),
        Ok(_) => "it is not an object".to_owned(),
    }
}
