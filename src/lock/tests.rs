//! Claims about reading and writing locks, against what npm does.

use super::*;
use serde_json::json;

fn read(value: &Value) -> Lock {
    parse(value.to_string(), "package-lock.json").unwrap()
}

fn refused(value: &Value) -> String {
    match parse(value.to_string(), "package-lock.json").and_then(|lock| check(&lock)) {
        Ok(()) => panic!("accepted: {value}"),
        Err(error) => error.to_string(),
    }
}

#[allow(clippy::needless_pass_by_value)] // so that `json!` can stand in the call
fn v3(packages: Value) -> Value {
    json!({"name": "app", "lockfileVersion": 3, "requires": true, "packages": packages})
}

#[test]
fn keys_are_folders_and_names_below_node_modules() {
    for (key, place) in [
        ("", Place::Project),
        ("node_modules/a", Place::Package),
        ("node_modules/@s/a/node_modules/b", Place::Package),
        ("packages/w", Place::Folder),
        ("packages/w/node_modules/a", Place::Package),
        ("node_modules/a/vendor/b", Place::Folder),
        ("../ext", Place::Outside),
        ("../../ext/node_modules/a", Place::Outside),
        ("..", Place::Outside),
    ] {
        assert_eq!(check_key(key), Ok(place), "{key}");
    }
}

#[test]
fn keys_that_lead_elsewhere_are_refused() {
    for key in [
        "/etc",
        "node_modules",
        "node_modules/",
        "node_modules/..",
        "node_modules/../../x",
        "node_modules/a/../../../x",
        "packages/../../x",
        "./a",
        "node_modules/.bin",
        "node_modules/.bin/a",
        "node_modules/node_modules",
        "node_modules/@s",
        "node_modules/@s/..",
        "node_modules/a\\..\\b",
        "C:/x",
        "node_modules/a\0",
        "a//b",
        ".git/hooks",
        "Node_Modules/a",
        "node_modules/__proto__",
        "node_modules/a/",
    ] {
        assert!(check_key(key).is_err(), "{key}");
    }
}

#[test]
fn wrong_types_are_named_with_their_line() {
    let text = "{\n \"lockfileVersion\": 3,\n \"packages\": {\n  \"node_modules/a\": {\"version\": 1}\n }\n}";
    let error = parse(text, "package-lock.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`package-lock.json`, line 4: packages[\"node_modules/a\"].version is a number, where a string belongs"
    );
    for value in [
        json!([]),
        json!({"lockfileVersion": "3"}),
        json!({"lockfileVersion": 3, "packages": []}),
        json!({"name": 1}),
        v3(json!({"node_modules/a": "1.0.0"})),
        v3(json!({"node_modules/a": {"dependencies": "b"}})),
        v3(json!({"node_modules/a": {"dependencies": {"b": 1}}})),
        v3(json!({"node_modules/a": {"link": "yes"}})),
        json!({"lockfileVersion": 1, "dependencies": {"a": "1.0.0"}}),
        json!({"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0", "dependencies": 1}}}),
    ] {
        let error = parse(value.to_string(), "l").unwrap_err();
        assert!(
            matches!(error, LockError::WrongType { .. }),
            "{value}: {error}"
        );
    }
}

#[test]
fn what_npm_lets_pass_is_refused_by_the_check() {
    let fine = json!({"version": "1.0.0"});
    assert!(refused(&v3(json!({"node_modules/a": fine, "node_modules/A": fine}))).contains("case"));
    assert!(refused(&v3(json!({"../x": fine}))).contains("nothing links"));
    assert!(refused(&v3(json!({"node_modules/a": {"version": "../../x"}}))).contains("version"));
    assert!(
        refused(&v3(
            json!({"node_modules/a": {"link": true, "resolved": "b"}})
        ))
        .contains("links to")
    );
    assert!(refused(&json!({"lockfileVersion": 99, "packages": {}})).contains("99"));
    let linked = v3(json!({
        "node_modules/x": {"link": true, "resolved": "../x"},
        "../x": {}, "../x/node_modules/a": fine,
    }));
    check(&read(&linked)).unwrap();
}

#[test]
fn a_member_written_twice_is_refused_with_its_line() {
    let text = "{\"lockfileVersion\":3,\n\"packages\":{\"node_modules/a\":{},\n\"node_modules/\\u0061\":{}}}";
    let lock = parse(text, "package-lock.json").unwrap();
    let error = check(&lock).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`package-lock.json`, line 3: \"node_modules/a\" is written twice in one object"
    );
}

#[test]
fn every_prefix_of_a_lock_is_refused() {
    let whole =
        v3(json!({"": {"name": "app"}, "node_modules/a": {"version": "1.0.0"}})).to_string();
    for end in 0..whole.len() {
        assert!(parse(&whole.as_bytes()[..end], "l").is_err(), "{end}");
    }
}

#[test]
fn unknown_members_survive_and_equal_texts_are_not_written() {
    let text_in = "{\n\t\"name\": \"app\",\n\t\"lockfileVersion\": 3,\n\t\"requires\": true,\n\t\"x\": 1,\n\t\"packages\": {}\n}\n";
    let lock = parse(text_in, "package-lock.json").unwrap();
    let top = Top {
        name: lock.name.clone(),
        version: lock.root_version.clone(),
        lockfile_version: 3,
        extra: lock.extra.clone(),
        legacy: None,
    };
    let style = Style {
        indent: lock.indent.clone(),
        newline: lock.newline.clone(),
        formatted: true,
    };
    let written = text(top, lock.packages.clone(), &style);
    assert_eq!(written, text_in);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package-lock.json");
    assert!(!write_if_changed(&path, &written, Some(&lock.bytes)).unwrap());
    assert!(!path.exists());
    assert!(write_if_changed(&path, &written, None).unwrap());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text_in);
}

#[test]
fn a_shrinkwrap_counts_before_a_package_lock_unless_it_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let found = |prefer| {
        let lock = find_and_read(folder.path(), prefer).unwrap();
        lock.map(|lock| lock.file_name)
    };
    assert_eq!(found(None), None);
    put("package-lock.json", "{}");
    put("npm-shrinkwrap.json", "");
    assert_eq!(found(None).as_deref(), Some("package-lock.json"));
    put("npm-shrinkwrap.json", "{}");
    assert_eq!(found(None).as_deref(), Some("npm-shrinkwrap.json"));
    assert_eq!(
        found(Some("package-lock.json")).as_deref(),
        Some("package-lock.json")
    );
    assert_eq!(
        found(Some("other.json")).as_deref(),
        Some("npm-shrinkwrap.json")
    );
}

#[test]
fn old_entries_become_packages_by_what_their_version_is() {
    let lock = read(&json!({
        "name": "app", "version": "1.0.0", "lockfileVersion": 1, "requires": true,
        "dependencies": {
            "a": {"version": "1.2.3", "resolved": "http://127.0.0.1/a/-/a-1.2.3.tgz", "integrity": "sha512-x",
                  "requires": {"b": "^2", "o": "1", "gone": "*"},
                  "dependencies": {"b": {"version": "2.0.0", "integrity": "sha512-y", "bundled": true, "dev": true}}},
            "o": {"version": "1.0.0", "integrity": "sha512-o", "optional": true},
            "al": {"version": "npm:@s/x@1.0.0", "integrity": "sha512-z"},
            "g": {"version": "github:user/repo#abc", "from": "github:user/repo"},
            "t": {"version": "http://127.0.0.1/files/t-3.0.0.tgz", "integrity": "sha512-t"},
            "f": {"version": "file:./tgz/f-1.0.0.tgz", "integrity": "sha512-f"},
            "l": {"version": "file:../l", "requires": {"a": "1"},
                  "dependencies": {"n": {"version": "1.0.0", "integrity": "sha512-n"}}},
            "bare": {"version": "1.0.0", "resolved": "http://127.0.0.1/@s/bare/-/bare-1.0.0.tgz"}
        }
    }));
    assert!(lock.loaded_from_v1 && !lock.ancient);
    let entries: Map<String, Value> = lock
        .packages
        .iter()
        .map(|(k, e)| (k.clone(), e.clone().into()))
        .collect();
    assert_eq!(
        Value::Object(entries),
        json!({
            "": {"name": "app", "version": "1.0.0"},
            "node_modules/a": {"integrity": "sha512-x", "resolved": "http://127.0.0.1/a/-/a-1.2.3.tgz", "version": "1.2.3",
                "devDependencies": {"b": "^2"}, "optionalDependencies": {"o": "1"}, "dependencies": {"gone": "*"}},
            "node_modules/a/node_modules/b": {"dev": true, "integrity": "sha512-y", "version": "2.0.0", "inBundle": true},
            "node_modules/o": {"optional": true, "integrity": "sha512-o", "version": "1.0.0"},
            "node_modules/al": {"integrity": "sha512-z", "name": "@s/x", "version": "1.0.0"},
            "node_modules/g": {"resolved": "git+ssh://git@github.com/user/repo.git#abc"},
            "node_modules/t": {"integrity": "sha512-t", "version": "3.0.0", "resolved": "http://127.0.0.1/files/t-3.0.0.tgz"},
            "node_modules/f": {"integrity": "sha512-f", "version": "1.0.0", "resolved": "file:tgz/f-1.0.0.tgz"},
            "node_modules/l": {"link": true, "resolved": "../l"},
            "../l": {"dependencies": {"a": "1"}},
            "../l/node_modules/n": {"integrity": "sha512-n", "version": "1.0.0"},
            "node_modules/bare": {"version": "1.0.0", "name": "@s/bare", "resolved": "http://127.0.0.1/@s/bare/-/bare-1.0.0.tgz"},
        })
    );
}

#[test]
fn the_manifest_tells_what_an_old_lock_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, value: Value| {
        std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    put(
        "package.json",
        json!({"name": "app", "dependencies": {"a": "^1"}, "license": {"type": "MIT"}, "os": []}),
    );
    put(
        "package-lock.json",
        json!({"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}}}),
    );
    let lock = find_and_read(folder.path(), None).unwrap().unwrap();
    assert!(lock.ancient);
    assert_eq!(
        Value::Object(lock.packages[0].1.clone()),
        json!({"dependencies": {"a": "^1"}, "license": "MIT"})
    );
}

#[test]
fn both_sides_of_a_conflict_are_kept() {
    let text = r#"{
"lockfileVersion": 3,
"packages": {
<<<<<<< HEAD
"node_modules/a": {"version": "1.1.0"},
"node_modules/ours": {"version": "1.0.0"},
||||||| base
"node_modules/a": {"version": "1.0.0"},
"node_modules/gone": {"version": "1.0.0"},
=======
"node_modules/a": {"version": "1.0.0"},
"node_modules/gone": {"version": "1.0.0"},
"node_modules/theirs": {"version": "1.0.0"},
>>>>>>> branch
"node_modules/z": {"version": "1.0.0"}
}
}"#;
    let lock = parse(text, "package-lock.json").unwrap();
    assert!(lock.merged);
    let mut got: Vec<_> = lock
        .packages
        .iter()
        .map(|(k, e)| format!("{k}@{}", e["version"].as_str().unwrap()))
        .collect();
    got.sort();
    assert_eq!(
        got,
        [
            "node_modules/a@1.1.0",
            "node_modules/ours@1.0.0",
            "node_modules/theirs@1.0.0",
            "node_modules/z@1.0.0"
        ]
    );
    let error = check(&lock).unwrap_err();
    assert!(
        matches!(error, LockError::Conflict { line: 4, .. }),
        "{error}"
    );
    let broken = text.replace("\"node_modules/ours\": {", "\"node_modules/ours\": ");
    assert!(matches!(
        parse(broken, "l"),
        Err(LockError::Unmergeable { .. })
    ));
}

#[test]
fn a_dependency_is_found_as_node_finds_it() {
    let lock = read(&v3(json!({
        "": {}, "node_modules/a": {}, "node_modules/a/node_modules/b": {}, "node_modules/b": {},
        "node_modules/w": {"link": true, "resolved": "packages/w"}, "packages/w": {}, "../ext": {},
    })));
    let index = Index::new(&lock);
    let found = |from: &str, name: &str| Some(lock.packages[index.resolve(from, name)?].0.as_str());
    assert_eq!(
        found("node_modules/a", "b"),
        Some("node_modules/a/node_modules/b")
    );
    assert_eq!(
        found("node_modules/a/node_modules/b", "a"),
        Some("node_modules/a")
    );
    assert_eq!(found("packages/w", "b"), Some("node_modules/b"));
    assert_eq!(found("", "w"), Some("packages/w"));
    assert_eq!(found("../ext", "b"), None);
    assert_eq!(found("", "gone"), None);
}

#[test]
fn folder_names_keep_their_scope() {
    assert_eq!(folder_name("node_modules/a/node_modules/@s/x"), "@s/x");
    assert_eq!(folder_name("node_modules/a"), "a");
    assert_eq!(folder_name("w"), "w");
    assert_eq!(folder_name("@s/w"), "@s/w");
}

/// A lock that npm wrote: a workspace, linked folders, a tarball with a bundled dependency, a
/// package called `10`, indented by tabs.
fn recorded(what: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/locks/11.19.1-links-and-bundle"
    );
    std::fs::read(format!("{folder}-{what}.json")).unwrap()
}

#[test]
fn recorded_locks_are_written_as_npm_wrote_them() {
    for what in ["v1", "v2", "v3"] {
        let lock = parse(recorded(what), "package-lock.json").unwrap();
        check(&lock).unwrap();
        let top = Top {
            name: lock.name.clone(),
            version: lock.root_version.clone(),
            lockfile_version: lock.version,
            extra: lock.extra.clone(),
            legacy: lock.legacy.clone(),
        };
        let style = Style {
            indent: lock.indent.clone(),
            newline: lock.newline.clone(),
            formatted: true,
        };
        let mut packages = lock.packages.clone();
        packages.reverse();
        assert_eq!(text(top, packages, &style).as_bytes(), lock.bytes, "{what}");
    }
}

#[test]
fn version_2_says_what_version_3_says() {
    let packages = |what| parse(recorded(what), "l").unwrap().packages;
    assert_eq!(packages("v2"), packages("v3"));
}

#[test]
fn version_1_is_converted_as_npm_does() {
    let manifest = json!({
        "name": "odd", "version": "0.0.1", "workspaces": ["w"],
        "dependencies": {"pack": "file:pack-2.1.0.tgz", "lib": "file:lib"},
        "devDependencies": {"10": "file:lib/inner"}
    });
    let root = || Some(crate::manifest::Manifest::from_registry(manifest));
    let lock = parse_for(recorded("v1"), "package-lock.json", root).unwrap();
    let got: Map<String, Value> = lock
        .packages
        .into_iter()
        .map(|(key, entry)| (key, entry.into()))
        .collect();
    let want: Value = serde_json::from_slice(&recorded("v1-as-npm-loads-it")).unwrap();
    assert_eq!(Value::Object(got), want);
}
