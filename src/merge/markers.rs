//! Two outcomes of a merge as one text with conflict markers.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// What the sides are called in markers.
#[derive(Debug, Clone)]
pub struct Labels {
    pub base: String,
    pub ours: String,
    pub theirs: String,
}

impl Default for Labels {
    fn default() -> Self {
        Self {
            base: "base".to_owned(),
            ours: "ours".to_owned(),
            theirs: "theirs".to_owned(),
        }
    }
}

/// Lines that both sides share once, others between markers, with `base`'s in the middle.
///
/// Each side can be had back whole. `is_right` looks at the text: where base's lines make it
/// unreadable (readers put the middle parts together to a whole), theirs take their place.
pub fn conflict(
    base: &str,
    ours: &str,
    theirs: &str,
    labels: &Labels,
    is_right: impl Fn(&str) -> bool,
) -> String {
    let lines = |text| -> Vec<&str> { str::split_inclusive(text, '\n').collect() };
    let (base, ours, theirs) = (lines(base), lines(ours), lines(theirs));
    let old = capture_diff_slices(Algorithm::Myers, &ours, &base);
    let text = compose(&ours, &theirs, labels, |hunk| {
        let (from, to) = counterpart(&old, hunk.0.start, hunk.0.end, base.len());
        base[from..to].concat()
    });
    if is_right(&text) {
        return text;
    }
    let mut text = compose(&ours, &theirs, labels, |hunk| {
        theirs[hunk.1.clone()].concat()
    });
    if !is_right(&text) {
        text = whole(&ours, &theirs, labels);
    }
    text
}

/// A run of lines that differ: where it is in ours and in theirs.
type Hunk = (Range<usize>, Range<usize>);

fn hunks(ours: &[&str], theirs: &[&str]) -> Vec<Hunk> {
    let ops = capture_diff_slices(Algorithm::Myers, ours, theirs);
    let differ = ops
        .into_iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }));
    let mut hunks: Vec<Hunk> = Vec::new();
    for op in differ {
        let (a, b) = (op.old_range(), op.new_range());
        match hunks.last_mut() {
            Some((before, after)) if before.end == a.start && after.end == b.start => {
                before.end = a.end;
                after.end = b.end;
            }
            _ => hunks.push((a, b)),
        }
    }
    hunks
}

fn compose(
    ours: &[&str],
    theirs: &[&str],
    labels: &Labels,
    middle: impl Fn(&Hunk) -> String,
) -> String {
    let mut text = String::new();
    let mut at = 0;
    for hunk in hunks(ours, theirs) {
        let base = middle(&hunk);
        let (a, b) = hunk;
        text.push_str(&ours[at..a.start].concat());
        let theirs = theirs[b].concat();
        push(
            &mut text,
            labels,
            [&ours[a.clone()].concat(), &base, &theirs],
        );
        at = a.end;
    }
    text.push_str(&ours[at..].concat());
    text
}

/// One conflict with everything in it.
fn whole(ours: &[&str], theirs: &[&str], labels: &Labels) -> String {
    let mut text = String::new();
    let theirs = theirs.concat();
    push(&mut text, labels, [&ours.concat(), &theirs, &theirs]);
    text
}

fn push(text: &mut String, labels: &Labels, [ours, base, theirs]: [&str; 3]) {
    let heads = [
        ("<<<<<<<", labels.ours.as_str(), ours),
        ("|||||||", labels.base.as_str(), base),
        ("=======", "", theirs),
        (">>>>>>>", labels.theirs.as_str(), ""),
    ];
    for (marker, label, lines) in heads {
        text.push_str(format!("{marker} {label}").trim_end());
        text.push('\n');
        text.push_str(lines);
        if !lines.is_empty() && !lines.ends_with('\n') {
            text.push('\n');
        }
    }
}

/// The lines of base that stand between what stands before and behind ours `from..to`.
fn counterpart(ops: &[DiffOp], from: usize, to: usize, end: usize) -> (usize, usize) {
    let (mut start, mut stop) = (0, end);
    for op in ops {
        if let DiffOp::Equal {
            old_index,
            new_index,
            len,
        } = op
        {
            if *old_index < from {
                start = new_index + (from - old_index).min(*len);
            }
            if old_index + len > to && stop == end {
                stop = new_index + to.saturating_sub(*old_index);
            }
        }
    }
    (start, stop.max(start))
}
