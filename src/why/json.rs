//! The answer to `why` as a document for machines; `version` is 1.

use serde_json::{Value, json};

use super::graph::{Graph, allows};
use super::place::{Copy, Reason, split};
use super::{Explained, Query, Why};

/// The document: `copies` has one object for each copy of the package, by location.
///
/// - `place` tells in whose `node_modules` the copy lies (`in`, empty for the project's) and the
///   `reason`: `folder`, `direct`, `hoisted`, `bundled`, `conflict`, `shadow`, `peer`,
///   `duplicate` or `kept`.
/// - `chains` go from the project down; each hop tells how it is asked for. `chainsTotal` is null
///   where cycles make it hard to tell, `chainsComplete` tells whether all are shown.
/// - `satisfied` of a hop is false where the version is outside the range, as with overrides.
pub fn document(why: &Why, query: &Query) -> Value {
    let copies = why.copies.iter().map(|copy| of_copy(&why.graph, copy));
    json!({
        "version": 1,
        "query": query.text,
        "project": why.graph.nodes[0].name,
        "copies": copies.collect::<Vec<_>>(),
        "otherVersions": why.other_versions,
        "similar": why.similar,
    })
}

fn of_copy(graph: &Graph, copy: &Explained) -> Value {
    let node = &graph.nodes[copy.node];
    let flag = |name: &str| node.flags.contains(&name);
    let chains = copy.chains.shown.iter();
    json!({
        "name": node.name,
        "version": node.version,
        "location": node.location,
        "links": node.links,
        "dev": flag("dev"),
        "optional": flag("optional"),
        "devOptional": flag("devOptional"),
        "peer": flag("peer"),
        "bundled": flag("inBundle"),
        "extraneous": flag("extraneous"),
        "place": place(&node.location, &copy.reason),
        "dependents": copy.dependents.iter().map(|node| dependent(graph, *node)).collect::<Vec<_>>(),
        "chains": chains.map(|chain| hops(graph, chain)).collect::<Vec<_>>(),
        "chainsTotal": copy.chains.total,
        "chainsComplete": copy.chains.complete,
    })
}

fn dependent(graph: &Graph, node: usize) -> Value {
    let node = &graph.nodes[node];
    json!({"name": node.name, "version": node.version, "location": node.location})
}

fn hops(graph: &Graph, chain: &[usize]) -> Value {
    let hop = |edge: &usize| {
        let edge = &graph.edges[*edge];
        let node = &graph.nodes[edge.to];
        json!({
            "name": node.name,
            "version": node.version,
            "location": node.location,
            "as": edge.name,
            "spec": edge.spec,
            "kind": edge.kind.word(),
            "satisfied": allows(&edge.spec, &node.version),
        })
    };
    chain.iter().map(hop).collect::<Vec<_>>().into()
}

fn place(location: &str, reason: &Reason) -> Value {
    let mut place = match reason {
        Reason::Folder => json!({"reason": "folder"}),
        Reason::Direct => json!({"reason": "direct"}),
        Reason::Hoisted => json!({"reason": "hoisted"}),
        Reason::Bundled => json!({"reason": "bundled"}),
        Reason::Conflict {
            by,
            needed_by,
            more,
        } => json!({
            "reason": "conflict",
            "by": other(by),
            "neededBy": needed_by,
            "neededByMore": more,
        }),
        Reason::Shadow {
            by,
            dependent,
            spec,
        } => json!({
            "reason": "shadow",
            "by": other(by),
            "dependent": dependent,
            "spec": spec,
        }),
        Reason::Peer {
            peer,
            range,
            here,
            there,
        } => json!({
            "reason": "peer",
            "peer": peer,
            "range": range,
            "here": here.as_ref().map(other),
            "there": there.as_ref().map(other),
        }),
        Reason::Duplicate { by } => json!({"reason": "duplicate", "by": other(by)}),
        Reason::Kept => json!({"reason": "kept"}),
    };
    if let Some((folder, _)) = split(location) {
        place["in"] = folder.into();
    }
    place
}

fn other(copy: &Copy) -> Value {
    json!({"name": copy.name, "version": copy.version, "location": copy.location})
}
