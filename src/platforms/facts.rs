//! What a tarball holds that is bound to a platform, whatever the target.
//!
//! [`Facts`] are a function of the tarball's bytes alone: they are found once and kept by its
//! integrity. What they mean on a target is the verdict's affair.

use serde::{Deserialize, Serialize};

use crate::target::LibcFamily;

/// Everything in one tarball that may tie it to a platform.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Compiled files, by path.
    pub binaries: Vec<Binary>,
    /// Ways in which the package gets its native code, in the order in which it tries them.
    pub recipes: Vec<Recipe>,
    /// `preinstall`, `install` and `postinstall` as the tarball's manifest has them.
    pub scripts: Vec<(String, String)>,
    /// `os`, `cpu` and `libc` of the tarball's own manifest.
    pub declared: Declared,
}

/// The platforms that a manifest allows; each list may hold negations (`!win32`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Declared {
    pub os: Vec<String>,
    pub cpu: Vec<String>,
    pub libc: Vec<String>,
}

/// One compiled file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Below the package's folder.
    pub path: String,
    /// In bytes.
    pub size: u64,
    pub format: Format,
    pub kind: Kind,
    /// One for each processor; a universal Mach-O has several, WebAssembly has none.
    pub slices: Vec<Slice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    Elf,
    MachO,
    Pe,
    Wasm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Node loads it: it registers itself or imports Node's symbols.
    Addon,
    Library,
    Executable,
    /// Object files and archives, leftovers of a build.
    Object,
    Wasm,
}

/// The part of a binary for one processor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Slice {
    /// As `process.platform` says it; none where the file does not tell.
    pub os: Option<String>,
    /// As `process.arch` says it.
    pub cpu: Option<String>,
    /// Of a Linux file that needs one at all: by its interpreter, else by what it needs and the
    /// versions of its symbols.
    pub libc: Option<LibcFamily>,
    /// The highest version that a symbol asks for: `(2, 28)`.
    pub glibc: Option<(u32, u32)>,
    /// The highest `GLIBCXX_` version: `[3, 4, 29]`.
    pub glibcxx: Option<Vec<u32>>,
    /// The highest `CXXABI_` version: `[1, 3, 11]`.
    pub cxxabi: Option<Vec<u32>>,
    /// A symbol that asks for the highest glibc, as proof.
    pub glibc_symbol: Option<String>,
    /// Libraries that the loader has to find.
    pub needs: Vec<String>,
    pub node: NodeApi,
    /// The oldest macOS that it declares: `(11, 0)`.
    pub min_macos: Option<(u32, u32)>,
    pub debug: bool,
    pub stripped: bool,
}

/// What an addon asks of Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum NodeApi {
    /// No addon, or none of the signs was found.
    #[default]
    None,
    /// Stable across Node's lines: needs at least this version of Node-API, where it tells.
    NodeApi(Option<u32>),
    /// V8's or Node's own C++ symbols: one `NODE_MODULE_VERSION` only, where it tells.
    Abi(Option<u32>),
}

/// How a package gets native code on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recipe {
    /// Picks one of `prebuilds/` in the tarball (prebuildify's layout), else builds.
    NodeGypBuild,
    /// A loader that tries a file of its own, then a package of the family (napi-rs).
    NapiLoader,
    /// prebuild-install: downloads a tarball made for the target.
    PrebuildInstall(Download),
    /// node-pre-gyp: downloads what `binary` in the manifest says.
    NodePreGyp(Download),
    /// node-gyp: needs Python, make and a C++ compiler.
    NodeGyp,
    CmakeJs,
    /// Needs Rust.
    Neon,
    /// Another script, which may do anything.
    Custom {
        /// `postinstall` and so on.
        event: String,
        /// Words and hosts in the script's own file that tell what it does.
        signs: Vec<String>,
    },
}

/// Where an install script would fetch from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Download {
    /// With `{platform}`, `{arch}`, `{libc}`, `{node_abi}`, `{napi_build_version}` and so on left
    /// open, as the tool writes them.
    pub url: String,
    /// Node-API versions for which there are builds; empty when they are by ABI.
    pub napi_versions: Vec<u32>,
    /// Builds from source when there is nothing to download.
    pub falls_back_to_build: bool,
}
