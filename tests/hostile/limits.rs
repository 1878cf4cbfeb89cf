//! Rows 16, 47 and 159: whatever the umask and the limits of the process, and whatever was there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::case::CI;
use crate::tar::{Entry, MANIFEST, bomb, entry, file, gzip, tgz};
use crate::world::World;

fn locked(world: &World, tarball: &[u8]) {
    world.wants(json!({"evil": "1.0.0"}));
    world.tarball("evil", "1.0.0", tarball);
    world.lock(&[("node_modules/evil", world.entry("evil", "1.0.0", tarball))]);
}

#[test]
fn modes_are_those_of_the_umask_and_the_store_is_private_under_any() {
    let tarball = tgz(&[
        file("package/all", "").mode("0007777"),
        file("package/none", "").mode("0000000"),
        file("package/one", "").mode("0004010"),
    ]);
    for umask in [0o000, 0o022, 0o077, 0o777] {
        let world = World::new();
        locked(&world, &tarball);
        let prelude = format!("umask {umask:03o}");
        let outcome = world.run_after(&prelude, CI[0]);
        if let Err(wrong) = &outcome {
            // The world's own check is for the usual umask.
            assert!(umask != 0o022 && wrong.contains("has mode"), "{wrong}");
        } else {
            assert_eq!(outcome.unwrap().code, 0);
        }
        for (name, mode) in [("all", 0o755), ("none", 0o644), ("one", 0o755)] {
            let path = world.path("project/node_modules/evil").join(name);
            let found = fs::symlink_metadata(path).unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode & !umask, "{name} under {umask:03o}");
        }
        let store = fs::metadata(world.path("store")).unwrap().permissions();
        assert_eq!(store.mode() & 0o077, 0, "{umask:03o}");
    }
}

#[test]
fn sixty_four_open_files_are_enough() {
    let world = World::new();
    let mut wants = json!({});
    let mut entries: Vec<(String, Value)> = Vec::new();
    for number in 0..60 {
        let name = format!("p{number}");
        let manifest = json!({"name": name, "version": "1.0.0"}).to_string();
        let mut tar = file("package/package.json", manifest).bytes();
        tar.extend(file("package/a/b", name.as_bytes()).bytes());
        tar.extend([0; 1024]);
        let tarball = gzip(&tar);
        world.tarball(&name, "1.0.0", &tarball);
        entries.push((
            format!("node_modules/{name}"),
            world.entry(&name, "1.0.0", &tarball),
        ));
        wants[&name] = json!("1.0.0");
    }
    world.wants(wants);
    let entries: Vec<(&str, Value)> = entries
        .iter()
        .map(|(key, entry)| (key.as_str(), entry.clone()))
        .collect();
    world.lock(&entries);
    let run = world.run_after("ulimit -n 64", CI[0]).unwrap();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(world.has("node_modules/p59/a/b"));
}

#[test]
fn what_unpacks_to_much_within_the_limits_takes_no_memory_for_it() {
    let size: u64 = 300 << 20;
    let head = entry(b'0', "package/zeros", "").size(format!("{size:011o}\0"));
    let manifest = file("package/package.json", MANIFEST);
    let head: Vec<u8> = [manifest, head].iter().flat_map(Entry::bytes).collect();
    let tarball = bomb(&head, size + 1024);
    for mode in ["auto", "copy"] {
        let world = World::new();
        locked(&world, &tarball);
        let run = world.run(&["ci", "--link-mode", mode]).unwrap();
        assert_eq!(run.code, 0, "{}", run.stderr);
        let zeros = fs::metadata(world.path("project/node_modules/evil/zeros")).unwrap();
        assert_eq!(zeros.len(), size);
    }
}

#[test]
fn a_refused_install_leaves_the_former_lock_or_none() {
    let world = World::new();
    let good = tgz(&[]);
    world.wants(json!({"evil": "^1.0.0"}));
    world.publish("evil", "1.0.0", json!({}), &good);
    assert_eq!(world.run(&["install"]).unwrap().code, 0);
    let former = fs::read(world.path("project/npm-shrinkwrap.json")).unwrap();
    let bad = tgz(&[file("package/../../x", "")]);
    world.wants(json!({"evil": "^2.0.0"}));
    world.publish("evil", "2.0.0", json!({}), &bad);
    assert_eq!(world.run(&["install"]).unwrap().code, 4);
    let lock = fs::read(world.path("project/npm-shrinkwrap.json")).unwrap();
    assert_eq!(lock, former);

    let world = World::new();
    world.wants(json!({"evil": "^2.0.0"}));
    world.publish("evil", "2.0.0", json!({}), &bad);
    assert_eq!(world.run(&["install"]).unwrap().code, 4);
    assert!(!world.has("npm-shrinkwrap.json"));
}
