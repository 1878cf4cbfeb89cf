//! Values that flags of several verbs take, and what they may look like.

use std::time::Duration;

use clap::ValueEnum;

use crate::target::Target;

pub fn version(typed: &str) -> Result<semver::Version, String> {
    let digits = typed.strip_prefix('v').unwrap_or(typed);
    semver::Version::parse(digits)
        .map_err(|_| "a version has three numbers, such as 22.11.0".to_owned())
}

pub fn age(typed: &str) -> Result<Duration, String> {
    let days: f64 = super::super::npm_flags::days(typed)?
        .parse()
        .unwrap_or(f64::NAN);
    let seconds = Duration::try_from_secs_f64(days * 24.0 * 60.0 * 60.0);
    seconds.map_err(|_| "write an age such as 36h, 2d or 1w".to_owned())
}

pub fn target(typed: &str) -> Result<Target, String> {
    let parsed = typed.parse::<Target>();
    parsed.map_err(|error| {
        let example = "write it like linux-x64-glibc2.28-node22, linux-arm64-musl, darwin-arm64 or node:22-alpine";
        format!("{}; {example}", error.reason)
    })
}

/// A whole version, or the number of a generation.
pub fn npm_version(typed: &str) -> Result<semver::Version, String> {
    version(match typed {
        "11" => "11.19.1",
        "12" => "12.2.0",
        whole => whole,
    })
}

pub fn file_name(typed: &str) -> Result<String, String> {
    if typed.is_empty() || typed == "." || typed == ".." || typed.contains(['/', '\\']) {
        return Err("the lock lies in the project folder: give a name, not a path".to_owned());
    }
    Ok(typed.to_owned())
}

/// A kind of dependency that may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Dev,
    Optional,
    Peer,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Optional => "optional",
            Self::Peer => "peer",
        }
    }

    /// The kinds that were typed, as settings of npm's.
    pub fn settings(flag: &str, kinds: &[Self]) -> Vec<(String, String)> {
        let setting = |kind: &Self| (flag.to_owned(), kind.word().to_owned());
        kinds.iter().map(setting).collect()
    }
}
