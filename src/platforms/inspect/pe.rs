//! Reads Windows' PE files, and the object files that go with them.

use object::LittleEndian as LE;
use object::pe::{self, ImageNtHeaders32, ImageNtHeaders64};
use object::pod;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader as _, PeFile};

use super::bytes::{name_at, printable};
use super::node::{self, Evidence, Pointers};
use crate::platforms::facts::{Kind, NodeApi, Slice};

/// More of anything is not looked at; Windows itself takes 96 sections.
const MOST_SECTIONS: usize = 96;
const MOST_LIBRARIES: usize = 1024;
const MOST_SYMBOLS: usize = 1 << 18;

pub fn read(data: &[u8]) -> Option<(Kind, Slice)> {
    let magic = object::read::pe::optional_header_magic(data).ok()?;
    if magic == pe::IMAGE_NT_OPTIONAL_HDR64_MAGIC {
        read_as::<ImageNtHeaders64>(data)
    } else {
        read_as::<ImageNtHeaders32>(data)
    }
}

/// As `process.arch` says it; of the machine's number in a PE or COFF header.
pub fn cpu(machine: u16) -> Option<&'static str> {
    match machine {
        0x8664 => Some("x64"),
        0x014c => Some("ia32"),
        0xaa64 | 0xa641 => Some("arm64"),
        0x01c4 => Some("arm"),
        _ => None,
    }
}

struct File<'a, Pe: ImageNtHeaders> {
    image: PeFile<'a, Pe>,
    slice: Slice,
    evidence: Evidence,
    left: usize,
}

fn read_as<Pe: ImageNtHeaders>(data: &[u8]) -> Option<(Kind, Slice)> {
    let file = PeFile::<Pe>::parse(data).ok()?;
    if file.section_table().len() > MOST_SECTIONS {
        return None;
    }
    let header = file.nt_headers().file_header();
    let is_dll = header.characteristics.get(LE).contains(pe::IMAGE_FILE_DLL);
    let machine = header.machine.get(LE).0;
    // What runs on .NET says ia32 when any processor will do.
    let managed = file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR);
    let managed = managed.is_some_and(|entry| entry.virtual_address.get(LE) != 0);
    let any = managed && machine == 0x014c;
    let mut file = File {
        slice: Slice {
            os: (!managed).then(|| "win32".to_owned()),
            cpu: cpu(machine).filter(|_| !any).map(str::to_owned),
            stripped: header.pointer_to_symbol_table.get(LE) == 0,
            ..Slice::default()
        },
        image: file,
        evidence: Evidence::default(),
        left: MOST_SYMBOLS,
    };
    file.read_imports();
    file.read_delayed();
    file.read_exports();
    Some(file.finish(is_dll))
}

impl<'a, Pe: ImageNtHeaders> File<'a, Pe> {
    /// The bytes at a relative address, and all that follow in its section.
    fn at(&self, address: u32) -> Option<&'a [u8]> {
        let sections = self.image.section_table();
        sections.pe_data_at(self.image.data(), address)
    }

    fn name(&self, address: u32) -> Option<&'a [u8]> {
        name_at(self.at(address)?, 0)
    }

    fn read_imports(&mut self) {
        let Ok(Some(table)) = self.image.import_table() else {
            return;
        };
        let Ok(mut descriptors) = table.descriptors() else {
            return;
        };
        for _ in 0..MOST_LIBRARIES {
            let Ok(Some(descriptor)) = descriptors.next() else {
                return;
            };
            let library = self.name(descriptor.name.get(LE)).unwrap_or_default();
            self.slice.needs.push(printable(library));
            let first = match descriptor.original_first_thunk.get(LE) {
                0 => descriptor.first_thunk.get(LE),
                original => original,
            };
            self.read_thunks(first);
        }
    }

    /// Libraries that are looked for when they are used first: node.exe under any name, mostly.
    fn read_delayed(&mut self) {
        let Ok(Some(table)) = self.image.delay_load_import_table() else {
            return;
        };
        let Ok(mut descriptors) = table.descriptors() else {
            return;
        };
        for _ in 0..MOST_LIBRARIES {
            let Ok(Some(descriptor)) = descriptors.next() else {
                return;
            };
            self.read_thunks(descriptor.import_name_table_rva.get(LE));
        }
    }

    /// A list of names, each behind a hint of two bytes, ended by a zero.
    fn read_thunks(&mut self, first: u32) {
        let width = if self.image.nt_headers().is_type_64() {
            8
        } else {
            4
        };
        let Some(list) = self.at(first) else {
            return;
        };
        for thunk in list.chunks_exact(width) {
            let low = thunk
                .first_chunk()
                .map_or(0, |bytes| u32::from_le_bytes(*bytes));
            let by_number = thunk.last().is_some_and(|last| last & 0x80 != 0);
            if self.left == 0 || thunk.iter().all(|byte| *byte == 0) {
                return;
            }
            self.left -= 1;
            if !by_number && let Some(name) = self.name(low.saturating_add(2)) {
                self.evidence.import(name, false);
            }
        }
    }

    /// Windows reads the directory's tables wherever they lie, whatever its size says.
    fn read_exports(&mut self) {
        let directory = self.image.data_directory(pe::IMAGE_DIRECTORY_ENTRY_EXPORT);
        let address = directory.map_or(0, |entry| entry.virtual_address.get(LE));
        let bytes = self.at(address).filter(|_| address != 0);
        let Some(Ok((directory, _))) = bytes.map(pod::from_bytes::<pe::ImageExportDirectory>)
        else {
            return;
        };
        let names = self.at(directory.address_of_names.get(LE));
        let numbers = self.at(directory.address_of_name_ordinals.get(LE));
        let functions = self.at(directory.address_of_functions.get(LE));
        let (Some(names), Some(numbers)) = (names, numbers) else {
            return;
        };
        let count = (directory.number_of_names.get(LE) as usize).min(self.left);
        let pairs = names.chunks_exact(4).zip(numbers.chunks_exact(2));
        for (name, number) in pairs.take(count) {
            let name = u32::from_le_bytes([name[0], name[1], name[2], name[3]]);
            let number = usize::from(u16::from_le_bytes([number[0], number[1]]));
            let Some(name) = self.name(name) else {
                continue;
            };
            self.evidence.export(name);
            let address = functions.and_then(|table| table.get(4 * number..)?.first_chunk());
            if self.evidence.is_version_function(name)
                && let Some(code) = address.and_then(|at| self.code(u32::from_le_bytes(*at)))
            {
                let cpu = self.slice.cpu.as_deref();
                self.evidence.version_function(code, cpu);
            }
        }
    }

    /// A function's code; linkers put a jump in front of some.
    fn code(&self, address: u32) -> Option<&'a [u8]> {
        let code = self.at(address)?;
        let Some(distance) = code.strip_prefix(b"\xe9") else {
            return Some(code);
        };
        let distance = i32::from_le_bytes(*distance.first_chunk()?);
        self.at(address.wrapping_add(5).wrapping_add_signed(distance))
    }

    fn module_version(&self) -> Option<u32> {
        let base = self.image.nt_headers().optional_header().image_base();
        let relative = |address: u64| u32::try_from(address.checked_sub(base)?).ok();
        let at = |address: u64| self.at(relative(address)?);
        let data: Vec<(u64, &[u8])> = self
            .image
            .section_table()
            .iter()
            .filter_map(|section| {
                let start = section.virtual_address.get(LE);
                Some((base.checked_add(start.into())?, self.at(start)?))
            })
            .collect();
        let pointers = Pointers {
            at: &at,
            resolve: &|_, value| Some(value),
            wide: self.image.nt_headers().is_type_64(),
            big_endian: false,
        };
        node::module_version(&data, &pointers)
    }

    fn finish(mut self, is_dll: bool) -> (Kind, Slice) {
        let kind = match (is_dll, self.evidence.is_addon()) {
            (true, true) => Kind::Addon,
            (true, false) => Kind::Library,
            (false, _) => Kind::Executable,
        };
        if kind == Kind::Addon {
            let bound = self.evidence.is_bound_to_abi();
            let nm_version = bound.then(|| self.module_version()).flatten();
            self.slice.node = self.evidence.verdict(nm_version);
        } else {
            self.slice.node = NodeApi::None;
        }
        // Microsoft's debug libraries are on no machine but a developer's.
        let debug = |name: &String| {
            let name = name.to_ascii_lowercase();
            let library = name.trim_end_matches(".dll");
            library == "ucrtbased"
                || ["vcruntime", "msvcp", "msvcr"].iter().any(|prefix| {
                    let version = library.strip_prefix(prefix);
                    version.is_some_and(|version| version.ends_with('d'))
                })
        };
        let sections = self.image.section_table();
        let mut names = sections.iter().map(|section| section.name);
        self.slice.debug = self.slice.needs.iter().any(debug)
            || names.any(|name| name.starts_with(b".debug_") || name.starts_with(b"/4\0"));
        (kind, self.slice)
    }
}

/// An object file (`.obj`), which begins with its machine's number.
pub fn read_object(data: &[u8]) -> Option<Slice> {
    let (header, _) = pod::from_bytes::<pe::ImageFileHeader>(data).ok()?;
    let plausible =
        header.number_of_sections.get(LE) < 1 << 12 && header.size_of_optional_header.get(LE) == 0;
    let cpu = cpu(header.machine.get(LE).0).filter(|_| plausible)?;
    Some(Slice {
        os: Some("win32".to_owned()),
        cpu: Some(cpu.to_owned()),
        ..Slice::default()
    })
}
