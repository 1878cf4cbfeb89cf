//! Dependencies on this machine: folders and tarballs, named by path or `file:` URL.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use url::Url;

use super::path::{relative, resolve};
use super::text::decode_component;
use super::{SpecError, SpecKind};

/// Does a spec mean a path, before anything else is asked?
pub(super) fn is_path(spec: &str) -> bool {
    let bytes = spec.as_bytes();
    let has_scheme = bytes
        .get(..5)
        .is_some_and(|b| b.eq_ignore_ascii_case(b"file:"));
    has_scheme
        || spec.starts_with(['.', '/'])
        || spec.starts_with("~/")
        || matches!(bytes, [drive, b':', ..] if drive.is_ascii_alphabetic())
}

/// Is it called like a tarball?
pub(super) fn is_tarball(spec: &str) -> bool {
    let ends = |suffix: &str| {
        let start = spec.len().checked_sub(suffix.len());
        let tail = start.and_then(|start| spec.as_bytes().get(start..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix.as_bytes()))
    };
    ends(".tgz") || ends(".tar.gz") || ends(".tar")
}

/// Reads a path or `file:` URL, relative to `base`.
///
/// Source: `fromFile` of `npm-package-arg`, on POSIX.
pub(super) fn parse(raw: &str, base: &Path) -> Result<SpecKind, SpecError> {
    let flaw = || SpecError::File {
        raw: raw.to_owned(),
    };
    let base = resolve("/", &base.to_string_lossy());
    let url = repair(file_url(raw));
    let folder = Url::parse(&format!("{}/", file_url(&base))).map_err(|_| flaw())?;
    let resolved = folder.join(&url).map_err(|_| flaw())?;
    let alone = Url::parse(&url).map_err(|_| flaw())?;
    let written = decode_component(alone.path()).ok_or_else(flaw)?;
    let mut path = decode_component(resolved.path()).ok_or_else(flaw)?;

    let save = if written == "/~" || written.starts_with("/~/") {
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/"));
        path = resolve(
            &home.to_string_lossy(),
            written.get(3..).unwrap_or_default(),
        );
        written.get(1..).unwrap_or_default().to_owned()
    } else if url["file:".len()..].starts_with('/') {
        resolve("/", &path)
    } else {
        relative(&base, &path)
    };
    let save = format!("file:{}", save.replace('\\', "/"));
    let save = match save.strip_prefix("file://") {
        Some(rest) => format!("file:/{rest}"),
        None => save,
    };
    let path = PathBuf::from(resolve(&base, &path));
    Ok(if is_tarball(raw) {
        SpecKind::File { path, save }
    } else {
        SpecKind::Directory { path, save }
    })
}

/// What npm tolerates: `file://path` is absolute, `file:/../path` and `file:///./path` are not.
fn repair(mut url: String) -> String {
    if let Some(rest) = url.strip_prefix("file://")
        && !rest.is_empty()
        && !rest.starts_with('/')
    {
        url.insert("file:".len(), '/');
    }
    let rest = &url["file:".len()..];
    let below = rest.trim_start_matches('/');
    let slashes = rest.len() - below.len();
    let first = below.split('/').next();
    if (1..=3).contains(&slashes) && matches!(first, Some("." | "..")) {
        url.replace_range("file:".len().."file:".len() + slashes, "");
    }
    url
}

/// A path as a `file:` URL, with what has a meaning in URLs escaped.
fn file_url(path: &str) -> String {
    let mut url = String::with_capacity(path.len() + 8);
    for c in path.chars() {
        match c {
            '\0' | '\t' | '\n' | '\r' | ' ' | '"' | '#' | '%' | '?' | '[' | '\\' | ']' | '^'
            | '|' | '~' => {
                let _ = write!(url, "%{:02X}", c as u32); // a String takes everything
            }
            c => url.push(c),
        }
    }
    if !url.starts_with("file:") {
        url.insert_str(0, "file:");
    }
    url
}
