//! `heatseal diff`: what differs between two environments.

pub mod details;
mod html;
mod markdown;

use std::path::Path;

use super::args::{Diff as Args, PageFormat as Format};
use super::errors::{Failure, exit};
use super::{Context, paint, settings, shown_path, tables};
use crate::diff::ignore::{Rule, rules};
use crate::diff::{self, Diff, Environment, Fact, Omit, Options, Source, View};
use crate::disk;
use crate::manifest;
use crate::npmrc::Config;
use crate::ops::{self, Session};
use crate::store::Store;
use crate::target::Target;
use crate::verify::{self, Record};

impl Args {
    pub fn is_json(&self) -> bool {
        self.format() == Format::Json
    }

    fn format(&self) -> Format {
        let ending = self.output.as_deref().and_then(Path::extension);
        match (self.format, ending.and_then(|ending| ending.to_str())) {
            _ if self.json => Format::Json,
            (Some(format), _) => format,
            (None, Some("json")) => Format::Json,
            (None, Some("md")) => Format::Markdown,
            (None, Some("html")) => Format::Html,
            (None, _) => Format::Text,
        }
    }
}

pub fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let store = store(context)?;
    if args.snapshot {
        return snapshot(args, store.as_ref(), context);
    }
    let (before, after) = environments(args, store.as_ref())?;
    let rules = ignored(args)?;
    let options = Options {
        direct: args.direct,
        only: &args.only,
        ignore: &rules,
        store: store.as_ref(),
    };
    let mut diff = diff::environments(&before, &after, options);
    if let Some(names) = &args.contents {
        look_inside(names, &mut diff, (&before, &after), context)?;
    }
    let text = match args.format() {
        Format::Text => tables::changes(&diff, context.paint),
        Format::Json => format!("{:#}\n", diff::json::document(&diff, &before, &after)),
        Format::Markdown => markdown::comment(&diff, &before, &after),
        Format::Html => html::page(&diff, &before, &after),
    };
    put(&text, args, context)?;
    if args.format() != Format::Json || args.output.is_some() {
        tell(&diff, (&before, &after), context);
    }
    let fails = match &args.fail_on {
        None => !diff.changes.is_empty(),
        Some(classes) => diff.has(&classes.iter().copied().flatten().collect::<Vec<_>>()),
    };
    Ok(if fails { exit::NO } else { exit::OK })
}

/// The store, if there is one: a comparison makes none.
fn store(context: &Context) -> Result<Option<Store>, Failure> {
    let folder = settings::store(&context.global, &context.env);
    let folder = folder.ok().filter(|folder| folder.is_dir());
    Ok(folder
        .map(|folder| Store::open(&folder, umask()))
        .transpose()?)
}

/// The kernel only tells it by setting another, for a moment.
fn umask() -> u32 {
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    rustix::process::umask(umask);
    umask.as_raw_mode()
}

fn put(text: &str, args: &Args, context: &Context) -> Result<(), Failure> {
    let Some(path) = &args.output else {
        context.print(text);
        return Ok(());
    };
    disk::write_atomically(path, text.as_bytes()).map_err(diff::DiffError::from)?;
    let line = format!("{} written", shown_path(path));
    context.renderer.say(&line);
    Ok(())
}

/// Reads A and B at once, and looks at each as it was asked.
fn environments(args: &Args, store: Option<&Store>) -> Result<(Environment, Environment), Failure> {
    let (first, second) = views(args)?;
    let alone = args.after.is_none();
    let b = args.after.as_deref().unwrap_or(&args.before);
    let a = Source::find(&args.before, args.installed && !alone)?;
    let b_source = Source::find(b, args.installed)?;
    if a == Source::Input && b_source == Source::Input && !alone {
        return Err(Failure::usage(
            "only one of both can be standard input",
            "write the other one to a file",
        ));
    }
    let record = |project: &Path| record(project, store);
    let (before, after) = if a == b_source {
        let read = a.read(&args.before, &record)?;
        (Ok(read.clone()), Ok(read))
    } else {
        std::thread::scope(|scope| {
            let before = scope.spawn(|| a.read(&args.before, &record));
            let after = b_source.read(b, &record);
            let before = before.join();
            let before = before.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (before, after)
        })
    };
    let (before, after) = (before?, after?);
    let (first, second) = aimed((first, &before), (second, &after));
    Ok((before.viewed(first)?, after.viewed(second)?))
}

/// What install scripts left, as far as the store remembers.
fn record(project: &Path, store: Option<&Store>) -> Record {
    store.map_or_else(Record::default, |store| verify::recorded(project, store))
}

/// The views that were asked for.
fn views(args: &Args) -> Result<(View, View), Failure> {
    let targets: Vec<Target> = args.target.iter().cloned().map(Target::with_libc).collect();
    let targets = match targets.as_slice() {
        [] => (None, None),
        [both] => (Some(both.clone()), Some(both.clone())),
        [first, second] => (Some(first.clone()), Some(second.clone())),
        _ => {
            return Err(Failure::usage(
                "more than two targets cannot be compared",
                "say --target once for both sides, or once for each",
            ));
        }
    };
    let all = args.omit.iter().fold(Omit::default(), |all, omit| Omit {
        dev: all.dev || omit.dev,
        optional: all.optional || omit.optional,
        peer: all.peer || omit.peer,
    });
    let alone = args.after.is_none() && !args.installed;
    let omits = match args.omit.as_slice() {
        [first, second] if alone => (*first, *second),
        _ => (all, all),
    };
    let view = |target, omit| View { target, omit };
    let (first, second) = (view(targets.0, omits.0), view(targets.1, omits.1));
    if alone && first == second {
        return Err(Failure::usage(
            "there is nothing to compare with",
            "name a second environment; or say --target or --omit twice, or --installed",
        ));
    }
    Ok((first, second))
}

/// What is installed is for one platform: only that part of a lock can be compared with it.
fn aimed(first: (View, &Environment), second: (View, &Environment)) -> (View, View) {
    let aim = |view: View, lock: &Environment, tree: &Environment| {
        let may = view.target.is_none() && !lock.is_installed() && lock.tells(Fact::Platforms);
        let target = tree.target.clone().filter(|_| may && tree.is_installed());
        View {
            target: target.or(view.target),
            ..view
        }
    };
    let before = aim(first.0, first.1, second.1);
    let after = aim(second.0, second.1, first.1);
    (before, after)
}

/// Rules of the project in the present folder, and of the command line.
fn ignored(args: &Args) -> Result<Vec<Rule>, Failure> {
    let mut all = Vec::new();
    if !args.no_ignore {
        let project = settings::project(Path::new("."))?;
        if let Ok(file) = manifest::read(&project) {
            all = rules(&file.manifest)?;
        }
    }
    for text in &args.ignore {
        all.push(Rule::parse(text, "ignored on the command line")?);
    }
    Ok(all)
}

/// Opens the tarballs of changed packages; fetches those that the store lacks.
fn look_inside(
    names: &[String],
    diff: &mut Diff,
    environments: (&Environment, &Environment),
    context: &Context,
) -> Result<(), Failure> {
    let known = |name: &&String| diff.changes.iter().any(|change| change.name == **name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        return Err(Failure::usage(
            format!("`{name}` does not differ"),
            "name packages that the comparison shows, or none for all of them",
        ));
    }
    let registry = context.global.registry.iter();
    let flags = registry.map(|url| ("registry".to_owned(), url.clone()));
    let project = settings::project(Path::new("."))?;
    let session = Session {
        config: Config::load(&project, &context.env, &flags.collect::<Vec<_>>())?,
        project,
        store: settings::store(&context.global, &context.env)?,
        host: Target::host(None, None),
        reporter: context.renderer.clone(),
    };
    let store = Store::open(&session.store, umask())?.with_limits(session.config.limits()?);
    let wanted = |change: &diff::Change| {
        let is_named = names.is_empty() || names.contains(&change.name);
        is_named && ops::may_differ_inside(change)
    };
    ops::look_inside(&session, &store, environments, diff, &wanted)?;
    context.renderer.finish();
    Ok(())
}

/// The summary, for a person.
fn tell(diff: &Diff, environments: (&Environment, &Environment), context: &Context) {
    let say = |line: &str| context.renderer.say(line);
    let same = paint::packages(diff.unchanged);
    say(&match diff.changes.len() {
        0 => format!("no differences in {same}"),
        1 => format!("1 package differs, {same} the same"),
        differ => format!("{} differ, {same} the same", paint::packages(differ)),
    });
    if diff.left_out > 0 {
        let more = paint::packages(diff.left_out);
        say(&format!("{more} of other classes left out"));
    }
    for line in details::ignored(diff) {
        say(&line);
    }
    if let Some(line) = details::not_compared(diff, environments) {
        say(&line);
    }
    if diff.unproven > 0 {
        let many = paint::packages(diff.unproven);
        say(&format!(
            "the files of {many} were held against nothing: the store does not have them"
        ));
    }
}

fn snapshot(args: &Args, store: Option<&Store>, context: &Context) -> Result<u8, Failure> {
    let source = Source::find(&args.before, true)?;
    let read = source.read(&args.before, &|project| record(project, store))?;
    let document = diff::snapshot::document(&read).ok_or_else(|| {
        Failure::usage(
            format!(
                "`{}` is no installed tree: only that can be described",
                args.before
            ),
            "a lock can be compared as it is",
        )
    })?;
    put(&format!("{document}\n"), args, context)?;
    Ok(exit::OK)
}
