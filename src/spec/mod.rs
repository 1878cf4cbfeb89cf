//! What a dependency asks for: range, tag, alias, git, tarball, directory.
//!
//! A spec is tried in this order: a path, an alias (`npm:`), a repository on a known git host, a
//! URL, anything else with a slash or a tarball's ending as a path, and at last what a registry
//! can answer: a version, a range, or a tag. Versions and ranges are read loosely, as npm does.
//! Source: `npm-package-arg` 13 on POSIX.

mod git;
mod hosted;
mod local;
mod path;
mod range;
mod resolved;
mod text;
mod version;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use semver::Version;
use url::Url;

use crate::name::{NameError, PackageName};

pub use git::GitSpec;
pub use hosted::{Committish, Hosted};
pub use range::{Prerelease, Range};
pub use resolved::{Paths, consistent_resolve};
pub use version::{Mode, compare, parse_version};

/// The right-hand side of a dependency, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The text as written.
    pub raw: Arc<str>,
    pub kind: SpecKind,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SpecKind {
    Version(Version),
    Range(Range),
    Tag(Arc<str>),
    /// `npm:name@spec`; the target is a version, a range or a tag.
    Alias {
        name: PackageName,
        target: Box<Spec>,
    },
    Git(Box<GitSpec>),
    /// A tarball's URL, as written.
    Remote(Arc<str>),
    /// A local tarball: its absolute path, and how npm writes it into a manifest.
    File {
        path: PathBuf,
        save: String,
    },
    Directory {
        path: PathBuf,
        save: String,
    },
}

/// `name@spec`, or a spec that names no package.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: Option<PackageName>,
    pub spec: Spec,
}

/// Why a spec cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum SpecError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    #[error("`{raw}` has the protocol {protocol:?}, which npm does not support")]
    #[diagnostic(code(EUNSUPPORTEDPROTOCOL), help("{}", npm_form(protocol)))]
    Protocol { protocol: String, raw: String },
    #[error("`{tag}` is neither a version, nor a range, nor a possible tag")]
    #[diagnostic(
        code(EINVALIDTAGNAME),
        help("a tag has no characters that need escaping in a URL")
    )]
    Tag { tag: String },
    #[error("the range `{start}…` has more than 4096 bytes or 256 alternatives")]
    #[diagnostic(
        code(EINVALIDRANGE),
        help("no honest range is like that; npm would take it, and its time")
    )]
    LongRange { start: String },
    #[error("the alias `{raw}` {reason}")]
    #[diagnostic(code(EINVALIDALIAS), help("an alias reads `npm:name@range`"))]
    Alias { raw: String, reason: &'static str },
    #[error("`#{text}` {reason}")]
    #[diagnostic(
        code(EINVALIDCOMMITTISH),
        help("after `#` stands a branch, a tag, a commit, or `semver:` and a range")
    )]
    Committish { text: String, reason: &'static str },
    #[error("`{raw}` is not a valid URL")]
    #[diagnostic(
        code(ERR_INVALID_URL),
        help("write the whole URL, such as git+https://host/owner/name.git#v1.2.3")
    )]
    Url { raw: String },
    #[error("`{raw}` is not a valid file: URL")]
    #[diagnostic(code(EINVALIDFILEURL), help("write a path such as `file:../folder`"))]
    File { raw: String },
}

/// What npm has instead of another tool's protocol.
fn npm_form(protocol: &str) -> &'static str {
    match protocol {
        "workspace:" => {
            "npm links a workspace where a plain range allows its version: write `*` or that range"
        }
        "catalog:" => "npm has no catalogs: write the range that the catalog has for it",
        "patch:" => {
            "npm does not patch: write the plain range, and patch in a `postinstall` script"
        }
        "portal:" | "link:" => "npm links a folder with `file:PATH`",
        _ => "npm knows versions, ranges, tags, `npm:`, `file:`, URLs of tarballs and repositories",
    }
}

impl Spec {
    /// Reads the spec of the dependency `name`, found in a manifest in the folder `base`.
    pub fn parse(name: &str, raw: &str, base: &Path) -> Result<Self, SpecError> {
        if !name.is_empty() {
            PackageName::parse(name)?;
        }
        Self::read(raw, base)
    }

    fn read(raw: &str, base: &Path) -> Result<Self, SpecError> {
        let kind = if local::is_path(raw) {
            local::parse(raw, base)?
        } else if let Some(target) = strip_alias(raw) {
            parse_alias(raw, target, base)?
        } else if let Some(hosted) = Hosted::parse(raw) {
            SpecKind::Git(Box::new(GitSpec::from_hosted(hosted)?))
        } else if is_url(raw) {
            parse_url(raw)?
        } else if raw.contains('/') || local::is_tarball(raw) {
            local::parse(raw, base)?
        } else {
            parse_registry(raw)?
        };
        Ok(Self {
            raw: raw.into(),
            kind,
        })
    }

    /// Does a registry answer it: a version, a range, a tag, or an alias of one?
    pub fn is_registry(&self) -> bool {
        matches!(
            self.kind,
            SpecKind::Version(_) | SpecKind::Range(_) | SpecKind::Tag(_) | SpecKind::Alias { .. }
        )
    }

    /// What to ask for: a version, range or tag, a URL, an absolute path; none for an alias or a
    /// repository's shorthand.
    pub fn fetch_spec(&self) -> Option<String> {
        match &self.kind {
            SpecKind::Version(_) | SpecKind::Range(_) | SpecKind::Tag(_) => {
                Some(text::trim(&self.raw).to_owned())
            }
            SpecKind::Alias { .. } => None,
            SpecKind::Git(git) => git.fetch_spec.clone(),
            SpecKind::Remote(url) => Some(url.to_string()),
            SpecKind::File { path, .. } | SpecKind::Directory { path, .. } => {
                Some(path.to_string_lossy().into_owned())
            }
        }
    }

    /// What npm writes into a manifest; none for a registry's, which depends on the answer.
    pub fn save_spec(&self) -> Option<Cow<'_, str>> {
        match &self.kind {
            SpecKind::Git(git) => Some(git.save_spec.as_str().into()),
            SpecKind::Remote(url) => Some((&**url).into()),
            SpecKind::File { save, .. } | SpecKind::Directory { save, .. } => {
                Some(save.as_str().into())
            }
            _ => None,
        }
    }
}

/// Reads `name@spec`, `name`, or a spec alone: arguments, keys of overrides, targets of aliases.
pub fn parse_argument(text: &str, base: &Path) -> Result<Argument, SpecError> {
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@');
    let named = match at {
        Some((at, _)) => &text[..at],
        None => text,
    };
    let is_path_like = !named.starts_with('@') && (named.contains('/') || local::is_tarball(named));
    let (name, spec) = if is_url(text) {
        (None, text.into())
    } else if is_scp_form(text) {
        (None, format!("git+ssh://{text}").into())
    } else if is_path_like {
        (None, text.into())
    } else if let Some((at, _)) = at {
        let spec = &text[at + 1..];
        let spec = if spec.is_empty() { "*" } else { spec };
        (Some(PackageName::parse(named)?), Cow::from(spec))
    } else {
        match PackageName::parse(text) {
            Ok(name) => (Some(name), "*".into()),
            Err(_) => (None, text.into()),
        }
    };
    let spec = Spec::read(&spec, base)?;
    Ok(Argument { name, spec })
}

/// `scheme:` or `git+scheme:`, with letters only.
fn is_url(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_git = bytes
        .get(..4)
        .is_some_and(|b| b.eq_ignore_ascii_case(b"git+"));
    let scheme = if has_git { &bytes[4..] } else { bytes };
    let letters = scheme
        .iter()
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    letters > 0 && scheme.get(letters) == Some(&b':')
}

/// `user@host.tld:path`
fn is_scp_form(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else {
        return false;
    };
    let Some((host, path)) = rest.split_once(':') else {
        return false;
    };
    let is_dotted = host
        .split_once('.')
        .is_some_and(|(first, more)| !first.is_empty() && !more.is_empty());
    let newlines = ['\n', '\r', '\u{2028}', '\u{2029}'];
    !user.is_empty() && is_dotted && !path.is_empty() && !path.contains(newlines)
}

fn strip_alias(raw: &str) -> Option<&str> {
    let scheme = raw.get(..4)?;
    scheme.eq_ignore_ascii_case("npm:").then(|| &raw[4..])
}

fn parse_alias(raw: &str, target: &str, base: &Path) -> Result<SpecKind, SpecError> {
    let flaw = |reason| SpecError::Alias {
        raw: raw.to_owned(),
        reason,
    };
    // Checked first, so that a text of aliases is not followed down one by one.
    let nested = target.split_once('@').map_or(target, |(_, spec)| spec);
    if strip_alias(target).is_some() || strip_alias(nested).is_some() {
        return Err(flaw("names another alias"));
    }
    let Argument { name, spec } = parse_argument(target, base)?;
    match (&spec.kind, name) {
        (SpecKind::Alias { .. }, _) => Err(flaw("names another alias")),
        _ if !spec.is_registry() => Err(flaw("does not name a registry's package")),
        (_, None) => Err(flaw("names no package")),
        (_, Some(name)) => Ok(SpecKind::Alias {
            name,
            target: Box::new(spec),
        }),
    }
}

fn parse_url(raw: &str) -> Result<SpecKind, SpecError> {
    let git = |fetch: &str, attributes: &str| {
        if could_be_an_option(fetch) {
            let raw = raw.to_owned();
            return Err(SpecError::Url { raw });
        }
        GitSpec::from_url(raw, fetch, attributes).map(|git| SpecKind::Git(Box::new(git)))
    };
    if let Some((fetch, attributes)) = split_scp_url(raw) {
        return git(fetch, attributes);
    }
    let flaw = |_| SpecError::Url {
        raw: raw.to_owned(),
    };
    let text = if raw.starts_with("git+file://") {
        Cow::from(raw.replace('\\', "/"))
    } else {
        Cow::from(raw)
    };
    let mut url = Url::parse(&text).map_err(flaw)?;
    match url.scheme() {
        "git" | "git+http" | "git+https" | "git+rsync" | "git+ftp" | "git+file" | "git+ssh" => {
            let attributes = url.fragment().unwrap_or_default().to_owned();
            url.set_fragment(None);
            let fetch = if has_drive(&text) {
                format!("file://{}:{}", host_of(&url).to_lowercase(), url.path())
            } else {
                url.as_str().to_owned()
            };
            git(fetch.strip_prefix("git+").unwrap_or(&fetch), &attributes)
        }
        "http" | "https" => Ok(SpecKind::Remote(raw.into())),
        protocol => Err(SpecError::Protocol {
            protocol: format!("{protocol}:"),
            raw: raw.to_owned(),
        }),
    }
}

/// Would git or ssh take the host, the user or the whole for an option?
fn could_be_an_option(fetch: &str) -> bool {
    let address = fetch.split_once("://").map_or(fetch, |(_, rest)| rest);
    let (user, host) = match address.split_once('@') {
        Some((user, host)) if !user.contains('/') => (user, host),
        _ => ("", address),
    };
    [fetch, user, host].iter().any(|part| part.starts_with('-'))
}

/// `git+file://C:/repository`, where the drive looks like a host.
fn has_drive(url: &str) -> bool {
    let start = url.get(.."git+file://".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case("git+file://"))
        && matches!(url.as_bytes().get(11..13), Some([drive, b':']) if drive.is_ascii_alphabetic())
}

fn host_of(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// `git+ssh://user@host:path#c`, which is no URL: the part to clone, and what follows the `#`.
fn split_scp_url(raw: &str) -> Option<(&str, &str)> {
    let rest = raw.strip_prefix("git+ssh://")?;
    let (address, attributes) = rest.split_once('#').unwrap_or((rest, ""));
    let (user, path) = address.split_once(':')?;
    let is_port = address.match_indices(':').any(|(colon, _)| {
        let after = &address.as_bytes()[colon + 1..];
        let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
        digits > 0 && matches!(after.get(digits), None | Some(b'/'))
    });
    (!user.is_empty() && !path.is_empty() && !is_port).then_some((address, attributes))
}

fn parse_registry(raw: &str) -> Result<SpecKind, SpecError> {
    let spec = text::trim(raw);
    if let Some(version) = parse_version(spec, Mode::Loose) {
        return Ok(SpecKind::Version(version));
    }
    if let Some(range) = Range::parse(spec, Mode::Loose) {
        return Ok(SpecKind::Range(range));
    }
    if range::is_too_long(spec) {
        let start = spec.chars().take(80).collect();
        return Err(SpecError::LongRange { start });
    }
    if !text::is_plain_component(spec) {
        return Err(SpecError::Tag {
            tag: spec.to_owned(),
        });
    }
    Ok(SpecKind::Tag(spec.into()))
}
