//! What of a locked tree belongs on disk here: packages, links, scripts, the hidden lock.

use std::path::Path;

use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use super::git;
use super::install::InstallRequest;
use super::isolated;
use super::lifecycle::Scripts;
use super::session::Session;
use crate::integrity::{Algorithm, Integrity};
use crate::json::Document;
use crate::link::{Wanted, WantedLink, WantedPackage};
use crate::lock::{self, Style, Top};
use crate::manifest::Claims;
use crate::name::PackageId;
use crate::origins::{self, OriginError};
use crate::resolve::{self, NodeId, Tree};
use crate::scripts::{Candidate, Flags, Kind, Policy};

/// The part of a tree that is to be installed.
#[derive(Debug, Default)]
pub struct Selection {
    pub wanted: Wanted,
    pub candidates: Vec<Candidate>,
    /// Locations left out because they do not run on the target.
    pub skipped: Vec<String>,
    /// Packages from elsewhere without a well-formed integrity: `name@version`.
    pub unproven: Vec<String>,
    /// Locations whose optional scripts failed: left out with what only they need.
    pub failed: Vec<String>,
    /// The lock's keys of all packages, wherever they go.
    pub locked: FxHashSet<String>,
}

/// What a selection is made from.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    pub tree: &'a Tree,
    pub session: &'a Session,
    pub request: &'a InstallRequest,
    pub document: &'a Document,
    /// Do the lock's entries repeat the manifests? Those of version 1 do not.
    pub claims_known: bool,
    /// Whose scripts may run; git dependencies are prepared by theirs.
    pub policy: &'a Policy,
}

impl Choice<'_> {
    /// Everything but what is omitted, inert, extraneous, or needed by `failed` alone.
    ///
    /// Errors: a package is to come from where no setting and no dependent's spec leads.
    pub fn select(self, failed: &[String]) -> Result<Selection, OriginError> {
        let tree = self.tree;
        let mut out: FxHashSet<NodeId> = FxHashSet::default();
        for location in failed {
            if let Some(id) = tree.at(tree.root, location) {
                out.extend(tree.optional_set(id));
            }
        }
        let mut selection = Selection {
            failed: failed.to_vec(),
            ..Selection::default()
        };
        let workspaces = tree.workspaces.iter();
        let project = tree.node(tree.root).path.clone();
        let below = |path: &str| Some(path.strip_prefix(&*project)?.strip_prefix('/')?.to_owned());
        selection.wanted.workspaces = workspaces.filter_map(|(_, path)| below(path)).collect();
        selection.wanted.without_bin_links = !self.request.bin_links;
        if self.request.isolated {
            let inert = tree.inventory(tree.root).into_iter().filter(|id| {
                let node = tree.node(*id);
                node.inert && node.parent.is_some()
            });
            let locations = inert.map(|id| tree.node(id).location.to_string());
            selection.skipped = locations.collect();
            isolated::select(self, &out, &mut selection)?;
        } else {
            self.select_hoisted(&out, &mut selection)?;
        }
        Ok(selection)
    }

    fn select_hoisted(
        self,
        out: &FxHashSet<NodeId>,
        selection: &mut Selection,
    ) -> Result<(), OriginError> {
        let tree = self.tree;
        let reached = self.request.part.reached(tree);
        let (mut installed, mut listed) = (FxHashSet::default(), FxHashSet::default());
        for id in self.in_order() {
            if reached.as_ref().is_some_and(|part| !part.contains(&id)) {
                continue;
            }
            let node = tree.node(id);
            let parent_gone = node.parent.is_some_and(|parent| {
                parent != tree.root && !installed.contains(&parent) && !tree.is_top(parent)
            });
            let stale = node.flags.extraneous && node.parent.is_some();
            if node.inert && node.parent.is_some() {
                selection.skipped.push(node.location.to_string());
            }
            let omitted = resolve::is_omitted(tree, id, &self.request.options);
            // What a package brings along in its own tarball is there, wanted or not.
            let left_out = (stale || omitted) && !tree.in_dependency_bundle(id);
            if node.inert || parent_gone || left_out || out.contains(&id) {
                continue;
            }
            installed.insert(id);
            if !omitted {
                listed.insert(id);
            }
            self.add(selection, id)?;
        }
        let wanted = &mut selection.wanted;
        let led_to: FxHashSet<&str> = wanted.links.iter().map(|link| &*link.target).collect();
        for package in &mut wanted.packages {
            if led_to.contains(&*package.location) {
                package.bins.clear(); // the link has them, as with npm
            }
        }
        wanted.hidden_lock = self.hidden_lock(&listed);
        Ok(())
    }

    /// Parents before children.
    fn in_order(self) -> Vec<NodeId> {
        let tree = self.tree;
        let mut nodes = tree.inventory(tree.root);
        nodes.retain(|id| *id != tree.root);
        nodes.sort_by_key(|id| tree.depth(*id));
        nodes
    }

    fn add(self, selection: &mut Selection, id: NodeId) -> Result<(), OriginError> {
        let tree = self.tree;
        let node = tree.node(id);
        let location = node.location.to_string();
        if node.link.is_some() {
            let target = tree.target(id).unwrap_or(id);
            selection.wanted.links.push(WantedLink {
                location,
                target: tree.node(target).location.to_string(),
                bins: self.bins(target),
            });
            // What it leads to may be an installed package, which has been added itself.
            if tree.node(target).parent.is_none() {
                self.add_candidate(selection, id);
            }
            return Ok(());
        }
        if node.parent.is_none() {
            return Ok(()); // a workspace or a linked folder: it is there already
        }
        self.add_package(selection, id, location)?;
        self.add_candidate(selection, id);
        Ok(())
    }

    /// The commands that a node brings.
    pub(super) fn bins(self, id: NodeId) -> Vec<(String, String)> {
        let bins = self.tree.node(id).package.manifest.bins();
        bins.map(|(name, path)| (name.to_owned(), path.to_owned()))
            .collect()
    }

    /// A package with a tarball of its own, to be put at `location`.
    pub(super) fn add_package(
        self,
        selection: &mut Selection,
        id: NodeId,
        location: String,
    ) -> Result<(), OriginError> {
        let tree = self.tree;
        let node = tree.node(id);
        selection.locked.insert(node.location.to_string());
        let bundled = tree.in_dependency_bundle(id);
        let package = self.id_of(id);
        let integrity = tree.integrity(id).and_then(Integrity::parse);
        let is_local = node
            .resolved
            .as_deref()
            .is_some_and(|url| url.starts_with("file:"));
        let proven = integrity
            .as_ref()
            .is_some_and(|integrity| integrity.strongest() == Algorithm::Sha512);
        if !bundled {
            origins::check(&self.session.config, tree, id, &package)?;
        }
        let commit = node.resolved.as_deref().filter(|url| git::is_pinned(url));
        let source = commit.map(|commit| {
            git::source(
                commit,
                self.policy.allows(&self.candidate(id)) == Some(true),
            )
        });
        if !proven && !bundled && !is_local && source.is_none() {
            selection.unproven.push(package.to_string());
        }
        let claims = (self.claims_known && !bundled && source.is_none() && !self.accepts(&package))
            .then(|| Claims::of(&node.package.manifest));
        selection.wanted.packages.push(WantedPackage {
            location,
            id: package,
            url: node.resolved.as_deref().map(str::to_owned),
            integrity,
            source,
            optional: node.flags.optional,
            runs_scripts: self.request.scripts != Scripts::Ignored,
            bundled,
            bins: self.bins(id),
            claims,
        });
        Ok(())
    }

    /// Did the user say that this package's manifest and its entry may differ?
    fn accepts(self, package: &PackageId) -> bool {
        let accepted = self.session.config.list("accept-manifest");
        let mut accepted = accepted.iter().flat_map(|list| list.split(','));
        accepted.any(|text| text.trim() == package.to_string())
    }

    /// The package's real name, not its alias.
    fn id_of(self, id: NodeId) -> PackageId {
        let name = self.tree.node(id).package.manifest.name();
        let name = name.unwrap_or_else(|| self.tree.name_text(id));
        PackageId::new(name, self.tree.version_text(id))
    }

    fn add_candidate(self, selection: &mut Selection, id: NodeId) {
        let candidate = self.candidate(id);
        selection.candidates.push(candidate);
    }

    pub(super) fn candidate(self, id: NodeId) -> Candidate {
        let tree = self.tree;
        let node = tree.node(id);
        let target = tree.target(id).unwrap_or(id);
        let kind = if node.link.is_none() {
            if tree.in_dependency_bundle(id) {
                Kind::Bundled
            } else {
                Kind::Package
            }
        } else if tree.is_workspace(id) {
            Kind::Workspace
        } else {
            Kind::Link
        };
        let flags = node.flags;
        let bundler = tree.bundler(id).filter(|_| kind == Kind::Bundled);
        Candidate {
            location: node.location.to_string(),
            folder: Path::new(&*tree.node(target).path).to_owned(),
            id: self.id_of(target),
            kind,
            resolved: node.resolved.as_deref().map(str::to_owned),
            integrity: tree.integrity(id).map(str::to_owned),
            flags: Flags {
                dev: flags.dev,
                optional: flags.optional,
                peer: flags.peer,
                dev_optional: flags.dev_optional,
            },
            has_install_script: node.package.manifest.has_install_script(),
            depth: tree.depth(id),
            bundler: bundler.map(|bundler| Box::new(self.candidate(bundler))),
        }
    }

    /// `node_modules/.package-lock.json`: the lock of what is installed, without the project.
    fn hidden_lock(self, installed: &FxHashSet<NodeId>) -> Option<Vec<u8>> {
        let tree = self.tree;
        let in_modules = |id: &NodeId| tree.node(*id).parent.is_some();
        if !installed.iter().any(in_modules) {
            return None;
        }
        let entries = lock::entries(tree, self.registry_resolved())
            .into_iter()
            .filter(|(location, _)| {
                let node = tree.at(tree.root, location);
                node.is_some_and(|node| installed.contains(&node))
            });
        let root = &tree.node(tree.root).package.manifest;
        let folder = tree.name_text(tree.root);
        let top = Top {
            name: Some(root.name().unwrap_or(folder).to_owned()),
            version: root.version().map(str::to_owned),
            lockfile_version: 3,
            ..Top::default()
        };
        Some(self.lock_text(top, entries.collect()))
    }

    /// Do registry packages say in a lock where they come from?
    pub(super) fn registry_resolved(self) -> bool {
        let key = "omit-lockfile-registry-resolved";
        !self.session.config.flag(key).unwrap_or(false)
    }

    /// A lock laid out as package.json is.
    pub(super) fn lock_text(self, top: Top, entries: Vec<(String, Map<String, Value>)>) -> Vec<u8> {
        let formatted = self.session.config.flag("format-package-lock");
        let style = Style {
            indent: self.document.indent.clone(),
            newline: self.document.newline.clone(),
            formatted: formatted.unwrap_or(true),
        };
        lock::text(top, entries, &style).into_bytes()
    }
}

/// What the authors of installed packages want their users to know.
pub fn deprecated(tree: &Tree, selection: &Selection) -> Vec<(String, String)> {
    let said = selection.locked.iter().filter_map(|location| {
        let id = tree.at(tree.root, location)?;
        let manifest = &tree.node(id).package.manifest;
        let text = manifest.text("deprecated")?;
        let name = manifest.name().unwrap_or_else(|| tree.name_text(id));
        let package = PackageId::new(name, tree.version_text(id));
        Some((package.to_string(), text.to_owned()))
    });
    let mut said: Vec<(String, String)> = said.collect();
    said.sort();
    said.dedup();
    said
}
