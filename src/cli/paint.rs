//! Colours where they are wanted, and foreign text without the power to move a cursor.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::IsTerminal;

use crate::npmrc::without_credentials;

/// Whether a stream takes colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    pub const fn plain() -> Self {
        Self { on: false }
    }

    /// `NO_COLOR` turns colours off, `CLICOLOR_FORCE` on; else a capable terminal has them.
    pub fn of(stream: &impl IsTerminal, env: &BTreeMap<String, String>) -> Self {
        let set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
        let forced = env
            .get("CLICOLOR_FORCE")
            .is_some_and(|value| !matches!(value.as_str(), "" | "0"));
        let capable = stream.is_terminal() && env.get("TERM").is_none_or(|term| term != "dumb");
        Self {
            on: !set("NO_COLOR") && (forced || capable),
        }
    }

    pub fn red<T: fmt::Display>(self, text: T) -> String {
        self.wrap("1;31", text)
    }

    pub fn yellow<T: fmt::Display>(self, text: T) -> String {
        self.wrap("1;33", text)
    }

    pub fn green<T: fmt::Display>(self, text: T) -> String {
        self.wrap("32", text)
    }

    pub fn cyan<T: fmt::Display>(self, text: T) -> String {
        self.wrap("1;36", text)
    }

    pub fn bold<T: fmt::Display>(self, text: T) -> String {
        self.wrap("1", text)
    }

    pub fn dim<T: fmt::Display>(self, text: T) -> String {
        self.wrap("2", text)
    }

    fn wrap<T: fmt::Display>(self, code: &str, text: T) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// Foreign text fit for a terminal: control characters but line breaks become visible, so do those
/// that reorder text; a tab becomes a space.
///
/// No URL in it has credentials.
pub fn visible(text: &str) -> String {
    let text = without_credentials(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let keeps_its_place = !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c == '\t' {
            out.push(' ');
        } else if c == '\n' || (!c.is_control() && keeps_its_place) {
            out.push(c);
        } else {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
    }
    out
}

/// Bytes that a line of a message may have.
pub const LONGEST_LINE: usize = 340;

/// `visible`, each line shortened in its middle: what happened stands at one end or the other.
pub fn message(text: &str) -> String {
    let visible = visible(text);
    if visible.len() <= LONGEST_LINE {
        return visible;
    }
    let lines: Vec<String> = visible
        .split('\n')
        .map(|line| shortened(line.to_owned()))
        .collect();
    lines.join("\n")
}

/// [`message`], and where it is one line, in at most so many bytes.
pub fn message_within(text: &str, limit: usize) -> String {
    let message = message(text);
    if message.contains('\n') {
        return message;
    }
    shortened_to(message, limit.min(LONGEST_LINE))
}

/// A line without its middle, where it is too long.
pub fn shortened(line: String) -> String {
    shortened_to(line, LONGEST_LINE)
}

fn shortened_to(line: String, limit: usize) -> String {
    if line.len() <= limit {
        return line;
    }
    let head = line.floor_char_boundary(limit * 2 / 3);
    let tail = line.ceil_char_boundary(line.len() - limit / 3 + 4);
    format!("{}…{}", &line[..head], &line[tail..])
}

/// `visible` on one line.
pub fn one_line(text: &str) -> String {
    visible(text)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// `1312` as `1,312`.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 package`, `1,312 packages`.
pub fn packages(number: usize) -> String {
    let noun = if number == 1 { "package" } else { "packages" };
    format!("{} {noun}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_the_cursor_or_turn_letters_around() {
        assert_eq!(
            visible("a\x1b[2Jb\rc\u{202e}d\ne\u{9b}"),
            "a\\u{1b}[2Jb\\u{d}c\\u{202e}d\ne\\u{9b}"
        );
    }

    #[test]
    fn a_long_line_keeps_both_its_ends() {
        let long = format!("short\nhead {} tail", "é".repeat(1000));
        let shown = message(&long);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "short");
        assert!(lines[1].len() <= LONGEST_LINE);
        assert!(lines[1].starts_with("head ") && lines[1].ends_with(" tail"));
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown: Vec<String> = [0, 12, 999, 1312, 1_000_000].map(count).into();
        assert_eq!(shown, ["0", "12", "999", "1,312", "1,000,000"]);
    }

    #[test]
    fn no_color_wins_over_clicolor_force() {
        let env = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let file = tempfile::tempfile().unwrap();
        assert!(Paint::of(&file, &env(&[("CLICOLOR_FORCE", "1")])).on);
        assert!(!Paint::of(&file, &env(&[("CLICOLOR_FORCE", "0")])).on);
        assert!(!Paint::of(&file, &env(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")])).on);
        assert!(!Paint::of(&file, &env(&[])).on);
    }
}
