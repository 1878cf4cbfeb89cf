//! Puts right in a lock what can be put right without moving a version.

use rustc_hash::FxHashSet;
use serde_json::{Map, Value};
use url::Url;

use super::sources::other_package;
use super::{Finding, Rule};
use crate::integrity::{Algorithm, Integrity};
use crate::json::truthy;
use crate::lock::{Lock, Packages};
use crate::resolve::Tree;

/// What a registry states of one version: its `dist`.
pub type Dist = Map<String, Value>;

/// A lock's packages put right, and what was done.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    pub packages: Packages,
    /// The `dependencies` of versions 1 and 2.
    pub legacy: Option<Map<String, Value>>,
    /// Findings that are no longer true.
    pub fixed: Vec<Finding>,
}

/// Does it take the registry to put this right?
pub fn needs_registry(finding: &Finding) -> bool {
    matches!(
        finding.rule,
        Rule::MissingIntegrity | Rule::WeakIntegrity | Rule::MalformedIntegrity | Rule::InsecureUrl
    )
}

/// Locations of entries that are to go.
pub fn leaving(findings: &[Finding]) -> FxHashSet<&str> {
    let unneeded = |finding: &&Finding| matches!(finding.rule, Rule::Unneeded | Rule::Extraneous);
    let leaving = findings.iter().filter(unneeded);
    leaving.map(|finding| finding.location.as_str()).collect()
}

/// Repairs what can be repaired. `dist` is what the registry states of a finding's version, `None`
/// where it was not asked or does not have it.
pub fn repair(
    lock: &Lock,
    tree: &Tree,
    findings: &[Finding],
    dist: &dyn Fn(&Finding) -> Option<Dist>,
) -> Repaired {
    let mut work = Work {
        packages: lock.packages.clone(),
        legacy: lock.legacy.clone(),
        gone: FxHashSet::default(),
    };
    let leaving = leaving(findings);
    for location in &leaving {
        work.remove(location);
    }
    let mut fixed = Vec::new();
    for finding in findings {
        let done = match finding.rule {
            // What was wrong with it went with it.
            _ if leaving.contains(&*finding.location) => true,
            Rule::FalseFlag | Rule::MissingFlag => work.set_flags(tree, &finding.location),
            _ if needs_registry(finding) => {
                dist(finding).is_some_and(|dist| work.restate(finding, &dist))
            }
            _ => false,
        };
        if done {
            fixed.push(finding.clone());
        }
    }
    let gone = work.gone;
    work.packages
        .retain(|(location, _)| !gone.contains(location));
    Repaired {
        packages: work.packages,
        legacy: work.legacy,
        fixed,
    }
}

struct Work {
    packages: Packages,
    legacy: Option<Map<String, Value>>,
    gone: FxHashSet<String>,
}

impl Work {
    fn entry(&mut self, location: &str) -> Option<&mut Map<String, Value>> {
        let found = self.packages.iter_mut().find(|(key, _)| key == location)?;
        Some(&mut found.1)
    }

    /// Applies one change to both of a lock's forms.
    fn change(&mut self, location: &str, change: &dyn Fn(&mut Map<String, Value>)) {
        if let Some(entry) = self.entry(location) {
            change(entry);
        }
        let names = self.names_to(location);
        if let Some(legacy) = &mut self.legacy
            && let Some(entry) = names.and_then(|names| legacy_entry(legacy, &names))
        {
            change(entry);
        }
    }

    /// Takes an entry out, with the folder to which nothing links then.
    fn remove(&mut self, location: &str) {
        let names = self.names_to(location);
        if let (Some(legacy), Some(names)) = (&mut self.legacy, names) {
            remove_legacy(legacy, &names);
        }
        self.gone.insert(location.to_owned());
        let target = |(key, entry): &(String, Map<String, Value>)| {
            let is_link = entry.get("link").is_some_and(truthy);
            let target = entry.get("resolved")?.as_str()?;
            is_link.then(|| (key.clone(), target.to_owned()))
        };
        let links: Vec<(String, String)> = self.packages.iter().filter_map(target).collect();
        let own = links.iter().find(|(key, _)| key == location);
        if let Some((_, target)) = own {
            let linked = links
                .iter()
                .any(|(key, other)| other == target && !self.gone.contains(key));
            if !linked {
                let below = format!("{target}/");
                let inside = self.packages.iter().map(|(key, _)| key);
                let inside = inside.filter(|key| *key == target || key.starts_with(&below));
                self.gone.extend(inside.cloned().collect::<Vec<_>>());
            }
        }
    }

    /// The flags that the graph gives, as npm writes them.
    fn set_flags(&mut self, tree: &Tree, location: &str) -> bool {
        let Some(id) = tree.at(tree.root, location) else {
            return false;
        };
        let flags = tree.node(id).flags;
        let in_bundle = tree.in_bundle(id);
        self.change(location, &|entry| {
            for (flag, holds) in [
                ("dev", flags.dev),
                ("optional", flags.optional),
                ("peer", flags.peer),
                (
                    "devOptional",
                    flags.dev_optional && !flags.dev && !flags.optional,
                ),
            ] {
                entry.shift_remove(flag);
                if holds && !flags.extraneous {
                    entry.insert(flag.to_owned(), true.into());
                }
            }
            if !in_bundle {
                entry.shift_remove("inBundle");
            }
        });
        true
    }

    /// The hash or the address that the registry states for the same tarball.
    fn restate(&mut self, finding: &Finding, dist: &Dist) -> bool {
        let Some(entry) = self.entry(&finding.location) else {
            return false;
        };
        let (member, value) = match finding.rule {
            Rule::InsecureUrl => ("resolved", encrypted(entry, dist)),
            _ => ("integrity", integrity(entry, finding, dist)),
        };
        let Some(value) = value else { return false };
        self.change(&finding.location, &|entry| {
            entry.insert(member.to_owned(), value.clone().into());
        });
        true
    }

    /// The folder names on the way to a location in the nested form.
    fn names_to(&self, location: &str) -> Option<Vec<String>> {
        let inside = if let Some(inside) = location.strip_prefix("node_modules/") {
            inside.to_owned()
        } else {
            // Below a link's target: in the nested form it is below the link.
            let (target, rest) = location.split_once("/node_modules/")?;
            let (link, _) = self.packages.iter().find(|(_, entry)| {
                let resolved = entry.get("resolved").and_then(Value::as_str);
                entry.get("link").is_some_and(truthy) && resolved == Some(target)
            })?;
            let link = link.strip_prefix("node_modules/")?;
            format!("{link}/node_modules/{rest}")
        };
        Some(inside.split("/node_modules/").map(str::to_owned).collect())
    }
}

fn legacy_entry<'a>(
    dependencies: &'a mut Map<String, Value>,
    names: &[String],
) -> Option<&'a mut Map<String, Value>> {
    let (first, rest) = names.split_first()?;
    let entry = dependencies.get_mut(first)?.as_object_mut()?;
    if rest.is_empty() {
        return Some(entry);
    }
    legacy_entry(entry.get_mut("dependencies")?.as_object_mut()?, rest)
}

fn remove_legacy(dependencies: &mut Map<String, Value>, names: &[String]) -> Option<()> {
    let (first, rest) = names.split_first()?;
    if rest.is_empty() {
        dependencies.shift_remove(first);
        return Some(());
    }
    let entry = dependencies.get_mut(first)?.as_object_mut()?;
    let below = entry.get_mut("dependencies")?.as_object_mut()?;
    remove_legacy(below, rest)?;
    if below.is_empty() {
        entry.shift_remove("dependencies");
    }
    Some(())
}

fn text<'a>(map: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    map.get(member)?.as_str().filter(|text| !text.is_empty())
}

/// The registry's sha512, when it is of the tarball that the entry means and its other hashes do not
/// speak against it.
fn integrity(entry: &Map<String, Value>, finding: &Finding, dist: &Dist) -> Option<String> {
    let stated = text(dist, "integrity").filter(|text| Integrity::is_well_formed(text))?;
    let stated = Integrity::parse(stated)?;
    if stated.strongest() != Algorithm::Sha512 {
        return None;
    }
    if let Some(resolved) = text(entry, "resolved") {
        let (url, tarball) = (Url::parse(resolved).ok()?, text(dist, "tarball")?);
        let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let same_file = file(url.path()) == file(Url::parse(tarball).ok()?.path());
        if !same_file || other_package(&url, &finding.name, &finding.version).is_some() {
            return None;
        }
    }
    if let Some(known) = text(entry, "integrity").and_then(Integrity::parse) {
        let shasum = text(dist, "shasum").and_then(Integrity::from_shasum);
        let denies = |other: &Integrity| known.contradicts(other);
        if denies(&stated) || shasum.as_ref().is_some_and(denies) {
            return None;
        }
    }
    Some(stated.to_string())
}

/// The registry's address, when it is the entry's but for the encryption.
fn encrypted(entry: &Map<String, Value>, dist: &Dist) -> Option<String> {
    let resolved = text(entry, "resolved")?.strip_prefix("http://")?;
    let stated = text(dist, "tarball")?;
    (stated.strip_prefix("https://") == Some(resolved)).then(|| stated.to_owned())
}

/// How many packages have another version than before. Repairs that are right move none.
pub fn moved(before: &Packages, after: &Packages) -> usize {
    let version = |packages: &Packages, location: &str| {
        let found = packages.iter().find(|(key, _)| key == location);
        found.map(|(_, entry)| entry.get("version").cloned())
    };
    let changed = |(location, entry): &&(String, Map<String, Value>)| {
        let former = version(before, location);
        former.is_none_or(|former| former.as_ref() != entry.get("version"))
    };
    after.iter().filter(changed).count()
}
