//! From a tarball's bytes to a package that is what it claims to be.

use serde_json::Value;

use crate::integrity::{Algorithm, Integrity};
use crate::name::PackageId;

use super::error::{Flaw, Rule, StoreError, printable};
use super::gzip::Inflater;
use super::tar::{self, Contents, File};
use super::{Limits, Sha512};

const LARGEST_MANIFEST: usize = 4 << 20;

/// Buffers that one worker uses again for every tarball.
pub struct Bench {
    inflater: Inflater,
    inflated: Vec<u8>,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            inflater: Inflater::new(),
            inflated: Vec::new(),
        }
    }
}

/// A verified, unpacked tarball in memory.
#[derive(Debug)]
pub struct Archive<'a> {
    pub sha512: Sha512,
    pub name: String,
    pub version: String,
    pub has_install_script: bool,
    /// In the archive's order.
    pub files: Vec<File<'a>>,
    /// What was left out without harm.
    pub notes: Vec<String>,
}

impl Archive<'_> {
    /// The bytes of the file at `path`.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        let file = self.files.iter().find(|file| file.path == path)?;
        Some(file.bytes)
    }
}

/// The sha512 of `tarball`, which must have the strongest hash of `expected`.
pub fn verify(
    id: &PackageId,
    tarball: &[u8],
    expected: Option<&Integrity>,
) -> Result<Sha512, StoreError> {
    let got = Integrity::of(tarball);
    let sha512 = sha512_of(&got);
    let matches = match expected {
        None => true,
        Some(want) if want.strongest() == Algorithm::Sha512 => {
            want.accepts(Algorithm::Sha512, &sha512)
        }
        Some(want) => want.matches(tarball),
    };
    match expected {
        Some(want) if !matches => Err(StoreError::Integrity {
            id: id.clone(),
            got: Box::new(got),
            want: Box::new(want.clone()),
            comparison: None,
        }),
        _ => Ok(sha512),
    }
}

/// The first sha512 of an integrity, as bytes; zeros when it has none.
pub(super) fn sha512_of(integrity: &Integrity) -> Sha512 {
    let hex = integrity.sha512_hex().unwrap_or_default();
    let mut digest = [0; 64];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
    }
    digest
}

/// Unpacks a tarball whose hash holds (`sha512` from [`verify`]) and holds its name and version
/// against `id`.
///
/// - Errors: [`StoreError::Refused`] for any broken rule, [`StoreError::Impostor`].
/// - Source: threats.md rows 1 to 34, 48, 66, 67, 150 to 152.
pub fn unpack<'b>(
    bench: &'b mut Bench,
    id: &PackageId,
    tarball: &[u8],
    sha512: Sha512,
    limits: &Limits,
) -> Result<Archive<'b>, StoreError> {
    let refused = |flaw| StoreError::Refused {
        id: id.clone(),
        flaw,
    };
    let archive = read(bench, tarball, sha512, limits).map_err(refused)?;
    check_identity(id, &archive.name, &archive.version)?;
    Ok(archive)
}

/// Unpacks a tarball that was accepted before.
pub(super) fn unpack_again<'b>(
    bench: &'b mut Bench,
    tarball: &[u8],
    sha512: Sha512,
    limits: &Limits,
) -> Option<Archive<'b>> {
    read(bench, tarball, sha512, limits).ok()
}

fn read<'b>(
    bench: &'b mut Bench,
    tarball: &[u8],
    sha512: Sha512,
    limits: &Limits,
) -> Result<Archive<'b>, Flaw> {
    let largest = limits.unpacked.max(20 * tarball.len() as u64);
    bench
        .inflater
        .gunzip(tarball, largest, &mut bench.inflated)?;
    let Contents { files, notes } = tar::read(&bench.inflated, limits)?;
    let manifest = files.iter().find(|file| file.path == "package.json");
    let manifest = manifest.ok_or_else(|| Flaw::whole(Rule::NoManifest))?;
    let facts = Facts::read(manifest.bytes).ok_or_else(|| Flaw::whole(Rule::BadManifest))?;
    let builds = files.iter().any(|file| file.path == "binding.gyp");
    Ok(Archive {
        sha512,
        name: facts.name,
        version: facts.version,
        has_install_script: facts.has_install_script || builds,
        files,
        notes,
    })
}

/// Does a package that calls itself `name` and `version` deserve to be `id`?
///
/// Versions are compared as the registry cleans them: without `v` or `=` in front, without build
/// metadata.
pub fn check_identity(id: &PackageId, name: &str, version: &str) -> Result<(), StoreError> {
    if name == &*id.name && cleaned(version) == cleaned(&id.version) {
        return Ok(());
    }
    let found = format!("{name}@{version}");
    Err(StoreError::Impostor {
        id: id.clone(),
        found: printable(found.as_bytes()),
    })
}

fn cleaned(version: &str) -> &str {
    let version = version.trim().trim_start_matches(['v', '=']).trim_start();
    version.split('+').next().unwrap_or(version)
}

/// What the store wants to know of a package.json.
struct Facts {
    name: String,
    version: String,
    has_install_script: bool,
}

impl Facts {
    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LARGEST_MANIFEST {
            return None;
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let Value::Object(fields) = serde_json::from_slice(text).ok()? else {
            return None;
        };
        let text = |key: &str| {
            let text = fields.get(key).and_then(Value::as_str);
            text.unwrap_or_default().trim().to_owned()
        };
        let scripts = fields.get("scripts").and_then(Value::as_object);
        let has_install_script = scripts.is_some_and(|scripts| {
            ["preinstall", "install", "postinstall"]
                .iter()
                .filter_map(|event| scripts.get(*event)?.as_str())
                .any(|script| !script.is_empty())
        });
        Some(Self {
            name: text("name"),
            version: text("version"),
            has_install_script,
        })
    }
}

/// Does the first line, `#!…`, end in CRLF within the 2048 bytes that npm looks at?
pub(crate) fn has_crlf_shebang(bytes: &[u8]) -> bool {
    let head = bytes.get(..2048).unwrap_or(bytes);
    head.starts_with(b"#!")
        && memchr::memchr(b'\n', head).is_some_and(|at| at > 3 && head[at - 1] == b'\r')
}

/// The bytes of a tarball's `package.json` and the paths of all its files; nothing is kept.
pub fn read_manifest(tarball: &[u8]) -> Result<(Vec<u8>, Vec<String>), Flaw> {
    let mut bench = Bench::default();
    let archive = read(&mut bench, tarball, [0; 64], &Limits::default())?;
    let manifest = archive.get("package.json").unwrap_or_default().to_vec();
    let paths = archive.files.iter().map(|file| file.path.clone());
    Ok((manifest, paths.collect()))
}
