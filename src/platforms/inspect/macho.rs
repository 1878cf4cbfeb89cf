//! Reads Mach-O files, universal ones slice by slice.

use object::macho::{self, MachHeader32, MachHeader64};
use object::read::macho::{
    FatArch, LoadCommandVariant, MachHeader, MachOFatFile32, MachOFatFile64, Nlist as _,
};
use object::{Endianness, pod};

use super::bytes::{name_at, printable};
use super::node::{self, Evidence, Pointers};
use crate::platforms::facts::{Kind, NodeApi, Slice};

/// More of anything is not looked at; symbols of all slices together.
const MOST_SLICES: usize = 16;
const MOST_COMMANDS: usize = 4096;
const MOST_SYMBOLS: usize = 1 << 20;
const MOST_NEEDS: usize = 256;

pub fn read(data: &[u8]) -> Option<(Kind, Vec<Slice>)> {
    let parts: Vec<&[u8]> = match data.first_chunk()? {
        b"\xca\xfe\xba\xbe" => parts(MachOFatFile32::parse(data).ok()?.arches(), data),
        b"\xca\xfe\xba\xbf" => parts(MachOFatFile64::parse(data).ok()?.arches(), data),
        _ => vec![data],
    };
    let mut left = MOST_SYMBOLS;
    let slices = parts.into_iter();
    let slices = slices.filter_map(|part| read_slice(part, &mut left));
    let slices: Vec<(Kind, Slice)> = slices.collect();
    // One word for the file: the slices of honest ones agree.
    let (kind, _) = slices.first()?;
    Some((*kind, slices.into_iter().map(|(_, slice)| slice).collect()))
}

fn parts<'a>(arches: &[impl FatArch], data: &'a [u8]) -> Vec<&'a [u8]> {
    let arches = arches.iter().take(MOST_SLICES);
    arches.filter_map(|arch| arch.data(data).ok()).collect()
}

fn read_slice(data: &[u8], left: &mut usize) -> Option<(Kind, Slice)> {
    match data.first_chunk::<4>()? {
        b"\xfe\xed\xfa\xce" | b"\xce\xfa\xed\xfe" => {
            read_as::<MachHeader32<Endianness>>(data, left)
        }
        b"\xfe\xed\xfa\xcf" | b"\xcf\xfa\xed\xfe" => {
            read_as::<MachHeader64<Endianness>>(data, left)
        }
        _ => None,
    }
}

struct Segment {
    address: u64,
    offset: u64,
    size: u64,
    writable: bool,
}

struct File<'a, Mach: MachHeader> {
    data: &'a [u8],
    endian: Endianness,
    header: &'a Mach,
    segments: Vec<Segment>,
    slice: Slice,
    evidence: Evidence,
}

fn read_as<Mach: MachHeader<Endian = Endianness>>(
    data: &[u8],
    left: &mut usize,
) -> Option<(Kind, Slice)> {
    let header = Mach::parse(data, 0).ok()?;
    let endian = header.endian().ok()?;
    let mut file = File {
        data,
        endian,
        header,
        segments: Vec::new(),
        slice: Slice {
            os: Some("darwin".to_owned()),
            cpu: cpu(header.cputype(endian)).map(str::to_owned),
            stripped: true,
            ..Slice::default()
        },
        evidence: Evidence::default(),
    };
    let table = file.read_commands();
    if let Some(table) = table {
        *left -= file.read_symbols(table, *left);
    }
    Some(file.finish())
}

/// As `process.arch` says it.
fn cpu(cpu: macho::CpuType) -> Option<&'static str> {
    match cpu {
        macho::CPU_TYPE_X86_64 => Some("x64"),
        macho::CPU_TYPE_ARM64 => Some("arm64"),
        macho::CPU_TYPE_X86 => Some("ia32"),
        macho::CPU_TYPE_ARM => Some("arm"),
        macho::CPU_TYPE_POWERPC => Some("ppc"),
        macho::CPU_TYPE_POWERPC64 => Some("ppc64"),
        _ => None,
    }
}

/// `(11, 3)` of a version written in nibbles: `xxxx.yy.zz`.
fn version(packed: u32) -> (u32, u32) {
    (packed >> 16, (packed >> 8) & 0xff)
}

impl<'a, Mach: MachHeader<Endian = Endianness>> File<'a, Mach> {
    /// The bytes at an address, and all that follow in its segment.
    fn at(&self, address: u64) -> Option<&'a [u8]> {
        self.segments.iter().find_map(|segment| {
            let inside = usize::try_from(address.checked_sub(segment.address)?).ok()?;
            let rest = self.data.get(usize::try_from(segment.offset).ok()?..)?;
            let size = usize::try_from(segment.size).unwrap_or(usize::MAX);
            let bytes = rest.get(..size).unwrap_or(rest);
            bytes.get(inside..).filter(|bytes| !bytes.is_empty())
        })
    }

    /// Everything but the symbols; where their table is.
    fn read_commands(&mut self) -> Option<&'a macho::SymtabCommand<Endianness>> {
        let mut table = None;
        let mut commands = self.header.load_commands(self.endian, self.data, 0).ok()?;
        for _ in 0..MOST_COMMANDS {
            let Ok(Some(command)) = commands.next() else {
                break;
            };
            match command.variant() {
                Ok(LoadCommandVariant::Symtab(symtab)) => table = Some(symtab),
                Ok(LoadCommandVariant::Segment64(segment, _)) => {
                    let prot = segment.initprot.get(self.endian);
                    self.add_segment(
                        &segment.segname,
                        Segment {
                            address: segment.vmaddr.get(self.endian),
                            offset: segment.fileoff.get(self.endian),
                            size: segment.filesize.get(self.endian),
                            writable: prot.contains(macho::VM_PROT_WRITE),
                        },
                    );
                }
                Ok(LoadCommandVariant::Segment32(segment, _)) => {
                    let prot = segment.initprot.get(self.endian);
                    self.add_segment(
                        &segment.segname,
                        Segment {
                            address: segment.vmaddr.get(self.endian).into(),
                            offset: segment.fileoff.get(self.endian).into(),
                            size: segment.filesize.get(self.endian).into(),
                            writable: prot.contains(macho::VM_PROT_WRITE),
                        },
                    );
                }
                Ok(LoadCommandVariant::Dylib(dylib))
                    if command.cmd() != macho::LC_LOAD_WEAK_DYLIB
                        && self.slice.needs.len() < MOST_NEEDS =>
                {
                    if let Ok(name) = command.string(self.endian, dylib.dylib.name) {
                        let name = name.get(..512).unwrap_or(name);
                        self.slice.needs.push(printable(name));
                    }
                }
                Ok(LoadCommandVariant::VersionMin(min))
                    if command.cmd() == macho::LC_VERSION_MIN_MACOSX =>
                {
                    self.slice.min_macos = Some(version(min.version.get(self.endian).0));
                }
                Ok(LoadCommandVariant::BuildVersion(build, _)) => {
                    if build.platform.get(self.endian) == macho::PLATFORM_MACOS {
                        self.slice.min_macos = Some(version(build.minos.get(self.endian).0));
                    } else {
                        // A telephone's, a watch's: Node is on none of them.
                        self.slice.os = Some("ios".to_owned());
                    }
                }
                _ => {}
            }
        }
        table
    }

    fn add_segment(&mut self, name: &[u8; 16], segment: Segment) {
        const MOST_SEGMENTS: usize = 64;
        self.slice.debug |= name.starts_with(b"__DWARF");
        if self.segments.len() < MOST_SEGMENTS {
            self.segments.push(segment);
        }
    }

    /// At most so many; returns how many there were.
    fn read_symbols(&mut self, table: &macho::SymtabCommand<Endianness>, most: usize) -> usize {
        let range = |offset: u32, size: usize| {
            let rest = self.data.get(offset as usize..)?;
            Some(rest.get(..size).unwrap_or(rest))
        };
        let strings = range(
            table.stroff.get(self.endian),
            table.strsize.get(self.endian) as usize,
        );
        let (Some(strings), Some(bytes)) =
            (strings, range(table.symoff.get(self.endian), usize::MAX))
        else {
            return 0;
        };
        let fit = bytes.len() / size_of::<Mach::Nlist>();
        let count = (table.nsyms.get(self.endian) as usize).min(fit).min(most);
        let symbols = pod::slice_from_bytes::<Mach::Nlist>(bytes, count);
        for symbol in symbols.map(|(symbols, _)| symbols).unwrap_or_default() {
            if symbol.is_stab() {
                continue;
            }
            if !symbol.n_type().contains(macho::N_EXT) {
                self.slice.stripped = false;
                continue;
            }
            let Some(name) = name_at(strings, u64::from(symbol.n_strx(self.endian))) else {
                continue;
            };
            // C's names have an underscore in front here.
            let name = name.strip_prefix(b"_").unwrap_or(name);
            if symbol.is_undefined() {
                let weak = symbol.n_desc(self.endian).contains(macho::N_WEAK_REF);
                self.evidence.import(name, weak);
            } else {
                self.evidence.export(name);
                if self.evidence.is_version_function(name)
                    && let Some(code) = self.at(symbol.n_value(self.endian).into())
                {
                    let cpu = self.slice.cpu.as_deref();
                    self.evidence.version_function(code, cpu);
                }
            }
        }
        count
    }

    fn module_version(&self) -> Option<u32> {
        // Pointers are plain, or links of a chain that hold their target in the lower 36 bits: as
        // an address, or counted from the first segment.
        let base = self.segments.iter().filter(|segment| segment.size > 0);
        let base = base.map(|segment| segment.address).min().unwrap_or(0);
        let resolve = |_: u64, value: u64| {
            let target = value & 0xf_ffff_ffff;
            let candidates = [value, target, base.checked_add(target)?];
            let mut there = candidates.into_iter();
            there.find(|target| *target != 0 && self.at(*target).is_some())
        };
        let writable = self.segments.iter().filter(|segment| segment.writable);
        let data: Vec<(u64, &[u8])> = writable
            .take(64)
            .filter_map(|segment| Some((segment.address, self.at(segment.address)?)))
            .collect();
        let pointers = Pointers {
            at: &|address| self.at(address),
            resolve: &resolve,
            wide: self.header.is_type_64(),
            big_endian: self.header.is_big_endian(),
        };
        node::module_version(&data, &pointers)
    }

    fn finish(mut self) -> (Kind, Slice) {
        let kind = match self.header.filetype(self.endian) {
            macho::MH_EXECUTE => Kind::Executable,
            macho::MH_OBJECT => Kind::Object,
            _ if self.evidence.is_addon() => Kind::Addon,
            _ => Kind::Library,
        };
        if kind == Kind::Addon {
            let bound = self.evidence.is_bound_to_abi();
            let nm_version = bound.then(|| self.module_version()).flatten();
            self.slice.node = self.evidence.verdict(nm_version);
        } else {
            self.slice.node = NodeApi::None;
        }
        (kind, self.slice)
    }
}
