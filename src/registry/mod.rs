//! Packuments and tarball bytes over HTTP or from a folder; the only sockets.
//!
//! The resolver asks for one packument at a time and blocks. Ahead of it run the prefetches: for
//! each name and spec, the version that would be picked has its own dependencies fetched in turn.
//! A packument comes from the disk cache when it is fresh enough, else from the network thread;
//! worker threads inflate and index it. Nothing is asked for twice in a run, and errors are
//! remembered like answers. No thread and no client exists before it is needed.

mod abbreviated;
mod cache;
mod client;
mod error;
mod fields;
mod folder;
mod inflate;
mod network;
mod packument;
mod pick;
mod scan;
mod slots;
mod tarballs;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crate::name::PackageName;
use crate::npmrc::Config;
use crate::report::Reporter;
use crate::spec::Spec;

pub use abbreviated::abbreviated;
pub use error::{PickError, RegistryError};
pub use packument::Packument;
pub use pick::{PickOptions, pick};
pub use tarballs::{Tarball, TarballRequest, Tarballs, folder_path, foreign_host};

use slots::{Job, Origin, Shared};

/// The registries of one run: default, scoped, or a folder.
pub struct Registry {
    shared: Arc<Shared>,
    abbreviated: OnceLock<Box<Registry>>,
}

impl Registry {
    /// Nothing is opened or started yet. `cache_folder` need not exist.
    pub fn new(
        config: &Config,
        cache_folder: &Path,
        reporter: Arc<dyn Reporter>,
        picking: PickOptions,
    ) -> Result<Self, RegistryError> {
        let limits = config.limits().map_err(|error| RegistryError::Setup {
            reason: error.to_string().into(),
        })?;
        let shared = Shared::new(config.clone(), limits, cache_folder, reporter, picking);
        Ok(Self {
            shared: Arc::new(shared),
            abbreviated: OnceLock::new(),
        })
    }

    /// The packument of `name`; blocks until it is there. Asked once a run, however many need it.
    pub fn packument(&self, name: &str) -> Result<Arc<Packument>, RegistryError> {
        self.shared.slot(name).answer.wait().clone()
    }

    /// Lets the packument of `name` be fetched in the background. Returns at once.
    pub fn announce(&self, name: &str) {
        self.shared.slot(name);
    }

    /// The same registries, asked for abbreviated packuments: how much they leave out is up to them.
    /// Folders have only one form, see [`abbreviated`].
    pub fn abbreviated(&self) -> &Self {
        self.abbreviated.get_or_init(|| {
            Box::new(Self {
                shared: Arc::new(self.shared.abbreviated()),
                abbreviated: OnceLock::new(),
            })
        })
    }

    /// Does `name` come from a folder?
    pub fn is_folder(&self, name: &str) -> bool {
        let name = PackageName::parse(name);
        let origin = name.map(|name| self.shared.origin(name.scope()));
        matches!(
            origin.as_ref().map(|origin| origin.as_deref()),
            Ok(Ok(Origin::Folder(_)))
        )
    }

    /// The index of the version that `spec` gets under this run's options; remembered.
    pub fn pick(&self, packument: &Packument, spec: &Spec) -> Result<usize, PickError> {
        self.shared.pick(packument, &spec.raw, &spec.kind)
    }

    /// What is picked by.
    pub fn picking(&self) -> &PickOptions {
        &self.shared.picking
    }

    /// Lets `name` and all that it needs be fetched in the background. Returns at once.
    pub fn prefetch(&self, name: &str, spec: &str) {
        self.shared.want(name, spec);
    }

    /// Lets new packuments be written to the disk cache in the background: to be called when the
    /// decisions are made, before the lock is written. Prefetching ends here.
    pub fn write_behind(&self) {
        self.shared.write_behind();
        if let Some(abbreviated) = self.abbreviated.get() {
            abbreviated.write_behind();
        }
    }

    /// Writes what [`Self::write_behind`] has not written yet, and waits for it.
    pub fn finish(&self) {
        self.write_behind();
        self.shared.wait_for_writes();
        if let Some(abbreviated) = self.abbreviated.get() {
            abbreviated.finish();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.shared.push(Job::End);
    }
}
