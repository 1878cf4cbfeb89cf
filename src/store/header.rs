//! Tar's 512-byte headers, and the pax and GNU records that amend them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::error::{Flaw, Rule, printable};
use super::tar::BLOCK;

/// The fields of a header that an install depends on; owner and times are not read.
pub(super) struct Header<'a> {
    name: &'a [u8],
    prefix: &'a [u8],
    pub link: &'a [u8],
    pub kind: u8,
    pub size: u64,
    pub executable: bool,
}

impl<'a> Header<'a> {
    /// Name and prefix joined.
    pub fn path(&self) -> Cow<'a, [u8]> {
        if self.prefix.is_empty() {
            Cow::Borrowed(self.name)
        } else {
            Cow::Owned([self.prefix, b"/", self.name].concat())
        }
    }

    pub fn flaw(&self, rule: Rule) -> Flaw {
        Flaw::new(&self.path(), rule)
    }
}

/// Parses a header block whose checksum holds.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Header<'_>, Flaw> {
    let name = until_nul(&block[..100]);
    let prefix = until_nul(&block[345..500]);
    let mut header = Header {
        name,
        prefix,
        link: until_nul(&block[157..257]),
        kind: block[156],
        size: 0,
        executable: octal(&block[100..108]).is_some_and(|mode| mode & 0o111 != 0),
    };
    if octal(&block[148..156]) != Some(checksum(block)) {
        return Err(header.flaw(Rule::Checksum));
    }
    // With another magic, GNU's or none, some readers prepend the prefix and some do not.
    if !prefix.is_empty() && &block[257..265] != b"ustar\x0000" {
        return Err(header.flaw(Rule::Prefix));
    }
    let numbers = NUMBERS
        .iter()
        .all(|(start, end)| is_number(&block[*start..*end]));
    // Some readers know a mode in binary, others take it for none.
    let binary_mode = matches!(block[100], 0x80..);
    // Where the prefix is short, star has two more times behind it.
    let times = block[475] == 0 && &block[257..265] == b"ustar\x0000";
    let times_fit = !times || (is_time(&block[476..488]) && is_time(&block[488..500]));
    if !numbers || binary_mode || !times_fit {
        return Err(header.flaw(Rule::BadField));
    }
    // npm leaves such an entry out, others take it.
    if !header.link.is_empty() && matches!(header.kind, b'0' | 0 | b'7' | b'L' | b'K') {
        return Err(header.flaw(Rule::NoLink));
    }
    header.size = match size(&block[124..136]) {
        Some(size) => size,
        None => return Err(header.flaw(Rule::BadSize)),
    };
    Ok(header)
}

/// Mode, owners, time, device: some readers stop at one that is no number.
const NUMBERS: [(usize, usize); 6] = [
    (100, 108),
    (108, 116),
    (116, 124),
    (136, 148),
    (329, 337),
    (337, 345),
];

/// Octal digits, GNU's binary form, or nothing at all.
fn is_number(field: &[u8]) -> bool {
    is_small_binary(field)
        || field.iter().all(|byte| matches!(byte, 0 | b' '))
        || octal(field).is_some()
}

/// GNU's binary form of a number that JavaScript has, too: node-tar drops an entry with another.
fn is_small_binary(field: &[u8]) -> bool {
    let low = field.len().saturating_sub(6);
    match field {
        [0x80, rest @ ..] => {
            let (high, _) = rest.split_at(rest.len().saturating_sub(7));
            let top = rest.get(high.len()).is_none_or(|byte| *byte < 0x20);
            high.iter().all(|byte| *byte == 0) && top
        }
        [0xff, ..] => field[..low].iter().all(|byte| *byte == 0xff),
        _ => false,
    }
}

/// Nothing that a reader would stop at.
fn is_time(field: &[u8]) -> bool {
    field[0] < 0x80 || is_small_binary(field)
}

fn until_nul(field: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, field).unwrap_or(field.len());
    &field[..end]
}

/// The sum of all bytes, the checksum's own eight counted as spaces.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    sum(&block[..148]) + sum(&block[156..]) + 8 * u64::from(b' ')
}

/// Octal digits between blanks and NULs; `None` for anything else, and for nothing at all.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|byte| *byte != b' ')?;
    let digits = &field[start..];
    let end = digits
        .iter()
        .position(|byte| !(b'0'..=b'7').contains(byte))
        .unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if digits.is_empty() || digits.len() > 21 || rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |value, digit| value * 8 + u64::from(digit - b'0')),
    )
}

/// Octal, or GNU's binary form as long as it is positive and could be a length.
fn size(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, 0, 0, 0, low @ ..] => {
            let value = u64::from_be_bytes(low.try_into().ok()?);
            i64::try_from(value).ok().map(|_| value)
        }
        _ => octal(field),
    }
}

/// What pax or GNU records say about the entry that follows them.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    source: Option<u8>,
    /// A global header came, and nothing yet that it could be for.
    global: bool,
    pub path: Option<Cow<'a, [u8]>>,
    pub link: Option<Cow<'a, [u8]>>,
    pub size: Option<u64>,
}

impl<'a> Metadata<'a> {
    /// Is there a record that waits for its entry?
    pub fn is_pending(&self) -> bool {
        self.source.is_some() || self.global
    }

    /// Takes the body of an `x`, `g`, `L` or `K` entry.
    ///
    /// One dialect for each entry, each record once: readers disagree about the rest.
    pub fn take(&mut self, kind: u8, body: &'a [u8]) -> Result<(), Rule> {
        match (self.source, kind) {
            (None, _) | (Some(b'L'), b'K') | (Some(b'K'), b'L') => {}
            _ => return Err(Rule::MixedMetadata),
        }
        match kind {
            b'g' => {
                self.global = true;
                return records(body, harmless);
            }
            b'x' => self.pax(body)?,
            b'L' if self.path.is_none() => self.path = Some(gnu(body)?),
            b'K' if self.link.is_none() => self.link = Some(gnu(body)?),
            _ => return Err(Rule::MixedMetadata),
        }
        self.source = Some(kind);
        Ok(())
    }

    fn pax(&mut self, body: &'a [u8]) -> Result<(), Rule> {
        records(body, |key, value| {
            match key {
                b"path" => self.path = Some(text(value)?),
                b"linkpath" => self.link = Some(text(value)?),
                b"size" => self.size = Some(decimal(value).ok_or(Rule::BadSize)?),
                _ => return harmless(key, value),
            }
            Ok(())
        })
    }
}

/// GNU's long names end in a NUL.
fn gnu(body: &[u8]) -> Result<Cow<'_, [u8]>, Rule> {
    let end = body
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    text(&body[..end])
}

fn text(value: &[u8]) -> Result<Cow<'_, [u8]>, Rule> {
    if value.is_empty() || value.contains(&0) {
        return Err(Rule::BadMetadata);
    }
    Ok(Cow::Borrowed(value))
}

fn decimal(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    i64::try_from(value).ok().map(|_| value)
}

/// Keys that cannot change what is installed: times, owners, vendors' own, comments.
fn harmless(key: &[u8], value: &[u8]) -> Result<(), Rule> {
    let plain = [
        "atime", "ctime", "mtime", "uid", "gid", "uname", "gname", "comment", "dev", "ino", "nlink",
    ];
    // Vendors' keys for sparse files and for parts of one are no mere notes.
    let frames = key.starts_with(b"GNU.")
        || matches!(key, b"SCHILY.realsize" | b"SCHILY.size" | b"SUN.holesdata");
    let known = plain.iter().any(|name| name.as_bytes() == key)
        || key.contains(&b'.') && !frames
        || matches!(key, b"charset" | b"hdrcharset") && value == b"ISO-IR 10646 2000 UTF-8";
    if known {
        Ok(())
    } else {
        Err(Rule::UnknownKey(printable(key)))
    }
}

/// Reads `LENGTH KEY=VALUE\n` records, each key once; the length counts all of its record.
fn records<'a>(
    mut body: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Rule>,
) -> Result<(), Rule> {
    let mut seen = BTreeSet::new();
    while !body.is_empty() {
        let space = memchr::memchr(b' ', body).ok_or(Rule::BadMetadata)?;
        let digits = &body[..space];
        let length = decimal(digits)
            .filter(|_| !digits.is_empty() && digits[0] != b'0')
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length > space + 1)
            .ok_or(Rule::BadMetadata)?;
        let (record, rest) = body.split_at_checked(length).ok_or(Rule::BadMetadata)?;
        let field = record[space + 1..]
            .strip_suffix(b"\n")
            .ok_or(Rule::BadMetadata)?;
        let equals = memchr::memchr(b'=', field).ok_or(Rule::BadMetadata)?;
        if equals == 0 {
            return Err(Rule::BadMetadata);
        }
        let key = &field[..equals];
        if !seen.insert(key) {
            return Err(Rule::RepeatedKey(printable(key)));
        }
        each(key, &field[equals + 1..])?;
        body = rest;
    }
    Ok(())
}
