//! Which npm's rules count where npm 12 changed them, and which sources a dependency may name.

use super::{Config, ConfigError};

/// The npm whose lock is to be matched.
///
/// npm 12 loads optional peers only where an incompatible provider is in the tree, keeps https
/// addresses of repositories, ignores a shrinkwrap inside a dependency, overrides also what the
/// project bundles, and allows neither git nor URL dependencies unless told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Generation {
    /// npm 11 and older.
    #[default]
    Eleven,
    Twelve,
}

impl Generation {
    /// The generation that an npm of this version belongs to.
    pub fn of(npm: Option<&semver::Version>) -> Self {
        match npm {
            Some(npm) if npm.major >= 12 => Self::Twelve,
            _ => Self::Eleven,
        }
    }
}

/// Who may name a dependency of a kind that is not the registry's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allow {
    /// Every package.
    #[default]
    All,
    /// The project and its workspaces.
    Root,
    /// Nobody.
    None,
}

/// npm's `allow-git`, `allow-remote`, `allow-file`, `allow-directory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    pub git: Allow,
    pub remote: Allow,
    pub file: Allow,
    pub directory: Allow,
}

impl Allowed {
    /// As configured, else the generation's defaults.
    ///
    /// Errors: a value that is not `all`, `root` or `none`.
    pub fn find(config: &Config, generation: Generation) -> Result<Self, ConfigError> {
        let closed = match generation {
            Generation::Eleven => Allow::All,
            Generation::Twelve => Allow::None,
        };
        Ok(Self {
            git: allow(config, "allow-git", closed)?,
            remote: allow(config, "allow-remote", closed)?,
            file: allow(config, "allow-file", Allow::All)?,
            directory: allow(config, "allow-directory", Allow::All)?,
        })
    }
}

fn allow(config: &Config, key: &str, otherwise: Allow) -> Result<Allow, ConfigError> {
    match config.text(key).unwrap_or_default() {
        "" => Ok(otherwise),
        "all" => Ok(Allow::All),
        "root" => Ok(Allow::Root),
        "none" => Ok(Allow::None),
        other => Err(ConfigError::Word {
            key: key.to_owned(),
            found: other.to_owned(),
            words: "all, root, none",
        }),
    }
}
