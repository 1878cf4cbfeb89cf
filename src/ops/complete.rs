//! Is what would be installed complete for the target?

use rustc_hash::FxHashSet;

use super::install::{InstallError, InstallRequest};
use super::wanted::Selection;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::platforms;

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
