//! Builds PE files small enough to read: 64 bits, one section, addresses equal to offsets.

pub struct Pe<'a> {
    pub machine: u16,
    pub library: bool,
    /// Libraries with the names that are imported from them.
    pub imports: &'a [(&'a str, &'a [&'a str])],
    /// The same, looked for when they are used first.
    pub delayed: &'a [(&'a str, &'a [&'a str])],
    pub exports: &'a [&'a str],
    /// Code at the address of every exported function.
    pub code: &'a [u8],
}

pub const X64: u16 = 0x8664;
/// Headers, then the section.
const START: usize = 0x400;

fn put32(bytes: &mut Vec<u8>, words: &[usize]) {
    for word in words {
        bytes.extend((*word as u32).to_le_bytes());
    }
}

fn text(image: &mut Vec<u8>, hint: bool, text: &str) -> usize {
    let at = image.len();
    image.extend(vec![0; if hint { 2 } else { 0 }]);
    image.extend(text.as_bytes());
    image.push(0);
    at
}

/// A list of names, ended by a zero.
fn thunks(image: &mut Vec<u8>, names: &[&str]) -> usize {
    let names: Vec<usize> = names.iter().map(|name| text(image, true, name)).collect();
    let at = image.len();
    for name in names {
        put32(image, &[name, 0]);
    }
    put32(image, &[0, 0]);
    at
}

impl Pe<'_> {
    pub fn build(&self) -> Vec<u8> {
        let mut image = vec![0; START];
        let mut imports = Vec::new();
        for (library, names) in self.imports {
            let list = thunks(&mut image, names);
            let name = text(&mut image, false, library);
            put32(&mut imports, &[list, 0, 0, name, list]);
        }
        let mut delayed = Vec::new();
        for (library, names) in self.delayed {
            let list = thunks(&mut image, names);
            let name = text(&mut image, false, library);
            put32(&mut delayed, &[1, name, 0, list, list, 0, 0, 0]);
        }
        let exports = self.exports(&mut image);
        let mut directories = vec![(exports, 40)];
        for (list, end) in [(imports, 20), (delayed, 32)] {
            let at = image.len();
            let size = list.len() + end;
            image.extend(list);
            image.extend(vec![0; end]);
            directories.push((if size == end { 0 } else { at }, size));
        }
        let head = self.head(image.len(), &directories);
        image[..head.len()].copy_from_slice(&head);
        image
    }

    fn exports(&self, image: &mut Vec<u8>) -> usize {
        if self.exports.is_empty() {
            return 0;
        }
        let code = image.len();
        image.extend(self.code);
        let own = text(image, false, "addon.node");
        let names: Vec<usize> = self
            .exports
            .iter()
            .map(|name| text(image, false, name))
            .collect();
        let addresses = image.len();
        put32(image, &vec![code; names.len()]);
        let pointers = image.len();
        put32(image, &names);
        let ordinals = image.len();
        for at in 0..names.len() {
            image.extend((at as u16).to_le_bytes());
        }
        let at = image.len();
        let count = names.len();
        put32(
            image,
            &[0, 0, 0, own, 1, count, count, addresses, pointers, ordinals],
        );
        at
    }

    fn head(&self, size: usize, directories: &[(usize, usize)]) -> Vec<u8> {
        let mut head = vec![0; 0x40];
        head[..2].copy_from_slice(b"MZ");
        head[0x3c] = 0x40;
        head.extend(b"PE\0\0");
        head.extend(self.machine.to_le_bytes());
        head.extend(1_u16.to_le_bytes());
        put32(&mut head, &[0, 0, 0]);
        head.extend(240_u16.to_le_bytes());
        let flags: u16 = if self.library { 0x2022 } else { 0x0022 };
        head.extend(flags.to_le_bytes());
        let optional = head.len();
        head.extend(0x20b_u16.to_le_bytes());
        head.resize(optional + 24, 0);
        head.extend(0x1_8000_0000_u64.to_le_bytes());
        put32(&mut head, &[8, 8]);
        head.resize(optional + 56, 0);
        put32(&mut head, &[size, START]);
        head.resize(optional + 108, 0);
        put32(&mut head, &[16]);
        let mut places = [(0, 0); 16];
        let numbers = [0, 1, 13];
        for (number, place) in numbers.iter().zip(directories) {
            places[*number] = *place;
        }
        for (address, size) in places {
            put32(&mut head, &[address, if address == 0 { 0 } else { size }]);
        }
        head.extend(b".rdata\0\0");
        put32(
            &mut head,
            &[size - START, START, size - START, START, 0, 0, 0],
        );
        put32(&mut head, &[0x4000_0040]);
        head
    }
}
