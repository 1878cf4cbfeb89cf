//! Finds the members of JSON objects without parsing their values.
//!
//! A container is skipped 64 bytes at a time: bit masks of quotes, escapes and brackets, and a
//! count of the brackets outside strings. What is skipped is checked for balance and depth only;
//! whoever reads a value parses it. AVX2 is chosen at run time, SSE2 is there on every x86-64.

use std::borrow::Cow;
use std::ops::Range;

/// Containers inside containers that a document may have.
pub(super) const MAX_DEPTH: u32 = 64;

/// One key, as written between its quotes, and where its value lies.
pub(super) struct Member<'a> {
    key: &'a [u8],
    pub value: Range<usize>,
}

impl<'a> Member<'a> {
    /// The key's text; `None` when it is not valid UTF-8 or has a broken escape.
    pub fn key(&self) -> Option<Cow<'a, str>> {
        if self.key.contains(&b'\\') {
            let quoted = [b"\"", self.key, b"\""].concat();
            return serde_json::from_slice(&quoted).ok().map(Cow::Owned);
        }
        std::str::from_utf8(self.key).ok().map(Cow::Borrowed)
    }
}

/// Walks the members of the object that starts at an offset.
pub(super) struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    first: bool,
    end: Option<usize>,
    depth: u32,
}

impl<'a> Members<'a> {
    /// `start` is the offset of a `{`, which lies `depth` containers deep.
    pub fn new(bytes: &'a [u8], start: usize, depth: u32) -> Option<Self> {
        (bytes.get(start) == Some(&b'{')).then_some(Self {
            bytes,
            at: start + 1,
            first: true,
            end: None,
            depth: depth + 1,
        })
    }

    /// The offset after the closing brace, once [`Self::next_key`] said that there are no more.
    pub fn end(&self) -> Option<usize> {
        self.end
    }

    /// The next key, and the offset where its value starts; `Some(None)` at the end, `None` when
    /// the text is not JSON. The value is then passed with [`Self::pass`] or [`Self::resume`].
    #[allow(clippy::option_option)] // the outer one is for `?`: the text is not JSON
    pub fn next_key(&mut self) -> Option<Option<(&'a [u8], usize)>> {
        self.at = blanks(self.bytes, self.at);
        match self.bytes.get(self.at)? {
            b'}' => {
                self.end = Some(self.at + 1);
                return Some(None);
            }
            b',' if !self.first => self.at = blanks(self.bytes, self.at + 1),
            _ if self.first => {}
            _ => return None,
        }
        self.first = false;
        let key_end = string(self.bytes, self.at)?;
        let key = &self.bytes[self.at + 1..key_end - 1];
        let colon = blanks(self.bytes, key_end);
        if self.bytes.get(colon) != Some(&b':') {
            return None;
        }
        let value = blanks(self.bytes, colon + 1);
        self.at = value;
        Some(Some((key, value)))
    }

    /// Skips the value that the last key announced, and tells where it lies.
    pub fn pass(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        self.at = value(self.bytes, start, self.depth)?;
        Some(start..self.at)
    }

    /// Goes on after a value that somebody else walked through.
    pub fn resume(&mut self, after: usize) {
        self.at = after;
    }

    /// How many members there are from here on.
    pub fn count(mut self) -> Option<usize> {
        let mut members = 0;
        while self.next_key()?.is_some() {
            self.pass()?;
            members += 1;
        }
        Some(members)
    }

    /// The next member, its value skipped.
    #[allow(clippy::option_option)]
    pub fn next_member(&mut self) -> Option<Option<Member<'a>>> {
        let Some((key, _)) = self.next_key()? else {
            return Some(None);
        };
        let value = self.pass()?;
        Some(Some(Member { key, value }))
    }
}

/// A raw key's text, as [`Member::key`].
pub(super) fn key_text(key: &[u8]) -> Option<Cow<'_, str>> {
    Member { key, value: 0..0 }.key()
}

/// The offset of the first byte at or after `at` that is not white space.
pub(super) fn blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let blank = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    at + rest.iter().take_while(|byte| blank(byte)).count()
}

/// The offset after the value at `start`, which lies `depth` containers deep.
fn value(bytes: &[u8], start: usize, depth: u32) -> Option<usize> {
    match bytes.get(start)? {
        b'{' | b'[' => container(bytes, start, MAX_DEPTH.checked_sub(depth)?),
        b'"' => string(bytes, start),
        _ => scalar(bytes, start),
    }
}

fn string(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

fn scalar(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = &bytes[start..];
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let length = rest.iter().take_while(|byte| part(byte)).count();
    // Rare and short: let serde decide what a number is.
    serde_json::from_slice::<serde_json::Value>(&rest[..length]).ok()?;
    Some(start + length)
}

/// Which of 64 bytes are of a kind, first byte lowest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Masks {
    quote: u64,
    backslash: u64,
    open: u64,
    close: u64,
}

const BLOCK: usize = 64;

/// The offset after the container that starts at `start`; `None` when it never ends, or holds
/// more than `limit` levels.
fn container(bytes: &[u8], start: usize, limit: u32) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as just asked.
            return unsafe { x86::container_avx2(bytes, start, limit) };
        }
        skip::<x86::Sse2>(bytes, start, limit)
    }
    #[cfg(not(target_arch = "x86_64"))]
    skip::<Scalar>(bytes, start, limit)
}

trait Classify {
    fn masks(block: &[u8; BLOCK]) -> Masks;
}

#[inline(always)]
#[allow(clippy::inline_always)] // the wrapper's instruction set must reach the loop
fn skip<C: Classify>(bytes: &[u8], start: usize, limit: u32) -> Option<usize> {
    let (mut at, mut depth, mut inside, mut carry) = (start, 0_u32, 0_u64, 0_u64);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let masks = match rest.first_chunk::<BLOCK>() {
            Some(block) => C::masks(block),
            None => C::masks(&padded(rest)),
        };
        let quotes = masks.quote & !escaped(masks.backslash, &mut carry);
        let strings = prefix_xor(quotes) ^ inside;
        inside = if strings >> 63 == 1 { u64::MAX } else { 0 };
        let (open, close) = (masks.open & !strings, masks.close & !strings);
        let (opens, closes) = (open.count_ones(), close.count_ones());
        if depth > closes && depth + opens <= limit {
            depth = depth + opens - closes;
        } else {
            let mut brackets = open | close;
            while brackets != 0 {
                let bit = brackets.trailing_zeros();
                brackets &= brackets - 1;
                if open >> bit & 1 == 1 {
                    depth += 1;
                    if depth > limit {
                        return None;
                    }
                } else {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + bit as usize + 1);
                    }
                }
            }
        }
        at += BLOCK;
    }
    None
}

fn padded(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Every other bit, from the first.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// Bytes that a backslash before them takes away; `carry` reaches into the next block.
#[inline(always)]
#[allow(clippy::inline_always)]
fn escaped(backslash: u64, carry: &mut u64) -> u64 {
    if backslash == 0 {
        return std::mem::take(carry);
    }
    let backslash = backslash & !*carry;
    let follows = backslash << 1 | *carry;
    let odd_starts = backslash & !EVEN & !follows;
    let (ends, overflow) = odd_starts.overflowing_add(backslash);
    *carry = u64::from(overflow);
    (EVEN ^ (ends << 1)) & follows
}

/// Bit n of the answer: is the number of set bits up to n odd?
#[inline(always)]
#[allow(clippy::inline_always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

/// For every machine; also what the others are tested against.
#[cfg(any(test, not(target_arch = "x86_64")))]
struct Scalar;

#[cfg(any(test, not(target_arch = "x86_64")))]
impl Classify for Scalar {
    fn masks(block: &[u8; BLOCK]) -> Masks {
        let mut masks = Masks::default();
        for (at, byte) in block.iter().enumerate() {
            masks.quote |= u64::from(*byte == b'"') << at;
            masks.backslash |= u64::from(*byte == b'\\') << at;
            masks.open |= u64::from(byte | 0x20 == b'{') << at;
            masks.close |= u64::from(byte | 0x20 == b'}') << at;
        }
        masks
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(clippy::inline_always, clippy::cast_ptr_alignment)] // as above; and the loads are unaligned ones
mod x86 {
    //! The same for x86-64. `b | 0x20` makes `[` and `{` one byte, and `]` and `}` another.

    use std::arch::x86_64::{
        __m128i, __m256i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8,
    };

    use super::{BLOCK, Classify, Masks, skip};

    pub(super) struct Sse2;
    pub(super) struct Avx2;

    #[target_feature(enable = "avx2")]
    pub(super) fn container_avx2(bytes: &[u8], start: usize, limit: u32) -> Option<usize> {
        skip::<Avx2>(bytes, start, limit)
    }

    impl Classify for Sse2 {
        #[inline(always)]
        fn masks(block: &[u8; BLOCK]) -> Masks {
            let mut masks = Masks::default();
            for part in 0..4 {
                let at = part * 16;
                // SAFETY: `at + 16 <= 64`, unaligned loads are allowed, and SSE2 is part of x86-64.
                unsafe {
                    let bytes = _mm_loadu_si128(block.as_ptr().add(at).cast::<__m128i>());
                    let folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
                    let equal = |bytes, byte: u8| {
                        let same = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed()));
                        u64::from(_mm_movemask_epi8(same).cast_unsigned()) << at
                    };
                    masks.quote |= equal(bytes, b'"');
                    masks.backslash |= equal(bytes, b'\\');
                    masks.open |= equal(folded, b'{');
                    masks.close |= equal(folded, b'}');
                }
            }
            masks
        }
    }

    impl Classify for Avx2 {
        #[inline(always)]
        fn masks(block: &[u8; BLOCK]) -> Masks {
            let mut masks = Masks::default();
            for part in 0..2 {
                let at = part * 32;
                // SAFETY: `at + 32 <= 64`, unaligned loads are allowed, and only `container_avx2`,
                // whose caller asked for AVX2, gets here.
                unsafe {
                    let bytes = _mm256_loadu_si256(block.as_ptr().add(at).cast::<__m256i>());
                    let folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
                    let equal = |bytes, byte: u8| {
                        let same = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte.cast_signed()));
                        u64::from(_mm256_movemask_epi8(same).cast_unsigned()) << at
                    };
                    masks.quote |= equal(bytes, b'"');
                    masks.backslash |= equal(bytes, b'\\');
                    masks.open |= equal(folded, b'{');
                    masks.close |= equal(folded, b'}');
                }
            }
            masks
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    fn members(bytes: &[u8]) -> Option<Vec<(String, Range<usize>)>> {
        let mut walk = Members::new(bytes, blanks(bytes, 0), 0)?;
        let mut found = Vec::new();
        while let Some(member) = walk.next_member()? {
            found.push((member.key()?.into_owned(), member.value));
        }
        (blanks(bytes, walk.end()?) == bytes.len()).then_some(found)
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = prop::collection::vec(
            prop_oneof![
                Just('\\'),
                Just('"'),
                Just('{'),
                Just(']'),
                Just('é'),
                any::<char>()
            ],
            0..90,
        );
        let text = text.prop_map(|chars| chars.into_iter().collect::<String>());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((text.clone(), inner), 0..8)
                    .prop_map(|list| Value::Object(list.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn members_are_those_that_serde_finds(value in json(), pretty: bool) {
            let object = Map::from_iter([("a\\".to_owned(), value.clone()), ("b".to_owned(), value)]);
            let object = Value::Object(object);
            let text = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) };
            let text = text.unwrap();
            let found = members(&text).unwrap();
            let parsed: Map<String, Value> = found
                .into_iter()
                .map(|(key, span)| (key, serde_json::from_slice(&text[span]).unwrap()))
                .collect();
            prop_assert_eq!(Value::Object(parsed), object);
        }

        #[test]
        fn a_document_cut_anywhere_is_refused(value in json(), share in 0..1000_usize) {
            let text = serde_json::to_vec(&Map::from_iter([("k".to_owned(), value)])).unwrap();
            let cut = text.len() * share / 1000;
            prop_assert!(members(&text[..cut]).is_none());
        }

        #[test]
        fn every_instruction_set_gives_the_same_masks(
            bytes in prop::array::uniform32(prop_oneof![
                Just(b'"'), Just(b'\\'), Just(b'['), Just(b'{'), Just(b'}'), Just(b']'), any::<u8>(),
            ]),
        ) {
            let mut block = [0; BLOCK];
            block[..32].copy_from_slice(&bytes);
            block[32..].copy_from_slice(&bytes);
            let wanted = Scalar::masks(&block);
            #[cfg(target_arch = "x86_64")]
            {
                prop_assert_eq!(x86::Sse2::masks(&block), wanted);
                if std::arch::is_x86_feature_detected!("avx2") {
                    prop_assert_eq!(x86::Avx2::masks(&block), wanted);
                }
            }
            prop_assert_eq!(wanted.quote.count_ones() % 2, 0);
        }
    }

    #[test]
    fn what_is_not_one_whole_object_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{}x",
            "{,}",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "{\"a\":}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":tru}",
            "{\"a\":[}",
            "{a:1}",
            "{\"a\":\"\\\"}",
            "{\"a\":1}{}",
        ] {
            assert!(members(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn sixty_four_levels_are_read_and_one_more_is_not() {
        let nested = |levels: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(members(nested(64).as_bytes()).is_some());
        assert!(members(nested(65).as_bytes()).is_none());
    }
}
