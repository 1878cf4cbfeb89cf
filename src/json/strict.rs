//! Finds what readers of JSON understand differently: members written twice, bottomless nesting.

use std::fmt;

use rustc_hash::FxHashSet;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Why a text that is JSON is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ambiguity {
    /// An object has two members of this name.
    Twice(String),
    /// More than so many objects and lists lie inside each other.
    Deep(u32),
}

/// Does it matter that a member is written twice? Given are the top-level member around it, if
/// any, its own name, and how many objects and lists are around it.
pub type Matters<'a> = dyn Fn(Option<&str>, &str, u32) -> bool + 'a;

/// The first ambiguity of a text, and its 1-based line. A text that is no JSON has none before the
/// place where it stops being JSON.
pub fn first_ambiguity(
    bytes: &[u8],
    deepest: u32,
    matters: &Matters<'_>,
) -> Option<(usize, Ambiguity)> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let stopped = Walk {
        found: &mut found,
        deepest,
        left: deepest,
        matters,
        top: None,
    }
    .deserialize(&mut deserializer);
    let line = stopped.err().map_or(0, |error| error.line());
    found.map(|found| (line, found))
}

/// Walks one value and stops where something is ambiguous.
struct Walk<'a> {
    found: &'a mut Option<Ambiguity>,
    deepest: u32,
    left: u32,
    matters: &'a Matters<'a>,
    top: Option<&'a str>,
}

impl Walk<'_> {
    fn stop<E: serde::de::Error>(self, ambiguity: Ambiguity) -> E {
        *self.found = Some(ambiguity);
        E::custom("ambiguous")
    }

    /// For the values one level further down.
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        if let Some(left) = self.left.checked_sub(1) {
            return Ok(Self { left, ..self });
        }
        let deepest = self.deepest;
        Err(self.stop(Ambiguity::Deep(deepest)))
    }

    fn again<'b>(&'b mut self, key: Option<&'b str>) -> Walk<'b> {
        Walk {
            found: &mut *self.found,
            deepest: self.deepest,
            left: self.left,
            matters: self.matters,
            top: self.top.or(key),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut inside = self.below::<A::Error>()?;
        let mut seen: FxHashSet<String> = FxHashSet::default();
        while let Some(key) = map.next_key::<String>()? {
            let around = inside.deepest - inside.left;
            if seen.contains(&key) && (inside.matters)(inside.top, &key, around) {
                return Err(inside.stop(Ambiguity::Twice(key)));
            }
            map.next_value_seed(inside.again(Some(&key)))?;
            seen.insert(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut inside = self.below::<A::Error>()?;
        while list.next_element_seed(inside.again(None))?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_written_twice_is_found_with_its_line_wherever_it_is() {
        let twice = |text: &str| first_ambiguity(text.as_bytes(), 8, &|_, _, _| true);
        let named = |line, key: &str| Some((line, Ambiguity::Twice(key.to_owned())));
        assert_eq!(twice("{\"a\":1,\n\"a\":2}"), named(2, "a"));
        assert_eq!(twice("[{\"b\":{\"c\":1,\"\\u0063\":1}}]"), named(1, "c"));
        assert_eq!(twice("{\"a\":{\"a\":[]},\"b\":{\"a\":1}}"), None);
    }

    #[test]
    fn nesting_is_allowed_up_to_the_limit() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        let deep = |levels| first_ambiguity(nested(levels).as_bytes(), 8, &|_, _, _| true);
        assert_eq!(deep(8), None);
        assert_eq!(deep(9), Some((1, Ambiguity::Deep(8))));
    }

    #[test]
    fn who_asks_decides_which_members_matter() {
        let counts = |top: Option<&str>, key: &str, around: u32| {
            (top, key, around) == (None, "a", 1) || (top, around) == (Some("b"), 2)
        };
        let twice = |text: &str| first_ambiguity(text.as_bytes(), 8, &counts).is_some();
        assert!(twice("{\"a\":1,\"a\":2}") && twice("{\"b\":{\"x\":1,\"x\":1}}"));
        assert!(!twice("{\"c\":1,\"c\":2}") && !twice("{\"b\":[{\"x\":1,\"x\":1}]}"));
    }
}
