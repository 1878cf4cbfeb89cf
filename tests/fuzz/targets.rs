//! What each fuzz target does with its bytes: reads them, and holds what must hold of any input.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use heatseal::integrity::Integrity;
use heatseal::json;
use heatseal::lock;
use heatseal::manifest::{Claims, Manifest, Origin};
use heatseal::npmrc;
use heatseal::platforms::inspect::{self, Files};
use heatseal::registry::{Packument, PickOptions, pick};
use heatseal::resolve::{self, Locked};
use heatseal::spec::{Mode, Prerelease, Range, Spec, compare, parse_argument, parse_version};
use heatseal::store;
use serde_json::Value;

/// A target's name and what it does.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 14] = [
    ("manifest", manifest),
    ("lock", lock_file),
    ("packument", packument),
    ("range", range),
    ("version", version),
    ("spec", spec),
    ("tarball", tarball),
    ("archive", archive),
    ("npmrc", npmrc_file),
    ("integrity", integrity),
    ("url", url),
    ("path", path),
    ("binary", binary),
    ("recipes", recipes),
];

pub fn manifest(data: &[u8]) {
    let _ = json::first_ambiguity(data, 64, &|_, _, _| true);
    let Ok(document) = json::parse(data) else {
        return;
    };
    let Value::Object(fields) = document.value else {
        return;
    };
    let mut manifest = Manifest { fields };
    manifest.normalize(Origin::Disk);
    let claims = Claims::of(&manifest);
    let once = manifest.clone();
    manifest.normalize(Origin::Disk);
    assert_eq!(once, manifest, "normalising twice is normalising once");
    assert_eq!(claims.difference_from(&claims), None);
    for (name, path) in manifest.bins() {
        assert!(!name.contains('/') && !path.split('/').any(|part| part == ".."));
    }
}

pub fn lock_file(data: &[u8]) {
    let Ok(read) = lock::parse(data, "lock") else {
        return;
    };
    let checked = lock::check(&read).is_ok();
    let locked = Locked {
        version: if read.loaded_from_v1 { 1 } else { read.version },
        entries: read.packages,
    };
    let project = Path::new("/nowhere/at/all");
    let rules = resolve::Rules::default();
    let Ok(tree) = resolve::virtual_tree(project, &Arc::default(), &locked, rules) else {
        return;
    };
    let _ = resolve::disagreements(&tree, true);
    let _ = resolve::dishonest_entries(&tree, &locked);
    for (key, _) in &locked.entries {
        if checked && !key.is_empty() {
            assert!(!key.starts_with('/') && !key.contains(['\\', '\0', ':']));
        }
    }
}

pub fn packument(data: &[u8]) {
    let Some(packument) = Packument::parse("left", data.to_vec()) else {
        return;
    };
    let options = PickOptions::new(None, None);
    for spec in ["*", "^1.0.0", "latest", "1.0.0"] {
        let spec = Spec::parse("left", spec, Path::new("/")).expect("a good spec");
        if let Ok(index) = pick(&packument, &spec.kind, &options) {
            let _ = Claims::of(&packument.manifest(index));
            assert_eq!(packument.find(packument.version_text(index)), Some(index));
        }
    }
    for index in 0..packument.len().min(20) {
        let _ = packument.checked_manifest(index);
    }
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

pub fn range(data: &[u8]) {
    let Some(text) = text(data) else { return };
    for mode in [Mode::Strict, Mode::Loose] {
        let Some(range) = Range::parse(text, mode) else {
            continue;
        };
        let spelled = range.formatted(Prerelease::Strict);
        let again = Range::parse(&spelled, mode);
        for version in ["0.0.0", "1.0.0", "1.2.3-beta.1", "99.0.0"] {
            let version = parse_version(version, Mode::Strict).expect("a good version");
            let answer = range.satisfies(&version, Prerelease::Strict);
            if let Some(again) = &again {
                assert_eq!(
                    answer,
                    again.satisfies(&version, Prerelease::Strict),
                    "{text:?}"
                );
            }
            let _ = range.satisfies(&version, Prerelease::Include);
        }
    }
}

pub fn version(data: &[u8]) {
    let Some(text) = text(data) else { return };
    for mode in [Mode::Strict, Mode::Loose] {
        if let Some(version) = parse_version(text, mode) {
            assert!(compare(&version, &version).is_eq());
            let written = version.to_string();
            // Loosely read without its hyphen, a version may be written one byte too long for semver.
            let again = parse_version(&written, mode);
            assert!(
                written.len() > 256 || again.is_some_and(|again| compare(&again, &version).is_eq()),
                "{text:?}"
            );
        }
    }
}

pub fn spec(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let base = Path::new("/project");
    if let Ok(spec) = Spec::parse("left", text, base) {
        let _ = (spec.fetch_spec(), spec.save_spec(), spec.is_registry());
    }
    let _ = parse_argument(text, base);
}

/// Bytes as they come over the network.
pub fn tarball(data: &[u8]) {
    if let Ok((_, paths)) = store::read_manifest(data) {
        for path in &paths {
            assert_inside(path);
        }
    }
}

/// Bytes inside the gzip layer.
pub fn archive(data: &[u8]) {
    tarball(&registry_mock_gzip(data));
}

/// Stored, not compressed: the bytes stay what the fuzzer made of them.
fn registry_mock_gzip(data: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(data).expect("a Vec takes every byte");
    encoder.finish().expect("a Vec takes every byte")
}

pub fn npmrc_file(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(config) = npmrc::Config::parse(&text) else {
        return;
    };
    let _ = (
        config.before(0),
        config.limits(),
        config.fetching(),
        config.omitted(),
    );
    for registry in config.registries().take(20) {
        let _ = config.credentials(&registry, None);
        let _ = config.download_url(&registry);
        let _ = config.allows_host_of(&registry);
    }
}

pub fn integrity(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let parsed = Integrity::parse(text);
    assert!(parsed.is_some() || !Integrity::is_well_formed(text));
    if let Some(parsed) = parsed {
        let again = Integrity::parse(&parsed.to_string());
        assert_eq!(again.as_ref(), Some(&parsed), "{text:?}");
        let _ = parsed.matches(b"left");
    }
}

pub fn url(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let shown = npmrc::masked(text);
    if let (Ok(before), Ok(after)) = (url::Url::parse(text), url::Url::parse(&shown)) {
        assert!(
            after.username().is_empty() && after.password().is_none(),
            "{before} is {shown}"
        );
        assert!(after.query().is_none() && after.fragment().is_none());
    }
}

pub fn path(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let _ = lock::check_key(text);
    if let Some(inside) = store::path_inside(text) {
        assert_inside(&inside);
    }
}

fn assert_inside(path: &str) {
    let safe = |part: &str| !matches!(part, "" | "." | "..");
    assert!(path.is_empty() || path.split('/').all(safe), "{path:?}");
    assert!(!path.contains(['\\', '\0', ':', '\n']), "{path:?}");
}

/// Files that all have the same bytes.
struct Alike<'a>(&'a [&'a str], &'a [u8]);

impl Files for Alike<'_> {
    fn list(&self) -> Vec<(&str, u64)> {
        let paths = self.0.iter();
        paths.map(|path| (*path, self.1.len() as u64)).collect()
    }

    fn head(&self, _: usize) -> Option<Vec<u8>> {
        Some(self.1.get(..8).unwrap_or(self.1).to_vec())
    }

    fn read(&self, _: usize) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self.1))
    }
}

/// A compiled file.
pub fn binary(data: &[u8]) {
    inspected(&Alike(&["x.node"], data));
    inspected(&Alike(&["x.obj"], data));
}

/// A package.json, which is every script as well.
pub fn recipes(data: &[u8]) {
    inspected(&Alike(
        &["package.json", "x.js", "install/libvips.js"],
        data,
    ));
}

fn inspected(files: &Alike<'_>) {
    let facts = inspect::facts(files).expect("memory can be read");
    let kept = inspect::encode(&facts);
    assert_eq!(inspect::decode(&kept), Some(facts));
}
