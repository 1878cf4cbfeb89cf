//! Finds families of prebuilt binaries, and which member a target would use.

use serde_json::{Map, Value};

use super::{Family, Verdict, allowed};
use crate::json::truthy;
use crate::lock::{Index, Lock};
use crate::target::{LibcFamily, PlatformField, Target};

/// One optional dependency of a package that has a binary for each platform.
#[derive(Debug)]
pub(super) struct Member {
    pub name: String,
    /// Its place in the lock; `None` when the lock lacks it.
    pub at: Option<usize>,
    entry: Map<String, Value>,
    named: Named,
}

/// What a member's name says about its platform, as in `@x/y-linux-arm64-musl`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    os: Option<&'static str>,
    cpu: Option<&'static str>,
    libc: Option<LibcFamily>,
    wasm: bool,
    /// The rest of the name: members of one package with the same rest stand for each other.
    stem: String,
}

/// Places of the packages that have a family, with its members.
///
/// A family is two or more optional dependencies that declare a platform, or that are not in the
/// lock and have a platform's name.
pub(super) fn all(lock: &Lock, index: &Index) -> Vec<(usize, Vec<Member>)> {
    let mut families = Vec::new();
    for (at, (location, entry)) in lock.packages.iter().enumerate() {
        let optional = entry.get("optionalDependencies").and_then(Value::as_object);
        // The project's own list is no family: it is what somebody wrote there.
        let Some(optional) = optional.filter(|_| !location.is_empty()) else {
            continue;
        };
        let members: Vec<Member> = optional
            .keys()
            .map(|name| member(lock, index, location, name))
            .filter(Member::is_bound)
            .collect();
        if members.len() > 1 {
            families.push((at, members));
        }
    }
    families
}

fn member(lock: &Lock, index: &Index, location: &str, name: &str) -> Member {
    let at = index.resolve(location, name);
    Member {
        name: name.to_owned(),
        at,
        entry: at.map(|at| lock.packages[at].1.clone()).unwrap_or_default(),
        named: Named::read(name),
    }
}

/// What becomes of a family on a target.
///
/// A package may need several members at once (a binding and its library): their names differ in
/// more than the platform, and each such kind is asked for by itself.
pub(super) fn verdict(members: &[Member], target: &Target) -> (Verdict, Family) {
    let mut family = Family {
        size: members.len(),
        compiled: members.iter().filter(|member| member.is_compiled()).count(),
        ..Family::default()
    };
    let mut lacks_a_kind = false;
    for kind in kinds(members, target) {
        lacks_a_kind |= kind.iter().all(|member| member.at.is_none());
        for member in kind {
            let list = match member.at {
                Some(_) => &mut family.present,
                None => &mut family.absent,
            };
            list.push(member.name.clone());
        }
    }
    let verdict = if lacks_a_kind {
        Verdict::Missing
    } else if family.present.is_empty() {
        Verdict::Uncovered
    } else {
        Verdict::Runs
    };
    (verdict, family)
}

/// What it means to have no member for a target: families of which fewer than two members name a
/// processor serve the systems that need help, and their package does without elsewhere.
pub(super) fn without(members: &[Member]) -> Verdict {
    let compiled = members.iter().filter(|member| member.is_compiled()).count();
    if compiled > 1 {
        Verdict::Uncovered
    } else {
        Verdict::Skipped
    }
}

/// The members for a target, those together of which one is enough.
pub(super) fn kinds<'a>(members: &'a [Member], target: &Target) -> Vec<Vec<&'a Member>> {
    let mut kinds: Vec<Vec<&Member>> = Vec::new();
    for member in members.iter().filter(|member| member.is_for(target)) {
        let same = |kind: &&mut Vec<&Member>| kind[0].named.stem == member.named.stem;
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.push(member),
            None => kinds.push(vec![member]),
        }
    }
    kinds
}

impl Member {
    fn is_bound(&self) -> bool {
        let is_set = |field: &PlatformField| self.entry.get(field.name()).is_some_and(truthy);
        let declares = PlatformField::ALL.iter().any(is_set);
        let names_one = self.named.wasm || (self.named.os.is_some() && self.named.cpu.is_some());
        declares || names_one
    }

    fn is_compiled(&self) -> bool {
        let says = |field: &str, named: bool| named || self.entry.get(field).is_some_and(truthy);
        says("os", self.named.os.is_some()) && says("cpu", self.named.cpu.is_some())
    }

    /// Declarations decide; the name fills in what they leave open.
    fn is_for(&self, target: &Target) -> bool {
        let named = |field: &str, value: Option<&str>, wanted: &str| {
            self.entry.contains_key(field) || value.is_none_or(|value| value == wanted)
        };
        let libc = self.entry.contains_key("libc")
            || self.named.libc.is_none()
            || target.libc.map(|libc| libc.family) == self.named.libc;
        allowed(&self.entry, target)
            && named("os", self.named.os, &target.os)
            && named("cpu", self.named.cpu, &target.cpu)
            && (libc || target.os != "linux")
    }
}

impl Named {
    fn read(name: &str) -> Self {
        let mut named = Self::default();
        for word in name.split(['-', '_', '/', '@', '.']) {
            match word {
                "linux" => named.os = Some("linux"),
                "darwin" | "macos" | "mac" => named.os = Some("darwin"),
                "win32" | "windows" | "win" => named.os = Some("win32"),
                "freebsd" => named.os = Some("freebsd"),
                "openbsd" => named.os = Some("openbsd"),
                "netbsd" => named.os = Some("netbsd"),
                "sunos" => named.os = Some("sunos"),
                "aix" => named.os = Some("aix"),
                "android" => named.os = Some("android"),
                "openharmony" => named.os = Some("openharmony"),
                "linuxmusl" => (named.os, named.libc) = (Some("linux"), Some(LibcFamily::Musl)),
                "x64" | "amd64" | "64" => named.cpu = Some("x64"),
                "arm64" | "aarch64" => named.cpu = Some("arm64"),
                "ia32" | "386" | "i686" | "32" => named.cpu = Some("ia32"),
                "arm" | "armv7" | "armhf" => named.cpu = Some("arm"),
                "ppc64" | "ppc64le" => named.cpu = Some("ppc64"),
                "s390x" => named.cpu = Some("s390x"),
                "riscv64" => named.cpu = Some("riscv64"),
                "loong64" => named.cpu = Some("loong64"),
                "mips64el" | "mips64le" => named.cpu = Some("mips64el"),
                "gnu" | "glibc" | "gnueabihf" => named.libc = Some(LibcFamily::Glibc),
                "musl" | "musleabihf" => named.libc = Some(LibcFamily::Musl),
                "wasm" | "wasm32" | "wasi" => named.wasm = true,
                // Variants of one platform.
                "msvc" | "eabi" | "gnueabi" | "universal" | "baseline" => {}
                rest => {
                    named.stem.push_str(rest);
                    named.stem.push('-');
                }
            }
        }
        named
    }
}
