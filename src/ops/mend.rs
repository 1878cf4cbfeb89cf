//! `shrinkwrap --fix-platforms`: a lock gets the platforms it lacks, and nothing else happens to it.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

use crate::json::truthy;
use crate::lock::{Lock, Packages, package_name};

/// What was added: `name@version`, in the lock's order.
pub type Added = Vec<String>;

/// The former entries as they are, and the optional ones of `made` that were lacking.
///
/// Errors: what else would change, in words; a version that moves, a package that comes or goes.
pub fn completed(former: &Lock, made: Packages) -> Result<(Packages, Added), Vec<String>> {
    let mut known: FxHashMap<&str, &Map<String, Value>> = FxHashMap::default();
    known.extend(
        former
            .packages
            .iter()
            .map(|(location, entry)| (location.as_str(), entry)),
    );
    let mut changes = Vec::new();
    let (mut packages, mut added) = (Packages::new(), Added::new());
    for (location, entry) in made {
        let Some(before) = known.remove(location.as_str()) else {
            if entry
                .get("optional")
                .or(entry.get("devOptional"))
                .is_some_and(truthy)
            {
                added.push(shown(&location, &entry));
            } else {
                changes.push(format!("{location} would be added: it is required"));
            }
            packages.push((location, entry));
            continue;
        };
        let same = ["name", "version", "resolved", "integrity", "link"]
            .into_iter()
            .all(|member| before.get(member) == entry.get(member));
        if !same && !location.is_empty() {
            let (from, to) = (shown(&location, before), shown(&location, &entry));
            changes.push(format!("{location} would change from {from} to {to}"));
        }
        // Entries made of version 1 are guesses.
        let kept = if former.loaded_from_v1 {
            entry
        } else {
            before.clone()
        };
        packages.push((location, kept));
    }
    let mut gone: Vec<&str> = known.into_keys().collect();
    gone.sort_unstable();
    changes.extend(
        gone.iter()
            .map(|location| format!("{location} would be removed")),
    );
    if changes.is_empty() {
        Ok((packages, added))
    } else {
        Err(changes)
    }
}

fn shown(location: &str, entry: &Map<String, Value>) -> String {
    let version = entry.get("version").and_then(Value::as_str);
    format!(
        "{}@{}",
        package_name(location, entry),
        version.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lock(packages: &Value) -> Lock {
        let text = json!({"lockfileVersion": 3, "packages": packages}).to_string();
        crate::lock::parse(text, "package-lock.json").unwrap()
    }

    fn done(before: &Value, after: &Value) -> Result<(Packages, Added), Vec<String>> {
        completed(&lock(before), lock(after).packages)
    }

    #[test]
    fn optional_packages_are_added_and_entries_stay_as_they_are() {
        let before = json!({"node_modules/a": {"version": "1.0.0", "odd": true}});
        let after = json!({
            "node_modules/a": {"version": "1.0.0", "peer": true},
            "node_modules/a-linux": {"version": "1.0.0", "optional": true},
        });
        let (packages, added) = done(&before, &after).unwrap();
        assert_eq!(added, ["a-linux@1.0.0"]);
        assert!(packages[0].1.contains_key("odd") && !packages[0].1.contains_key("peer"));
        assert_eq!(packages.len(), 2);
    }

    #[test]
    fn whatever_else_would_change_is_refused() {
        let before =
            json!({"node_modules/a": {"version": "1.0.0"}, "node_modules/b": {"version": "1.0.0"}});
        let after =
            json!({"node_modules/a": {"version": "1.1.0"}, "node_modules/c": {"version": "1.0.0"}});
        assert_eq!(
            done(&before, &after).unwrap_err(),
            [
                "node_modules/a would change from a@1.0.0 to a@1.1.0",
                "node_modules/c would be added: it is required",
                "node_modules/b would be removed",
            ]
        );
    }
}
