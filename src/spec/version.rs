//! Reads versions as node-semver does, strictly or loosely, and orders them.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

use super::text::{is_space, trim};

/// JavaScript's largest exact integer: no part of a version may exceed it.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;
/// The longest version node-semver reads, in UTF-16 units.
const MAX_LENGTH: usize = 256;

/// How much disorder node-semver forgives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `1.2.3-beta.1`, with at most a `v` in front.
    Strict,
    /// Also `= v1.2.3beta`, `01.2.3`.
    Loose,
}

/// Why a text is no version; ranges forgive the one in loose mode and never the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It does not look like a version.
    Shape,
    /// It looks like one, but a number or the whole is too large.
    Size,
}

/// A version, or a part of one as ranges have them: `1`, `1.x`, `v1.2.3-beta`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partial<'a> {
    pub major: &'a str,
    pub minor: Option<&'a str>,
    pub patch: Option<&'a str>,
    pub pre: Option<&'a str>,
}

/// Reads a version; `None` where node-semver's `parse` gives null.
pub fn parse_version(text: &str, mode: Mode) -> Option<Version> {
    if text.len() > MAX_LENGTH && text.encode_utf16().count() > MAX_LENGTH {
        return None;
    }
    let text = trim(text);
    let text = match mode {
        Mode::Strict => text.strip_prefix('v').unwrap_or(text),
        Mode::Loose => skip_prefix(text),
    };
    read_version(text, mode).ok()
}

/// Precedence: build metadata does not count.
pub fn compare(a: &Version, b: &Version) -> Ordering {
    (a.major, a.minor, a.patch)
        .cmp(&(b.major, b.minor, b.patch))
        .then_with(|| match (a.pre.is_empty(), b.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(a.pre.as_str(), b.pre.as_str()),
        })
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return compare_identifiers(a, b),
        }
    }
}

fn compare_identifiers(a: &str, b: &str) -> Ordering {
    match (is_number(a), is_number(b)) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.cmp(b),
        (true, true) if a.len() < 16 && b.len() < 16 => a.len().cmp(&b.len()).then(a.cmp(b)),
        // JavaScript compares what its numbers can still tell apart.
        (true, true) => {
            let number = |text: &str| text.parse().unwrap_or(f64::INFINITY);
            number(a).total_cmp(&number(b))
        }
    }
}

/// Reads `1.2.3-pre+build` without anything around it.
pub(super) fn read_version(text: &str, mode: Mode) -> Result<Version, Flaw> {
    let (main, build) = match text.split_once('+') {
        Some((main, build)) => (main, BuildMetadata::new(build).map_err(|_| Flaw::Shape)?),
        None => (text, BuildMetadata::EMPTY),
    };
    if text.ends_with('+') {
        return Err(Flaw::Shape);
    }
    let partial = Partial::read(main, mode).ok_or(Flaw::Shape)?;
    let (Some(minor), Some(patch)) = (partial.minor, partial.patch) else {
        return Err(Flaw::Shape);
    };
    if [partial.major, minor, patch].into_iter().any(is_wild) {
        return Err(Flaw::Shape);
    }
    let numbers = [number(partial.major)?, number(minor)?, number(patch)?];
    let mut version = build_version(numbers, partial.pre.unwrap_or_default(), text.len())?;
    version.build = build;
    Ok(version)
}

/// A version from parts that have passed [`Partial::read`]; `length` is that of its text.
pub(super) fn build_version(
    [major, minor, patch]: [u64; 3],
    pre: &str,
    length: usize,
) -> Result<Version, Flaw> {
    if length > MAX_LENGTH || [major, minor, patch].iter().any(|part| *part > MAX_NUMBER) {
        return Err(Flaw::Size);
    }
    let mut version = Version::new(major, minor, patch);
    if !pre.is_empty() {
        version.pre = match Prerelease::new(pre) {
            Ok(pre) => pre,
            Err(_) => Prerelease::new(&without_leading_zeros(pre)).map_err(|_| Flaw::Shape)?,
        };
    }
    Ok(version)
}

fn without_leading_zeros(pre: &str) -> String {
    let identifiers: Vec<&str> = pre
        .split('.')
        .map(|identifier| match identifier.trim_start_matches('0') {
            _ if !is_number(identifier) => identifier,
            "" => "0",
            number => number,
        })
        .collect();
    identifiers.join(".")
}

/// The value of digits; what is too large for any version is [`Flaw::Size`].
pub(super) fn number(digits: &str) -> Result<u64, Flaw> {
    let value: u64 = digits.parse().map_err(|_| Flaw::Size)?;
    if value > MAX_NUMBER {
        return Err(Flaw::Size);
    }
    Ok(value)
}

/// Is this part of a version `x`, `X` or `*`?
pub(super) fn is_wild(part: &str) -> bool {
    matches!(part, "x" | "X" | "*")
}

/// The text after any `v`, `=` and spaces.
pub(super) fn skip_prefix(text: &str) -> &str {
    text.trim_start_matches(|c| c == 'v' || c == '=' || is_space(c))
}

impl<'a> Partial<'a> {
    /// Reads the whole of `text`, which has no prefix and no build metadata.
    pub(super) fn read(text: &'a str, mode: Mode) -> Option<Self> {
        let (major, rest) = take_part(text, mode)?;
        let mut partial = Self {
            major,
            minor: None,
            patch: None,
            pre: None,
        };
        if rest.is_empty() {
            return Some(partial);
        }
        let (minor, rest) = take_part(rest.strip_prefix('.')?, mode)?;
        partial.minor = Some(minor);
        if rest.is_empty() {
            return Some(partial);
        }
        let from_patch = rest.strip_prefix('.')?;
        let (patch, rest) = take_part(from_patch, mode)?;
        partial.patch = Some(patch);
        if rest.is_empty() {
            return Some(partial);
        }
        if mode == Mode::Loose && rest.starts_with('.') && patch.len() > 1 {
            // `1.2.34.5` is `1.2.3-4.5`: the pattern behind loose mode gives up the last digit.
            let (patch, pre) = from_patch.split_at(patch.len() - 1);
            partial.patch = Some(patch);
            partial.pre = are_identifiers(pre, mode).then_some(pre);
        } else {
            partial.pre = read_pre(rest, mode);
        }
        partial.pre.is_some().then_some(partial)
    }
}

/// `-beta.1`; loosely also `beta.1`, or `-` alone.
fn read_pre(text: &str, mode: Mode) -> Option<&str> {
    let after_hyphen = text
        .strip_prefix('-')
        .filter(|pre| are_identifiers(pre, mode));
    match mode {
        Mode::Strict => after_hyphen,
        Mode::Loose => after_hyphen.or_else(|| are_identifiers(text, mode).then_some(text)),
    }
}

/// Splits off one number or wildcard.
fn take_part(text: &str, mode: Mode) -> Option<(&str, &str)> {
    let end = match text.as_bytes().first()? {
        b'x' | b'X' | b'*' => 1,
        b'0' if mode == Mode::Strict => 1,
        b'0'..=b'9' => text
            .bytes()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(text.len()),
        _ => return None,
    };
    Some(text.split_at(end))
}

fn are_identifiers(text: &str, mode: Mode) -> bool {
    text.split('.').all(|identifier| {
        !identifier.is_empty()
            && identifier
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && (mode == Mode::Loose
                || identifier.len() == 1
                || !identifier.starts_with('0')
                || !is_number(identifier))
    })
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}
