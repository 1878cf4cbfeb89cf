//! Finds the C library of this machine and its version, without running anything.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Libc, LibcFamily};

/// Larger files are no C library.
const LARGEST: u64 = 32 << 20;

/// The libc by the text of the `ldd` script; without one, by the loaders that are there. What the
/// script does not tell of the version, the library itself does.
pub fn of_host() -> Option<Libc> {
    let script = fs::read("/usr/bin/ldd").ok();
    let told = script.and_then(|script| of_ldd(&String::from_utf8_lossy(&script)));
    let libc = told.or_else(of_loaders)?;
    let version = libc.version.or_else(|| version_inside(libc.family));
    Some(Libc { version, ..libc })
}

fn of_loaders() -> Option<Libc> {
    let families = [LibcFamily::Glibc, LibcFamily::Musl];
    let family = families.into_iter().find(|family| {
        let prefix = match family {
            LibcFamily::Glibc => "ld-linux",
            LibcFamily::Musl => MUSL_LOADER,
        };
        beginning_with(prefix).next().is_some()
    })?;
    Some(Libc {
        family,
        version: None,
    })
}

const MUSL_LOADER: &str = "ld-musl-";

fn beginning_with(prefix: &str) -> impl Iterator<Item = PathBuf> {
    let folders = ["/lib64", "/lib"].into_iter();
    let entries = folders.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let paths =
        entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix));
    paths.map(|entry| entry.path())
}

/// Source: `getFamilyFromFilesystem` of `npm-install-checks`; the version is glibc's own line.
pub fn of_ldd(script: &str) -> Option<Libc> {
    let family = if script.contains("musl") {
        LibcFamily::Musl
    } else if script.contains("GNU C Library") {
        LibcFamily::Glibc
    } else {
        return None;
    };
    let version = script
        .lines()
        .find(|line| line.contains("echo") && line.contains("ldd ("))
        .and_then(|line| line.trim_end_matches(['\'', '"', ')']).rsplit(' ').next())
        .and_then(parse_version);
    Some(Libc { family, version })
}

fn version_inside(family: LibcFamily) -> Option<(u32, u32)> {
    match family {
        LibcFamily::Musl => musl_version(&read(&beginning_with(MUSL_LOADER).next()?)?),
        LibcFamily::Glibc => {
            let machine = std::env::consts::ARCH;
            let folders = [
                format!("/lib/{machine}-linux-gnu"),
                format!("/usr/lib/{machine}-linux-gnu"),
                "/lib64".to_owned(),
                "/usr/lib64".to_owned(),
                "/lib".to_owned(),
            ];
            let mut files = folders
                .iter()
                .map(|folder| Path::new(folder).join("libc.so.6"));
            let bytes = files.find_map(|file| read(&file))?;
            glibc_version(&bytes)
        }
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let size = fs::metadata(path).ok()?.len();
    (size <= LARGEST).then(|| fs::read(path).ok())?
}

/// The banner that the library prints when it is run.
fn glibc_version(library: &[u8]) -> Option<(u32, u32)> {
    let banner = b"stable release version ";
    let start = memchr::memmem::find(library, banner)? + banner.len();
    let digits = library[start..].iter().take(12);
    let text: String = digits
        .map(|byte| char::from(*byte))
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    parse_version(text.trim_end_matches('.'))
}

/// A text of its own that is a version, `1.2.5`, is `__libc_version`.
fn musl_version(loader: &[u8]) -> Option<(u32, u32)> {
    let mut texts = memchr::memmem::find_iter(loader, b"\x001.").map(|at| &loader[at + 1..]);
    texts.find_map(|text| {
        let end = memchr::memchr(0, text.get(..12)?)?;
        let text = std::str::from_utf8(&text[..end]).ok()?;
        let (version, patch) = text.rsplit_once('.')?;
        patch.parse::<u32>().ok()?;
        parse_version(version)
    })
}

/// Major and minor.
pub fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ldd_script_tells_the_libc() {
        let glibc = "# This file is part of the GNU C Library.\n    \
                     echo 'ldd (Debian GLIBC 2.36-9+deb12u10) 2.36'\n";
        let shown = |script| of_ldd(script).map(|libc| libc.to_string());
        assert_eq!(shown(glibc).as_deref(), Some("glibc2.36"));
        assert_eq!(
            shown("#!/bin/sh\nexec /lib/ld-musl-x86_64.so.1\n").as_deref(),
            Some("musl")
        );
        assert_eq!(shown("#!/bin/sh\n"), None);
    }

    #[test]
    fn the_library_itself_tells_its_version() {
        let banner = b"\x7fELF..GNU C Library (Debian) stable release version 2.36.\nCopyright";
        assert_eq!(glibc_version(banner), Some((2, 36)));
        assert_eq!(glibc_version(b"stable release version "), None);
        assert_eq!(
            musl_version(b"\x7fELF\x001.x\x001.2.5\x00Version"),
            Some((1, 2))
        );
        assert_eq!(musl_version(b"\x001."), None);
    }
}
