//! os, cpu, libc, Node and npm: does a package run there?

mod image;
mod libc;
mod node;

pub use node::{first_with_node_api, line_of_module_version};

use std::fmt;
use std::str::FromStr;

use semver::Version;
use serde_json::Value;

use crate::json::truthy;
use crate::manifest::Manifest;
use crate::spec::{Mode, Prerelease, Range, parse_version};

/// Where packages are to run, written `linux-x64-glibc2.28-node22`; the names of well-known images
/// (`node:22-alpine`, `lambda:nodejs22.x`) are read, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As Node's `process.platform` says it.
    pub os: String,
    /// As Node's `process.arch` says it.
    pub cpu: String,
    /// Known on Linux only; what asks for a libc does not run where it is unknown.
    pub libc: Option<Libc>,
    /// Absent when any will do. `node22` is read as 22.0.0, the oldest of its line.
    pub node: Option<Version>,
    /// Never part of the text.
    pub npm: Option<Version>,
}

/// The C library of a Linux system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Libc {
    pub family: LibcFamily,
    /// Major and minor: `(2, 28)`.
    pub version: Option<(u32, u32)>,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum LibcFamily {
    Glibc,
    Musl,
}

/// A manifest's field that may exclude a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlatformField {
    Os,
    Cpu,
    Libc,
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("`{text}` is not a target: {reason}")]
#[diagnostic(
    code(EINVALIDTARGET),
    help(
        "write it like `linux-x64-glibc2.28-node22`, `linux-arm64-musl`, `darwin-arm64` or `node:22-alpine`"
    )
)]
pub struct TargetError {
    pub text: String,
    pub reason: &'static str,
}

const SYSTEMS: [&str; 10] = [
    "linux", "darwin", "win32", "freebsd", "openbsd", "netbsd", "sunos", "aix", "android", "haiku",
];
const PROCESSORS: [&str; 11] = [
    "x64", "arm64", "arm", "ia32", "ppc64", "s390x", "riscv64", "loong64", "mips", "mipsel", "ppc",
];

impl Target {
    /// This machine, with the Node and npm that the caller has found.
    pub fn host(node: Option<Version>, npm: Option<Version>) -> Self {
        let os = host_os();
        Self {
            libc: (os == "linux").then(libc::of_host).flatten(),
            os: os.to_owned(),
            cpu: host_cpu().to_owned(),
            node,
            npm,
        }
    }

    /// Does what is compiled on this machine run there? Same system, processor and C library, no
    /// older C library, and the same line of Node.
    pub fn builds_for(&self, target: &Self) -> bool {
        let libc = match (self.libc, target.libc) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(wanted)) => {
                own.family == wanted.family
                    && wanted
                        .version
                        .is_none_or(|wanted| Some(wanted) >= own.version)
            }
        };
        let major = |target: &Self| target.node.as_ref().map(|node| node.major);
        let node = major(target).is_none() || major(self) == major(target);
        self.os == target.os && self.cpu == target.cpu && libc && node
    }

    /// The `NODE_MODULE_VERSION` of its Node, where that is known.
    pub fn module_version(&self) -> Option<u32> {
        node::module_version(self.node.as_ref()?)
    }

    /// The highest Node-API of its Node, where that is known.
    pub fn node_api(&self) -> Option<u32> {
        node::node_api(self.node.as_ref()?)
    }

    /// With glibc where nothing is said of the C library: nearly all of Linux has it.
    #[must_use]
    pub fn with_libc(self) -> Self {
        let glibc = Libc {
            family: LibcFamily::Glibc,
            version: None,
        };
        Self {
            libc: self.libc.or((self.os == "linux").then_some(glibc)),
            ..self
        }
    }

    /// The target's own value of a field, in node's words.
    pub fn value(&self, field: PlatformField) -> Option<&str> {
        match field {
            PlatformField::Os => Some(&self.os),
            PlatformField::Cpu => Some(&self.cpu),
            PlatformField::Libc => self.libc.map(|libc| libc.family.name()),
        }
    }
}

impl LibcFamily {
    /// As manifests write it in `libc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

impl PlatformField {
    pub const ALL: [Self; 3] = [Self::Os, Self::Cpu, Self::Libc];

    pub fn name(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Cpu => "cpu",
            Self::Libc => "libc",
        }
    }
}

/// Do the manifest's `os`, `cpu` and `libc` allow the target?
pub fn platform_allows(manifest: &Manifest, target: &Target) -> bool {
    PlatformField::ALL
        .into_iter()
        .all(|field| field_allows(manifest, target, field))
}

/// The fields by which the manifest excludes the target.
pub fn platform_exclusions(manifest: &Manifest, target: &Target) -> Vec<PlatformField> {
    PlatformField::ALL
        .into_iter()
        .filter(|field| !field_allows(manifest, target, *field))
        .collect()
}

/// Do the manifest's `engines` allow this Node and this npm? An absent version is not asked about.
///
/// Source: `checkEngine` of `npm-install-checks`; prereleases count as ordinary versions.
pub fn engine_allows(manifest: &Manifest, node: Option<&Version>, npm: Option<&Version>) -> bool {
    let Some(engines) = manifest.object("engines") else {
        return true;
    };
    [("node", node), ("npm", npm)]
        .into_iter()
        .all(|(engine, version)| match (engines.get(engine), version) {
            (Some(wanted), Some(version)) if truthy(wanted) => wanted
                .as_str()
                .and_then(|range| Range::parse_counting(range, Mode::Strict, Prerelease::Include))
                .is_some_and(|range| range.satisfies(version, Prerelease::Include)),
            _ => true,
        })
}

fn field_allows(manifest: &Manifest, target: &Target, field: PlatformField) -> bool {
    match manifest.fields.get(field.name()) {
        Some(list) if truthy(list) => list_allows(list, target.value(field)),
        _ => true,
    }
}

/// Source: `checkList` of `npm-install-checks`. What is neither a text nor a list of texts, npm
/// fails on; so it allows nothing.
fn list_allows(list: &Value, value: Option<&str>) -> bool {
    let Some(value) = value else {
        return false;
    };
    let entries = match list {
        Value::Array(entries) => entries.as_slice(),
        Value::String(_) => std::slice::from_ref(list),
        _ => return false,
    };
    if matches!(entries, [only] if only == "any") {
        return true;
    }
    let (mut negated, mut matched) = (0, false);
    for entry in entries {
        match entry
            .as_str()
            .map(|entry| entry.strip_prefix('!').ok_or(entry))
        {
            None => return false,
            Some(Ok(excluded)) if excluded == value => return false,
            Some(Ok(_)) => negated += 1,
            Some(Err(included)) => matched |= included == value,
        }
    }
    matched || negated == entries.len()
}

/// The operating system's name in Node.
fn host_os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        "windows" => "win32",
        "solaris" | "illumos" => "sunos",
        os => os,
    }
}

/// The processor's name in Node.
fn host_cpu() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x64",
        "x86" => "ia32",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64",
        "powerpc" => "ppc",
        "loongarch64" => "loong64",
        cpu => cpu,
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let flaw = |reason| TargetError {
            text: text.to_owned(),
            reason,
        };
        if let Some(target) = image::target(text) {
            return Ok(target);
        }
        let mut parts = text.split('-').peekable();
        let os = parts.next().unwrap_or_default();
        if !SYSTEMS.contains(&os) {
            let image = text.contains([':', '/']);
            return Err(flaw(if image {
                "no such image is known"
            } else {
                "its system is none that Node runs on"
            }));
        }
        let cpu = parts.next().ok_or_else(|| flaw("it names no processor"))?;
        if !PROCESSORS.contains(&cpu) {
            return Err(flaw("its processor is none that Node runs on"));
        }
        let libc = match parts.peek() {
            Some(part) if !part.starts_with("node") => {
                let libc =
                    parse_libc(part).ok_or_else(|| flaw("its libc is neither glibc nor musl"))?;
                parts.next();
                Some(libc)
            }
            _ => None,
        };
        if libc.is_some() && os != "linux" {
            return Err(flaw("only Linux has a choice of libc"));
        }
        let node = match parts.next() {
            Some(part) => Some(parse_node(part).ok_or_else(|| flaw("its Node version is none"))?),
            None => None,
        };
        if parts.next().is_some() {
            return Err(flaw("it has too many parts"));
        }
        Ok(Self {
            os: os.to_owned(),
            cpu: cpu.to_owned(),
            libc,
            node,
            npm: None,
        })
    }
}

fn parse_libc(text: &str) -> Option<Libc> {
    let families = [LibcFamily::Glibc, LibcFamily::Musl];
    let (family, version) = families
        .into_iter()
        .find_map(|family| Some((family, text.strip_prefix(family.name())?)))?;
    let version = match version {
        "" => None,
        version => Some(libc::parse_version(version)?),
    };
    Some(Libc { family, version })
}

/// `node22`, `node22.4` or `node22.4.1`.
fn parse_node(text: &str) -> Option<Version> {
    let version = text.strip_prefix("node")?;
    let missing = 3_usize.checked_sub(version.split('.').count())?;
    parse_version(&format!("{version}{}", ".0".repeat(missing)), Mode::Strict)
}

impl fmt::Display for Libc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family.name())?;
        match self.version {
            Some((major, minor)) => write!(f, "{major}.{minor}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.os, self.cpu)?;
        if let Some(libc) = self.libc {
            write!(f, "-{libc}")?;
        }
        match &self.node {
            None => Ok(()),
            Some(node) if (node.minor, node.patch) == (0, 0) => write!(f, "-node{}", node.major),
            Some(node) if node.patch == 0 => write!(f, "-node{}.{}", node.major, node.minor),
            Some(node) => write!(f, "-node{}.{}.{}", node.major, node.minor, node.patch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(text: &str) -> Target {
        text.parse().expect(text)
    }

    fn manifest(fields: Value) -> Manifest {
        Manifest::from_registry(fields)
    }

    #[test]
    fn a_target_is_written_as_it_is_read() {
        for text in [
            "linux-x64",
            "linux-x64-musl",
            "linux-x64-glibc2.28-node22",
            "linux-arm64-node22.4.1",
            "darwin-arm64",
            "win32-ia32-node20.1",
        ] {
            assert_eq!(target(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_compiled_here_runs_on_the_like_and_on_newer_systems() {
        let host = target("linux-x64-glibc2.36-node20.1.0");
        for (text, runs) in [
            ("linux-x64", true),
            ("linux-x64-glibc", true),
            ("linux-x64-glibc2.41-node20", true),
            ("linux-x64-glibc2.28", false),
            ("linux-x64-glibc2.36-node22", false),
            ("linux-x64-musl", false),
            ("linux-arm64", false),
            ("darwin-x64", false),
        ] {
            assert_eq!(host.builds_for(&target(text)), runs, "{text}");
        }
    }

    #[test]
    fn what_node_does_not_run_on_is_no_target() {
        for text in [
            "",
            "linux",
            "macos-arm64",
            "linux-x86_64",
            "linux-x64-glibc2",
            "linux-x64-node",
            "linux-x64-node22-x",
            "linux-x64-node22.1.2.3",
            "darwin-arm64-musl",
            "linux-x64-node22-musl",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn platform_lists_allow_what_npm_allows() {
        let linux = target("linux-x64-musl");
        for (fields, excluding) in [
            (json!({}), vec![]),
            (json!({"os": "linux"}), vec![]),
            (json!({"os": ["darwin", "linux"]}), vec![]),
            (json!({"os": ["any"]}), vec![]),
            (json!({"os": ["any", "darwin"]}), vec![PlatformField::Os]),
            (json!({"os": []}), vec![]),
            (json!({"os": ""}), vec![]),
            (json!({"os": ["!win32"]}), vec![]),
            (json!({"os": ["!linux", "linux"]}), vec![PlatformField::Os]),
            (json!({"os": ["!win32", "darwin"]}), vec![PlatformField::Os]),
            (json!({"os": {"linux": true}}), vec![PlatformField::Os]),
            (json!({"os": [1]}), vec![PlatformField::Os]),
            (json!({"cpu": "arm64"}), vec![PlatformField::Cpu]),
            (json!({"libc": "musl"}), vec![]),
            (json!({"libc": ["glibc"]}), vec![PlatformField::Libc]),
            (
                json!({"os": "darwin", "libc": "glibc"}),
                vec![PlatformField::Os, PlatformField::Libc],
            ),
        ] {
            let manifest = manifest(fields);
            assert_eq!(
                platform_exclusions(&manifest, &linux),
                excluding,
                "{manifest:?}"
            );
            assert_eq!(platform_allows(&manifest, &linux), excluding.is_empty());
        }
    }

    #[test]
    fn what_asks_for_a_libc_does_not_run_where_it_is_unknown() {
        for libc in [json!("glibc"), json!(["any"]), json!(["!musl"])] {
            let manifest = manifest(json!({ "libc": libc }));
            assert!(!platform_allows(&manifest, &target("darwin-arm64")));
        }
    }

    #[test]
    fn engines_allow_what_npm_allows() {
        let version = |text| parse_version(text, Mode::Strict);
        let (node, npm) = (version("22.0.0-rc.1"), version("11.1.0"));
        for (engines, want) in [
            (json!(null), true),
            (json!("node >= 99"), true),
            (json!(["node >= 99"]), true),
            (json!({"node": ">=18"}), true),
            (json!({"node": ">=23"}), false),
            (json!({"node": ">=21 <22"}), false),
            (json!({"node": ""}), true),
            (json!({"node": "junk!"}), false),
            (json!({"node": 18}), false),
            (json!({"npm": "^10"}), false),
            (json!({"node": "*", "npm": "*", "yarn": "9"}), true),
        ] {
            let manifest = manifest(json!({ "engines": engines }));
            let got = engine_allows(&manifest, node.as_ref(), npm.as_ref());
            assert_eq!(got, want, "{manifest:?}");
        }
        let picky = manifest(json!({"engines": {"node": ">=99"}}));
        assert!(engine_allows(&picky, None, npm.as_ref()));
    }
}
