//! Reads a range's text into comparators, step for step to the same end as node-semver.
//!
//! One alternative (between two `||`) goes through: build metadata cut out; a hyphen range spelled
//! as two comparators; an operator and the version after it pushed together; then a part at a time,
//! where carets, tildes and wildcards become comparators. Every step is one walk over the text.

use super::super::text::{is_space, trim};
use super::super::version::{
    Flaw, Mode, Partial, build_version, is_wild, number, read_version, skip_prefix,
};
use super::{Comparator, Operator, Prerelease};

/// Longer texts are refused; npm takes them, at a cost that an attacker chooses.
const MAX_TEXT: usize = 4096;
/// As many alternatives, and as many comparators in each.
const MAX_PARTS: usize = 256;

pub(super) type Alternatives = Box<[Box<[Comparator]>]>;

/// Is it beyond what is read?
pub(in super::super) fn is_too_long(text: &str) -> bool {
    text.len() > MAX_TEXT || text.matches("||").count() >= MAX_PARTS
}

/// The comparators of `text`, `None` where node-semver throws.
pub(super) fn read(text: &str, mode: Mode, prerelease: Prerelease) -> Option<Alternatives> {
    if is_too_long(text) {
        return None;
    }
    let text = collapse_spaces(text);
    let mut alternatives = Vec::new();
    for part in text.split("||") {
        let mut reader = Reader {
            mode,
            prerelease,
            found: Vec::new(),
            at_edge: false,
        };
        reader.alternative(part).ok()?;
        if reader.found.len() > MAX_PARTS {
            return None;
        }
        let comparators = reader.finish();
        if !comparators.is_empty() {
            alternatives.push(comparators);
        }
    }
    simplify(alternatives)
}

/// Alternatives that allow nothing go; one that allows everything is enough.
fn simplify(mut alternatives: Vec<Box<[Comparator]>>) -> Option<Alternatives> {
    if alternatives.len() > 1 {
        let nothing = |alternative: &[Comparator]| alternative[0].is_nothing();
        if alternatives.iter().all(|alternative| nothing(alternative)) {
            alternatives.truncate(1);
        } else {
            alternatives.retain(|alternative| !nothing(alternative));
        }
        let any = alternatives
            .iter()
            .position(|alternative| matches!(&**alternative, [only] if only.is_any()));
        if let Some(any) = any {
            alternatives.swap(0, any);
            alternatives.truncate(1);
        }
    }
    (!alternatives.is_empty()).then(|| alternatives.into())
}

struct Reader {
    mode: Mode,
    prerelease: Prerelease,
    found: Vec<Comparator>,
    /// Is the part being read the first or the last of its alternative?
    at_edge: bool,
}

/// The parts of a partial version as written, empty where there is none.
#[derive(Clone, Copy)]
struct Parts<'a> {
    major: &'a str,
    minor: &'a str,
    patch: &'a str,
    pre: &'a str,
}

impl<'a> Parts<'a> {
    fn of(partial: Partial<'a>) -> Self {
        Self {
            major: partial.major,
            minor: partial.minor.unwrap_or_default(),
            patch: partial.patch.unwrap_or_default(),
            pre: partial.pre.unwrap_or_default(),
        }
    }

    /// How many leading parts are numbers: 0 for `x`, 1 for `1` and `1.x.3`, 3 for `1.2.3`.
    fn precision(self) -> usize {
        [self.major, self.minor, self.patch]
            .iter()
            .position(|part| is_open(part))
            .unwrap_or(3)
    }

    /// `x.1` and `1.x.3`, which carets and tildes bear and nothing else does.
    fn is_disordered(self) -> bool {
        (is_open(self.major) && !is_open(self.minor))
            || (is_open(self.minor) && !is_open(self.patch))
    }
}

fn is_open(part: &str) -> bool {
    part.is_empty() || is_wild(part)
}

impl Reader {
    fn alternative(&mut self, text: &str) -> Result<(), Flaw> {
        let text = cut_builds(trim(text));
        let text = self.spell_hyphen_range(&text)?.unwrap_or(text);
        let text = join_operators(&text);
        let text = join_sign(&text, '~');
        let text = join_sign(&text, '^');
        let mut parts = text.split(' ').enumerate().peekable();
        while let Some((index, part)) = parts.next() {
            self.at_edge = index == 0 || parts.peek().is_none();
            match self.part(part) {
                Err(Flaw::Shape) if self.mode == Mode::Loose => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Drops repetitions and what a stricter neighbour makes superfluous.
    fn finish(self) -> Box<[Comparator]> {
        if let Some(nothing) = self.found.iter().find(|found| found.is_nothing()) {
            return [nothing.clone()].into();
        }
        let mut kept: Vec<Comparator> = Vec::with_capacity(self.found.len());
        for comparator in self.found {
            if !kept.contains(&comparator) {
                kept.push(comparator);
            }
        }
        if kept.len() > 1 {
            kept.retain(|comparator| !comparator.is_any());
        }
        kept.into()
    }

    /// `1.2 - 3` as `>=1.2.0 <4.0.0-0`.
    fn spell_hyphen_range(&self, text: &str) -> Result<Option<String>, Flaw> {
        let Some((from, to)) = text.split_once(" - ") else {
            return Ok(None);
        };
        let from = from.strip_prefix(is_space).unwrap_or(from);
        let to = to.strip_suffix(is_space).unwrap_or(to);
        let (Some(low), Some(high)) = (self.partial(from), self.partial(to)) else {
            return Ok(None);
        };
        let lowest = self.lowest();
        let lower = match low.precision() {
            0 => String::new(),
            1 => format!(">={}.0.0{lowest}", low.major),
            2 => format!(">={}.{}.0{lowest}", low.major, low.minor),
            _ if low.pre.is_empty() => format!(">={from}{lowest}"),
            _ => format!(">={from}"),
        };
        let Parts {
            major,
            minor,
            patch,
            pre,
        } = high;
        let upper = match high.precision() {
            0 => String::new(),
            1 => format!("<{}.0.0-0", spelled_successor(major)?),
            2 => format!("<{major}.{}.0-0", spelled_successor(minor)?),
            _ if !pre.is_empty() => format!("<={major}.{minor}.{patch}-{pre}"),
            _ if self.prerelease == Prerelease::Include => {
                format!("<{major}.{minor}.{}-0", spelled_successor(patch)?)
            }
            _ => format!("<={to}"),
        };
        Ok(Some(trim(&format!("{lower} {upper}")).to_owned()))
    }

    /// What a lower bound gets so that it admits prereleases.
    fn lowest(&self) -> &'static str {
        match self.prerelease {
            Prerelease::Include => "-0",
            Prerelease::Strict => "",
        }
    }

    fn partial<'a>(&self, text: &'a str) -> Option<Parts<'a>> {
        Partial::read(skip_prefix(text), self.mode).map(Parts::of)
    }

    /// One part of an alternative; it has no spaces.
    fn part(&mut self, text: &str) -> Result<(), Flaw> {
        if let Some(rest) = text.strip_prefix('^') {
            if let Some(parts) = self.partial(rest) {
                return self.caret(parts);
            }
        } else if let Some(rest) = text.strip_prefix('~') {
            if let Some(parts) = self.partial(rest.strip_prefix('>').unwrap_or(rest)) {
                return self.tilde(parts);
            }
        } else {
            let (operator, rest) = take_operator(text);
            if let Some(parts) = self.partial(rest)
                && !parts.is_disordered()
                && parts.precision() < 3
            {
                return self.wildcard(operator, parts);
            }
        }
        self.plain(text)
    }

    fn caret(&mut self, parts: Parts) -> Result<(), Flaw> {
        let precision = parts.precision();
        if precision == 0 {
            self.wildcard_alone();
            return Ok(());
        }
        self.lower_bound(parts)?;
        // What may not change is the first number that is not `0` as written.
        match (parts.major, parts.minor) {
            ("0", "0") if precision == 3 => self.upper_bound(parts, 3),
            ("0", _) if precision >= 2 => self.upper_bound(parts, 2),
            _ => self.upper_bound(parts, 1),
        }
    }

    fn tilde(&mut self, parts: Parts) -> Result<(), Flaw> {
        let precision = parts.precision();
        if precision == 0 {
            self.wildcard_alone();
            return Ok(());
        }
        self.lower_bound(parts)?;
        self.upper_bound(parts, precision.min(2))
    }

    fn wildcard(&mut self, operator: Operator, parts: Parts) -> Result<(), Flaw> {
        let precision = parts.precision();
        match (operator, precision) {
            (Operator::Greater | Operator::Less, 0) => {
                self.found.push(Comparator::nothing());
                Ok(())
            }
            (_, 0) => {
                self.wildcard_alone();
                Ok(())
            }
            (Operator::Greater, _) => {
                let bound = next(parts, precision)?;
                self.push(Operator::GreaterEqual, bound, self.lowest_pre())
            }
            (Operator::LessEqual, _) => self.upper_bound(parts, precision),
            (Operator::Less, _) => self.push(Operator::Less, known(parts, precision)?, "0"),
            (Operator::GreaterEqual, _) => self.lower_bound(parts),
            (Operator::Equal | Operator::Any, _) => {
                self.lower_bound(parts)?;
                self.upper_bound(parts, precision)
            }
        }
    }

    /// `*`, which node-semver loses between other parts; it shows where those are forgiven.
    fn wildcard_alone(&mut self) {
        if self.at_edge {
            self.found.push(Comparator::ANY);
        }
    }

    fn lowest_pre(&self) -> &'static str {
        self.lowest().trim_start_matches('-')
    }

    /// `>=` the version, with zeros for what is open.
    fn lower_bound(&mut self, parts: Parts) -> Result<(), Flaw> {
        let precision = parts.precision();
        let pre = if precision == 3 {
            parts.pre
        } else {
            self.lowest_pre()
        };
        let bound = known(parts, precision)?;
        let closed = [parts.major, parts.minor, parts.patch];
        // Everything is at least zero, if it is spelled so.
        if pre == self.lowest_pre() && closed[..precision].iter().all(|part| *part == "0") {
            self.found.push(Comparator::ANY);
            return Ok(());
        }
        self.push(Operator::GreaterEqual, bound, pre)
    }

    /// Below the version after all that share the first `shared` numbers.
    fn upper_bound(&mut self, parts: Parts, shared: usize) -> Result<(), Flaw> {
        self.push(Operator::Less, next(parts, shared)?, "0")
    }

    fn push(&mut self, operator: Operator, numbers: [u64; 3], pre: &str) -> Result<(), Flaw> {
        let version = build_version(numbers, pre, pre.len() + "0.0.0-".len())?;
        self.found.push(Comparator::new(operator, version));
        Ok(())
    }

    /// An operator and a whole version; one `*` in the wrong place is overlooked, as by npm.
    fn plain(&mut self, text: &str) -> Result<(), Flaw> {
        let without_star;
        let text = match text.find('*') {
            Some(star) => {
                let before = &text[..star];
                let before = before.strip_suffix('=').unwrap_or(before);
                let before = before.strip_suffix(['<', '>']).unwrap_or(before);
                without_star = format!("{before}{}", &text[star + 1..]);
                &without_star
            }
            None => text,
        };
        let everything = match self.prerelease {
            Prerelease::Include => ">=0.0.0-0",
            Prerelease::Strict => ">=0.0.0",
        };
        if text.is_empty() {
            self.wildcard_alone();
            return Ok(());
        }
        if text == everything {
            self.found.push(Comparator::ANY);
            return Ok(());
        }
        let (operator, version) = take_operator(text);
        let version = match self.mode {
            Mode::Strict => version.strip_prefix('v').unwrap_or(version),
            Mode::Loose => skip_prefix(version),
        };
        let operator = match operator {
            Operator::Any => Operator::Equal,
            operator => operator,
        };
        let mut version = read_version(version, self.mode)?;
        version.build = semver::BuildMetadata::EMPTY; // an overlooked `*` may uncover one
        self.found.push(Comparator::new(operator, version));
        Ok(())
    }
}

/// The first `precision` numbers, then zeros.
fn known(parts: Parts, precision: usize) -> Result<[u64; 3], Flaw> {
    let mut numbers = [0; 3];
    let texts = [parts.major, parts.minor, parts.patch];
    for (slot, text) in numbers.iter_mut().zip(texts).take(precision) {
        *slot = number(text)?;
    }
    Ok(numbers)
}

/// The first version after all that share the first `shared` numbers.
fn next(parts: Parts, shared: usize) -> Result<[u64; 3], Flaw> {
    let last = [parts.major, parts.minor, parts.patch][shared - 1];
    let successor = successor(last)?;
    let mut numbers = known(parts, shared)?;
    numbers[shared - 1] = successor;
    Ok(numbers)
}

/// The number after these digits. From 10^21 on JavaScript spells it with an exponent, and what
/// that stands in looks like no version any more.
fn successor(digits: &str) -> Result<u64, Flaw> {
    if digits.parse().is_ok_and(|value: f64| value + 1.0 >= 1e21) {
        return Err(Flaw::Shape);
    }
    Ok(number(digits)? + 1)
}

fn spelled_successor(digits: &str) -> Result<String, Flaw> {
    match successor(digits) {
        Err(Flaw::Shape) => Ok("1e+21".to_owned()),
        other => Ok(other?.to_string()),
    }
}

/// Splits off `<`, `>`, `<=`, `>=` or `=`; without any it is [`Operator::Any`].
fn take_operator(text: &str) -> (Operator, &str) {
    let (strict, inclusive, rest) = if let Some(rest) = text.strip_prefix('>') {
        (Operator::Greater, Operator::GreaterEqual, rest)
    } else if let Some(rest) = text.strip_prefix('<') {
        (Operator::Less, Operator::LessEqual, rest)
    } else {
        (Operator::Any, Operator::Equal, text)
    };
    match rest.strip_prefix('=') {
        Some(rest) => (inclusive, rest),
        None => (strict, rest),
    }
}

fn collapse_spaces(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split(is_space).filter(|word| !word.is_empty()) {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// The end of `a.b-c.1` starting at `start`, or `start`.
fn identifiers_end(bytes: &[u8], start: usize) -> usize {
    let run = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|b| is_identifier_byte(**b)).count()
    };
    let mut end = run(start);
    while end > start && bytes.get(end) == Some(&b'.') && run(end + 1) > end + 1 {
        end = run(end + 1);
    }
    end
}

/// Cuts `+build.1` out, wherever it stands.
fn cut_builds(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let end = identifiers_end(rest.as_bytes(), plus + 1);
        let keep_to = if end > plus + 1 { plus } else { end };
        kept.push_str(&rest[..keep_to]);
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// `> 1.2.3` as `>1.2.3`: removes the space between an operator and a version after it.
fn join_operators(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut joined = String::with_capacity(text.len());
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        let spaced = at + usize::from(bytes[at] == b' ');
        let operator_end = bytes.len() - take_operator(&text[spaced..]).1.len();
        let version_start = operator_end + usize::from(bytes.get(operator_end) == Some(&b' '));
        match version_end(text, version_start) {
            Ok(end) => {
                joined.push_str(&text[copied..operator_end]);
                joined.push_str(&text[version_start..end]);
                (copied, at) = (end, end);
            }
            // No start before the stumbling block gets past it.
            Err(stopped) => {
                let next = text[at..].chars().next().map_or(1, char::len_utf8);
                at = stopped.max(at + next);
            }
        }
    }
    joined.push_str(&text[copied..]);
    joined
}

/// Where the longest version or partial version at `start` ends, `v` and `=` in front included;
/// or where there should have been one.
fn version_end(text: &str, start: usize) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    let part_end = |at: usize| match bytes.get(at)? {
        b'x' | b'X' | b'*' => Some(at + 1),
        b'0'..=b'9' => {
            let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit());
            Some(at + digits.count())
        }
        _ => None,
    };
    let after_dot = |at: usize| (bytes.get(at) == Some(&b'.')).then(|| part_end(at + 1))?;
    let major = text.len() - skip_prefix(&text[start..]).len();
    let mut end = part_end(major).ok_or(major)?;
    let Some(minor) = after_dot(end) else {
        return Ok(end);
    };
    end = minor;
    let Some(patch) = after_dot(end) else {
        return Ok(end);
    };
    end = patch;
    let numeric = bytes[major..end]
        .iter()
        .all(|b| matches!(b, b'0'..=b'9' | b'.'));
    let hyphen = bytes.get(end) == Some(&b'-');
    let pre_end = identifiers_end(bytes, end);
    // Without a hyphen only whole versions may have a prerelease, and only after other than a digit.
    Ok(if numeric || hyphen { pre_end } else { end })
}

/// `~ 1`, `~> 1` as `~1`, and `^ 1` as `^1`.
fn join_sign(text: &str, sign: char) -> String {
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(sign) {
        joined.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        let after = match sign {
            '~' => rest.strip_prefix('>').unwrap_or(rest),
            _ => rest,
        };
        if let Some(after) = after.strip_prefix(' ') {
            rest = after;
        }
    }
    joined.push_str(rest);
    joined
}
