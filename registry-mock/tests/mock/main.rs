//! The mock seen from outside: over HTTP, and as a command.

mod client;
mod command;
mod faults;
mod fixtures;
mod http;

use registry_mock::{Options, Registry, Server};
use serde_json::json;
use tempfile::TempDir;

/// A running registry with `a@1.0.0`, `a@1.1.0` and `@s/x@1.0.0`.
struct Mock {
    server: Server,
    folder: TempDir,
}

impl Mock {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        registry().write(folder.path()).unwrap();
        let mut options = Options::new(folder.path());
        change(&mut options);
        Self {
            server: Server::start(options).unwrap(),
            folder,
        }
    }
}

fn registry() -> Registry {
    Registry::new()
        .package("a", "1.0.0")
        .manifest(json!({ "license": "MIT", "scripts": { "postinstall": "true" } }))
        .package("a", "1.1.0")
        .file("index.js", "module.exports = 1\n".repeat(100), 0o644)
        .package("@s/x", "1.0.0")
}
