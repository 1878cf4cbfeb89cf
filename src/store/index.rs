//! The index of one stored package, in a form that is read in place.
//!
//! Little-endian: magic (8), sha512 of the tarball (64), boot id (16), digest of the manifest's
//! claims (32), then six `u32`: files,
//! folders, length of the texts, of the name, of the version, flags. Per file: size, mtime in ns,
//! inode (8 each), BLAKE3 (32), start and length of its path among the texts, mode, flags (4 each).
//! Per folder: start and length. Then the texts, beginning with name and version, then the BLAKE3 of
//! everything before. Files lie in the package's stored folder under their number.

const MAGIC: &[u8; 8] = b"heatsea2";
const HEAD: usize = 8 + 64 + 16 + 32 + 6 * 4;
const FILE: usize = 3 * 8 + 32 + 4 * 4;
const FOLDER: usize = 8;
const SEAL: usize = 32;

const HAS_INSTALL_SCRIPT: u32 = 1;
const CRLF_SHEBANG: u32 = 1;

/// One file of a stored package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Below the package's folder, `/`-separated.
    pub path: &'a str,
    pub stamp: Stamp,
    pub blake3: [u8; 32],
    /// Does a first line `#!…` end in CRLF? npm mends that when a bin points here.
    pub crlf_shebang: bool,
}

/// What `stat` said when the content was last hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime: i64,
    pub inode: u64,
    /// Permission bits.
    pub mode: u32,
}

/// A validated index.
#[derive(Debug, Clone)]
pub struct Index {
    bytes: Vec<u8>,
    texts: Box<str>,
    files: usize,
    folders: usize,
    name: usize,
    version: usize,
    flags: u32,
}

/// What goes into an index.
pub(super) struct Draft<'a> {
    pub sha512: [u8; 64],
    pub boot: [u8; 16],
    pub name: &'a str,
    pub version: &'a str,
    pub has_install_script: bool,
    pub claims: [u8; 32],
    pub files: Vec<Record<'a>>,
}

impl Draft<'_> {
    pub fn encode(&self) -> Vec<u8> {
        let folders = folders(self.files.iter().map(|file| file.path));
        let mut texts = [self.name, self.version].concat();
        let mut place = |text: &str| {
            let start = texts.len() as u32;
            texts.push_str(text);
            [start.to_le_bytes(), (text.len() as u32).to_le_bytes()].concat()
        };
        let mut rows = Vec::with_capacity(self.files.len() * FILE + folders.len() * FOLDER);
        for file in &self.files {
            rows.extend(file.stamp.size.to_le_bytes());
            rows.extend(file.stamp.mtime.to_le_bytes());
            rows.extend(file.stamp.inode.to_le_bytes());
            rows.extend(file.blake3);
            rows.extend(place(file.path));
            rows.extend(file.stamp.mode.to_le_bytes());
            rows.extend((u32::from(file.crlf_shebang) * CRLF_SHEBANG).to_le_bytes());
        }
        for folder in &folders {
            rows.extend(place(folder));
        }
        let mut bytes = Vec::with_capacity(HEAD + rows.len() + texts.len() + SEAL);
        bytes.extend(MAGIC);
        bytes.extend(self.sha512);
        bytes.extend(self.boot);
        bytes.extend(self.claims);
        for number in [
            self.files.len(),
            folders.len(),
            texts.len(),
            self.name.len(),
            self.version.len(),
        ] {
            bytes.extend((number as u32).to_le_bytes());
        }
        bytes.extend((u32::from(self.has_install_script) * HAS_INSTALL_SCRIPT).to_le_bytes());
        bytes.extend(rows);
        bytes.extend(texts.as_bytes());
        let seal = blake3::hash(&bytes);
        bytes.extend(seal.as_bytes());
        bytes
    }
}

/// All folders that `paths` need, parents first.
pub(crate) fn folders<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut folders: Vec<&str> = Vec::new();
    let mut last = "";
    for path in paths {
        let Some((parent, _)) = path.rsplit_once('/') else {
            continue;
        };
        if parent == last {
            continue;
        }
        last = parent;
        folders.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    folders.sort_unstable();
    folders.dedup();
    folders
}

impl Index {
    /// `None` for anything but a whole index of the tarball with this sha512.
    pub(super) fn parse(bytes: Vec<u8>, sha512: &[u8; 64]) -> Option<Self> {
        let (body, seal) = bytes.split_last_chunk::<SEAL>()?;
        if blake3::hash(body) != *seal || !body.starts_with(MAGIC) || body.get(8..72)? != sha512 {
            return None;
        }
        let number = |at: usize| Some(u32_at(body, 120 + 4 * at)? as usize);
        let index = Self {
            files: number(0)?,
            folders: number(1)?,
            name: number(3)?,
            version: number(4)?,
            flags: u32_at(body, 120 + 20)?,
            bytes: Vec::new(),
            texts: Box::default(),
        };
        let rows = index
            .files
            .checked_mul(FILE)?
            .checked_add(index.folders.checked_mul(FOLDER)?)?;
        let texts = std::str::from_utf8(body.get(HEAD.checked_add(rows)?..)?).ok()?;
        if texts.len() != number(2)? {
            return None;
        }
        texts.get(..index.name.checked_add(index.version)?)?;
        texts.get(..index.name)?;
        let texts = texts.into();
        let index = Self {
            bytes,
            texts,
            ..index
        };
        index.is_sound().then_some(index)
    }

    /// Every path lies among the texts and inside the package.
    fn is_sound(&self) -> bool {
        let safe = |path: Option<&str>| {
            path.is_some_and(|path| {
                !path.is_empty() && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
            })
        };
        (0..self.files).all(|at| safe(self.text(Self::row(at) + 56)))
            && (0..self.folders).all(|at| safe(self.text(self.folder_row(at))))
    }

    fn row(file: usize) -> usize {
        HEAD + file * FILE
    }

    fn folder_row(&self, folder: usize) -> usize {
        HEAD + self.files * FILE + folder * FOLDER
    }

    /// The text whose start and length stand at `at`.
    fn text(&self, at: usize) -> Option<&str> {
        let start = u32_at(&self.bytes, at)? as usize;
        let length = u32_at(&self.bytes, at + 4)? as usize;
        let texts = self.texts();
        texts.get(start..start.checked_add(length)?)
    }

    fn texts(&self) -> &str {
        &self.texts
    }

    pub fn len(&self) -> usize {
        self.files
    }

    pub fn is_empty(&self) -> bool {
        self.files == 0
    }

    /// The boot in which the stamps were taken.
    pub(super) fn boot(&self) -> &[u8] {
        self.bytes.get(72..88).unwrap_or_default()
    }

    /// Digest of what the package.json says that steers an install.
    pub fn claims(&self) -> [u8; 32] {
        let digest = self.bytes.get(88..120).unwrap_or_default();
        digest.try_into().unwrap_or_default()
    }

    /// As the package.json in the tarball has it.
    pub fn name(&self) -> &str {
        self.texts().get(..self.name).unwrap_or_default()
    }

    /// As the package.json in the tarball has it.
    pub fn version(&self) -> &str {
        let end = self.name + self.version;
        self.texts().get(self.name..end).unwrap_or_default()
    }

    /// Are there `preinstall`, `install` or `postinstall` scripts, or a `binding.gyp`?
    pub fn has_install_script(&self) -> bool {
        self.flags & HAS_INSTALL_SCRIPT != 0
    }

    /// Files in their stored order.
    pub fn files(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        let texts = self.texts();
        (0..self.files).map(move |at| self.record(texts, at))
    }

    fn record<'a>(&'a self, texts: &'a str, file: usize) -> Record<'a> {
        let row = self.bytes.get(Self::row(file)..).unwrap_or_default();
        let row: &[u8; FILE] = row.first_chunk().unwrap_or(&[0; FILE]);
        let wide = |at: usize| u64_at(row, at).unwrap_or_default();
        let narrow = |at: usize| u32_at(row, at).unwrap_or_default();
        let (start, length) = (narrow(56) as usize, narrow(60) as usize);
        Record {
            path: texts.get(start..start + length).unwrap_or_default(),
            stamp: Stamp {
                size: wide(0),
                mtime: wide(8).cast_signed(),
                inode: wide(16),
                mode: narrow(64),
            },
            blake3: row[24..56].try_into().unwrap_or_default(),
            crlf_shebang: narrow(68) & CRLF_SHEBANG != 0,
        }
    }

    /// Folders that the files need, parents first.
    pub fn folders(&self) -> impl ExactSizeIterator<Item = &str> {
        let texts = self.texts();
        (0..self.folders).map(move |at| {
            let row = self.folder_row(at);
            let start = u32_at(&self.bytes, row).unwrap_or_default() as usize;
            let length = u32_at(&self.bytes, row + 4).unwrap_or_default() as usize;
            texts.get(start..start + length).unwrap_or_default()
        })
    }

    /// The number of the file at `path`.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.files().position(|file| file.path == path)
    }

    /// The same index with fresh stamps.
    pub(super) fn restamped(&self, stamps: &[Stamp], boot: [u8; 16]) -> Vec<u8> {
        let files = self.files().zip(stamps);
        Draft {
            sha512: *self.bytes[8..].first_chunk().unwrap_or(&[0; 64]),
            boot,
            name: self.name(),
            version: self.version(),
            has_install_script: self.has_install_script(),
            claims: self.claims(),
            files: files
                .map(|(file, stamp)| Record {
                    stamp: *stamp,
                    ..file
                })
                .collect(),
        }
        .encode()
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
