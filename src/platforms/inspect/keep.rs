//! Facts as the store keeps them beside a package.

use crate::platforms::facts::Facts;

/// Goes up whenever facts are shaped or found in another way: older ones are then found anew.
const VERSION: u8 = 1;

/// One byte of version, then the facts in postcard's format.
pub fn encode(facts: &Facts) -> Vec<u8> {
    postcard::to_extend(facts, vec![VERSION]).unwrap_or_default()
}

/// `None` for anything but the whole text of facts of this version.
pub fn decode(bytes: &[u8]) -> Option<Facts> {
    let body = bytes.strip_prefix(&[VERSION])?;
    let (facts, rest) = postcard::take_from_bytes(body).ok()?;
    rest.is_empty().then_some(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_kept_and_nothing_else_is() {
        let facts = Facts {
            scripts: vec![("install".to_owned(), "node-gyp rebuild".to_owned())],
            ..Facts::default()
        };
        let kept = encode(&facts);
        assert_eq!(decode(&kept), Some(facts));
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&kept[..kept.len() - 1]), None);
        assert_eq!(decode(&[&kept[..], b"x"].concat()), None);
        let newer = [&[VERSION + 1], &kept[1..]].concat();
        assert_eq!(decode(&newer), None);
    }
}
