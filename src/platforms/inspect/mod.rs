//! Finds out what binds a package to a platform, by opening its files.
//!
//! Every file is asked for its first bytes; what begins like a binary is read whole. The package's
//! own manifest tells how it gets native code, and the scripts it runs at an install tell the rest.
//! All of it is foreign: every count is bounded, and what cannot be read is left out.

mod bytes;
mod download;
mod elf;
mod files;
mod keep;
mod macho;
mod manifest;
mod napi;
mod node;
mod package;
mod pe;
mod recipes;
pub mod signs;
mod steps;

pub use bytes::ends_in;
pub use files::{Files, Stored};
pub use keep::{decode, encode};
use package::Package;

use super::facts::{Binary, Facts, Format, Kind, Slice};

/// Everything in the package that may tie it to a platform.
///
/// `None` when a file cannot be read as the store promised it.
pub fn facts(files: &dyn Files) -> Option<Facts> {
    let mut binaries = Vec::new();
    for (at, (path, _)) in files.list().into_iter().enumerate() {
        let head = files.head(at)?;
        if is_candidate(&head, path) {
            binaries.extend(binary(path, &files.read(at)?));
        }
    }
    binaries.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = manifest::read(files)?;
    Some(Facts {
        recipes: recipes::recipes(&Package::new(files), &manifest, &binaries),
        binaries,
        scripts: manifest::scripts(&manifest),
        declared: manifest::declared(&manifest),
    })
}

/// What a compiled file says of itself; `None` for what is none.
pub fn binary(path: &str, bytes: &[u8]) -> Option<Binary> {
    let (format, kind, slices) = read(bytes, path)?;
    Some(Binary {
        path: path.to_owned(),
        size: bytes.len() as u64,
        format,
        kind,
        slices,
    })
}

/// What a file is that begins like this.
fn format(head: &[u8], path: &str) -> Option<Format> {
    let first = head.first_chunk::<4>()?;
    match first {
        b"\x7fELF" => Some(Format::Elf),
        b"\0asm" => Some(Format::Wasm),
        b"\xfe\xed\xfa\xce" | b"\xfe\xed\xfa\xcf" | b"\xce\xfa\xed\xfe" | b"\xcf\xfa\xed\xfe" => {
            Some(Format::MachO)
        }
        // Java's classes begin so, too; they go on with a version, which is 45 or more.
        b"\xca\xfe\xba\xbe" | b"\xca\xfe\xba\xbf" => {
            let count = u32::from_be_bytes(*head.get(4..)?.first_chunk()?);
            (1..45).contains(&count).then_some(Format::MachO)
        }
        [b'M', b'Z', ..] => Some(Format::Pe),
        // A Windows object file has no sign but its name.
        [0x64, 0x86 | 0xaa, ..] | [0x4c, 0x01, ..] if ends_in(path, "obj") => Some(Format::Pe),
        _ => None,
    }
}

const ARCHIVE: &[u8; 8] = b"!<arch>\n";

fn is_candidate(head: &[u8], path: &str) -> bool {
    head == ARCHIVE || format(head, path).is_some()
}

/// What a file is, and its slices: none of one that cannot be read. `None` for what only begins
/// like a binary.
fn read(bytes: &[u8], path: &str) -> Option<(Format, Kind, Vec<Slice>)> {
    if bytes.starts_with(ARCHIVE) {
        return archive(bytes);
    }
    let format = format(bytes.get(..files::HEAD)?, path)?;
    let one = |(kind, slice)| (kind, vec![slice]);
    let unreadable = if ends_in(path, "node") {
        Kind::Addon
    } else {
        Kind::Library
    };
    let broken = (unreadable, Vec::new());
    let (kind, slices) = match format {
        Format::Wasm => (Kind::Wasm, Vec::new()),
        Format::Elf => elf::read(bytes).map_or(broken, one),
        Format::MachO => macho::read(bytes).unwrap_or(broken),
        // Two letters are no proof.
        Format::Pe if bytes.starts_with(b"MZ") => pe::read(bytes).map(one)?,
        Format::Pe => one((Kind::Object, pe::read_object(bytes)?)),
    };
    Some((format, kind, slices))
}

/// A library of object files: what the first of them is that can be read.
fn archive(bytes: &[u8]) -> Option<(Format, Kind, Vec<Slice>)> {
    const MOST_MEMBERS: usize = 64;
    let archive = object::read::archive::ArchiveFile::parse(bytes).ok()?;
    let members = archive.members().take(MOST_MEMBERS).map_while(Result::ok);
    let mut members = members.filter_map(|member| member.data(bytes).ok());
    members.find_map(|member| {
        let (format, slices) = match format(member.get(..files::HEAD)?, "member.obj")? {
            Format::Elf => (Format::Elf, vec![elf::read(member)?.1]),
            Format::MachO => (Format::MachO, macho::read(member)?.1),
            Format::Pe => (Format::Pe, vec![pe::read_object(member)?]),
            Format::Wasm => return None,
        };
        Some((format, Kind::Object, slices))
    })
}
