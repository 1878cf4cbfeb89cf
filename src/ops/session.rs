//! What every route needs: the project, its configuration, the store, who listens.

use std::path::PathBuf;
use std::sync::Arc;

use crate::npmrc::{Config, ConfigError};
use crate::registry::{PickOptions, Registry, RegistryError};
use crate::report::Reporter;
use crate::resolve::Options;
use crate::target::Target;

/// One run of the program on one project.
pub struct Session {
    /// Absolute, with symbolic links resolved.
    pub project: PathBuf,
    pub config: Config,
    /// Root of the store, packument cache included.
    pub store: PathBuf,
    /// Where the result is to run, with the Node and npm that decide what is picked.
    pub host: Target,
    pub reporter: Arc<dyn Reporter>,
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SessionError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigError),
    #[error("there is no folder `{}`", .0.display())]
    #[diagnostic(code(ENOENT), help("name an existing project folder with -C"))]
    NoProject(PathBuf),
    #[error(
        "there is no place for the store: neither --store-dir, HEATSEAL_STORE_DIR, XDG_CACHE_HOME nor HOME is set"
    )]
    #[diagnostic(code(ENOENT), help("name one with --store-dir"))]
    NoStore,
}

impl Session {
    /// The registries of this run; nothing is opened before it is needed.
    pub fn registry(&self, options: &Options) -> Result<Registry, RegistryError> {
        let config = &self.config;
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as i64);
        let exempt = config.list("min-release-age-exclude");
        let picking = PickOptions {
            default_tag: config.tag().to_owned(),
            before: config.before(now).ok().flatten(),
            dated_only: config.asks_for_age(),
            before_exempt: exempt.into_iter().map(str::to_owned).collect(),
            legacy_peers: options.rules.legacy_peer_deps,
            ..PickOptions::new(self.host.node.clone(), self.host.npm.clone())
        };
        Registry::new(config, &self.store, self.reporter.clone(), picking)
    }

    /// The process's umask: modes in the tree and the store follow it.
    pub fn umask(&self) -> u32 {
        // The kernel only tells it by setting another; this one is narrower than any other thread's
        // file could need, and gone at once.
        let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
        rustix::process::umask(umask);
        umask.as_raw_mode()
    }
}
