//! A part of an environment: what would be installed on one target, or without some kinds of
//! dependencies.

use serde_json::{Map, json};

use super::graph::{Graph, Side};
use crate::manifest::Manifest;
use crate::target::{Target, engine_allows, platform_allows};

/// How an environment is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    pub target: Option<Target>,
    pub omit: Omit,
}

/// npm's `--omit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Omit {
    pub dev: bool,
    pub optional: bool,
    pub peer: bool,
}

impl Omit {
    fn leaves_out(self, side: &Side) -> bool {
        let flags = side.flags;
        (self.dev && flags.dev)
            || (self.optional && flags.optional)
            || (self.peer && flags.peer)
            || (self.dev && self.optional && flags.dev_optional)
    }

    /// npm's words for it.
    pub fn words(self) -> Vec<&'static str> {
        [
            ("dev", self.dev),
            ("optional", self.optional),
            ("peer", self.peer),
        ]
        .into_iter()
        .filter_map(|(word, omitted)| omitted.then_some(word))
        .collect()
    }
}

/// What of `graph` is there when it is looked at like that.
pub(super) fn seen(graph: &Graph, view: &View) -> Graph {
    let wanted = |side: &Side| !view.omit.leaves_out(side);
    let mut keep: Vec<bool> = graph.nodes.iter().map(|node| wanted(&node.side)).collect();
    if let Some(target) = &view.target {
        leave_out_what_does_not_run(graph, target, &mut keep);
    }
    let mut seen = graph.kept(&keep);
    if let Some(target) = &view.target {
        for node in &mut seen.nodes {
            node.side.unfit = !runs(&node.side, target);
        }
    }
    seen
}

/// Optional packages that are not for the target go, with everything that only they need, and with
/// the optional packages that cannot do without them. Source: Arborist's `optionalSet`.
fn leave_out_what_does_not_run(graph: &Graph, target: &Target, keep: &mut [bool]) {
    let optional = |at: usize| {
        let flags = graph.nodes[at].side.flags;
        flags.optional || flags.dev_optional
    };
    let mut dependants: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        for edge in node.edges.iter().filter(|edge| !edge.soft) {
            dependants[edge.to].push(at);
        }
    }
    let nodes = 0..graph.nodes.len();
    let mut out: Vec<usize> = nodes
        .filter(|at| optional(*at) && !runs(&graph.nodes[*at].side, target))
        .collect();
    let mut is_out = vec![false; graph.nodes.len()];
    while let Some(at) = out.pop() {
        if !std::mem::replace(&mut is_out[at], true) {
            out.extend(dependants[at].iter().filter(|other| optional(**other)));
        }
    }
    if !is_out.contains(&true) {
        return;
    }
    let before = reachable(graph, &vec![false; graph.nodes.len()]);
    let after = reachable(graph, &is_out);
    for (at, keep) in keep.iter_mut().enumerate() {
        *keep &= !is_out[at] && (after[at] || !before[at]);
    }
}

/// What the project reaches without going through `closed`.
fn reachable(graph: &Graph, closed: &[bool]) -> Vec<bool> {
    let mut seen = vec![false; graph.nodes.len()];
    let mut pending: Vec<usize> = graph.direct.iter().map(|(_, edge)| edge.to).collect();
    while let Some(at) = pending.pop() {
        if !closed[at] && !std::mem::replace(&mut seen[at], true) {
            pending.extend(graph.nodes[at].edges.iter().map(|edge| edge.to));
        }
    }
    seen
}

fn runs(side: &Side, target: &Target) -> bool {
    let is_free = side.os.is_empty() && side.cpu.is_empty() && side.libc.is_empty();
    if is_free && (side.node.is_none() || target.node.is_none()) {
        return true;
    }
    let mut fields = Map::new();
    for (field, list) in [("os", &side.os), ("cpu", &side.cpu), ("libc", &side.libc)] {
        if !list.is_empty() {
            fields.insert(field.to_owned(), list.clone().into());
        }
    }
    if let Some(node) = &side.node {
        fields.insert("engines".to_owned(), json!({ "node": node }));
    }
    let manifest = Manifest { fields };
    // Only optional packages mind `engines`; others are installed with a warning.
    let engine = !side.flags.optional || engine_allows(&manifest, target.node.as_ref(), None);
    platform_allows(&manifest, target) && engine
}
