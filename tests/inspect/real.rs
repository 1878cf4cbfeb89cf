//! Real packages from the registry that npm is configured for, held against readelf and nm.
//!
//! `cargo test --test inspect -- --ignored --nocapture real`; `HEATSEAL_INSPECT="sharp esbuild@0.25.0"` names others.

use std::path::{Path, PathBuf};
use std::process::Command;

use heatseal::name::PackageId;
use heatseal::platforms::facts::Facts;
use heatseal::platforms::inspect;
use heatseal::store::Limits;
use heatseal::store::{Bench, unpack, verify};

fn pack(spec: &str, folder: &Path) -> PathBuf {
    let output = Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(folder)
        .arg(spec)
        .output()
        .expect("npm runs");
    assert!(
        output.status.success(),
        "{spec}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let name = String::from_utf8(output.stdout).unwrap();
    folder.join(name.trim())
}

fn facts_of(tarball: &[u8]) -> Facts {
    let (manifest, _) = heatseal::store::read_manifest(tarball).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let text = |key: &str| manifest[key].as_str().unwrap();
    let id = PackageId::new(text("name"), text("version"));
    let sha512 = verify(&id, tarball, None).unwrap();
    let mut bench = Bench::default();
    let archive = unpack(&mut bench, &id, tarball, sha512, &Limits::default()).unwrap();
    inspect::facts(&archive).unwrap()
}

#[test]
#[ignore = "needs npm and its registry"]
fn real_packages() {
    let named = std::env::var("HEATSEAL_INSPECT").unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    for spec in named.split_whitespace() {
        let path = pack(spec, folder.path());
        let facts = facts_of(&std::fs::read(&path).unwrap());
        println!(
            "== {spec}: scripts {:?} declared {:?}",
            facts.scripts, facts.declared
        );
        for recipe in &facts.recipes {
            println!("  recipe {recipe:?}");
        }
        for binary in &facts.binaries {
            println!(
                "  {} {} {:?} {:?}",
                binary.path, binary.size, binary.format, binary.kind
            );
            for slice in &binary.slices {
                println!("     {slice:?}");
            }
        }
    }
}
