//! Rows 35 to 42: commands that a package wants to put in `.bin`.

#![allow(clippy::too_many_lines)] // a table of cases is as long as it is

use serde_json::{Value, json};

use crate::case::{BOTH, CI, Case, Installed, Outcome, Refused, all_as_expected, case};
use crate::tar::{Entry, file, gzip};
use crate::world::World;

fn packed(manifest: &Value, more: &[Entry]) -> Vec<u8> {
    let mut tar = file("package/package.json", manifest.to_string()).bytes();
    for entry in more {
        tar.extend(entry.bytes());
    }
    tar.extend([0; 1024]);
    gzip(&tar)
}

fn cli() -> Entry {
    file("package/cli.js", "#!/usr/bin/env node\n")
}

/// A registry whose packument and tarball both have these fields; locked, then installed.
fn published(name: &'static str, outcome: Outcome, fields: Value) -> Case {
    case(name, BOTH, outcome, move |world| {
        publish(world, "evil", &fields, &[cli()]);
    })
}

fn publish(world: &World, name: &str, fields: &Value, files: &[Entry]) {
    let mut manifest = json!({"name": name, "version": "1.0.0"});
    for (key, value) in fields.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    world.wants(json!({name: "1.0.0"}));
    world.publish(name, "1.0.0", fields.clone(), &packed(&manifest, files));
}

const BIN: Outcome = Refused(
    4,
    &[
        "error[TAR_BAD_ARCHIVE]",
        "evil@1.0.0",
        "package.json",
        "its bin",
    ],
);

#[test]
fn names_and_targets_of_bins() {
    let named = |name, bin: &str| published(name, BIN, json!({"bin": {bin: "cli.js"}}));
    let target = |name, path: &str| published(name, BIN, json!({"bin": {"x": path}}));
    all_as_expected(
        "bins",
        &[
            named("35 ..", "../../x"),
            named("35 .. in the middle", "a/../../x"),
            named("35 backslash", "..\\x"),
            named("35 slash", "a/b"),
            named("35 scope that climbs", "@s/../x"),
            named("35 scope of dots", "@../x"),
            named("35 scope without a name", "@/x"),
            published(
                "35 control character",
                Refused(3, &["error[EINVALIDENTRY]", "node_modules/evil", "bin"]),
                json!({"bin": {"a\u{1b}b": "cli.js"}}),
            ),
            named("37 empty", ""),
            named("37 dot", "."),
            named("37 dots", ".."),
            named("37 scope of dots", "@s/.."),
            target("36 target outside", "../../../outside/secret"),
            target("36 absolute target", "/etc/passwd"),
            target("36 backslash", "..\\..\\x"),
            published("41 a number", BIN, json!({"bin": 5})),
            published(
                "41 a target that is a number",
                BIN,
                json!({"bin": {"x": 5}}),
            ),
            published("41 a list of objects", BIN, json!({"bin": [{}]})),
            published("41 true", BIN, json!({"bin": true})),
            published(
                "38 directories.bin outside",
                Installed(&[], &["node_modules/evil/cli.js"]),
                json!({"directories": {"bin": "../../outside/folder"}}),
            ),
            published(
                "a plain one",
                Installed(&[], &["node_modules/.bin/x"]),
                json!({"bin": {"x": "./cli.js"}}),
            ),
            published(
                "one with a scope, as npm takes it",
                Installed(&[], &["node_modules/.bin/x"]),
                json!({"bin": {"@s/x": "cli.js"}}),
            ),
            published(
                "39 the name of a system's command",
                Installed(
                    &["warning[EBINNAME]", "node_modules/evil", "sed"],
                    &["node_modules/.bin/sed"],
                ),
                json!({"bin": {"sed": "cli.js"}}),
            ),
            published(
                "39 node",
                Installed(
                    &["warning[EBINNAME]", "node_modules/evil", "`node`"],
                    &["node_modules/.bin/node"],
                ),
                json!({"bin": {"node": "cli.js"}}),
            ),
            published(
                "41 a file that is not there",
                Installed(
                    &["warning[EBINMISSING]", "evil@1.0.0", "gone.js"],
                    &["node_modules/evil/cli.js"],
                ),
                json!({"bin": {"x": "gone.js"}}),
            ),
        ],
    );
}

#[test]
fn a_bin_that_packument_and_tarball_do_not_share_is_refused() {
    let differs = |listed: Value, packed_bin: Value| {
        move |world: &World| {
            world.wants(json!({"evil": "1.0.0"}));
            let manifest = json!({"name": "evil", "version": "1.0.0", "bin": packed_bin});
            let fields = json!({"bin": listed});
            world.publish("evil", "1.0.0", fields, &packed(&manifest, &[cli()]));
        }
    };
    let refused = || Refused(4, &["error[EMANIFEST]", "evil@1.0.0", "bin."]);
    all_as_expected(
        "bins that differ",
        &[
            case(
                "42 another name",
                BOTH,
                refused(),
                differs(json!({"good": "cli.js"}), json!({"evil": "cli.js"})),
            ),
            case(
                "42 another target",
                BOTH,
                refused(),
                differs(json!({"x": "cli.js"}), json!({"x": "evil.js"})),
            ),
            case(
                "42 listed only",
                BOTH,
                refused(),
                differs(json!({"x": "cli.js"}), json!(null)),
            ),
            case(
                "42 packed only",
                BOTH,
                refused(),
                differs(json!(null), json!({"x": "cli.js"})),
            ),
        ],
    );
}

#[test]
fn of_two_packages_with_one_bin_the_first_by_name_has_it_every_time() {
    for _ in 0..5 {
        let world = World::new();
        let mut entries = Vec::new();
        for name in ["zz", "aa", "mm"] {
            let manifest = json!({"name": name, "version": "1.0.0", "bin": {"x": "cli.js"}});
            let tarball = packed(&manifest, &[cli()]);
            world.tarball(name, "1.0.0", &tarball);
            let mut entry = world.entry(name, "1.0.0", &tarball);
            entry["bin"] = json!({"x": "cli.js"});
            entries.push((name, entry));
        }
        world.wants(json!({"zz": "1.0.0", "aa": "1.0.0", "mm": "1.0.0"}));
        let keys: Vec<(String, Value)> = entries
            .into_iter()
            .map(|(name, entry)| (format!("node_modules/{name}"), entry))
            .collect();
        let keys: Vec<(&str, Value)> = keys
            .iter()
            .map(|(key, entry)| (key.as_str(), entry.clone()))
            .collect();
        world.lock(&keys);
        let run = world.run(CI[0]).unwrap();
        assert_eq!(run.code, 0, "{}", run.stderr);
        let link = std::fs::read_link(world.path("project/node_modules/.bin/x")).unwrap();
        assert_eq!(link.to_str(), Some("../aa/cli.js"));
        assert!(run.stderr.contains("warning[EBINTAKEN]"), "{}", run.stderr);
    }
}
