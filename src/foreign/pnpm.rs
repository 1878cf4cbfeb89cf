//! pnpm's lock, of the versions that pnpm 6 to 12 write: 5.3 to 9.0.

use super::item::{Flaw, Item};
use super::{Edge, ForeignLock, Format, Importer, Origin, Package, split_id, yaml};

const FIELDS: [(&str, bool); 3] = [
    ("dependencies", false),
    ("devDependencies", false),
    ("optionalDependencies", true),
];

/// Reads the lock. From version 9 on what a package is stands under `packages`, and what it got
/// under `snapshots`, once for each set of peers.
pub fn read(text: &str) -> Result<ForeignLock, Flaw> {
    let top = yaml::parse(text)?;
    top.members("the lock")?;
    let version = match top.text_of("lockfileVersion")? {
        Some(version) => version.to_owned(),
        None => return Err(Flaw::new(top.line, "there is no `lockfileVersion`")),
    };
    let major = version.split('.').next().unwrap_or_default();
    if !["5", "6", "7", "9"].contains(&major) {
        let reason = format!("`lockfileVersion` is {version:?}, and 5 to 9 are known");
        return Err(Flaw::new(top.line, reason));
    }
    let mut lock = ForeignLock::new(Format::Pnpm, &version);
    let packages = top.members_of("packages")?;
    let snapshots = top.members_of("snapshots")?;
    if major == "9" {
        let find: rustc_hash::FxHashMap<&str, &Item> =
            packages.iter().map(|(key, item)| (&**key, item)).collect();
        for (id, snapshot) in snapshots {
            let plain = without_peers(id);
            let Some(about) = find.get(plain).or_else(|| find.get(id.as_str())) else {
                let reason = format!("{id:?} is not among the packages");
                return Err(Flaw::new(snapshot.line, reason));
            };
            let package = package(id, about, snapshot)?;
            lock.packages.insert(id.clone(), package);
        }
    } else {
        for (id, about) in packages {
            let package = package(id, about, about)?;
            lock.packages.insert(id.clone(), package);
        }
    }
    read_importers(&mut lock, &top)?;
    connect(&mut lock);
    Ok(lock)
}

fn read_importers(lock: &mut ForeignLock, top: &Item) -> Result<(), Flaw> {
    if let Some(importers) = top.get("importers") {
        for (path, importer) in importers.members("importers")? {
            let path = if path == "." { "" } else { path };
            lock.importers.push(read_importer(path, importer)?);
        }
    } else {
        lock.importers.push(read_importer("", top)?);
    }
    Ok(())
}

fn read_importer(path: &str, item: &Item) -> Result<Importer, Flaw> {
    let specifiers = item.get("specifiers");
    let mut edges = Vec::new();
    for (field, optional) in FIELDS {
        for (name, value) in item.members_of(field)? {
            let nested = value.get("version");
            let reference = nested.unwrap_or(value).text(name)?;
            let spec = match value.text_of("specifier")? {
                Some(spec) => Some(spec),
                None => specifiers.map_or(Ok(None), |all| all.text_of(name))?,
            };
            edges.push(Edge {
                name: name.clone(),
                spec: spec.map(str::to_owned),
                to: Some(reference.to_owned()),
                optional,
            });
        }
    }
    Ok(Importer {
        path: path.to_owned(),
        edges,
    })
}

/// One package: what it is, and what it got (the same item before version 9).
fn package(id: &str, about: &Item, snapshot: &Item) -> Result<Package, Flaw> {
    let (name, version) = identity(id);
    let resolution = about.get("resolution");
    let of_resolution = |key: &str| resolution.map_or(Ok(None), |item| item.text_of(key));
    let directory = of_resolution("directory")?;
    let name = about.text_of("name")?.or(name);
    let known = about.text_of("version")?.or(version);
    let (Some(name), Some(known)) = (name, known.or(directory.map(|_| ""))) else {
        let reason = format!("{id:?} tells neither by key nor by fields which package it is");
        return Err(Flaw::new(about.line, reason));
    };
    let mut package = Package::new(name, known, about.line);
    package.integrity = of_resolution("integrity")?.map(str::to_owned);
    package.resolved = of_resolution("tarball")?.map(str::to_owned);
    if let Some(directory) = directory {
        package.origin = Origin::Folder(directory.to_owned());
    } else if version.is_none() || of_resolution("commit")?.is_some() {
        let place = package.resolved.as_deref().or(of_resolution("repo")?);
        package.origin = Origin::Elsewhere(place.unwrap_or(id).to_owned());
    }
    package.patched = id.contains("patch_hash=") || about.is_true("patched");
    package.os = about.texts_of("os")?;
    package.cpu = about.texts_of("cpu")?;
    package.libc = about.texts_of("libc")?;
    package.dev = about.get("dev").map(|_| about.is_true("dev"));
    package.optional = snapshot.is_true("optional");
    for (field, optional) in [FIELDS[0], FIELDS[2]] {
        for (name, reference) in snapshot.members_of(field)? {
            package.edges.push(Edge {
                name: name.clone(),
                spec: None,
                to: Some(reference.text(name)?.to_owned()),
                optional,
            });
        }
    }
    Ok(package)
}

/// `a@1.0.0` of `a@1.0.0(b@2.0.0)`
fn without_peers(id: &str) -> &str {
    id.split('(').next().unwrap_or(id)
}

/// Name and version of `/a/1.0.0_b@2.0.0`, `/a@1.0.0(b@2.0.0)` or `a@1.0.0`, each if it is one.
fn identity(id: &str) -> (Option<&str>, Option<&str>) {
    let is_version = |text: &&str| semver::Version::parse(text).is_ok();
    let plain = without_peers(id);
    let local = plain.strip_prefix('/').unwrap_or(plain);
    if let Some((name, version)) = split_id(local).filter(|(_, version)| is_version(version)) {
        return (Some(name), Some(version));
    }
    // Version 5: a registry's host may come first, and `_` begins what the peers were.
    let path = match plain.strip_prefix('/') {
        Some(path) => path,
        None => plain.split_once('/').map_or(plain, |(_, path)| path),
    };
    let scope = if path.starts_with('@') { 2 } else { 1 };
    let mut slashes = path.match_indices('/').map(|(at, _)| at);
    if let Some(slash) = slashes.nth(scope - 1) {
        let version = path[slash + 1..].split('_').next().filter(is_version);
        if version.is_some() {
            return (Some(&path[..slash]), version);
        }
    }
    (split_id(local).map(|(name, _)| name), None)
}

/// Turns references (`1.0.0`, `/a/1.0.0`, `a@1.0.0(b@2.0.0)`, `link:…`) into ids of packages.
fn connect(lock: &mut ForeignLock) {
    let mut packages = std::mem::take(&mut lock.packages);
    let find = |edge: &Edge| {
        let reference = edge.to.as_deref()?;
        let name = &edge.name;
        let forms = [
            reference.to_owned(),
            format!("/{name}@{reference}"),
            format!("/{name}/{reference}"),
            format!("{name}@{reference}"),
        ];
        forms.into_iter().find(|form| packages.contains_key(form))
    };
    let found: Vec<Vec<Option<String>>> = packages
        .values()
        .map(|package| package.edges.iter().map(find).collect())
        .collect();
    for importer in &mut lock.importers {
        for edge in &mut importer.edges {
            edge.to = find(edge);
        }
    }
    for (package, found) in packages.values_mut().zip(found) {
        for (edge, to) in package.edges.iter_mut().zip(found) {
            edge.to = to;
        }
    }
    lock.packages = packages;
}
