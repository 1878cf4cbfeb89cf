//! Manifest and packuments to the ideal tree, by npm's rules and in npm's order.
//!
//! The loop ([`ideal`]) takes the shallowest node with unmet dependencies, loads a candidate for
//! each of them together with its peers into a *virtual root* ([`peers`]), a copy of the node
//! with nothing installed, and then finds each its folder ([`place`], which asks [`check`]). Nodes
//! whose edges break on the way are queued again. At the end flags are computed, failures of
//! optional packages set aside, and platforms checked.
//!
//! Decisions are made on one thread in one order; a [`Source`] that fetches ahead only makes them
//! wait less. Whatever npm's result depends on (order of edges, of children, of arrival in the
//! inventory) is kept in insertion order.

mod bundle;
mod check;
mod dev_engines;
mod edges;
mod error;
mod explain;
mod flags;
mod frozen;
mod honest;
mod ideal;
mod inflate;
mod load;
mod names;
mod node;
mod overrides;
mod package;
mod paths;
mod peers;
mod place;
mod platforms;
mod prefer;
mod sets;
mod settle;
mod specs;
mod tree;
mod workspaces;

use std::sync::Arc;

pub use dev_engines::check as check_dev_engines;
pub use error::{LoadFailure, PeerConflict, ResolveError, Unsupported};
pub use explain::package as shown_package;
pub use frozen::{Demand, Disagreement, disagreements};
pub use honest::{Dishonest, Dishonesty, dishonest_entries};
pub use ideal::{Ideal, ideal_tree};
pub use load::{Locked, lonely_tree, virtual_tree};
pub use node::{Edge, EdgeId, Flags, Node, NodeId, State};
pub use package::{Kind, Package};
pub use paths::relative as relative_path;
pub use place::Strategy;
pub use platforms::{check as check_platforms, is_omitted};
pub use prefer::{Contradiction, Hold, Preferences, folder as folder_dependent};
pub use tree::{Rules, Tree};
pub use workspaces::{Workspace, WorkspaceError, workspaces};

use crate::manifest::Manifest;
use crate::name::PackageId;
use crate::spec::Spec;
use crate::target::Target;

/// A manifest and where its package comes from.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub manifest: Arc<Manifest>,
    pub resolved: Option<Arc<str>>,
    pub integrity: Option<Arc<str>>,
}

/// Where a manifest keeps the hash it was fetched with, for a lock whose package has none.
pub const FETCHED_INTEGRITY: &str = "_integrity";

impl Fetched {
    /// The manifest, with the hash inside.
    fn with_integrity_inside(&self) -> Arc<Manifest> {
        let Some(integrity) = &self.integrity else {
            return self.manifest.clone();
        };
        let mut manifest = Manifest::clone(&self.manifest);
        let integrity = integrity.to_string();
        manifest
            .fields
            .insert(FETCHED_INTEGRITY.to_owned(), integrity.into());
        Arc::new(manifest)
    }
}

/// Paths and bytes of a package's files.
pub type Contents = Vec<(String, Vec<u8>)>;

/// Where manifests come from: a registry, or a scenario in memory.
pub trait Source {
    /// Says that `spec` of `name` will probably be asked for.
    fn prefetch(&self, name: &str, spec: &Spec);

    /// The manifest npm would take for `spec` of `name`.
    fn manifest(&self, name: &str, spec: &Spec) -> Result<Fetched, LoadFailure>;

    /// The same, with what a registry's abbreviated document has of it.
    fn abbreviated(&self, name: &str, spec: &Spec) -> Result<Fetched, LoadFailure> {
        self.manifest(name, spec)
    }

    /// Says that [`Self::abbreviated`] will be asked for.
    fn announce_abbreviated(&self, _name: &str, _spec: &Spec) {}

    /// The files inside a package's tarball, by path relative to the package; only manifests and
    /// locks need to come with their bytes. Asked for only when the package bundles dependencies
    /// or brings its own shrinkwrap.
    fn contents(
        &self,
        id: &PackageId,
        resolved: &str,
        integrity: Option<&str>,
    ) -> Result<Contents, LoadFailure>;
}

/// What may be left out of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools)] // npm's three omit types
pub struct Omit {
    pub dev: bool,
    pub optional: bool,
    pub peer: bool,
}

impl Omit {
    /// Is a node with these flags left out?
    pub fn covers(self, flags: Flags) -> bool {
        (self.peer && flags.peer)
            || (self.dev && flags.dev)
            || (self.optional && flags.optional)
            || (self.dev && self.optional && flags.dev_optional)
    }
}

/// Which locked versions may move.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Update {
    #[default]
    Nothing,
    Names(Vec<String>),
    Everything,
}

/// How to resolve; the defaults are npm's.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // npm's settings, by npm's names
pub struct Options {
    pub rules: Rules,
    pub strategy: Strategy,
    pub force: bool,
    pub strict_peer_deps: bool,
    pub prefer_dedupe: bool,
    pub engine_strict: bool,
    pub omit: Omit,
    pub update: Update,
    /// Versions to take where the rules allow, when there is no lock to start from.
    pub prefer: Arc<Preferences>,
    /// Where required packages must run.
    pub host: Target,
    /// What optional packages are held against; differs from the host when settings say so.
    pub optional_target: Target,
    /// May the lock change? `npm ci` says no, and then leaves optional peers alone.
    pub save: bool,
}

impl Options {
    pub fn new(host: Target) -> Self {
        Self {
            rules: Rules::default(),
            strategy: Strategy::Hoisted,
            force: false,
            strict_peer_deps: false,
            prefer_dedupe: false,
            engine_strict: false,
            omit: Omit::default(),
            update: Update::Nothing,
            prefer: Arc::default(),
            optional_target: host.clone(),
            host,
            save: true,
        }
    }
}
