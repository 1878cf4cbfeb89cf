//! Package names and identities: parsed once at the door, trusted after.

use std::fmt;
use std::sync::Arc;

/// A package name that is safe in a path and in a URL: `left-pad`, `@scope/name`.
///
/// Follows npm's rules for *old* packages: capitals are allowed; a leading `.`, `_` or `-`, path
/// separators, `node_modules` and `favicon.ico` are not, nor is what is longer than 214 bytes. More
/// than npm does, this also refuses scopes that start with a dot and `@scope/node_modules`, which no
/// registry has and which would make a path ambiguous.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName(Arc<str>);

/// Why a text is not a package name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("invalid package name {name:?}: it {reason}")]
#[diagnostic(
    code(EINVALIDPACKAGENAME),
    help("correct the name where it is written")
)]
pub struct NameError {
    pub name: String,
    pub reason: &'static str,
}

impl PackageName {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match flaw(text) {
            None => Ok(Self(text.into())),
            Some(reason) => Err(NameError {
                name: text.chars().take(200).collect(),
                reason,
            }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `@scope` of a scoped name.
    pub fn scope(&self) -> Option<&str> {
        self.0
            .starts_with('@')
            .then(|| self.0.split('/').next())
            .flatten()
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `name@version`, as users read and write it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageId {
    pub name: Arc<str>,
    pub version: Arc<str>,
}

impl PackageId {
    pub fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
        }
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// npm publishes no longer ones, and few file systems take a folder's name of more than 255 bytes.
const LONGEST: usize = 214;

fn flaw(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("is empty");
    }
    if text.len() > LONGEST {
        return Some("is longer than 214 bytes");
    }
    if text.trim() != text {
        return Some("has spaces around it");
    }
    if ["node_modules", "favicon.ico"]
        .iter()
        .any(|reserved| text.eq_ignore_ascii_case(reserved))
    {
        return Some("is a reserved word");
    }
    if let Some(rest) = text.strip_prefix('@') {
        let Some((scope, name)) = rest.split_once('/') else {
            return Some("has a scope and no name");
        };
        if scope.starts_with('.') {
            return Some("has a scope that starts with a dot");
        }
        return part_flaw(scope).or_else(|| {
            if name.starts_with('.') {
                return Some("starts with a dot after its scope");
            }
            if name.eq_ignore_ascii_case("node_modules") {
                return Some("is a reserved word after its scope");
            }
            part_flaw(name)
        });
    }
    match text.as_bytes()[0] {
        b'.' => Some("starts with a dot"),
        b'_' => Some("starts with an underscore"),
        b'-' => Some("starts with a hyphen"),
        _ => part_flaw(text),
    }
}

/// A part must survive JavaScript's `encodeURIComponent` unchanged.
fn part_flaw(part: &str) -> Option<&'static str> {
    if part.is_empty() {
        return Some("has an empty part");
    }
    let friendly = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()".contains(c);
    (!part.chars().all(friendly)).then_some("has characters that need escaping in a URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_npm_accepts_are_accepted() {
        for name in [
            "a",
            "JSONStream",
            "@s/x",
            "a.b",
            "x_y",
            "@types/node",
            "1",
            "@s/_x",
        ] {
            assert!(PackageName::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_could_climb_or_need_escaping_are_refused() {
        for name in [
            "",
            ".",
            "..",
            ".x",
            "_x",
            "-x",
            "a/b",
            "@s",
            "@s/",
            "@/x",
            "@s/..",
            "@../x",
            "@s/node_modules",
            "a b",
            "a\\b",
            "node_modules",
            "@s/a/b",
            "é",
            " a",
        ] {
            assert!(PackageName::parse(name).is_err(), "{name}");
        }
        assert!(PackageName::parse(&"a".repeat(214)).is_ok());
        assert!(PackageName::parse(&"a".repeat(215)).is_err());
    }
}
