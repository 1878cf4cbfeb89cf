//! Claims about the room, against a registry that runs on the loopback and misbehaves on demand.

mod cached;
mod faults;
mod measure;
mod picking;
mod tarballs;

use std::collections::BTreeMap;
use std::sync::Arc;

use registry_mock::{Options, Registry as Packages, Server};
use semver::Version;
use tempfile::TempDir;

use super::*;
use crate::report::Silent;

/// A registry with its server, and a place for the cache and the project.
struct Place {
    folder: TempDir,
    server: Server,
    npmrc: String,
}

impl Place {
    fn new(packages: &Packages) -> Self {
        Self::with(packages, |_| {})
    }

    fn with(packages: &Packages, adjust: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        packages.write(&folder.path().join("registry")).unwrap();
        let mut options = Options::new(folder.path().join("registry"));
        adjust(&mut options);
        let server = Server::start(options).unwrap();
        let npmrc = format!(
            "registry={}\nfetch-retry-mintimeout=1\nfetch-retry-factor=1\n",
            server.url()
        );
        Self {
            folder,
            server,
            npmrc,
        }
    }

    /// A new run on the same cache.
    fn open(&self, npmrc: &str) -> Registry {
        let project = self.folder.path().join("project");
        std::fs::create_dir_all(&project).unwrap();
        std::fs::write(project.join(".npmrc"), format!("{}{npmrc}", self.npmrc)).unwrap();
        let config = Config::load(&project, &BTreeMap::new(), &[]).unwrap();
        let cache = self.folder.path().join("cache");
        Registry::new(&config, &cache, Arc::new(Silent), options()).unwrap()
    }

    /// Paths that were asked for, in order.
    fn asked(&self) -> Vec<String> {
        let requests = self.server.requests();
        requests.into_iter().map(|request| request.path).collect()
    }
}

fn options() -> PickOptions {
    PickOptions::new(Some(Version::new(22, 0, 0)), Some(Version::new(11, 19, 1)))
}

fn code<T: std::fmt::Debug>(answer: Result<T, RegistryError>) -> String {
    answer.unwrap_err().code()
}
