//! Tree to `node_modules`: a plan, then the work.
//!
//! [`stage`] builds the whole new tree, that of every workspace included, in one folder beside the
//! old one (`<project>/.node_modules-heatseal-…`); [`Staged::swap`] exchanges old and new by renames;
//! [`Swapped::commit`] deletes the former tree, [`Swapped::roll_back`] brings it back. Killed at any
//! moment, the project has the old tree or the new one, and the next run tidies up (see [`swap`]).
//!
//! Work is done by plain threads that pull whole packages; tarballs that the store lacks come
//! through [`Fetch`] while packages that it has are linked.

mod bins;
mod compare;
mod error;
mod expect;
mod former;
mod ground;
mod keep;
mod place;
mod plan;
pub mod state;
pub mod swap;
mod watch;
mod work;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;

pub use bins::mended;
pub use error::{FetchError, LinkError};
pub use expect::{Entry, Expected, expect};
pub use ground::is_mount_point;
pub use swap::{Cleanup, Staged, Swapped, tidy};
pub use watch::Watch;

use crate::integrity::Integrity;
use crate::manifest::Claims;
use crate::name::PackageId;
use crate::report::{Event, Reporter};
use crate::store::{Archive, Store};

/// Everything that `node_modules` shall hold.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub packages: Vec<WantedPackage>,
    pub links: Vec<WantedLink>,
    /// Nobody gets a link in `.bin`.
    pub without_bin_links: bool,
    /// Folders of workspaces, relative to the project: their former `node_modules` are emptied even
    /// when nothing new goes there, as `npm ci` does.
    pub workspaces: Vec<String>,
    /// The bytes of `node_modules/.package-lock.json`.
    pub hidden_lock: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
pub struct WantedPackage {
    /// The lock's key: `node_modules/a/node_modules/b`, `packages/w/node_modules/x`.
    pub location: String,
    /// The real name, not the alias.
    pub id: PackageId,
    pub url: Option<String>,
    pub integrity: Option<Integrity>,
    /// What names its content where no integrity does, such as a git commit; the store remembers it.
    pub source: Option<String>,
    pub optional: bool,
    /// Install scripts that its tarball holds may run: if there are any, it is copied, never linked.
    pub runs_scripts: bool,
    /// Comes inside the tarball of the package around it.
    pub bundled: bool,
    /// Name and path inside the package.
    pub bins: Vec<(String, String)>,
    /// What the lock says of it that steers an install; the package must say the same. `None`:
    /// whatever it says is accepted.
    pub claims: Option<Claims>,
}

#[derive(Debug, Clone)]
pub struct WantedLink {
    pub location: String,
    /// Relative to the project.
    pub target: String,
    pub bins: Vec<(String, String)>,
}

/// How files come from the store into the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// Hard links to the store; else to what is unchanged in the former tree; else copies.
    #[default]
    Auto,
    /// Copy-on-write clones, copies where they can't be made.
    Reflink,
    /// Hard links to the store, copies where they can't be made.
    Hardlink,
    Copy,
}

/// A tarball that the store lacks.
#[derive(Debug, Clone)]
pub struct TarballWant {
    /// Names this want to the delivery.
    pub slot: usize,
    pub id: PackageId,
    /// `None`: the registry's packument knows.
    pub url: Option<String>,
    pub integrity: Option<Integrity>,
    /// The bytes that came before had a wrong hash: ask past every cache.
    pub again: bool,
}

/// Takes tarballs as they arrive, from any thread; may block while too many wait.
/// [`ControlFlow::Break`] means that nothing more is wanted.
pub type Deliver<'a> =
    dyn Fn(usize, Result<Vec<u8>, FetchError>) -> ControlFlow<()> + Send + Sync + 'a;

/// The door to tarballs that are not in the store.
pub trait Fetch: Sync {
    /// Fetches all `wants` in any order and delivers each once; returns when nothing more will come.
    /// Called on a thread of its own, and only when something is missing.
    fn fetch(&self, wants: &[TarballWant], deliver: &Deliver<'_>);
}

/// How to go about it.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    pub store: &'a Store,
    pub fetch: &'a dyn Fetch,
    pub mode: LinkMode,
    pub reporter: &'a dyn Reporter,
    /// Sees each package that arrived once the store has it, and may keep findings about it there.
    pub look_into: Option<&'a (dyn Fn(&Archive<'_>) + Sync)>,
}

/// Builds the wanted tree beside the project's present one.
///
/// - Waits while another heatseal works on the same project.
/// - Errors leave nothing behind and the present tree untouched.
pub fn stage(project: &Path, wanted: &Wanted, means: Means<'_>) -> Result<Staged, LinkError> {
    let plan = plan::Plan::of(wanted)?;
    for (code, message) in plan.remarks.iter().cloned() {
        means.reporter.emit(Event::Warning { code, message });
    }
    let staging = swap::Staging::begin(project, &plan.homes, means.reporter)?;
    let packages = work::build(&plan, &staging, means)?;
    place::finish(
        &plan,
        &staging,
        means.store.umask(),
        wanted.hidden_lock.as_deref(),
    )?;
    keep::bring_along(&plan, &staging)?;
    Ok(staging.complete(&plan, &packages, means.store.umask()))
}
