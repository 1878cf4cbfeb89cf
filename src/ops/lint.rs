//! `lint`: a lock held against good sense, and put right where no version has to move.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::locked::{self, LockedError, LockedProject};
use super::session::Session;
use crate::disk::DiskError;
use crate::json;
use crate::lint::repair::{self, Dist, Repaired};
use crate::lint::{self, Finding, Ignore, IgnoreError, Repair, Report, Subject};
use crate::lock::{self, Lock, Style, Top};
use crate::registry::RegistryError;
use crate::report::Event;
use crate::resolve::{Options, Tree};
use crate::store::Store;

#[derive(Debug, Clone, Default)]
pub struct LintRequest {
    /// The lock's file in the project; `None`: the one that counts.
    pub lock: Option<String>,
    /// What to ignore, besides what package.json says.
    pub ignore: Vec<String>,
    pub fix: bool,
}

#[derive(Debug)]
pub struct LintOutcome {
    /// The lock's file.
    pub path: PathBuf,
    /// [`Report::file`] is the file's name alone.
    pub report: Report,
    /// There was no package.json that the lock belongs to.
    pub alone: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum LintError {
    #[error(transparent)]
    Locked(#[from] LockedError),
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Looks at a lock; with `fix` also repairs it and looks again.
///
/// - Without `fix` nothing is fetched; what the store knows of the tarballs is used.
/// - A lock whose structure is unsound is not repaired.
pub fn lint(session: &Session, request: &LintRequest) -> Result<LintOutcome, LintError> {
    let mut project = locked::read(session, request.lock.as_deref())?;
    let mut accepted = Ignore::of_manifest(&project.manifest)?;
    for text in &request.ignore {
        accepted.push(Ignore::parse(text, None)?);
    }
    let mut findings = look(session, &project);
    let mut repair = None;
    if request.fix {
        let (counting, _, _) = lint::sort_out(findings.clone(), &accepted);
        let done = fix(session, &project, &counting)?;
        if done.written {
            project = locked::read(session, request.lock.as_deref())?;
            findings = look(session, &project);
        }
        repair = Some(done);
    }
    let (findings, ignored, unused) = lint::sort_out(findings, &accepted);
    let packages = &project.lock.packages;
    Ok(LintOutcome {
        report: Report {
            file: project.lock.file_name.clone(),
            lockfile_version: project.lock.version,
            packages: packages.iter().filter(|(key, _)| !key.is_empty()).count(),
            findings,
            ignored,
            unused,
            repair,
        },
        path: project.path,
        alone: project.alone,
    })
}

fn look(session: &Session, project: &LockedProject) -> Vec<Finding> {
    let store = store(session);
    let subject = Subject {
        lock: &project.lock,
        locked: &project.locked,
        tree: project.tree.as_ref().map_err(ToString::to_string),
        config: &session.config,
        store: store.as_ref(),
        alone: project.alone,
    };
    lint::findings(&subject)
}

/// The store, if there is one: looking makes none.
fn store(session: &Session) -> Option<Store> {
    let there = session.store.join("v1").is_dir();
    there.then(|| Store::open(&session.store, session.umask()).ok())?
}

fn fix(
    session: &Session,
    project: &LockedProject,
    findings: &[Finding],
) -> Result<Repair, LintError> {
    let unsound = findings
        .iter()
        .any(|finding| finding.rule == lint::Rule::Structure);
    let Ok(tree) = &project.tree else {
        return Ok(Repair::default());
    };
    if unsound || project.lock.merged {
        return Ok(Repair::default());
    }
    let stated = stated(session, tree, findings)?;
    let dist = |finding: &Finding| stated.get(&finding.package()).cloned();
    let repaired = repair::repair(&project.lock, tree, findings, &dist);
    if repaired.fixed.is_empty() {
        return Ok(Repair::default());
    }
    let moved = repair::moved(&project.lock.packages, &repaired.packages);
    let fixed = repaired.fixed.clone();
    let text = text(&project.lock, repaired);
    let written = lock::write_if_changed(&project.path, &text, Some(&project.lock.bytes))?;
    Ok(Repair {
        fixed,
        moved,
        written,
    })
}

/// What the registry states of the versions that need it, by `name@version`.
///
/// A package that cannot be asked about stays as it is, and a warning tells why.
fn stated(
    session: &Session,
    tree: &Tree,
    findings: &[Finding],
) -> Result<BTreeMap<String, Dist>, LintError> {
    let leaving = repair::leaving(findings);
    let needing: Vec<&Finding> = findings
        .iter()
        .filter(|finding| repair::needs_registry(finding) && is_registrys(tree, finding))
        .filter(|finding| !leaving.contains(&*finding.location))
        .collect();
    let mut stated = BTreeMap::new();
    if needing.is_empty() {
        return Ok(stated);
    }
    let registry = session.registry(&Options::new(session.host.clone()))?;
    for finding in &needing {
        registry.prefetch(&finding.name, &finding.version);
    }
    for finding in needing {
        let packument = match registry.packument(&finding.name) {
            Ok(packument) => packument,
            Err(error) => {
                session.reporter.emit(Event::Warning {
                    code: "ENOTFIXED",
                    message: format!("{}: {error}", finding.package()),
                });
                continue;
            }
        };
        let Some(index) = packument.find(&finding.version) else {
            continue;
        };
        if let Some(dist) = packument.manifest(index).object("dist") {
            stated.insert(finding.package(), dist.clone());
        }
    }
    registry.finish();
    Ok(stated)
}

/// Do all who need the package ask a registry for it?
fn is_registrys(tree: &Tree, finding: &Finding) -> bool {
    tree.at(tree.root, &finding.location).is_some_and(|id| {
        let edges = &tree.node(id).edges_in;
        edges.iter().all(|edge| tree.asks_registry(*edge))
    })
}

/// The lock's text with other packages; everything else, its formatting included, stays.
fn text(lock: &Lock, repaired: Repaired) -> String {
    let top = Top {
        name: lock.name.clone(),
        version: lock.root_version.clone(),
        lockfile_version: lock.version,
        extra: lock.extra.clone(),
        legacy: repaired.legacy,
    };
    let style = Style {
        indent: lock.indent.clone(),
        newline: lock.newline.clone(),
        formatted: json::line_at(&lock.bytes, lock.bytes.len()) > 2,
    };
    lock::text(top, repaired.packages, &style)
}
