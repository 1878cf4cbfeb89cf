//! Folder names, each stored once; names that differ only by case or Unicode form share a key.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use unicode_normalization::UnicodeNormalization as _;

/// A name as written. Equal names are equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

/// A name as file systems may see it: NFKD, lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u32);

#[derive(Debug, Default)]
pub struct Names {
    texts: Vec<(Arc<str>, Key)>,
    known: FxHashMap<Arc<str>, Name>,
}

impl Names {
    pub fn intern(&mut self, text: &str) -> Name {
        if let Some(name) = self.known.get(text) {
            return *name;
        }
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
        let other_key = (!plain).then(|| {
            let folded: String = text.nfkd().collect::<String>().to_lowercase();
            (folded != text).then(|| {
                let name = self.intern_plain(&folded);
                self.key(name)
            })
        });
        let name = self.add(text);
        if let Some(Some(key)) = other_key {
            self.texts[name.0 as usize].1 = key;
        }
        name
    }

    fn intern_plain(&mut self, text: &str) -> Name {
        match self.known.get(text) {
            Some(name) => *name,
            None => self.add(text),
        }
    }

    fn add(&mut self, text: &str) -> Name {
        let number = self.texts.len() as u32;
        let text: Arc<str> = text.into();
        self.texts.push((text.clone(), Key(number)));
        self.known.insert(text, Name(number));
        Name(number)
    }

    pub fn key(&self, name: Name) -> Key {
        self.texts[name.0 as usize].1
    }

    pub fn text(&self, name: Name) -> &Arc<str> {
        &self.texts[name.0 as usize].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_collide_on_some_disk_share_a_key() {
        let mut names = Names::default();
        let (upper, lower) = (names.intern("Foo"), names.intern("foo"));
        assert_ne!(upper, lower);
        assert_eq!(names.key(upper), names.key(lower));
        let (composed, decomposed) = (names.intern("\u{e9}"), names.intern("e\u{301}"));
        assert_eq!(names.key(composed), names.key(decomposed));
    }
}
