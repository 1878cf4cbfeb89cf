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

/// The first ambiguity of a text, and its 1-based line. A text that is no JSON has none before the
/// place where it stops being JSON.
pub fn first_ambiguity(bytes: &[u8], deepest: u32) -> Option<(usize, Ambiguity)> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let stopped = Walk {
        found: &mut found,
        deepest,
        left: deepest,
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
}

impl Walk<'_> {
    fn stop<E: serde::de::Error>(self, ambiguity: Ambiguity) -> E {
        *self.found = Some(ambiguity);
        E::custom("ambiguous")
    }

    /// For the values one level further down.
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => {
                let deepest = self.deepest;
                Err(self.stop(Ambiguity::Deep(deepest)))
            }
        }
    }

    fn again(&mut self) -> Walk<'_> {
        Walk {
            found: &mut *self.found,
            deepest: self.deepest,
            left: self.left,
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
            if seen.contains(&key) {
                return Err(inside.stop(Ambiguity::Twice(key)));
            }
            seen.insert(key);
            map.next_value_seed(inside.again())?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut inside = self.below::<A::Error>()?;
        while list.next_element_seed(inside.again())?.is_some() {}
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
        let twice = |text: &str| first_ambiguity(text.as_bytes(), 8);
        let named = |line, key: &str| Some((line, Ambiguity::Twice(key.to_owned())));
        assert_eq!(twice("{\"a\":1,\n\"a\":2}"), named(2, "a"));
        assert_eq!(twice("[{\"b\":{\"c\":1,\"\\u0063\":1}}]"), named(1, "c"));
        assert_eq!(twice("{\"a\":{\"a\":[]},\"b\":{\"a\":1}}"), None);
    }

    #[test]
    fn nesting_is_allowed_up_to_the_limit() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(first_ambiguity(nested(8).as_bytes(), 8), None);
        let deep = first_ambiguity(nested(9).as_bytes(), 8);
        assert_eq!(deep, Some((1, Ambiguity::Deep(8))));
    }
}
