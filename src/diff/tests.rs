//! Claims about comparing two environments: which changes are told, and in which class.

use super::*;
use crate::lock;
use crate::verify::Record;
use serde_json::{Value, json};

fn environment(packages: &Value) -> Environment {
    let text = json!({"lockfileVersion": 3, "packages": packages}).to_string();
    Environment::of_lock("x", &lock::parse(text, "package-lock.json").unwrap())
}

/// `class name before>after via`, one for each change.
fn rows(before: &Value, after: &Value) -> Vec<String> {
    let diff = environments(
        &environment(before),
        &environment(after),
        Options::default(),
    );
    diff.changes.iter().map(row).collect()
}

fn row(change: &Change) -> String {
    let version = |side: &Option<Side>| {
        side.as_ref().map_or_else(
            || "-".to_owned(),
            |side| side.version.clone().unwrap_or_default(),
        )
    };
    let also: Vec<_> = change
        .also
        .iter()
        .map(|class| format!("+{}", class.as_str()))
        .collect();
    format!(
        "{}{} {} {}>{} via {}",
        change.class.as_str(),
        also.concat(),
        change.name,
        version(&change.before),
        version(&change.after),
        change.via.join(",")
    )
}

/// One package `a`, directly required, with these members.
#[allow(clippy::needless_pass_by_value)] // so that `json!` can stand in the call
fn single(members: Value) -> Value {
    json!({"": {"dependencies": {"a": "*"}}, "node_modules/a": members})
}

fn one(before: Value, after: Value) -> String {
    let rows = rows(&single(before), &single(after));
    assert!(rows.len() < 2, "{rows:?}");
    rows.into_iter().next().unwrap_or_default()
}

const SHA512: &str = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
const OTHER512: &str = "sha512-H0D8ktokFpR1CXnubPWC8tXX0o4YM13gWrxU0FYOD1MChgxlK/CNVgJSql50IQVG82n7u86MEs/HlXsmUr6adQ==";
const SHA1: &str = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=";

#[test]
fn the_same_version_with_other_content_leads() {
    let at = |hash: &str| json!({"version": "1.0.0", "integrity": hash});
    assert_eq!(one(at(SHA512), at(OTHER512)), "content a 1.0.0>1.0.0 via a");
    let git = |sha: &str| json!({"version": "1.0.0", "resolved": format!("git+ssh://git@h.example/u/r.git#{sha}")});
    assert_eq!(one(git("aa"), git("bb")), "content a 1.0.0>1.0.0 via a");
    assert_eq!(one(at(SHA512), at(SHA512)), "");
}

#[test]
fn another_host_or_protocol_is_seen_with_a_bump() {
    let at = |version: &str, url: &str| json!({"version": version, "resolved": url});
    let home = "https://registry.example/a/-/a-1.0.0.tgz";
    assert_eq!(
        one(
            at("1.0.0", home),
            at("1.0.1", "https://other.example/a.tgz")
        ),
        "source+patch a 1.0.0>1.0.1 via a"
    );
    assert_eq!(
        one(
            at("1.0.0", home),
            at("1.0.0", &home.replace("https", "http"))
        ),
        "source a 1.0.0>1.0.0 via a"
    );
    assert_eq!(
        one(
            at("1.0.0", home),
            at("1.1.0", "https://registry.example/a/-/a-1.1.0.tgz")
        ),
        "minor a 1.0.0>1.1.0 via a"
    );
}

#[test]
fn lost_and_weaker_integrity_is_seen() {
    let at = |hash: Value| json!({"version": "1.0.0", "integrity": hash});
    assert_eq!(
        one(at(SHA512.into()), json!({"version": "1.0.0"})),
        "integrity a 1.0.0>1.0.0 via a"
    );
    assert_eq!(
        one(at(SHA512.into()), at(SHA1.into())),
        "integrity a 1.0.0>1.0.0 via a"
    );
    assert_eq!(
        one(at(SHA1.into()), at(SHA512.into())),
        "flags a 1.0.0>1.0.0 via a"
    );
}

#[test]
fn scripts_platforms_licences_and_deprecations_are_seen() {
    let base = json!({"version": "1.0.0"});
    for (member, value, class) in [
        ("hasInstallScript", json!(true), "install-script"),
        ("os", json!(["linux"]), "platform"),
        ("cpu", json!(["!arm"]), "platform"),
        ("license", json!("MIT"), "licence"),
        ("deprecated", json!("no"), "deprecated"),
        ("dev", json!(true), "flags"),
        ("engines", json!({"node": "1"}), "flags"),
    ] {
        let mut changed = base.clone();
        changed[member] = value;
        assert_eq!(
            one(base.clone(), changed),
            format!("{class} a 1.0.0>1.0.0 via a")
        );
    }
    let wide = json!({"version": "1.0.0", "os": ["linux"]});
    assert_eq!(one(wide, base), "flags a 1.0.0>1.0.0 via a");
}

#[test]
fn direct_dependencies_removed_or_downgraded_count_before_bumps() {
    let at = |version: &str| json!({"version": version});
    assert_eq!(
        one(at("2.0.0"), at("1.0.0")),
        "direct+major a 2.0.0>1.0.0 via a"
    );
    let none = json!({"": {}});
    assert_eq!(
        rows(&single(at("1.0.0")), &none),
        ["direct+removed a 1.0.0>- via a"]
    );
    assert_eq!(rows(&none, &single(at("1.0.0"))), ["added a ->1.0.0 via a"]);
}

#[test]
fn a_move_is_a_move_and_no_bump() {
    let root = json!({"dependencies": {"a": "*", "b": "*"}});
    let user = json!({"version": "1.0.0", "dependencies": {"c": "*"}});
    let before = json!({"": root, "node_modules/a": user, "node_modules/b": user,
        "node_modules/c": {"version": "1.0.0"}, "node_modules/b/node_modules/c": {"version": "2.0.0"}});
    let after = json!({"": root, "node_modules/a": user, "node_modules/b": user,
        "node_modules/c": {"version": "2.0.0"}, "node_modules/a/node_modules/c": {"version": "1.0.0"}});
    assert_eq!(
        rows(&before, &after),
        ["moved c 1.0.0>1.0.0 via a", "moved c 2.0.0>2.0.0 via b"]
    );
}

#[test]
fn a_copy_fewer_is_no_removal() {
    let root = json!({"dependencies": {"a": "*", "c": "*"}});
    let a = json!({"version": "1.0.0", "dependencies": {"c": "*"}});
    let c = json!({"version": "1.0.0"});
    let before = json!({"": root, "node_modules/a": a, "node_modules/c": c, "node_modules/a/node_modules/c": c});
    let after = json!({"": root, "node_modules/a": a, "node_modules/c": c});
    assert_eq!(rows(&before, &after), ["moved c 1.0.0>- via a"]);
}

#[test]
fn a_lost_prebuilt_of_a_package_that_stays_is_a_lost_platform() {
    let tool =
        json!({"version": "1.0.0", "optionalDependencies": {"@t/linux": "1", "@t/mac": "1"}});
    let member = |os: &str| json!({"version": "1.0.0", "os": [os], "optional": true});
    let root = json!({"dependencies": {"t": "*"}});
    let before = json!({"": root, "node_modules/t": tool, "node_modules/@t/linux": member("linux"), "node_modules/@t/mac": member("darwin")});
    let after = json!({"": root, "node_modules/t": tool, "node_modules/@t/linux": member("linux")});
    assert_eq!(
        rows(&before, &after),
        ["platform+removed @t/mac 1.0.0>- via t"]
    );
}

#[test]
fn a_workspace_is_one_package_and_brings_its_own() {
    let before = json!({"": {"workspaces": ["w"]}, "node_modules/w": {"link": true, "resolved": "w"},
        "w": {"version": "1.0.0", "devDependencies": {"a": "*"}}, "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "*"}},
        "node_modules/b": {"version": "1.0.0"}});
    let mut after = before.clone();
    after["w"]["version"] = "1.1.0".into();
    after["node_modules/b"]["version"] = "1.0.1".into();
    assert_eq!(
        rows(&before, &after),
        ["minor w 1.0.0>1.1.0 via w", "patch b 1.0.0>1.0.1 via a,w"]
    );
}

#[test]
fn a_link_in_a_packages_place_is_another_source() {
    let before = single(json!({"version": "1.0.0"}));
    let after = json!({"": {"dependencies": {"a": "*"}}, "node_modules/a": {"link": true, "resolved": "../a"}, "../a": {"version": "1.0.0"}});
    assert_eq!(rows(&before, &after), ["source a 1.0.0>1.0.0 via a"]);
}

#[test]
fn omitted_and_indirect_packages_are_left_out() {
    let before = json!({"": {"dependencies": {"a": "*"}}, "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "*"}},
        "node_modules/b": {"version": "1.0.0"}, "node_modules/d": {"version": "1.0.0", "dev": true}});
    let mut after = before.clone();
    for name in ["a", "b", "d"] {
        after[format!("node_modules/{name}")]["version"] = "1.0.1".into();
    }
    let compare = |options: Options| {
        let diff = environments(&environment(&before), &environment(&after), options);
        let names = diff.changes.into_iter().map(|change| change.name);
        names.collect::<Vec<_>>().join(",")
    };
    assert_eq!(compare(Options::default()), "a,b,d");
    assert_eq!(
        compare(Options {
            direct: true,
            ..Options::default()
        }),
        "a"
    );
    let omit = Omit {
        dev: true,
        ..Omit::default()
    };
    let view = View { target: None, omit };
    let seen = |packages| environment(packages).viewed(view.clone()).unwrap();
    let diff = environments(&seen(&before), &seen(&after), Options::default());
    let names: Vec<_> = diff.changes.into_iter().map(|change| change.name).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn the_document_has_the_shape_it_promises() {
    let (before, after) = (
        environment(&single(json!({"version": "1.0.0", "dev": true}))),
        environment(&json!({"": {}})),
    );
    let diff = environments(&before, &after, Options::default());
    assert_eq!(
        json::document(&diff, &before, &after),
        json!({
            "version": 1, "before": "x", "after": "x", "unchanged": 0, "summary": {"direct": 1},
            "environments": {
                "before": {"kind": "npm lock, version 3", "packages": 1, "target": null, "omit": []},
                "after": {"kind": "npm lock, version 3", "packages": 0, "target": null, "omit": []},
            },
            "notCompared": [], "leftOut": 0, "unproven": 0, "ignored": [],
            "changes": [{
                "class": "direct", "also": ["removed"], "name": "a", "location": "node_modules/a",
                "before": {"location": "node_modules/a", "version": "1.0.0", "direct": true, "flags": ["dev"]},
                "after": null, "via": ["a"], "chains": [["a@1.0.0"]]
            }]
        })
    );
}

#[test]
fn classes_are_words_both_ways() {
    for class in Class::ALL {
        assert_eq!(Class::parse(class.as_str()), Some(class));
    }
    assert!(Class::ALL.is_sorted());
}

#[test]
fn a_path_without_a_lock_is_named() {
    let read = |path: &str| {
        let source = Source::find(path, false)?;
        source.read(path, &|_| Record::default())
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let error = read(&path).unwrap_err();
    assert!(matches!(error, DiffError::Lock(LockError::Missing(_))));
    let error = read(&format!("{path}/x")).unwrap_err();
    assert!(matches!(error, DiffError::Missing(_)));
}

#[test]
fn credentials_in_addresses_are_not_shown() {
    let at = |version: &str| {
        single(
            json!({"version": version, "resolved": "https://me:secret@registry.example/a.tgz?t=secret"}),
        )
    };
    let (before, after) = (environment(&at("1.0.0")), environment(&at("2.0.0")));
    let diff = environments(&before, &after, Options::default());
    let text = json::document(&diff, &before, &after).to_string();
    assert!(!text.contains("secret"), "{text}");
    assert!(
        text.contains("https://***@registry.example/a.tgz"),
        "{text}"
    );
    assert_eq!(
        shown_address("git+ssh://git@h.example/u/r.git#abc"),
        "git+ssh://git@h.example/u/r.git#abc"
    );
}

#[test]
fn native_code_that_came_by_a_family_of_binaries_is_told_once() {
    let root = json!({"dependencies": {"t": "*"}});
    let before = json!({"": root, "node_modules/t": {"version": "1.0.0"}});
    let after = json!({"": root,
        "node_modules/t": {"version": "1.1.0", "optionalDependencies": {"@t/x64": "1"}},
        "node_modules/@t/x64": {"version": "1.0.0", "optional": true, "os": ["linux"], "cpu": ["x64"]}});
    assert_eq!(
        rows(&before, &after),
        [
            "native+minor t 1.0.0>1.1.0 via t",
            "added @t/x64 ->1.0.0 via t"
        ]
    );
    assert_eq!(
        rows(&after, &before),
        [
            "native+direct+minor t 1.1.0>1.0.0 via t",
            "platform+removed @t/x64 1.0.0>- via t"
        ]
    );
}

fn seen(packages: &Value, target: &str) -> Environment {
    let view = View {
        target: Some(target.parse().unwrap()),
        omit: Omit::default(),
    };
    environment(packages).viewed(view).unwrap()
}

#[test]
fn a_target_leaves_out_what_does_not_run_there_and_what_only_that_needs() {
    let packages = json!({"": {"dependencies": {"a": "*", "b": "*"}, "optionalDependencies": {"mac": "*"}},
        "node_modules/a": {"version": "1.0.0"},
        "node_modules/b": {"version": "1.0.0", "os": ["darwin"]},
        "node_modules/mac": {"version": "1.0.0", "optional": true, "dependencies": {"helper": "*", "a": "*"}},
        "node_modules/helper": {"version": "1.0.0", "optional": true, "os": ["darwin"], "dependencies": {"deep": "*"}},
        "node_modules/deep": {"version": "1.0.0", "optional": true}});
    let (mac, linux) = (
        seen(&packages, "darwin-arm64"),
        seen(&packages, "linux-x64-glibc"),
    );
    assert_eq!((mac.packages(), linux.packages()), (5, 2));
    let diff = environments(&mac, &linux, Options::default());
    let found: Vec<String> = diff.changes.iter().map(row).collect();
    assert_eq!(
        found,
        [
            "platform b 1.0.0>1.0.0 via b",
            "direct+removed mac 1.0.0>- via mac",
            "removed deep 1.0.0>- via mac",
            "removed helper 1.0.0>- via mac",
        ]
    );
}

#[test]
fn the_same_major_versions_are_paired_first() {
    let root = json!({"dependencies": {"a": "*", "b": "*"}});
    let user = json!({"version": "1.0.0", "dependencies": {"c": "*"}});
    let tree = |first: (&str, &str), second: (&str, &str)| {
        let mut packages = json!({"": root, "node_modules/a": user, "node_modules/b": user});
        for (place, version) in [first, second] {
            packages[format!("node_modules/{place}/node_modules/c")] = json!({"version": version});
        }
        packages
    };
    let before = tree(("a", "1.0.0"), ("b", "3.0.0"));
    let after = tree(("a/node_modules/x", "3.1.0"), ("b/node_modules/x", "1.0.1"));
    let found = rows(&before, &after);
    assert!(found[0].starts_with("minor c 3.0.0>3.1.0"), "{found:?}");
    assert!(found[1].starts_with("patch c 1.0.0>1.0.1"), "{found:?}");
}

#[test]
fn the_shortest_ways_to_a_package_are_told() {
    let packages = |version: &str| {
        json!({"": {"dependencies": {"a": "*", "b": "*"}},
            "node_modules/a": {"version": "1.0.0", "dependencies": {"m": "*"}},
            "node_modules/m": {"version": "1.0.0", "dependencies": {"c": "*"}},
            "node_modules/b": {"version": "1.0.0", "dependencies": {"c": "*"}},
            "node_modules/c": {"version": version}})
    };
    let (before, after) = (
        environment(&packages("1.0.0")),
        environment(&packages("1.0.1")),
    );
    let diff = environments(&before, &after, Options::default());
    let shown: Vec<String> = diff.changes[0]
        .chains
        .iter()
        .map(|chain| chain.join(" "))
        .collect();
    assert_eq!(shown, ["b@1.0.0 c@1.0.1", "a@1.0.0 m@1.0.0 c@1.0.1"]);
}

#[test]
fn version_1_says_nothing_of_licences_and_that_is_no_difference() {
    let old =
        json!({"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}}}).to_string();
    let old = Environment::of_lock("x", &lock::parse(old, "package-lock.json").unwrap());
    let new = environment(
        &json!({"node_modules/a": {"version": "1.0.0", "license": "MIT", "hasInstallScript": true, "os": ["linux"]}}),
    );
    let diff = environments(&old, &new, Options::default());
    assert_eq!(diff.changes.len(), 0, "{:?}", diff.changes);
    assert!(diff.not_compared.contains(&Fact::Licences));
    assert!(!diff.not_compared.contains(&Fact::Places));
}

#[test]
fn very_many_packages_of_one_name_are_paired_each_with_its_own() {
    let packages = |version: usize| {
        let mut packages = json!({"": {}});
        for at in 0..3_000 {
            let key = format!("node_modules/p{at}/node_modules/a");
            packages[key] = json!({"version": format!("{at}.0.{version}")});
        }
        packages
    };
    let (before, after) = (environment(&packages(0)), environment(&packages(1)));
    let diff = environments(&before, &after, Options::default());
    assert_eq!(diff.changes.len(), 3_000);
    assert!(
        diff.changes
            .iter()
            .all(|change| change.class == Class::Patch)
    );
}

#[test]
fn a_downgrade_and_a_new_command_are_told() {
    let at = |version: &str, bin: Value| single(json!({"version": version, "bin": bin}));
    let (before, after) = (
        environment(&at("2.0.0", json!({"a": "a.js"}))),
        environment(&at("1.9.0", json!({"a": "a.js", "b": "b.js"}))),
    );
    let diff = environments(&before, &after, Options::default());
    assert!(diff.changes[0].downgraded);
    assert_eq!(diff.changes[0].new_bins, ["b"]);
    let back = environments(&after, &before, Options::default());
    assert!(!back.changes[0].downgraded && back.changes[0].new_bins.is_empty());
}
