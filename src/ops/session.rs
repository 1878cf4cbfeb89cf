//! What every route needs: the project, its configuration, the store, who listens.

use std::path::PathBuf;
use std::sync::Arc;

use crate::npmrc::{Config, ConfigError};
use crate::report::Reporter;
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
    #[error("there is no place for the store: neither --store-dir, HEATSEAL_STORE_DIR, XDG_CACHE_HOME nor HOME is set")]
    #[diagnostic(code(ENOENT), help("name one with --store-dir"))]
    NoStore,
}
