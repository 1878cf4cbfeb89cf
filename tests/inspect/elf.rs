//! Builds ELF files small enough to read: 64 bits, little-endian, addresses equal to offsets.

/// What the file shall say.
#[derive(Default, Clone)]
pub struct Elf<'a> {
    pub machine: u16,
    /// 2 for a fixed executable, 3 for a library or one that can be anywhere.
    pub kind: u16,
    pub os_abi: u8,
    pub interpreter: Option<&'a str>,
    pub needs: &'a [&'a str],
    /// Library, version, flags of the version.
    pub versions: &'a [(&'a str, &'a str, u16)],
    /// Undefined symbols, with the number of their version (from 1) or 0.
    pub imports: &'a [(&'a str, u16)],
    /// Defined symbols.
    pub exports: &'a [&'a str],
    /// Code at the address of every exported symbol.
    pub code: &'a [u8],
    /// A `struct node_module` with this version.
    pub module: Option<u32>,
    pub pie: bool,
}

pub const X64: u16 = 62;
pub const ARM64: u16 = 183;

const HEAD: usize = 64;
const SEGMENT: usize = 56;

/// Bytes that grow, and remember where their parts begin.
#[derive(Default)]
struct Image(Vec<u8>);

impl Image {
    fn here(&mut self) -> u64 {
        let padded = self.0.len().next_multiple_of(8);
        self.0.resize(padded, 0);
        self.0.len() as u64
    }

    fn put(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.extend(bytes.as_ref());
    }

    fn words(&mut self, words: &[u64]) {
        for word in words {
            self.put(word.to_le_bytes());
        }
    }
}

/// Texts behind each other, each ended by a NUL.
struct Strings(Vec<u8>);

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        let at = self.0.len() as u32;
        self.0.extend(text.as_bytes());
        self.0.push(0);
        at
    }
}

impl Elf<'_> {
    pub fn build(&self) -> Vec<u8> {
        let count = 2 + usize::from(!self.is_static()) + usize::from(self.interpreter.is_some());
        let mut image = Image(vec![0; HEAD + count * SEGMENT]);
        let mut segments = Vec::new();
        let start = image.here();
        if let Some(interpreter) = self.interpreter {
            image.put(interpreter);
            image.put([0]);
            segments.push((3, 4, start, interpreter.len() as u64 + 1));
        }
        if !self.is_static() {
            let (at, size) = self.dynamic(&mut image);
            segments.push((2, 6, at, size));
        }
        let size = image.0.len() as u64;
        segments.insert(0, (1, 6, 0, size));
        segments.push((0x6474_e551, 6, 0, 0)); // the stack's flags
        self.head(&mut image, &segments);
        image.0
    }

    fn is_static(&self) -> bool {
        self.needs.is_empty() && self.imports.is_empty() && self.exports.is_empty()
    }

    fn head(&self, image: &mut Image, segments: &[(u32, u32, u64, u64)]) {
        let mut head = Image::default();
        head.put(b"\x7fELF\x02\x01\x01");
        head.put([self.os_abi]);
        head.put([0; 8]);
        head.put(self.kind.to_le_bytes());
        head.put(self.machine.to_le_bytes());
        head.put(1_u32.to_le_bytes());
        head.words(&[0, HEAD as u64, 0]);
        head.put(0_u32.to_le_bytes());
        for half in [HEAD as u16, SEGMENT as u16, segments.len() as u16, 64, 0, 0] {
            head.put(half.to_le_bytes());
        }
        for (kind, flags, offset, size) in segments {
            head.put(kind.to_le_bytes());
            head.put(flags.to_le_bytes());
            head.words(&[*offset, *offset, *offset, *size, *size, 8]);
        }
        image.0[..head.0.len()].copy_from_slice(&head.0);
    }

    fn dynamic(&self, image: &mut Image) -> (u64, u64) {
        let mut strings = Strings(vec![0]);
        let needs: Vec<u32> = self.needs.iter().map(|name| strings.add(name)).collect();
        let code = image.here();
        image.put(self.code);
        let module = self.module.map(|version| put_module(image, version));
        let mut symbols = Image(vec![0; 24]);
        let mut versym = vec![0_u8; 2];
        for (name, version) in self.imports {
            symbol(&mut symbols, strings.add(name), 0, 0);
            let index = if *version == 0 { 1 } else { version + 1 };
            versym.extend(index.to_le_bytes());
        }
        for name in self.exports {
            symbol(&mut symbols, strings.add(name), 1, code);
            versym.extend(1_u16.to_le_bytes());
        }
        let number = symbols.0.len() / 24;
        let verneed = self.verneed(&mut strings);
        let mut entries: Vec<(u64, u64)> = needs.iter().map(|name| (1, u64::from(*name))).collect();
        let mut part = |image: &mut Image, tag: u64, bytes: &[u8]| {
            entries.push((tag, image.here()));
            image.put(bytes);
        };
        part(image, 6, &symbols.0);
        let hash: Vec<u8> = [1_u32, number as u32, 0]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        part(image, 4, &hash);
        part(image, 5, &strings.0);
        if !self.versions.is_empty() {
            part(image, 0x6fff_fff0, &versym);
            part(image, 0x6fff_fffe, &verneed);
        }
        if let Some(relocations) = module {
            part(image, 7, &relocations);
            entries.push((8, relocations.len() as u64));
        }
        if self.pie {
            entries.push((0x6fff_fffb, 0x0800_0000));
        }
        entries.push((0, 0));
        let at = image.here();
        for (tag, value) in &entries {
            image.words(&[*tag, *value]);
        }
        (at, 16 * entries.len() as u64)
    }

    /// One entry for each version, with one library each.
    fn verneed(&self, strings: &mut Strings) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (at, (library, version, flags)) in self.versions.iter().enumerate() {
            let next: u32 = if at + 1 == self.versions.len() { 0 } else { 32 };
            bytes.extend([1_u16, 1].iter().flat_map(|half| half.to_le_bytes()));
            for word in [strings.add(library), 16, next, 0] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(flags.to_le_bytes());
            bytes.extend((at as u16 + 2).to_le_bytes());
            bytes.extend(strings.add(version).to_le_bytes());
            bytes.extend(0_u32.to_le_bytes());
        }
        bytes
    }
}

fn symbol(symbols: &mut Image, name: u32, section: u16, address: u64) {
    symbols.put(name.to_le_bytes());
    symbols.put([0x12, 0]); // global, a function
    symbols.put(section.to_le_bytes());
    symbols.words(&[address, 0]);
}

/// The struct with its two names, and the relocations that its pointers need.
fn put_module(image: &mut Image, version: u32) -> Vec<u8> {
    let file = image.here();
    image.put(b"../src/addon.cc\0");
    let name = image.here();
    image.put(b"addon\0");
    let module = image.here();
    image.put(version.to_le_bytes());
    image.put([0; 4 + 8 * 7]);
    let mut relocations = Image::default();
    for (offset, target) in [(16, file), (24, file), (40, name)] {
        relocations.words(&[module + offset, 8, target]);
    }
    relocations.0
}
