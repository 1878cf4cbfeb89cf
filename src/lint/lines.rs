//! On which lines a lock's entries and their members are written.

use rustc_hash::FxHashMap;

use crate::lock::Lock;

/// Lines by location, 1-based.
#[derive(Debug, Default)]
pub struct Lines {
    entries: FxHashMap<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    line: usize,
    members: Vec<(String, usize)>,
}

impl Lines {
    /// A text with conflict markers has none: what was read is not what is written there.
    pub fn of(lock: &Lock) -> Self {
        if lock.merged {
            return Self::default();
        }
        let mut lines = Self::default();
        let mut walk = Walk::new(&lock.bytes);
        while let Some((path, line)) = walk.next_member() {
            if lock.loaded_from_v1 {
                lines.note_nested(path, line);
            } else if let [top, location, rest @ ..] = path
                && top == "packages"
            {
                lines.note(location.clone(), rest, line);
            }
        }
        lines
    }

    /// Of the member where it is written, else of the entry.
    pub fn of_entry(&self, location: &str, member: Option<&str>) -> Option<usize> {
        let entry = self.entries.get(location)?;
        let named = member.and_then(|member| {
            let found = entry.members.iter().find(|(name, _)| name == member)?;
            Some(found.1)
        });
        Some(named.unwrap_or(entry.line))
    }

    fn note(&mut self, location: String, rest: &[String], line: usize) {
        let entry = self.entries.entry(location).or_default();
        match rest {
            [] => entry.line = line,
            [member] => entry.members.push((member.clone(), line)),
            _ => {}
        }
    }

    /// Version 1: `dependencies.a.dependencies.b` is at `node_modules/a/node_modules/b`.
    fn note_nested(&mut self, path: &[String], line: usize) {
        let (pairs, rest) = path.split_at(path.len() / 2 * 2);
        let mut location = String::new();
        for pair in pairs.chunks(2) {
            let [map, name] = pair else { return };
            if map != "dependencies" {
                return;
            }
            if !location.is_empty() {
                location.push('/');
            }
            location.push_str("node_modules/");
            location.push_str(name);
        }
        if !location.is_empty() {
            self.note(location, rest, line);
        }
    }
}

/// The members of all objects of a JSON text, in order. What is no JSON ends it early.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    /// Of each open object (true) or list: how long the path around it is.
    open: Vec<(bool, usize)>,
    path: Vec<String>,
    name_is_next: bool,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
            open: Vec::new(),
            path: Vec::new(),
            name_is_next: false,
        }
    }

    /// The names from the top down to the next member, and its line.
    fn next_member(&mut self) -> Option<(&[String], usize)> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            match byte {
                b'\n' => self.line += 1,
                b'{' | b'[' => {
                    self.name_is_next = byte == b'{';
                    self.open.push((self.name_is_next, self.path.len()));
                }
                b'}' | b']' => {
                    let (_, around) = self.open.pop()?;
                    self.path.truncate(around);
                }
                b',' => self.name_is_next = self.open.last()?.0,
                b'"' => {
                    let text = self.string()?;
                    if std::mem::take(&mut self.name_is_next) {
                        self.path.truncate(self.open.last()?.1);
                        self.path.push(serde_json::from_slice(text).ok()?);
                        return Some((&self.path, self.line));
                    }
                }
                _ => {}
            }
        }
    }

    /// The string whose opening quote was just passed, quotes included.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at - 1;
        loop {
            match *self.bytes.get(self.at)? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(&self.bytes[start..self.at]);
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock;

    #[test]
    fn entries_and_members_are_found_on_their_lines() {
        let text = "{\n\"lockfileVersion\": 3,\n\"packages\": {\n\"node_modules/a\": {\n\"x\": [{\"version\": 1}],\n\"version\": \"1\\\"\"\n},\n\"node_modules/b\":\n{}}}";
        let lines = Lines::of(&lock::parse(text, "l").unwrap());
        let of = |location, member| lines.of_entry(location, member);
        assert_eq!(of("node_modules/a", None), Some(4));
        assert_eq!(of("node_modules/a", Some("version")), Some(6));
        assert_eq!(of("node_modules/a", Some("integrity")), Some(4));
        assert_eq!(of("node_modules/b", Some("version")), Some(8));
        assert_eq!(of("node_modules/c", None), None);
    }

    #[test]
    fn version_1_is_nested() {
        let text = "{\"lockfileVersion\": 1, \"requires\": true,\n\"dependencies\": {\n\"a\": {\n\"version\": \"1.0.0\",\n\"requires\": {\"b\": \"1\"},\n\"dependencies\": {\n\"b\": {\n\"version\": \"1.0.0\"}}}}}";
        let lines = Lines::of(&lock::parse(text, "l").unwrap());
        assert_eq!(lines.of_entry("node_modules/a", None), Some(3));
        let below = "node_modules/a/node_modules/b";
        assert_eq!(lines.of_entry(below, None), Some(7));
        assert_eq!(lines.of_entry(below, Some("version")), Some(8));
    }
}
