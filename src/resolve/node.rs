//! What a node and an edge are.

use std::cell::Cell;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use super::error::LoadFailure;
use super::names::{Key, Name};
use super::overrides::RuleId;
use super::package::{Kind, Package};
use super::prefer::Choice;
use super::specs::SpecId;

/// A map that keeps insertion order, which npm's results depend on.
pub type Ordered<K, V> = IndexMap<K, V, FxBuildHasher>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub(super) u32);

/// One package folder at one place in a tree, or a link to such a folder.
#[derive(Debug, Clone)]
pub struct Node {
    /// The folder's name, which an alias makes differ from the package's.
    pub name: Name,
    pub package: Arc<Package>,
    /// Absolute, `/`-separated; empty until the node has a place.
    pub path: Arc<str>,
    /// Relative to the root's real path; the root's is empty.
    pub location: Arc<str>,
    pub link: Option<Link>,
    pub root: NodeId,
    pub parent: Option<NodeId>,
    /// The node whose folder this one lies under, outside its `node_modules`.
    pub fs_parent: Option<NodeId>,
    pub children: Ordered<Key, NodeId>,
    pub fs_children: Vec<NodeId>,
    pub edges_out: Ordered<Key, EdgeId>,
    pub edges_in: Vec<EdgeId>,
    pub links_in: Vec<NodeId>,
    /// The `resolved` text; for links it is derived from their target.
    pub resolved: Option<Arc<str>>,
    pub integrity: Option<Arc<str>>,
    pub has_shrinkwrap: bool,
    pub flags: Flags,
    /// Wanted optionally, and not installable here: in the lock, not on disk.
    pub inert: bool,
    pub failure: Option<LoadFailure>,
    pub overrides: Option<RuleId>,
    /// Of a virtual root: the node it stands in for.
    pub source: Option<NodeId>,
}

/// Where a link leads.
#[derive(Debug, Clone)]
pub struct Link {
    pub real_path: Arc<str>,
    pub target: Option<NodeId>,
}

/// How a node is needed; all true until edges say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // npm's five independent flags, by npm's names
pub struct Flags {
    pub extraneous: bool,
    pub dev: bool,
    pub optional: bool,
    pub dev_optional: bool,
    pub peer: bool,
}

impl Flags {
    pub const SET: Self = Self::all(true);
    pub const UNSET: Self = Self::all(false);

    const fn all(value: bool) -> Self {
        Self {
            extraneous: value,
            dev: value,
            optional: value,
            dev_optional: value,
            peer: value,
        }
    }
}

/// One dependency of one node.
#[derive(Debug, Clone)]
pub struct Edge {
    /// `None` once the edge is detached.
    pub from: Option<NodeId>,
    pub to: Option<NodeId>,
    pub name: Name,
    /// As written; overrides are applied when it is asked for.
    pub raw_spec: SpecId,
    pub accept: Option<SpecId>,
    pub kind: Kind,
    pub overrides: Option<RuleId>,
    /// What an imported lock chose for it.
    pub(super) choice: Option<Arc<Choice>>,
    /// Known to be unmet, and accepted.
    pub peer_conflicted: bool,
    /// Remembered until the edge is reloaded, as npm does.
    pub(super) state: Cell<Option<State>>,
}

/// Is an edge satisfied?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Valid,
    Missing,
    /// A peer that lies inside its dependent.
    PeerLocal,
    Invalid,
    Detached,
}
