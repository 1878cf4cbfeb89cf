//! Tar archives as no honest tool writes them.

use std::io::Write as _;

/// One header block and its body, every field as given.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub prefix: Vec<u8>,
    pub kind: u8,
    pub mode: Vec<u8>,
    pub size: Vec<u8>,
    pub link: Vec<u8>,
    pub body: Vec<u8>,
    pub times: &'static str,
    pub magic: [u8; 8],
    pub seal: bool,
}

pub fn entry(kind: u8, name: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Entry {
    let body = body.as_ref().to_vec();
    Entry {
        name: name.as_ref().to_vec(),
        prefix: Vec::new(),
        kind,
        mode: b"0000644\0".to_vec(),
        size: format!("{:011o}\0", body.len()).into_bytes(),
        link: Vec::new(),
        body,
        times: "03560116604",
        magic: *b"ustar\x0000",
        seal: true,
    }
}

pub fn file(name: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Entry {
    entry(b'0', name, body)
}

pub fn folder(name: &str) -> Entry {
    entry(b'5', name, "")
}

pub fn link(kind: u8, name: &str, target: &str) -> Entry {
    Entry {
        link: target.into(),
        ..entry(kind, name, "")
    }
}

pub fn symlink(name: &str, target: &str) -> Entry {
    link(b'2', name, target)
}

pub fn hardlink(name: &str, target: &str) -> Entry {
    link(b'1', name, target)
}

/// GNU's long name (`L`) or long link (`K`) for the next entry.
pub fn gnu(kind: u8, text: impl AsRef<[u8]>) -> Entry {
    let mut body = text.as_ref().to_vec();
    body.push(0);
    entry(kind, "././@LongLink", body)
}

/// A pax header (`x`), or a global one (`g`).
pub fn pax(kind: u8, records: &[(&str, &[u8])]) -> Entry {
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let fits = |digits: &usize| (rest + digits).to_string().len() == *digits;
        let length = rest + (1..9).find(fits).unwrap();
        body.extend(format!("{length} {key}=").into_bytes());
        body.extend(*value);
        body.push(b'\n');
    }
    entry(kind, "PaxHeader/x", body)
}

impl Entry {
    pub fn mode(mut self, octal: &str) -> Self {
        self.mode = octal.into();
        self
    }

    pub fn size(mut self, field: impl AsRef<[u8]>) -> Self {
        self.size = field.as_ref().to_vec();
        self
    }

    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    pub fn magic(mut self, magic: [u8; 8]) -> Self {
        self.magic = magic;
        self
    }

    pub fn unsealed(mut self) -> Self {
        self.seal = false;
        self
    }

    pub fn times(mut self, field: &'static str) -> Self {
        self.times = field;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut block = [0; 512];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, &self.mode);
        put(124, &self.size);
        put(136, self.times.as_bytes());
        put(156, &[self.kind]);
        put(157, &self.link);
        put(257, &self.magic);
        put(345, &self.prefix);
        put(148, b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        let sum = if self.seal { sum } else { sum + 1 };
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = block.to_vec();
        bytes.extend(&self.body);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub const MANIFEST: &str = r#"{"name":"evil","version":"1.0.0"}"#;

/// A plain tar of a good package.json and the entries, with an end marker.
pub fn plain(entries: &[Entry]) -> Vec<u8> {
    let mut tar = file("package/package.json", MANIFEST).bytes();
    for entry in entries {
        tar.extend(entry.bytes());
    }
    tar.extend([0; 1024]);
    tar
}

/// The same, gzipped.
pub fn tgz(entries: &[Entry]) -> Vec<u8> {
    gzip(&plain(entries))
}

/// Nothing but these entries.
pub fn bare(entries: &[Entry]) -> Vec<u8> {
    let mut tar: Vec<u8> = entries.iter().flat_map(Entry::bytes).collect();
    tar.extend([0; 1024]);
    gzip(&tar)
}

/// A gzip stream of `length` zeros after `head`, made without holding them.
pub fn bomb(head: &[u8], length: u64) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(head).unwrap();
    let zeros = vec![0; 1 << 20];
    let mut left = length;
    while left > 0 {
        let piece = left.min(1 << 20) as usize;
        encoder.write_all(&zeros[..piece]).unwrap();
        left -= piece as u64;
    }
    encoder.finish().unwrap()
}
