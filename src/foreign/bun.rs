//! bun's text lock: JSON with trailing commas, packages keyed by their place in the tree.

use super::item::{Flaw, Item};
use super::{Edge, ForeignLock, Format, Importer, Origin, Package, jsonc, split_id};

const FIELDS: [(&str, bool); 4] = [
    ("dependencies", false),
    ("devDependencies", false),
    ("optionalDependencies", true),
    ("peerDependencies", true),
];

/// Reads the lock.
pub fn read(text: &str) -> Result<ForeignLock, Flaw> {
    let top = jsonc::parse(text)?;
    top.members("the lock")?;
    let version = top.text_of("lockfileVersion")?.unwrap_or_default();
    if !["0", "1", "2"].contains(&version) {
        let reason = format!("`lockfileVersion` is {version:?}, and 0 to 2 are known");
        return Err(Flaw::new(top.line, reason));
    }
    let mut lock = ForeignLock::new(Format::Bun, version);
    let patched = top.members_of("patchedDependencies")?;
    for (place, entry) in top.members_of("packages")? {
        if let Some(mut package) = package(place, entry)? {
            let id = format!("{}@{}", package.name, package.version);
            package.patched = patched.iter().any(|(name, _)| *name == id);
            lock.packages.insert(place.clone(), package);
        }
    }
    for (path, workspace) in top.members_of("workspaces")? {
        let name = workspace.text_of("name")?.unwrap_or_default();
        let start = if path.is_empty() { "" } else { name };
        let mut edges = edges(workspace)?;
        for edge in &mut edges {
            edge.to = find(&lock, start, &edge.name);
        }
        lock.importers.push(Importer {
            path: path.clone(),
            edges,
        });
    }
    connect(&mut lock);
    Ok(lock)
}

/// `["name@version", registry, {…}, integrity]`; links to the project's own folders are no packages.
fn package(place: &str, entry: &Item) -> Result<Option<Package>, Flaw> {
    let fields = entry.list(place)?;
    let Some(first) = fields.first() else {
        return Err(Flaw::new(entry.line, format!("{place:?} is empty")));
    };
    let id = first.text(place)?;
    let Some((name, reference)) = split_id(id) else {
        let reason = format!("{id:?} is not a name and a version");
        return Err(Flaw::new(first.line, reason));
    };
    if ["workspace:", "root:", "link:"]
        .iter()
        .any(|kind| reference.starts_with(kind))
    {
        return Ok(None);
    }
    let mut package = Package::new(name, reference, entry.line);
    if semver::Version::parse(reference).is_err() {
        package.origin = Origin::of_reference(reference);
    } else {
        let text_at = |index: usize| {
            let text = fields.get(index).map_or(Ok(""), |item| item.text(place))?;
            Ok((!text.is_empty()).then(|| text.to_owned()))
        };
        package.resolved = text_at(1)?;
        package.integrity = text_at(3)?;
    }
    let about = fields
        .iter()
        .find(|item| item.members("").is_ok_and(|all| !all.is_empty()));
    if let Some(about) = about {
        package.edges = edges(about)?;
        package.os = about.texts_of("os")?;
        package.cpu = about.texts_of("cpu")?;
        package.libc = about.texts_of("libc")?;
    }
    Ok(Some(package))
}

fn edges(item: &Item) -> Result<Vec<Edge>, Flaw> {
    let mut edges = Vec::new();
    for (field, optional) in FIELDS {
        for (name, spec) in item.members_of(field)? {
            edges.push(Edge::asking(name, spec.text(name)?, optional));
        }
    }
    Ok(edges)
}

fn connect(lock: &mut ForeignLock) {
    let find_all = |(place, package): (&String, &Package)| -> Vec<Option<String>> {
        let edges = package.edges.iter();
        edges.map(|edge| find(lock, place, &edge.name)).collect()
    };
    let found: Vec<_> = lock.packages.iter().map(find_all).collect();
    for (package, found) in lock.packages.values_mut().zip(found) {
        for (edge, to) in package.edges.iter_mut().zip(found) {
            edge.to = to;
        }
    }
}

/// The place of `name` as seen from `place`: below it, or below the nearest place above.
fn find(lock: &ForeignLock, place: &str, name: &str) -> Option<String> {
    let mut above = place;
    loop {
        let candidate = if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above}/{name}")
        };
        if lock.packages.contains_key(&candidate) {
            return Some(candidate);
        }
        if above.is_empty() {
            return None;
        }
        above = parent(above);
    }
}

/// `a` of `a/b` and of `a/@s/b`
fn parent(place: &str) -> &str {
    let Some(slash) = place.rfind('/') else {
        return "";
    };
    let above = &place[..slash];
    let last = above.rfind('/').map_or(0, |slash| slash + 1);
    if above[last..].starts_with('@') {
        above[..last].trim_end_matches('/')
    } else {
        above
    }
}
