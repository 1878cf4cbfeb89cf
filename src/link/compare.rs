//! Tells whether a tarball with a wrong hash holds the files that are known of its package.
//!
//! What is known: the package's folder in the present tree, else a package of the store with the same
//! name and version. This only explains the error; nothing is accepted for it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::bins::mended;
use super::ground::is_real;
use super::plan::Place;
use crate::manifest;
use crate::name::PackageId;
use crate::store::{self, Bench, Store};

/// Content and executable bit of each file by its path.
type Files = BTreeMap<String, ([u8; 32], bool)>;

/// One sentence about `tarball`; `None` when it is not a tarball of the package, or nothing is
/// known of that. `places`: where it was to go.
pub(super) fn compare(
    project: &Path,
    store: &Store,
    id: &PackageId,
    tarball: &[u8],
    places: &[&Place<'_>],
) -> Option<String> {
    let mut bench = Bench::default();
    let archive = store::unpack(&mut bench, id, tarball, [0; 64], store.limits()).ok()?;
    let arrived = |place: Option<&Place<'_>>| -> Files {
        let files = archive.files.iter().map(|file| {
            let bins = place.map_or(&[][..], |place| &place.bins[..]);
            let is_bin = bins.iter().any(|bin| bin.target == file.path);
            let hash = if is_bin {
                blake3::hash(&mended(file.bytes.to_vec()))
            } else {
                blake3::hash(file.bytes)
            };
            let executable = file.executable || is_bin;
            (file.path.clone(), (*hash.as_bytes(), executable))
        });
        files.collect()
    };
    for place in places {
        let location = &place.package.location;
        if let Some(known) = installed(project, location, id) {
            let place = Some(*place);
            return Some(told(&arrived(place), &known, &format!("in `{location}`")));
        }
    }
    let package = store.namesake(id)?;
    let known = package.index().files().map(|file| {
        let executable = file.stamp.mode & 0o111 != 0;
        (file.path.to_owned(), (file.blake3, executable))
    });
    let place = format!("that the store has of `{id}` under another hash");
    Some(told(&arrived(None), &known.collect(), &place))
}

fn told(arrived: &Files, known: &Files, place: &str) -> String {
    let paths = arrived.keys().chain(known.keys());
    let mut differing: Vec<&String> = paths
        .filter(|path| arrived.get(*path) != known.get(*path))
        .collect();
    differing.sort();
    differing.dedup();
    match differing[..] {
        [] => format!("the files inside are the same as those {place}: it was only packed again"),
        [one] => format!("1 file inside differs from those {place}: `{one}`"),
        [first, ..] => format!(
            "{} files inside differ from those {place}, such as `{first}`",
            differing.len()
        ),
    }
}

/// The files of a package's folder, other packages inside it left out.
fn installed(project: &Path, location: &str, id: &PackageId) -> Option<Files> {
    let top = project.join(location);
    if !is_real(project, &top)
        || !fs::symlink_metadata(top.join("package.json"))
            .ok()?
            .is_file()
    {
        return None;
    }
    let manifest = manifest::read(&top).ok()?.manifest;
    let has = |field: &str, text: &str| {
        manifest.fields.get(field).and_then(|value| value.as_str()) == Some(text)
    };
    if !has("name", &id.name) || !has("version", &id.version) {
        return None;
    }
    let mut files = Files::new();
    let mut folders = vec![top.clone()];
    while let Some(folder) = folders.pop() {
        for path in super::swap::children(&folder) {
            let metadata = fs::symlink_metadata(&path).ok()?;
            if metadata.is_dir() && path != top.join("node_modules") {
                folders.push(path);
            } else if metadata.is_file() {
                let below = path.strip_prefix(&top).ok()?.to_str()?;
                let hash = blake3::hash(&fs::read(&path).ok()?);
                let executable = metadata.mode() & 0o111 != 0;
                files.insert(below.to_owned(), (*hash.as_bytes(), executable));
            }
        }
    }
    Some(files)
}
