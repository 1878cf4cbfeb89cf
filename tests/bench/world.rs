//! A registry in memory: packages that need each other, in two major versions.

use std::path::Path;
use std::sync::Arc;

use heatseal::manifest::Manifest;
use heatseal::name::PackageId;
use heatseal::report::Silent;
use heatseal::resolve::{
    Contents, Fetched, Ideal, LoadFailure, Options, Source, Strategy, ideal_tree,
};
use heatseal::spec::{Mode, Prerelease, Spec, SpecKind, parse_version};
use heatseal::target::Target;
use semver::Version;
use serde_json::{Map, Value, json};

/// Packages in the world.
pub const PACKAGES: usize = 500;
const VERSIONS: [&str; 4] = ["1.0.0", "1.4.2", "2.0.0", "2.1.0"];

/// The manifests of every package, by number and then as [`VERSIONS`].
pub struct World {
    versions: Vec<Version>,
    manifests: Vec<Vec<Arc<Manifest>>>,
}

fn name(number: usize) -> String {
    format!("package-{number:03}")
}

/// A tree of dependencies, with some across it whose majors disagree, so that packages nest.
fn dependencies(number: usize, version: usize) -> Map<String, Value> {
    let across = number * 7 % PACKAGES;
    let below = [
        (2 * number + 1, "^2.0.0"),
        (2 * number + 2, "^1.0.0 || ^2.0.0"),
    ];
    let across = (across > number).then_some((across, "^1.2.0"));
    let needed = below.into_iter().chain(across.filter(|_| version != 0));
    needed
        .filter(|(needed, _)| *needed < PACKAGES)
        .map(|(needed, range)| (name(needed), range.into()))
        .collect()
}

fn manifest(number: usize, version: usize) -> Value {
    let (name, text) = (name(number), VERSIONS[version]);
    json!({
        "name": name,
        "version": text,
        "license": "MIT",
        "dependencies": dependencies(number, version),
        "engines": {"node": ">=18"},
        "bin": {name.as_str(): "bin.js"},
        "dist": {
            "tarball": format!("https://registry.example/{name}/-/{name}-{text}.tgz"),
            "integrity": format!("sha512-{}==", "A".repeat(86)),
        },
    })
}

impl World {
    pub fn new() -> Self {
        let versions = VERSIONS.iter().map(|text| Version::parse(text).unwrap());
        let of = |number| {
            let manifests = (0..VERSIONS.len()).map(|version| manifest(number, version));
            manifests
                .map(|value| Arc::new(Manifest::from_registry(value)))
                .collect()
        };
        Self {
            versions: versions.collect(),
            manifests: (0..PACKAGES).map(of).collect(),
        }
    }

    /// The tree of a project that needs the first packages.
    pub fn resolve(&self) -> Ideal {
        let wanted: Map<String, Value> = (0..20).map(|n| (name(n), "^2.0.0".into())).collect();
        let manifest = json!({"name": "project", "version": "1.0.0", "dependencies": wanted});
        let manifest = Arc::new(Manifest::from_registry(manifest));
        let node = parse_version("22.0.0", Mode::Strict);
        let mut options = Options::new(Target::host(node, None));
        options.strategy = Strategy::Hoisted;
        let project = Path::new("/project");
        ideal_tree(project, &manifest, None, self, &options, &Silent).unwrap()
    }
}

impl Source for World {
    fn prefetch(&self, _: &str, _: &Spec) {}

    fn manifest(&self, name: &str, spec: &Spec) -> Result<Fetched, LoadFailure> {
        let number: usize = name.rsplit('-').next().unwrap().parse().unwrap();
        let SpecKind::Range(range) = &spec.kind else {
            panic!("only ranges are asked for, not {spec:?}");
        };
        let fits = |version: &Version| range.satisfies(version, Prerelease::Strict);
        let version = self.versions.iter().rposition(fits).unwrap();
        let manifest = self.manifests[number][version].clone();
        let dist = manifest.object("dist").unwrap();
        let text = |field: &str| dist[field].as_str().map(Arc::from);
        Ok(Fetched {
            resolved: text("tarball"),
            integrity: text("integrity"),
            manifest,
        })
    }

    fn contents(&self, _: &PackageId, _: &str, _: Option<&str>) -> Result<Contents, LoadFailure> {
        Ok(Contents::default())
    }
}
