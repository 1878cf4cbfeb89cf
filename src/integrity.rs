//! Subresource-integrity strings (`sha512-…`), and bytes held against them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// Hash algorithms that npm understands, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "sha1" => Some(Self::Sha1),
            "sha256" => Some(Self::Sha256),
            "sha384" => Some(Self::Sha384),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// As in `sha512-…`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

/// One or more hashes of the same bytes, in the order of the text they came from.
///
/// Equality is by hashes; options (`?…`) are kept for printing only.
#[derive(Debug, Clone)]
pub struct Integrity {
    hashes: Vec<Hash>,
}

#[derive(Debug, Clone)]
struct Hash {
    algorithm: Algorithm,
    digest: Vec<u8>,
    options: String,
}

impl Integrity {
    /// Parses a string of space-separated hashes; `None` when none of them is well formed.
    ///
    /// Hashes are grouped by algorithm in first-seen order, as npm prints them (`ssri`).
    pub fn parse(text: &str) -> Option<Self> {
        let mut hashes: Vec<Hash> = Vec::new();
        for hash in text.split_ascii_whitespace().filter_map(parse_hash) {
            let after_its_kind = hashes
                .iter()
                .rposition(|known| known.algorithm == hash.algorithm)
                .map_or(hashes.len(), |index| index + 1);
            hashes.insert(after_its_kind, hash);
        }
        (!hashes.is_empty()).then_some(Self { hashes })
    }

    /// Is every part of the text a hash that npm understands? [`Self::parse`] passes over others.
    pub fn is_well_formed(text: &str) -> bool {
        let mut parts = text.split_ascii_whitespace().peekable();
        parts.peek().is_some() && parts.all(|part| parse_hash(part).is_some())
    }

    /// The sha1 of a registry document's `dist.shasum` (40 hex digits).
    pub fn from_shasum(hex: &str) -> Option<Self> {
        if hex.len() != 40 || !hex.is_ascii() {
            return None;
        }
        let digest = (0..20)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok())
            .collect::<Option<Vec<u8>>>()?;
        Some(Self::single(Algorithm::Sha1, digest))
    }

    /// The sha512 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::single(Algorithm::Sha512, Algorithm::Sha512.digest(bytes))
    }

    /// From a finished sha512 digest, for those who hash while they read.
    pub fn from_sha512(digest: [u8; 64]) -> Self {
        Self::single(Algorithm::Sha512, digest.to_vec())
    }

    fn single(algorithm: Algorithm, digest: Vec<u8>) -> Self {
        Self {
            hashes: vec![Hash {
                algorithm,
                digest,
                options: String::new(),
            }],
        }
    }

    /// The strongest algorithm present: the only one that is believed.
    pub fn strongest(&self) -> Algorithm {
        self.hashes
            .iter()
            .map(|hash| hash.algorithm)
            .max()
            .unwrap_or(Algorithm::Sha1)
    }

    /// The first hash of the strongest algorithm, as lower-case hex.
    pub fn strongest_hex(&self) -> String {
        let strongest = self.strongest();
        let mut hashes = self.hashes.iter();
        let hash = hashes.find(|hash| hash.algorithm == strongest);
        hash.map(|hash| hex(&hash.digest)).unwrap_or_default()
    }

    /// Do `bytes` have one of the hashes of the strongest algorithm?
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let algorithm = self.strongest();
        self.accepts(algorithm, &algorithm.digest(bytes))
    }

    /// Is `digest` among the hashes of `algorithm`?
    pub fn accepts(&self, algorithm: Algorithm, digest: &[u8]) -> bool {
        self.hashes
            .iter()
            .any(|hash| hash.algorithm == algorithm && hash.digest == digest)
    }

    /// Do both have hashes of one algorithm, and none of them in common?
    pub fn contradicts(&self, other: &Self) -> bool {
        let shared = |hash: &&Hash| other.hashes.iter().any(|o| o.algorithm == hash.algorithm);
        let strongest = self.hashes.iter().filter(shared).map(|hash| hash.algorithm);
        strongest.max().is_some_and(|algorithm| {
            let mut same = self.hashes.iter().filter(|h| h.algorithm == algorithm);
            !same.any(|hash| other.accepts(algorithm, &hash.digest))
        })
    }

    /// The first sha512 as lower-case hex: the store's key for the bytes.
    pub fn sha512_hex(&self) -> Option<String> {
        self.hashes
            .iter()
            .find(|hash| hash.algorithm == Algorithm::Sha512)
            .map(|hash| hex(&hash.digest))
    }
}

impl PartialEq for Integrity {
    fn eq(&self, other: &Self) -> bool {
        self.hashes.len() == other.hashes.len()
            && self
                .hashes
                .iter()
                .zip(&other.hashes)
                .all(|(a, b)| a.algorithm == b.algorithm && a.digest == b.digest)
    }
}

impl Eq for Integrity {}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, hash) in self.hashes.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            let name = hash.algorithm.name();
            write!(
                f,
                "{space}{name}-{}{}",
                STANDARD.encode(&hash.digest),
                hash.options
            )?;
        }
        Ok(())
    }
}

fn parse_hash(text: &str) -> Option<Hash> {
    let (algorithm, rest) = text.split_once('-')?;
    let algorithm = Algorithm::parse(algorithm)?;
    let (digest, options) = match rest.find('?') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let digest = STANDARD.decode(digest).ok()?;
    (digest.len() == algorithm.length()).then(|| Hash {
        algorithm,
        digest,
        options: options.to_owned(),
    })
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hashes_survive_a_round_trip_grouped_by_algorithm() {
        let one = Integrity::of(b"one");
        let two = Integrity::from_shasum("da39a3ee5e6b4b0d3255bfef95601890afd80709").unwrap();
        let text = format!("{one}?opt {two} {}", Integrity::of(b"two"));
        let parsed = Integrity::parse(&text).unwrap();
        assert_eq!(
            parsed.to_string(),
            format!("{one}?opt {} {two}", Integrity::of(b"two"))
        );
        assert!(parsed.matches(b"one") && parsed.matches(b"two") && !parsed.matches(b"three"));
    }

    #[test]
    fn malformed_strings_are_no_integrity() {
        for text in [
            "",
            "not-valid",
            "sha512-",
            "sha512-AAAA",
            "md6-AAAA",
            "sha1-*",
        ] {
            assert!(Integrity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_weak_hash_beside_a_strong_one_is_not_believed() {
        let weak = Integrity::from_shasum("da39a3ee5e6b4b0d3255bfef95601890afd80709").unwrap();
        let both = Integrity::parse(&format!("{weak} {}", Integrity::of(b"x"))).unwrap();
        assert!(
            !both.matches(b""),
            "the empty file has the sha1, not the sha512"
        );
    }
}
