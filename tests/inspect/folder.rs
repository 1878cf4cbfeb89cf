//! A package in memory.

use std::borrow::Cow;

use heatseal::platforms::facts::{Binary, Facts, Slice};
use heatseal::platforms::inspect::{self, Files};
use serde_json::Value;

#[derive(Default)]
pub struct Folder(Vec<(String, Vec<u8>)>);

impl Files for Folder {
    fn list(&self) -> Vec<(&str, u64)> {
        let files = self.0.iter();
        files
            .map(|(path, bytes)| (&**path, bytes.len() as u64))
            .collect()
    }

    fn head(&self, at: usize) -> Option<Vec<u8>> {
        let (_, bytes) = self.0.get(at)?;
        Some(bytes.get(..8).unwrap_or(bytes).to_vec())
    }

    fn read(&self, at: usize) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(&self.0.get(at)?.1))
    }
}

impl Folder {
    #[allow(clippy::needless_pass_by_value)] // as json! gives it
    pub fn with(manifest: Value) -> Self {
        Self::default().and("package.json", manifest.to_string())
    }

    pub fn and(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.0.push((path.to_owned(), bytes.as_ref().to_vec()));
        self
    }

    pub fn facts(&self) -> Facts {
        inspect::facts(self).expect("memory can be read")
    }
}

/// The only binary of a package that holds these bytes at `path`.
pub fn binary(path: &str, bytes: &[u8]) -> Binary {
    let folder = Folder::with(serde_json::json!({"name": "x"})).and(path, bytes);
    let mut binaries = folder.facts().binaries;
    assert_eq!(binaries.len(), 1, "{binaries:?}");
    binaries.remove(0)
}

pub fn slice(path: &str, bytes: &[u8]) -> Slice {
    let mut binary = binary(path, bytes);
    assert_eq!(binary.slices.len(), 1, "{binary:?}");
    binary.slices.remove(0)
}
