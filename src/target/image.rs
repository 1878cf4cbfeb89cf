//! Well-known container images and function runtimes: their C library and their Node.

use semver::Version;

use super::{Libc, LibcFamily, Target};

/// The newest release of each line of Node when this table was written, on 2026-11-28: an image
/// that names a line has this release or a newer one. The first line is the one with long-term
/// support.
///
/// Source: the versions of the package `node` in the npm registry.
const NEWEST: [(u64, u64, u64); 7] = [
    (26, 10, 0),
    (25, 9, 0),
    (24, 21, 0),
    (22, 23, 3),
    (20, 20, 2),
    (18, 20, 8),
    (16, 20, 2),
];

/// Releases of distributions, by the words in which image tags name them.
///
/// Source: the versions of `glibc` and `musl` in the distributions' package lists; glibc's and
/// musl's do not change within a release.
const RELEASES: [(&str, LibcFamily, (u32, u32)); 18] = [
    ("trixie", LibcFamily::Glibc, (2, 41)),
    ("debian13", LibcFamily::Glibc, (2, 41)),
    ("bookworm", LibcFamily::Glibc, (2, 36)),
    ("debian12", LibcFamily::Glibc, (2, 36)),
    ("bullseye", LibcFamily::Glibc, (2, 31)),
    ("debian11", LibcFamily::Glibc, (2, 31)),
    ("buster", LibcFamily::Glibc, (2, 28)),
    ("noble", LibcFamily::Glibc, (2, 39)),
    ("24.04", LibcFamily::Glibc, (2, 39)),
    ("jammy", LibcFamily::Glibc, (2, 35)),
    ("22.04", LibcFamily::Glibc, (2, 35)),
    ("focal", LibcFamily::Glibc, (2, 31)),
    ("20.04", LibcFamily::Glibc, (2, 31)),
    ("el10", LibcFamily::Glibc, (2, 39)),
    ("el9", LibcFamily::Glibc, (2, 34)),
    ("el8", LibcFamily::Glibc, (2, 28)),
    ("el7", LibcFamily::Glibc, (2, 17)),
    ("alpine", LibcFamily::Musl, (1, 2)),
];

/// What an image holds.
struct Inside {
    libc: Libc,
    node: Option<Version>,
}

/// The target that an image's name stands for: `node:22-alpine`, `arm64v8/node:22-bookworm-slim`,
/// `lambda:nodejs22.x`, `debian:12`. x64 unless the name begins with a processor, as the official
/// images of single processors do. `None` where the name is not in the table.
pub fn target(name: &str) -> Option<Target> {
    let (cpu, image) = processor(name);
    let (repository, tag) = image.split_once(':').unwrap_or((image, ""));
    let inside = match repository {
        "node" => node(tag),
        "lambda" => lambda(tag),
        "distroless" | "gcr.io/distroless" => distroless(tag),
        "debian" | "ubuntu" | "alpine" | "amazonlinux" | "almalinux" | "rockylinux" | "ubi" => {
            system(repository, tag)
        }
        _ => gcr(repository),
    }?;
    Some(Target {
        os: "linux".to_owned(),
        cpu: cpu.to_owned(),
        libc: Some(inside.libc),
        node: inside.node,
        npm: None,
    })
}

fn processor(name: &str) -> (&'static str, &str) {
    const PREFIXES: [(&str, &str); 9] = [
        ("amd64/", "x64"),
        ("x64/", "x64"),
        ("arm64v8/", "arm64"),
        ("arm64/", "arm64"),
        ("arm32v7/", "arm"),
        ("arm/", "arm"),
        ("s390x/", "s390x"),
        ("ppc64le/", "ppc64"),
        ("riscv64/", "riscv64"),
    ];
    let known = PREFIXES.iter().find_map(|(prefix, cpu)| {
        let rest = name.strip_prefix(prefix)?;
        Some((*cpu, rest))
    });
    known.unwrap_or(("x64", name))
}

fn glibc(major: u32, minor: u32) -> Libc {
    Libc {
        family: LibcFamily::Glibc,
        version: Some((major, minor)),
    }
}

/// The release that a word names; `alpine3.20` is `alpine` with a version of its own.
fn release(word: &str) -> Option<Libc> {
    let word = if word.starts_with("alpine") {
        "alpine"
    } else {
        word
    };
    let known = RELEASES.iter().find(|(name, _, _)| *name == word);
    known.map(|(_, family, version)| Libc {
        family: *family,
        version: Some(*version),
    })
}

/// The official images: `22`, `22.11-alpine3.20`, `20-bookworm-slim`; Debian 12 where no release is
/// named.
fn node(tag: &str) -> Option<Inside> {
    let mut words = tag.split('-').filter(|word| !word.is_empty());
    let mut inside = Inside {
        libc: release("bookworm")?,
        node: None,
    };
    let mut rest = words.next();
    if let Some(version) = rest.and_then(line) {
        inside.node = Some(version);
        rest = words.next();
    }
    for word in rest.into_iter().chain(words) {
        match word {
            "slim" => {}
            "lts" | "latest" | "current" => {
                inside.node = Some(newest(NEWEST[0].0));
            }
            word => inside.libc = release(word)?,
        }
    }
    Some(inside)
}

/// AWS: Amazon Linux 2 up to Node 18, Amazon Linux 2023 from Node 20 on.
fn lambda(runtime: &str) -> Option<Inside> {
    let major = runtime.strip_prefix("nodejs")?.strip_suffix(".x")?;
    let node = newest(major.parse().ok()?);
    let libc = if node.major < 20 {
        glibc(2, 26)
    } else {
        glibc(2, 34)
    };
    Some(Inside {
        libc,
        node: Some(node),
    })
}

/// `nodejs22-debian12`.
fn distroless(tag: &str) -> Option<Inside> {
    let (node, system) = tag.split_once('-')?;
    Some(Inside {
        libc: release(system)?,
        node: Some(newest(node.strip_prefix("nodejs")?.parse().ok()?)),
    })
}

/// `gcr.io/distroless/nodejs22-debian12`, as it is pulled.
fn gcr(repository: &str) -> Option<Inside> {
    distroless(repository.strip_prefix("gcr.io/distroless/")?)
}

/// Systems without Node.
fn system(name: &str, tag: &str) -> Option<Inside> {
    let word = tag.split('-').next().unwrap_or_default();
    let major = word.split('.').next().unwrap_or_default();
    let libc = match (name, word) {
        ("alpine", _) => release("alpine"),
        ("amazonlinux", "2") => Some(glibc(2, 26)),
        ("amazonlinux", "2023") => Some(glibc(2, 34)),
        ("debian", "11" | "12" | "13") => release(&format!("debian{word}")),
        ("debian" | "ubuntu", word) => release(word),
        _ => release(&format!("el{major}")),
    }?;
    Some(Inside { libc, node: None })
}

/// `22`, `22.11` or `22.11.0`; a line alone stands for its newest release.
fn line(word: &str) -> Option<Version> {
    let numbers: Option<Vec<u64>> = word.split('.').map(|number| number.parse().ok()).collect();
    match numbers?.as_slice() {
        [major] => Some(newest(*major)),
        [major, minor] => Some(Version::new(*major, *minor, 0)),
        [major, minor, patch] => Some(Version::new(*major, *minor, *patch)),
        _ => None,
    }
}

/// The newest known release of a line; `22.0.0` for a line that the table lacks.
fn newest(major: u64) -> Version {
    let known = NEWEST.iter().find(|(line, _, _)| *line == major);
    let (major, minor, patch) = known.copied().unwrap_or((major, 0, 0));
    Version::new(major, minor, patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_stand_for_the_systems_inside_them() {
        for (name, means) in [
            ("node:22-alpine", "linux-x64-musl1.2-node22.23.3"),
            ("node:22.11.0-alpine3.20", "linux-x64-musl1.2-node22.11"),
            ("node:22-bookworm-slim", "linux-x64-glibc2.36-node22.23.3"),
            ("node:20", "linux-x64-glibc2.36-node20.20.2"),
            ("node:slim", "linux-x64-glibc2.36"),
            ("node:18-bullseye", "linux-x64-glibc2.31-node18.20.8"),
            ("arm64v8/node:24-trixie", "linux-arm64-glibc2.41-node24.21"),
            ("lambda:nodejs22.x", "linux-x64-glibc2.34-node22.23.3"),
            (
                "arm64/lambda:nodejs18.x",
                "linux-arm64-glibc2.26-node18.20.8",
            ),
            (
                "distroless:nodejs20-debian12",
                "linux-x64-glibc2.36-node20.20.2",
            ),
            (
                "gcr.io/distroless/nodejs22-debian12",
                "linux-x64-glibc2.36-node22.23.3",
            ),
            ("debian:12-slim", "linux-x64-glibc2.36"),
            ("ubuntu:22.04", "linux-x64-glibc2.35"),
            ("alpine:3.20", "linux-x64-musl1.2"),
            ("amazonlinux:2", "linux-x64-glibc2.26"),
            ("rockylinux:8.9", "linux-x64-glibc2.28"),
        ] {
            let target = target(name).expect(name);
            assert_eq!(target.to_string(), means, "{name}");
        }
        for name in [
            "node:22-windows",
            "lambda:python3.12",
            "busybox",
            "debian",
            "node:x",
            "",
        ] {
            assert!(target(name).is_none(), "{name}");
        }
    }
}
