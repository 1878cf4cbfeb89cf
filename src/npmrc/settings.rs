//! What configuration means: registries, hosts, freshness, dates, what to omit.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{Config, ConfigError, Credentials, Value, auth, parse_date, parse_url, public_host};
use crate::limits::{self, Limits};

/// Whose URLs in locks and packuments are read as "the configured registry".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplaceHost {
    Never,
    Always,
    Host(String),
    /// A whole URL whose path is swapped as well.
    Prefix(Url),
}

/// Which cached packuments are good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As the server said (`max-age`), then ask whether it changed.
    Normal,
    /// Any, without asking.
    PreferOffline,
    /// None without asking.
    PreferOnline,
    /// Any; nothing else is to be had.
    Offline,
}

/// How hard to try. `None`: not configured, so heatseal's own choice holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetching {
    /// Attempts after the first.
    pub retries: u32,
    pub factor: Option<f64>,
    pub shortest_wait: Option<Duration>,
    pub longest_wait: Duration,
    pub timeout: Option<Duration>,
    pub sockets: Option<usize>,
}

/// Proxies from configuration, else from the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<String>,
    http: Option<String>,
    /// Hosts, their suffixes, addresses and networks that are asked directly.
    direct: Vec<String>,
}

impl Proxies {
    pub(super) fn find(config: &Config, env: &BTreeMap<String, String>) -> Self {
        let configured = |key: &str| {
            let text = config.text(key)?;
            (!matches!(text, "" | "null" | "false")).then(|| text.to_owned())
        };
        let variable = |name: &str| {
            let found = env.get(name).or_else(|| env.get(&name.to_uppercase()));
            found.filter(|value| !value.is_empty()).cloned()
        };
        let both = configured("https-proxy")
            .or_else(|| configured("proxy"))
            .or_else(|| variable("https_proxy"));
        let direct = match config.list("noproxy") {
            list if list.iter().any(|entry| !entry.is_empty()) => list.join(","),
            _ => variable("no_proxy").unwrap_or_default(),
        };
        Self {
            http: both
                .clone()
                .or_else(|| variable("http_proxy"))
                .or_else(|| variable("proxy")),
            https: both,
            direct: direct
                .split(',')
                .map(|host| host.trim().trim_matches('.').to_owned())
                .filter(|host| !host.is_empty())
                .collect(),
        }
    }

    /// The proxy for `url`. May hold a password: never print it.
    pub fn proxy(&self, url: &Url) -> Option<&str> {
        let host = url.host_str()?;
        let address = match url.host()? {
            url::Host::Ipv4(address) => Some(IpAddr::V4(address)),
            url::Host::Ipv6(address) => Some(IpAddr::V6(address)),
            url::Host::Domain(_) => None,
        };
        let is_direct = |suffix: &String| {
            host == suffix
                || suffix == "*"
                || host
                    .strip_suffix(suffix.as_str())
                    .is_some_and(|rest| rest.ends_with('.') && address.is_none())
                || address.is_some_and(|address| covers(suffix, address))
        };
        if self.direct.iter().any(is_direct) {
            return None;
        }
        match url.scheme() {
            "https" => self.https.as_deref(),
            _ => self.http.as_deref(),
        }
    }
}

/// Is `address` what `text` says, or in the network that it says (`10.0.0.0/8`)?
fn covers(text: &str, address: IpAddr) -> bool {
    let (network, length) = match text.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (text, Some(u32::MAX)),
    };
    let network = network
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse();
    let (Ok(network), Some(length)) = (network, length) else {
        return false;
    };
    let differ = match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    network == address || differ >= length
}

impl Config {
    /// The default registry, ending in a slash; `file:` for a folder.
    pub fn registry(&self) -> &Url {
        &self.registry
    }

    /// The registry of `@scope`'s packages: its own, or the default one.
    pub fn registry_for(&self, scope: Option<&str>) -> Result<Url, ConfigError> {
        let own = scope.and_then(|scope| {
            let key = format!("{scope}:registry");
            let text = self.text(&key).filter(|text| !text.is_empty())?;
            Some(parse_url(&key, text))
        });
        own.unwrap_or_else(|| Ok(self.registry.clone()))
    }

    /// Every configured registry, the default one first.
    pub fn registries(&self) -> impl Iterator<Item = Url> {
        let scoped = self
            .layers
            .iter()
            .flat_map(|layer| layer.values.keys())
            .filter_map(|key| {
                let scope = key.strip_suffix(":registry")?;
                self.registry_for(Some(scope)).ok()
            });
        std::iter::once(self.registry.clone()).chain(scoped)
    }

    /// What may be shown to `url` in the course of asking for a package of `@scope`.
    pub fn credentials(&self, url: &Url, scope: Option<&str>) -> Option<Credentials> {
        let registry = self.registry_for(scope).ok()?;
        auth::find(self, url, &registry)
    }

    /// A server's words, which may repeat what it was sent, without any configured secret.
    pub fn without_secrets(&self, text: &str) -> String {
        let keys = self.layers.iter().flat_map(|layer| layer.values.keys());
        let prefixes = keys
            .filter(|key| key.starts_with("//"))
            .filter_map(|key| Some(key.rsplit_once(':')?.0));
        auth::without(text, prefixes.flat_map(|prefix| auth::forms(self, prefix)))
    }

    pub fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// PEM texts that replace the system's authorities: `ca`, then the file named by `cafile`.
    pub fn authorities(&self) -> (Vec<String>, Option<PathBuf>) {
        let texts = self
            .list("ca")
            .into_iter()
            .filter(|text| !matches!(*text, "" | "null"))
            .map(|text| text.replace("\\n", "\n"))
            .collect();
        (texts, self.path("cafile"))
    }

    /// PEM texts of the client certificate and key for registries without their own.
    pub fn client_certificate(&self) -> Option<(String, String)> {
        let text = |key: &str| {
            let text = self.text(key)?;
            (!matches!(text, "" | "null")).then(|| text.replace("\\n", "\n"))
        };
        text("cert").zip(text("key"))
    }

    pub fn strict_ssl(&self) -> bool {
        self.flag("strict-ssl").unwrap_or(true)
    }

    #[allow(clippy::cast_sign_loss)] // every number is clamped first
    pub fn fetching(&self) -> Fetching {
        let milliseconds = |key: &str| {
            let number = self.number(key)?;
            Some(Duration::from_millis(number.clamp(0.0, 1e12) as u64))
        };
        Fetching {
            retries: self
                .number("fetch-retries")
                .unwrap_or(2.0)
                .clamp(0.0, 100.0) as u32,
            factor: self.number("fetch-retry-factor"),
            shortest_wait: milliseconds("fetch-retry-mintimeout"),
            longest_wait: milliseconds("fetch-retry-maxtimeout").unwrap_or(Duration::from_mins(1)),
            timeout: milliseconds("fetch-timeout").filter(|timeout| !timeout.is_zero()),
            sockets: self
                .number("maxsockets")
                .map(|number| number.clamp(1.0, 1024.0) as usize),
        }
    }

    /// How much foreign input may ask for.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        Limits::with(|setting| {
            let Some(text) = self.text(setting.key).filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            let number = if setting.is_size {
                limits::parse_size(text)
            } else {
                text.trim().parse().ok()
            };
            number.map(Some).ok_or_else(|| ConfigError::Limit {
                key: setting.key,
                value: text.to_owned(),
            })
        })
    }

    /// May tarballs come from the host of `url`: that of a configured registry, or one that
    /// `allow-host` names, with its port or without?
    pub fn allows_host_of(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let with_port = url.port().map(|port| format!("{host}:{port}"));
        let allowed = self.list("allow-host");
        let named = |name: &str| name == host || Some(name) == with_port.as_deref();
        allowed
            .iter()
            .flat_map(|list| list.split(','))
            .any(|name| named(name.trim()))
            || self.registries().any(|registry| {
                registry.host_str() == Some(host)
                    && registry.port_or_known_default() == url.port_or_known_default()
            })
    }

    pub fn freshness(&self) -> Freshness {
        let on = |key: &str| self.flag(key).unwrap_or(false);
        if on("offline") {
            Freshness::Offline
        } else if on("prefer-online") {
            Freshness::PreferOnline
        } else if on("prefer-offline") {
            Freshness::PreferOffline
        } else {
            Freshness::Normal
        }
    }

    /// The preferred dist-tag.
    pub fn tag(&self) -> &str {
        self.text("tag")
            .filter(|tag| !tag.is_empty())
            .unwrap_or("latest")
    }

    /// Dependency kinds to leave out, each once: `dev`, `optional`, `peer`. `include` wins.
    pub fn omitted(&self) -> Vec<&'static str> {
        let on = |key: &str| self.flag(key).unwrap_or(false);
        let says = |key: &str, words: &[&str]| self.text(key).is_some_and(|t| words.contains(&t));
        let listed = self.list("omit");
        let included = self.list("include");
        let by_default = self.production && self.value("omit").is_none();
        let dev_included = included.contains(&"dev")
            || on("dev")
            || says("also", &["dev", "development"])
            || self.flag("production") == Some(false);
        let dev = by_default
            || on("production")
            || says("only", &["prod", "production"])
            || listed.contains(&"dev");
        let optional = self.flag("optional") == Some(false) || listed.contains(&"optional");
        let optional_included = included.contains(&"optional") || on("optional");
        let peer = listed.contains(&"peer") && !included.contains(&"peer");
        [
            ("dev", dev && !dev_included),
            ("optional", optional && !optional_included),
            ("peer", peer),
        ]
        .into_iter()
        .filter_map(|(kind, omitted)| omitted.then_some(kind))
        .collect()
    }

    /// Versions published later than this (ms since 1970) do not exist. `now` is in ms, too.
    ///
    /// The first source that has `before` or `min-release-age` (in days) decides; where one has
    /// both, `before` does.
    pub fn before(&self, now: i64) -> Result<Option<i64>, ConfigError> {
        Ok(self.cutoff(now)?.map(|(date, _)| date))
    }

    /// Does [`Config::before`] come from an age? Then what does not tell its age is too young.
    pub fn asks_for_age(&self) -> bool {
        self.cutoff(0)
            .is_ok_and(|cutoff| cutoff.is_some_and(|(_, by_age)| by_age))
    }

    fn cutoff(&self, now: i64) -> Result<Option<(i64, bool)>, ConfigError> {
        for layer in &self.layers {
            let text = |key: &str| match layer.values.get(key)? {
                Value::Text(text) => Some(text),
                Value::List(list) => list.last(),
            };
            let set = |text: &&String| !matches!(text.as_str(), "" | "null");
            if let Some(value) = text("before").filter(set) {
                let date = parse_date(value).ok_or_else(|| ConfigError::Date {
                    key: "before",
                    value: value.clone(),
                })?;
                return Ok(Some((date, false)));
            }
            let days = text("min-release-age").filter(set);
            let days = days.and_then(|days| days.parse::<f64>().ok());
            // An age of 0 is no age: it does not even exclude the future.
            if let Some(days) = days.filter(|days| *days != 0.0) {
                return Ok(Some((now - (days * 86_400_000.0) as i64, true)));
            }
        }
        Ok(None)
    }

    pub fn replace_host(&self) -> ReplaceHost {
        match self.text("replace-registry-host").unwrap_or("npmjs") {
            "never" => ReplaceHost::Never,
            "always" => ReplaceHost::Always,
            "npmjs" | "" => ReplaceHost::Host(public_host().to_owned()),
            text => Url::parse(text)
                .ok()
                .filter(Url::has_host)
                .map_or_else(|| ReplaceHost::Host(text.to_owned()), ReplaceHost::Prefix),
        }
    }

    /// Where a lock's or packument's tarball URL is really fetched: on the default registry when
    /// `replace-registry-host` covers it, scoped or not. Source: npm's `reify.js`.
    pub fn download_url(&self, resolved: &Url) -> Url {
        let (host, prefix) = match self.replace_host() {
            ReplaceHost::Never => return resolved.clone(),
            ReplaceHost::Always => (None, None),
            ReplaceHost::Host(host) => (Some(host), None),
            ReplaceHost::Prefix(url) => {
                let path = url.path().trim_end_matches('/').to_owned();
                let path = (!path.is_empty()).then_some(path);
                (url.host_str().map(str::to_owned), path)
            }
        };
        let below = |path: &str, prefix: &str| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let path = resolved.path();
        let host_matches = host.is_none() || host.as_deref() == resolved.host_str();
        if !host_matches || prefix.as_ref().is_some_and(|prefix| !below(path, prefix)) {
            return resolved.clone();
        }
        let root = self.registry.path().trim_end_matches('/');
        let path = match prefix {
            Some(prefix) => format!("{root}{}", &path[prefix.len()..]),
            None if below(path, root) => path.to_owned(),
            None => format!("{root}{path}"),
        };
        let mut url = self.registry.clone();
        url.set_path(&path);
        url.set_query(resolved.query());
        url
    }
}
