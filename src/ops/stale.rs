//! Says of a disagreement between manifest and lock where it is written, and which side is older.

use std::path::Path;

use crate::json;
use crate::lock::Lock;
use crate::resolve::{Demand, Disagreement};

/// The disagreement in npm's words, with the manifest's line and what the lock was made for.
pub fn explain(project: &Path, lock: &Lock, disagreement: &Disagreement) -> String {
    let Disagreement { text, demand, .. } = disagreement;
    let Some(demand) = demand else {
        return text.clone();
    };
    let file = match demand.location.as_str() {
        "" => "package.json".to_owned(),
        location => format!("{location}/package.json"),
    };
    let line = line(project, &file, demand);
    let line = line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("{text} ({file}{line}; {})", verdict(lock, demand))
}

/// Which side moved since the lock was made.
fn verdict(lock: &Lock, demand: &Demand) -> String {
    let entry = lock.entry(&demand.location);
    let recorded = entry.and_then(|entry| {
        let section = entry.get(demand.section)?;
        section.get(&demand.name)?.as_str()
    });
    let file = &lock.file_name;
    match recorded {
        _ if demand.overridden => format!("an override changes what it asks for: {file} is older"),
        _ if lock.loaded_from_v1 => format!("{file} does not say what it was made for"),
        None => format!("{file} was made before that was asked for: it is older"),
        Some(recorded) if recorded == demand.spec => {
            format!("{file} was made for the same: it was edited or merged wrongly")
        }
        Some(recorded) => format!("{file} was made for {recorded}: it is older"),
    }
}

/// The 1-based line on which the manifest asks for it.
fn line(project: &Path, file: &str, demand: &Demand) -> Option<usize> {
    let text = std::fs::read(project.join(file)).ok()?;
    let section = json::place_of(&text, demand.section, 0)?;
    let place = json::place_of(&text, &demand.name, section)?;
    Some(json::line_at(&text, place))
}
