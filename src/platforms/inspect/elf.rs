//! Reads ELF files as the loader does: by their program headers and dynamic table.

use object::elf::{self, FileHeader32, FileHeader64, Vernaux, Verneed};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _, SectionHeader as _, Sym as _};
use object::{Endianness, pod};
use rustc_hash::FxHashMap;

use super::bytes::{name_at, printable};
use super::node::{self, Evidence, Pointers};
use crate::platforms::facts::{Kind, Slice};
use crate::target::LibcFamily;

/// More of anything is not looked at: symbols, libraries, versions, relocations.
const MOST_SYMBOLS: usize = 1 << 20;
const MOST_NAMES: usize = 4096;

pub fn read(data: &[u8]) -> Option<(Kind, Slice)> {
    match data.get(4)? {
        1 => read_as::<FileHeader32<Endianness>>(data),
        2 => read_as::<FileHeader64<Endianness>>(data),
        _ => None,
    }
}

fn read_as<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> Option<(Kind, Slice)> {
    let header = Elf::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let mut file = File {
        data,
        endian,
        header,
        segments: segments(header, endian, data),
        loaded: Vec::new(),
        strings: &[],
        dynamic: Dynamic::default(),
        slice: Slice {
            cpu: cpu(header, endian),
            ..Slice::default()
        },
        evidence: Evidence::default(),
        versions: Vec::new(),
        imports_glibc_only: false,
    };
    file.read_sections();
    if header.e_type(endian) == elf::ET_REL {
        file.slice.os = file.branded();
        return Some((Kind::Object, file.slice));
    }
    file.read_segments();
    file.read_dynamic();
    file.read_versions();
    file.read_symbols();
    file.read_module_version();
    Some(file.finish())
}

/// What the dynamic table says; addresses, and counts in bytes.
#[derive(Default)]
struct Dynamic {
    strings: u64,
    symbols: u64,
    hash: u64,
    gnu_hash: u64,
    versym: u64,
    verneed: u64,
    rela: (u64, u64),
    flags: u64,
    needs: Vec<u64>,
    /// It has a name for others to need; some such libraries can be started, too.
    named: bool,
}

/// A version that the file asks of a library.
struct Version<'a> {
    name: &'a [u8],
    index: u16,
    /// The loader does not mind when it is missing.
    weak: bool,
    /// GCC's own libraries have versions with glibc's names, wherever they were built.
    of_gcc: bool,
}

struct File<'a, Elf: FileHeader> {
    data: &'a [u8],
    endian: Endianness,
    header: &'a Elf,
    segments: &'a [Elf::ProgramHeader],
    /// What is loaded: addresses and bytes.
    loaded: Vec<(u64, &'a [u8])>,
    /// The dynamic table's strings, and all that follows them.
    strings: &'a [u8],
    dynamic: Dynamic,
    slice: Slice,
    evidence: Evidence,
    versions: Vec<Version<'a>>,
    imports_glibc_only: bool,
}

/// The first of them: honest files have a dozen.
fn segments<'a, Elf: FileHeader<Endian = Endianness>>(
    header: &Elf,
    endian: Endianness,
    data: &'a [u8],
) -> &'a [Elf::ProgramHeader] {
    const MOST_SEGMENTS: usize = 64;
    let segments = header.program_headers(endian, data).unwrap_or_default();
    segments.get(..MOST_SEGMENTS).unwrap_or(segments)
}

/// As `process.arch` says it.
fn cpu<Elf: FileHeader<Endian = Endianness>>(header: &Elf, endian: Endianness) -> Option<String> {
    let little = header.is_little_endian();
    let cpu = match header.e_machine(endian) {
        elf::EM_X86_64 => "x64",
        elf::EM_386 => "ia32",
        elf::EM_AARCH64 => "arm64",
        elf::EM_ARM => "arm",
        elf::EM_PPC64 => "ppc64",
        elf::EM_PPC => "ppc",
        elf::EM_S390 => "s390x",
        elf::EM_RISCV => "riscv64",
        elf::EM_LOONGARCH => "loong64",
        elf::EM_MIPS if little => "mipsel",
        elf::EM_MIPS => "mips",
        _ => return None,
    };
    Some(cpu.to_owned())
}

impl<'a, Elf: FileHeader<Endian = Endianness>> File<'a, Elf> {
    /// The bytes at an address, and all that follow in its segment.
    fn at(&self, address: u64) -> Option<&'a [u8]> {
        self.loaded.iter().find_map(|(start, bytes)| {
            let inside = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(inside..).filter(|bytes| !bytes.is_empty())
        })
    }

    fn read_segments(&mut self) {
        let loaded = self.segments.iter();
        let loaded = loaded.filter(|segment| segment.p_type(self.endian) == elf::PT_LOAD);
        let loaded = loaded.filter_map(|segment| {
            let (offset, size) = segment.file_range(self.endian);
            let rest = self.data.get(usize::try_from(offset).ok()?..)?;
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let bytes = rest.get(..size).unwrap_or(rest);
            Some((segment.p_vaddr(self.endian).into(), bytes))
        });
        self.loaded = loaded.collect();
    }

    fn string(&self, offset: u64) -> Option<&'a [u8]> {
        name_at(self.strings, offset)
    }

    /// What only section headers tell; the loader needs none of it.
    fn read_sections(&mut self) {
        self.slice.stripped = true;
        let Ok(sections) = self.header.sections(self.endian, self.data) else {
            return;
        };
        let strings = self.header.section_strings_index(self.endian, self.data);
        let strings = strings.ok().and_then(|index| sections.section(index).ok());
        let names = strings.and_then(|section| section.data(self.endian, self.data).ok());
        for section in sections.iter().take(MOST_NAMES) {
            if section.sh_type(self.endian) == elf::SHT_SYMTAB {
                self.slice.stripped = false;
            }
            let offset = u64::from(section.sh_name(self.endian));
            let name = names.and_then(|names| name_at(names, offset));
            if matches!(name, Some(b".debug_info" | b".zdebug_info")) {
                self.slice.debug = true;
            }
        }
    }

    fn read_dynamic(&mut self) {
        let mut segments = self.segments.iter();
        let Some(Ok(Some(entries))) = segments
            .find(|segment| segment.p_type(self.endian) == elf::PT_DYNAMIC)
            .map(|segment| segment.dynamic(self.endian, self.data))
        else {
            return;
        };
        let dynamic = &mut self.dynamic;
        for entry in entries.iter().take(MOST_NAMES) {
            let value: u64 = entry.d_val(self.endian).into();
            match entry.d_tag(self.endian) {
                elf::DT_NULL => break,
                elf::DT_NEEDED => dynamic.needs.push(value),
                elf::DT_STRTAB => dynamic.strings = value,
                elf::DT_SYMTAB => dynamic.symbols = value,
                elf::DT_HASH => dynamic.hash = value,
                elf::DT_GNU_HASH => dynamic.gnu_hash = value,
                elf::DT_VERSYM => dynamic.versym = value,
                elf::DT_VERNEED => dynamic.verneed = value,
                elf::DT_RELA => dynamic.rela.0 = value,
                elf::DT_RELASZ => dynamic.rela.1 = value,
                elf::DT_SONAME => dynamic.named = true,
                elf::DT_FLAGS_1 => dynamic.flags = value,
                _ => {}
            }
        }
        self.strings = self.at(self.dynamic.strings).unwrap_or_default();
        let needs = self.dynamic.needs.iter().take(MOST_NAMES / 16);
        let needs = needs.filter_map(|offset| self.string(*offset));
        self.slice.needs = needs.map(printable).collect();
    }

    /// The versions that are asked of libraries. Each entry tells how far it is to the next, so the
    /// number of steps is bounded.
    fn read_versions(&mut self) {
        if self.dynamic.verneed == 0 {
            return;
        }
        let Some(mut need) = self.at(self.dynamic.verneed) else {
            return;
        };
        let mut left = MOST_NAMES;
        while let Ok((entry, _)) = pod::from_bytes::<Verneed<Endianness>>(need) {
            let count = usize::from(entry.vn_cnt.get(self.endian));
            let library = self.string(u64::from(entry.vn_file.get(self.endian)));
            let of_gcc = library.is_some_and(|name| name.starts_with(b"libgcc"));
            let mut step = entry.vn_aux.get(self.endian);
            let mut aux = need;
            for _ in 0..count {
                let Some(rest) = aux.get(step as usize..) else {
                    break;
                };
                let Ok((version, _)) = pod::from_bytes::<Vernaux<Endianness>>(rest) else {
                    break;
                };
                if left == 0 {
                    return;
                }
                left -= 1;
                let name = self.string(u64::from(version.vna_name.get(self.endian)));
                let flags = version.vna_flags.get(self.endian);
                self.versions.push(Version {
                    name: name.unwrap_or_default(),
                    index: version.vna_other.get(self.endian).0,
                    weak: flags.contains(elf::VER_FLG_WEAK),
                    of_gcc,
                });
                aux = rest;
                step = version.vna_next.get(self.endian);
                if step == 0 {
                    break;
                }
            }
            let next = entry.vn_next.get(self.endian) as usize;
            match need.get(next..) {
                Some(rest) if next > 0 && left > 0 => (need, left) = (rest, left - 1),
                _ => return,
            }
        }
    }

    /// How many symbols there are: the hash tables know.
    fn symbol_count(&self) -> Option<usize> {
        let number = |bytes: &[u8], at: usize| {
            let (number, _) =
                pod::from_bytes::<object::U32<Endianness>>(bytes.get(4 * at..)?).ok()?;
            Some(number.get(self.endian) as usize)
        };
        if self.dynamic.hash != 0 {
            // s390x and Alpha have wide entries there; nothing else needs care.
            return number(self.at(self.dynamic.hash)?, 1);
        }
        if self.dynamic.gnu_hash == 0 {
            return None;
        }
        let table = self.at(self.dynamic.gnu_hash)?;
        let (buckets, first, bloom) = (number(table, 0)?, number(table, 1)?, number(table, 2)?);
        let word = if self.header.is_type_64() { 2 } else { 1 };
        let start = bloom.checked_mul(word)?.checked_add(4)?;
        let heads = (0..buckets.min(MOST_SYMBOLS)).map_while(|at| number(table, start + at));
        let Some(mut last) = heads.max().filter(|last| *last >= first) else {
            return Some(first);
        };
        let chains = start.checked_add(buckets)?;
        while last < MOST_SYMBOLS && number(table, chains.checked_add(last - first)?)? & 1 == 0 {
            last += 1;
        }
        Some(last + 1)
    }

    fn read_symbols(&mut self) {
        let Some(count) = self.symbol_count() else {
            return;
        };
        let Some(bytes) = self.at(self.dynamic.symbols) else {
            return;
        };
        let fit = bytes.len() / size_of::<Elf::Sym>();
        let count = count.min(fit).min(MOST_SYMBOLS);
        let Ok((symbols, _)) = pod::slice_from_bytes::<Elf::Sym>(bytes, count) else {
            return;
        };
        let highest = self.highest_glibc();
        let mut proof = None;
        let versym = self
            .at(self.dynamic.versym)
            .filter(|_| self.dynamic.versym != 0);
        for (at, symbol) in symbols.iter().enumerate().skip(1) {
            let Some(name) = self.string(u64::from(symbol.st_name(self.endian))) else {
                continue;
            };
            let weak = symbol.st_bind() == elf::STB_WEAK;
            if !symbol.is_undefined(self.endian) {
                self.evidence.export(name);
                if self.evidence.is_version_function(name)
                    && let Some(code) = self.at(symbol.st_value(self.endian).into())
                {
                    let cpu = self.slice.cpu.as_deref();
                    self.evidence.version_function(code, cpu);
                }
                continue;
            }
            self.evidence.import(name, weak);
            self.imports_glibc_only |= !weak && only_in_glibc(name);
            let index = versym.and_then(|table| {
                let (index, _) =
                    pod::from_bytes::<object::U16<Endianness>>(table.get(2 * at..)?).ok()?;
                Some(index.get(self.endian) & 0x7fff)
            });
            if proof.is_none() && highest.is_some_and(|(_, wanted)| Some(wanted) == index) {
                proof = Some(printable(name));
            }
        }
        self.slice.glibc_symbol = proof;
    }

    /// The highest version of glibc that is asked for, and its number in the file.
    fn highest_glibc(&self) -> Option<((u32, u32), u16)> {
        let strong = self.versions.iter().filter(|version| !version.weak);
        let of_glibc = strong.filter(|version| !version.of_gcc);
        let versions = of_glibc.filter_map(|version| {
            let number = match version.name {
                // Relative relocations in their packed form are read since that version.
                b"GLIBC_ABI_DT_RELR" => (2, 36),
                name => {
                    let numbers = numbers(name, b"GLIBC_")?;
                    (*numbers.first()?, *numbers.get(1)?)
                }
            };
            Some((number, version.index))
        });
        versions.max()
    }

    fn highest(&self, family: &[u8]) -> Option<Vec<u32>> {
        let strong = self.versions.iter().filter(|version| !version.weak);
        strong
            .filter_map(|version| numbers(version.name, family))
            .max()
    }

    /// The system that the file names outright: in its header, its notes, its loader.
    fn branded(&self) -> Option<String> {
        let named = match self.header.e_ident().os_abi {
            elf::ELFOSABI_FREEBSD => Some("freebsd"),
            elf::ELFOSABI_NETBSD => Some("netbsd"),
            elf::ELFOSABI_OPENBSD => Some("openbsd"),
            elf::ELFOSABI_SOLARIS => Some("sunos"),
            elf::ELFOSABI_AIX => Some("aix"),
            elf::ELFOSABI_LINUX => Some("linux"),
            _ => None,
        };
        named.or_else(|| self.noted()).map(str::to_owned)
    }

    fn noted(&self) -> Option<&'static str> {
        for segment in self.segments {
            let Ok(Some(mut notes)) = segment.notes(self.endian, self.data) else {
                continue;
            };
            let mut left = 64;
            while let (Ok(Some(note)), 1..) = (notes.next(), left) {
                left -= 1;
                let os = match note.name() {
                    b"Android" => Some("android"),
                    b"FreeBSD" => Some("freebsd"),
                    b"NetBSD" => Some("netbsd"),
                    b"OpenBSD" => Some("openbsd"),
                    b"OHOS" => Some("openharmony"),
                    b"GNU" if note.n_type(self.endian) == elf::NT_GNU_ABI_TAG => {
                        match note.desc().first_chunk::<4>() {
                            Some([0, 0, 0, 0]) => Some("linux"),
                            Some([2, ..] | [.., 2]) => Some("sunos"),
                            _ => None,
                        }
                    }
                    _ => None,
                };
                if os.is_some() {
                    return os;
                }
            }
        }
        None
    }

    fn interpreter(&self) -> Option<&'a [u8]> {
        let mut segments = self.segments.iter();
        segments.find_map(|segment| {
            let (data, endian) = (self.data, self.endian);
            let is = segment.p_type(endian) == elf::PT_INTERP;
            let bytes = is.then(|| segment.data(endian, data).ok()).flatten()?;
            name_at(bytes, 0)
        })
    }

    /// By its brand, else by what it needs; Linux is what needs no brand.
    fn os(&self, interpreter: Option<&[u8]>) -> String {
        if let Some(named) = self.branded() {
            return named;
        }
        let asks = |prefix: &[u8]| {
            let mut versions = self.versions.iter();
            versions.any(|version| version.name.starts_with(prefix))
        };
        let needs = |name: &str| self.slice.needs.iter().any(|needed| needed == name);
        let loader = |path: &[u8]| interpreter.is_some_and(|found| found.starts_with(path));
        let os = if loader(b"/system/bin/linker") || asks(b"LIBC") {
            "android"
        } else if loader(b"/libexec/ld-elf") || asks(b"FBSD_") {
            "freebsd"
        } else if loader(b"/usr/libexec/ld.so") {
            "openbsd"
        } else if loader(b"/libexec/ld.elf_so") || loader(b"/usr/libexec/ld.elf_so") {
            "netbsd"
        } else if loader(b"/usr/lib/")
            || loader(b"/lib/amd64/ld")
            || asks(b"SUNW_")
            || needs("libc.so.1")
        {
            "sunos"
        } else {
            "linux"
        };
        os.to_owned()
    }

    /// The library's name alone proves nothing: musl answers to `libc.so.6`, too.
    fn libc(&self, interpreter: Option<&[u8]>) -> Option<LibcFamily> {
        let needs =
            |wanted: &dyn Fn(&str) -> bool| self.slice.needs.iter().any(|name| wanted(name));
        let musl = |name: &str| name.starts_with("libc.musl-") || name.starts_with("ld-musl-");
        let loader = interpreter.map(printable);
        let loader = loader
            .as_deref()
            .map(|path| path.rsplit('/').next().unwrap_or(path));
        if loader.is_some_and(|name| name.starts_with("ld-musl-")) || needs(&musl) {
            Some(LibcFamily::Musl)
        } else if self.highest_glibc().is_some()
            || self.imports_glibc_only
            || loader
                .is_some_and(|name| name.starts_with("ld-linux") || name.starts_with("ld64.so"))
        {
            Some(LibcFamily::Glibc)
        } else if needs(&|name| name == "libc.so") {
            Some(LibcFamily::Musl)
        } else {
            None
        }
    }

    fn read_module_version(&mut self) {
        let nm_version = if self.evidence.is_bound_to_abi() {
            self.module_version()
        } else {
            None
        };
        self.slice.node = self.evidence.verdict(nm_version);
    }

    fn module_version(&self) -> Option<u32> {
        let relocated = self.relocated();
        let resolve = |address: u64, value: u64| match (relocated.get(&address), value) {
            (Some(target), _) => Some(*target),
            (None, 0) => None,
            (None, value) => Some(value),
        };
        let writable = self.segments.iter().filter(|segment| {
            segment.p_type(self.endian) == elf::PT_LOAD
                && segment.p_flags(self.endian).contains(elf::PF_W)
        });
        let data: Vec<(u64, &[u8])> = writable
            .filter_map(|segment| {
                let address: u64 = segment.p_vaddr(self.endian).into();
                // The struct is aligned; a segment need not be.
                let start = address.next_multiple_of(8);
                Some((start, self.at(start)?))
            })
            .collect();
        let pointers = Pointers {
            at: &|address| self.at(address),
            resolve: &resolve,
            wide: self.header.is_type_64(),
            big_endian: self.header.is_big_endian(),
        };
        node::module_version(&data, &pointers)
    }

    /// What relative relocations put where. Only those with addends are told: without, the value
    /// lies in its place.
    fn relocated(&self) -> FxHashMap<u64, u64> {
        use object::read::elf::Rela as _;
        let (address, size) = self.dynamic.rela;
        let bytes = self
            .at(address)
            .filter(|_| address != 0)
            .unwrap_or_default();
        let each = size_of::<Elf::Rela>();
        let count = usize::try_from(size).unwrap_or(0).min(bytes.len()) / each;
        let table = pod::slice_from_bytes::<Elf::Rela>(bytes, count.min(MOST_SYMBOLS));
        let entries = table.map(|(entries, _)| entries).unwrap_or_default();
        let entries = entries.iter().filter_map(|entry| {
            let addend: i64 = entry.r_addend(self.endian).into();
            let target = u64::try_from(addend).ok().filter(|target| *target != 0)?;
            Some((entry.r_offset(self.endian).into(), target))
        });
        entries.collect()
    }

    fn finish(mut self) -> (Kind, Slice) {
        let interpreter = self.interpreter();
        let os = self.os(interpreter);
        if os == "linux" {
            self.slice.libc = self.libc(interpreter);
            self.slice.glibc = self.highest_glibc().map(|(version, _)| version);
            self.slice.glibcxx = self.highest(b"GLIBCXX_");
            self.slice.cxxabi = self.highest(b"CXXABI_");
        } else {
            self.slice.glibc_symbol = None;
        }
        let pie = self.dynamic.flags & elf::DF_1_PIE.0 != 0;
        let fixed = self.header.e_type(self.endian) == elf::ET_EXEC;
        self.slice.os = Some(os);
        let kind = if !pie && !fixed && self.evidence.is_addon() {
            Kind::Addon
        } else if pie || fixed || (interpreter.is_some() && !self.dynamic.named) {
            Kind::Executable
        } else {
            Kind::Library
        };
        if kind == Kind::Executable {
            self.slice.node = crate::platforms::facts::NodeApi::None;
        }
        (kind, self.slice)
    }
}

/// `[2, 2, 5]` of `GLIBC_2.2.5`.
fn numbers(name: &[u8], prefix: &[u8]) -> Option<Vec<u32>> {
    let text = std::str::from_utf8(name.strip_prefix(prefix)?).ok()?;
    text.split('.').map(|part| part.parse().ok()).collect()
}

/// Functions that glibc has and musl has not.
fn only_in_glibc(name: &[u8]) -> bool {
    name == b"gnu_get_libc_version"
        || name.starts_with(b"__isoc23_")
        || (name.starts_with(b"__") && name.ends_with(b"_chk"))
}
