//! From a tarball's bytes to a package that is what it claims to be.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::integrity::{Algorithm, Integrity};
use crate::json::{self, Ambiguity};
use crate::limits::DEEPEST_JSON;
use crate::manifest::{Claims, Manifest, Origin, is_plain_name, is_plain_path};
use crate::name::PackageId;

use super::error::{Flaw, Rule, StoreError, printable};
use super::gzip::Inflater;
use super::scan;
use super::spill::Content;
use super::tar::{self, Contents, File};
use super::{Limits, Sha512};

/// Buffers that one worker uses again for every tarball.
pub struct Bench {
    inflater: Inflater,
    content: Content,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            inflater: Inflater::new(),
            content: Content::default(),
        }
    }
}

impl Bench {
    /// One that puts bombs into nameless files of this folder.
    pub(super) fn below(folder: Option<PathBuf>) -> Self {
        Self {
            inflater: Inflater::new(),
            content: Content::below(folder),
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
    /// What its package.json says that steers an install.
    pub claims: Claims,
    /// In the archive's order.
    pub files: Vec<File<'a>>,
    /// What was left out without harm.
    pub notes: Vec<String>,
    content: &'a Content,
}

impl Archive<'_> {
    /// Are its bytes in a file, because they are very many more than the tarball has?
    pub fn is_spilled(&self) -> bool {
        self.content.is_spilled()
    }

    /// Call it when some of a [spilled](Self::is_spilled) archive was read: it frees the memory.
    pub fn let_go(&self) {
        self.content.let_go();
    }

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
    let look = |member: &[u8]| scan::check(member, limits, largest);
    bench
        .inflater
        .gunzip(tarball, largest, &look, &mut bench.content)?;
    let content = &bench.content;
    let Contents { files, notes } = tar::read(content, limits)?;
    let manifest = files.iter().find(|file| file.path == "package.json");
    let manifest = manifest.ok_or_else(|| Flaw::whole(Rule::NoManifest))?;
    let facts = Facts::read(manifest.bytes, limits).map_err(Flaw::manifest)?;
    let builds = files.iter().any(|file| file.path == "binding.gyp");
    Ok(Archive {
        sha512,
        name: facts.name,
        version: facts.version,
        has_install_script: facts.has_install_script || builds,
        claims: facts.claims,
        files,
        notes,
        content,
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

/// Is what a lock's entry says of a package what the package says of itself?
pub fn check_claims(id: &PackageId, locked: &Claims, packed: &Claims) -> Result<(), StoreError> {
    match locked.difference_from(packed) {
        None => Ok(()),
        Some(difference) => Err(StoreError::Disagrees {
            id: id.clone(),
            difference: Box::new(difference),
        }),
    }
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
    claims: Claims,
}

impl Facts {
    fn read(bytes: &[u8], limits: &Limits) -> Result<Self, Rule> {
        if bytes.len() as u64 > limits.manifest {
            return Err(Rule::ManifestTooLarge(limits.manifest));
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match json::first_ambiguity(text, DEEPEST_JSON, &steers) {
            Some((_, Ambiguity::Twice(key))) => {
                return Err(Rule::RepeatedMember(printable(key.as_bytes())));
            }
            Some((_, Ambiguity::Deep(levels))) => return Err(Rule::DeepManifest(levels)),
            None => {}
        }
        let value = serde_json::from_slice(text).map_err(|_| Rule::BadManifest)?;
        let Value::Object(fields) = value else {
            return Err(Rule::BadManifest);
        };
        check_bins(&fields)?;
        let text = |key: &str| {
            let text = fields.get(key).and_then(Value::as_str);
            text.unwrap_or_default().trim().to_owned()
        };
        let (name, version) = (text("name"), text("version"));
        let scripts = fields.get("scripts").and_then(Value::as_object);
        let has_install_script = scripts.is_some_and(|scripts| {
            ["preinstall", "install", "postinstall"]
                .iter()
                .filter_map(|event| scripts.get(*event)?.as_str())
                .any(|script| !script.is_empty())
        });
        let mut manifest = Manifest { fields };
        manifest.normalize(Origin::Disk);
        Ok(Self {
            name,
            version,
            has_install_script,
            claims: Claims::of(&manifest),
        })
    }
}

/// Does a member written twice change what is installed? In published packages descriptions and
/// test scripts are written twice now and then.
fn steers(top: Option<&str>, key: &str, around: u32) -> bool {
    const MEMBERS: [&str; 12] = [
        "name",
        "version",
        "dependencies",
        "optionalDependencies",
        "peerDependencies",
        "bundleDependencies",
        "bundledDependencies",
        "bin",
        "scripts",
        "os",
        "cpu",
        "libc",
    ];
    let install = ["preinstall", "install", "postinstall"];
    match top {
        None => MEMBERS.contains(&key),
        Some("scripts") => around == 2 && install.contains(&key),
        Some(top) => around == 2 && MEMBERS.contains(&top),
    }
}

/// Bins as written: npm would bend a name or path that climbs into a harmless one, and others
/// would not.
fn check_bins(fields: &Map<String, Value>) -> Result<(), Rule> {
    let refused = |name: &str| Rule::BadBin(printable(name.as_bytes()));
    match fields.get("bin") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(()),
        Some(Value::String(path)) if is_plain_path(path) => Ok(()),
        Some(Value::Array(paths)) => {
            let wrong = paths
                .iter()
                .find(|path| !path.as_str().is_some_and(is_plain_path));
            wrong.map_or(Ok(()), |path| Err(refused(&path.to_string())))
        }
        Some(Value::Object(bins)) => {
            let wrong = bins.iter().find(|(name, path)| {
                !is_plain_name(name) || !path.as_str().is_some_and(is_plain_path)
            });
            wrong.map_or(Ok(()), |(name, _)| Err(refused(name)))
        }
        Some(other) => Err(refused(&other.to_string())),
    }
}

/// What a package.json that the store accepted before says that steers an install.
pub(crate) fn claims(package_json: &[u8]) -> Claims {
    let facts = Facts::read(package_json, &Limits::default());
    facts.map(|facts| facts.claims).unwrap_or_default()
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
