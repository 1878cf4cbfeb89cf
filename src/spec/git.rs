//! Git dependencies: where the repository is, which commit is wanted, what a lock says of it.

use super::hosted::{Committish, Hosted};
use super::range::Range;
use super::text::decode_component;
use super::version::Mode;
use super::{SpecError, SpecKind, parse_argument};
use crate::npmrc::Generation;

/// A dependency on a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitSpec {
    /// What to clone; none yet for a shorthand such as `user/repo`.
    pub fetch_spec: Option<String>,
    /// What npm writes into a manifest.
    pub save_spec: String,
    /// The branch, tag or commit asked for.
    pub committish: Option<String>,
    /// The text after `#semver:`; tags are matched with it.
    pub range: Option<String>,
    /// `/packages/x` of `#path:packages/x`.
    pub path: Option<String>,
    pub hosted: Option<Hosted>,
}

impl GitSpec {
    pub(super) fn from_hosted(hosted: Hosted) -> Result<Self, SpecError> {
        let mut spec = Self {
            fetch_spec: hosted.fetch_spec(),
            save_spec: hosted.save_spec(),
            ..Self::default()
        };
        spec.read_attributes(hosted.committish().unwrap_or_default())?;
        spec.hosted = Some(hosted);
        Ok(spec)
    }

    pub(super) fn from_url(raw: &str, fetch: &str, attributes: &str) -> Result<Self, SpecError> {
        let mut spec = Self {
            fetch_spec: Some(fetch.to_owned()),
            save_spec: raw.to_owned(),
            ..Self::default()
        };
        spec.read_attributes(attributes)?;
        Ok(spec)
    }

    /// Reads what follows the `#`: parts between `::`.
    fn read_attributes(&mut self, text: &str) -> Result<(), SpecError> {
        if text.is_empty() {
            return Ok(());
        }
        let flaw = |reason| SpecError::Committish {
            text: text.to_owned(),
            reason,
        };
        let is_set = |slot: &Option<String>| slot.as_ref().is_some_and(|text| !text.is_empty());
        for part in text.split("::") {
            let Some((name, value)) = part.split_once(':') else {
                if is_set(&self.range) {
                    return Err(flaw("asks for a range and for a commit"));
                }
                if is_set(&self.committish) {
                    return Err(flaw("asks for two commits"));
                }
                self.committish = Some(part.to_owned());
                continue;
            };
            let value = value.split(':').next().unwrap_or_default();
            match name {
                "semver" if is_set(&self.committish) => {
                    return Err(flaw("asks for a commit and for a range"));
                }
                "semver" if is_set(&self.range) => return Err(flaw("asks for two ranges")),
                "semver" => {
                    let range = decode_component(value);
                    self.range = Some(range.ok_or_else(|| flaw("is wrongly escaped"))?);
                }
                "path" if is_set(&self.path) => return Err(flaw("asks for two folders")),
                "path" => self.path = Some(format!("/{value}")),
                _ => {} // npm ignores what it does not know
            }
        }
        Ok(())
    }

    /// Is the committish a whole commit hash? Capitals count, as when npm compares.
    pub fn is_commit(&self) -> bool {
        self.committish.as_ref().is_some_and(|text| {
            (40..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// The wanted range, loosely; a text that is no range allows nothing.
    pub fn version_range(&self) -> Option<Range> {
        Range::parse(self.range.as_deref()?, Mode::Loose)
    }

    /// What a lock's `resolved` says when the spec itself names a commit; `raw` is the spec.
    pub fn resolved_if_pinned(&self, raw: &str, generation: Generation) -> Option<String> {
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let sha = self.committish.as_deref().unwrap_or_default();
        if !self.is_commit() || !sha.bytes().all(lower) {
            return None;
        }
        Some(match &self.hosted {
            Some(hosted) => hosted.lock_url(generation),
            None => raw.to_owned(),
        })
    }

    /// What a lock's `resolved` says once the commit has been found; `raw` is the spec.
    pub fn resolved_at(&self, raw: &str, sha: &str, generation: Generation) -> String {
        if let Some(hosted) = &self.hosted {
            return hosted.lock_url_at(sha, generation);
        }
        let repository = raw.split('#').next().unwrap_or_default();
        format!("{repository}#{sha}")
    }

    /// Does a lock's `resolved` name the repository, and the commit if one is asked for?
    ///
    /// Source: Arborist's `dep-valid.js`. The range, and a branch or tag, are not looked at.
    pub fn is_resolved_by(&self, resolved: &str) -> bool {
        let locked = parse_argument(resolved, std::path::Path::new("/"));
        let Ok(locked) = locked else {
            return false;
        };
        let committish = if self.is_commit() {
            Committish::Kept
        } else {
            Committish::Dropped
        };
        let there = match &locked.spec.kind {
            SpecKind::Git(git) => git.hosted.as_ref(),
            _ => None,
        };
        match (there, &self.hosted) {
            (None, _) => locked.spec.fetch_spec() == self.fetch_spec,
            (Some(there), Some(here)) => there.ssh(committish) == here.ssh(committish),
            (Some(_), None) => false,
        }
    }
}
