//! heatseal makes Node.js dependencies reproducible in production.
//!
//! The rooms, from the cellar to the roof; imports point up this list, never down:
//!
//! - [`name`]: package names and `name@version` identities.
//! - [`integrity`]: subresource-integrity strings, and bytes held against them.
//! - [`collate`]: the ICU order in which npm sorts names and paths.
//! - [`json`]: JSON text with its indentation and newlines, written back as npm writes it.
//! - [`limits`]: how much foreign input may ask for.
//! - [`page`]: pages of HTML that need nothing else.
//! - [`report`]: facts about work under way, for whoever shows them.
//! - [`disk`]: files written whole or not at all.
//! - [`npmrc`]: npm's configuration: `.npmrc` files, environment, credentials.
//! - [`manifest`]: `package.json` as written, and normalised as npm does.
//! - [`pack`]: a folder to the tarball that npm would publish.
//! - [`spec`]: what a dependency asks for: range, tag, alias, git, tarball, directory.
//! - [`foreign`]: locks of yarn, pnpm and bun, each as one plain graph.
//! - [`target`]: os, cpu, libc, Node and npm; does a package run there?
//! - [`registry`]: packuments and tarball bytes; the only sockets.
//! - [`resolve`]: manifest and packuments to the ideal tree.
//! - [`origins`]: may a package come from where its lock says?
//! - [`lock`]: tree to `npm-shrinkwrap.json` and back, versions 1 to 3.
//! - [`store`]: tarballs to verified package folders that many projects share.
//! - [`link`]: tree to `node_modules`.
//! - [`scripts`]: lifecycle scripts: which, in what order, with what environment.
//! - [`verify`]: an installed tree against what it should be, file by file.
//! - [`diff`]: two environments to changes, by class and risk.
//! - [`why`]: the chains that require a package, and why each copy of it sits where it sits.
//! - [`list`]: a locked tree as `npm ls` shows it, and its problems.
//! - [`merge`]: two branches' locks and manifests, three-way.
//! - [`platforms`]: which packages of a lock are bound to a platform.
//! - [`lint`]: a lock against good sense, its own graph and the configuration.
//! - [`sbom`]: what a lock installs, as `CycloneDX` and SPDX.
//! - [`ops`]: routes through several rooms: shrinkwrap, install.
//! - [`cli`]: arguments, settings, rendering; the only room that talks to users.
//!
//! Read: `package.json`, `npm-shrinkwrap.json`, `package-lock.json`, `.npmrc`, workspaces' manifests.
//! Written: the lock, `node_modules`, and the store in the user's cache folder.

pub mod cli;
pub mod collate;
pub mod diff;
pub mod disk;
pub mod foreign;
pub mod integrity;
pub mod json;
pub mod limits;
pub mod link;
pub mod lint;
pub mod list;
pub mod lock;
pub mod manifest;
pub mod merge;
pub mod name;
pub mod npmrc;
pub mod ops;
pub mod origins;
pub mod pack;
pub mod page;
pub mod platforms;
pub mod registry;
pub mod report;
pub mod resolve;
pub mod sbom;
pub mod scripts;
pub mod spec;
pub mod store;
pub mod target;
pub mod verify;
pub mod why;
