//! Where tarballs may come from: the configured registries, and what a manifest names itself.

use url::Url;

use crate::name::PackageId;
use crate::npmrc::{Config, masked};
use crate::registry;
use crate::resolve::{NodeId, Tree};
use crate::spec::SpecKind;

/// Why a lock's `resolved` is not followed.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OriginError {
    #[error(
        "`{id}` is to come from {url}, whose host is neither a configured registry's nor asked for"
    )]
    #[diagnostic(
        code(EALLOWHOST),
        help(
            "if that is meant, say `--allow-host {host}`, or configure a registry there in .npmrc"
        )
    )]
    Host {
        id: PackageId,
        url: String,
        host: String,
    },
    #[error("`{id}` is to come from {url}, but no package asks for {what}")]
    #[diagnostic(
        code(EALLOWSOURCE),
        help("somebody may have tampered with the lock; compare it with its last good revision")
    )]
    NotAsked {
        id: PackageId,
        url: String,
        what: &'static str,
    },
}

/// Refuses a `resolved` that leads where no registry setting and no dependent's spec leads.
///
/// Source: threats.md rows 45, 49, 58, 69.
pub fn check(
    config: &Config,
    tree: &Tree,
    node: NodeId,
    id: &PackageId,
) -> Result<(), OriginError> {
    let Some(resolved) = tree.node(node).resolved.as_deref() else {
        return Ok(());
    };
    let asked = |wanted: &dyn Fn(&SpecKind) -> bool| {
        let edges = &tree.node(node).edges_in;
        edges
            .iter()
            .filter_map(|edge| tree.spec(*edge))
            .any(|spec| wanted(&spec))
    };
    let not_asked = |what| {
        Err(OriginError::NotAsked {
            id: id.clone(),
            url: masked(resolved).chars().take(120).collect(),
            what,
        })
    };
    if resolved.starts_with("file:") {
        let local =
            |spec: &SpecKind| matches!(spec, SpecKind::File { .. } | SpecKind::Directory { .. });
        return if asked(&local) {
            Ok(())
        } else {
            not_asked("a file")
        };
    }
    if resolved.starts_with("git") || resolved.contains('#') {
        return if asked(&|spec| matches!(spec, SpecKind::Git(_))) {
            Ok(())
        } else {
            not_asked("a repository")
        };
    }
    let Ok(url) = Url::parse(resolved) else {
        return not_asked("such an address");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return not_asked("such an address");
    }
    let Some(goes_to) = registry::foreign_host(config, &id.name, &url) else {
        return Ok(());
    };
    let same_place =
        |text: &str| Url::parse(text).is_ok_and(|asked| asked.origin() == goes_to.origin());
    if asked(&|spec| matches!(spec, SpecKind::Remote(text) if same_place(text))) {
        return Ok(());
    }
    let host = goes_to.host_str().unwrap_or_default();
    let host = match goes_to.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Err(OriginError::Host {
        id: id.clone(),
        url: masked(resolved).chars().take(120).collect(),
        host: host.chars().take(80).collect(),
    })
}
