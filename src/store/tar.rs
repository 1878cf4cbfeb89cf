//! A strict walk over a tar archive in memory: what other readers might read differently is refused.
//!
//! Types `0`, NUL and `7` are files, `5` a folder, `x g L K` metadata, `2` a link that is never
//! made; everything else is refused. The first folder is taken off, folders come into being only as
//! parents of files, a `.gitignore` becomes `.npmignore` unless its folder has one.

use std::borrow::Cow;

use super::Limits;
use super::error::{Flaw, Rule, printable};
use super::header::{self, Header, Metadata};
use super::names::{Names, What};
use super::path;
use super::spill::Content;

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
pub(super) fn read<'a>(content: &'a Content, limits: &Limits) -> Result<Contents<'a>, Flaw> {
    let mut walk = Walk {
        content,
        bytes: content.bytes(),
        at: 0,
        let_go: 0,
        limits,
        entries: 0,
        root: None,
        names: Names::new(limits.entries),
        contents: Contents::default(),
        metadata: Metadata::default(),
    };
    while walk.step()? {}
    walk.finish()
}

/// Bytes after which a file's pages are let go of.
const STRIDE: usize = 8 << 20;

struct Walk<'a, 'l> {
    content: &'a Content,
    bytes: &'a [u8],
    at: usize,
    /// Up to here.
    let_go: usize,
    limits: &'l Limits,
    entries: usize,
    root: Option<String>,
    names: Names,
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
            for piece in rest.chunks(STRIDE) {
                if !blank(piece) {
                    return Err(Flaw::whole(Rule::TrailingData));
                }
                self.content.let_go();
            }
            return Ok(false);
        }
        if self.at - self.let_go > STRIDE {
            self.content.let_go();
            self.let_go = self.at;
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
        if metadata.link.is_some() && header.kind != b'2' {
            return Err(Rule::NoLink);
        }
        match header.kind {
            // Of an old archive it is a folder; of a new one some readers say so, some do not.
            b'0' | b'7' if name.ends_with('/') => Err(Rule::FileAndFolder),
            b'5' => self.folder(&path, size),
            0 if name.ends_with('/') => self.folder(&path, size),
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
        match self.names.add(path, What::Folder)? {
            None | Some(What::Folder) => Ok(()),
            Some(What::Link) => Err(Rule::ThroughLink),
            Some(What::File(_)) => Err(Rule::FileAndFolder),
        }
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
        let at = self.contents.files.len();
        match self.names.add(&file.path, What::File(at))? {
            None => self.contents.files.push(file),
            Some(What::Folder) => return Err(Rule::FileAndFolder),
            Some(What::Link) => return Err(Rule::ThroughLink),
            // The same file once more is harmless: every reader ends with the same tree.
            Some(What::File(at)) if self.contents.files.get(at) == Some(&file) => {}
            Some(What::File(_)) => return Err(Rule::Twice),
        }
        Ok(())
    }

    fn link(&mut self, path: &str, target: &[u8]) -> Result<(), Rule> {
        let target = std::str::from_utf8(target).map_err(|_| Rule::NotUtf8)?;
        if path.is_empty() || !path::link_stays_inside(path, target) {
            return Err(Rule::LinkLeaves);
        }
        if self.names.add(path, What::Link)?.is_some() {
            return Err(Rule::Twice);
        }
        let note = format!("the link \"{}\" is left out", printable(path.as_bytes()));
        self.contents.notes.push(note);
        Ok(())
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
            if names.has(&new) {
                return false;
            }
            file.path = new;
            true
        });
    }
}
