//! Merges that can be told by hand.

use serde_json::{Map, Value, json};

use super::markers::{Labels, conflict};
use super::*;
use crate::lock;

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn merged(base: &Value, ours: &Value, theirs: &Value, stand: Stand) -> (Value, Vec<String>) {
    let mut three = Three::new(stand);
    let value = three.objects(&["f"], &object(base), &object(ours), &object(theirs));
    let paths = three.disputes.iter().map(|dispute| dispute.path.join("."));
    (value.into(), paths.collect())
}

#[test]
fn what_one_side_changed_counts_and_what_both_changed_alike_is_one_change() {
    let base = json!({"d": {"a": "1", "b": "1", "c": "1"}, "l": ["x", "y"]});
    let ours = json!({"d": {"a": "2", "c": "1", "e": "1"}, "l": ["x", "y", "o"]});
    let theirs = json!({"d": {"a": "2", "b": "1", "c": "3", "f": "1"}, "l": ["t", "y"]});
    let (value, disputes) = merged(&base, &ours, &theirs, Stand::Ours);
    assert_eq!(
        value.to_string(),
        r#"{"d":{"a":"2","c":"3","e":"1","f":"1"},"l":["y","o","t"]}"#
    );
    assert!(disputes.is_empty(), "{disputes:?}");
}

#[test]
fn what_both_changed_differently_is_disputed_and_stands_as_told() {
    let base = json!({"d": {"a": "1", "b": "1"}});
    let ours = json!({"d": {"a": "2"}});
    let theirs = json!({"d": {"a": "3", "b": "2"}});
    for (stand, wanted) in [
        (Stand::Ours, json!({"d": {"a": "2"}})),
        (Stand::Theirs, json!({"d": {"a": "3", "b": "2"}})),
        (Stand::Base, json!({"d": {"a": "1", "b": "1"}})),
    ] {
        let (value, disputes) = merged(&base, &ours, &theirs, stand);
        assert_eq!(value, wanted);
        assert_eq!(disputes, ["f.d.a", "f.d.b"]);
    }
}

#[test]
fn members_that_are_new_stand_where_their_side_has_them() {
    let base = json!({"z": 1, "a": 1});
    let ours = json!({"z": 1, "o": 1, "a": 1});
    let theirs = json!({"z": 1, "a": 1, "t": 1});
    let (value, _) = merged(&base, &ours, &theirs, Stand::Ours);
    assert_eq!(value.to_string(), r#"{"z":1,"o":1,"a":1,"t":1}"#);
}

fn labels() -> Labels {
    Labels {
        base: "o".to_owned(),
        ours: "a".to_owned(),
        theirs: "b".to_owned(),
    }
}

#[test]
fn markers_stand_around_what_differs_alone() {
    let (base, ours, theirs) = ("1\n2\n3\n", "1\ntwo\n3\n", "1\nzwei\n3\n");
    assert_eq!(
        conflict(base, ours, theirs, &labels(), |_| true),
        "1\n<<<<<<< a\ntwo\n||||||| o\n2\n=======\nzwei\n>>>>>>> b\n3\n"
    );
    assert_eq!(conflict(base, ours, ours, &labels(), |_| true), ours);
}

#[test]
fn each_side_of_a_conflict_can_be_had_back_whole() {
    let (base, ours, theirs) = ("{\n}\n", "{\n\"a\": 1\n}\n", "{\n\"b\": 1,\n\"c\": 2\n}\n");
    let text = conflict(base, ours, theirs, &labels(), |_| true);
    let side = |wanted: usize| {
        let mut part = 0;
        let mut side = String::new();
        for line in text.split_inclusive('\n') {
            match line.get(..7) {
                Some("<<<<<<<") => part = 1,
                Some("|||||||") => part = 2,
                Some("=======") => part = 3,
                Some(">>>>>>>") => part = 0,
                _ if part == 0 || part == wanted => side.push_str(line),
                _ => {}
            }
        }
        side
    };
    assert_eq!([side(1), side(2), side(3)], [ours, base, theirs]);
}

fn lock(packages: &Value) -> crate::lock::Lock {
    let text = json!({"lockfileVersion": 3, "packages": packages}).to_string();
    lock::parse(text, "package-lock.json").unwrap()
}

#[test]
fn places_that_both_sides_filled_differently_are_left_to_the_resolver() {
    let base = lock(&json!({"": {}, "node_modules/a": {"version": "1.0.0"}}));
    let ours = lock(&json!({
        "": {},
        "node_modules/a": {"version": "1.0.0", "dev": true},
        "node_modules/b": {"version": "1.0.0"},
        "node_modules/b/node_modules/c": {"version": "1.0.0"},
    }));
    let theirs = lock(&json!({
        "": {},
        "node_modules/b": {"version": "2.0.0"},
        "node_modules/d": {"version": "1.0.0"},
    }));
    let merged = entries::packages(&base, &ours, &theirs);
    let locations: Vec<&str> = merged.iter().map(|(key, _)| key.as_str()).collect();
    // `a` is gone on their side, and on ours only its flag is another.
    assert_eq!(locations, ["node_modules/d"]);
}
