//! Damages a lock as merges and editors do: entries go, fields go, versions are not what they were.

use serde_json::{Map, Value};

use super::generate::Random;

/// Fields whose absence or presence npm has to cope with.
const FIELDS: [&str; 6] = [
    "resolved",
    "integrity",
    "dependencies",
    "peerDependencies",
    "license",
    "dev",
];

/// The lock with one to three things wrong, the same ones each time, and what they are; `None` for
/// a lock of nothing.
pub fn damage(lock: &[u8]) -> Option<(Vec<u8>, String)> {
    let mut document: Value = serde_json::from_slice(lock).ok()?;
    let seed = lock
        .iter()
        .fold(7u64, |sum, byte| sum.wrapping_mul(31) ^ u64::from(*byte));
    let mut random = Random::new(seed);
    let mut words = Vec::new();
    for _ in 0..=random.below(3) {
        let packages = document.get_mut("packages")?.as_object_mut()?;
        words.extend(damage_one(packages, &mut random));
    }
    if words.is_empty() {
        return None;
    }
    if document.get("lockfileVersion") == Some(&Value::from(2)) && random.below(2) == 0 {
        document.as_object_mut()?.shift_remove("dependencies");
        words.push("no dependencies".to_owned());
    }
    let text = format!("{document:#}\n");
    Some((text.into_bytes(), words.join("; ")))
}

fn damage_one(packages: &mut Map<String, Value>, random: &mut Random) -> Option<String> {
    let places: Vec<String> = packages
        .keys()
        .filter(|place| place.contains("node_modules/"))
        .cloned()
        .collect();
    if places.is_empty() {
        return None;
    }
    let place = &places[random.below(places.len())];
    let below = format!("{place}/");
    match random.below(8) {
        0 => {
            packages.shift_remove(place);
            Some(format!("{place} gone"))
        }
        1 | 2 => {
            packages.retain(|key, _| key != place && !key.starts_with(&below));
            Some(format!("{place} gone with all below"))
        }
        3 | 4 => {
            let entry = packages.get_mut(place)?.as_object_mut()?;
            let version = ["0.0.1", "1.0.0", "1.2.0", "2.0.0"][random.below(4)];
            entry.get("version")?;
            entry.insert("version".to_owned(), version.into());
            Some(format!("{place} says {version}"))
        }
        5 => {
            let other = &places[random.below(places.len())];
            let inner = other.rsplit("node_modules/").next()?;
            let entry = packages.get(other)?.clone();
            let copy = format!("{place}/node_modules/{inner}");
            if entry.get("link").is_some() || packages.get(place)?.get("link").is_some() {
                return None;
            }
            packages.insert(copy.clone(), entry);
            Some(format!("{copy} too many"))
        }
        _ => {
            let field = FIELDS[random.below(FIELDS.len())];
            let entry = packages.get_mut(place)?.as_object_mut()?;
            entry.shift_remove(field)?;
            Some(format!("{place} without {field}"))
        }
    }
}
