//! Small locks whose chains and places can be told by hand.

use serde_json::{Value, json};

use super::*;
use crate::lock;

fn asked(packages: &Value, query: &str, limit: usize) -> Why {
    let text = json!({"name": "p", "lockfileVersion": 3, "packages": packages}).to_string();
    let lock = lock::parse(text, "package-lock.json").unwrap();
    explain(&lock, &Query::parse(query).unwrap(), limit)
}

/// A copy's chains as `a@1 b@2`.
fn shown(why: &Why, copy: usize) -> Vec<String> {
    let hop = |edge: &usize| why.graph.id(why.graph.edges[*edge].to);
    let chains = why.copies[copy].chains.shown.iter();
    chains
        .map(|chain| chain.iter().map(hop).collect::<Vec<_>>().join(" "))
        .collect()
}

fn two_copies() -> Value {
    json!({
        "": {"name": "p", "dependencies": {"a": "^1", "c": "^1"}, "devDependencies": {"d": "*"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "^1"}},
        "node_modules/b": {"version": "1.5.0"},
        "node_modules/c": {"version": "1.0.0", "dependencies": {"a": "*", "b": "^2"}},
        "node_modules/c/node_modules/b": {"version": "2.0.0"},
        "node_modules/d": {"version": "1.0.0", "dev": true, "dependencies": {"c": "*"}},
    })
}

#[test]
fn every_copy_has_its_chains_the_shortest_first() {
    let why = asked(&two_copies(), "b", 10);
    assert_eq!(why.copies.len(), 2);
    assert_eq!(
        shown(&why, 0),
        [
            "a@1.0.0 b@1.5.0",
            "c@1.0.0 a@1.0.0 b@1.5.0",
            "d@1.0.0 c@1.0.0 a@1.0.0 b@1.5.0"
        ]
    );
    assert_eq!(
        shown(&why, 1),
        ["c@1.0.0 b@2.0.0", "d@1.0.0 c@1.0.0 b@2.0.0"]
    );
    assert_eq!(why.copies[0].chains.total, Some(3));
    assert!(why.copies[0].chains.complete);
}

#[test]
fn a_nested_copy_names_the_version_that_is_in_its_way_and_who_needs_that() {
    let why = asked(&two_copies(), "b", 10);
    assert_eq!(why.copies[0].reason, Reason::Hoisted);
    let Reason::Conflict {
        by,
        needed_by,
        more,
    } = &why.copies[1].reason
    else {
        panic!("{:?}", why.copies[1].reason);
    };
    assert_eq!(
        (by.version.as_str(), by.location.as_str()),
        ("1.5.0", "node_modules/b")
    );
    assert_eq!(
        (needed_by.as_slice(), *more),
        (&["a@1.0.0 (^1)".to_owned()][..], 0)
    );
    assert_eq!(
        asked(&two_copies(), "a", 1).copies[0].reason,
        Reason::Direct
    );
}

#[test]
fn a_range_and_a_location_choose_among_copies() {
    let located = |query| {
        let why = asked(&two_copies(), query, 1);
        let copies = why.copies.iter();
        copies
            .map(|copy| why.graph.nodes[copy.node].location.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(located("b@^2"), ["node_modules/c/node_modules/b"]);
    assert_eq!(located("node_modules/b"), ["node_modules/b"]);
    let none = asked(&two_copies(), "b@3", 1);
    assert!(none.copies.is_empty());
    assert_eq!(none.other_versions, ["1.5.0", "2.0.0"]);
}

#[test]
fn a_name_that_is_not_there_is_answered_with_those_that_look_alike() {
    let packages = json!({
        "": {"dependencies": {"lodash": "*"}},
        "node_modules/lodash": {"version": "4.0.0"},
        "node_modules/zebra": {"version": "4.0.0"},
    });
    assert_eq!(asked(&packages, "lodahs", 1).similar, ["lodash"]);
    assert!(Query::parse("no name").is_err());
    assert!(Query::parse("a@nonsense").is_err());
}

#[test]
fn cycles_end_and_meet_no_package_twice() {
    let packages = json!({
        "": {"dependencies": {"a": "*"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "*"}},
        "node_modules/b": {"version": "1.0.0", "dependencies": {"a": "*", "c": "*"}},
        "node_modules/c": {"version": "1.0.0", "dependencies": {"b": "*"}},
    });
    let why = asked(&packages, "c", 10);
    assert_eq!(shown(&why, 0), ["a@1.0.0 b@1.0.0 c@1.0.0"]);
    assert!(why.copies[0].chains.complete);
}

/// 30 levels of two packages each, all of one level requiring both of the next: 2^30 ways.
fn diamonds(levels: usize) -> Value {
    let mut packages = json!({"": {"name": "p", "dependencies": {"l0": "*", "r0": "*"}}});
    for level in 0..levels {
        let next = if level + 1 == levels {
            json!({"end": "*"})
        } else {
            json!({format!("l{}", level + 1): "*", format!("r{}", level + 1): "*"})
        };
        for side in ["l", "r"] {
            packages[format!("node_modules/{side}{level}")] =
                json!({"version": "1.0.0", "dependencies": next});
        }
    }
    packages["node_modules/end"] = json!({"version": "1.0.0"});
    packages
}

#[test]
fn a_limit_ends_the_search_among_a_billion_ways() {
    let why = asked(&diamonds(30), "end", 3);
    let chains = &why.copies[0].chains;
    assert_eq!(chains.shown.len(), 3);
    assert!(chains.shown.iter().all(|chain| chain.len() == 31));
    assert_eq!(chains.total, Some(1 << 30));
    assert!(!chains.complete);
    assert_eq!(asked(&diamonds(60), "end", 3).copies[0].chains.total, None);
}

#[test]
fn a_workspace_is_required_by_the_project_and_requires_for_itself() {
    let packages = json!({
        "": {"name": "p", "workspaces": ["packages/*"]},
        "node_modules/w": {"link": true, "resolved": "packages/w"},
        "packages/w": {"version": "1.0.0", "devDependencies": {"b": "*"}},
        "node_modules/b": {"version": "1.0.0", "dev": true},
    });
    let why = asked(&packages, "b", 10);
    assert_eq!(shown(&why, 0), ["w@1.0.0 b@1.0.0"]);
    let kinds = why.copies[0].chains.shown[0]
        .iter()
        .map(|edge| why.graph.edges[*edge].kind);
    assert_eq!(kinds.collect::<Vec<_>>(), [Kind::Workspace, Kind::Dev]);
    assert_eq!(asked(&packages, "w", 10).copies[0].reason, Reason::Folder);
}

#[test]
fn a_copy_beside_its_peer_says_so() {
    let packages = json!({
        "": {"dependencies": {"react": "^18", "old": "*"}},
        "node_modules/react": {"version": "18.0.0"},
        "node_modules/old": {"version": "1.0.0", "dependencies": {"react": "^16", "hooks": "*"}},
        "node_modules/old/node_modules/react": {"version": "16.0.0"},
        "node_modules/old/node_modules/hooks":
            {"version": "1.0.0", "peerDependencies": {"react": "^16"}},
    });
    let why = asked(&packages, "hooks", 10);
    let Reason::Peer {
        peer, here, there, ..
    } = &why.copies[0].reason
    else {
        panic!("{:?}", why.copies[0].reason);
    };
    let version = |copy: &Option<place::Copy>| copy.as_ref().map(|copy| copy.version.clone());
    assert_eq!(peer, "react");
    assert_eq!(version(here).as_deref(), Some("16.0.0"));
    assert_eq!(version(there).as_deref(), Some("18.0.0"));
}

#[test]
fn a_copy_that_would_hide_another_from_a_dependent_stays_below() {
    // x sits between: what lies in x's folder is found by y before the top's.
    let packages = json!({
        "": {"dependencies": {"b": "^2", "x": "*"}},
        "node_modules/b": {"version": "2.0.0"},
        "node_modules/x": {"version": "1.0.0", "dependencies": {"b": "^2", "y": "*"}},
        "node_modules/x/node_modules/y": {"version": "1.0.0", "dependencies": {"b": "^1"}},
        "node_modules/x/node_modules/y/node_modules/b": {"version": "1.0.0"},
    });
    let why = asked(&packages, "b@1", 10);
    let Reason::Shadow {
        by,
        dependent,
        spec,
    } = &why.copies[0].reason
    else {
        panic!("{:?}", why.copies[0].reason);
    };
    assert_eq!(
        (by.version.as_str(), dependent.as_str(), spec.as_str()),
        ("2.0.0", "x@1.0.0", "^2")
    );
}
