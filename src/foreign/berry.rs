//! The lock of yarn 2 and later: YAML, one entry for each resolution, workspaces among them.

use rustc_hash::FxHashMap;

use super::item::{Flaw, Item};
use super::{Edge, ForeignLock, Format, Importer, Origin, Package, split_id, yaml};

/// `__metadata.version`s in use: yarn 2 wrote 4, yarn 4 writes 8 and more.
const VERSIONS: std::ops::RangeInclusive<u32> = 4..=10;

/// Reads the lock. Its checksums are of yarn's own archives and prove nothing here.
pub fn read(text: &str) -> Result<ForeignLock, Flaw> {
    let top = yaml::parse(text)?;
    let entries = top.members("the lock")?;
    let version = match top.get("__metadata") {
        Some(metadata) => metadata.text_of("version")?.unwrap_or_default().to_owned(),
        None => return Err(Flaw::new(top.line, "there is no `__metadata`")),
    };
    let known = version
        .parse()
        .is_ok_and(|version| VERSIONS.contains(&version));
    if !known {
        let reason = format!("`__metadata.version` is {version:?}, and 4 to 10 are known");
        return Err(Flaw::new(top.line, reason));
    }
    let mut lock = ForeignLock::new(Format::Berry, &version);
    for (key, entry) in entries.iter().filter(|(key, _)| key != "__metadata") {
        let Some(resolution) = entry.text_of("resolution")? else {
            return Err(Flaw::new(entry.line, format!("{key:?} has no resolution")));
        };
        for descriptor in key.split(", ") {
            let Some((name, range)) = split_id(descriptor) else {
                let reason = format!("{descriptor:?} is not a name and a range");
                return Err(Flaw::new(entry.line, reason));
            };
            let key = (name.to_owned(), npm_range(range).to_owned());
            lock.descriptors.insert(key, resolution.to_owned());
        }
        add(&mut lock, resolution, entry)?;
    }
    lock.resolve_descriptors();
    follow_resolutions(&mut lock);
    Ok(lock)
}

/// With `resolutions` in package.json nothing is left of the ranges they replace: whoever asks for
/// such a name got the only version there is.
fn follow_resolutions(lock: &mut ForeignLock) {
    let mut only: FxHashMap<String, Option<String>> = FxHashMap::default();
    for ((name, _), id) in &lock.descriptors {
        let known = only.entry(name.clone()).or_insert_with(|| Some(id.clone()));
        if known.as_ref().is_some_and(|known| known != id) {
            *known = None;
        }
    }
    let importers = lock.importers.iter_mut();
    let importers = importers.flat_map(|importer| &mut importer.edges);
    let packages = lock.packages.values_mut();
    let packages = packages.flat_map(|package| &mut package.edges);
    for edge in importers.chain(packages).filter(|edge| edge.to.is_none()) {
        edge.to = only.get(&edge.name).cloned().flatten();
    }
}

fn add(lock: &mut ForeignLock, resolution: &str, entry: &Item) -> Result<(), Flaw> {
    let Some((name, reference)) = split_id(resolution) else {
        let reason = format!("{resolution:?} is not a name and a place");
        return Err(Flaw::new(entry.line, reason));
    };
    let edges = edges(entry)?;
    if let Some(path) = reference.strip_prefix("workspace:") {
        let path = if path == "." { "" } else { path };
        lock.importers.push(Importer {
            path: path.to_owned(),
            edges,
        });
        return Ok(());
    }
    let version = entry.text_of("version")?.unwrap_or_default();
    let mut package = Package::new(name, version, entry.line);
    package.edges = edges;
    let (reference, patched) = match reference.strip_prefix("patch:") {
        Some(patch) => (
            version,
            !patch.contains("optional!builtin") && !patch.contains("~builtin"),
        ),
        None => (reference, false),
    };
    package.patched = patched;
    let reference = reference.split("::").next().unwrap_or(reference);
    if reference.contains(':') && !reference.starts_with("npm:") {
        package.origin = Origin::of_reference(reference);
    }
    if let Some(conditions) = entry.text_of("conditions")? {
        // `os=darwin & cpu=x64`, or `(os=darwin | os=linux) & cpu=x64`
        let parts = conditions.split(['&', '|', '(', ')']).map(str::trim);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let list = match key {
                "os" => &mut package.os,
                "cpu" => &mut package.cpu,
                "libc" => &mut package.libc,
                _ => continue,
            };
            list.push(value.to_owned());
        }
    }
    lock.packages.insert(resolution.to_owned(), package);
    Ok(())
}

fn edges(entry: &Item) -> Result<Vec<Edge>, Flaw> {
    let meta = entry.get("dependenciesMeta");
    let mut edges = Vec::new();
    for (name, range) in entry.members_of("dependencies")? {
        let range = npm_range(range.text(name)?);
        let meta = meta.and_then(|meta| meta.get(name));
        let optional = meta.is_some_and(|meta| meta.is_true("optional"));
        edges.push(Edge::asking(name, range, optional));
    }
    Ok(edges)
}

/// The range as npm writes it: `npm:^1` is `^1`, and `npm:other@^1` an alias.
fn npm_range(range: &str) -> &str {
    match range.strip_prefix("npm:") {
        Some(rest) if split_id(rest).is_none() => rest,
        _ => range,
    }
}
