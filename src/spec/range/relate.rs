//! How ranges lie to each other and to versions: overlapping, above, below, within.

use std::cmp::Ordering;

use semver::Version;

use super::super::version::{MAX_NUMBER, compare};
use super::{Comparator, Operator, Prerelease, Range, all_hold};

impl Range {
    /// Can some version satisfy both? By node-semver's test, which looks at pairs of comparators.
    pub fn intersects(&self, other: &Self) -> bool {
        self.intersects_counting(other, Prerelease::Strict)
    }

    /// [`Self::intersects`], where prereleases may count as ordinary versions.
    pub fn intersects_counting(&self, other: &Self, prerelease: Prerelease) -> bool {
        let satisfiable = |range: &'_ [Box<[Comparator]>]| -> Vec<Box<[Comparator]>> {
            let alternatives = range.iter();
            alternatives
                .filter(|alternative| is_satisfiable(alternative, prerelease))
                .cloned()
                .collect()
        };
        let others = satisfiable(other.alternatives(prerelease));
        satisfiable(self.alternatives(prerelease))
            .iter()
            .any(|own| {
                others.iter().any(|other| {
                    own.iter()
                        .all(|a| other.iter().all(|b| a.intersects(b, prerelease)))
                })
            })
    }

    /// Is the version above all that the range allows?
    pub fn is_below(&self, version: &Version, prerelease: Prerelease) -> bool {
        self.leaves_outside(version, Side::Above, prerelease)
    }

    /// Is the version below all that the range allows?
    pub fn is_above(&self, version: &Version, prerelease: Prerelease) -> bool {
        self.leaves_outside(version, Side::Below, prerelease)
    }

    fn leaves_outside(&self, version: &Version, side: Side, prerelease: Prerelease) -> bool {
        !self.satisfies(version, prerelease)
            && self
                .alternatives(prerelease)
                .iter()
                .all(|alternative| side.is_outside(alternative, version))
    }

    /// The lowest version that satisfies the range, if it has one.
    pub fn min_version(&self) -> Option<Version> {
        let satisfies = |version: &Version| self.satisfies(version, Prerelease::Strict);
        let zero = Version::new(0, 0, 0);
        if satisfies(&zero) {
            return Some(zero);
        }
        let lowest = Comparator::nothing().version;
        if satisfies(&lowest) {
            return Some(lowest);
        }
        self.alternatives(Prerelease::Strict)
            .iter()
            .filter_map(|alternative| {
                let bounds = alternative.iter().filter_map(Comparator::lowest);
                bounds.max_by(compare)
            })
            .min_by(compare)
            .filter(satisfies)
    }
}

/// Could any version satisfy these comparators, as far as pairs of them tell?
fn is_satisfiable(comparators: &[Comparator], prerelease: Prerelease) -> bool {
    comparators.iter().enumerate().all(|(index, a)| {
        comparators[..index]
            .iter()
            .all(|b| a.intersects(b, prerelease))
    })
}

impl Comparator {
    fn intersects(&self, other: &Self, prerelease: Prerelease) -> bool {
        use Operator::{Any, Equal, Greater, GreaterEqual, Less, LessEqual};
        let alone = |comparator: &Self, version| {
            all_hold(std::slice::from_ref(comparator), version, prerelease)
        };
        let hopeless = |comparator: &Self| match prerelease {
            Prerelease::Include => comparator.is_nothing(),
            Prerelease::Strict => comparator.operator == Less && comparator.is_zero(),
        };
        if self.operator == Any {
            return true;
        }
        match (self.operator, other.operator) {
            // Asked before `*`, which does not allow a prerelease here.
            (Equal, _) => return alone(other, &self.version),
            (_, Any) => return true,
            (_, Equal) => return alone(self, &other.version),
            _ => {}
        }
        if hopeless(self) || hopeless(other) {
            return false;
        }
        let (low, high) = match (self.operator, other.operator) {
            (Greater | GreaterEqual, Less | LessEqual) => (self, other),
            (Less | LessEqual, Greater | GreaterEqual) => (other, self),
            _ => return true, // both bound the same side
        };
        match compare(&low.version, &high.version) {
            Ordering::Less => true,
            Ordering::Equal => low.operator == GreaterEqual && high.operator == LessEqual,
            Ordering::Greater => false,
        }
    }

    /// The lowest version this comparator allows, where it sets a lower bound.
    fn lowest(&self) -> Option<Version> {
        match self.operator {
            Operator::Less | Operator::LessEqual => None,
            Operator::Any | Operator::Equal | Operator::GreaterEqual => Some(self.version.clone()),
            Operator::Greater => {
                let mut version = self.version.clone();
                if version.pre.is_empty() {
                    version.patch = Some(version.patch + 1).filter(|patch| *patch <= MAX_NUMBER)?;
                } else {
                    let pre = format!("{}.0", version.pre);
                    version.pre = semver::Prerelease::new(&pre).ok()?;
                }
                Some(version)
            }
        }
    }
}

/// Which side of a range a version is to be on.
#[derive(Clone, Copy)]
enum Side {
    Above,
    Below,
}

impl Side {
    /// Is `version` beyond this alternative, which it does not satisfy?
    fn is_outside(self, comparators: &[Comparator], version: &Version) -> bool {
        let Some((far, near)) = self.extremes(comparators) else {
            return true;
        };
        let (open, closed) = match self {
            Self::Above => (Operator::Greater, Operator::GreaterEqual),
            Self::Below => (Operator::Less, Operator::LessEqual),
        };
        if far.0 == open || far.0 == closed {
            return false; // there is no end on this side
        }
        let inner = self.order(version, near.1);
        let exact = matches!(near.0, Operator::Equal | Operator::Any) || near.0 == open;
        !(exact && inner != Ordering::Greater || near.0 == closed && inner == Ordering::Less)
    }

    /// The farthest and the nearest comparator, seen from the middle towards this side.
    fn extremes(self, comparators: &[Comparator]) -> Option<(Bound<'_>, Bound<'_>)> {
        let mut bounds = comparators.iter().map(|comparator| {
            let operator = match comparator.operator {
                Operator::Any => Operator::GreaterEqual,
                operator => operator,
            };
            (operator, &comparator.version)
        });
        let first = bounds.next()?;
        let (mut far, mut near) = (first, first);
        for bound in bounds {
            if self.order(bound.1, far.1) == Ordering::Greater {
                far = bound;
            } else if self.order(bound.1, near.1) == Ordering::Less {
                near = bound;
            }
        }
        Some((far, near))
    }

    fn order(self, a: &Version, b: &Version) -> Ordering {
        match self {
            Self::Above => compare(a, b),
            Self::Below => compare(b, a),
        }
    }
}

type Bound<'a> = (Operator, &'a Version);
