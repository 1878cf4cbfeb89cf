//! `merge`: one lock of two branches' locks, as git's merge driver.
//!
//! The manifests of both branches and of their ancestor come from git where it has a commit with
//! exactly the lock it handed over, else from the locks themselves. They are merged three-way, and
//! so are the versions that the locks chose for each dependent. Then the project is resolved anew
//! from both, in a scratch folder. Manifests of packages come from the locks' entries, so that a
//! registry is only asked for what neither lock knows.
//!
//! The merged lock comes about as those of both sides did. Where each is what the packuments in the
//! store give without a lock, it is a fresh lock of the merged project. Where each is what its own
//! versions give, it is resolved afresh with the versions of both. Where a lock has grown over time,
//! places are kept: the resolver starts from both locks' entries, merged by location, and mends what
//! does not fit.

mod git;
mod manifests;
mod scratch;
mod setup;
mod sides;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::session::Session;
use super::shrinkwrap::{locked, on_a_deep_stack};
use super::source::Sources;
use crate::disk::DiskError;
use crate::json::JsonError;
use crate::lock::{self, Lock, LockError, Style, Top};
use crate::manifest::{self, ManifestError};
use crate::merge::markers::{self, Labels};
use crate::merge::{Choices, Dispute, Known, Stand, Three, entries};
use crate::registry::{Registry, RegistryError};
use crate::report::Silent;
use crate::resolve::{self, Ideal, Locked, Options, Preferences, ResolveError, Source, Tree};
use scratch::Scratch;
use sides::{Files, Side, Sides};
use source::LockedFirst;

pub use git::fall_back;
pub use manifests::merge_manifests;
pub use setup::{Setup, SetupError, install as install_driver, uninstall as uninstall_driver};

/// The three files that git hands over, and what it calls them.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    pub base: Vec<u8>,
    pub ours: Vec<u8>,
    pub theirs: Vec<u8>,
    /// The file's path in the repository.
    pub path: PathBuf,
    pub labels: Labels,
}

/// How the merged tree came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Only one side changed the file.
    OneSide,
    /// The text merged as git merges texts.
    Text,
    /// Member by member.
    Members,
    /// Resolved afresh, with the versions of both.
    Fresh,
    /// Resolved from both locks' entries where they are.
    Kept,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneSide => "one-side",
            Self::Text => "text",
            Self::Members => "members",
            Self::Fresh => "fresh",
            Self::Kept => "kept",
        }
    }
}

#[derive(Debug)]
pub struct MergeOutcome {
    /// The new text, with conflict markers where there are disputes.
    pub text: String,
    pub disputes: Vec<Dispute>,
    pub method: Method,
    /// `name@version` that neither side had.
    pub new: Vec<String>,
    pub warnings: Vec<(&'static str, String)>,
}

/// Why two locks cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error(transparent)]
    Side(#[from] SideError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What is wrong with one side.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SideError {
    #[error("`{file}` of {side} is not valid JSON")]
    #[diagnostic(code(EJSONPARSE), help("mend it on its branch, then merge again"))]
    Json {
        file: String,
        side: &'static str,
        #[source]
        source: JsonError,
    },
    #[error(
        "a lock of version 1 does not say what the project asks for, and git has no commit with {side} lock"
    )]
    #[diagnostic(
        code(ENOMANIFEST),
        help("resolve the conflict in package.json, then run `heatseal shrinkwrap`")
    )]
    NoManifest { side: &'static str },
}

/// Merges locks; nothing is written.
///
/// - `cached` is the same session, asking no registry.
/// - Shape: the text is a lock that the merged manifests accept, or, with disputes, two such locks
///   between conflict markers.
/// - Errors: a lock or manifest cannot be read, or nothing satisfies the merged manifests.
pub fn merge_locks(
    session: &Session,
    cached: &Session,
    options: &Options,
    request: &MergeRequest,
) -> Result<MergeOutcome, MergeError> {
    if let Some(text) = one_sided(request) {
        return Ok(text);
    }
    on_a_deep_stack(|| {
        let sides = Sides::read(session, request)?;
        let registry = session.registry(options)?;
        let offline = cached.registry(options)?;
        let [source, remembered] = [&registry, &offline].map(|registry| Sources {
            registry,
            store: session.store.clone(),
            umask: session.umask(),
            generation: options.rules.generation,
        });
        let mut content = Vec::new();
        let mut known = Known::default();
        for lock in [&sides.ours.lock, &sides.theirs.lock] {
            known.learn(lock, &mut content);
        }
        let merge = Merge {
            sides: &sides,
            options,
            remembered: LockedFirst {
                known: &known,
                others: &remembered,
            },
            source: LockedFirst {
                known: &known,
                others: &source,
            },
        };
        let outcome = merge.run(content, &request.labels);
        finish(&registry);
        outcome
    })
}

fn finish(registry: &Registry) {
    registry.write_behind();
    registry.finish();
}

/// The other side's text where only that changed.
fn one_sided(request: &MergeRequest) -> Option<MergeOutcome> {
    let MergeRequest {
        base, ours, theirs, ..
    } = request;
    let bytes = if ours == theirs || theirs == base {
        ours
    } else if ours == base {
        theirs
    } else {
        return None;
    };
    Some(MergeOutcome {
        text: String::from_utf8_lossy(bytes).into_owned(),
        disputes: Vec::new(),
        method: Method::OneSide,
        new: Vec::new(),
        warnings: Vec::new(),
    })
}

struct Merge<'a> {
    sides: &'a Sides,
    options: &'a Options,
    /// The packuments in the store.
    remembered: LockedFirst<'a>,
    source: LockedFirst<'a>,
}

/// How both sides' locks came about, as far as that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each is what the packuments in the store give without any lock.
    Anew,
    /// Each is what its own versions give.
    OwnVersions,
    /// They have grown.
    Grown,
}

/// A merged project, resolved.
struct Solved {
    text: String,
    tree: Tree,
    method: Method,
    warnings: Vec<(&'static str, String)>,
}

impl Merge<'_> {
    fn run(&self, content: Vec<Dispute>, labels: &Labels) -> Result<MergeOutcome, MergeError> {
        let way = self.way();
        let (ours, mut disputes) = self.solve(Stand::Ours, way)?;
        disputes.extend(content);
        let mut text = ours.text;
        if !disputes.is_empty() {
            let (theirs, _) = self.solve(Stand::Theirs, way)?;
            let base = self.solve(Stand::Base, way).map(|(base, _)| base.text);
            let file = &self.sides.ours.lock.file_name;
            let packages = |text: &str| Some(by_place(lock::parse(text, file).ok()?.packages));
            let wanted = packages(&text);
            let base = base.unwrap_or_else(|_| theirs.text.clone());
            text = markers::conflict(&base, &text, &theirs.text, labels, |text| {
                packages(text) == wanted
            });
        }
        Ok(MergeOutcome {
            text,
            disputes,
            method: ours.method,
            new: self.new_packages(&ours.tree),
            warnings: ours.warnings,
        })
    }

    fn way(&self) -> Way {
        let sides = [&self.sides.ours, &self.sides.theirs];
        let anew = |side: &&Side| {
            let ideal = self.resolve(&side.files, Preferences::default(), None, &self.remembered);
            ideal.is_ok_and(|ideal| self.is_lock_of(&ideal, side))
        };
        let own = |side: &&Side| {
            let prefer = self.preferences(&Choices::of(&side.lock));
            let ideal = self.resolve(&side.files, prefer, None, &self.source);
            ideal.is_ok_and(|ideal| self.is_lock_of(&ideal, side))
        };
        if sides.iter().all(anew) {
            Way::Anew
        } else if sides.iter().all(own) {
            Way::OwnVersions
        } else {
            Way::Grown
        }
    }

    fn is_lock_of(&self, ideal: &Ideal, side: &Side) -> bool {
        if side.lock.loaded_from_v1 {
            return lock::dependencies(&ideal.tree, true) == side.lock.legacy;
        }
        let registry_resolved = self.sides.registry_resolved();
        by_place(lock::entries(&ideal.tree, registry_resolved))
            == by_place(side.lock.packages.clone())
    }

    fn preferences(&self, choices: &Choices) -> Preferences {
        let mut preferences = choices.preferences(&self.sides.ours.lock.file_name);
        for (id, integrity) in self.source.known.promises() {
            preferences.promise(id.clone(), integrity);
        }
        preferences
    }

    fn solve(&self, stand: Stand, way: Way) -> Result<(Solved, Vec<Dispute>), MergeError> {
        let Sides {
            base, ours, theirs, ..
        } = self.sides;
        let mut three = Three::new(stand);
        let files = self.sides.merged_files(&mut three);
        let mut disputes = three.disputes;
        let of = [base, ours, theirs].map(|side| Choices::of(&side.lock));
        let choices = Choices::merged(&of[0], &of[1], &of[2], stand, &mut disputes);
        let (ideal, method) = self.best(&files, &self.preferences(&choices), way)?;
        let solved = Solved {
            text: self.text(&ideal.tree),
            tree: ideal.tree,
            method,
            warnings: ideal.warnings,
        };
        Ok((solved, disputes))
    }

    /// Afresh where that is how both sides came about, or where the places of both sides lead to a
    /// tree that does not give what is asked for; npm does not look behind links, for one.
    fn best(
        &self,
        files: &Files,
        prefer: &Preferences,
        way: Way,
    ) -> Result<(Ideal, Method), MergeError> {
        if way == Way::Anew
            && let Ok(ideal) = self.resolve(files, Preferences::default(), None, &self.remembered)
        {
            return Ok((ideal, Method::Fresh));
        }
        let anew = || self.resolve(files, prefer.clone(), None, &self.source);
        if way != Way::Grown
            && let Ok(ideal) = anew()
        {
            return Ok((ideal, Method::Fresh));
        }
        let places = self.merged_entries();
        let kept = self.resolve(files, prefer.clone(), Some(&places), &self.source);
        let is_sound = |ideal: &Ideal| {
            let found = resolve::disagreements(&ideal.tree, false);
            found.is_ok_and(|found| found.is_empty())
        };
        if !kept.as_ref().is_ok_and(is_sound)
            && let Ok(ideal) = anew()
        {
            return Ok((ideal, Method::Fresh));
        }
        Ok((kept?, Method::Kept))
    }

    fn merged_entries(&self) -> Locked {
        let Sides {
            base, ours, theirs, ..
        } = self.sides;
        let oldest = if ours.lock.version <= theirs.lock.version {
            &ours.lock
        } else {
            &theirs.lock
        };
        Locked {
            entries: entries::packages(&base.lock, &ours.lock, &theirs.lock),
            version: locked(oldest).version,
        }
    }

    fn resolve(
        &self,
        files: &Files,
        prefer: Preferences,
        locked: Option<&Locked>,
        source: &dyn Source,
    ) -> Result<Ideal, MergeError> {
        let scratch = Scratch::new(self.sides, files)?;
        let file = manifest::read(scratch.project())?;
        let options = Options {
            prefer: Arc::new(prefer),
            ..self.options.clone()
        };
        let manifest = Arc::new(file.manifest);
        let project = scratch.project();
        let ideal = resolve::ideal_tree(project, &manifest, locked, source, &options, &Silent)?;
        Ok(ideal)
    }

    /// The lock's text, in the form of ours.
    fn text(&self, tree: &Tree) -> String {
        let Sides {
            base, ours, theirs, ..
        } = self.sides;
        let root = &tree.node(tree.root).package.manifest;
        let folder = self.sides.folder_name();
        let registry_resolved = self.sides.registry_resolved();
        let version = if ours.lock.version == base.lock.version {
            theirs.lock.version
        } else {
            ours.lock.version
        };
        let mut others = Three::new(Stand::Ours);
        let top = Top {
            name: Some(root.name().unwrap_or(&folder).to_owned()),
            version: root.version().map(str::to_owned),
            lockfile_version: version,
            extra: others.objects(&[], &base.lock.extra, &ours.lock.extra, &theirs.lock.extra),
            legacy: (version <= 2)
                .then(|| lock::dependencies(tree, registry_resolved))
                .flatten(),
        };
        let style = Style {
            indent: ours.lock.indent.clone(),
            newline: ours.lock.newline.clone(),
            formatted: !ours.lock.newline.is_empty(),
        };
        lock::text(top, lock::entries(tree, registry_resolved), &style)
    }

    /// What came from the registry.
    fn new_packages(&self, tree: &Tree) -> Vec<String> {
        let ids = |lock: &Lock| -> Vec<String> {
            let entries = lock.packages.iter();
            entries
                .map(|(location, entry)| {
                    let version = entry.get("version").and_then(Value::as_str);
                    let name = lock::package_name(location, entry);
                    format!("{name}@{}", version.unwrap_or_default())
                })
                .collect()
        };
        let Sides { ours, theirs, .. } = self.sides;
        let known: std::collections::HashSet<String> = ids(&ours.lock)
            .into_iter()
            .chain(ids(&theirs.lock))
            .collect();
        let nodes = tree.inventory(tree.root).into_iter();
        let placed = nodes.filter(|id| {
            let is_package = tree.node(*id).link.is_none() && !tree.is_top(*id);
            is_package && !tree.version_text(*id).is_empty()
        });
        let mut new: Vec<String> = placed
            .map(|id| {
                let name = tree.node(id).package.manifest.name();
                let name = name.unwrap_or_else(|| tree.name_text(id));
                format!("{name}@{}", tree.version_text(id))
            })
            .filter(|id| !known.contains(id))
            .collect();
        new.sort();
        new.dedup();
        new
    }
}

/// Entries by location; their order does not count.
fn by_place(packages: lock::Packages) -> Map<String, Value> {
    let entries = packages.into_iter();
    entries.map(|(key, entry)| (key, entry.into())).collect()
}
