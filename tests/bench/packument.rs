//! Packuments: a large document from a folder, scanned, indexed and picked from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::BytesCount;
use heatseal::npmrc::Config;
use heatseal::registry::{PickOptions, Registry};
use heatseal::report::Silent;
use heatseal::spec::Spec;
use serde_json::{Map, Value, json};

/// A thousand versions, each with what full documents carry: scripts, people, a readme's start.
fn document() -> String {
    let version = |n: usize| {
        let text = format!("{}.{}.{}", n / 100, n / 10 % 10, n % 10);
        let needed = (0..12).map(|d| (format!("needed-{d}"), Value::from(format!("^{d}.0.0"))));
        let manifest = json!({
            "name": "large",
            "version": text,
            "description": "A package with \"quotes\", {braces} and a long history. ".repeat(4),
            "maintainers": [{"name": "a", "email": "a@registry.example"}],
            "scripts": {"test": "node --test", "build": "tsc -p . && node build.js"},
            "dependencies": needed.collect::<Map<_, _>>(),
            "engines": {"node": ">=18"},
            "dist": {
                "tarball": format!("https://registry.example/large/-/large-{text}.tgz"),
                "integrity": format!("sha512-{}==", "A".repeat(86)),
            },
        });
        (text, manifest)
    };
    let versions: Map<String, Value> = (0..1000).map(version).collect();
    json!({"name": "large", "dist-tags": {"latest": "9.9.9"}, "versions": versions}).to_string()
}

#[divan::bench]
fn read_and_pick(bencher: Bencher) {
    let folder = tempfile::tempdir().unwrap();
    let text = document();
    std::fs::create_dir(folder.path().join("large")).unwrap();
    std::fs::write(folder.path().join("large/packument.json"), &text).unwrap();
    let address = format!("file:{}", folder.path().display());
    let flags = [("registry".to_owned(), address)];
    let config = Config::load(folder.path(), &BTreeMap::new(), &flags).unwrap();
    let cache = folder.path().join("cache");
    let spec = Spec::parse("large", "^4.2.0", Path::new("/")).unwrap();
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let picking = PickOptions::new(None, None);
        let registry = Registry::new(&config, &cache, Arc::new(Silent), picking).unwrap();
        let packument = registry.packument("large").unwrap();
        let picked = registry.pick(&packument, &spec).unwrap();
        packument.manifest(picked)
    });
}
