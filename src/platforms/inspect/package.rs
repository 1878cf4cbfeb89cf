//! A package's text files by path, each read at most so far.

use super::Files;

/// Scripts are looked at so far.
const LONGEST_SCRIPT: usize = 128 << 10;
/// Larger files are no scripts.
const LARGEST_SCRIPT: u64 = 8 << 20;

pub struct Package<'a> {
    files: &'a dyn Files,
    list: Vec<(&'a str, u64)>,
}

impl<'a> Package<'a> {
    pub fn new(files: &'a dyn Files) -> Self {
        let list = files.list();
        Self { files, list }
    }

    pub fn has(&self, path: &str) -> bool {
        self.list.iter().any(|(there, _)| *there == path)
    }

    /// The beginning of a file as text, wherever Node would find it for this path: with `.js` at its
    /// end, or as a folder's index. With the file's own path.
    pub fn script(&self, path: &str) -> Option<(String, String)> {
        let path = normal(path)?;
        let ends = ["", ".js", ".cjs", ".mjs", "/index.js", "/index.cjs"];
        let found = ends.iter().map(|end| format!("{path}{end}"));
        let (at, path) = found.into_iter().find_map(|path| {
            let fits = |(there, size): &(&str, u64)| *there == path && *size <= LARGEST_SCRIPT;
            let at = self.list.iter().position(fits)?;
            Some((at, path))
        })?;
        let bytes = self.files.read(at)?;
        let bytes = bytes.get(..LONGEST_SCRIPT).unwrap_or(&bytes);
        Some((path, String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// `a/c.js` of `./a/b/../c.js`; `None` when it leads out of the package.
pub fn normal(path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
