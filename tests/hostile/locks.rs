//! Rows 43 to 62: locks that somebody edited.

#![allow(clippy::too_many_lines)] // a table of cases is as long as it is

use std::sync::Arc;

use heatseal::integrity::Integrity;
use serde_json::{Value, json};

use crate::case::{CI, Case, Installed, Outcome, Refused, all_as_expected, case};
use crate::tar::{file, gzip};
use crate::world::{Server, World};

/// The tarball of a package with this package.json.
fn packed(manifest: &Value) -> Vec<u8> {
    let entries = [
        file("package/package.json", manifest.to_string()),
        file("package/index.js", "1"),
    ];
    let mut tar: Vec<u8> = entries.iter().flat_map(crate::tar::Entry::bytes).collect();
    tar.extend([0; 1024]);
    gzip(&tar)
}

fn honest(world: &World) -> Value {
    let left =
        packed(&json!({"name": "left", "version": "1.0.0", "dependencies": {"right": "^1.0.0"}}));
    let right = packed(&json!({"name": "right", "version": "1.2.0"}));
    world.wants(json!({"left": "^1.0.0"}));
    world.tarball("left", "1.0.0", &left);
    world.tarball("right", "1.2.0", &right);
    let mut entry = world.entry("left", "1.0.0", &left);
    entry["dependencies"] = json!({"right": "^1.0.0"});
    world.lock(&[
        ("node_modules/left", entry),
        ("node_modules/right", world.entry("right", "1.2.0", &right)),
    ]);
    let text = std::fs::read(world.path("project/npm-shrinkwrap.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// An honest lock with one change.
fn edited(
    name: &'static str,
    outcome: Outcome,
    edit: impl Fn(&World, &mut Value) + 'static,
) -> Case {
    case(name, CI, outcome, move |world| {
        let mut lock = honest(world);
        edit(world, &mut lock);
        world.put("npm-shrinkwrap.json", lock.to_string());
    })
}

/// An honest lock with one more entry, or an entry's members changed.
fn with_entry(name: &'static str, outcome: Outcome, key: &'static str, members: Value) -> Case {
    edited(name, outcome, move |_, lock| {
        let packages = lock["packages"].as_object_mut().unwrap();
        let entry = packages.entry(key).or_insert(json!({"version": "1.0.0"}));
        for (member, value) in members.as_object().unwrap() {
            entry[member] = value.clone();
        }
    })
}

fn text(name: &'static str, outcome: Outcome, edit: impl Fn(String) -> String + 'static) -> Case {
    case(name, CI, outcome, move |world| {
        let lock = honest(world);
        world.put("npm-shrinkwrap.json", edit(format!("{lock:#}\n")));
    })
}

const KEY: Outcome = Refused(4, &["error[EINVALIDLOCATION]", "npm-shrinkwrap.json"]);
const ENTRY: Outcome = Refused(
    3,
    &[
        "error[EINVALIDENTRY]",
        "npm-shrinkwrap.json",
        "node_modules/left",
    ],
);
const GRAPH: Outcome = Refused(
    3,
    &["error[ELOCKENTRY]", "npm-shrinkwrap.json", "node_modules/"],
);
const UNPROVEN: Outcome = Refused(4, &["error[EINTEGRITY]", "left@1.0.0", "sha512"]);

#[test]
fn an_honest_lock_installs() {
    let files = &["node_modules/left/index.js", "node_modules/right/index.js"];
    all_as_expected(
        "honest locks",
        &[edited("as it is", Installed(&[], files), |_, _| {})],
    );
}

#[test]
fn keys() {
    let key = |name, key: &'static str| with_entry(name, KEY, key, json!({}));
    all_as_expected(
        "keys of locks",
        &[
            key("43 ..", "node_modules/../../outside"),
            key("43 .. in front", "../outside/x"),
            key("43 absolute", "/outside/node_modules/x"),
            key("43 backslash", "node_modules\\..\\x"),
            key("43 drive", "C:/node_modules/x"),
            key(
                "43 below a package that is not there",
                "node_modules/gone/node_modules/x",
            ),
            key("43 no name", "node_modules/"),
            key("43 two names", "node_modules/a/b"),
            key("43 a folder that nothing links to", "somewhere"),
            key("44 .bin", "node_modules/.bin"),
            key("44 .bin below", "node_modules/.bin/x"),
            key("44 node_modules twice", "node_modules/node_modules"),
            key("44 .package-lock.json", "node_modules/.package-lock.json"),
            key("44 dot", "node_modules/."),
            key("44 scope of dots", "node_modules/@s/.."),
            key("44 a scope that is a hidden folder", "node_modules/@../x"),
            key("44 a scope's node_modules", "node_modules/@s/node_modules"),
            key("44 .git", ".git/node_modules/x"),
            key("54 __proto__", "__proto__"),
            key("54 __proto__ as a package", "node_modules/__proto__"),
            key("5 control character", "node_modules/a\u{1b}[2J"),
            key("56 case twins", "node_modules/LEFT"),
            with_entry(
                "158 a key of 6 kB",
                KEY,
                &*Box::leak(format!("node_modules/{}", "x".repeat(6000)).into_boxed_str()),
                json!({}),
            ),
        ],
    );
}

#[test]
fn entries() {
    let left = |name, outcome, members| with_entry(name, outcome, "node_modules/left", members);
    let sha1 = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=";
    let malformed = [
        "sha512",
        "sha512-",
        "sha512-AAAA",
        "sha512-!!!!",
        "SHA512-AAAA",
        "md5-AAAA",
        "x",
        "sha1-AAAA",
        "sha512=AAAA",
        "sha512-AAAA sha1",
        "-",
        "sha3-AAAA",
    ];
    let mut cases: Vec<Case> = malformed
        .iter()
        .map(|text| left("46 malformed integrity", ENTRY, json!({"integrity": text})))
        .collect();
    cases.extend([
        edited("46 integrity removed", UNPROVEN, |_, lock| {
            let entry = lock["packages"]["node_modules/left"].as_object_mut().unwrap();
            entry.remove("integrity");
        }),
        left("46 integrity emptied", UNPROVEN, json!({"integrity": ""})),
        left("46 integrity weakened", UNPROVEN, json!({"integrity": sha1})),
        left("46 integrity null", UNPROVEN, json!({"integrity": null})),
        left("46 integrity a number", Refused(3, &["error[", "integrity"]), json!({"integrity": 5})),
        edited("47 hash of other bytes", Refused(4, &["error[EINTEGRITY]", "left@1.0.0"]), |_, lock| {
            lock["packages"]["node_modules/left"]["integrity"] = Integrity::of(b"other").to_string().into();
        }),
        edited("48 another package's bytes", Refused(4, &["error[EINTEGRITY]", "left@1.0.0", "right@1.2.0"]), |_, lock| {
            let right = lock["packages"]["node_modules/right"].clone();
            for member in ["resolved", "integrity"] {
                lock["packages"]["node_modules/left"][member] = right[member].clone();
            }
        }),
        edited("48 a name that nobody asks for", Refused(3, &["error[ELOCKENTRY]", "node_modules/left", "`other`"]), |world, lock| {
            let other = packed(&json!({"name": "other", "version": "1.0.0", "dependencies": {"right": "^1.0.0"}}));
            world.tarball("other", "1.0.0", &other);
            let mut entry = world.entry("other", "1.0.0", &other);
            entry["name"] = "other".into();
            entry["dependencies"] = json!({"right": "^1.0.0"});
            lock["packages"]["node_modules/left"] = entry;
        }),
        edited("48 the same, and a shrinkwrap is said to decide it", Refused(3, &["error[ELOCKENTRY]", "node_modules/left/node_modules/right", "`other`"]), |world, lock| {
            let other = packed(&json!({"name": "other", "version": "1.2.0"}));
            world.tarball("other", "1.2.0", &other);
            let mut entry = world.entry("other", "1.2.0", &other);
            entry["name"] = "other".into();
            let packages = lock["packages"].as_object_mut().unwrap();
            packages["node_modules/left"]["hasShrinkwrap"] = true.into();
            packages.remove("node_modules/right");
            packages.insert("node_modules/left/node_modules/right".into(), entry);
        }),
        edited("48 not the alias that is asked for", Refused(3, &["error[ELOCKENTRY]", "node_modules/left", "`left`"]), |world, lock| {
            world.wants(json!({"left": "npm:other@^1.0.0"}));
            lock["packages"][""]["dependencies"]["left"] = "npm:other@^1.0.0".into();
        }),
        edited("48 the alias that is asked for, and a peer that is content with it", Installed(&[], &["node_modules/left/index.js"]), |world, lock| {
            let other = packed(&json!({"name": "other", "version": "1.0.0"}));
            let right = packed(&json!({"name": "right", "version": "1.2.0", "peerDependencies": {"left": "1"}}));
            world.tarball("other", "1.0.0", &other);
            world.tarball("right", "1.2.0", &right);
            let wanted = json!({"left": "npm:other@^1.0.0", "right": "^1.0.0"});
            world.wants(wanted.clone());
            let mut entry = world.entry("other", "1.0.0", &other);
            entry["name"] = "other".into();
            let mut peer = world.entry("right", "1.2.0", &right);
            peer["peerDependencies"] = json!({"left": "1"});
            lock["packages"][""]["dependencies"] = wanted;
            lock["packages"]["node_modules/left"] = entry;
            lock["packages"]["node_modules/right"] = peer;
        }),
        edited("48 another version", Refused(4, &["error[EINTEGRITY]", "right@1.1.0", "right@1.2.0"]), |_, lock| {
            lock["packages"]["node_modules/right"]["version"] = "1.1.0".into();
        }),
        left("57 version with a path", Refused(3, &["error[", "../../x", "not a version"]), json!({"version": "../../x"})),
        left("57 version with more", Refused(3, &["error[", "not a version"]), json!({"version": "1.0.0/../x"})),
        left("57 name with a path", ENTRY, json!({"name": "../../x"})),
        left("58 credentials", ENTRY, json!({"resolved": "https://user:hunter2@registry.example/left/-/left-1.0.0.tgz"})),
        left("58 a git repository", Refused(6, &["error[EALLOWSOURCE]", "left@1.0.0"]), json!({"resolved": "git+https://registry.example/left.git#0123456789012345678901234567890123456789"})),
        left("58 an option", ENTRY, json!({"resolved": "--upload-pack=touch /tmp/x"})),
        left("69 data", ENTRY, json!({"resolved": "data:application/gzip;base64,AAAA"})),
        left("69 ftp", ENTRY, json!({"resolved": "ftp://registry.example/left.tgz"})),
        left("49 a file", Refused(6, &["error[EALLOWSOURCE]", "left@1.0.0"]), json!({"resolved": "file:../outside/left.tgz"})),
        left("59 bin that climbs", ENTRY, json!({"bin": {"../../x": "index.js"}})),
        left("59 bin target that climbs", ENTRY, json!({"bin": {"x": "../../../outside/secret"}})),
        left("59 bin that the tarball lacks", Refused(4, &["error[EMANIFEST]", "left@1.0.0", "bin.x"]), json!({"bin": {"x": "index.js"}})),
        left("65 dependency that the tarball lacks", Refused(3, &["error["]), json!({"dependencies": {"right": "^1.0.0", "more": "1"}})),
        left("65 dependency hidden", Refused(3, &["error[ELOCKENTRY]", "node_modules/right"]), json!({"dependencies": {}})),
        left("65 another range", Refused(4, &["error[EMANIFEST]", "dependencies.right", "^1.0.0"]), json!({"dependencies": {"right": ">=0"}})),
        left("52 dev", GRAPH, json!({"dev": true})),
        left("52 optional", GRAPH, json!({"optional": true})),
        left("52 devOptional", GRAPH, json!({"devOptional": true})),
        left("52 inBundle", GRAPH, json!({"inBundle": true})),
        left("52 os of a required package", Refused(5, &["error[EBADPLATFORM]", "left@1.0.0"]), json!({"os": ["none"]})),
        left("52 os and optional", GRAPH, json!({"os": ["none"], "optional": true})),
        left("52 this os", Refused(4, &["error[EMANIFEST]", "left@1.0.0", "os"]), json!({"os": [std::env::consts::OS]})),
        with_entry("51 an entry that nothing needs", GRAPH, "node_modules/more", json!({})),
        with_entry("51 a nested entry that nothing needs", GRAPH, "node_modules/left/node_modules/more", json!({})),
        left("72 dependencies a number", Refused(3, &["error[", "dependencies"]), json!({"dependencies": 5})),
        left("72 a range that is none", Refused(3, &["error[", "right"]), json!({"dependencies": {"right": 5}})),
        left("54 __proto__ in dependencies", Refused(3, &["error["]), json!({"dependencies": {"right": "^1.0.0", "__proto__": "1"}})),
    ]);
    all_as_expected("entries of locks", &cases);
}

#[test]
fn hidden_scripts() {
    let scripted = |flag: bool| {
        move |world: &World| {
            let tarball = packed(&json!({
                "name": "s", "version": "1.0.0", "scripts": {"postinstall": "touch ../../RAN"},
            }));
            world.wants(json!({"s": "1.0.0"}));
            world.tarball("s", "1.0.0", &tarball);
            let mut entry = world.entry("s", "1.0.0", &tarball);
            if flag {
                entry["hasInstallScript"] = true.into();
            }
            world.lock(&[("node_modules/s", entry)]);
        }
    };
    all_as_expected(
        "hidden scripts",
        &[
            case(
                "53 a script that the lock hides",
                CI,
                Refused(4, &["error[EMANIFEST]", "s@1.0.0", "install script"]),
                scripted(false),
            ),
            case(
                "53 one that it tells",
                CI,
                Installed(&[], &["node_modules/s/index.js"]),
                scripted(true),
            ),
        ],
    );
}

#[test]
fn links() {
    let foreign = |target: &'static str| {
        move |world: &World, lock: &mut Value| {
            std::fs::write(
                world.path("outside/folder/package.json"),
                r#"{"name":"left","version":"1.0.0","dependencies":{"right":"^1.0.0"}}"#,
            )
            .unwrap();
            let packages = lock["packages"].as_object_mut().unwrap();
            packages.insert(
                "node_modules/left".into(),
                json!({"resolved": target, "link": true}),
            );
            let entry =
                json!({"name": "left", "version": "1.0.0", "dependencies": {"right": "^1.0.0"}});
            packages.insert(target.into(), entry);
        }
    };
    all_as_expected(
        "links of locks",
        &[
            edited(
                "49 link to a foreign folder",
                GRAPH,
                foreign("../outside/folder"),
            ),
            edited(
                "49 link to nowhere",
                Refused(3, &["error[EMISSINGTARGET]"]),
                |_, lock| {
                    lock["packages"]["node_modules/left"] =
                        json!({"resolved": "../outside/folder", "link": true});
                },
            ),
            edited(
                "49 link to a foreign folder, in a lock of version 1",
                Refused(3, &["error[ELOCKENTRY]", "node_modules/left"]),
                |world, lock| {
                    let manifest = r#"{"name":"left","version":"1.0.0"}"#;
                    std::fs::write(world.path("outside/folder/package.json"), manifest).unwrap();
                    *lock = json!({
                        "name": "project", "version": "1.0.0", "lockfileVersion": 1,
                        "requires": true,
                        "dependencies": {"left": {"version": "file:../outside/folder"}},
                    });
                },
            ),
            edited(
                "49 a link out of the project that only a registry's package asks for",
                Refused(
                    3,
                    &["error[ELOCKENTRY]", "node_modules/x", "out of the project"],
                ),
                |world, lock| {
                    let spec = json!({"x": "file:../../../outside/folder"});
                    let left = json!({"name": "left", "version": "1.0.0", "dependencies": spec});
                    let left = packed(&left);
                    world.tarball("left", "1.0.0", &left);
                    let mut entry = world.entry("left", "1.0.0", &left);
                    entry["dependencies"] = spec;
                    let packages = lock["packages"].as_object_mut().unwrap();
                    packages.remove("node_modules/right");
                    packages.insert("node_modules/left".into(), entry);
                    let link = json!({"resolved": "../outside/folder", "link": true});
                    packages.insert("node_modules/x".into(), link);
                    packages.insert("../outside/folder".into(), json!({"version": "1.0.0"}));
                },
            ),
            edited(
                "49 an entry below a link",
                Refused(4, &["error[EINVALIDLOCATION]", "lies in a link"]),
                |world, lock| {
                    world.put(
                        "inside/package.json",
                        r#"{"name":"left","version":"1.0.0"}"#,
                    );
                    world.wants(json!({"left": "file:inside"}));
                    let packages = lock["packages"].as_object_mut().unwrap();
                    let right = packages.remove("node_modules/right").unwrap();
                    let left = json!({"resolved": "inside", "link": true});
                    packages.insert("node_modules/left".into(), left);
                    packages.insert("inside".into(), json!({"name": "left", "version": "1.0.0"}));
                    packages.insert("node_modules/left/node_modules/right".into(), right);
                },
            ),
            edited(
                "49 link to an absolute folder",
                KEY,
                foreign("/outside/folder"),
            ),
            with_entry(
                "49 an entry through a link",
                KEY,
                "node_modules/left/../x",
                json!({}),
            ),
        ],
    );
}

#[test]
fn texts() {
    let conflict = |text: String| {
        text.replacen(
            "\"left\"",
            "<<<<<<< a\n\"left\"\n=======\n\"left\"\n>>>>>>> b\n",
            1,
        )
    };
    all_as_expected(
        "texts of locks",
        &[
            text("55 merge conflict", Refused(3, &["error["]), conflict),
            text(
                "55 unknown version",
                Refused(3, &["error[ELOCKFILEVERSION]", "99"]),
                |text| text.replace("\"lockfileVersion\": 3", "\"lockfileVersion\": 99"),
            ),
            text(
                "54 a member twice",
                Refused(3, &["error[EUSAGE]", "twice", "line"]),
                |text| {
                    text.replacen(
                        "\"version\": \"1.2.0\"",
                        "\"version\": \"1.1.0\", \"version\": \"1.2.0\"",
                        1,
                    )
                },
            ),
            text(
                "54 packages twice",
                Refused(3, &["error[EUSAGE]", "\"packages\"", "twice"]),
                |text| text.replacen("\"requires\": true", "\"packages\": {}", 1),
            ),
            text(
                "55 trailing text",
                Refused(3, &["error[EJSONPARSE]"]),
                |text| text + "{}",
            ),
            text("55 a list", Refused(3, &["error["]), |_| "[]".to_owned()),
            text(
                "55 byte-order mark",
                Installed(&[], &["node_modules/left/index.js"]),
                |text| format!("\u{feff}{text}"),
            ),
            text(
                "55 CRLF",
                Installed(&[], &["node_modules/left/index.js"]),
                |text| text.replace('\n', "\r\n"),
            ),
            text("157 deep", Refused(3, &["error["]), |text| {
                let deep = format!(
                    "\"x\": {}{}, \"packages\"",
                    "[".repeat(100),
                    "]".repeat(100)
                );
                text.replacen("\"packages\"", &deep, 1)
            }),
            text(
                "157 a hundred thousand entries more",
                Refused(3, &["error[EFBIG]", "--max-lockfile-packages"]),
                |text| {
                    let more = (0..100_000)
                        .map(|at| format!("\"node_modules/n{at}\": {{\"version\": \"1.0.0\"}}"));
                    let more = more.collect::<Vec<_>>().join(",\n") + ",\n";
                    text.replacen("\"node_modules/", &format!("{more}\"node_modules/"), 1)
                },
            ),
            text("157 bottomless", Refused(3, &["error["]), |_| {
                "[".repeat(1_000_000)
            }),
            case(
                "50 package.json wants more",
                CI,
                Refused(3, &["error[EUSAGE]", "left"]),
                |world| {
                    honest(world);
                    world.wants(json!({"left": "^2.0.0"}));
                },
            ),
            case(
                "50 package.json wants another",
                CI,
                Refused(3, &["error[EUSAGE]", "other"]),
                |world| {
                    honest(world);
                    world.wants(json!({"left": "^1.0.0", "other": "1"}));
                },
            ),
        ],
    );
}

#[test]
fn another_host_is_not_asked_unless_it_is_allowed() {
    let other = Arc::new(Server::start());
    let there = other.clone();
    let move_left = move |_: &World, lock: &mut Value| {
        let url = format!("{}/left/-/left-1.0.0.tgz", there.url);
        lock["packages"]["node_modules/left"]["resolved"] = url.into();
    };
    let refused = Refused(
        6,
        &["error[EALLOWHOST]", "left@1.0.0", "--allow-host 127.0.0.1:"],
    );
    all_as_expected("hosts", &[edited("45 another host", refused, move_left)]);
    assert_eq!(other.asked(), Vec::<String>::new());

    let world = World::new();
    let mut lock = honest(&world);
    let tarball =
        packed(&json!({"name": "left", "version": "1.0.0", "dependencies": {"right": "^1.0.0"}}));
    other.serve(
        "/left.tgz",
        crate::world::Reply {
            body: tarball,
            ..Default::default()
        },
    );
    lock["packages"]["node_modules/left"]["resolved"] = format!("{}/left.tgz", other.url).into();
    world.put("npm-shrinkwrap.json", lock.to_string());
    let host = other.url.trim_start_matches("http://");
    let run = world.run(&["ci", "--allow-host", host]).unwrap();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(other.asked(), ["/left.tgz"]);
}

#[test]
fn what_is_refused_is_refused_before_anything_is_fetched_or_changed() {
    let world = World::new();
    let mut lock = honest(&world);
    lock["packages"]["node_modules/right"]["integrity"] = Value::Null;
    let text = lock.to_string();
    world.put("npm-shrinkwrap.json", &text);
    assert_eq!(world.run(&["ci"]).unwrap().code, 4);
    assert_eq!(world.server.asked(), Vec::<String>::new());
    assert_eq!(
        std::fs::read_to_string(world.path("project/npm-shrinkwrap.json")).unwrap(),
        text
    );
}

#[test]
fn credentials_in_a_lock_are_not_printed() {
    let world = World::new();
    let mut lock = honest(&world);
    let url = "https://user:hunter2@registry.example/left/-/left-1.0.0.tgz";
    lock["packages"]["node_modules/left"]["resolved"] = url.into();
    world.put("npm-shrinkwrap.json", lock.to_string());
    for command in [
        &["ci"][..],
        &["ci", "--json"],
        &["shrinkwrap"],
        &["install"],
    ] {
        let run = world.run(command).unwrap();
        assert!(
            !run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"),
            "{run:?}"
        );
    }
    honest(&world);
    world.wants(json!({
        "left": "http://user:hunter2@127.0.0.1:1/left.tgz",
        "right": "http://127.0.0.1:1/right.tgz?token=hunter2",
        "more": "git+https://user:hunter2@127.0.0.1:1/more.git",
    }));
    for command in [
        &["ci"][..],
        &["ci", "--json"],
        &["verify"],
        &["lint"],
        &["ls"],
    ] {
        let run = world.run(command).unwrap();
        assert!(
            !run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"),
            "{run:?}"
        );
    }
}

/// No prefix of a lock passes for the whole.
#[test]
fn a_lock_that_was_cut_is_refused() {
    let world = World::new();
    let text = format!("{:#}", honest(&world));
    for cut in (0..text.len()).step_by(7) {
        let prefix = &text.as_bytes()[..cut];
        let read =
            heatseal::lock::parse(prefix, "lock").and_then(|lock| heatseal::lock::check(&lock));
        assert!(read.is_err(), "{cut} bytes were taken for a lock");
    }
}
