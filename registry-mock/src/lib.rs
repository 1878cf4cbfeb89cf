//! An npm-compatible registry to test and demonstrate with, which can also misbehave.
//!
//! - [`archive`]: files to a tarball, the same bytes every time.
//! - [`builder`]: packages described in code to a registry folder.
//! - [`repository`]: git repositories described in code, the same commits every time.
//! - [`scenario`]: packages described in TOML, with the project that wants them.
//! - [`folder`]: packuments and tarballs as a registry folder keeps them.
//! - [`route`]: what a request path asks for.
//! - [`fault`]: which request gets which misbehaviour.
//! - [`misbehave`]: an honest answer turned into the faulty one.
//! - [`wire`]: response bodies that take their time, connections that break.
//! - [`answer`]: authentication, caching headers, compression.
//! - [`record`]: an upstream registry asked once, its answers kept.
//! - [`npm`]: real npm run on a scenario, and its lock kept beside it.
//! - [`server`]: the door: [`Server::start`].
//!
//! A registry folder holds `<name>/packument.json` (or `packument.json.gz`) and
//! `<name>/-/<file>.tgz`; a scoped name is two folders deep.

mod answer;
pub mod archive;
pub mod builder;
pub mod fault;
pub mod folder;
mod misbehave;
pub mod npm;
mod record;
pub mod repository;
pub mod route;
pub mod scenario;
pub mod server;
mod wire;

use std::io;
use std::path::PathBuf;

pub use builder::Registry;
pub use fault::{Fault, Rule};
pub use route::Kind;
pub use scenario::Scenario;
pub use server::{Auth, Options, Request, Server};

/// Why the mock could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum MockError {
    #[error("cannot {action} `{}`", path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen on {address}")]
    Listen {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot run `{program}`")]
    Run {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is not valid TOML", path.display())]
    Toml {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("`{}` is not a packument", path.display())]
    Packument {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("`{}` is not a packument: {reason}", path.display())]
    Shape { path: PathBuf, reason: &'static str },
    #[error("{place}: {reason}")]
    Scenario { place: String, reason: String },
    #[error("npm's answers are not what the scenarios say:\n{0}")]
    Surprises(String),
    #[error("`{0}` is not a fault: {1}")]
    Fault(String, String),
}

impl MockError {
    /// For `map_err`: `fs::read(&path).map_err(MockError::at("read", &path))`.
    pub(crate) fn at(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }
}
