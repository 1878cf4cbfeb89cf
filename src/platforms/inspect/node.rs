//! What an addon asks of Node, by the symbols it imports and exports.

use super::bytes::{At, name_at};
use super::napi;
use crate::platforms::facts::NodeApi;

/// Signs seen so far in one binary.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // independent signs
pub struct Evidence {
    /// The newest function of Node-API that it imports, by the version that brought it.
    napi: Option<u32>,
    /// It exports what Node-API looks for.
    registers_napi: bool,
    /// The version of Node-API that it says it was built for.
    declared: Option<u32>,
    /// It imports C++ functions of V8 or Node.
    cxx: bool,
    /// It registers itself with Node in the old way.
    registers: bool,
    /// `NODE_MODULE_VERSION` in an exported name.
    exported_abi: Option<u32>,
    /// [`VERSION_FUNCTION`] was looked for.
    asked: bool,
}

/// Exported by addons since version 8; returns the version they were built for.
const VERSION_FUNCTION: &[u8] = b"node_api_module_get_api_version_v1";

impl Evidence {
    /// A symbol that the loader has to find; `weak`: or may do without.
    pub fn import(&mut self, name: &[u8], weak: bool) {
        if let Some(version) = napi::since(name) {
            let version = if weak { 1 } else { version };
            self.napi = self.napi.max(Some(version));
        } else if name == b"node_module_register" || name == b"?node_module_register@@YAXPEAX@Z" {
            self.registers = true;
        } else if is_cxx(name) {
            self.cxx = true;
        }
    }

    pub fn export(&mut self, name: &[u8]) {
        if name == b"napi_register_module_v1" {
            self.registers_napi = true;
        } else if let Some(abi) = name.strip_prefix(b"node_register_module_v") {
            let abi = std::str::from_utf8(abi)
                .ok()
                .and_then(|abi| abi.parse().ok());
            self.exported_abi = abi.or(self.exported_abi);
        }
    }

    /// Is it [`VERSION_FUNCTION`]? Only the first time: a file may repeat it a million times.
    pub fn is_version_function(&mut self, name: &[u8]) -> bool {
        name == VERSION_FUNCTION && !std::mem::replace(&mut self.asked, true)
    }

    /// The code of [`VERSION_FUNCTION`].
    pub fn version_function(&mut self, code: &[u8], cpu: Option<&str>) {
        self.declared = returned_constant(code, cpu).filter(|version| (1..100).contains(version));
    }

    pub fn is_addon(&self) -> bool {
        self.napi.is_some() || self.registers_napi || self.is_bound_to_abi()
    }

    /// One `NODE_MODULE_VERSION` only; it may stand in the file's data.
    pub fn is_bound_to_abi(&self) -> bool {
        self.cxx || self.registers || self.exported_abi.is_some()
    }

    /// - `nm_version`: what [`module_version`] found.
    pub fn verdict(&self, nm_version: Option<u32>) -> NodeApi {
        if self.is_bound_to_abi() {
            NodeApi::Abi(self.exported_abi.or(nm_version))
        } else if self.is_addon() {
            NodeApi::NodeApi(self.napi.max(self.declared))
        } else {
            NodeApi::None
        }
    }
}

/// A function in the namespaces `v8` or `node`, as GCC, Clang or MSVC write it.
fn is_cxx(name: &[u8]) -> bool {
    const ITANIUM: [&[u8]; 8] = [
        b"_ZN2v8",
        b"_ZNK2v8",
        b"_ZTVN2v8",
        b"_ZTIN2v8",
        b"_ZN4node",
        b"_ZNK4node",
        b"_ZTVN4node",
        b"_ZTIN4node",
    ];
    if name.starts_with(b"?") {
        let within = |namespace: &[u8]| memchr::memmem::find(name, namespace).is_some();
        return within(b"@v8@@") || within(b"@node@@");
    }
    ITANIUM.iter().any(|prefix| name.starts_with(prefix))
}

/// What a function returns that does nothing but return a number.
fn returned_constant(code: &[u8], cpu: Option<&str>) -> Option<u32> {
    match cpu? {
        "x64" | "ia32" => {
            const PROLOGUES: [&[u8]; 5] = [
                b"\xf3\x0f\x1e\xfa", // endbr64
                b"\xf3\x0f\x1e\xfb", // endbr32
                b"\x55",             // push rbp
                b"\x48\x89\xe5",     // mov rbp, rsp
                b"\x89\xe5",         // mov ebp, esp
            ];
            let mut code = code;
            for prologue in PROLOGUES {
                code = code.strip_prefix(prologue).unwrap_or(code);
            }
            let number = code.strip_prefix(b"\xb8")?; // mov eax, …
            Some(u32::from_le_bytes(*number.first_chunk()?))
        }
        "arm64" => {
            // paciasp, bti c, stp x29 x30, mov x29 sp: what compilers put in front.
            const PROLOGUE: [u32; 4] = [0xd503_233f, 0xd503_245f, 0xa9bf_7bfd, 0x9100_03fd];
            let words = code.chunks_exact(4).take(5);
            let mut words =
                words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
            let word = words.find(|word| !PROLOGUE.contains(word))?;
            // movz w0, #…
            (word & 0xffe0_001f == 0x5280_0000).then_some((word >> 5) & 0xffff)
        }
        _ => None,
    }
}

/// How a file's data says where something lies.
pub struct Pointers<'a> {
    /// The bytes at an address.
    pub at: &'a At<'a>,
    /// What a pointer stored at an address leads to: the address, and the bytes there as a number.
    pub resolve: &'a dyn Fn(u64, u64) -> Option<u64>,
    pub wide: bool,
    pub big_endian: bool,
}

/// Bytes of data that are looked through for a module's record.
const MOST_DATA: usize = 16 << 20;
/// Places that look like one and are looked at closely.
const MOST_MODULES: usize = 4096;

/// `nm_version` of the `struct node_module` that macros like `NODE_MODULE` leave in the data.
///
/// The struct: version, flags, handle (0), file name, two functions, module name, two pointers.
/// Source: `src/node.h` of Node.
pub fn module_version(sections: &[(u64, &[u8])], pointers: &Pointers<'_>) -> Option<u32> {
    let mut left = MOST_DATA;
    let mut modules_left = MOST_MODULES;
    for (address, bytes) in sections {
        let bytes = bytes.get(..left).unwrap_or(bytes);
        left -= bytes.len();
        let step = if pointers.wide { 8 } else { 4 };
        for at in (0..bytes.len()).step_by(step) {
            let version = pointers.number(bytes, at, false)?;
            if !(1..=400).contains(&version) || !pointers.may_be_module(bytes, at) {
                continue;
            }
            modules_left = modules_left.checked_sub(1)?;
            if pointers.is_module(*address, bytes, at) {
                return u32::try_from(version).ok();
            }
        }
    }
    None
}

impl Pointers<'_> {
    fn number(&self, bytes: &[u8], at: usize, wide: bool) -> Option<u64> {
        let rest = bytes.get(at..)?;
        Some(match (wide, self.big_endian) {
            (true, false) => u64::from_le_bytes(*rest.first_chunk()?),
            (true, true) => u64::from_be_bytes(*rest.first_chunk()?),
            (false, false) => u64::from(u32::from_le_bytes(*rest.first_chunk()?)),
            (false, true) => u64::from(u32::from_be_bytes(*rest.first_chunk()?)),
        })
    }

    fn may_be_module(&self, bytes: &[u8], at: usize) -> bool {
        let flags = self.number(bytes, at + 4, false);
        let handle = self.number(bytes, at + 8, self.wide);
        flags.is_some_and(|flags| flags < 16) && handle == Some(0)
    }

    fn is_module(&self, address: u64, bytes: &[u8], at: usize) -> bool {
        let width = if self.wide { 8 } else { 4 };
        let pointer = |index: usize| {
            let at = at + 8 + index * width;
            let value = self.number(bytes, at, self.wide)?;
            (self.resolve)(address.checked_add(at as u64)?, value)
        };
        let name = |index: usize| name_at((self.at)(pointer(index)?)?, 0);
        let is_source = name(1).is_some_and(|file| {
            let ends: [&[u8]; 6] = [b".cc", b".cpp", b".cxx", b".c", b".mm", b".C"];
            ends.iter().any(|end| file.ends_with(end))
        });
        let is_word = |name: &[u8]| {
            let word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
            !name.is_empty() && name.iter().all(word)
        };
        is_source && name(4).is_some_and(is_word)
    }
}
