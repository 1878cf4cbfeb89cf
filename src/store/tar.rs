//! A strict walk over a tar archive in memory: what other readers might read differently is refused.
//!
//! Types `0`, NUL and `7` are files, `5` a folder, `x g L K` metadata, `2` a link that is never
//! made; everything else is refused. The first folder is taken off, folders come into being only as
//! parents of files, a `.gitignore` becomes `.npmignore` unless its folder has one.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::Limits;
use super::error::{Flaw, Rule, printable};
use super::header::{self, Header, Metadata};
use super::path;

pub(super) const BLOCK: usize = 512;

/// A regular file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File<'a> {
    /// `/`-separated, below the package's folder.
    pub path: String,
    /// Had any execute bit.
    pub executable: bool,
    pub bytes: &'a [u8],
}

/// What an archive holds, and what was left out of it without harm.
#[derive(Debug, Default)]
pub struct Contents<'a> {
    pub files: Vec<File<'a>>,
    /// Plain sentences for the report.
    pub notes: Vec<String>,
}

/// Reads the whole archive or refuses it.
pub(super) fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Contents<'a>, Flaw> {
    let mut walk = Walk {
        bytes,
        at: 0,
        limits,
        entries: 0,
        root: None,
        names: FxHashMap::default(),
        contents: Contents::default(),
        metadata: Metadata::default(),
    };
    while walk.step()? {}
    walk.finish()
}

/// What a folded path stands for.
struct Known {
    path: String,
    what: What,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Folder,
    /// The place in the list of files.
    File(usize),
    Link,
}

struct Walk<'a, 'l> {
    bytes: &'a [u8],
    at: usize,
    limits: &'l Limits,
    entries: usize,
    root: Option<String>,
    names: FxHashMap<String, Known>,
    contents: Contents<'a>,
    metadata: Metadata<'a>,
}

impl<'a> Walk<'a, '_> {
    /// Takes one header and its body; `false` at the end of the archive.
    fn step(&mut self) -> Result<bool, Flaw> {
        let rest = &self.bytes[self.at..];
        let blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let Some(block) = rest.first_chunk::<BLOCK>() else {
            if !rest.is_empty() {
                return Err(Flaw::whole(Rule::Truncated));
            }
            let note = "the archive has no end marker".to_owned();
            self.contents.notes.push(note);
            return Ok(false);
        };
        if blank(block) {
            if !blank(rest) {
                return Err(Flaw::whole(Rule::TrailingData));
            }
            return Ok(false);
        }
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Flaw::whole(Rule::TooMany(self.limits.entries)));
        }
        let header = header::parse(block)?;
        self.at += BLOCK;
        if matches!(header.kind, b'x' | b'g' | b'L' | b'K') {
            self.amend(&header)?;
        } else {
            self.entry(&header)?;
        }
        Ok(true)
    }

    fn amend(&mut self, header: &Header<'a>) -> Result<(), Flaw> {
        if header.size > self.limits.metadata {
            let rule = Rule::MetadataTooLarge(self.limits.metadata);
            return Err(header.flaw(rule));
        }
        let body = self.body(header.size).map_err(|rule| header.flaw(rule))?;
        self.metadata
            .take(header.kind, body)
            .map_err(|rule| header.flaw(rule))
    }

    fn entry(&mut self, header: &Header<'a>) -> Result<(), Flaw> {
        let metadata = std::mem::take(&mut self.metadata);
        let name = metadata.path.clone().unwrap_or_else(|| header.path());
        self.place(header, &metadata, &name)
            .map_err(|rule| Flaw::new(&name, rule))
    }

    fn place(
        &mut self,
        header: &Header<'a>,
        metadata: &Metadata<'a>,
        name: &[u8],
    ) -> Result<(), Rule> {
        let size = header.size;
        if metadata.size.is_some_and(|other| other != size) {
            return Err(Rule::SizesDiffer);
        }
        let name = std::str::from_utf8(name).map_err(|_| Rule::NotUtf8)?;
        let split = path::split(name)?;
        match &self.root {
            None => self.root = Some(split.root.to_owned()),
            Some(root) if root == split.root => {}
            Some(_) => return Err(Rule::SeveralRoots),
        }
        let path = split.rest;
        match header.kind {
            b'5' => self.folder(&path, size),
            b'0' | 0 if name.ends_with('/') => self.folder(&path, size),
            b'0' | 0 | b'7' => {
                let bytes = self.body(size)?;
                self.file(path, header.executable, bytes)
            }
            b'2' if size != 0 => Err(Rule::BadSize),
            b'2' => {
                let target = metadata.link.as_deref().unwrap_or(header.link);
                self.link(&path, target)
            }
            b'1' => Err(Rule::HardLink),
            other => Err(Rule::Kind(printable(&[other]))),
        }
    }

    /// The `size` bytes after the header, and the step over their padding.
    fn body(&mut self, size: u64) -> Result<&'a [u8], Rule> {
        let size = usize::try_from(size).map_err(|_| Rule::Truncated)?;
        let end = self.at.checked_add(size).ok_or(Rule::Truncated)?;
        let body = self.bytes.get(self.at..end).ok_or(Rule::Truncated)?;
        let padded = end.checked_next_multiple_of(BLOCK).ok_or(Rule::Truncated)?;
        // GNU tar and Python do not take an entry whose padding is cut.
        if padded > self.bytes.len() {
            return Err(Rule::Truncated);
        }
        self.at = padded;
        Ok(body)
    }

    fn folder(&mut self, path: &str, size: u64) -> Result<(), Rule> {
        if size != 0 {
            return Err(Rule::FolderWithBody);
        }
        if path.is_empty() {
            return Ok(());
        }
        self.know_parents(path)?;
        self.know_folder(path)
    }

    fn file(&mut self, path: Cow<'_, str>, executable: bool, bytes: &'a [u8]) -> Result<(), Rule> {
        if path.is_empty() {
            return Err(Rule::NoRoot);
        }
        let file = File {
            path: path.into_owned(),
            executable,
            bytes,
        };
        self.know_parents(&file.path)?;
        let folded = path::fold(&file.path);
        if let Some(known) = self.names.get(&folded) {
            return self.again(known, &file);
        }
        let known = Known {
            path: file.path.clone(),
            what: What::File(self.contents.files.len()),
        };
        self.names.insert(folded, known);
        self.contents.files.push(file);
        Ok(())
    }

    /// The same file once more is harmless: every reader ends with the same tree.
    fn again(&self, known: &Known, file: &File<'_>) -> Result<(), Rule> {
        match known.what {
            _ if known.path != file.path => Err(Rule::Twins(printable(known.path.as_bytes()))),
            What::Folder => Err(Rule::FileAndFolder),
            What::Link => Err(Rule::ThroughLink),
            What::File(at) => match self.contents.files.get(at) {
                Some(former) if former == file => Ok(()),
                _ => Err(Rule::Twice),
            },
        }
    }

    fn link(&mut self, path: &str, target: &[u8]) -> Result<(), Rule> {
        let target = std::str::from_utf8(target).map_err(|_| Rule::NotUtf8)?;
        if path.is_empty() || !path::link_stays_inside(path, target) {
            return Err(Rule::LinkLeaves);
        }
        self.know_parents(path)?;
        let known = Known {
            path: path.to_owned(),
            what: What::Link,
        };
        if self.names.insert(path::fold(path), known).is_some() {
            return Err(Rule::Twice);
        }
        let note = format!("the link \"{}\" is left out", printable(path.as_bytes()));
        self.contents.notes.push(note);
        Ok(())
    }

    fn know_parents(&mut self, path: &str) -> Result<(), Rule> {
        let Some((parent, _)) = path.rsplit_once('/') else {
            return Ok(());
        };
        // Neighbours in an archive share their folder, which is then known with all above it.
        if self
            .contents
            .files
            .last()
            .and_then(|file| file.path.rsplit_once('/'))
            .map(|(last, _)| last)
            == Some(parent)
        {
            return Ok(());
        }
        for (at, _) in path.match_indices('/') {
            self.know_folder(&path[..at])?;
        }
        Ok(())
    }

    fn know_folder(&mut self, folder: &str) -> Result<(), Rule> {
        let key = path::fold(folder);
        match self.names.get(&key) {
            Some(known) if known.path != folder => {
                Err(Rule::Twins(printable(known.path.as_bytes())))
            }
            Some(known) => match known.what {
                What::Folder => Ok(()),
                What::Link => Err(Rule::ThroughLink),
                What::File(_) => Err(Rule::FileAndFolder),
            },
            None => {
                let known = Known {
                    path: folder.to_owned(),
                    what: What::Folder,
                };
                self.names.insert(key, known);
                Ok(())
            }
        }
    }

    fn finish(mut self) -> Result<Contents<'a>, Flaw> {
        if self.metadata.is_pending() {
            return Err(Flaw::whole(Rule::Dangling));
        }
        self.rename_ignore_files();
        Ok(self.contents)
    }

    /// npm's rule: `.gitignore` is `.npmignore` where the folder has none of its own.
    fn rename_ignore_files(&mut self) {
        let names = &self.names;
        self.contents.files.retain_mut(|file| {
            let Some(stem) = file.path.strip_suffix(".gitignore") else {
                return true;
            };
            if !stem.is_empty() && !stem.ends_with('/') {
                return true;
            }
            let new = format!("{stem}.npmignore");
            if names.contains_key(&path::fold(&new)) {
                return false;
            }
            file.path = new;
            true
        });
    }
}
