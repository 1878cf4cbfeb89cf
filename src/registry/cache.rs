//! Packuments on disk, read in place: one file for each registry and name.
//!
//! A file is a head (who, `ETag`, age, dist-tags, version texts, one row per version, the order of
//! versions) and a body (records of fields, and the texts they point to, equal ones stored once).
//! The head has a checksum; each row has one for its record and texts. Numbers are little-endian.
//! A damaged file, another format, another registry or name: a miss, never an error.

use std::fs::{self, File};
use std::hash::Hasher as _;
use std::io::{self, Write as _};
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use memmap2::Mmap;
use rustc_hash::{FxHashMap, FxHasher};
use semver::{BuildMetadata, Prerelease, Version};

use super::fields::Field;
use super::packument::{Body, Json, Packument};
use crate::disk;
use crate::spec::{Mode, parse_version};

const MAGIC: &[u8; 8] = b"HSPKMT1\n";
const ROW: usize = 48;
const TEXTS: usize = 80;
const NO_TIME: i64 = i64::MIN;
/// Kinds of versions in a row: not semver; three numbers; with a prerelease, in its text.
const INVALID: u32 = 0;
const PLAIN: u32 = 1;
const TEXT: u32 = 2;

/// What is known about a document beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Meta {
    pub etag: String,
    /// Seconds for which nobody needs to ask again.
    pub max_age: u32,
}

/// The cache folder of one registry.
pub(super) struct Shelf {
    folder: PathBuf,
    registry: String,
}

/// A packument in the cache's form: a file, mapped, or what is going to be one.
pub(super) struct Cached {
    map: Bytes,
    texts: Vec<Range<usize>>,
    versions: usize,
    rows: usize,
    order: Range<usize>,
    path: PathBuf,
}

enum Bytes {
    Mapped(Mmap),
    /// Not written yet.
    Fresh(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Fresh(bytes) => bytes,
        }
    }
}

impl Shelf {
    pub fn new(cache_folder: &Path, registry: &str) -> Self {
        let digest = blake3::hash(registry.as_bytes()).to_hex();
        Self {
            folder: cache_folder.join("packuments-1").join(&digest[..16]),
            registry: registry.to_owned(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name.replace('/', "%2f"))
    }

    pub fn open(&self, name: &str) -> Option<Cached> {
        let path = self.path(name);
        let file = File::open(&path).ok()?;
        // SAFETY: cache files are renamed into place whole and never shortened; the one write into
        // them replaces 16 bytes. Every read of the map is bounds-checked and checksummed.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        Cached::check(Bytes::Mapped(map), path, &self.registry, name)
    }

    /// The packument in the cache's form, a fraction of the document's size; `None` when the form
    /// cannot hold it.
    pub fn compact(&self, packument: &Packument, meta: &Meta) -> Option<Cached> {
        let bytes = encode(packument, meta, &self.registry)?;
        let path = self.path(packument.name());
        Cached::check(Bytes::Fresh(bytes), path, &self.registry, packument.name())
    }

    /// Writes a fresh packument to its place. Failures are no matter: it is a cache.
    pub fn write(&self, packument: &Packument) {
        let Body::Cached(Cached {
            map: Bytes::Fresh(bytes),
            path,
            ..
        }) = &packument.body
        else {
            return;
        };
        let again = |_| {
            disk::make_private(&self.folder)?;
            put_file(path, bytes)
        };
        let _ = put_file(path, bytes).or_else(again);
    }
}

/// A new file needs no rename: until it is whole, its length tells it from a record. One that is
/// there is replaced as a whole, because others may have it mapped.
fn put_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = |path: &Path| {
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
    };
    match new(path) {
        Ok(mut file) => file.write_all(bytes).inspect_err(|_| {
            let _ = fs::remove_file(path);
        }),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let temporary = disk::beside(path);
            let written = new(&temporary)
                .and_then(|mut file| file.write_all(bytes))
                .and_then(|()| fs::rename(&temporary, path));
            written.inspect_err(|_| {
                let _ = fs::remove_file(&temporary);
            })
        }
        Err(error) => Err(error),
    }
}

impl Cached {
    fn check(map: Bytes, path: PathBuf, registry: &str, name: &str) -> Option<Self> {
        let head = map.get(..TEXTS)?;
        let number = |at| u32_at(head, at).map(|number| number as usize);
        let head_end = usize::try_from(u64_at(head, 40)?).ok()?;
        if head.get(..8)? != MAGIC || u64_at(head, 32)? != map.len() as u64 {
            return None;
        }
        if u64_at(head, 8)? != checksum([map.get(32..head_end)?]) {
            return None;
        }
        let (versions, tags) = (number(56)?, number(60)?);
        let (rows, order) = (number(64)?, number(68)?);
        let order = order..order.checked_add(number(72)?.checked_mul(4)?)?;
        let rows_end = rows.checked_add(versions.checked_mul(ROW)?)?;
        if rows_end > head_end || order.end > head_end {
            return None;
        }
        let mut texts = Vec::with_capacity(3 + 2 * tags.min(head_end));
        let mut at = TEXTS;
        for _ in 0..3 + 2 * tags {
            let start = at + 4;
            let end = start.checked_add(u32_at(&map, at)? as usize)?;
            std::str::from_utf8(map.get(start..end)?).ok()?;
            texts.push(start..end);
            at = end;
        }
        let cached = Self {
            map,
            texts,
            versions,
            rows,
            order,
            path,
        };
        (cached.text(0) == registry && cached.text(1) == name).then_some(cached)
    }

    fn text(&self, index: usize) -> &str {
        let span = self.texts.get(index).cloned().unwrap_or(0..0);
        std::str::from_utf8(self.map.get(span).unwrap_or_default()).unwrap_or_default()
    }

    pub fn etag(&self) -> &str {
        self.text(2)
    }

    pub fn tags(&self) -> impl Iterator<Item = (Box<str>, Box<str>)> {
        (3..self.texts.len())
            .step_by(2)
            .map(|at| (self.text(at).into(), self.text(at + 1).into()))
    }

    pub fn len(&self) -> usize {
        self.versions
    }

    pub fn has_time(&self) -> bool {
        u32_at(&self.map, 52).unwrap_or(0) & 1 == 1
    }

    /// Is it younger than the server said it may be?
    pub fn is_fresh(&self, now: u64) -> bool {
        let at = |offset| u64_at(&self.map, offset).unwrap_or(0);
        let (validated, mirror) = (at(16), at(24));
        let max_age = u64::from(u32_at(&self.map, 48).unwrap_or(0));
        validated == !mirror && validated <= now && now - validated < max_age
    }

    /// Notes that the server has just confirmed the document.
    pub fn refresh(&self, now: u64) {
        use std::os::unix::fs::FileExt as _;
        let mut stamp = [0; 16];
        stamp[..8].copy_from_slice(&now.to_le_bytes());
        stamp[8..].copy_from_slice(&(!now).to_le_bytes());
        if let Ok(file) = fs::OpenOptions::new().write(true).open(&self.path) {
            let _ = file.write_all_at(&stamp, 16);
        }
    }

    fn row(&self, index: usize) -> &[u8] {
        let start = self.rows + index * ROW;
        if index >= self.versions {
            return &[];
        }
        self.map.get(start..start + ROW).unwrap_or_default()
    }

    pub fn version_text(&self, index: usize) -> &str {
        let row = self.row(index);
        let part = || {
            let start = u32_at(row, 0)? as usize;
            let bytes = self.map.get(start..start + u32_at(row, 4)? as usize)?;
            std::str::from_utf8(bytes).ok()
        };
        part().unwrap_or_default()
    }

    /// The last version with this text.
    pub fn find(&self, text: &str) -> Option<usize> {
        let rows = self.map.get(self.rows..self.rows + self.versions * ROW)?;
        rows.chunks_exact(ROW).rposition(|row| {
            u32_at(row, 4) == Some(text.len() as u32)
                && u32_at(row, 0).is_some_and(|start| {
                    let start = start as usize;
                    self.map.get(start..start + text.len()) == Some(text.as_bytes())
                })
        })
    }

    pub fn version(&self, index: usize) -> Option<Version> {
        let row = self.row(index);
        match u32_at(row, 20)? {
            PLAIN => Some(Version {
                major: u32_at(row, 8)?.into(),
                minor: u32_at(row, 12)?.into(),
                patch: u32_at(row, 16)?.into(),
                pre: Prerelease::EMPTY,
                build: BuildMetadata::EMPTY,
            }),
            TEXT => parse_version(self.version_text(index), Mode::Loose),
            _ => None,
        }
    }

    /// Indices of valid versions, highest first.
    pub fn ranked(&self) -> impl Iterator<Item = usize> {
        let order = self.map.get(self.order.clone()).unwrap_or_default();
        order
            .chunks_exact(4)
            .filter_map(|bytes| u32_at(bytes, 0))
            .map(|index| index as usize)
    }

    pub fn time(&self, index: usize) -> Option<i64> {
        let time = u64_at(self.row(index), 32)?.cast_signed();
        (time != NO_TIME).then_some(time)
    }

    /// The texts of a version's fields; `None` when the file is damaged, which is then removed.
    pub fn fields(&self, index: usize) -> Option<Vec<(Field, &[u8])>> {
        let found = self.checked_fields(index);
        if found.is_none() {
            let _ = fs::remove_file(&self.path);
        }
        found
    }

    fn checked_fields(&self, index: usize) -> Option<Vec<(Field, &[u8])>> {
        let row = self.row(index);
        let start = u32_at(row, 24)? as usize;
        let length = (u32_at(row, 28)? as usize).checked_mul(8)?;
        let record = self.map.get(start..start.checked_add(length)?)?;
        let mut fields = Vec::with_capacity(length / 8);
        for entry in record.chunks_exact(8) {
            let at = u32_at(entry, 0)? as usize;
            let packed = u32_at(entry, 4)?;
            let text = self.map.get(at..at + (packed >> 8) as usize)?;
            fields.push(((packed & 0xff) as Field, text));
        }
        let texts = fields.iter().map(|(_, text)| *text);
        let sum = checksum(std::iter::once(record).chain(texts));
        (sum == u64_at(row, 40)?).then_some(fields)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Against accidents, not against attackers: who can write here can write anything.
fn checksum<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = FxHasher::default();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The file's bytes; `None` for documents that are not worth it or too large for the format.
fn encode(packument: &Packument, meta: &Meta, registry: &str) -> Option<Vec<u8>> {
    let Body::Json(json) = &packument.body else {
        return None;
    };
    if packument.restrictions().is_some() {
        return None;
    }
    let ranked = json.ranked();
    let mut out = vec![0; TEXTS];
    for text in [registry, packument.name(), &meta.etag] {
        push_text(&mut out, text)?;
    }
    let mut tags = 0_u32;
    for (tag, version) in packument.dist_tags() {
        push_text(&mut out, tag)?;
        push_text(&mut out, version)?;
        tags += 1;
    }
    let mut rows = vec![0; json.versions.len() * ROW];
    for (row, (text, _)) in rows.chunks_exact_mut(ROW).zip(&json.versions) {
        put(row, 0, u32::try_from(out.len()).ok()?);
        put(row, 4, u32::try_from(text.len()).ok()?);
        out.extend_from_slice(text.as_bytes());
    }
    let rows_at = out.len();
    out.resize(rows_at + rows.len(), 0);
    let order_at = out.len();
    out.extend(ranked.order.iter().flat_map(|index| index.to_le_bytes()));
    let head = Head {
        end: out.len(),
        rows_at,
        order_at,
        tags,
    };

    let mut known = FxHashMap::default();
    for (index, row) in rows.chunks_exact_mut(ROW).enumerate() {
        put_version(row, ranked.versions.get(index)?.as_ref());
        let time = match json.time {
            None => NO_TIME,
            Some(_) => packument
                .time(packument.version_text(index))
                .unwrap_or(NO_TIME),
        };
        row[32..40].copy_from_slice(&time.to_le_bytes());
        put_record(&mut out, row, &mut known, (json, index))?;
    }
    out[rows_at..rows_at + rows.len()].copy_from_slice(&rows);
    put_head(&mut out, &head, json, meta)?;
    Some(out)
}

/// Appends the fields of a version, each text once, and notes in the row where they are.
fn put_record<'a>(
    out: &mut Vec<u8>,
    row: &mut [u8],
    known: &mut FxHashMap<&'a [u8], u32>,
    (json, index): (&'a Json, usize),
) -> Option<()> {
    let fields = json.fields(index)?;
    let mut record = Vec::with_capacity(fields.len() * 8);
    let mut texts = Vec::with_capacity(fields.len());
    for (field, span) in &fields {
        let text = json.bytes.get(span.clone())?;
        let length = u32::try_from(text.len()).ok().filter(|n| *n < 1 << 24)?;
        let at = if let Some(at) = known.get(text) {
            *at
        } else {
            let at = u32::try_from(out.len()).ok()?;
            out.extend_from_slice(text);
            known.insert(text, at);
            at
        };
        record.extend_from_slice(&at.to_le_bytes());
        record.extend_from_slice(&(length << 8 | u32::from(*field)).to_le_bytes());
        texts.push(text);
    }
    put(row, 24, u32::try_from(out.len()).ok()?);
    put(row, 28, u32::try_from(fields.len()).ok()?);
    let sum = checksum(std::iter::once(record.as_slice()).chain(texts));
    row[40..48].copy_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(&record);
    Some(())
}

/// Where the parts of a file are.
struct Head {
    end: usize,
    rows_at: usize,
    order_at: usize,
    tags: u32,
}

/// Fills in the numbers at the file's start, the checksum of everything up to the records last.
fn put_head(out: &mut [u8], head: &Head, json: &Json, meta: &Meta) -> Option<()> {
    let (total, now) = (out.len() as u64, now());
    out[..8].copy_from_slice(MAGIC);
    out[16..24].copy_from_slice(&now.to_le_bytes());
    out[24..32].copy_from_slice(&(!now).to_le_bytes());
    out[32..40].copy_from_slice(&total.to_le_bytes());
    out[40..48].copy_from_slice(&(head.end as u64).to_le_bytes());
    put(out, 48, meta.max_age);
    put(out, 52, u32::from(json.time.is_some()));
    put(out, 56, u32::try_from(json.versions.len()).ok()?);
    put(out, 60, head.tags);
    put(out, 64, u32::try_from(head.rows_at).ok()?);
    put(out, 68, u32::try_from(head.order_at).ok()?);
    put(out, 72, u32::try_from(json.ranked().order.len()).ok()?);
    let sum = checksum([out.get(32..head.end)?]);
    out[8..16].copy_from_slice(&sum.to_le_bytes());
    Some(())
}

fn push_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn put(out: &mut [u8], at: usize, number: u32) {
    out[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

fn put_version(row: &mut [u8], version: Option<&Version>) {
    let Some(version) = version else {
        return put(row, 20, INVALID);
    };
    let small = |number: u64| u32::try_from(number).ok();
    let numbers = small(version.major)
        .zip(small(version.minor))
        .zip(small(version.patch));
    match numbers {
        Some(((major, minor), patch)) if version.pre.is_empty() => {
            put(row, 8, major);
            put(row, 12, minor);
            put(row, 16, patch);
            put(row, 20, PLAIN);
        }
        _ => put(row, 20, TEXT),
    }
}
