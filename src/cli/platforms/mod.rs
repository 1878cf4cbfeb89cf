//! `heatseal platforms`: will the lock run on other platforms?

mod aims;
mod html;
mod load;
mod markdown;
mod matrix;
mod words;

pub use aims::{HOST, configured};

use std::path::{Path, PathBuf};

use super::args::{PageFormat, Platforms, Trouble};
use super::errors::{Failure, exit};
use super::paint::{count, one_line, packages};
use super::{Context, settings, shown_path};
use crate::disk;
use crate::lock::{self, Lock, LockError};
use crate::manifest;
use crate::ops::{self, PlatformsOutcome, PlatformsRequest};
use crate::platforms::json::{self, About};
use crate::platforms::{Report, Rule, Verdict};

/// Packages that could not be opened beyond this many are counted, not shown.
const MOST_UNOPENED: usize = 5;

impl Platforms {
    pub fn is_json(&self) -> bool {
        self.json || self.format == PageFormat::Json
    }
}

pub fn run(args: &Platforms, context: &Context) -> Result<u8, Failure> {
    if args.load {
        return load::run(args, context);
    }
    let (project, lock) = read(&args.place)?;
    let flags = (&context.global, &args.runtime, &args.npm);
    let session = settings::session_in(project, flags, &context.renderer)?;
    lock.has_at_most(session.config.limits()?.packages)?;
    let install = settings::platforms_request(&session)?;
    let aims = aims::of(&args.target, &session)?;
    let request = PlatformsRequest {
        lock: &lock,
        aims,
        opens: !args.lock_only,
        install: &install,
    };
    let outcome = ops::platforms(&session, request).map_err(|error| {
        let mut failure = Failure::from(error);
        let hint = "--lock-only tells what the lock alone knows, without any tarball";
        failure.hints.push(hint.to_owned());
        failure
    })?;
    context.renderer.finish();
    tell_unopened(&outcome, context);
    let about = About {
        lock: &lock.file_name,
        opened: !args.lock_only,
        unopened: &outcome.unopened,
    };
    let text = match args.format {
        _ if args.is_json() => format!("{:#}\n", json::document(&outcome.report, about)),
        PageFormat::Markdown => markdown::text(&outcome.report, about),
        PageFormat::Html => html::page(&outcome.report, about),
        PageFormat::Text | PageFormat::Json => {
            let paint = if args.output.is_some() {
                super::paint::Paint::plain()
            } else {
                context.paint
            };
            matrix::text(&outcome.report, paint)
        }
    };
    match &args.output {
        Some(file) => disk::write_atomically(file, text.as_bytes()).map_err(LockError::from)?,
        None => context.print(&text),
    }
    let trouble = troubles(&outcome.report, &args.fail_on);
    context.renderer.say(&closing(args, &outcome, context));
    if trouble > 0 {
        let word = context.renderer.paint.red("--fail-on");
        let line = format!("{word}: {} of such verdicts", packages(trouble));
        context.renderer.say(&line);
        return Ok(exit::PLATFORM);
    }
    Ok(exit::OK)
}

/// The lock, and the folder whose settings count.
fn read(place: &Path) -> Result<(PathBuf, Lock), Failure> {
    if place.is_dir() {
        let project = settings::project(place)?;
        let found = lock::find_and_read(&project, None)?;
        let lock = found.ok_or_else(|| LockError::Missing(project.clone()))?;
        return Ok((project, lock));
    }
    let Some(bytes) = disk::read_if_there(place).map_err(LockError::from)? else {
        let shown = one_line(&place.to_string_lossy());
        return Err(Failure {
            code: "ENOENT".to_owned(),
            ..Failure::usage(
                format!("there is nothing at `{shown}`"),
                "name a lock file, or a project folder that has one",
            )
        });
    };
    let folder = place.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let project = folder
        .canonicalize()
        .map_err(disk::DiskError::at("read", folder))
        .map_err(LockError::from)?;
    let root = || manifest::read(&project).map_or_else(|_| None, |file| Some(file.manifest));
    let lock = lock::parse_for(bytes, &place.to_string_lossy(), root)?;
    Ok((project, lock))
}

fn tell_unopened(outcome: &PlatformsOutcome, context: &Context) {
    let all = outcome.unopened.len();
    for (location, reason) in outcome.unopened.iter().take(MOST_UNOPENED) {
        let message = format!("{location} was not opened: {reason}");
        context.renderer.warn("EUNOPENED", &message);
    }
    if all > MOST_UNOPENED {
        let more = packages(all - MOST_UNOPENED);
        context
            .renderer
            .warn("EUNOPENED", &format!("{more} more were not opened"));
    }
}

impl Trouble {
    fn verdict(self) -> Option<Verdict> {
        match self {
            Self::CannotRun => Some(Verdict::CannotRun),
            Self::Missing => Some(Verdict::Missing),
            Self::Uncovered => Some(Verdict::Uncovered),
            Self::Script => Some(Verdict::Script),
            Self::Downloads => Some(Verdict::Downloads),
            Self::Builds => Some(Verdict::Builds),
            Self::Mislabelled | Self::Unlabelled => None,
        }
    }
}

/// How many packages have one of these.
fn troubles(report: &Report, wanted: &[Trouble]) -> usize {
    let is_wanted = |verdict: Verdict| wanted.iter().any(|one| one.verdict() == Some(verdict));
    let rows = report.rows.iter();
    let rows = rows.filter(|row| row.cells.iter().any(|cell| is_wanted(cell.verdict)));
    let labels = report.labels.iter().filter(|label| {
        wanted.contains(&match label.mislabel.rule {
            Rule::Mislabelled => Trouble::Mislabelled,
            Rule::Unlabelled => Trouble::Unlabelled,
        })
    });
    rows.count() + labels.count()
}

fn closing(args: &Platforms, outcome: &PlatformsOutcome, context: &Context) -> String {
    let report = &outcome.report;
    let bound = count(report.rows.len());
    let verb = if report.rows.len() == 1 { "is" } else { "are" };
    let mut facts = Vec::new();
    if args.lock_only {
        facts.push("from the lock alone".to_owned());
    } else if outcome.opened > 0 {
        let (opened, fetched) = (count(outcome.opened), count(outcome.fetched));
        facts.push(format!("{opened} opened, {fetched} fetched"));
    }
    if let Some(file) = &args.output {
        facts.push(format!("{} written", shown_path(file)));
    }
    let facts = if facts.is_empty() {
        String::new()
    } else {
        format!(" ({})", facts.join("; "))
    };
    let (all, seconds) = (packages(report.packages), context.seconds());
    format!("{bound} of {all} {verb} bound to a platform in {seconds:.2} s{facts}")
}
