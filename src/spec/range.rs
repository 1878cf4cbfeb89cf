//! Version ranges with node-semver's answers: `^1.2`, `>=1 <3 || 5.x`, `1 - 2`.
//!
//! A range is a list of alternatives, each a list of comparators that must all hold. Counting
//! prereleases in (as engine checks do) changes how wildcards are read, so such a reading is made
//! apart, on first use.

mod parse;
mod relate;
mod subset;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, OnceLock};

use semver::Version;

use super::text::trim;
use super::version::{Mode, compare};
use parse::Alternatives;
pub(super) use parse::is_too_long;

/// Do prereleases count as ordinary versions?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prerelease {
    /// Only where a comparator names a prerelease of the same three numbers.
    Strict,
    /// Always: node-semver's `includePrerelease`.
    Include,
}

/// A range, parsed once; clones are cheap.
#[derive(Clone)]
pub struct Range(Arc<Inner>);

struct Inner {
    text: Box<str>,
    mode: Mode,
    /// The two readings, each made on first use; `None` inside where only the other one is valid.
    strict: OnceLock<Option<Alternatives>>,
    include: OnceLock<Option<Alternatives>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Any,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

#[derive(Debug, Clone, PartialEq)]
struct Comparator {
    operator: Operator,
    version: Version,
}

impl Range {
    /// Reads a range; `None` where npm calls it invalid, and beyond 4 kB or 256 alternatives.
    pub fn parse(text: &str, mode: Mode) -> Option<Self> {
        Self::parse_counting(text, mode, Prerelease::Strict)
    }

    /// [`Self::parse`], valid where npm takes it when it counts prereleases so: `1 - =2` with
    /// them, `1 - 9007199254740991` without.
    pub fn parse_counting(text: &str, mode: Mode, prerelease: Prerelease) -> Option<Self> {
        let range = Self(Arc::new(Inner {
            text: text.into(),
            mode,
            strict: OnceLock::new(),
            include: OnceLock::new(),
        }));
        range.reading(prerelease).is_some().then_some(range)
    }

    /// The text as it was given to [`Self::parse`].
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Is it written `*`, or not written at all? npm then takes every version, prereleases too.
    pub fn is_any(&self) -> bool {
        matches!(trim(self.text()), "*" | "")
    }

    pub fn satisfies(&self, version: &Version, prerelease: Prerelease) -> bool {
        self.alternatives(prerelease)
            .iter()
            .any(|alternative| all_hold(alternative, version, prerelease))
    }

    /// node-semver's spelling of the range as read with `prerelease`; `*` for an empty one.
    pub fn formatted(&self, prerelease: Prerelease) -> String {
        let alternatives: Vec<String> = self
            .alternatives(prerelease)
            .iter()
            .map(|alternative| {
                let comparators: Vec<String> =
                    alternative.iter().map(Comparator::to_string).collect();
                comparators.join(" ")
            })
            .collect();
        match alternatives.join("||") {
            empty if empty.is_empty() => "*".to_owned(),
            formatted => formatted,
        }
    }

    fn alternatives(&self, prerelease: Prerelease) -> &[Box<[Comparator]>] {
        self.reading(prerelease).unwrap_or_default()
    }

    fn reading(&self, prerelease: Prerelease) -> Option<&[Box<[Comparator]>]> {
        let reading = match prerelease {
            Prerelease::Strict => &self.0.strict,
            Prerelease::Include => &self.0.include,
        };
        reading
            .get_or_init(|| parse::read(&self.0.text, self.0.mode, prerelease))
            .as_deref()
    }
}

/// The spelling without prereleases.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.formatted(Prerelease::Strict))
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Range({:?})", self.text())
    }
}

/// Same text, read in the same mode.
impl PartialEq for Range {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.0.mode == other.0.mode
    }
}

impl Eq for Range {}

fn all_hold(comparators: &[Comparator], version: &Version, prerelease: Prerelease) -> bool {
    comparators
        .iter()
        .all(|comparator| comparator.holds(version))
        && (version.pre.is_empty()
            || prerelease == Prerelease::Include
            || comparators
                .iter()
                .any(|comparator| comparator.names_prereleases_of(version)))
}

impl Comparator {
    const ANY: Self = Self {
        operator: Operator::Any,
        version: Version::new(0, 0, 0),
    };

    fn new(operator: Operator, version: Version) -> Self {
        Self { operator, version }
    }

    /// `<0.0.0-0`, which no version is.
    fn nothing() -> Self {
        let mut version = Version::new(0, 0, 0);
        version.pre = semver::Prerelease::new("0").unwrap_or_default();
        Self::new(Operator::Less, version)
    }

    fn is_any(&self) -> bool {
        self.operator == Operator::Any
    }

    fn is_nothing(&self) -> bool {
        self.operator == Operator::Less && self.is_zero() && self.version.pre.as_str() == "0"
    }

    fn is_zero(&self) -> bool {
        (self.version.major, self.version.minor, self.version.patch) == (0, 0, 0)
    }

    fn holds(&self, version: &Version) -> bool {
        if self.is_any() {
            return true;
        }
        let order = compare(version, &self.version);
        match self.operator {
            Operator::Any => true,
            Operator::Equal => order == Ordering::Equal,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::Less => order == Ordering::Less,
            Operator::LessEqual => order != Ordering::Greater,
        }
    }

    fn names_prereleases_of(&self, version: &Version) -> bool {
        let own = &self.version;
        !own.pre.is_empty()
            && (own.major, own.minor, own.patch) == (version.major, version.minor, version.patch)
    }
}

impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::Any => return Ok(()),
            Operator::Equal => "",
            Operator::Greater => ">",
            Operator::GreaterEqual => ">=",
            Operator::Less => "<",
            Operator::LessEqual => "<=",
        };
        write!(f, "{operator}{}", self.version)
    }
}
