//! What can go wrong between us and a registry; cloneable, because many edges wait for one answer.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::DiskError;
use crate::name::NameError;

/// Why a packument or a tarball is not to be had. URLs inside are masked already.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("`{name}` is not in the registry: 404 - GET {url}")]
    NotFound { name: Arc<str>, url: Arc<str> },
    #[error("the registry answered {status} - GET {url}{}", detail(body))]
    Status {
        status: u16,
        url: Arc<str>,
        /// The registry's own words, cut short.
        body: Arc<str>,
    },
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        url: Arc<str>,
        /// A system's error code such as `ECONNREFUSED`.
        code: &'static str,
        reason: Arc<str>,
    },
    #[error("the answer from {url} was cut: {reason}")]
    Cut { url: Arc<str>, reason: Arc<str> },
    #[error("{url} sent nothing for too long")]
    Stalled { url: Arc<str> },
    #[error("the answer from {url} is larger than {limit} bytes")]
    TooBig { url: Arc<str>, limit: u64 },
    #[error("not JSON from {url}, first bytes: {start:?}")]
    NotJson { url: Arc<str>, start: Arc<str> },
    #[error("the packument from {url} cannot be used: {reason}")]
    Malformed { url: Arc<str>, reason: Arc<str> },
    #[error("asked for `{asked}`, but {url} sent the packument of `{got}`")]
    OtherName {
        asked: Arc<str>,
        got: Arc<str>,
        url: Arc<str>,
    },
    #[error("{url} redirects {reason}")]
    Redirect { url: Arc<str>, reason: Arc<str> },
    #[error("`{url}` is not an http or https URL")]
    Scheme { url: Arc<str> },
    #[error("{url} is not in the cache, and the network is switched off")]
    NotCached { url: Arc<str> },
    #[error("cannot set up the network: {reason}")]
    Setup { reason: Arc<str> },
    #[error("cannot read `{}`", path.display())]
    Folder {
        path: Arc<PathBuf>,
        #[source]
        source: Arc<DiskError>,
    },
}

fn detail(body: &str) -> String {
    if body.is_empty() {
        String::new()
    } else {
        format!(" - {body}")
    }
}

impl RegistryError {
    /// npm's code where it has one.
    pub fn code(&self) -> String {
        match self {
            Self::Name(_) => "EINVALIDPACKAGENAME".into(),
            Self::NotFound { .. } => "E404".into(),
            Self::Status { status, .. } => format!("E{status}"),
            Self::Unreachable { code, .. } => (*code).into(),
            Self::Cut { .. } => "ECONNRESET".into(),
            Self::Stalled { .. } => "ETIMEDOUT".into(),
            Self::TooBig { .. } => "EFBIG".into(),
            Self::NotJson { .. } | Self::Malformed { .. } => "EJSONPARSE".into(),
            Self::OtherName { .. } => "EINVALIDPACKUMENT".into(),
            Self::Redirect { .. } => "EREDIRECT".into(),
            Self::Scheme { .. } => "EUNSUPPORTEDPROTOCOL".into(),
            Self::NotCached { .. } => "ENOTCACHED".into(),
            Self::Setup { .. } => "ESETUP".into(),
            Self::Folder { .. } => "EIO".into(),
        }
    }

    /// Would the same request have a chance a moment later?
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 420 | 429 | 500..),
            Self::Unreachable { .. } | Self::Cut { .. } | Self::Stalled { .. } => true,
            _ => false,
        }
    }
}

impl miette::Diagnostic for RegistryError {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        Some(Box::new(self.code()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        let text = match self {
            Self::NotFound { .. } => "check the spelling, and which registry its scope has",
            Self::Status { status: 401, .. } => "log in, or check the token in .npmrc",
            Self::Status { status: 403, .. } => "the registry knows you and refuses this package",
            Self::Unreachable { .. } | Self::Stalled { .. } | Self::Cut { .. } => {
                "check the network, the proxy settings and `registry` in .npmrc"
            }
            Self::NotJson { .. } => "this looks like a login page or a wrong `registry` in .npmrc",
            Self::NotCached { .. } => "run once without --offline",
            Self::TooBig { .. } => {
                "if it is honest, raise --max-packument-size or --max-tarball-size"
            }
            Self::OtherName { .. } => "the registry or a proxy before it mixes packages up",
            Self::Malformed { .. } => {
                "the registry or a proxy before it is damaged, or lies: tell who runs it, or ask another `registry`"
            }
            Self::Status { .. } => "try again later; if it stays so, tell who runs the registry",
            Self::Redirect { .. } => "correct `registry` in .npmrc, or tell who runs the registry",
            Self::Scheme { .. } => "packages come over https, or http where the registry does",
            Self::Setup { .. } => "correct the setting, in .npmrc or the environment",
            Self::Folder { .. } => "see whether `registry` in .npmrc names the right folder",
            Self::Name(_) => "correct the name where it is written",
        };
        Some(Box::new(text))
    }
}

/// Why no version was picked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum PickError {
    #[error("No matching version found for {wanted}{}.", dated(*before))]
    #[diagnostic(code(ETARGET), help("ask for a version or tag that was published"))]
    NoMatch { wanted: String, before: Option<i64> },
    #[error("No versions available for {name}")]
    #[diagnostic(
        code(ENOVERSIONS),
        help(
            "the registry lists none that may be taken; with `before` or `min-release-age`, none that is old enough"
        )
    )]
    NoVersions { name: String },
    #[error("Could not download {wanted} due to policy violations:\n{message}")]
    #[diagnostic(
        code(E403),
        help("ask for a version that the registry does not withhold, or ask who runs it")
    )]
    Forbidden { wanted: String, message: String },
    #[error("the registry's entry for `{id}` cannot be used: {reason}")]
    #[diagnostic(
        code(EINVALIDPACKUMENT),
        help(
            "the registry's document is damaged or hostile: lock another version, or ask another `registry`"
        )
    )]
    Malformed { id: String, reason: String },
    #[error("`{wanted}` is not a version, range or tag of a registry package")]
    #[diagnostic(code(EUNSUPPORTEDSPEC), help("ask for a version, a range or a tag"))]
    NotRegistry { wanted: String },
}

/// The limit in npm's words: American, here always in UTC.
fn dated(before: Option<i64>) -> String {
    before.map_or_else(String::new, |before| {
        format!(" with a date before {}", american(before))
    })
}

fn american(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1000);
    let (days, clock) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (cycle, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = cycle * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = (hour + 11) % 12 + 1;
    format!("{month}/{day}/{year}, {hour}:{minute:02}:{second:02} {half}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_in_messages_look_like_npms() {
        assert_eq!(super::american(1_709_210_096_789), "2/29/2024, 12:34:56 PM");
        assert_eq!(super::american(0), "1/1/1970, 12:00:00 AM");
    }
}
