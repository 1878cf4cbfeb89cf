//! Is what would be installed complete for the target, and does it run there?

use rustc_hash::FxHashSet;

use super::inspect::{self, InspectRequest};
use super::install::{InstallError, InstallRequest};
use super::session::Session;
use super::wanted::Selection;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::platforms::{self, Aim, Evidence, Verdict};
use crate::report::Event;
use crate::store::Store;

/// A package that is installed has the binary of its family that the target needs, unless
/// `heatseal.allowWithoutBinary` of package.json or the command line says that it does without.
///
/// Errors: [`InstallError::NoBinary`].
pub fn check_families(
    lock: &Lock,
    selection: &Selection,
    request: &InstallRequest,
    manifest: &Manifest,
) -> Result<(), InstallError> {
    let target = &request.options.optional_target;
    let mut uncovered = platforms::uncovered(lock, target);
    if uncovered.is_empty() {
        return Ok(());
    }
    let waived: FxHashSet<&str> = manifest
        .object("heatseal")
        .and_then(|own| own.get("allowWithoutBinary")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .chain(request.allow_without_binary.iter().map(String::as_str))
        .collect();
    uncovered.retain(|finding| {
        selection.locked.contains(&*finding.location) && !waived.contains(&*finding.name)
    });
    let names = uncovered.iter();
    let mut packages: Vec<String> = names
        .map(|finding| format!("{}@{}", finding.name, finding.version))
        .collect();
    packages.sort();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let target = target.to_string();
    Err(InstallError::NoBinary { packages, target })
}

/// A package that is installed can run on the target, by its own binaries; otherwise that is told.
///
/// Tarballs are opened only when the request is strict; else what earlier runs found has to do.
///
/// Errors: [`InstallError::Unfit`] when the request is strict and the package is required.
pub fn check_binaries(
    session: &Session,
    store: &Store,
    lock: &Lock,
    selection: &Selection,
    request: &InstallRequest,
) -> Result<(), InstallError> {
    let target = request.options.optional_target.clone();
    let asked = InspectRequest {
        lock,
        targets: std::slice::from_ref(&target),
        install: request,
    };
    let found = if request.strict_platform {
        inspect::facts(session, asked)?
    } else {
        inspect::known(store, asked)
    };
    if found.facts.is_empty() {
        return Ok(());
    }
    let aim = Aim {
        label: target.to_string(),
        target,
    };
    let packages = selection.wanted.packages.iter();
    let installed: FxHashSet<&str> = packages.map(|package| &*package.location).collect();
    let report = platforms::report(lock, vec![aim], &found.facts, |_| true);
    let (mut unfit, mut reasons) = (Vec::new(), Vec::new());
    for row in report.rows {
        let there = row.locations.iter().any(|at| installed.contains(&**at));
        let cell = &row.cells[0];
        let Some(why) = cell.evidence.first() else {
            continue;
        };
        // What the declarations exclude was looked at before, and perhaps accepted by force.
        let told = matches!(why, Evidence::Declared(_));
        if !there || told || cell.verdict != Verdict::CannotRun {
            continue;
        }
        let message = format!("{} cannot run here: {why}", row.id());
        if request.strict_platform && !row.optional {
            unfit.push(row.id());
            reasons.push(why.to_string());
        } else {
            let code = "EBADPLATFORM";
            session.reporter.emit(Event::Warning { code, message });
        }
    }
    if unfit.is_empty() {
        return Ok(());
    }
    let target = report.aims[0].label.clone();
    Err(InstallError::Unfit {
        packages: unfit,
        reasons,
        target,
    })
}
