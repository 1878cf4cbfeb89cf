//! The lock of yarn 1: blocks of `name@range` lines, two spaces a level, in a format of its own.

use super::item::{Builder, Data, Flaw, Item};
use super::{Edge, ForeignLock, Format, Origin, Package, split_id};
use crate::integrity::Integrity;
use crate::spec::{Spec, SpecKind};

/// The line by which yarn knows its own format.
const VERSION: &str = "# yarn lockfile v";

/// Reads the lock; what the project itself asks for is not in it.
pub fn read(text: &str) -> Result<ForeignLock, Flaw> {
    let version = text.lines().find_map(|line| line.strip_prefix(VERSION));
    if let Some(version) = version.filter(|version| version.trim() != "1") {
        let reason = format!("this is version {version} of yarn's lock, and only 1 is known");
        return Err(Flaw::new(1, reason));
    }
    let mut lock = ForeignLock::new(Format::Yarn1, "1");
    for block in blocks(text)? {
        let Some(id) = block.specs.first().cloned() else {
            continue;
        };
        for spec in &block.specs {
            let line = block.fields.line;
            let (name, range) = split_id(spec)
                .ok_or_else(|| Flaw::new(line, format!("{spec:?} is not a name and a range")))?;
            let key = (name.to_owned(), range.to_owned());
            if lock.descriptors.insert(key, id.clone()).is_some() {
                return Err(Flaw::new(line, format!("{spec:?} is written twice")));
            }
        }
        let package = package(&id, &block.fields)?;
        lock.packages.insert(id, package);
    }
    lock.resolve_descriptors();
    Ok(lock)
}

fn package(id: &str, fields: &Item) -> Result<Package, Flaw> {
    let (name, range) = split_id(id).unwrap_or((id, ""));
    let line = fields.line;
    let spec = Spec::parse("", range, "/".as_ref()).ok();
    let name = match spec.as_ref().map(|spec| &spec.kind) {
        Some(SpecKind::Alias { name, .. }) => name.as_str(),
        _ => name,
    };
    let Some(version) = fields.text_of("version")? else {
        return Err(Flaw::new(line, format!("{id:?} has no version")));
    };
    let resolved = fields.text_of("resolved")?;
    let (url, hash) = match resolved {
        Some(text) => text.rsplit_once('#').unwrap_or((text, "")),
        None => ("", ""),
    };
    let mut package = Package::new(name, version, line);
    package.resolved = resolved.map(|_| url.to_owned());
    package.integrity = match fields.text_of("integrity")? {
        Some(text) => Some(text.to_owned()),
        None => Integrity::from_shasum(hash).map(|hash| hash.to_string()),
    };
    if spec.is_none_or(|spec| !spec.is_registry()) {
        package.origin = Origin::of_reference(resolved.unwrap_or(range));
    }
    for (field, optional) in [("dependencies", false), ("optionalDependencies", true)] {
        for (name, range) in fields.members_of(field)? {
            let range = range.text(name)?;
            package.edges.push(Edge::asking(name, range, optional));
        }
    }
    Ok(package)
}

struct Block {
    specs: Vec<String>,
    fields: Item,
}

/// The blocks of the text, their lines read by indentation.
fn blocks(text: &str) -> Result<Vec<Block>, Flaw> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut builder = Builder::default();
    let mut depth = 0;
    let mut specs: Option<Vec<String>> = None;
    let mut last = 1;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let content = line.trim_start_matches(' ');
        if content.trim().is_empty() || content.starts_with('#') {
            continue;
        }
        let indent = line.len() - content.len();
        let level = indent / 2;
        let words = words(content.trim_end(), number)?;
        if indent % 2 != 0 || level > depth {
            return Err(Flaw::new(number, "the indentation is wrong"));
        }
        while depth > level {
            builder.end(number)?;
            depth -= 1;
        }
        if depth == 0 {
            close(&mut blocks, specs.take(), &mut builder, number)?;
        }
        match (depth, words) {
            (0, Words::Heading(names)) => {
                specs = Some(names);
                builder.begin(number, Data::Map(Vec::new()))?;
                depth = 1;
            }
            (_, Words::Heading(names)) if names.len() == 1 && depth > 0 => {
                let name = names.into_iter().next().unwrap_or_default();
                builder.scalar(number, Data::Text(name))?;
                builder.begin(number, Data::Map(Vec::new()))?;
                depth += 1;
            }
            (_, Words::Pair(key, value)) if depth > 0 => {
                builder.scalar(number, Data::Text(key))?;
                builder.scalar(number, Data::Text(value))?;
            }
            _ => return Err(Flaw::new(number, "this line has no place here")),
        }
        last = number;
    }
    while depth > 0 {
        builder.end(last)?;
        depth -= 1;
    }
    close(&mut blocks, specs, &mut builder, last)?;
    Ok(blocks)
}

fn close(
    blocks: &mut Vec<Block>,
    specs: Option<Vec<String>>,
    builder: &mut Builder,
    line: usize,
) -> Result<(), Flaw> {
    if let Some(specs) = specs {
        let fields = std::mem::take(builder).finish(line)?;
        blocks.push(Block { specs, fields });
    }
    Ok(())
}

enum Words {
    /// `a, b:`
    Heading(Vec<String>),
    /// `a b`
    Pair(String, String),
}

/// The words of a line: bare ones, and JSON's texts in quotes.
fn words(line: &str, number: usize) -> Result<Words, Flaw> {
    let flaw = |reason: &str| Flaw::new(number, reason);
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let (word, after) = if rest.starts_with('"') {
            let mut escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            });
            let Some((end, _)) = end else {
                return Err(flaw("a text is not closed"));
            };
            let word = serde_json::from_str(&rest[..=end]);
            (
                word.map_err(|_| flaw("a text has a wrong escape"))?,
                &rest[end + 1..],
            )
        } else {
            // A bare word ends at white space or a comma; a colon ends it at the line's end only.
            let end = rest.find([' ', ',']).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            match word.strip_suffix(':').filter(|_| after.is_empty()) {
                Some(word) => (word.to_owned(), ":"),
                None => (word.to_owned(), after),
            }
        };
        if word.is_empty() {
            return Err(flaw("a word is missing"));
        }
        words.push(word);
        if after == ":" {
            return Ok(Words::Heading(words));
        } else if let Some(next) = after.strip_prefix(',') {
            rest = next.trim_start_matches(' ');
        } else if let (Some(value), [key]) = (after.strip_prefix(' '), &words[..]) {
            return value_of(key.clone(), value, number);
        } else {
            return Err(flaw("a colon is missing at the end of the line"));
        }
    }
}

fn value_of(key: String, text: &str, number: usize) -> Result<Words, Flaw> {
    let value = if text.starts_with('"') {
        serde_json::from_str(text).map_err(|_| Flaw::new(number, "a text is not closed"))?
    } else {
        text.to_owned()
    };
    Ok(Words::Pair(key, value))
}
