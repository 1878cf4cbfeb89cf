//! Packs files into a gzipped tar archive: equal files give equal bytes, on any machine, forever.
//!
//! The shape is what `npm pack` makes: everything under `package/`, no owner, and one fixed time.
//! By default the gzip stream stores without compressing, because a deflate library may change its
//! output between versions, and with it every integrity that a fixture pins.

use std::io::Write as _;

use flate2::{Compression, Crc, write::GzEncoder};

/// 1985-10-26T08:15:00Z, the time `npm pack` gives every file.
const MTIME: u64 = 499_162_500;
const BLOCK: usize = 512;

/// One file of a package: path inside it, content, permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub content: Vec<u8>,
    pub mode: u32,
}

/// How the archive's gzip layer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Packing {
    #[default]
    Stored,
    Deflated,
}

/// The tarball with `files` under `package/`, in the order given.
pub fn tarball(files: &[File], packing: Packing) -> Vec<u8> {
    let mut tar = Vec::new();
    for file in files {
        append(&mut tar, file);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    match packing {
        Packing::Stored => stored(&tar),
        Packing::Deflated => deflated(&tar),
    }
}

/// `bytes` as a compressed gzip stream without a time or a name.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("a Vec takes every byte")
}

/// A gzip stream of stored blocks (RFC 1951, 3.2.4; RFC 1952).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = bytes.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let size = block.len() as u16;
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(size.to_le_bytes());
        out.extend((!size).to_le_bytes());
        out.extend(block);
    }
    let mut crc = Crc::new();
    crc.update(bytes);
    out.extend(crc.sum().to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

fn append(tar: &mut Vec<u8>, file: &File) {
    let path = format!("package/{}", file.path);
    match split(&path) {
        Some((prefix, name)) => {
            tar.extend(header(prefix, name, file.content.len(), file.mode, b'0'));
        }
        None => append_with_pax(tar, &path, file),
    }
    tar.extend(&file.content);
    pad(tar);
}

/// A path that no ustar header holds goes into an extended header before the entry (POSIX pax).
fn append_with_pax(tar: &mut Vec<u8>, path: &str, file: &File) {
    let record = pax_record("path", path);
    tar.extend(header("", "PaxHeader/entry", record.len(), 0o644, b'x'));
    tar.extend(record.as_bytes());
    pad(tar);
    tar.extend(header(
        "",
        "package/entry",
        file.content.len(),
        file.mode,
        b'0',
    ));
}

/// `<length> key=value\n`, where the length counts its own digits too.
fn pax_record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}")
}

/// The prefix (up to 155 bytes) and name (up to 100) whose join by `/` is the path.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| prefix.len() <= 155 && name.len() <= 100)
}

fn header(prefix: &str, name: &str, size: usize, mode: u32, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, format!("{mode:06o} ").as_bytes());
    put(124, format!("{size:011o} ").as_bytes());
    put(136, format!("{MTIME:011o} ").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

fn pad(tar: &mut Vec<u8>) {
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn file(path: &str, content: &[u8]) -> File {
        File {
            path: path.to_owned(),
            content: content.to_vec(),
            mode: 0o644,
        }
    }

    fn inflate(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(bytes)
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    #[test]
    fn stored_and_deflated_hold_the_same_archive() {
        let files = [
            file("package.json", b"{}"),
            file("big.bin", &vec![7; 200_000]),
        ];
        let stored = tarball(&files, Packing::Stored);
        let deflated = tarball(&files, Packing::Deflated);
        assert_eq!(inflate(&stored), inflate(&deflated));
        assert!(deflated.len() < stored.len() / 10);
    }

    #[test]
    fn equal_files_give_equal_bytes() {
        let files = [file("package.json", b"{}"), file("lib/a.js", b"1")];
        assert_eq!(
            tarball(&files, Packing::Stored),
            tarball(&files, Packing::Stored)
        );
    }

    #[test]
    fn every_entry_carries_the_time_npm_pack_gives() {
        let tar = inflate(&tarball(&[file("package.json", b"{}")], Packing::Stored));
        assert_eq!(&tar[136..147], b"03560116604");
        assert_eq!(&tar[..20], b"package/package.json");
    }

    #[test]
    fn a_path_too_long_for_a_header_is_split_or_goes_into_a_pax_record() {
        let splits = format!("{}/{}", "d".repeat(120), "f".repeat(90));
        assert!(split(&splits).is_some());
        let whole = "f".repeat(300);
        let tar = inflate(&tarball(&[file(&whole, b"x")], Packing::Stored));
        assert_eq!(tar[156], b'x');
        let record = pax_record("path", &format!("package/{whole}"));
        assert_eq!(&tar[512..512 + record.len()], record.as_bytes());
        assert!(record.starts_with(&record.len().to_string()));
    }
}
