//! Which credentials belong to which URL; secrets that do not print.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::Url;

use super::Config;

/// A text that prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// For the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What may be shown to the one URL that it was looked up for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The whole `Authorization` header.
    pub authorization: Option<Secret>,
    /// PEM files of a client certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Credentials for `url`: the deepest `//host[:port]/path` of it that has any.
///
/// Without one, a URL on the same host as `registry` gets the registry's; any other gets none.
/// Over plain http, only loopback hosts and the origins of configured registries get any: a token
/// meant for https does not follow an http URL. Source: npm-registry-fetch's `auth.js`.
pub(super) fn find(config: &Config, url: &Url, registry: &Url) -> Option<Credentials> {
    if !confidential(config, url) || climbs(url) {
        return None;
    }
    match deepest(config, url) {
        None if same_host(url, registry) => deepest(config, registry),
        found => found,
    }
}

/// Would a server that decodes the path first find `..` in it? Then it is not below what it seems
/// to be below.
fn climbs(url: &Url) -> bool {
    let path = percent_decode_str(url.path()).decode_utf8_lossy();
    path.split(['/', '\\'])
        .any(|part| matches!(part, "." | ".."))
}

fn same_host(a: &Url, b: &Url) -> bool {
    a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

fn confidential(config: &Config, url: &Url) -> bool {
    url.scheme() == "https"
        || is_loopback(url)
        || config
            .registries()
            .any(|registry| registry.origin() == url.origin())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Walks the path upwards; each level is asked with its trailing slash and without.
fn deepest(config: &Config, url: &Url) -> Option<Credentials> {
    let host = url.host_str()?;
    let authority = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut key = format!("//{authority}{}", url.path());
    while key.len() > 2 {
        if let Some(found) = at(config, &key) {
            return Some(found);
        }
        let shorter = key.trim_end_matches(|c| c != '/');
        let cut = if shorter.len() == key.len() {
            key.len() - 1
        } else {
            shorter.len()
        };
        key.truncate(cut);
    }
    None
}

fn at(config: &Config, prefix: &str) -> Option<Credentials> {
    let text = |field: &str| {
        config
            .text(&format!("{prefix}:{field}"))
            .filter(|text| !text.is_empty())
    };
    let authorization = if let Some(token) = text("_authToken") {
        Some(format!("Bearer {token}"))
    } else if let Some(basic) = text("_auth") {
        Some(format!("Basic {basic}"))
    } else if let (Some(user), Some(password)) = (text("username"), text("_password")) {
        let password = STANDARD.decode(password).unwrap_or_default();
        let pair = format!("{user}:{}", String::from_utf8_lossy(&password));
        Some(format!("Basic {}", STANDARD.encode(pair)))
    } else {
        None
    };
    let certificate = text("certfile")
        .zip(text("keyfile"))
        .map(|(certificate, key)| (PathBuf::from(certificate), PathBuf::from(key)));
    (authorization.is_some() || certificate.is_some()).then(|| Credentials {
        authorization: authorization.map(Secret),
        certificate,
    })
}

/// npm's name for the place of a registry in configuration keys: `//host[:port]/path/`.
pub(super) fn nerf_dart(registry: &str) -> String {
    let Some(url) = Url::parse(registry).ok().and_then(|url| url.join(".").ok()) else {
        return "//".to_owned();
    };
    let port = url
        .port()
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    format!(
        "//{}{port}{}",
        url.host_str().unwrap_or_default(),
        url.path()
    )
}

/// A text that may be printed: no URL in it has a password, nor, over http and https, a user or a
/// query, which may be secrets as well (`git+ssh://git@host` stays).
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        let ends = |c: char| c.is_whitespace() || "'\"`<>|\\".contains(c);
        let (url, next) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let (authority, path) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
        shown.push_str(before);
        let is_http = ["http://", "https://"]
            .iter()
            .any(|http| before.ends_with(http));
        match authority.rsplit_once('@') {
            Some((user, host)) if is_http || user.contains(':') => {
                shown.push_str("***@");
                shown.push_str(host);
            }
            _ => shown.push_str(authority),
        }
        match path.split_once('?') {
            Some((path, query)) if is_http && !query.is_empty() => {
                shown.push_str(path);
                shown.push_str("?***");
                shown.extend(query.find('#').map(|at| &query[at..]));
            }
            _ => shown.push_str(path),
        }
        rest = next;
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// A text in which none of `secrets` is left.
pub(super) fn without(text: &str, secrets: impl Iterator<Item = String>) -> String {
    const SHORTEST: usize = 4; // what is shorter is in any text by chance
    let mut shown = text.to_owned();
    for secret in secrets.filter(|secret| secret.len() >= SHORTEST) {
        if shown.contains(&secret) {
            shown = shown.replace(&secret, "***");
        }
    }
    shown
}

/// What credentials for `prefix` look like on their way, and what they are made of.
pub(super) fn forms(config: &Config, prefix: &str) -> Vec<String> {
    let header = at(config, prefix).and_then(|found| found.authorization);
    let header = header.as_ref().map(Secret::expose).unwrap_or_default();
    let Some(encoded) = header.strip_prefix("Basic ") else {
        return header
            .strip_prefix("Bearer ")
            .map(str::to_owned)
            .into_iter()
            .collect();
    };
    let plain = STANDARD.decode(encoded).unwrap_or_default();
    let plain = String::from_utf8_lossy(&plain).into_owned();
    let password = plain
        .split_once(':')
        .map(|(_, password)| password.to_owned());
    [Some(encoded.to_owned()), password, Some(plain)]
        .into_iter()
        .flatten()
        .collect()
}

/// A URL that may be printed: without user, password, query and fragment.
pub fn masked(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        let plain = url.split(['?', '#']).next().unwrap_or_default();
        return match plain.rsplit_once('@') {
            Some((_, host)) if plain.contains("//") => format!("***@{host}"),
            _ => plain.to_owned(),
        };
    };
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.set_query(None);
    parsed.set_fragment(None);
    parsed.into()
}
