//! A registry that is a folder: `NAME/packument.json[.gz]` and `NAME/-/FILE.tgz`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use url::Url;

use super::error::RegistryError;
use super::inflate::{InflateError, gunzip};
use super::network::{cut, shown, too_big};
use super::packument::Packument;
use super::slots::parse;
use crate::disk::{self, DiskError};

/// The packument of `name`, and the bytes that its file has. `name` is a valid package name.
///
/// `limit`: most bytes, inflated.
pub(super) fn packument(
    folder: &Path,
    name: &Arc<str>,
    limit: u64,
) -> Result<(Packument, u64), RegistryError> {
    let plain = folder.join(&**name).join("packument.json");
    let url = file_url(&plain);
    if let Some(bytes) = disk::read_if_there(&plain).map_err(|e| unreadable(&plain, e))? {
        let length = bytes.len() as u64;
        if length > limit {
            return Err(too_big(&url, limit));
        }
        return Ok((parse(name, bytes, &url, &str::to_owned)?, length));
    }
    let packed = plain.with_extension("json.gz");
    let body = disk::read_if_there(&packed).map_err(|e| unreadable(&packed, e))?;
    let Some(body) = body else {
        return Err(RegistryError::NotFound {
            name: name.clone(),
            url: shown(&url),
        });
    };
    let bytes = gunzip(&body, limit as usize, Vec::new()).map_err(|error| match error {
        InflateError::TooBig => too_big(&url, limit),
        InflateError::Broken => cut(&url, "its compression is broken"),
    })?;
    Ok((parse(name, bytes, &url, &str::to_owned)?, body.len() as u64))
}

/// Where a folder registry has the tarball that a packument or lock places on some host: any URL
/// whose path ends in `/NAME/-/FILE.tgz`.
pub(super) fn tarball(folder: &Path, name: &str, url: &Url) -> Option<PathBuf> {
    let path = percent_decode_str(url.path()).decode_utf8().ok()?;
    let (before, file) = path.rsplit_once("/-/")?;
    let of_package = before == name || before.ends_with(&format!("/{name}"));
    let plain = !file.is_empty() && !file.contains(['/', '\\', '\0']) && file != "..";
    (of_package && plain).then(|| folder.join(name).join("-").join(file))
}

pub(super) fn read_tarball(path: &Path, name: &Arc<str>) -> Result<Vec<u8>, RegistryError> {
    let found = disk::read_if_there(path).map_err(|error| unreadable(path, error))?;
    found.ok_or_else(|| RegistryError::NotFound {
        name: name.clone(),
        url: shown(&file_url(path)),
    })
}

fn unreadable(path: &Path, source: DiskError) -> RegistryError {
    RegistryError::Folder {
        path: Arc::new(path.to_owned()),
        source: Arc::new(source),
    }
}

fn file_url(path: &Path) -> Url {
    Url::from_file_path(path).unwrap_or_else(|()| {
        let mut url = Url::parse("file:///").unwrap_or_else(|_| unreachable!("a constant"));
        url.set_path(&path.to_string_lossy());
        url
    })
}
