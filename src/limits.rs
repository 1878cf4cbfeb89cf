//! How much foreign input may ask of us: every limit that is a setting, with its default.

/// A limit that a user may set: the configuration key (and flag), and what it bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    /// A size in bytes, which may be written `64M` or `8G`; else a plain count.
    pub is_size: bool,
}

const fn size(key: &'static str) -> Setting {
    Setting { key, is_size: true }
}

/// The settings, in the order of the fields of [`Limits`].
pub const SETTINGS: [Setting; 9] = [
    size("max-unpacked-size"),
    size("max-install-size"),
    Setting {
        key: "max-entries",
        is_size: false,
    },
    size("max-metadata-size"),
    size("max-manifest-size"),
    size("max-tarball-size"),
    size("max-packument-size"),
    size("max-lockfile-size"),
    Setting {
        key: "max-lockfile-packages",
        is_size: false,
    },
];

/// Objects and lists inside each other that a manifest, a packument or a lock may have.
pub const DEEPEST_JSON: u32 = 64;

/// How much a registry, a tarball or a lock may ask for. Sizes are bytes.
///
/// - Source: threats.md, rows 150 to 157; the largest real packument seen has 21 MB, the largest
///   lock of the corpus 2 MB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of one package after inflation; 20 times the compressed size is allowed when that is more.
    pub unpacked: u64,
    /// Of all packages of one install together.
    pub install: u64,
    /// Entries of one archive.
    pub entries: usize,
    /// Of one extended header of an archive.
    pub metadata: u64,
    /// Of a package.json inside a tarball.
    pub manifest: u64,
    /// Of a tarball as it comes.
    pub tarball: u64,
    /// Of a packument, inflated.
    pub packument: u64,
    /// Of a lock.
    pub lock: u64,
    /// Packages in a lock; the largest of the corpus has 3,000.
    pub packages: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: 512 << 20,
            install: 8 << 30,
            entries: 50_000,
            metadata: 1 << 20,
            manifest: 4 << 20,
            tarball: 512 << 20,
            packument: 64 << 20,
            lock: 256 << 20,
            packages: 100_000,
        }
    }
}

impl Limits {
    /// The defaults, but for what `told` knows of a setting's key.
    pub fn with<E>(mut told: impl FnMut(Setting) -> Result<Option<u64>, E>) -> Result<Self, E> {
        let mut limits = Self::default();
        let [
            unpacked,
            install,
            entries,
            metadata,
            manifest,
            tarball,
            packument,
            lock,
            packages,
        ] = SETTINGS;
        for (setting, limit) in [
            (entries, &mut limits.entries),
            (packages, &mut limits.packages),
        ] {
            if let Some(number) = told(setting)? {
                *limit = usize::try_from(number).unwrap_or(usize::MAX);
            }
        }
        for (setting, limit) in [
            (unpacked, &mut limits.unpacked),
            (install, &mut limits.install),
            (metadata, &mut limits.metadata),
            (manifest, &mut limits.manifest),
            (tarball, &mut limits.tarball),
            (packument, &mut limits.packument),
            (lock, &mut limits.lock),
        ] {
            if let Some(number) = told(setting)? {
                *limit = number;
            }
        }
        Ok(limits)
    }
}

/// Reads `65536`, `64k`, `512M`, `8GiB`; `None` for anything else.
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        for (text, size) in [
            ("65536", Some(65_536)),
            ("64k", Some(65_536)),
            ("512 MiB", Some(512 << 20)),
            ("8G", Some(8 << 30)),
            ("", None),
            ("-1", None),
            ("1e3", None),
            ("99999999999999G", None),
        ] {
            assert_eq!(parse_size(text), size, "{text:?}");
        }
    }

    #[test]
    fn each_setting_reaches_a_limit_of_its_own() {
        let numbers = |setting: Setting| {
            let at = SETTINGS.iter().position(|known| *known == setting);
            Ok::<_, ()>(at.map(|at| at as u64 + 1))
        };
        let limits = Limits::with(numbers).unwrap();
        let wanted = Limits {
            unpacked: 1,
            install: 2,
            entries: 3,
            metadata: 4,
            manifest: 5,
            tarball: 6,
            packument: 7,
            lock: 8,
            packages: 9,
        };
        assert_eq!(limits, wanted);
    }
}
