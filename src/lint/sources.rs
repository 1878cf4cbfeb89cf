//! Where tarballs come from, and what proves that they are the right ones.

use percent_encoding::percent_decode_str;
use rustc_hash::FxHashMap;
use url::Url;

use super::{Notes, Rule, Subject, packages, real_name};
use crate::integrity::{Algorithm, Integrity};
use crate::name::PackageId;
use crate::npmrc::{Config, masked};
use crate::origins::{self, OriginError};
use crate::resolve::{NodeId, Tree};
use crate::spec::{Mode, parse_version};

pub(super) fn check(subject: &Subject, tree: &Tree, notes: &mut Notes) {
    let mut hashes = Hashes::default();
    for id in packages(tree) {
        let source = Source::of(tree, id);
        origin(subject, tree, id, notes);
        address(subject.config, tree, id, &source, notes);
        integrity(tree, id, &source, notes);
        hashes.note(tree, id, &source);
    }
    hashes.check(tree, notes);
}

/// What kind of thing a `resolved` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// No address, or one on the disk.
    Local,
    Git,
    /// A tarball that some dependent asks for by its address.
    Remote(Url),
    /// A tarball of a registry.
    Registry(Url),
    /// No address at all: the registry is asked.
    Unsaid,
    Unreadable,
}

impl Source {
    pub fn of(tree: &Tree, id: NodeId) -> Self {
        let node = tree.node(id);
        let Some(resolved) = node.resolved.as_deref().filter(|text| !text.is_empty()) else {
            return Self::Unsaid;
        };
        if resolved.starts_with("file:") {
            return Self::Local;
        }
        if resolved.starts_with("git") || resolved.contains('#') {
            return Self::Git;
        }
        let Ok(url) = Url::parse(resolved) else {
            return Self::Unreadable;
        };
        let edges = &node.edges_in;
        if !edges.is_empty() && !edges.iter().any(|edge| tree.asks_registry(*edge)) {
            return Self::Remote(url);
        }
        Self::Registry(url)
    }

    fn url(&self) -> Option<&Url> {
        match self {
            Self::Remote(url) | Self::Registry(url) => Some(url),
            _ => None,
        }
    }
}

fn origin(subject: &Subject, tree: &Tree, id: NodeId, notes: &mut Notes) {
    let package = PackageId::new(real_name(tree, id), tree.version_text(id));
    let (rule, what) = match origins::check(subject.config, tree, id, &package) {
        Ok(()) => return,
        Err(OriginError::Host { host, .. }) => (
            Rule::UnknownHost,
            format!("it is to come from {host}, which nobody configured or asked for"),
        ),
        // Whether anybody needs it is asked elsewhere.
        Err(OriginError::NotAsked { .. }) if tree.node(id).edges_in.is_empty() => return,
        Err(OriginError::NotAsked { url, what, .. }) => (
            Rule::UnaskedSource,
            format!("it is to come from {url}, but no package asks for {what}"),
        ),
    };
    notes.add_at(tree, id, rule, "resolved", what);
}

/// The address as such: who may listen, what it gives away, whose it is.
fn address(config: &Config, tree: &Tree, id: NodeId, source: &Source, notes: &mut Notes) {
    let resolved = tree.node(id).resolved.as_deref().unwrap_or_default();
    if has_credentials(resolved) {
        let what = format!("the address has credentials in it: {}", masked(resolved));
        notes.add_at(tree, id, Rule::Credentials, "resolved", what);
    }
    let plain = ["http:", "git:", "git+http:"];
    // What is asked for as configured is as safe as that is; a folder needs no line at all.
    let configured = |url: &Url| {
        let mut registries = config.registries();
        registries.any(|registry| registry.scheme() == "file" || registry.origin() == url.origin())
    };
    if plain.iter().any(|scheme| resolved.starts_with(scheme))
        && !source.url().is_some_and(configured)
    {
        let what = format!("its address is not encrypted: {}", masked(resolved));
        notes.add_at(tree, id, Rule::InsecureUrl, "resolved", what);
    }
    if *source == Source::Git && !is_pinned(resolved) {
        let what = format!("it is no commit: {}", masked(resolved));
        notes.add_at(tree, id, Rule::Unpinned, "resolved", what);
    }
    if let Source::Registry(url) = source
        && let Some(other) = other_package(url, real_name(tree, id), tree.version_text(id))
    {
        let what = format!("its address is that of {other}");
        notes.add_at(tree, id, Rule::NameAndUrl, "resolved", what);
    }
}

fn has_credentials(resolved: &str) -> bool {
    let Some((_, rest)) = resolved.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    if user.is_some_and(|user| user != "git") {
        return true;
    }
    let query = rest.split_once('?').map(|(_, query)| query);
    let query = query.unwrap_or_default().to_ascii_lowercase();
    [
        "token",
        "auth",
        "password",
        "secret",
        "signature",
        "api_key",
        "apikey",
    ]
    .iter()
    .any(|word| query.contains(word))
}

/// Does it end in a whole commit?
fn is_pinned(resolved: &str) -> bool {
    let commit = resolved.rsplit_once('#').map(|(_, commit)| commit);
    commit.is_some_and(|commit| {
        matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The package and version that an address `…/NAME/-/FILE-VERSION.tgz` is of, when it is not that of
/// `name` and `version`. Addresses of other shapes say nothing.
pub(super) fn other_package(url: &Url, name: &str, version: &str) -> Option<String> {
    let path = percent_decode_str(url.path()).decode_utf8().ok()?;
    let (before, file) = path.split_once("/-/")?;
    let of_package = before == name || before.ends_with(&format!("/{name}"));
    let file = file.strip_suffix(".tgz")?;
    let base = name.rsplit('/').next().unwrap_or(name);
    let tail = [name, base]
        .iter()
        .find_map(|base| file.strip_prefix(*base)?.strip_prefix('-'));
    // The last parts of the path that make a package's name.
    let mut parts = before.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let named = match parts.next() {
        Some(scope) if scope.starts_with('@') => format!("{scope}/{last}"),
        _ => last.to_owned(),
    };
    let same = |tail: &str| {
        let without_build = version.split('+').next().unwrap_or(version);
        tail == version || tail == without_build
    };
    match tail {
        Some(tail) if of_package && same(tail) => None,
        Some(tail) if of_package && parse_version(tail, Mode::Loose).is_none() => None,
        Some(tail) => Some(format!("{named}@{tail}")),
        None => Some(file.rsplit('/').next().unwrap_or(file).to_owned()),
    }
}

fn integrity(tree: &Tree, id: NodeId, source: &Source, notes: &mut Notes) {
    if matches!(source, Source::Git | Source::Local) {
        return;
    }
    let mut add = |rule, what: String| notes.add_at(tree, id, rule, "integrity", what);
    match tree.node(id).integrity.as_deref() {
        None | Some("") => add(Rule::MissingIntegrity, "the entry has no hash".to_owned()),
        Some(text) if !Integrity::is_well_formed(text) => {
            let shown: String = text.chars().take(40).collect();
            add(Rule::MalformedIntegrity, format!("its hash is {shown:?}"));
        }
        Some(text) => {
            let strongest = Integrity::parse(text).map(|integrity| integrity.strongest());
            if let Some(weak) = strongest.filter(|strongest| *strongest != Algorithm::Sha512) {
                add(
                    Rule::WeakIntegrity,
                    format!("its hash is only a {}", weak.name()),
                );
            }
        }
    }
}

/// Hashes of the whole lock, to be held against each other.
#[derive(Debug, Default)]
struct Hashes {
    /// By sha512: the packages that have it.
    by_hash: FxHashMap<String, Vec<NodeId>>,
    /// By `name@version`: the places of registry packages.
    by_package: FxHashMap<String, Vec<NodeId>>,
}

fn id_text(tree: &Tree, id: NodeId) -> String {
    format!("{}@{}", real_name(tree, id), tree.version_text(id))
}

fn parsed(tree: &Tree, id: NodeId) -> Option<Integrity> {
    tree.node(id)
        .integrity
        .as_deref()
        .and_then(Integrity::parse)
}

impl Hashes {
    fn note(&mut self, tree: &Tree, id: NodeId, source: &Source) {
        let Some(integrity) = parsed(tree, id) else {
            return;
        };
        if let Some(hex) = integrity.sha512_hex() {
            self.by_hash.entry(hex).or_default().push(id);
        }
        if matches!(source, Source::Registry(_) | Source::Unsaid) {
            let package = id_text(tree, id);
            self.by_package.entry(package).or_default().push(id);
        }
    }

    fn check(&self, tree: &Tree, notes: &mut Notes) {
        for ids in self.by_hash.values() {
            for id in ids {
                let own = id_text(tree, *id);
                let others = ids.iter().map(|other| id_text(tree, *other));
                if let Some(other) = others.filter(|other| *other != own).min() {
                    let what = format!("its hash is that of {other}");
                    notes.add_at(tree, *id, Rule::SharedIntegrity, "integrity", what);
                }
            }
        }
        for ids in self.by_package.values() {
            for id in ids {
                let Some(own) = parsed(tree, *id) else {
                    continue;
                };
                let differs = |other: &&NodeId| {
                    parsed(tree, **other).is_some_and(|other| own.contradicts(&other))
                };
                if let Some(other) = ids.iter().find(differs) {
                    let what = format!("its hash is not that at {}", tree.node(*other).location);
                    notes.add_at(tree, *id, Rule::OtherIntegrity, "integrity", what);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(url: &str, name: &str, version: &str) -> Option<String> {
        other_package(&Url::parse(url).unwrap(), name, version)
    }

    #[test]
    fn the_usual_addresses_agree_with_their_packages() {
        for (url, name, version) in [
            ("https://registry.example/a/-/a-1.0.0.tgz", "a", "1.0.0"),
            (
                "https://registry.example/@s/x/-/x-1.0.0.tgz",
                "@s/x",
                "1.0.0",
            ),
            (
                "https://registry.example/@s%2fx/-/x-1.0.0.tgz",
                "@s/x",
                "1.0.0",
            ),
            (
                "https://h.example/npm/@s/x/-/@s/x-1.0.0.tgz",
                "@s/x",
                "1.0.0",
            ),
            (
                "https://registry.example/a/-/a-1.0.0.tgz",
                "a",
                "1.0.0+build.7",
            ),
            (
                "https://h.example/download/@s/x/1.0.0/0123",
                "@s/x",
                "1.0.0",
            ),
        ] {
            assert_eq!(other(url, name, version), None, "{url}");
        }
    }

    #[test]
    fn an_address_of_another_package_or_version_says_whose_it_is() {
        let url = "https://registry.example/a/-/a-1.0.0.tgz";
        assert_eq!(other(url, "a", "1.0.1").as_deref(), Some("a@1.0.0"));
        assert_eq!(other(url, "b", "1.0.0").as_deref(), Some("a-1.0.0"));
        let scoped = "https://registry.example/@evil/x/-/x-1.0.0.tgz";
        assert_eq!(
            other(scoped, "@s/x", "1.0.0").as_deref(),
            Some("@evil/x@1.0.0")
        );
    }

    #[test]
    fn credentials_are_seen_in_users_and_queries() {
        assert!(has_credentials("https://u:p@h.example/a.tgz"));
        assert!(has_credentials("https://h.example/a.tgz?authToken=x"));
        assert!(!has_credentials("git+ssh://git@h.example/a/b.git#0123"));
        assert!(!has_credentials("https://h.example/@s/x/-/x-1.0.0.tgz"));
    }
}
