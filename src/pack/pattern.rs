//! The glob patterns of ignore files, as npm reads them: bare names match anywhere, case is nothing.
//!
//! Source: `minimatch` with `matchBase`, `dot`, `nocase`, as `ignore-walk` uses it.

/// Alternatives of one pattern beyond this many are not looked at.
const MOST_ALTERNATIVES: usize = 1000;

/// One line of an ignore file.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// It starts with `!`: what it matches is taken in again.
    pub negated: bool,
    /// Its alternatives, each split at slashes.
    alternatives: Vec<Vec<Part>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// `**`: any number of folders.
    Deep,
    Glob(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    One(char),
    Any,
    Star,
    Class {
        inverted: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    /// `None` for a line that says nothing.
    pub fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let plain = line.trim_start_matches('!');
        let negated = (line.len() - plain.len()) % 2 == 1;
        let alternatives = expand(&plain.to_lowercase());
        Some(Self {
            negated,
            alternatives: alternatives.iter().map(|one| split(one)).collect(),
        })
    }

    /// All lines of an ignore file.
    pub fn parse_all(text: &str) -> Vec<Self> {
        text.lines().filter_map(Self::parse).collect()
    }

    /// Is the path matched? `partial`: or could something below it be?
    pub fn matches(&self, path: &str, partial: bool) -> bool {
        let path = path.to_lowercase();
        let parts: Vec<&str> = path_parts(&path).collect();
        self.alternatives.iter().any(|pattern| {
            if let [only] = pattern.as_slice() {
                let name = parts.iter().rev().find(|part| !part.is_empty());
                return name.is_some_and(|name| run(&[name], std::slice::from_ref(only), partial));
            }
            run(&parts, pattern, partial)
        })
    }

    /// Is it a bare name, perhaps with a slash behind?
    pub fn is_bare(&self) -> bool {
        self.alternatives.iter().any(|pattern| {
            let folder = pattern.last() == Some(&Part::Glob(Vec::new()));
            pattern.len() <= if folder { 2 } else { 1 }
        })
    }
}

/// Names between slashes; several slashes are one.
fn path_parts(path: &str) -> impl Iterator<Item = &str> {
    let last = path.split('/').count() - 1;
    let parts = path.split('/').enumerate();
    parts.filter_map(move |(at, part)| (at == 0 || at == last || !part.is_empty()).then_some(part))
}

fn split(pattern: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for part in path_parts(pattern) {
        let part = if part == "**" {
            Part::Deep
        } else {
            Part::Glob(tokens(part))
        };
        if part != Part::Deep || parts.last() != Some(&Part::Deep) {
            parts.push(part);
        }
    }
    parts
}

fn tokens(part: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let chars: Vec<char> = part.chars().collect();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        at += 1;
        match c {
            '*' => {
                if tokens.last() != Some(&Token::Star) {
                    tokens.push(Token::Star);
                }
            }
            '?' => tokens.push(Token::Any),
            '\\' => {
                if let Some(escaped) = chars.get(at) {
                    tokens.push(Token::One(*escaped));
                    at += 1;
                }
            }
            '[' => match class(&chars[at..]) {
                Some((class, length)) => {
                    tokens.push(class);
                    at += length;
                }
                None => tokens.push(Token::One('[')),
            },
            c => tokens.push(Token::One(*c)),
        }
    }
    tokens
}

/// What follows a `[`, and how long it is; `None` when nothing closes it.
fn class(chars: &[char]) -> Option<(Token, usize)> {
    let inverted = matches!(chars.first(), Some('!' | '^'));
    let start = usize::from(inverted);
    let end = chars.iter().skip(start + 1).position(|c| *c == ']')? + start + 1;
    let inner = chars.get(start..end)?;
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(first) = inner.get(at) {
        let range = inner
            .get(at + 2)
            .filter(|_| inner.get(at + 1) == Some(&'-'));
        ranges.push((*first, *range.unwrap_or(first)));
        at += if range.is_some() { 3 } else { 1 };
    }
    Some((Token::Class { inverted, ranges }, end + 1))
}

/// `a{b,c}` is `ab` and `ac`; braces without a comma are letters.
fn expand(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut pending = vec![pattern.to_owned()];
    while let Some(pattern) = pending.pop() {
        if done.len() + pending.len() >= MOST_ALTERNATIVES {
            break;
        }
        match braces(&pattern) {
            None => done.push(pattern),
            Some((before, inner, after)) => {
                let options = inner.iter().rev();
                pending.extend(options.map(|option| format!("{before}{option}{after}")));
            }
        }
    }
    done
}

/// The first braces with a comma at their level: what is before, inside, and after.
fn braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    for (open, _) in pattern.match_indices('{') {
        let (mut depth, mut from, mut options) = (0_usize, open + 1, Vec::new());
        for (at, c) in pattern[open..].char_indices().map(|(at, c)| (open + at, c)) {
            match c {
                '{' => depth += 1,
                ',' if depth == 1 => {
                    options.push(&pattern[from..at]);
                    from = at + 1;
                }
                '}' if depth == 1 => {
                    if options.is_empty() {
                        break;
                    }
                    options.push(&pattern[from..at]);
                    return Some((&pattern[..open], options, &pattern[at + 1..]));
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

/// Path parts against pattern parts. A `**` that fits several ways is tried from short to long;
/// only the last one is ever taken back, as with a `*` inside a name.
fn run(path: &[&str], pattern: &[Part], partial: bool) -> bool {
    let (mut at, mut want) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let fits = match (path.get(at), pattern.get(want)) {
            (None, None) => return true,
            // The path ends where something below it might still match.
            (None, Some(_)) => return partial,
            (Some(_), Some(Part::Deep)) => {
                if want + 1 == pattern.len() {
                    return path[at..].iter().all(|part| !matches!(*part, "." | ".."));
                }
                retry = Some((at, want));
                want += 1;
                continue;
            }
            (Some(part), Some(Part::Glob(tokens))) => name_matches(part, tokens),
            // `a` matches `a/`.
            (Some(part), None) => {
                if at + 1 == path.len() && part.is_empty() {
                    return true;
                }
                false
            }
        };
        if fits {
            at += 1;
            want += 1;
        } else {
            let Some((from, deep)) = retry else {
                return false;
            };
            if matches!(path.get(from), None | Some(&("." | ".."))) {
                return false;
            }
            retry = Some((from + 1, deep));
            (at, want) = (from + 1, deep + 1);
        }
    }
}

fn name_matches(name: &str, tokens: &[Token]) -> bool {
    let chars: Vec<char> = name.chars().collect();
    // A star matches something when it stands alone: there are no empty names.
    if tokens == [Token::Star] && chars.is_empty() {
        return false;
    }
    let (mut at, mut want) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let fits = match (chars.get(at), tokens.get(want)) {
            (None, None) => return true,
            (_, Some(Token::Star)) => {
                retry = Some((at, want));
                want += 1;
                continue;
            }
            (Some(_), Some(Token::Any)) => true,
            (Some(c), Some(Token::One(own))) => c == own,
            (Some(c), Some(Token::Class { inverted, ranges })) => {
                ranges.iter().any(|(from, to)| (from..=to).contains(&c)) != *inverted
            }
            _ => false,
        };
        if fits {
            at += 1;
            want += 1;
        } else {
            let Some((from, star)) = retry.filter(|(from, _)| *from < chars.len()) else {
                return false;
            };
            retry = Some((from + 1, star));
            (at, want) = (from + 1, star + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of minimatch 10 with `{matchBase, dot, flipNegate, nocase}`.
    #[test]
    fn patterns_match_what_minimatch_matches() {
        for (pattern, path, matched) in [
            ("build", "build", true),
            ("build", "/src/build", true),
            ("build", "build/", true),
            ("build/", "build", false),
            ("build/", "build/", true),
            ("/build", "/build", true),
            ("/build", "build", false),
            ("*.js", "/a/b.JS", true),
            ("*.js", "/a/.js", true),
            ("lib/*.js", "lib/a.js", true),
            ("lib/*.js", "lib/a/b.js", false),
            ("lib/**", "lib/a/b.js", true),
            ("lib/**", "lib", false),
            ("lib//**", "lib/a", true),
            ("**/x", "a/b/x", true),
            ("**/x", "x", true),
            ("a/**/b/**/c", "a/1/b/2/b/3/c", true),
            ("a/**/b/c", "a/b/x/b/c", true),
            ("/readme{,.*[^~$]}", "/README.md", true),
            ("/readme{,.*[^~$]}", "/README.md~", false),
            ("/readme{,.*[^~$]}", "/readme", true),
            ("a{b,c{d,e}}", "ace", true),
            ("[a-c]?", "bz", true),
            ("[!a]", "a", false),
            ("*", ".hidden", true),
            ("*", "", false),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(path, false), matched, "{pattern} on {path}");
        }
        assert!(Pattern::parse("!/lib/deep/x.js").unwrap().negated);
        assert!(
            Pattern::parse("/lib/deep/x.js")
                .unwrap()
                .matches("/lib", true)
        );
        assert!(
            !Pattern::parse("/lib/deep/x.js")
                .unwrap()
                .matches("/src", true)
        );
    }

    #[test]
    fn no_pattern_takes_for_ever() {
        let many = Pattern::parse(&"{a,b}".repeat(40)).unwrap();
        assert!(many.alternatives.len() <= MOST_ALTERNATIVES);
        let stars = Pattern::parse(&format!("{}b", "*a".repeat(200))).unwrap();
        assert!(!stars.matches(&"a".repeat(5000), false));
        let deep = Pattern::parse(&format!("{}b", "**/a/".repeat(200))).unwrap();
        assert!(!deep.matches(&"a/".repeat(5000), false));
    }
}
