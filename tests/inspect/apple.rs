//! Builds Mach-O files small enough to read: 64 bits, one segment, addresses equal to offsets.

pub struct MachO<'a> {
    pub cpu: u32,
    /// 2 for an executable, 6 for a library, 8 for what is loaded by itself.
    pub kind: u32,
    pub needs: &'a [&'a str],
    /// Oldest macOS: major, minor.
    pub macos: (u32, u32),
    pub imports: &'a [&'a str],
    pub exports: &'a [&'a str],
    /// Code at the address of every exported function.
    pub code: &'a [u8],
}

pub const X64: u32 = 0x0100_0007;
pub const ARM64: u32 = 0x0100_000c;
const HEAD: usize = 32;

fn put(bytes: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        bytes.extend(word.to_le_bytes());
    }
}

impl MachO<'_> {
    pub fn build(&self) -> Vec<u8> {
        let mut commands = Vec::new();
        let (major, minor) = self.macos;
        put(
            &mut commands,
            &[0x32, 24, 1, major << 16 | minor << 8, 0, 0],
        );
        for name in self.needs {
            let size = (24 + name.len() + 1).next_multiple_of(8);
            put(&mut commands, &[0xc, size as u32, 24, 0, 0, 0]);
            let end = commands.len() + size - 24;
            commands.extend(name.as_bytes());
            commands.resize(end, 0);
        }
        let after = HEAD + commands.len() + 24 + 72;
        let code = after as u32;
        let mut rest = self.code.to_vec();
        rest.resize(rest.len().next_multiple_of(8), 0);
        let (mut symbols, mut strings) = (Vec::new(), vec![0]);
        let count = self.imports.len() + self.exports.len();
        let imports = self.imports.iter().map(|name| (name, false));
        for (name, defined) in imports.chain(self.exports.iter().map(|name| (name, true))) {
            put(&mut symbols, &[strings.len() as u32]);
            symbols.extend(if defined {
                [0x0f, 1, 0, 0]
            } else {
                [0x01, 0, 0, 0]
            });
            put(&mut symbols, &[if defined { code } else { 0 }, 0]);
            strings.push(b'_');
            strings.extend(name.as_bytes());
            strings.push(0);
        }
        let symoff = (after + rest.len()) as u32;
        let stroff = symoff + symbols.len() as u32;
        put(
            &mut commands,
            &[2, 24, symoff, count as u32, stroff, strings.len() as u32],
        );
        rest.extend(symbols);
        rest.extend(strings);
        let size = (after + rest.len()) as u32;
        put(&mut commands, &[0x19, 72]);
        commands.extend(b"__TEXT\0\0\0\0\0\0\0\0\0\0");
        put(&mut commands, &[0, 0, size, 0, 0, 0, size, 0, 5, 5, 0, 0]);
        let mut file = Vec::new();
        let number = self.needs.len() as u32 + 3;
        put(
            &mut file,
            &[
                0xfeed_facf,
                self.cpu,
                0,
                self.kind,
                number,
                commands.len() as u32,
                0,
                0,
            ],
        );
        file.extend(commands);
        file.extend(rest);
        file
    }
}

/// Several files in one, for the processor of each.
pub fn universal(parts: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = vec![0xca, 0xfe, 0xba, 0xbe];
    file.extend((parts.len() as u32).to_be_bytes());
    let mut at = 4096_u32;
    for (cpu, bytes) in parts {
        for word in [*cpu, 0, at, bytes.len() as u32, 12] {
            file.extend(word.to_be_bytes());
        }
        at += 4096;
    }
    for (number, (_, bytes)) in parts.iter().enumerate() {
        assert!(bytes.len() <= 4096);
        file.resize(4096 * (number + 1), 0);
        file.extend(bytes);
    }
    file
}
