//! Rows 63 to 84: what a registry may answer, and what it may not.

#![allow(clippy::too_many_lines)] // a table of cases is as long as it is

use heatseal::integrity::Integrity;
use serde_json::{Value, json};

use crate::case::{BOTH, Case, Installed, LOCK, Outcome, Refused, all_as_expected, case};
use crate::tar::{Entry, bare, file, gzip};
use crate::world::{Reply, World};

fn packed(manifest: impl AsRef<[u8]>, more: &[Entry]) -> Vec<u8> {
    let mut tar = file("package/package.json", manifest).bytes();
    for entry in more {
        tar.extend(entry.bytes());
    }
    tar.extend([0; 1024]);
    gzip(&tar)
}

const HONEST: &str = r#"{"name":"evil","version":"1.0.0"}"#;

/// `evil@1.0.0`, an honest tarball, and these members in its entry of the packument.
fn listed(
    name: &'static str,
    commands: &'static [&'static [&'static str]],
    outcome: Outcome,
    fields: Value,
) -> Case {
    case(name, commands, outcome, move |world| {
        world.wants(json!({"evil": "^1.0.0"}));
        world.publish("evil", "1.0.0", fields.clone(), &packed(HONEST, &[]));
    })
}

/// The packument's text as given; `URL` in it is the registry's.
fn document(name: &'static str, outcome: Outcome, text: impl Into<Vec<u8>>) -> Case {
    let text: Vec<u8> = text.into();
    case(name, LOCK, outcome, move |world| {
        world.wants(json!({"evil": "^1.0.0"}));
        let text = String::from_utf8_lossy(&text).replace("URL", &world.server.url);
        world.document("evil", text);
    })
}

/// An honest packument, and this package.json in the tarball.
fn manifest(name: &'static str, outcome: Outcome, text: impl Into<Vec<u8>>) -> Case {
    let text: Vec<u8> = text.into();
    case(name, BOTH, outcome, move |world| {
        world.wants(json!({"evil": "^1.0.0"}));
        world.publish("evil", "1.0.0", json!({}), &packed(&text, &[]));
    })
}

const TAR: &str = "error[TAR_BAD_ARCHIVE]: the tarball of `evil@1.0.0`";

#[test]
fn identity() {
    let one = |name: &str, version: &str, told: &str| {
        let entry = json!({"name": "evil", "version": told, "dist": {"tarball": "URL/evil/-/evil-1.0.0.tgz"}});
        json!({"name": name, "dist-tags": {"latest": version}, "versions": {version: entry}})
            .to_string()
    };
    all_as_expected(
        "identity",
        &[
            document(
                "63 another name",
                Refused(7, &["error[EINVALIDPACKUMENT]", "evil", "other"]),
                one("other", "1.0.0", "1.0.0"),
            ),
            document(
                "64 key and field differ",
                Refused(7, &["error[EINVALIDPACKUMENT]", "evil@1.0.0", "1.0.1"]),
                one("evil", "1.0.0", "1.0.1"),
            ),
            document(
                "63 a version of another name",
                Refused(7, &["error[EINVALIDPACKUMENT]", "evil@1.0.0", "`other`"]),
                one("evil", "1.0.0", "1.0.0")
                    .replacen(
                        "\"name\":\"evil\",\"version",
                        "\"name\":\"other\",\"version",
                        1,
                    )
                    .replacen("\"name\":\"evil\"}", "\"name\":\"other\"}", 1),
            ),
            case(
                "57 a tag of a version with a path",
                LOCK,
                Refused(
                    7,
                    &["error[EINVALIDPACKUMENT]", "evil@../../x", "not a version"],
                ),
                move |world| {
                    world.document("evil", one("evil", "../../x", "../../x"));
                    world.wants(json!({"evil": "latest"}));
                },
            ),
            document(
                "57 a version with a path",
                Refused(9, &["error[E", "evil"]),
                one("evil", "../../x", "../../x"),
            ),
            manifest(
                "66 tarball of another package",
                Refused(4, &["error[EINTEGRITY]", "evil@1.0.0", "other@1.0.0"]),
                r#"{"name":"other","version":"1.0.0"}"#,
            ),
            manifest(
                "66 tarball of another version",
                Refused(4, &["error[EINTEGRITY]", "evil@1.0.1"]),
                r#"{"name":"evil","version":"1.0.1"}"#,
            ),
            manifest(
                "66 nameless tarball",
                Refused(4, &["error[EINTEGRITY]", "evil@1.0.0"]),
                "{}",
            ),
            manifest(
                "67 a list",
                Refused(4, &[TAR, "package.json", "not a JSON object"]),
                "[]",
            ),
            manifest(
                "67 no JSON",
                Refused(4, &[TAR, "package.json", "not a JSON object"]),
                "{",
            ),
            manifest(
                "67 byte-order mark",
                Installed(&[], &["node_modules/evil/package.json"]),
                format!("\u{feff}{HONEST}"),
            ),
            manifest(
                "67 name twice",
                Refused(4, &[TAR, "\"name\" twice"]),
                r#"{"name":"good","name":"evil","version":"1.0.0"}"#,
            ),
            manifest(
                "67 scripts twice",
                Refused(4, &[TAR, "\"scripts\" twice"]),
                r#"{"name":"evil","version":"1.0.0","scripts":{},"scripts":{"install":"x"}}"#,
            ),
            manifest(
                "67 a dependency twice",
                Refused(4, &[TAR, "\"a\" twice"]),
                r#"{"name":"evil","version":"1.0.0","dependencies":{"a":"1","a":"2"}}"#,
            ),
            manifest(
                "67 a description twice, as real packages have it",
                Installed(&[], &["node_modules/evil/package.json"]),
                r#"{"name":"evil","version":"1.0.0","description":"a","description":"b"}"#,
            ),
            case(
                "67 no package.json",
                BOTH,
                Refused(4, &[TAR, "no package.json"]),
                |world| {
                    world.wants(json!({"evil": "^1.0.0"}));
                    world.publish("evil", "1.0.0", json!({}), &bare(&[file("package/a", "")]));
                },
            ),
            manifest(
                "153 package.json too deep",
                Refused(4, &[TAR, "package.json", "64"]),
                format!(
                    r#"{{"name":"evil","version":"1.0.0","x":{}{}}}"#,
                    "[".repeat(100),
                    "]".repeat(100)
                ),
            ),
        ],
    );
}

#[test]
fn manifest_confusion() {
    let disagrees = |name, words: &'static [&'static str], more: &str| {
        manifest(
            name,
            Refused(4, words),
            format!(r#"{{"name":"evil","version":"1.0.0",{more}}}"#),
        )
    };
    all_as_expected(
        "manifest confusion",
        &[
            disagrees(
                "65 hidden dependency",
                &["error[EMANIFEST]", "evil@1.0.0", "dependencies.more"],
                r#""dependencies":{"more":"1"}"#,
            ),
            disagrees(
                "65 hidden optional dependency",
                &["error[EMANIFEST]", "optionalDependencies.more"],
                r#""optionalDependencies":{"more":"1"}"#,
            ),
            disagrees(
                "65 hidden peer",
                &["error[EMANIFEST]", "peerDependencies.more"],
                r#""peerDependencies":{"more":"1"}"#,
            ),
            disagrees(
                "65 hidden script",
                &["error[EMANIFEST]", "install script"],
                r#""scripts":{"install":"touch x"}"#,
            ),
            disagrees(
                "65 hidden os",
                &["error[EMANIFEST]", "\"os\""],
                r#""os":["none"]"#,
            ),
            disagrees(
                "65 hidden bin",
                &["error[EMANIFEST]", "bin.evil"],
                r#""bin":"x.js""#,
            ),
            case(
                "65 listed dependency that is not there",
                BOTH,
                Refused(4, &["error[EMANIFEST]", "dependencies.good"]),
                |world| {
                    world.wants(json!({"evil": "^1.0.0"}));
                    world.publish(
                        "evil",
                        "1.0.0",
                        json!({"dependencies": {"good": "1"}}),
                        &packed(HONEST, &[]),
                    );
                    world.publish(
                        "good",
                        "1.0.0",
                        json!({}),
                        &packed(r#"{"name":"good","version":"1.0.0"}"#, &[]),
                    );
                    world.wants(json!({"evil": "^1.0.0"}));
                },
            ),
            case(
                "65 accepted by name",
                &[
                    &["shrinkwrap"],
                    &["ci", "--ignore-scripts", "--accept-manifest", "evil@1.0.0"],
                ],
                Installed(&[], &["node_modules/evil/package.json"]),
                |world| {
                    world.wants(json!({"evil": "^1.0.0"}));
                    let manifest =
                        r#"{"name":"evil","version":"1.0.0","dependencies":{"more":"1"}}"#;
                    world.publish("evil", "1.0.0", json!({}), &packed(manifest, &[]));
                },
            ),
        ],
    );
}

#[test]
fn names_and_addresses() {
    let wants = |name, words: &'static [&'static str], key: &'static str, spec: &'static str| {
        case(name, LOCK, Refused(9, words), move |world| {
            world.publish("evil", "1.0.0", json!({}), &packed(HONEST, &[]));
            world.wants(json!({key: spec}));
        })
    };
    let below = |name, outcome, key: &'static str, spec: &'static str| {
        listed(name, LOCK, outcome, json!({"dependencies": {key: spec}}))
    };
    let tarball = |name, url: &str| {
        listed(
            name,
            LOCK,
            Refused(7, &["error[EINVALIDPACKUMENT]", "evil@1.0.0", "tarball"]),
            json!({"dist": {"tarball": url}}),
        )
    };
    let mut cases: Vec<Case> = [
        "file:///etc/passwd",
        "data:application/gzip;base64,AAAA",
        "ftp://registry.example/x.tgz",
        "javascript:1",
        "/evil-1.0.0.tgz",
        "//registry.example/x.tgz",
        "x",
        "http://",
        "git+ssh://git@registry.example/x",
        "http://user@registry.example/x.tgz",
        "http://user:hunter2@registry.example/x.tgz",
        "HTTP:x",
        "https://",
        "about:blank",
        "gopher://registry.example/",
        "jar:http://registry.example/!/x",
        "ssh://registry.example/x",
        "unix:/run/x.sock",
        "blob:http://registry.example/x",
        "http://registry.example/\u{1b}[2J/x.tgz",
    ]
    .into_iter()
    .map(|url| tarball("69 tarball URL", url))
    .collect();
    cases.extend([
        wants("68 alias that climbs", &["error[E"], "../../evil", "npm:evil@1"),
        wants("68 alias with a reserved name", &["error[E"], "node_modules", "npm:evil@1"),
        wants("68 alias that no file system takes", &["error[EINVALIDPACKAGENAME]", "214"], Box::leak("x".repeat(300).into_boxed_str()), "npm:evil@1"),
        wants("68 alias with a reserved name after its scope", &["error[E"], "@s/node_modules", "npm:evil@1"),
        wants("68 alias called .bin", &["error[E"], ".bin", "npm:evil@1"),
        wants("68 alias of a name that climbs", &["error[E"], "x", "npm:../../evil@1"),
        below("68 alias that climbs, below", Refused(9, &["error[E"]), "../../x", "npm:evil@1"),
        below("68 __proto__", Refused(9, &["error[E"]), "__proto__", "npm:evil@1"),
        below("58 an option for git", Refused(9, &["error[ERR_INVALID_URL]", "-oProxyCommand"]), "x", "git+ssh://-oProxyCommand=x/y"),
        below("155 a range of 4 kB and more", Refused(9, &["error[EINVALIDRANGE]", "4096"]), "evil", Box::leak(("1 || ".repeat(900) + "2").into_boxed_str())),
        listed("70 integrity malformed", LOCK, Refused(7, &["error[EINVALIDPACKUMENT]", "evil@1.0.0", "integrity"]), json!({"dist": {"integrity": "sha512-AAAA"}})),
        listed("70 integrity a number", LOCK, Refused(7, &["error[EINVALIDPACKUMENT]", "integrity"]), json!({"dist": {"integrity": 5}})),
        listed("70 integrity absent", BOTH, Refused(4, &["error[EINTEGRITY]", "evil@1.0.0", "sha512"]), json!({"dist": {"integrity": null}})),
        listed("70 integrity sha1 only", BOTH, Refused(4, &["error[EINTEGRITY]", "evil@1.0.0", "sha512"]), json!({"dist": {"integrity": null, "shasum": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}})),
        case("70 a true sha1 and a false sha512", BOTH, Refused(4, &["error[EINTEGRITY]", "evil@1.0.0"]), |world| {
            world.wants(json!({"evil": "^1.0.0"}));
            let tarball = packed(HONEST, &[]);
            let sha1 = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=";
            let both = format!("{sha1} {}", Integrity::of(b"other"));
            world.publish("evil", "1.0.0", json!({"dist": {"integrity": both}}), &tarball);
        }),
    ]);
    all_as_expected("names and addresses", &cases);
}

#[test]
fn documents() {
    let good = r#"{"name":"evil","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"evil","version":"1.0.0","dist":{"tarball":"URL/evil/-/evil-1.0.0.tgz"}}}}"#;
    let field = |name, field: Value| listed(name, LOCK, Refused(9, &["error[E", "evil"]), field);
    all_as_expected(
        "documents",
        &[
            document(
                "71 a tag of a missing version",
                Refused(9, &["error[ETARGET]", "evil"]),
                good.replace("\"1.0.0\":{\"name", "\"0.9.0\":{\"name")
                    .replace("\"version\":\"1.0.0\"", "\"version\":\"0.9.0\""),
            ),
            document(
                "72 a list",
                Refused(7, &["error[EJSONPARSE]", "/evil"]),
                "[]",
            ),
            document(
                "72 a text",
                Refused(7, &["error[EJSONPARSE]", "/evil"]),
                "\"evil\"",
            ),
            document(
                "72 versions a list",
                Refused(9, &["error[E", "evil"]),
                good.replace("\"versions\":{\"1.0.0\":", "\"versions\":[")
                    .replace("}}}}", "}}]}"),
            ),
            document(
                "72 version a number",
                Refused(9, &["error[E", "evil"]),
                good.replace("\"versions\":{", "\"versions\":{\"1.0.1\":5},\"x\":{"),
            ),
            document(
                "72 name a number",
                Refused(7, &["error[", "/evil"]),
                good.replacen("\"name\":\"evil\"", "\"name\":5", 1),
            ),
            document(
                "72 dist-tags a list",
                Installed(&[], &[]),
                good.replace("{\"latest\":\"1.0.0\"}", "[]"),
            ),
            field(
                "72 dependencies with numbers",
                json!({"dependencies": {"x": 5}}),
            ),
            document(
                "74 truncated",
                Refused(7, &["error[EJSONPARSE]", "/evil"]),
                &good[..good.len() - 2],
            ),
            document(
                "74 trailing text",
                Refused(7, &["error[EJSONPARSE]", "/evil"]),
                format!("{good} {{}}"),
            ),
            document(
                "74 versions twice",
                Refused(7, &["error[EJSONPARSE]", "/evil", "twice"]),
                good.replace(
                    "\"name\":\"evil\",\"dist",
                    "\"versions\":{},\"name\":\"evil\",\"dist",
                ),
            ),
            document(
                "74 a version twice",
                Refused(7, &["error[EINVALIDPACKUMENT]", "evil@1.0.0", "twice"]),
                good.replace(
                    "\"versions\":{",
                    "\"versions\":{\"1.0.0\":{\"name\":\"evil\",\"version\":\"1.0.0\"},",
                ),
            ),
            document(
                "74 a tarball twice",
                Refused(
                    7,
                    &[
                        "error[EINVALIDPACKUMENT]",
                        "evil@1.0.0",
                        "\"tarball\" twice",
                    ],
                ),
                good.replace("\"dist\":{", "\"dist\":{\"tarball\":\"URL/x.tgz\","),
            ),
            document(
                "74 __proto__",
                Installed(&[], &[]),
                good.replacen(
                    '{',
                    "{\"__proto__\":{\"name\":\"x\"},\"constructor\":{},",
                    1,
                ),
            ),
            document(
                "32 a web page",
                Refused(7, &["error[EJSONPARSE]", "/evil"]),
                "<html>\u{1b}[2Jlog in</html>",
            ),
            document(
                "153 deep",
                Refused(7, &["error[EJSONPARSE]", "/evil", "64"]),
                format!("{{\"x\":{}{}}}", "[".repeat(100), "]".repeat(100)),
            ),
            document(
                "153 bottomless",
                Refused(7, &["error[EJSONPARSE]", "/evil"]),
                "{\"x\":".repeat(1_000_000),
            ),
            listed(
                "73 escapes in a deprecation",
                BOTH,
                Installed(&["deprecated"], &["node_modules/evil/package.json"]),
                json!({"deprecated": "\u{1b}[31mold\u{7}\r\u{9b}2J\u{202e}"}),
            ),
            listed(
                "158 a deprecation of 1 MB",
                BOTH,
                Installed(&["deprecated"], &["node_modules/evil/package.json"]),
                json!({"deprecated": "x".repeat(1_000_000)}),
            ),
            listed(
                "73 escapes in bin and licence",
                BOTH,
                Refused(3, &["error[EINVALIDENTRY]"]),
                json!({"license": "\u{1b}[2J", "bin": {"x\u{1b}": "y"}}),
            ),
        ],
    );
}

#[test]
fn files_that_a_package_ships_are_only_files() {
    let shipped = |entries: Vec<Entry>| {
        move |world: &World| {
            world.wants(json!({"evil": "^1.0.0"}));
            let tarball = packed(HONEST, &entries);
            world.publish("evil", "1.0.0", json!({}), &tarball);
            world.server.serve("/never", Reply::default());
        }
    };
    let installed = Installed(&[], &["node_modules/evil/package.json"]);
    all_as_expected(
        "files of packages",
        &[
            case(
                "84 .npmrc and locks",
                BOTH,
                installed,
                shipped(vec![
                    file(
                        "package/.npmrc",
                        "registry=http://127.0.0.1:1/\ngit=./evil.sh\n",
                    ),
                    file("package/package-lock.json", "{\"lockfileVersion\":99}"),
                    file("package/npm-shrinkwrap.json", "{\"lockfileVersion\":99}"),
                ]),
            ),
            case(
                "83 scripts, a binding.gyp, programs named in every .npmrc",
                BOTH,
                Installed(&[], &["node_modules/evil/binding.gyp"]),
                |world| {
                    let programs = "git=./evil.sh\nscript-shell=./evil.sh\nnode-gyp=./evil.sh\neditor=./evil.sh\n";
                    let scripts = json!({
                        "preinstall": "./evil.sh", "install": "./evil.sh",
                        "postinstall": "./evil.sh", "prepare": "./evil.sh",
                    });
                    let manifest = json!({"name": "evil", "version": "1.0.0", "scripts": scripts});
                    let tarball = packed(
                        manifest.to_string(),
                        &[
                            file("package/binding.gyp", "{}"),
                            file("package/.npmrc", programs),
                            file("package/evil.sh", "#!/bin/sh\ntouch ../../ran\n").mode("0000755"),
                        ],
                    );
                    let fields = json!({"scripts": scripts, "hasInstallScript": true});
                    world.publish("evil", "1.0.0", fields, &tarball);
                    let project = json!({
                        "name": "project", "version": "1.0.0", "scripts": scripts,
                        "dependencies": {"evil": "1.0.0"},
                    });
                    world.put("package.json", project.to_string());
                    world.put("binding.gyp", "{}");
                    world.put(".npmrc", programs);
                    world.put("evil.sh", "#!/bin/sh\ntouch ran\n");
                },
            ),
            case(
                "83 a .bin of its own",
                BOTH,
                Installed(&[], &["node_modules/evil/package.json"]),
                shipped(vec![
                    file("package/node_modules/.bin/sh", "evil").mode("0000755"),
                ]),
            ),
            case(
                "13 markers",
                BOTH,
                Installed(&[], &["node_modules/evil/index"]),
                shipped(vec![
                    file("package/index", "x"),
                    file("package/tarball", "x"),
                    file("package/.package-lock.json", "{}"),
                    file("package/0", "x"),
                ]),
            ),
        ],
    );
}
