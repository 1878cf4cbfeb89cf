//! Checks a lock against its own words: does everyone find what they ask for?
//!
//! Knows nothing of the resolver: it walks `packages` as Node looks for modules.

use heatseal::spec::{Mode, Prerelease, Range, parse_version};
use serde_json::{Map, Value};

/// What of the rules does not count.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // independent rules
pub struct Lenience {
    /// Peers may be absent.
    pub no_peers: bool,
    /// Peers may be there in a wrong version.
    pub wrong_peers: bool,
    /// What an optional package needs may be absent: it will not be installed.
    pub broken_optionals: bool,
    /// Versions may be others than those asked for.
    pub any_version: bool,
}

/// Every dependency of `lock` that is not met, one line each.
pub fn unmet(lock: &[u8], lenience: Lenience) -> Vec<String> {
    let lock: Value = serde_json::from_slice(lock).unwrap();
    let Some(packages) = lock["packages"].as_object() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (location, entry) in packages {
        let outside = location.starts_with("..");
        let bundled = entry["inBundle"] == true;
        if entry["link"] == true || outside || bundled || is_bundling(entry) {
            continue;
        }
        let is_project = !location.contains("node_modules/");
        // A name that is in several maps counts in the first of these.
        let fields = [
            ("devDependencies", is_project),
            ("optionalDependencies", true),
            ("dependencies", true),
            ("peerDependencies", !lenience.no_peers),
        ];
        let mut seen: Vec<&str> = Vec::new();
        for (field, counts) in fields {
            if !counts {
                continue;
            }
            let Some(map) = entry[field].as_object() else {
                continue;
            };
            for (name, spec) in map {
                if seen.contains(&name.as_str()) {
                    continue;
                }
                seen.push(name);
                let asked = Asked {
                    location,
                    entry,
                    field,
                    name,
                    spec: spec.as_str().unwrap(),
                };
                lines.extend(asked.complaint(packages, lenience));
            }
        }
    }
    lines
}

fn is_bundling(entry: &Value) -> bool {
    entry["bundleDependencies"].is_array()
}

struct Asked<'a> {
    location: &'a str,
    entry: &'a Value,
    field: &'a str,
    name: &'a str,
    spec: &'a str,
}

impl Asked<'_> {
    fn complaint(&self, packages: &Map<String, Value>, lenience: Lenience) -> Option<String> {
        let meta = &self.entry["peerDependenciesMeta"][self.name]["optional"];
        let is_peer = self.field == "peerDependencies";
        let optional = self.field == "optionalDependencies" || (is_peer && *meta == true);
        let excused = lenience.broken_optionals && self.entry["optional"] == true;
        let Some(found) = find(packages, self.location, self.name) else {
            let absent = !optional && !excused;
            return absent.then(|| self.line("is nowhere"));
        };
        // The project takes its own workspaces and folders whatever their version.
        let own = self.location.is_empty() && found.get("resolved").is_none();
        let version = found["version"].as_str().unwrap_or_default();
        let left_out = optional && lenience.broken_optionals;
        let wrong_is_fine =
            own || lenience.any_version || excused || left_out || (is_peer && lenience.wrong_peers);
        if wrong_is_fine || accepts(self.entry, self.name, self.spec, version) {
            return None;
        }
        Some(self.line(&format!("is {version}")))
    }

    fn line(&self, found: &str) -> String {
        let Self {
            location,
            field,
            name,
            spec,
            ..
        } = self;
        format!("{location:?} {field}: {name}@{spec} {found}")
    }
}

fn accepts(entry: &Value, name: &str, spec: &str, version: &str) -> bool {
    let spec = spec.strip_prefix("npm:").map_or(spec, |alias| {
        alias[1..].split_once('@').map_or("*", |(_, range)| range)
    });
    let holds = |spec: &str| {
        if spec == "*" || spec.is_empty() {
            return true;
        }
        let version = parse_version(version, Mode::Loose);
        match (Range::parse(spec, Mode::Loose), version) {
            (Some(range), Some(version)) => range.satisfies(&version, Prerelease::Strict),
            // A tag, a folder.
            _ => true,
        }
    };
    let accepted = entry["acceptDependencies"][name].as_str();
    holds(spec) || accepted.is_some_and(holds)
}

/// What Node finds under `name` from a folder, links followed.
fn find<'a>(packages: &'a Map<String, Value>, from: &str, name: &str) -> Option<&'a Value> {
    let mut folder = Some(from);
    while let Some(at) = folder {
        let below = match at {
            "" => format!("node_modules/{name}"),
            at => format!("{at}/node_modules/{name}"),
        };
        let is_modules = at == "node_modules" || at.ends_with("/node_modules");
        if let Some(entry) = packages.get(&below).filter(|_| !is_modules) {
            return if entry["link"] == true {
                packages.get(entry["resolved"].as_str()?)
            } else {
                Some(entry)
            };
        }
        folder = match at {
            "" => None,
            at => Some(at.rsplit_once('/').map_or("", |(above, _)| above)),
        };
    }
    None
}
