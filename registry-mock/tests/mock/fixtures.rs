//! The committed registry is what its scenario file says.

use std::collections::BTreeMap;
use std::path::Path;

use registry_mock::scenario;

/// Every file below a folder, by its path with slashes.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(folder, "", &mut found);
    found
}

fn collect(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), found);
        } else {
            found.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
}

#[test]
fn the_committed_registry_is_up_to_date() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let built = tempfile::tempdir().unwrap();
    scenario::load(&fixtures.join("registry.toml"))
        .unwrap()
        .registry
        .write(built.path())
        .unwrap();
    let (committed, built) = (files(&fixtures.join("registry")), files(built.path()));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    let advice = "run `registry-mock build fixtures/registry.toml fixtures/registry`";
    assert_eq!(names(&committed), names(&built), "{advice}");
    for (path, bytes) in &built {
        assert!(committed[path] == *bytes, "{path} differs: {advice}");
    }
}

#[test]
fn the_demo_asks_for_what_the_scenario_says() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let scenario = scenario::load(&fixtures.join("registry.toml")).unwrap();
    let text = std::fs::read(fixtures.join("projects/demo/package.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(demo, scenario.root);
}
