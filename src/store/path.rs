//! Which paths inside an archive are safe and mean the same on every system.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use super::error::Rule;

const LONGEST_NAME: usize = 255;
const LONGEST_PATH: usize = 4096;
const DEEPEST: usize = 1024;

/// An entry's path, taken apart: the first folder, which is dropped, and what remains.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split<'a> {
    pub root: &'a str,
    /// `/`-separated, no empty, `.` or `..` part; empty for the first folder itself.
    pub rest: Cow<'a, str>,
}

/// Holds `path` against every rule for names, and takes its first folder off as npm does.
///
/// The first folder may be `.`, as in archives made by `tar -C package .`; further `.` parts mean
/// nothing and go, empty parts could hide an absolute path and are refused.
pub(super) fn split(path: &str) -> Result<Split<'_>, Rule> {
    if path.len() > LONGEST_PATH {
        return Err(Rule::LongPath);
    }
    if path.starts_with('/') {
        return Err(Rule::Absolute);
    }
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let (root, rest) = match trimmed.split_once('/') {
        Some((root, rest)) => (root, Some(rest)),
        None => (trimmed, None),
    };
    if root != "." {
        check_part(root)?;
    }
    let Some(rest) = rest else {
        return Ok(Split {
            root,
            rest: Cow::Borrowed(""),
        });
    };
    let mut dots = false;
    let mut depth = 0;
    for part in rest.split('/') {
        if part == "." {
            dots = true;
        } else {
            check_part(part)?;
            depth += 1;
        }
    }
    if depth > DEEPEST {
        return Err(Rule::Deep);
    }
    let rest = if dots {
        let parts: Vec<&str> = rest.split('/').filter(|part| *part != ".").collect();
        Cow::Owned(parts.join("/"))
    } else {
        Cow::Borrowed(rest)
    };
    Ok(Split { root, rest })
}

/// Where an archive's entry of this name would go: the path below the package's folder; `None` for
/// a name that is refused.
pub fn path_inside(name: &str) -> Option<String> {
    let split = split(name).ok()?;
    Some(split.rest.into_owned())
}

/// One name between slashes.
fn check_part(part: &str) -> Result<(), Rule> {
    match part {
        "" => return Err(Rule::EmptyPart),
        ".." => return Err(Rule::Climbs),
        _ => {}
    }
    if part.len() > LONGEST_NAME {
        return Err(Rule::LongName);
    }
    for c in part.chars() {
        match c {
            '\\' => return Err(Rule::Backslash),
            ':' => return Err(Rule::NotPortable("a colon names a drive or a stream")),
            c if c.is_control() => return Err(Rule::Control),
            _ => {}
        }
    }
    if part.ends_with('.') || part.ends_with(' ') {
        return Err(Rule::NotPortable("a dot or space at the end is dropped"));
    }
    if is_device(part) {
        return Err(Rule::NotPortable("it is a device name"));
    }
    Ok(())
}

/// `NUL`, `con.txt`, `COM1`: devices, whatever follows the first dot.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    let is = |name: &str| stem.eq_ignore_ascii_case(name);
    if ["con", "prn", "aux", "nul", "conin$", "conout$"]
        .into_iter()
        .any(is)
    {
        return true;
    }
    let Some((word, number)) = stem.split_at_checked(3) else {
        return false;
    };
    let is_port = |word: &str| word.eq_ignore_ascii_case("com") || word.eq_ignore_ascii_case("lpt");
    let mut digits = number.chars();
    // Superscript digits count, too.
    let digit = matches!(
        digits.next(),
        Some('1'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}')
    );
    is_port(word) && digit && digits.next().is_none()
}

/// Characters that ext4 and HFS+ ignore in names and that nobody sees: Unicode's
/// `Default_Ignorable_Code_Point`, and the marks of HFS+.
pub(super) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What a disk that ignores case and Unicode form makes of a path: full case fold, then NFC.
pub(super) fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    path.nfd()
        .filter(|c| !is_unseen(*c))
        .flat_map(char::to_lowercase) // a capital sharp s has no other way to two
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfc()
        .collect()
}

/// Does a link at `from` (path after the first folder) with text `to` stay inside the package?
pub(super) fn link_stays_inside(from: &str, to: &str) -> bool {
    if to.is_empty() || to.starts_with('/') || to.contains(['\\', ':', '\0']) {
        return false;
    }
    let mut depth = from.matches('/').count();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_folder_goes_whatever_its_name() {
        for (path, rest) in [
            ("package/a/b.js", "a/b.js"),
            ("./a.js", "a.js"),
            ("node/x/./y", "x/y"),
            ("package/", ""),
            ("package", ""),
            ("package/lib/", "lib"),
        ] {
            assert_eq!(split(path).unwrap().rest, rest, "{path}");
        }
    }

    #[test]
    fn names_that_are_not_safe_on_every_system_are_refused() {
        for path in [
            "package/../x",
            "../x",
            "/etc/passwd",
            "package//etc/passwd",
            "package/a\\b",
            "package/C:/x",
            "package/x:stream",
            "package/nul",
            "package/CON.txt",
            "package/com1",
            "package/lpt9.log",
            "package/aux.js",
            "package/x.",
            "package/x ",
            "package/a\nb",
            "package/a\u{1b}[31m",
            "package/\u{9b}x",
            "",
        ] {
            assert!(split(path).is_err(), "{path:?}");
        }
        assert!(split(&format!("package/{}", "x".repeat(256))).is_err());
        assert!(split(&format!("p/{}", "x/".repeat(1025))).is_err());
        assert!(split(&format!("p/{}", "xxxxxxxx/".repeat(500))).is_err());
    }

    #[test]
    fn names_that_only_look_odd_are_kept() {
        for path in [
            "package/..x",
            "package/...x",
            "package/console.js",
            "package/com0",
            "package/com10",
            "package/.npmrc",
            "package/a b",
            "package/é",
            "package/[...slug].js",
        ] {
            assert!(split(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn folding_meets_what_file_systems_confuse() {
        for (a, b) in [
            ("README", "readme"),
            ("straße", "STRASSE"),
            ("ﬁ", "fi"),
            ("e\u{301}", "\u{e9}"),
            ("\u{1e9e}", "\u{df}"),
            ("\u{1e9e}", "SS"),
            ("\u{212a}", "k"),
            ("\u{2764}\u{fe0f}", "\u{2764}"),
        ] {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("a"), fold("b"));
    }

    #[test]
    fn links_stay_inside_or_do_not() {
        assert!(link_stays_inside("bin/x", "../lib/y"));
        assert!(!link_stays_inside("x", "../y"));
        assert!(!link_stays_inside("a/x", "../../y"));
        assert!(!link_stays_inside("x", "/etc"));
        assert!(!link_stays_inside("x", "a/../../y"));
    }
}
