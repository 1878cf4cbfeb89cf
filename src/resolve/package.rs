//! A manifest with what resolution asks of it again and again: its version and its dependencies.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::names::{Name, Names};
use super::specs::{SpecId, Specs};
use crate::json;
use crate::manifest::Manifest;
use crate::spec::{Mode, parse_version};

/// What kind of dependency an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Workspace,
    Prod,
    Dev,
    Optional,
    Peer,
    PeerOptional,
}

impl Kind {
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Peer | Self::PeerOptional)
    }

    pub fn is_optional(self) -> bool {
        matches!(self, Self::Optional | Self::PeerOptional)
    }

    /// As npm and users call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Prod => "prod",
            Self::Dev => "dev",
            Self::Optional => "optional",
            Self::Peer => "peer",
            Self::PeerOptional => "peerOptional",
        }
    }
}

/// One line of a dependency map.
#[derive(Debug, Clone)]
pub struct Dependency {
    pub kind: Kind,
    pub name: Name,
    pub spec: SpecId,
    pub accept: Option<SpecId>,
}

/// A manifest shared by all nodes that are made of it.
#[derive(Debug)]
pub struct Package {
    pub manifest: Arc<Manifest>,
    pub name: Option<Name>,
    pub version: Option<semver::Version>,
    /// In npm's order: peers, optional peers, prod, optional.
    pub dependencies: Vec<Dependency>,
    /// Count only for tops.
    pub dev_dependencies: Vec<Dependency>,
    pub bundled: Vec<Name>,
}

/// A dependency whose spec is not text: npm refuses the whole tree.
#[derive(Debug, Clone, thiserror::Error, miette::Diagnostic)]
#[error("`{package}` asks for `{dependency}` with {found}: must provide string spec")]
#[diagnostic(help("a dependency's value is a string such as \"^1.2.0\""))]
pub struct NotAString {
    pub package: String,
    pub dependency: String,
    pub found: &'static str,
}

impl Package {
    pub fn new(
        manifest: Arc<Manifest>,
        names: &mut Names,
        specs: &mut Specs,
    ) -> Result<Self, NotAString> {
        let accept = manifest.object("acceptDependencies");
        let mut reader = Reader {
            manifest: &manifest,
            accept,
            names,
            specs,
        };
        let mut dependencies = reader.peers()?;
        dependencies.extend(reader.kind("dependencies", Kind::Prod)?);
        dependencies.extend(reader.kind("optionalDependencies", Kind::Optional)?);
        let dev_dependencies = reader.kind("devDependencies", Kind::Dev)?;
        let bundled = manifest.bundled().map(|name| names.intern(name)).collect();
        let name = manifest.name().map(|name| names.intern(name));
        let version = manifest
            .version()
            .and_then(|text| parse_version(text, Mode::Loose));
        Ok(Self {
            manifest,
            name,
            version,
            dependencies,
            dev_dependencies,
            bundled,
        })
    }

    /// The version's text, empty when there is none.
    pub fn version_text(&self) -> &str {
        self.manifest.version().unwrap_or_default()
    }
}

struct Reader<'a> {
    manifest: &'a Manifest,
    accept: Option<&'a Map<String, Value>>,
    names: &'a mut Names,
    specs: &'a mut Specs,
}

impl Reader<'_> {
    fn kind(&mut self, field: &str, kind: Kind) -> Result<Vec<Dependency>, NotAString> {
        let entries = self.manifest.entries(field);
        entries
            .into_iter()
            .map(|(name, spec)| self.dependency(&name, spec, kind))
            .collect()
    }

    /// `peerDependencies`, the optional ones last.
    fn peers(&mut self) -> Result<Vec<Dependency>, NotAString> {
        let meta = self.manifest.object("peerDependenciesMeta");
        let is_optional = |name: &str| {
            meta.and_then(|meta| meta.get(name))
                .and_then(|meta| meta.get("optional"))
                .is_some_and(json::truthy)
        };
        let (optional, required): (Vec<_>, Vec<_>) = self
            .manifest
            .entries("peerDependencies")
            .into_iter()
            .partition(|(name, _)| is_optional(name));
        let required = required.into_iter().map(|peer| (peer, Kind::Peer));
        let optional = optional.into_iter().map(|peer| (peer, Kind::PeerOptional));
        required
            .chain(optional)
            .map(|((name, spec), kind)| self.dependency(&name, spec, kind))
            .collect()
    }

    fn dependency(
        &mut self,
        name: &str,
        spec: &Value,
        kind: Kind,
    ) -> Result<Dependency, NotAString> {
        let Some(spec) = spec.as_str() else {
            return Err(NotAString {
                package: self.manifest.name().unwrap_or("the project").to_owned(),
                dependency: name.to_owned(),
                found: json::kind(spec),
            });
        };
        let accept = self.accept.and_then(|accept| accept.get(name)?.as_str());
        let accept = accept.map(|text| self.specs.intern(if text.is_empty() { "*" } else { text }));
        Ok(Dependency {
            kind,
            name: self.names.intern(name),
            spec: self.specs.intern(spec),
            accept,
        })
    }
}
