//! Text the way JavaScript sees it: which characters are space, what needs escaping.

/// Space in the sense of JavaScript's `\s` and `trim`, which is not Unicode's.
pub(super) fn is_space(c: char) -> bool {
    match c {
        '\u{85}' => false,
        '\u{feff}' => true,
        c => c.is_whitespace(),
    }
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}
