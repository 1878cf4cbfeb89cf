//! Which credentials belong to which URL; secrets that do not print.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
    if !confidential(config, url) {
        return None;
    }
    match deepest(config, url) {
        None if same_host(url, registry) => deepest(config, registry),
        found => found,
    }
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
