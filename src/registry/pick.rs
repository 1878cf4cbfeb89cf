//! Which version of a package an edge gets. Source: npm-pick-manifest.

use semver::Version;
use serde_json::Value;

use super::error::PickError;
use super::packument::Packument;
use crate::json;
use crate::manifest::Manifest;
use crate::spec::{Mode, Prerelease, Range, SpecKind};

/// What picking depends on beside the packument and the spec.
#[derive(Debug, Clone)]
pub struct PickOptions {
    /// The dist-tag that wins when it satisfies the range.
    pub default_tag: String,
    /// Versions published later (ms since 1970) do not exist.
    pub before: Option<i64>,
    /// A version that does not say when it was published is later than [`PickOptions::before`]; npm
    /// takes it for earlier.
    pub dated_only: bool,
    /// Packages that `before` does not hold for: exact names or globs.
    pub before_exempt: Vec<String>,
    /// The running Node; `None`: `engines.node` is not looked at.
    pub node: Option<Version>,
    pub npm: Option<Version>,
    /// Are peer dependencies left alone (`legacy-peer-deps`)?
    pub legacy_peers: bool,
}

impl PickOptions {
    /// The running Node and npm, nothing else out of the ordinary.
    pub fn new(node: Option<Version>, npm: Option<Version>) -> Self {
        Self {
            default_tag: "latest".to_owned(),
            before: None,
            dated_only: false,
            before_exempt: Vec::new(),
            node,
            npm,
            legacy_peers: false,
        }
    }

    /// The time limit that holds for a package.
    pub fn before_for(&self, name: &str) -> Option<i64> {
        let exempt = |pattern: &String| {
            pattern == name
                || globset::GlobBuilder::new(pattern)
                    .literal_separator(true)
                    .build()
                    .is_ok_and(|glob| glob.compile_matcher().is_match(name))
        };
        self.before
            .filter(|_| !self.before_exempt.iter().any(exempt))
    }
}

/// The index of the version that npm takes for `wanted`.
///
/// - Tags and exact versions are that or nothing; a tag that is too new becomes `<=version`.
/// - A range takes the default tag's version when it satisfies, runs here and is not deprecated;
///   else the best by: not withheld, not deprecated and runs here, runs here, not deprecated, high.
/// - An exact `*` accepts a default tag that is a prerelease; other ranges do not.
pub fn pick(
    packument: &Packument,
    wanted: &SpecKind,
    options: &PickOptions,
) -> Result<usize, PickError> {
    let before = options.before_for(packument.name());
    let picking = Picking {
        packument,
        options,
        before: before.filter(|_| packument.has_time() || options.dated_only),
    };
    let (found, text) = match wanted {
        SpecKind::Tag(tag) => (picking.by_tag(tag)?, tag.to_string()),
        SpecKind::Version(version) => (picking.by_version(version), version.to_string()),
        SpecKind::Range(range) => (picking.by_range(range)?, range.text().to_owned()),
        SpecKind::Alias { target, .. } => return pick(packument, &target.kind, options),
        _ => {
            let wanted = format!("{}@{wanted:?}", packument.name());
            return Err(PickError::NotRegistry { wanted });
        }
    };
    let wanted = format!("{}@{text}", packument.name());
    match found {
        None => Err(PickError::NoMatch { wanted, before }),
        Some(Found::Withheld) => Err(PickError::Forbidden {
            wanted,
            message: packument
                .restrictions()
                .map_or("", |(_, words)| words)
                .to_owned(),
        }),
        Some(Found::Version(index)) => {
            agrees(packument, index)?;
            Ok(index)
        }
    }
}

enum Found {
    Version(usize),
    Withheld,
}

struct Picking<'a> {
    packument: &'a Packument,
    options: &'a PickOptions,
    /// Only where the packument has times, or has to have them.
    before: Option<i64>,
}

impl Picking<'_> {
    fn is_old_enough(&self, version: &str) -> bool {
        let Some(before) = self.before else {
            return true;
        };
        let time = self.packument.time(version);
        time.map_or(!self.options.dated_only, |time| time <= before)
    }

    fn named(&self, version: &str) -> Option<Found> {
        if self.packument.is_restricted(version) {
            return Some(Found::Withheld);
        }
        self.packument.find(version).map(Found::Version)
    }

    fn by_tag(&self, tag: &str) -> Result<Option<Found>, PickError> {
        let Some(version) = self.packument.dist_tag(tag) else {
            return Ok(None);
        };
        if self.is_old_enough(version) {
            return Ok(self.named(version));
        }
        match Range::parse(&format!("<={version}"), Mode::Loose) {
            Some(range) => self.by_range(&range),
            None => Ok(None),
        }
    }

    fn by_version(&self, version: &Version) -> Option<Found> {
        let text = version.to_string();
        let text = text.split('+').next().unwrap_or_default();
        self.is_old_enough(text).then(|| self.named(text)).flatten()
    }

    fn by_range(&self, range: &Range) -> Result<Option<Found>, PickError> {
        if let Some(index) = self.preferred(range)? {
            return Ok(Some(Found::Version(index)));
        }
        if !self.has_candidates() {
            let name = self.packument.name().to_owned();
            return Err(PickError::NoVersions { name });
        }
        let mut best: Option<([bool; 3], usize)> = None;
        for index in self.packument.ranked() {
            let text = self.packument.version_text(index);
            let satisfies = self
                .packument
                .version(index)
                .is_some_and(|version| range.satisfies(&version, Prerelease::Strict));
            if !satisfies || !self.is_old_enough(text) || self.packument.is_restricted(text) {
                continue;
            }
            let manifest = self.packument.checked_manifest(index)?;
            let runs = self.runs(&manifest);
            let kept = !manifest.flag("deprecated");
            if runs && kept {
                return Ok(Some(self.last_twin(index)));
            }
            let rank = [false, runs, kept];
            if best.is_none_or(|(former, _)| rank > former) {
                best = Some((rank, index));
            }
        }
        Ok(match best {
            Some((_, index)) => Some(self.last_twin(index)),
            None => self.withheld(range),
        })
    }

    /// Of equal keys in a JSON object, the last one counts.
    fn last_twin(&self, index: usize) -> Found {
        let text = self.packument.version_text(index);
        Found::Version(self.packument.find(text).unwrap_or(index))
    }

    /// The default tag's version, if nothing speaks against it.
    fn preferred(&self, range: &Range) -> Result<Option<usize>, PickError> {
        let Some(text) = self.packument.dist_tag(&self.options.default_tag) else {
            return Ok(None);
        };
        let Some(index) = self.packument.find(text) else {
            return Ok(None);
        };
        let satisfies = range.text().trim() == "*"
            || range.text().trim().is_empty()
            || self
                .packument
                .version(index)
                .is_some_and(|version| range.satisfies(&version, Prerelease::Strict));
        if !satisfies || !self.is_old_enough(text) || self.packument.is_restricted(text) {
            return Ok(None);
        }
        let manifest = self.packument.checked_manifest(index)?;
        let good = self.runs(&manifest) && !manifest.flag("deprecated");
        Ok(good.then_some(index))
    }

    fn has_candidates(&self) -> bool {
        let withheld = self
            .packument
            .restrictions()
            .map_or(0, |(versions, _)| versions.len());
        withheld > 0
            || self
                .packument
                .versions()
                .any(|text| self.is_old_enough(text))
    }

    fn withheld(&self, range: &Range) -> Option<Found> {
        let (versions, _) = self.packument.restrictions()?;
        let matches = |text: &String| {
            crate::spec::parse_version(text, Mode::Loose)
                .is_some_and(|version| range.satisfies(&version, Prerelease::Strict))
        };
        versions.iter().any(matches).then_some(Found::Withheld)
    }

    /// Do `engines.node` and `engines.npm` accept what is running?
    fn runs(&self, manifest: &Manifest) -> bool {
        let accepts =
            |key: &str, version: Option<&Version>| match engine(manifest, key).zip(version) {
                None => true,
                Some((Value::String(text), version)) => {
                    Range::parse_counting(text, Mode::Strict, Prerelease::Include)
                        .is_some_and(|range| range.satisfies(version, Prerelease::Include))
                }
                Some(_) => false,
            };
        accepts("node", self.options.node.as_ref()) && accepts("npm", self.options.npm.as_ref())
    }
}

fn engine<'a>(manifest: &'a Manifest, key: &str) -> Option<&'a Value> {
    let value = manifest.object("engines")?.get(key)?;
    json::truthy(value).then_some(value)
}

/// A registry that lists a version twice, or whose entry tells another version than its key, or none
/// at all, mixes packages up.
fn agrees(packument: &Packument, index: usize) -> Result<(), PickError> {
    let manifest = packument.checked_manifest(index)?;
    let key = packument.version_text(index);
    let flawed = |reason: String| {
        Err(PickError::Malformed {
            id: format!("{}@{key}", packument.name()),
            reason,
        })
    };
    if let Some(name) = manifest.name().filter(|name| *name != packument.name()) {
        return flawed(format!("it says that it is `{name:.100}`"));
    }
    if packument.has_twin(index) {
        return flawed("it is listed twice".to_owned());
    }
    let parse = |text| crate::spec::parse_version(text, Mode::Loose);
    let told = manifest.version().unwrap_or(key);
    match (parse(key), parse(told)) {
        (Some(a), Some(b)) if crate::spec::compare(&a, &b).is_eq() => Ok(()),
        (_, Some(_)) => flawed(format!("it says that it is version {told:.100}")),
        (_, None) => flawed(format!("{told:.100} is not a version")),
    }
}
