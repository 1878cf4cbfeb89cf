//! Is every version of one range also in another? By node-semver's rules.

use std::cmp::Ordering;

use semver::Version;

use super::super::version::compare;
use super::{Comparator, Operator, Prerelease, Range, all_hold};

impl Range {
    /// node-semver's `subset`: does `other` allow all that this range allows?
    pub fn is_subset_of(&self, other: &Self, prerelease: Prerelease) -> bool {
        let mut saw_something = false;
        for own in self.alternatives(prerelease) {
            let mut within = false;
            for others in other.alternatives(prerelease) {
                let verdict = compare_alternatives(own, others, prerelease);
                saw_something |= verdict.is_some();
                if verdict == Some(true) {
                    within = true;
                    break;
                }
            }
            // What allows nothing counts only if nothing else is there.
            if !within && saw_something {
                return false;
            }
        }
        true
    }
}

/// The bounds that one alternative comes to.
#[derive(Default)]
struct Bounds<'a> {
    low: Option<&'a Comparator>,
    high: Option<&'a Comparator>,
    exact: Option<&'a Comparator>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Span {
    Nothing,
    Point,
    Wide,
}

/// Is `sub` within `dom`? `None` when `sub` allows nothing.
fn compare_alternatives(
    sub: &[Comparator],
    dom: &[Comparator],
    prerelease: Prerelease,
) -> Option<bool> {
    let least = [least(prerelease)];
    let is_any = |alternative: &[Comparator]| matches!(alternative, [only] if only.is_any());
    if is_any(dom) && is_any(sub) {
        return Some(true);
    }
    let sub = if is_any(sub) { &least } else { sub };
    let zero = [Comparator::new(
        Operator::GreaterEqual,
        Version::new(0, 0, 0),
    )];
    let dom = match (is_any(dom), prerelease) {
        (true, Prerelease::Include) => return Some(true),
        (true, Prerelease::Strict) => &zero,
        (false, _) => dom,
    };
    let bounds = Bounds::of(sub)?;
    let span = bounds.span();
    if span == Span::Nothing {
        return None;
    }
    if let Some(exact) = bounds.exact {
        let holds = |c: &Comparator| all_hold(std::slice::from_ref(c), &exact.version, prerelease);
        if ![bounds.low, bounds.high].into_iter().flatten().all(holds) {
            return None;
        }
        return Some(dom.iter().all(holds));
    }
    Some(bounds.are_within(dom, span, prerelease))
}

/// The lower bound that `*` stands for.
fn least(prerelease: Prerelease) -> Comparator {
    let mut version = Version::new(0, 0, 0);
    if prerelease == Prerelease::Include {
        version = Comparator::nothing().version;
    }
    Comparator::new(Operator::GreaterEqual, version)
}

impl<'a> Bounds<'a> {
    /// `None` where two exact versions exclude each other.
    fn of(comparators: &'a [Comparator]) -> Option<Self> {
        let mut bounds = Self::default();
        for comparator in comparators {
            match comparator.operator {
                Operator::Greater | Operator::GreaterEqual => {
                    bounds.low = Some(higher(bounds.low, comparator));
                }
                Operator::Less | Operator::LessEqual => {
                    bounds.high = Some(lower(bounds.high, comparator));
                }
                Operator::Any | Operator::Equal => {
                    if bounds.exact.replace(comparator).is_some() {
                        return None;
                    }
                }
            }
        }
        Some(bounds)
    }

    /// What lies between the bounds.
    fn span(&self) -> Span {
        let (Some(low), Some(high)) = (self.low, self.high) else {
            return Span::Wide;
        };
        let order = compare(&low.version, &high.version);
        let closed = low.operator == Operator::GreaterEqual && high.operator == Operator::LessEqual;
        match order {
            Ordering::Less => Span::Wide,
            Ordering::Equal if closed => Span::Point,
            Ordering::Equal | Ordering::Greater => Span::Nothing,
        }
    }

    fn are_within(&self, dom: &[Comparator], span: Span, mode: Prerelease) -> bool {
        let is_point = span == Span::Point;
        if !dom.iter().all(|c| self.bear(c, is_point)) {
            return false;
        }
        let has = |operators: [Operator; 2]| dom.iter().any(|c| operators.contains(&c.operator));
        let bounded_above = has([Operator::Less, Operator::LessEqual]);
        let bounded_below = has([Operator::Greater, Operator::GreaterEqual]);
        if self.low.is_some() && bounded_above && self.high.is_none()
            || self.high.is_some() && bounded_below && self.low.is_none()
        {
            return false;
        }
        // A bound that lets prereleases in needs one in `dom` that lets the same ones in.
        let needs =
            |bound: &&Comparator| mode == Prerelease::Strict && !bound.version.pre.is_empty();
        let before_all = |bound: &&Comparator| {
            bound.operator == Operator::Less && bound.version.pre.as_str() == "0"
        };
        let low = self.low.filter(needs);
        let high = self.high.filter(needs).filter(|bound| !before_all(bound));
        let is_named =
            |bound: &Comparator| dom.iter().any(|c| c.names_prereleases_of(&bound.version));
        [low, high].into_iter().flatten().all(is_named)
    }

    /// Does a comparator of the wider range leave these bounds alone?
    fn bear(&self, wide: &Comparator, is_point: bool) -> bool {
        let low_stays = self.low.is_none_or(|low| match wide.operator {
            Operator::Greater | Operator::GreaterEqual => {
                std::ptr::eq(higher(Some(low), wide), low)
            }
            _ => low.operator != Operator::GreaterEqual || wide.holds(&low.version),
        });
        let high_stays = self.high.is_none_or(|high| match wide.operator {
            Operator::Less | Operator::LessEqual => std::ptr::eq(lower(Some(high), wide), high),
            _ => high.operator != Operator::LessEqual || wide.holds(&high.version),
        });
        let bounded = self.low.is_some() || self.high.is_some();
        let exact = matches!(wide.operator, Operator::Equal | Operator::Any);
        low_stays && high_stays && (!exact || !bounded || is_point)
    }
}

fn higher<'a>(a: Option<&'a Comparator>, b: &'a Comparator) -> &'a Comparator {
    let Some(a) = a else { return b };
    match compare(&a.version, &b.version) {
        Ordering::Less => b,
        Ordering::Equal if b.operator == Operator::Greater && a.operator != b.operator => b,
        _ => a,
    }
}

fn lower<'a>(a: Option<&'a Comparator>, b: &'a Comparator) -> &'a Comparator {
    let Some(a) = a else { return b };
    match compare(&a.version, &b.version) {
        Ordering::Greater => b,
        Ordering::Equal if b.operator == Operator::Less && a.operator != b.operator => b,
        _ => a,
    }
}
