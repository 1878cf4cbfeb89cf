//! Rows 60, 75, 77 and 80: what is too new, what changed under its version, and two registries.

use heatseal::integrity::Integrity;
use serde_json::{Value, json};

use crate::case::{Case, Installed, Outcome, Refused, all_as_expected, case};
use crate::tar::{file, gzip};
use crate::world::World;

fn packed(name: &str, version: &str, body: &str) -> Vec<u8> {
    let manifest = json!({"name": name, "version": version});
    let mut tar = file("package/package.json", manifest.to_string()).bytes();
    tar.extend(file("package/index.js", body).bytes());
    tar.extend([0; 1024]);
    gzip(&tar)
}

const YOUNG: &[&[&str]] = &[&["shrinkwrap", "--min-release-age", "36h"]];

/// Two versions and a prerelease between them, published at these times.
fn released(name: &'static str, outcome: Outcome, time: Value) -> Case {
    case(name, YOUNG, outcome, move |world| {
        world.wants(json!({"evil": "^1.0.0"}));
        let version = |version: &str| {
            let tarball = packed("evil", version, "");
            world.tarball("evil", version, &tarball);
            json!({
                "name": "evil", "version": version,
                "dist": {
                    "tarball": world.url("evil", version),
                    "integrity": Integrity::of(&tarball).to_string(),
                },
            })
        };
        let mut packument = json!({
            "name": "evil",
            "dist-tags": {"latest": "1.1.0"},
            "versions": {
                "1.0.0": version("1.0.0"),
                "1.1.0-rc.1": version("1.1.0-rc.1"),
                "1.1.0": version("1.1.0"),
            },
        });
        if !time.is_null() {
            packument["time"] = time.clone();
        }
        world.document("evil", packument.to_string());
    })
}

#[test]
fn what_is_too_new_or_does_not_say_how_old_it_is() {
    let old = "2020-01-01T00:00:00.000Z";
    let ahead = "2999-01-01T00:00:00.000Z";
    let refused = || Refused(9, &["error[E", "evil"]);
    all_as_expected(
        "release ages",
        &[
            released("80 no times", refused(), Value::Null),
            released("80 times a list", refused(), json!([])),
            released(
                "80 no time of these",
                refused(),
                json!({"modified": old, "created": old}),
            ),
            released(
                "80 no dates",
                refused(),
                json!({"1.0.0": "long ago", "1.1.0": "yesterday"}),
            ),
            released("80 numbers", refused(), json!({"1.0.0": 0, "1.1.0": 0})),
            released(
                "80 the future",
                refused(),
                json!({"1.0.0": ahead, "1.1.0-rc.1": ahead, "1.1.0": ahead}),
            ),
            released(
                "80 a prerelease is no way out",
                refused(),
                json!({"1.0.0": ahead, "1.1.0-rc.1": old, "1.1.0": ahead}),
            ),
            released(
                "80 the older one is old enough",
                Installed(&[], &["npm-shrinkwrap.json"]),
                json!({"1.0.0": old, "1.1.0-rc.1": old, "1.1.0": ahead}),
            ),
        ],
    );
}

#[test]
fn a_version_that_was_published_again_is_not_what_was_locked() {
    let world = World::new();
    world.wants(json!({"evil": "1.0.0"}));
    world.publish(
        "evil",
        "1.0.0",
        json!({}),
        &packed("evil", "1.0.0", "first"),
    );
    assert_eq!(world.run(&["shrinkwrap"]).unwrap().code, 0);
    let lock = std::fs::read(world.path("project/npm-shrinkwrap.json")).unwrap();
    world.publish(
        "evil",
        "1.0.0",
        json!({}),
        &packed("evil", "1.0.0", "again"),
    );
    let run = world.run(&["ci"]).unwrap();
    assert_eq!(run.code, 4, "{}", run.stderr);
    assert!(run.stderr.contains("evil@1.0.0"), "{}", run.stderr);
    assert!(!world.has("node_modules"));
    // No command but one that is told to takes the new bytes for the old ones.
    let _ = world.run(&["install"]).unwrap();
    let after = std::fs::read(world.path("project/npm-shrinkwrap.json")).unwrap();
    assert_eq!(after, lock);
}

#[test]
fn two_registries_may_give_a_name_and_version_different_bytes() {
    let (one, other) = (World::new(), World::new());
    let store = one.path("store");
    let store = store.to_str().unwrap();
    for (world, body) in [(&one, "one"), (&other, "other")] {
        world.wants(json!({"@s/a": "1.0.0"}));
        world.publish("@s/a", "1.0.0", json!({}), &packed("@s/a", "1.0.0", body));
        for verb in ["shrinkwrap", "ci"] {
            let run = world.run(&[verb, "--store-dir", store]);
            // The other's store is foreign ground to the second one.
            let code = run.map_or(0, |run| run.code);
            assert_eq!(code, 0);
        }
        let installed = world.path("project/node_modules/@s/a/index.js");
        assert_eq!(std::fs::read_to_string(installed).unwrap(), body);
    }
}
