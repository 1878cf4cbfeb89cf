//! Finds out what binds a package to a platform, by opening its files.
//!
//! Every file is asked for its first bytes; what begins like a binary is read whole. The package's
//! own manifest tells how it gets native code, and the scripts it runs at an install tell the rest.
//! All of it is foreign: every count is bounded, and what cannot be read is left out.

mod files;
mod keep;
mod manifest;

pub use files::{Files, Stored};
pub use keep::{decode, encode};

use super::facts::{Binary, Facts, Format, Kind};

/// Everything in the package that may tie it to a platform.
///
/// `None` when a file cannot be read as the store promised it.
pub fn facts(files: &dyn Files) -> Option<Facts> {
    let list = files.list();
    let mut binaries = Vec::new();
    for (at, (path, size)) in list.iter().enumerate() {
        let Some(format) = format(&files.head(at)?) else {
            continue;
        };
        binaries.push(Binary {
            path: (*path).to_owned(),
            size: *size,
            format,
            kind: if format == Format::Wasm {
                Kind::Wasm
            } else {
                Kind::Library
            },
            slices: Vec::new(),
        });
    }
    binaries.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = manifest::read(files)?;
    Some(Facts {
        binaries,
        recipes: Vec::new(),
        scripts: manifest::scripts(&manifest),
        declared: manifest::declared(&manifest),
    })
}

/// What a file is that begins like this.
fn format(head: &[u8]) -> Option<Format> {
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
        _ => None,
    }
}
