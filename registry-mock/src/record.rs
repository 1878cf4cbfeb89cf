//! Asks an upstream registry once for what the folder does not have yet, and keeps the answer.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING};
use hyper::{Response, StatusCode};

use crate::MockError;
use crate::answer::{blocking, json};
use crate::archive;
use crate::folder::{self, Folder};
use crate::wire::Body;

/// A registry to learn from.
pub struct Upstream {
    base: String,
    client: reqwest::Client,
}

/// What upstream said instead of the content.
#[derive(Debug)]
pub enum Refusal {
    Status(u16),
    Unreachable(String),
}

impl Refusal {
    /// The same status, or 502 when there was none.
    pub fn into_answer(self) -> Response<Body> {
        let (status, text) = match self {
            Self::Status(code) => (
                StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY),
                format!("upstream answered {code}"),
            ),
            Self::Unreachable(reason) => (StatusCode::BAD_GATEWAY, reason),
        };
        json(status, serde_json::json!({ "error": text }).to_string())
    }
}

impl Upstream {
    pub fn new(base: &str) -> Result<Self, MockError> {
        // A second installation fails, and finds what it would have installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .build()
            .map_err(|error| MockError::Scenario {
                place: base.to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            base: base.trim_end_matches('/').to_owned(),
            client,
        })
    }

    /// Makes sure that the folder has the packument, in full and with upstream's own addresses.
    pub async fn keep_packument(
        &self,
        folder: &Arc<Folder>,
        name: &str,
    ) -> Result<Option<Refusal>, MockError> {
        if folder::find_packument(folder.root(), name)?.is_some() {
            return Ok(None);
        }
        let url = format!("{}/{}", self.base, name.replace('/', "%2f"));
        let bytes = match self.get(&url, "application/json").await {
            Ok(bytes) => bytes,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let path = folder::packument_path(folder.root(), name).with_extension("json.gz");
        blocking(move || write_whole(&path, &archive::deflated(&bytes))).await?;
        Ok(None)
    }

    /// Makes sure that the folder has the tarball, from where its packument says that it is.
    pub async fn keep_tarball(
        &self,
        folder: &Arc<Folder>,
        name: &str,
        file: &str,
    ) -> Result<Option<Refusal>, MockError> {
        let path = folder::tarball_path(folder.root(), name, file);
        if path.exists() {
            return Ok(None);
        }
        if let Some(refusal) = self.keep_packument(folder, name).await? {
            return Ok(Some(refusal));
        }
        let Some(url) = address(folder, name, file).await? else {
            return Ok(Some(Refusal::Status(404)));
        };
        match self.get(&url, "*/*").await {
            Ok(bytes) => blocking(move || write_whole(&path, &bytes)).await?,
            Err(refusal) => return Ok(Some(refusal)),
        }
        Ok(None)
    }

    async fn get(&self, url: &str, accept: &str) -> Result<Bytes, Refusal> {
        let unreachable = |error: reqwest::Error| Refusal::Unreachable(error.to_string());
        let answer = self
            .client
            .get(url)
            .header(ACCEPT, accept)
            .header(ACCEPT_ENCODING, "gzip")
            .send()
            .await
            .map_err(unreachable)?;
        if !answer.status().is_success() {
            return Err(Refusal::Status(answer.status().as_u16()));
        }
        let compressed = answer
            .headers()
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| coding == "gzip");
        let bytes = answer.bytes().await.map_err(unreachable)?;
        if !compressed {
            return Ok(bytes);
        }
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_ref())
            .read_to_end(&mut plain)
            .map_err(|error| Refusal::Unreachable(error.to_string()))?;
        Ok(Bytes::from(plain))
    }
}

/// Where the kept packument says that a file is.
async fn address(
    folder: &Arc<Folder>,
    name: &str,
    file: &str,
) -> Result<Option<String>, MockError> {
    let (root, name, file) = (folder.root().to_owned(), name.to_owned(), file.to_owned());
    blocking(move || {
        let Some((path, _)) = folder::find_packument(&root, &name)? else {
            return Ok(None);
        };
        let packument = folder::read_packument(&path)?;
        Ok(folder::tarball_urls(&packument)
            .find(|url| folder::tarball_file(url) == file)
            .map(str::to_owned))
    })
    .await
}

/// Writes a file that appears only when it is complete.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), MockError> {
    static UNIQUE: AtomicU64 = AtomicU64::new(0);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(MockError::at("create", parent))?;
    }
    let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}-{unique}.part", std::process::id()));
    let part = PathBuf::from(part);
    fs::write(&part, bytes).map_err(MockError::at("write", &part))?;
    fs::rename(&part, path).map_err(MockError::at("write", path))
}
