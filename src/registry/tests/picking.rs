//! The rules of npm-pick-manifest; rows 48 to 55 of the table of edge cases.

use serde_json::{Value, json};

use super::*;
use crate::spec::Spec;

fn packument(value: &Value) -> Packument {
    Packument::from_json(&"x".into(), value.to_string().into_bytes()).unwrap()
}

fn simple(versions: &[&str], latest: &str) -> Value {
    let entry = |version: &&str| {
        (
            (*version).to_owned(),
            json!({"name": "x", "version": version}),
        )
    };
    let versions: serde_json::Map<_, _> = versions.iter().map(entry).collect();
    json!({"name": "x", "dist-tags": {"latest": latest}, "versions": versions})
}

fn picked(document: &Value, wanted: &str, options: &PickOptions) -> String {
    let packument = packument(document);
    let spec = Spec::parse("x", wanted, Path::new("/")).unwrap();
    match pick(&packument, &spec.kind, options) {
        Ok(index) => packument.version_text(index).to_owned(),
        Err(error) => error.to_string(),
    }
}

fn check(document: &Value, table: &[(&str, &str)]) {
    for (wanted, version) in table {
        assert_eq!(picked(document, wanted, &options()), *version, "{wanted:?}");
    }
}

#[test]
fn the_default_tag_is_preferred_to_higher_versions() {
    let document = simple(&["0.9.0", "1.0.0", "1.5.0", "2.0.0-a"], "1.0.0");
    check(
        &document,
        &[
            ("^1", "1.0.0"),
            (">1.0.0", "1.5.0"),
            ("*", "1.0.0"),
            ("", "1.0.0"),
            ("latest", "1.0.0"),
            ("<1", "0.9.0"),
            ("1.5.0", "1.5.0"),
            ("v1.5.0", "1.5.0"),
            ("2.0.0-a", "2.0.0-a"),
            (">=2", "No matching version found for x@>=2."),
            ("next", "No matching version found for x@next."),
            ("3.0.0", "No matching version found for x@3.0.0."),
            ("npm:y@^1", "1.0.0"),
        ],
    );
}

#[test]
fn a_prerelease_is_picked_for_a_star_by_its_tag_only() {
    let document = simple(&["1.0.0-a", "1.0.0-b"], "1.0.0-a");
    let none = "No matching version found for x@>=0.";
    check(
        &document,
        &[("*", "1.0.0-a"), ("", "1.0.0-a"), (">=0", none)],
    );
}

#[test]
fn a_deprecated_default_gives_way_to_the_highest_good_version() {
    let mut document = simple(&["1.0.0", "1.1.0", "1.2.0"], "1.2.0");
    document["versions"]["1.2.0"]["deprecated"] = json!("old");
    check(
        &document,
        &[("^1", "1.1.0"), ("*", "1.1.0"), ("latest", "1.2.0")],
    );
    document["dist-tags"]["latest"] = json!("1.0.0");
    for version in ["1.0.0", "1.1.0"] {
        document["versions"][version]["deprecated"] = json!("old");
    }
    check(&document, &[("^1", "1.2.0")]);
}

#[test]
fn what_runs_here_beats_what_does_not_and_deprecation_counts_less() {
    let mut document = simple(&["1.0.0", "1.1.0", "1.2.0"], "1.2.0");
    document["versions"]["1.2.0"]["engines"] = json!({"node": ">=99"});
    check(&document, &[("^1", "1.1.0")]);
    document["versions"]["1.1.0"]["engines"] = json!({"npm": ">=12"});
    check(&document, &[("^1", "1.0.0")]);
    let mut newer = options();
    newer.npm = Some(Version::new(12, 2, 0));
    assert_eq!(picked(&document, "^1", &newer), "1.1.0");
    document["versions"]["1.0.0"]["deprecated"] = json!("old");
    check(&document, &[("^1", "1.0.0"), (">=1.1", "1.2.0")]);
    document["versions"]["1.0.0"]["engines"] = json!(["node >= 99"]);
    document["versions"]["1.0.0"]["deprecated"] = json!("");
    check(&document, &[("^1", "1.0.0")]);
}

#[test]
fn before_hides_what_came_later() {
    let mut document = simple(&["1.0.0", "1.1.0", "2.0.0"], "2.0.0");
    document["time"] = json!({
        "1.0.0": "2020-01-01T00:00:00.000Z", "1.1.0": "2021-01-01T00:00:00.000Z",
        "2.0.0": "2022-01-01T00:00:00.000Z",
    });
    let at = |date: &str, wanted: &str| {
        let mut options = options();
        options.before = crate::npmrc::parse_date(date);
        picked(&document, wanted, &options)
    };
    assert_eq!(at("2023-01-01", "latest"), "2.0.0");
    assert_eq!(at("2021-06-01", "latest"), "1.1.0");
    assert_eq!(at("2021-06-01", "*"), "1.1.0");
    assert_eq!(at("2020-06-01", "^1"), "1.0.0");
    let dated = "No matching version found for x@2.0.0 with a date before 6/1/2021, 12:00:00 AM.";
    assert_eq!(at("2021-06-01", "2.0.0"), dated);
    assert_eq!(at("2019-01-01", "^1"), "No versions available for x");
    let mut exempt = options();
    exempt.before = Some(0);
    exempt.before_exempt = vec!["y".to_owned(), "x*".to_owned()];
    assert_eq!(picked(&document, "*", &exempt), "2.0.0");
    document.as_object_mut().unwrap().remove("time");
    let mut early = options();
    early.before = Some(0);
    assert_eq!(picked(&document, "*", &early), "2.0.0");
}

#[test]
fn withheld_versions_are_named_with_the_registrys_words() {
    let mut document = simple(&["1.0.0"], "2.0.0");
    document["policyRestrictions"] = json!({"message": "no", "versions": {"2.0.0": {}}});
    let words = |wanted| format!("Could not download x@{wanted} due to policy violations:\nno");
    let (two, exact) = (words("^2"), words("2.0.0"));
    check(
        &document,
        &[("*", "1.0.0"), ("^2", &two), ("2.0.0", &exact)],
    );
}

#[test]
fn an_entry_that_lies_about_its_version_is_refused() {
    let mut document = simple(&["1.0.0"], "1.0.0");
    document["versions"]["1.0.0"]["version"] = json!("2.0.0");
    assert!(picked(&document, "*", &options()).contains("it says that it is version 2.0.0"));
    document["versions"]["1.0.0"]["version"] = Value::Null;
    check(&document, &[("*", "1.0.0")]);
}

#[test]
fn what_is_listed_twice_is_refused() {
    let text = r#"{"name":"x","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":ENTRY}}"#;
    let reason = |entry: &str| {
        let text = text.replace("ENTRY", entry);
        let packument = Packument::from_json(&"x".into(), text.into()).unwrap();
        let spec = Spec::parse("x", "^1", Path::new("/")).unwrap();
        let picked = pick(&packument, &spec.kind, &options());
        picked.map_or_else(|error| error.to_string(), |_| String::new())
    };
    assert_eq!(
        reason(r#"{"version":"1.0.0","description":"a","description":"b"}"#),
        ""
    );
    for (entry, words) in [
        (
            r#"{"version":"1.0.0"},"1.0.0":{"version":"1.0.0"}"#,
            "it is listed twice",
        ),
        (r#"{"bin":{},"bin":{"a":"b"}}"#, "\"bin\" twice"),
        (
            r#"{"dist":{"tarball":"a","tarball":"b"}}"#,
            "\"tarball\" twice",
        ),
        (
            r#"{"dist":{"tarball":"a"},"dist":{"tarball":"b"}}"#,
            "\"tarball\" twice",
        ),
        (
            r#"{"dependencies":{"a":"1","a":"2"}}"#,
            "a member of \"dependencies\" twice",
        ),
        (r#"{"version":"../../x"}"#, "not a version"),
        (r#"{"name":"y"}"#, "it says that it is `y`"),
    ] {
        let found = reason(entry);
        assert!(found.contains(words), "{entry}: {found}");
    }
}
