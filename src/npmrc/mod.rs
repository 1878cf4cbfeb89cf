//! npm's configuration: `.npmrc` files, environment, credentials.
//!
//! Sources, first wins: flags, `npm_config_*` variables, the project's `.npmrc`, the user's, the
//! global one, npm's defaults. A value is text (or a list) until somebody asks for its type. What a
//! project may not set is left out (`project`).

mod auth;
mod date;
mod generation;
mod ini;
mod project;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::disk::{self, DiskError};
use ini::Value;

pub use auth::{Credentials, Secret, masked, without_credentials};
pub use date::{format_date, parse_date};
pub use generation::{Allow, Allowed, Generation};
pub use settings::{Fetching, Freshness, Proxies, ReplaceHost};

/// The registry that npm asks when nothing else is configured.
pub fn public_registry() -> &'static str {
    concat!("https://", "registry", ".npm", "js.org/")
}

/// Its host.
pub fn public_host() -> &'static str {
    concat!("registry", ".npm", "js.org")
}

/// Everything that was configured. Prints its sources and keys, never a value.
#[derive(Clone)]
pub struct Config {
    layers: Vec<Layer>,
    /// `NODE_ENV=production` omits development dependencies.
    production: bool,
    proxies: Proxies,
    home: Option<PathBuf>,
    registry: Url,
    unused: Vec<String>,
}

#[derive(Clone)]
struct Layer {
    source: Source,
    values: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Flags,
    Environment,
    Project,
    User,
    Global,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Flags => "command line",
            Self::Environment => "environment",
            Self::Project => "project",
            Self::User => "user",
            Self::Global => "global",
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
    #[error("Invalid auth configuration found: {problems}")]
    #[diagnostic(
        code(ERR_INVALID_AUTH),
        help("credentials belong to one registry: write `//host/:_authToken=…`")
    )]
    InvalidAuth { problems: String },
    #[error("`{key}` is `{value}`, which is no http, https or file URL")]
    #[diagnostic(
        code(EINVALIDURL),
        help("write the whole URL, such as https://host/path/")
    )]
    Url { key: String, value: String },
    #[error("`{key}` in the project's .npmrc has a variable in it")]
    #[diagnostic(
        code(EINVALIDCONFIG),
        help(
            "a project's file may use variables in credentials alone: write the address out, or set it in ~/.npmrc"
        )
    )]
    Variable { key: String },
    #[error("`{key}` is `{value}`, which is no date")]
    #[diagnostic(code(EINVALIDDATE), help("write 2024-05-01 or 2024-05-01T12:00:00Z"))]
    Date { key: &'static str, value: String },
    #[error("`{key}` is `{value}`, which is no size or count")]
    #[diagnostic(
        code(EINVALIDSIZE),
        help("write a whole number; sizes may end in k, M or G")
    )]
    Limit { key: &'static str, value: String },
    #[error("`{key}` is `{found}`, which is none of {words}")]
    #[diagnostic(code(EINVALIDCONFIG), help("write one of {words}"))]
    Word {
        key: String,
        found: String,
        words: &'static str,
    },
}

impl Config {
    /// The configuration of a user's file alone, with this text; `${…}` finds no variables.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let env = BTreeMap::new();
        let file = Layer {
            source: Source::User,
            values: ini::parse(text, &env),
        };
        let mut config = Self {
            layers: vec![file],
            production: false,
            proxies: Proxies::default(),
            home: None,
            registry: Url::parse(public_registry()).map_err(|_| bad_url("registry", ""))?,
            unused: Vec::new(),
        };
        config.registry = config.parse_registry()?;
        config.refuse_unscoped_credentials()?;
        config.proxies = Proxies::find(&config, &env);
        Ok(config)
    }

    /// Collects every source that applies to `project`. Missing files are empty; `flags` are
    /// options without their dashes, a repeated one makes a list.
    pub fn load(
        project: &Path,
        env: &BTreeMap<String, String>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let home = env.get("HOME").map(PathBuf::from);
        let mut config = Self {
            layers: vec![from_flags(flags, env), from_environment(env)],
            production: env.get("NODE_ENV").is_some_and(|mode| mode == "production"),
            proxies: Proxies::default(),
            home,
            registry: Url::parse(public_registry()).map_err(|_| bad_url("registry", ""))?,
            unused: Vec::new(),
        };
        let project_file = project.join(".npmrc");
        let user_file = config
            .path("userconfig")
            .or_else(|| config.home.as_ref().map(|home| home.join(".npmrc")));
        let is_users = |user_file: &PathBuf| same_file(user_file, &project_file);
        if !user_file.as_ref().is_some_and(is_users) {
            let text = disk::read_if_there(&project_file)?.unwrap_or_default();
            let (layer, unused) = project::read(&String::from_utf8_lossy(&text), env)?;
            config.layers.push(layer);
            config.unused = unused;
        }
        if let Some(user_file) = user_file {
            config.layers.push(read(&user_file, Source::User, env)?);
        }
        let global_file = config
            .path("globalconfig")
            .or_else(|| Some(config.prefix(env)?.join("etc/npmrc")));
        if let Some(global_file) = global_file {
            config.layers.push(read(&global_file, Source::Global, env)?);
        }
        config.registry = config.parse_registry()?;
        config.refuse_unscoped_credentials()?;
        config.proxies = Proxies::find(&config, env);
        Ok(config)
    }

    /// The value as text; the last item where a list is configured.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            Value::List(list) => list.last().map(String::as_str),
        }
    }

    /// Yes or no; other words count as not configured.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.text(key)? {
            "true" | "" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A number; other words count as not configured.
    pub fn number(&self, key: &str) -> Option<f64> {
        let number: f64 = self.text(key)?.parse().ok()?;
        number.is_finite().then_some(number)
    }

    /// All items; one where a single value is configured.
    pub fn list(&self, key: &str) -> Vec<&str> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Text(text)) => vec![text],
            Some(Value::List(list)) => list.iter().map(String::as_str).collect(),
        }
    }

    /// A path; `~/` is the home folder.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key).filter(|text| !text.is_empty())?;
        match (text.strip_prefix("~/"), &self.home) {
            (Some(below), Some(home)) => Some(home.join(below)),
            _ => Some(PathBuf::from(text)),
        }
    }

    /// Keys of the project's file that are not used, because it may not set them.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Every key that some source sets, with the items of the source that wins; credentials too.
    pub fn entries(&self) -> BTreeMap<String, Vec<String>> {
        let keys = self.layers.iter().flat_map(|layer| layer.values.keys());
        keys.filter(|key| self.value(key).is_some())
            .map(|key| {
                let items = self.list(key).into_iter().map(str::to_owned).collect();
                (key.clone(), items)
            })
            .collect()
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.layers.iter().find_map(|layer| {
            layer
                .values
                .get(key)
                .filter(|value| !matches!(value, Value::Text(text) if text == "undefined"))
        })
    }

    /// npm's prefix: two folders above the `node` that runs, links resolved.
    fn prefix(&self, env: &BTreeMap<String, String>) -> Option<PathBuf> {
        if let Some(configured) = self.path("prefix") {
            return Some(configured);
        }
        if let Some(prefix) = env.get("PREFIX").filter(|prefix| !prefix.is_empty()) {
            return Some(PathBuf::from(prefix));
        }
        let node = std::env::split_paths(env.get("PATH")?)
            .map(|folder| folder.join("node"))
            .find(|node| node.is_file())?;
        let node = node.canonicalize().ok()?;
        let prefix = node.parent()?.parent()?;
        match env.get("DESTDIR") {
            Some(below) if !below.is_empty() => {
                Some(Path::new(below).join(prefix.strip_prefix("/").unwrap_or(prefix)))
            }
            _ => Some(prefix.to_owned()),
        }
    }

    fn parse_registry(&self) -> Result<Url, ConfigError> {
        match self.text("registry").filter(|text| !text.is_empty()) {
            None => Ok(self.registry.clone()),
            Some(text) => parse_url("registry", text),
        }
    }

    /// Credentials without a registry would go wherever `registry` points: npm refuses them, too.
    fn refuse_unscoped_credentials(&self) -> Result<(), ConfigError> {
        let files = [Source::Global, Source::User, Source::Project];
        let place = auth::nerf_dart(self.registry.as_str());
        let mut problems = Vec::new();
        for source in files {
            let Some(layer) = self.layers.iter().find(|layer| layer.source == source) else {
                continue;
            };
            let file = source.name();
            for key in ["_authtoken", "-authtoken"] {
                if layer.values.contains_key(key) {
                    problems.push(format!("`{key}` is not allowed in {file} config"));
                }
            }
            for key in ["_auth", "_authToken", "username", "_password"] {
                let half = key == "username" && !layer.values.contains_key("_password");
                if layer.values.contains_key(key) && !half {
                    problems.push(format!(
                        "`{key}` must be renamed to `{place}:{key}` in {file} config"
                    ));
                }
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError::InvalidAuth {
            problems: problems.join(", "),
        })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self
            .layers
            .iter()
            .map(|layer| (layer.source.name(), layer.values.keys()));
        f.debug_map().entries(keys).finish()
    }
}

fn from_flags(flags: &[(String, String)], env: &BTreeMap<String, String>) -> Layer {
    let mut values = BTreeMap::new();
    for (key, value) in flags {
        ini::append(&mut values, key, ini::expand(value, env));
    }
    Layer {
        source: Source::Flags,
        values,
    }
}

/// `NPM_CONFIG_FETCH_RETRIES` is `fetch-retries`; a blank line separates list items.
fn from_environment(env: &BTreeMap<String, String>) -> Layer {
    let mut values = BTreeMap::new();
    for (name, value) in env {
        let Some(key) = strip_prefix_ignoring_case(name, "npm_config_") else {
            continue;
        };
        if value.is_empty() {
            continue;
        }
        let key = if key.starts_with("//") {
            key.to_owned()
        } else {
            dashes_for_underscores(key)
        };
        let value = ini::expand(value.trim(), env);
        let value = if value.contains("\n\n") {
            Value::List(value.split("\n\n").map(str::to_owned).collect())
        } else {
            Value::Text(value)
        };
        values.insert(key, value);
    }
    Layer {
        source: Source::Environment,
        values,
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// All underscores but a leading one.
fn dashes_for_underscores(key: &str) -> String {
    key.char_indices()
        .map(|(at, c)| if c == '_' && at > 0 { '-' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

fn read(path: &Path, source: Source, env: &BTreeMap<String, String>) -> Result<Layer, ConfigError> {
    let bytes = disk::read_if_there(path)?.unwrap_or_default();
    Ok(Layer {
        source,
        values: ini::parse(&String::from_utf8_lossy(&bytes), env),
    })
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// A registry's URL, ending in a slash. `file:DIR` is a folder.
fn parse_url(key: &str, text: &str) -> Result<Url, ConfigError> {
    let absolute = match text.strip_prefix("file:") {
        Some(folder) if !folder.starts_with("//") => std::path::absolute(folder)
            .ok()
            .and_then(|folder| Url::from_directory_path(folder).ok()),
        _ => Url::parse(text).ok(),
    };
    let mut url = absolute
        .filter(|url| matches!(url.scheme(), "http" | "https" | "file"))
        .filter(|url| url.scheme() == "file" || url.has_host())
        .ok_or_else(|| bad_url(key, text))?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn bad_url(key: &str, value: &str) -> ConfigError {
    ConfigError::Url {
        key: key.to_owned(),
        value: masked(value),
    }
}
