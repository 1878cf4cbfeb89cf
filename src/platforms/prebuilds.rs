//! Which of the prebuilt files in a tarball a loader would take.
//!
//! prebuildify's layout: `prebuilds/<system>-<processor>[+<processor>…]/<tags>.node`.
//! Source: `node-gyp-build.js` of node-gyp-build 4.

use crate::target::{LibcFamily, Target};

/// What a file of `prebuilds/` says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prebuild<'a> {
    /// As `process.platform` says it.
    pub os: &'a str,
    /// As `process.arch` says it; several in one file for macOS.
    pub cpus: Vec<&'a str>,
    /// `node`, `electron` or `node-webkit`.
    pub runtime: Option<&'a str>,
    /// Made for Node-API.
    pub napi: bool,
    /// For this `NODE_MODULE_VERSION` only.
    pub abi: Option<u32>,
    /// For this major version of libuv only.
    pub uv: Option<u32>,
    /// For this version of the ARM architecture only.
    pub armv: Option<u32>,
    /// `glibc` or `musl`.
    pub libc: Option<&'a str>,
    specificity: u32,
}

/// What the loader asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub os: &'a str,
    pub cpu: &'a str,
    /// `None`: any.
    pub abi: Option<u32>,
    /// `glibc` or `musl`; the loader takes everything but Alpine for glibc.
    pub libc: &'a str,
}

impl<'a> Wanted<'a> {
    /// What the loader asks for on a target.
    pub fn on(target: &'a Target) -> Self {
        let is_musl = target
            .libc
            .is_some_and(|libc| libc.family == LibcFamily::Musl);
        Self {
            os: &target.os,
            cpu: &target.cpu,
            abi: target.module_version(),
            libc: if is_musl { "musl" } else { "glibc" },
        }
    }
}

/// Electron is no target: its files count for nothing.
pub fn is_for_electron(path: &str) -> bool {
    let runtime = prebuild(path).and_then(|prebuild| prebuild.runtime);
    runtime.is_some_and(|runtime| runtime != "node")
}

/// Reads a path below the package's folder; `None` when it is no prebuilt file.
pub fn prebuild(path: &str) -> Option<Prebuild<'_>> {
    let (folder, file) = path.strip_prefix("prebuilds/")?.split_once('/')?;
    let (os, cpus) = folder.split_once('-')?;
    let cpus: Vec<&str> = cpus.split('+').collect();
    let plain = |part: &&str| !part.is_empty() && !part.contains('-');
    if os.is_empty() || !cpus.iter().all(plain) {
        return None;
    }
    let mut prebuild = Prebuild {
        os,
        cpus,
        ..Prebuild::default()
    };
    for tag in file.strip_suffix(".node")?.split('.') {
        prebuild.add(tag);
    }
    Some(prebuild)
}

/// The file that node-gyp-build would load, of these paths.
pub fn choose<'a>(paths: impl Iterator<Item = &'a str>, wanted: Wanted<'_>) -> Option<&'a str> {
    let fitting = paths.filter_map(|path| {
        let prebuild = prebuild(path).filter(|prebuild| prebuild.fits(wanted))?;
        Some((prebuild.rank(), path))
    });
    let (_, path) = fitting.min()?;
    Some(path)
}

impl<'a> Prebuild<'a> {
    fn add(&mut self, tag: &'a str) {
        let number = |prefix: &str| tag.strip_prefix(prefix).map(|text| text.parse().ok());
        match tag {
            "node" | "electron" | "node-webkit" => self.runtime = Some(tag),
            "napi" => self.napi = true,
            "glibc" | "musl" => self.libc = Some(tag),
            _ => {
                // What is no number fits nothing, as there.
                if let Some(abi) = number("abi") {
                    self.abi = Some(abi.unwrap_or(0));
                } else if let Some(uv) = number("uv") {
                    self.uv = Some(uv.unwrap_or(0));
                } else if let Some(armv) = number("armv") {
                    self.armv = Some(armv.unwrap_or(0));
                } else {
                    return;
                }
            }
        }
        self.specificity += 1;
    }

    fn fits(&self, wanted: Wanted<'_>) -> bool {
        let runtime = self.runtime.is_none_or(|runtime| runtime == "node");
        let abi = self.napi || self.abi.is_none() || wanted.abi.is_none() || self.abi == wanted.abi;
        let armv = self
            .armv
            .is_none_or(|armv| wanted.cpu != "arm64" || armv == 8);
        self.os == wanted.os
            && self.cpus.contains(&wanted.cpu)
            && runtime
            && abi
            && armv
            && self.uv.is_none_or(|uv| uv == 1)
            && self.libc.is_none_or(|libc| libc == wanted.libc)
    }

    /// Lower is better: one processor, a named runtime, an ABI, more tags.
    fn rank(&self) -> (usize, bool, bool, u32) {
        (
            self.cpus.len(),
            self.runtime.is_none(),
            self.abi.is_none(),
            u32::MAX - self.specificity,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 8] = [
        "prebuilds/darwin-x64+arm64/node.napi.node",
        "prebuilds/linux-arm64/x.armv8.node",
        "prebuilds/linux-x64/electron.napi.node",
        "prebuilds/linux-x64/node.abi108.node",
        "prebuilds/linux-x64/node.napi.glibc.node",
        "prebuilds/linux-x64/node.napi.musl.node",
        "prebuilds/linux-x64/node.napi.node",
        "prebuilds/win32-x64/README.md",
    ];

    fn chosen(os: &str, cpu: &str, abi: u32, libc: &str) -> Option<&'static str> {
        let abi = Some(abi);
        choose(PATHS.into_iter(), Wanted { os, cpu, abi, libc })
    }

    // Held against node-gyp-build 4.8.4 with the same files.
    #[test]
    fn the_most_special_of_the_fitting_files_is_taken() {
        let linux = "prebuilds/linux-x64/";
        assert_eq!(
            chosen("linux", "x64", 108, "glibc").unwrap(),
            format!("{linux}node.abi108.node")
        );
        assert_eq!(
            chosen("linux", "x64", 115, "glibc").unwrap(),
            format!("{linux}node.napi.glibc.node")
        );
        assert_eq!(
            chosen("linux", "x64", 115, "musl").unwrap(),
            format!("{linux}node.napi.musl.node")
        );
        assert_eq!(chosen("darwin", "arm64", 115, "").unwrap(), PATHS[0]);
        assert_eq!(chosen("linux", "arm64", 115, "glibc").unwrap(), PATHS[1]);
        assert_eq!(chosen("win32", "x64", 115, ""), None);
        assert_eq!(chosen("linux", "ia32", 115, "glibc"), None);
    }

    #[test]
    fn other_paths_are_no_prebuilt_files() {
        for path in [
            "build/Release/x.node",
            "prebuilds/x.node",
            "prebuilds/linux/x.node",
            "prebuilds/-x64/x.node",
            "prebuilds/linux-/x.node",
            "prebuilds/linux-x64-musl/x.node",
        ] {
            assert_eq!(prebuild(path), None, "{path}");
        }
    }
}
