//! Timings of the room alone, for whoever changes it.
//!
//! `HEATSEAL_REGISTRY=http://127.0.0.1:4873 HEATSEAL_PROJECT=package-lock.json cargo test …
//! -- --ignored --nocapture closure_of_a_lock` asks for every name in a lock.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "a measurement: needs a registry and a lock"]
fn closure_of_a_lock() {
    let registry = std::env::var("HEATSEAL_REGISTRY").unwrap();
    let lock = std::fs::read(std::env::var("HEATSEAL_PROJECT").unwrap()).unwrap();
    let lock: serde_json::Value = serde_json::from_slice(&lock).unwrap();
    let root = &lock["packages"][""];
    let roots: Vec<(&str, &str)> = ["dependencies", "devDependencies", "optionalDependencies"]
        .iter()
        .filter_map(|kind| root[kind].as_object())
        .flatten()
        .filter_map(|(name, spec)| Some((name.as_str(), spec.as_str()?)))
        .collect();
    let names: Vec<&str> = lock["packages"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, entry)| {
            entry["resolved"]
                .as_str()
                .is_some_and(|url| url.contains("/-/"))
        })
        .map(|(path, entry)| {
            let (_, folder) = path.rsplit_once("node_modules/").unwrap_or(("", path));
            entry["name"].as_str().unwrap_or(folder)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    // Ticks of 10 ms, user and system.
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let field = |at| stat.split(' ').nth(at).unwrap().parse::<u64>().unwrap();
        (field(13), field(14))
    };
    let flags = [("registry".to_owned(), registry)];
    let config = Config::load(folder.path(), &BTreeMap::new(), &flags).unwrap();
    for round in ["cold", "warm", "warm", "warm", "warm"] {
        let (began, before) = (Instant::now(), ticks());
        let opened = Registry::new(&config, folder.path(), Arc::new(Silent), options()).unwrap();
        for (name, spec) in &roots {
            opened.prefetch(name, spec);
        }
        let (mut versions, mut errors) = (0, 0);
        for name in &names {
            match opened.packument(name) {
                Ok(packument) => versions += packument.len(),
                Err(_) => errors += 1,
            }
        }
        let (fetched, after) = (began.elapsed(), ticks());
        opened.finish();
        println!(
            "{round}: {} names, {versions} versions, {errors} errors, {fetched:.1?}, CPU {} + {} ms, then written in {:.1?}",
            names.len(),
            (after.0 - before.0) * 10,
            (after.1 - before.1) * 10,
            began.elapsed().checked_sub(fetched).unwrap()
        );
    }
}
