//! Claims about the way from a lock to its facts: what is fetched, opened, kept and believed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heatseal::link::LinkMode;
use heatseal::lock::{self, Lock};
use heatseal::npmrc::Config;
use heatseal::ops::inspect::{InspectRequest, Inspection, facts};
use heatseal::ops::{InstallRequest, Scripts, Session, ShrinkwrapRequest, Writing};
use heatseal::ops::{install, shrinkwrap};
use heatseal::platforms::facts::{Kind, Recipe};
use heatseal::report::Silent;
use heatseal::resolve::{Omit, Options};
use heatseal::target::Target;
use registry_mock::Registry;
use serde_json::json;
use tempfile::TempDir;

use super::elf::{self, Elf};

/// A project that needs `native`, which needs `plain`; `mac` is optional and for macOS.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let addon = Elf {
            machine: elf::X64,
            kind: 3,
            imports: &[("napi_throw", 0)],
            ..Elf::default()
        };
        let registry = Registry::new()
            .package("native", "1.0.0")
            .manifest(
                json!({"dependencies": {"plain": "1"}, "scripts": {"install": "node-gyp-build"}}),
            )
            .file("prebuilds/linux-x64/node.napi.node", addon.build(), 0o644)
            .package("plain", "1.0.0")
            .file("index.js", "module.exports = 1\n", 0o644)
            .package("mac", "1.0.0")
            .manifest(json!({"os": ["darwin"]}))
            .file("mac.node", b"\xcf\xfa\xed\xfe", 0o644);
        registry.write(&world.path("registry")).unwrap();
        fs::create_dir(world.path("project")).unwrap();
        let manifest = json!({"name": "p", "version": "1.0.0", "dependencies": {"native": "1"}, "optionalDependencies": {"mac": "1"}});
        fs::write(world.path("project/package.json"), manifest.to_string()).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn session(&self, flags: &[(&str, &str)]) -> Session {
        let registry = format!("file:{}", self.path("registry").display());
        let mut all = vec![("registry".to_owned(), registry)];
        all.extend(
            flags
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let project = self.path("project").canonicalize().unwrap();
        Session {
            config: Config::load(&project, &BTreeMap::new(), &all).unwrap(),
            project,
            store: self.path("store"),
            host: target("linux-x64-glibc2.36-node20.1.0"),
            reporter: Arc::new(Silent),
        }
    }

    fn lock(&self) -> Lock {
        let session = self.session(&[]);
        let request = ShrinkwrapRequest {
            lockfile: None,
            lockfile_version: None,
            writing: Writing::Write,
            from: None,
            completes: false,
            options: Options::new(session.host.clone()),
        };
        shrinkwrap(&session, &request).unwrap();
        lock::find_and_read(&session.project, None)
            .unwrap()
            .unwrap()
    }

    fn inspect(&self, lock: &Lock, on: &[Target], flags: &[(&str, &str)]) -> Inspection {
        let session = self.session(flags);
        let install = request(&session);
        let request = InspectRequest {
            lock,
            targets: on,
            install: &install,
        };
        facts(&session, request).unwrap()
    }

    /// The findings that the store keeps.
    fn findings(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        list(&self.path("store"), &mut found);
        found
    }
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else if path.file_name().is_some_and(|name| name == "findings") {
            found.push(path);
        }
    }
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn request(session: &Session) -> InstallRequest {
    InstallRequest {
        frozen: true,
        omit: Omit::default(),
        part: heatseal::ops::Part::Whole,
        scripts: Scripts::Ignored,
        allow_scripts: Vec::new(),
        target: None,
        allow_missing_integrity: false,
        allow_without_binary: Vec::new(),
        bin_links: true,
        dry_run: false,
        link_mode: LinkMode::Auto,
        inspect: true,
        isolated: false,
        strict_platform: false,
        preparing: Vec::new(),
        options: Options::new(session.host.clone()),
    }
}

#[test]
fn every_tarball_is_fetched_and_opened_once() {
    let world = World::new();
    let lock = world.lock();
    let first = world.inspect(&lock, &[], &[]);
    assert_eq!((first.opened, first.fetched), (3, 3));
    let locations: Vec<&str> = first.facts.keys().map(String::as_str).collect();
    assert_eq!(
        locations,
        [
            "node_modules/mac",
            "node_modules/native",
            "node_modules/plain"
        ]
    );
    let native = &first.facts["node_modules/native"];
    assert_eq!(native.recipes, [Recipe::NodeGypBuild]);
    assert_eq!(native.binaries[0].kind, Kind::Addon);
    assert_eq!(first.facts["node_modules/mac"].declared.os, ["darwin"]);
    fs::remove_dir_all(world.path("registry")).unwrap();
    let second = world.inspect(&lock, &[], &[]);
    assert_eq!((second.opened, second.fetched), (0, 0));
    assert_eq!(second.facts, first.facts);
    assert!(!world.path("project/node_modules").exists());
}

#[test]
fn what_excludes_every_target_stays_closed() {
    let world = World::new();
    let lock = world.lock();
    let on = [target("linux-x64-glibc"), target("win32-x64")];
    let found = world.inspect(&lock, &on, &[]);
    assert!(!found.facts.contains_key("node_modules/mac"));
    assert_eq!(found.fetched, 2);
    let on = [target("darwin-arm64")];
    assert_eq!(world.inspect(&lock, &on, &[]).fetched, 1);
}

#[test]
fn damaged_findings_are_found_anew() {
    let world = World::new();
    let lock = world.lock();
    let first = world.inspect(&lock, &[], &[]);
    for (at, path) in world.findings().iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        match at {
            0 => bytes.truncate(1),
            1 => bytes[0] ^= 0xff,
            _ => bytes.clear(),
        }
        fs::write(path, bytes).unwrap();
    }
    let second = world.inspect(&lock, &[], &[]);
    assert_eq!((second.opened, second.fetched), (3, 0));
    assert_eq!(second.facts, first.facts);
}

#[test]
fn a_damaged_package_is_mended_before_it_is_opened() {
    let world = World::new();
    let lock = world.lock();
    let first = world.inspect(&lock, &[], &[]);
    for findings in world.findings() {
        fs::remove_file(&findings).unwrap();
        let tampered = findings.with_file_name("1");
        if tampered.exists() {
            fs::write(tampered, b"\x7fELF is what it is not").unwrap();
        }
    }
    assert_eq!(world.inspect(&lock, &[], &[]).facts, first.facts);
}

#[test]
fn without_a_network_what_the_store_lacks_is_told() {
    let world = World::new();
    let lock = world.lock();
    let on = [target("darwin-arm64")];
    world.inspect(&lock, &on, &[]);
    for findings in world.findings() {
        fs::remove_dir_all(findings.parent().unwrap()).unwrap();
    }
    // A registry that is a folder is no network.
    let flags = [
        ("registry", "http://registry.example/"),
        ("offline", "true"),
    ];
    let found = world.inspect(&lock, &on, &flags);
    assert_eq!(found.facts.len(), 0);
    let unopened: Vec<&str> = found.unopened.keys().map(String::as_str).collect();
    assert_eq!(
        unopened,
        [
            "node_modules/mac",
            "node_modules/native",
            "node_modules/plain"
        ]
    );
}

#[test]
fn an_install_that_is_asked_to_keeps_what_it_finds() {
    let world = World::new();
    let lock = world.lock();
    let session = world.session(&[]);
    install(&session, &request(&session)).unwrap();
    assert_eq!(world.findings().len(), 2, "mac is not installed here");
    let on = [target("linux-x64-glibc")];
    let found = world.inspect(&lock, &on, &[("offline", "true")]);
    assert_eq!((found.opened, found.facts.len()), (0, 2));
}
