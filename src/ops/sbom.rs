//! `sbom`: what the lock would install, as a bill of materials.

use super::locked::{self, LockedError};
use super::session::Session;
use super::shrinkwrap;
use crate::report::Event;
use crate::resolve::{self, Omit, Options, ResolveError, Tree};
use crate::sbom::Bom;
use crate::target::Target;

#[derive(Debug, Clone, Default)]
pub struct SbomRequest {
    /// The lock's file in the project; `None`: the one that counts.
    pub lock: Option<String>,
    pub omit: Omit,
    /// Leave out what does not run there; `None`: everything that is locked.
    pub target: Option<Target>,
}

#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    #[error(transparent)]
    Locked(#[from] LockedError),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("package.json and {lock} disagree")]
    OutOfSync {
        lock: String,
        differences: Vec<String>,
    },
}

/// Reads the lock and lists what it installs.
///
/// Errors: a lock that does not give what is asked for says nothing true about an installation.
pub fn sbom(session: &Session, request: &SbomRequest) -> Result<Bom, SbomError> {
    let project = locked::read(session, request.lock.as_deref())?;
    let mut tree = project.tree?;
    // Without package.json nobody knows the overrides, and they explain what looks wrong.
    let differences = if project.alone {
        Vec::new()
    } else {
        resolve::disagreements(&tree, false)?
    };
    if !differences.is_empty() {
        return Err(SbomError::OutOfSync {
            lock: project.lock.file_name,
            differences: differences.into_iter().map(|one| one.text).collect(),
        });
    }
    if let Some(target) = &request.target {
        shrinkwrap::on_a_deep_stack(|| aim(session, request, target, &mut tree))?;
    }
    Ok(Bom::of(&tree, &project.locked, request.omit))
}

/// Sets aside what is optional and does not run on the target.
fn aim(
    session: &Session,
    request: &SbomRequest,
    target: &Target,
    tree: &mut Tree,
) -> Result<(), ResolveError> {
    let mut options = Options::new(target.clone());
    options.omit = request.omit;
    for (code, message) in resolve::check_platforms(tree, &options)? {
        session.reporter.emit(Event::Warning { code, message });
    }
    Ok(())
}
