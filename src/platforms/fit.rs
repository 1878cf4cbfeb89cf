//! Does a compiled file run on a target?

use std::fmt;

use super::facts::{Binary, Format, Kind, NodeApi, Slice};
use crate::target::{Libc, LibcFamily, Target, first_with_node_api, line_of_module_version};

/// Why a compiled file does not run on a target. The later ones come nearer to running.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misfit {
    /// It is for another system.
    Os(String),
    /// It is for another processor.
    Cpu(String),
    /// It is for the other C library.
    Libc(LibcFamily),
    /// It needs a newer glibc.
    Glibc {
        needs: (u32, u32),
        has: (u32, u32),
        symbol: Option<String>,
    },
    /// It needs a newer libstdc++ than the distributions with the target's glibc have.
    Libstdcxx { needs: String, has: String },
    /// It needs a newer Node-API.
    NodeApi { needs: u32, has: u32 },
    /// It is for another line of Node.
    ModuleVersion { needs: u32, has: u32 },
}

/// The highest `GLIBCXX_3.4.x` of the distributions with a glibc: RHEL 7, Amazon Linux 2, RHEL 8
/// and Debian 10, Debian 11 and Ubuntu 20.04, RHEL 9 and Amazon Linux 2023, Ubuntu 22.04, Debian
/// 12, Ubuntu 24.04 and RHEL 10, Debian 13.
///
/// Source: the symbol versions of each one's own `libstdc++.so.6`, by its GCC as told in GCC's
/// documentation ("ABI Policy and Guidelines").
const LIBSTDCXX: [((u32, u32), u32); 9] = [
    ((2, 17), 19),
    ((2, 26), 24),
    ((2, 28), 25),
    ((2, 31), 28),
    ((2, 34), 29),
    ((2, 35), 30),
    ((2, 36), 30),
    ((2, 39), 33),
    ((2, 41), 33),
];

/// The part of the file that runs there, or what keeps the nearest one from it. What a file or a
/// target leaves open counts as fitting.
pub fn fit<'a>(binary: &'a Binary, target: &Target) -> Result<Option<&'a Slice>, Misfit> {
    let mut nearest: Option<Misfit> = None;
    for slice in &binary.slices {
        match slice_fits(binary, slice, target) {
            Ok(()) => return Ok(Some(slice)),
            Err(misfit) => nearest = nearest.max(Some(misfit)),
        }
    }
    nearest.map_or(Ok(None), Err)
}

fn slice_fits(binary: &Binary, slice: &Slice, target: &Target) -> Result<(), Misfit> {
    system_fits(binary, slice, target)?;
    let libc = target.libc.filter(|_| target.os == "linux");
    family_fits(slice, libc)?;
    node_fits(slice.node, target)?;
    libc.map_or(Ok(()), |libc| version_fits(slice, libc))
}

fn system_fits(binary: &Binary, slice: &Slice, target: &Target) -> Result<(), Misfit> {
    let format_os = match binary.format {
        Format::MachO => Some("darwin"),
        Format::Pe => Some("win32"),
        Format::Elf | Format::Wasm => None,
    };
    match slice.os.as_deref().or(format_os) {
        Some(os) if os != target.os => return Err(Misfit::Os(os.to_owned())),
        // An ELF file without a system's mark may be for any system that has such files.
        None if binary.format == Format::Elf && matches!(&*target.os, "darwin" | "win32") => {
            return Err(Misfit::Os("linux".to_owned()));
        }
        _ => {}
    }
    match slice.cpu.as_deref() {
        Some(cpu) if cpu != target.cpu && !emulated(binary.kind, cpu, target) => {
            Err(Misfit::Cpu(cpu.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Windows runs programs of its older processors, though no libraries of theirs.
fn emulated(kind: Kind, cpu: &str, target: &Target) -> bool {
    let runs = match &*target.cpu {
        "x64" => cpu == "ia32",
        "arm64" => cpu == "ia32" || cpu == "x64",
        _ => false,
    };
    kind == Kind::Executable && target.os == "win32" && runs
}

fn family_fits(slice: &Slice, libc: Option<Libc>) -> Result<(), Misfit> {
    match (slice.libc, libc) {
        (Some(family), Some(libc)) if family != libc.family => Err(Misfit::Libc(family)),
        _ => Ok(()),
    }
}

fn version_fits(slice: &Slice, libc: Libc) -> Result<(), Misfit> {
    let Some(has) = libc.version.filter(|_| libc.family == LibcFamily::Glibc) else {
        return Ok(());
    };
    if let Some(needs) = slice.glibc.filter(|needs| *needs > has) {
        let symbol = slice.glibc_symbol.clone();
        return Err(Misfit::Glibc { needs, has, symbol });
    }
    let usual = LIBSTDCXX.iter().find(|(glibc, _)| *glibc == has);
    match (usual, slice.glibcxx.as_deref()) {
        (Some((_, usual)), Some(needs)) if needs > [3, 4, *usual].as_slice() => {
            Err(Misfit::Libstdcxx {
                needs: dotted(needs),
                has: format!("3.4.{usual}"),
            })
        }
        _ => Ok(()),
    }
}

fn node_fits(node: NodeApi, target: &Target) -> Result<(), Misfit> {
    match (node, target.node_api(), target.module_version()) {
        (NodeApi::NodeApi(Some(needs)), Some(has), _) if needs > has => {
            Err(Misfit::NodeApi { needs, has })
        }
        (NodeApi::Abi(Some(needs)), _, Some(has)) if needs != has => {
            Err(Misfit::ModuleVersion { needs, has })
        }
        _ => Ok(()),
    }
}

fn dotted(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    texts.join(".")
}

/// What a part of a file asks of its surroundings, in one line: `linux x64, glibc 2.17, Node-API 3`.
pub fn needs(binary: &Binary, slice: Option<&Slice>) -> String {
    let Some(slice) = slice else {
        return match binary.format {
            Format::Wasm => "WebAssembly, any platform".to_owned(),
            _ => "nothing is known of it".to_owned(),
        };
    };
    let os = slice.os.as_deref().unwrap_or(match binary.format {
        Format::MachO => "darwin",
        Format::Pe => "win32",
        Format::Elf | Format::Wasm => "any system with ELF",
    });
    let mut parts = vec![format!(
        "{os} {}",
        slice.cpu.as_deref().unwrap_or("any processor")
    )];
    match (slice.libc, slice.glibc) {
        (Some(LibcFamily::Glibc) | None, Some((major, minor))) => {
            parts.push(format!("glibc {major}.{minor} or newer"));
        }
        (Some(family), _) => parts.push(family.name().to_owned()),
        (None, None) => {}
    }
    if let Some(glibcxx) = &slice.glibcxx {
        parts.push(format!("GLIBCXX_{}", dotted(glibcxx)));
    }
    if let Some((major, minor)) = slice.min_macos {
        parts.push(format!("macOS {major}.{minor} or newer"));
    }
    match slice.node {
        NodeApi::None => {}
        NodeApi::NodeApi(None) => parts.push("Node-API".to_owned()),
        NodeApi::NodeApi(Some(version)) => parts.push(format!("Node-API {version}")),
        NodeApi::Abi(None) => parts.push("one line of Node only".to_owned()),
        NodeApi::Abi(Some(version)) => parts.push(format!("{} only", line(version))),
    }
    parts.join(", ")
}

/// `Node 18 (module version 108)`.
fn line(module_version: u32) -> String {
    match line_of_module_version(module_version) {
        Some(line) => format!("Node {line} (module version {module_version})"),
        None => format!("module version {module_version}"),
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os(os) => write!(f, "is for {os}"),
            Self::Cpu(cpu) => write!(f, "is for {cpu}"),
            Self::Libc(family) => write!(f, "needs {}", family.name()),
            Self::Glibc { needs, has, symbol } => {
                write!(f, "needs glibc {}.{}", needs.0, needs.1)?;
                if let Some(symbol) = symbol {
                    write!(f, " (symbol {symbol})")?;
                }
                write!(f, ", and there is {}.{}", has.0, has.1)
            }
            Self::Libstdcxx { needs, has } => {
                write!(f, "needs GLIBCXX_{needs}, and such systems have {has}")
            }
            Self::NodeApi { needs, has } => {
                write!(f, "needs Node-API {needs}")?;
                if let Some(first) = first_with_node_api(*needs) {
                    write!(f, " (Node {first})")?;
                }
                write!(f, ", and there is {has}")
            }
            Self::ModuleVersion { needs, has } => {
                write!(f, "is for {}, and there is {}", line(*needs), line(*has))
            }
        }
    }
}
