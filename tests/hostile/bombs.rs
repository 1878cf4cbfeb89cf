//! Rows 150 to 159: inputs that are small and want to become large, or to keep us busy.

#![allow(clippy::too_many_lines)] // a table of cases is as long as it is

use heatseal::integrity::Integrity;
use serde_json::{Map, Value, json};

use crate::case::{CI, Case, Installed, LOCK, Outcome, Refused, all_as_expected, case};
use crate::tar::{MANIFEST, bomb, entry, file, gnu, gzip, pax, tgz};
use crate::world::{Reply, World};

fn tarball(name: &'static str, words: &'static [&'static str], bytes: Vec<u8>) -> Case {
    case(name, CI, Refused(4, words), move |world| {
        world.wants(json!({"evil": "1.0.0"}));
        world.tarball("evil", "1.0.0", &bytes);
        world.lock(&[("node_modules/evil", world.entry("evil", "1.0.0", &bytes))]);
    })
}

const BAD: &str = "error[TAR_BAD_ARCHIVE]: the tarball of `evil@1.0.0`";

/// A package.json, then one entry that says it has so many bytes, and zeros for them.
fn blown_up(kind: u8, name: &str, size: u64) -> Vec<u8> {
    let head = entry(kind, name, "").size(format!("{size:011o}\0"));
    let manifest = file("package/package.json", MANIFEST).bytes();
    bomb(&[manifest, head.bytes()].concat(), size + 1024)
}

#[test]
fn bombs_in_tarballs() {
    let mut lies = blown_up(b'0', "package/zeros", 100 << 20);
    let end = lies.len();
    lies[end - 4..].copy_from_slice(&1000_u32.to_le_bytes());
    let mut empty = file("package/package.json", MANIFEST).bytes();
    for number in 0..100_000 {
        empty.extend(file(format!("package/{number}"), "").bytes());
    }
    let many = gzip(&empty);
    let manifest = bomb(
        &file("package/package.json", "")
            .size(format!("{:011o}\0", 64 << 20))
            .bytes(),
        (64 << 20) + 1024,
    );
    all_as_expected(
        "bombs in tarballs",
        &[
            tarball(
                "150 600 MiB of zeros",
                &[BAD, "--max-unpacked-size"],
                blown_up(b'0', "package/zeros", 600 << 20),
            ),
            tarball("150 a trailer that lies", &[BAD, "gzip data"], lies),
            tarball(
                "151 100,000 entries",
                &[BAD, "50000 entries", "--max-entries"],
                many,
            ),
            tarball(
                "151 a hundred entries in 90,000 folders",
                &[BAD, "--max-entries"],
                folders_without_end(100),
            ),
            tarball(
                "151 paths of many megabytes",
                &[BAD, "--max-entries"],
                long_paths(5_000),
            ),
            tarball(
                "152 a pax header of 64 MiB",
                &[BAD, "extended header", "1048576"],
                blown_up(b'x', "PaxHeader/x", 64 << 20),
            ),
            tarball(
                "152 a long name of 64 MiB",
                &[BAD, "extended header"],
                blown_up(b'L', "././@LongLink", 64 << 20),
            ),
            tarball(
                "152 a pax header of 2 MiB",
                &[BAD, "extended header"],
                blown_up(b'x', "PaxHeader/x", 2 << 20),
            ),
            tarball(
                "153 a package.json of 64 MiB",
                &[BAD, "package.json", "--max-manifest-size"],
                manifest,
            ),
            tarball(
                "153 a package.json of 5 MiB",
                &[BAD, "package.json", "4194304"],
                {
                    let text = format!(
                        r#"{{"name":"evil","version":"1.0.0","x":"{}"}}"#,
                        "x".repeat(5 << 20)
                    );
                    let mut tar = file("package/package.json", text).bytes();
                    tar.extend([0; 1024]);
                    gzip(&tar)
                },
            ),
            case(
                "150 a limit that the user sets",
                &[&["ci", "--max-unpacked-size", "1M"]],
                Refused(4, &[BAD, "1048576 bytes"]),
                |world| {
                    world.wants(json!({"evil": "1.0.0"}));
                    let bytes = blown_up(b'0', "package/zeros", 2 << 20);
                    world.tarball("evil", "1.0.0", &bytes);
                    world.lock(&[("node_modules/evil", world.entry("evil", "1.0.0", &bytes))]);
                },
            ),
            case(
                "150 a limit for the whole install",
                &[&["ci", "--max-install-size", "1M"]],
                Refused(4, &["error[EFBIG]", "--max-install-size"]),
                |world| {
                    let mut entries = Vec::new();
                    for name in ["a", "b", "c"] {
                        let manifest = json!({"name": name, "version": "1.0.0"}).to_string();
                        let mut tar = file("package/package.json", manifest).bytes();
                        tar.extend(file("package/data", vec![0; 600 << 10]).bytes());
                        tar.extend([0; 1024]);
                        let bytes = gzip(&tar);
                        world.tarball(name, "1.0.0", &bytes);
                        entries.push((name, world.entry(name, "1.0.0", &bytes)));
                    }
                    world.wants(json!({"a": "1.0.0", "b": "1.0.0", "c": "1.0.0"}));
                    let keys: Vec<(String, Value)> = entries
                        .into_iter()
                        .map(|(name, entry)| (format!("node_modules/{name}"), entry))
                        .collect();
                    let keys: Vec<(&str, Value)> = keys
                        .iter()
                        .map(|(key, entry)| (key.as_str(), entry.clone()))
                        .collect();
                    world.lock(&keys);
                },
            ),
        ],
    );
}

/// Entries each of which names 900 folders that no other one names.
fn folders_without_end(entries: usize) -> Vec<u8> {
    let mut tar = file("package/package.json", MANIFEST).bytes();
    for number in 0..entries {
        let path = format!("package/{number}/{}x", "d/".repeat(900));
        tar.extend(gnu(b'L', path).bytes());
        tar.extend(file("package/a", "").bytes());
    }
    tar.extend([0; 1024]);
    gzip(&tar)
}

fn long_paths(entries: usize) -> Vec<u8> {
    let folder = "n".repeat(200) + "/";
    let mut tar = file("package/package.json", MANIFEST).bytes();
    for number in 0..entries {
        let path = format!("package/{}{number}", folder.repeat(18));
        tar.extend(gnu(b'L', path).bytes());
        tar.extend(file("package/a", "").bytes());
    }
    tar.extend([0; 1024]);
    gzip(&tar)
}

/// Files before each of which stands a pax header of so many records that mean nothing.
fn records_without_end(files: usize, records: usize) -> Vec<u8> {
    let keys: Vec<String> = (0..records).map(|number| format!("v.{number}")).collect();
    let records: Vec<(&str, &[u8])> = keys.iter().map(|key| (key.as_str(), &b""[..])).collect();
    let header = pax(b'x', &records).bytes();
    let mut tar = file("package/package.json", MANIFEST).bytes();
    for number in 0..files {
        tar.extend(&header);
        tar.extend(file(format!("package/{number}"), "").bytes());
    }
    tar.extend([0; 1024]);
    gzip(&tar)
}

#[test]
fn a_header_of_very_many_records_is_read_at_once() {
    let world = World::new();
    world.wants(json!({"evil": "1.0.0"}));
    let bytes = records_without_end(10, 60_000);
    world.tarball("evil", "1.0.0", &bytes);
    world.lock(&[("node_modules/evil", world.entry("evil", "1.0.0", &bytes))]);
    let run = world.run(CI[0]).unwrap();
    assert_eq!(run.code, 0, "{}", run.stderr);
}

fn answer(name: &'static str, outcome: Outcome, reply: impl Fn() -> Reply + 'static) -> Case {
    case(name, LOCK, outcome, move |world| {
        world.wants(json!({"evil": "1.0.0"}));
        world.server.serve("/evil", reply());
    })
}

#[test]
fn bombs_in_answers() {
    let too_big = || Refused(7, &["error[EFBIG]", "/evil", "--max-packument-size"]);
    let gzipped = |body: Vec<u8>| Reply {
        body,
        headers: vec![("content-encoding", "gzip".to_owned())],
        endless: false,
    };
    all_as_expected(
        "bombs in answers",
        &[
            answer(
                "153 a packument of 200 MiB, gzipped",
                too_big(),
                move || gzipped(bomb(b"{\"name\":\"", 200 << 20)),
            ),
            answer(
                "153 the same with a trailer that lies",
                Refused(7, &["error[E", "/evil"]),
                move || {
                    let mut body = bomb(b"{\"name\":\"", 200 << 20);
                    let end = body.len();
                    body[end - 4..].copy_from_slice(&10_u32.to_le_bytes());
                    gzipped(body)
                },
            ),
            answer("153 an endless packument", too_big(), || Reply {
                body: vec![b' '; 1 << 16],
                endless: true,
                ..Reply::default()
            }),
            answer(
                "153 endless headers",
                Refused(7, &["error[E", "/evil"]),
                || Reply {
                    body: Vec::new(),
                    headers: vec![("x", "y".repeat(1 << 20))],
                    endless: false,
                },
            ),
            case(
                "153 an endless tarball",
                CI,
                Refused(7, &["error[EFBIG]", "--max-tarball-size"]),
                |world| {
                    world.wants(json!({"evil": "1.0.0"}));
                    let reply = Reply {
                        body: vec![0x1f; 1 << 16],
                        endless: true,
                        ..Reply::default()
                    };
                    world.server.serve("/evil/-/evil-1.0.0.tgz", reply);
                    world.lock(&[("node_modules/evil", world.entry("evil", "1.0.0", b"x"))]);
                },
            ),
        ],
    );
}

fn versions(world: &World, name: &str, count: usize, dependencies: &dyn Fn(usize) -> Value) {
    let mut versions = Map::new();
    for number in 0..count {
        let version = format!("1.{number}.0");
        let entry = json!({
            "name": name, "version": version, "dependencies": dependencies(number),
            "dist": {"tarball": world.url(name, &version), "integrity": Integrity::of(b"x").to_string()},
        });
        versions.insert(version, entry);
    }
    let latest = format!("1.{}.0", count - 1);
    let packument = json!({"name": name, "dist-tags": {"latest": latest}, "versions": versions});
    world.document(name, packument.to_string());
}

#[test]
fn work_without_end() {
    let chain = |world: &World| {
        world.wants(json!({"c0": "^1.0.0"}));
        for number in 0..600 {
            let next = if number < 599 {
                json!({format!("c{}", number + 1): "^1.0.0"})
            } else {
                json!({})
            };
            versions(world, &format!("c{number}"), 1, &|_| next.clone());
        }
    };
    let diamond = |world: &World| {
        world.wants(json!({"l0": "^1.0.0", "r0": "^1.0.0"}));
        for number in 0..30 {
            for side in ["l", "r"] {
                let (left, right) = (format!("l{}", number + 1), format!("r{}", number + 1));
                let next = if number < 29 {
                    json!({left: "^1.0.0", right: "^1.0.0"})
                } else {
                    json!({})
                };
                versions(world, &format!("{side}{number}"), 1, &|_| next.clone());
            }
        }
    };
    let peers = |world: &World| {
        world.wants(json!({"l0": "^1.0.0", "r0": "^1.0.0"}));
        for number in 0..30 {
            for side in ["l", "r"] {
                let name = format!("{side}{number}");
                let (left, right) = (format!("l{}", number + 1), format!("r{}", number + 1));
                let peers = json!({left: "^1.0.0", right: "^1.0.0"});
                let peers = if number < 29 { peers } else { json!({}) };
                let tarball = tgz(&[]);
                world.publish(&name, "1.0.0", json!({"peerDependencies": peers}), &tarball);
            }
        }
    };
    let cycle = |world: &World| {
        world.wants(json!({"a": "^1.0.0"}));
        versions(world, "a", 1, &|_| json!({"b": "^1.0.0"}));
        versions(world, "b", 1, &|_| json!({"a": "^1.0.0"}));
    };
    let mut parts = "1.0.0 - 1.0.0 || ".repeat(20_000);
    parts.push('2');
    let range = |text: String| {
        move |world: &World| {
            world.wants(json!({"evil": "^1.0.0"}));
            versions(world, "evil", 1, &|_| json!({"x": text}));
            versions(world, "x", 1, &|_| json!({}));
        }
    };
    let locked = || Installed(&[], &["npm-shrinkwrap.json"]);
    all_as_expected(
        "work without end",
        &[
            case("154 20,000 versions", LOCK, locked(), |world| {
                world.wants(json!({"evil": "^1.0.0"}));
                versions(world, "evil", 20_000, &|_| json!({}));
            }),
            case(
                "155 a range of many parts",
                LOCK,
                Refused(9, &["error[EINVALIDRANGE]", "256"]),
                range(parts),
            ),
            case(
                "155 a range that backtracks",
                LOCK,
                Refused(9, &["error[E"]),
                range(format!("1.0.0-{}!", "0".repeat(3000))),
            ),
            case(
                "155 blanks",
                LOCK,
                Refused(9, &["error[E"]),
                range(format!(">{}!", " ".repeat(50_000))),
            ),
            case("156 a chain of 600", LOCK, locked(), chain),
            case("156 a diamond of 2^30 paths", LOCK, locked(), diamond),
            case(
                "156 a diamond of peers",
                LOCK,
                Refused(9, &["error[ERESOLVE]", "no stable tree", "l"]),
                peers,
            ),
            case("156 a cycle", LOCK, locked(), cycle),
            case(
                "157 a lock of 20,000 entries that nothing needs",
                CI,
                Refused(3, &["error[ELOCKENTRY]", "more"]),
                |world| {
                    world.wants(json!({"evil": "1.0.0"}));
                    let keys: Vec<String> = (0..20_000)
                        .map(|number| format!("node_modules/x{number}"))
                        .collect();
                    let mut entries: Vec<(&str, Value)> = keys
                        .iter()
                        .map(|key| (key.as_str(), json!({"version": "1.0.0"})))
                        .collect();
                    let evil = world.entry("evil", "1.0.0", b"x");
                    entries.push(("node_modules/evil", evil));
                    world.lock(&entries);
                },
            ),
            case(
                "157 a nest of 2,000 folders",
                CI,
                Refused(4, &["error[EINVALIDLOCATION]", "4096"]),
                |world| {
                    world.wants(json!({"evil": "1.0.0"}));
                    let key = "node_modules/a/".repeat(2000) + "node_modules/b";
                    let evil = world.entry("evil", "1.0.0", b"x");
                    world.lock(&[
                        ("node_modules/evil", evil),
                        (&key, json!({"version": "1.0.0"})),
                    ]);
                },
            ),
        ],
    );
}

/// Each is held against all others, by npm as well: that ends in words before memory does.
#[test]
#[ignore = "long: it takes 1.5 GB"]
fn ten_thousand_dependencies_of_one_project_are_refused_in_words() {
    let world = World::new();
    let names: Vec<String> = (0..10_000).map(|number| format!("x{number}")).collect();
    for name in &names {
        versions(&world, name, 1, &|_| json!({}));
    }
    let wanted: Map<String, Value> = names
        .into_iter()
        .map(|name| (name, json!("^1.0.0")))
        .collect();
    world.wants(Value::Object(wanted));
    let run = world.run_large(&["shrinkwrap"]);
    assert_eq!(run.code, 9, "{}", run.stderr);
    assert!(run.stderr.contains("10000 dependencies"), "{}", run.stderr);
    assert!(!world.has("npm-shrinkwrap.json"));
}

#[test]
fn hundreds_of_warnings_are_not_a_flood() {
    let world = World::new();
    world.wants(json!({"evil": "^1.0.0"}));
    let words = "x".repeat(1000);
    let told = std::env::var("HEATSEAL_WARNINGS").ok();
    let count: usize = told.and_then(|text| text.parse().ok()).unwrap_or(400);
    let dependencies: Map<String, Value> = (0..count)
        .map(|number| (format!("w{number}"), json!("^1.0.0")))
        .collect();
    versions(&world, "evil", 1, &|_| Value::Object(dependencies.clone()));
    for number in 0..count {
        let name = format!("w{number}");
        let entry = json!({"name": name, "version": "1.0.0", "deprecated": words, "dist": {"tarball": world.url(&name, "1.0.0"), "integrity": Integrity::of(b"x").to_string()}});
        let packument =
            json!({"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": entry}});
        world.document(&name, packument.to_string());
    }
    let run = world.run(&["shrinkwrap"]).unwrap();
    assert_eq!(run.code, 0, "{}", run.stderr);
}
