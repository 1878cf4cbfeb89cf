//! Verdicts as people read them: a symbol, a word, a colour.

use super::super::paint::{Paint, one_line};
use crate::platforms::{Aim, Verdict};

/// One column wide, and told apart without colour.
pub fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::CannotRun => "✗",
        Verdict::Missing => "M",
        Verdict::Uncovered => "U",
        Verdict::Script => "S",
        Verdict::Downloads => "D",
        Verdict::Builds => "B",
        Verdict::Skipped => "–",
        Verdict::Runs => "✓",
    }
}

pub fn title(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::CannotRun => "cannot run",
        Verdict::Missing => "missing in the lock",
        Verdict::Uncovered => "no binary for it",
        Verdict::Script => "install script, unknown what it does",
        Verdict::Downloads => "downloads at install",
        Verdict::Builds => "builds from source",
        Verdict::Skipped => "not for it, left out",
        Verdict::Runs => "runs",
    }
}

pub fn painted(verdict: Verdict, text: &str, paint: Paint) -> String {
    match verdict {
        Verdict::CannotRun | Verdict::Missing => paint.red(text),
        Verdict::Uncovered | Verdict::Script | Verdict::Downloads | Verdict::Builds => {
            paint.yellow(text)
        }
        Verdict::Skipped => paint.dim(text),
        Verdict::Runs => paint.green(text),
    }
}

/// The label, and what it stands for where it does not say so itself.
pub fn aim(aim: &Aim) -> String {
    let (label, target) = (one_line(&aim.label), aim.target.to_string());
    if target.starts_with(&label) {
        label
    } else {
        format!("{label}: {target}")
    }
}
