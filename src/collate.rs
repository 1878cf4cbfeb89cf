//! The ICU order in which npm sorts names and paths.
//!
//! npm compares with `localeCompare(other, 'en')`. Printable ASCII follows a table: characters are
//! held against each other by their *primary* weight, in which case does not count; a text that
//! begins another comes first; between texts that are equal so far, lower case comes before upper
//! case at the first place where they differ. Anything else asks ICU's root collation.

use std::cmp::Ordering;
use std::sync::OnceLock;

use icu_collator::options::CollatorOptions;
use icu_collator::{Collator, CollatorBorrowed};

/// Printable ASCII by primary weight; capitals weigh what their small letters do.
const ORDER: &[u8; 69] = b" _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";

/// The weight of each ASCII character from 1 on; 0 where the table does not apply.
static WEIGHTS: [u8; 256] = weights();

const fn weights() -> [u8; 256] {
    let mut weights = [0; 256];
    let mut place = 0;
    while place < ORDER.len() {
        let byte = ORDER[place];
        weights[byte as usize] = place as u8 + 1;
        weights[byte.to_ascii_uppercase() as usize] = place as u8 + 1;
        place += 1;
    }
    weights
}

/// `left.localeCompare(right, 'en')`.
///
/// Texts that only differ in ignorable characters (controls, zero-width ones) are equal, so sorts
/// by this order have to be stable.
pub fn compare(left: &str, right: &str) -> Ordering {
    compare_ascii(left.as_bytes(), right.as_bytes()).unwrap_or_else(|| full().compare(left, right))
}

/// `None` when a character that matters is not printable ASCII.
fn compare_ascii(left: &[u8], right: &[u8]) -> Option<Ordering> {
    let mut by_case = Ordering::Equal;
    for (place, (&l, &r)) in left.iter().zip(right).enumerate() {
        if l == r && WEIGHTS[l as usize] != 0 {
            continue;
        }
        match WEIGHTS[l as usize].cmp(&WEIGHTS[r as usize]) {
            Ordering::Equal if WEIGHTS[l as usize] == 0 => return None,
            // Small letters have the greater code.
            Ordering::Equal => by_case = by_case.then(r.cmp(&l)),
            // A mark that follows could still change the weight of what is compared here.
            order => {
                let rest = left[place..].iter().chain(&right[place..]);
                return all_printable(rest).then_some(order);
            }
        }
    }
    let common = left.len().min(right.len());
    all_printable(left[common..].iter().chain(&right[common..]))
        .then_some(left.len().cmp(&right.len()).then(by_case))
}

fn all_printable<'a>(mut bytes: impl Iterator<Item = &'a u8>) -> bool {
    bytes.all(|byte| WEIGHTS[*byte as usize] != 0)
}

fn full() -> &'static CollatorBorrowed<'static> {
    static COLLATOR: OnceLock<CollatorBorrowed<'static>> = OnceLock::new();
    COLLATOR.get_or_init(|| {
        let english = icu_locale_core::locale!("en");
        Collator::try_new(english.into(), CollatorOptions::default())
            .unwrap_or_else(|_| unreachable!("the root collation is compiled in"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(expected: &[&str]) {
        let mut shuffled = expected.to_vec();
        shuffled.reverse();
        shuffled.sort_by(|a, b| compare(a, b));
        assert_eq!(shuffled, expected);
    }

    #[test]
    fn a_hyphen_comes_before_a_dot_a_slash_and_letters() {
        sorted(&[
            "../x",
            "lib/x",
            "node_modules/a-b",
            "node_modules/a.b",
            "node_modules/a/node_modules/b",
            "node_modules/ab",
        ]);
    }

    #[test]
    fn case_counts_only_between_texts_that_are_otherwise_equal() {
        sorted(&["a", "A", "ab", "aB", "Ab", "AB", "b", "B"]);
        assert_eq!(compare("aB", "Aa"), Ordering::Greater);
    }

    #[test]
    fn digits_are_not_numbers() {
        assert_eq!(compare("a10", "a2"), Ordering::Less);
    }

    #[test]
    fn accents_sort_between_their_letter_and_the_next() {
        sorted(&["e", "é", "f", "ss", "ß", "st"]);
    }

    #[test]
    fn ignorable_characters_do_not_count() {
        assert_eq!(compare("a\u{1}b", "ab"), Ordering::Equal);
        assert_eq!(compare("a\u{200b}", "a"), Ordering::Equal);
        assert_eq!(compare("\u{7f}b", "a"), Ordering::Greater);
    }

    proptest! {
        #[test]
        fn the_table_says_what_icu_says(left in "[ -~]{0,12}", right in "[ -~]{0,12}") {
            prop_assert_eq!(compare_ascii(left.as_bytes(), right.as_bytes()), Some(full().compare(&left, &right)));
        }

        #[test]
        fn a_text_that_strays_from_the_table_is_icus(left in "[ab\u{301}\u{1}é]{0,4}", right in "[aAb\u{301}\u{1}é]{0,4}") {
            prop_assert_eq!(compare(&left, &right), full().compare(&left, &right));
        }
    }
}
