//! The file that node-gyp-build would take out of a package's `prebuilds/`.
//!
//! prebuildify puts the files into `prebuilds/<system>-<processor>[+<processor>]/` and says the rest
//! by tags in their names: `node.napi.node`, `name.abi108.musl.node`, `electron.abi116.node`.
//!
//! Source: `node-gyp-build.js` of node-gyp-build 4.8: `parseTags`, `matchTags`, `compareTags`.

use super::facts::Binary;
use crate::target::Target;

/// Of one file's name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tags<'a> {
    runtime: Option<&'a str>,
    napi: bool,
    abi: Option<u32>,
    libc: Option<&'a str>,
    /// More tags win.
    specificity: u32,
}

/// What the folder has for a target.
#[derive(Debug)]
pub enum Prebuild<'a> {
    /// There is no `prebuilds/`.
    Nothing,
    /// There are some, and none for the target.
    Others,
    Chosen(&'a Binary),
}

/// What would be taken, whether or not it runs then.
pub fn choose<'a>(binaries: &[&'a Binary], target: &Target) -> Prebuild<'a> {
    let mut any = false;
    let mut best: Option<((bool, bool, u32), &Binary)> = None;
    for binary in binaries {
        let Some((tuple, file)) = place(&binary.path) else {
            continue;
        };
        any = true;
        let Some(tags) = Tags::parse(file) else {
            continue;
        };
        if !tuple_matches(tuple, target) || !tags.match_(target) {
            continue;
        }
        let rank = tags.rank(target);
        if best.as_ref().is_none_or(|(known, _)| rank > *known) {
            best = Some((rank, binary));
        }
    }
    match best {
        Some((_, binary)) => Prebuild::Chosen(binary),
        None if any => Prebuild::Others,
        None => Prebuild::Nothing,
    }
}

/// `linux-x64` and `node.napi.node` of `prebuilds/linux-x64/node.napi.node`.
fn place(path: &str) -> Option<(&str, &str)> {
    let (tuple, file) = path.strip_prefix("prebuilds/")?.split_once('/')?;
    (!file.contains('/')).then_some((tuple, file))
}

fn tuple_matches(tuple: &str, target: &Target) -> bool {
    let Some((os, cpus)) = tuple.split_once('-') else {
        return false;
    };
    os == target.os && cpus.split('+').any(|cpu| cpu == target.cpu)
}

/// Electron is no target: its files count for nothing.
pub fn is_for_electron(path: &str) -> bool {
    let tags = place(path).and_then(|(_, file)| Tags::parse(file));
    tags.is_some_and(|tags| matches!(tags.runtime, Some("electron" | "node-webkit")))
}

impl<'a> Tags<'a> {
    fn parse(file: &'a str) -> Option<Self> {
        let stem = file.strip_suffix(".node")?;
        let mut tags = Self::default();
        for tag in stem.split('.') {
            match tag {
                "node" | "electron" | "node-webkit" => tags.runtime = Some(tag),
                "napi" => tags.napi = true,
                "glibc" | "musl" => tags.libc = Some(tag),
                tag => match tag.strip_prefix("abi").map(str::parse) {
                    Some(Ok(abi)) => tags.abi = Some(abi),
                    _ if tag.starts_with("uv") || tag.starts_with("armv") => {}
                    _ => continue,
                },
            }
            tags.specificity += 1;
        }
        Some(tags)
    }

    fn match_(&self, target: &Target) -> bool {
        let is_node = self.runtime.is_none_or(|runtime| runtime == "node");
        let abi = match (self.abi, target.module_version()) {
            (Some(abi), Some(wanted)) => abi == wanted || self.napi,
            _ => true,
        };
        let libc = match (self.libc, target.libc) {
            (Some(libc), Some(wanted)) => libc == wanted.family.name(),
            _ => true,
        };
        is_node && abi && libc
    }

    fn rank(&self, target: &Target) -> (bool, bool, u32) {
        let abi = self.abi.is_some() && self.abi == target.module_version();
        (self.runtime == Some("node"), abi, self.specificity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::facts::{Format, Kind};

    fn chosen(paths: &[&str], on: &str) -> String {
        let binaries: Vec<Binary> = paths
            .iter()
            .map(|path| Binary {
                path: (*path).to_owned(),
                size: 1,
                format: Format::Elf,
                kind: Kind::Addon,
                slices: Vec::new(),
            })
            .collect();
        let binaries: Vec<&Binary> = binaries.iter().collect();
        match choose(&binaries, &on.parse().unwrap()) {
            Prebuild::Nothing => "nothing".to_owned(),
            Prebuild::Others => "others".to_owned(),
            Prebuild::Chosen(binary) => binary.path.clone(),
        }
    }

    #[test]
    fn the_tags_of_the_name_choose_as_node_gyp_build_does() {
        let paths = [
            "prebuilds/linux-x64/a.glibc.node",
            "prebuilds/linux-x64/a.musl.node",
            "prebuilds/linux-arm64/electron.abi116.node",
            "prebuilds/linux-arm64/node.abi108.node",
            "prebuilds/linux-arm64/node.abi115.node",
            "prebuilds/darwin-x64+arm64/node.napi.node",
            "prebuilds/win32-x64/deep/a.node",
        ];
        for (target, file) in [
            ("linux-x64-musl", paths[1]),
            ("linux-x64-glibc", paths[0]),
            ("linux-arm64-glibc-node20", paths[4]),
            ("linux-arm64-glibc-node22", "others"),
            ("darwin-arm64", paths[5]),
            ("win32-x64", "others"),
        ] {
            assert_eq!(chosen(&paths, target), file, "{target}");
        }
        assert_eq!(chosen(&["build/Release/a.node"], "darwin-arm64"), "nothing");
    }
}
