//! `heatseal ls`: the locked tree as `npm ls` prints it.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::args::{Kind, Ls};
use super::errors::{Failure, exit};
use super::paint::{Paint, one_line};
use super::render::write_line;
use super::{Context, settings};
use crate::list::{Item, Listing, Options, Wanted, list};
use crate::lock::{self, LockError};
use crate::manifest::{self, Manifest};
use crate::npmrc::{Config, masked};
use crate::resolve::{self, Locked, Omit, Rules};

pub fn run(args: &Ls, context: &Context) -> Result<u8, Failure> {
    let (project, config) = settings::project_and_config(&context.global, &flags(args))?;
    let lock = lock::find_and_read(&project, None)?;
    let lock = lock.ok_or_else(|| LockError::Missing(project.clone()))?;
    let file = manifest::read(&project)?;
    let manifest = match file.document {
        Some(_) => file.manifest,
        None => own_entry(&lock),
    };
    let rules = Rules {
        install_links: config.flag("install-links").unwrap_or(false),
        ..Rules::default()
    };
    let locked = Locked {
        entries: lock.packages.clone(),
        version: lock.version,
    };
    let tree = resolve::virtual_tree(&project, &Arc::new(manifest), &locked, rules)?;
    let listing = list(&tree, &options(args, &config)?);
    let nothing = !listing.items[0].included;
    if args.json {
        context.print_json(&document(&listing, &lock.file_name));
    } else {
        let path = &tree.node(tree.root).path;
        context.print(&text(&listing, path, context.paint));
    }
    let broken = listing.is_broken();
    if broken {
        let failure = problems(listing, &lock.file_name);
        write_line(&failure.text(context.renderer.paint));
    }
    Ok(if broken || nothing {
        exit::NO
    } else {
        exit::OK
    })
}

/// What npm says with the tree.
fn problems(listing: Listing, lock: &str) -> Failure {
    Failure {
        code: "ELSPROBLEMS".to_owned(),
        message: format!("{lock} does not give what is asked for"),
        details: listing.problems,
        hints: vec!["run `heatseal shrinkwrap` to bring the lock in line".to_owned()],
        exit: exit::NO,
        ..Failure::default()
    }
}

/// What the lock says of the project itself.
fn own_entry(lock: &lock::Lock) -> Manifest {
    let entry = lock.entry("").cloned().unwrap_or_default();
    Manifest::from_registry(Value::Object(entry))
}

fn flags(args: &Ls) -> Vec<(String, String)> {
    let mut flags = Kind::settings("omit", &args.omit);
    flags.extend(Kind::settings("include", &args.include));
    flags
}

fn options(args: &Ls, config: &Config) -> Result<Options, Failure> {
    let names = args.names.iter().map(|text| {
        Wanted::parse(text).ok_or_else(|| {
            Failure::usage(
                format!("{text:?} is not a package's name, with or without a range"),
                "write NAME or NAME@RANGE",
            )
        })
    });
    let omitted = config.omitted();
    let everything = args.all || (args.depth.is_none() && !args.names.is_empty());
    Ok(Options {
        depth: (!everything).then(|| args.depth.unwrap_or(0)),
        omit: Omit {
            dev: omitted.contains(&"dev"),
            optional: omitted.contains(&"optional"),
            peer: omitted.contains(&"peer"),
        },
        names: names.collect::<Result<_, _>>()?,
    })
}

/// The tree drawn with lines, as npm draws it.
fn text(listing: &Listing, path: &str, paint: Paint) -> String {
    let mut out = format!("{} {}\n", one_line(&listing.items[0].id), one_line(path));
    let children = &listing.items[0].children;
    if children.is_empty() {
        out.push_str("└── (empty)\n");
    }
    // Where each open level stands: its items, which is next, and what is drawn before them.
    let mut open = vec![(children, 0, String::new())];
    while let Some((items, next, before)) = open.pop() {
        let Some(at) = items.get(next) else { continue };
        let item = &listing.items[*at];
        let last = next + 1 == items.len();
        let corner = if last { '└' } else { '├' };
        let fork = if item.children.is_empty() {
            '─'
        } else {
            '┬'
        };
        let label = label(item, paint);
        let _ = writeln!(out, "{before}{corner}─{fork} {label}");
        let below = format!("{before}{} ", if last { ' ' } else { '│' });
        open.push((items, next + 1, before));
        open.push((&item.children, 0, below));
    }
    out
}

fn label(item: &Item, paint: Paint) -> String {
    let mut words = Vec::new();
    match (item.missing, item.optional) {
        (true, true) => words.push(paint.yellow("UNMET OPTIONAL DEPENDENCY")),
        (true, false) => words.push(paint.red("UNMET DEPENDENCY")),
        (false, _) => {}
    }
    let id = one_line(&item.id);
    words.push(match (item.matched, item.workspace) {
        (true, _) => paint.yellow(id),
        (false, true) => paint.cyan(id),
        (false, false) => id,
    });
    if item.deduped {
        words.push(paint.dim("deduped"));
    }
    if !item.invalid.is_empty() {
        words.push(paint.red(format!("invalid: {}", one_line(&item.invalid))));
    }
    if item.extraneous {
        words.push(paint.red("extraneous"));
    }
    if item.overridden == Some(true) {
        words.push(paint.dim("overridden"));
    }
    let resolved = item.resolved.as_deref().unwrap_or_default();
    if resolved.starts_with("git") || resolved.starts_with("ssh:") {
        words.push(format!("({})", one_line(&shown(resolved))));
    }
    if let Some(link) = &item.link {
        words.push(format!("-> ./{}", one_line(link)));
    }
    words.join(" ")
}

/// An address without anybody's password; a way to a folder stays as it is.
fn shown(resolved: &str) -> String {
    if resolved.contains("://") {
        masked(resolved)
    } else {
        resolved.to_owned()
    }
}

/// The tree for machines: version 1. `tree` is what `npm ls --json` prints.
fn document(listing: &Listing, lock: &str) -> Value {
    json!({
        "version": 1,
        "lock": lock,
        "tree": node(listing, 0),
        "problems": listing.problems,
    })
}

fn node(listing: &Listing, at: usize) -> Value {
    let item = &listing.items[at];
    let mut node = Map::new();
    let mut set = |key: &str, value: Value| node.insert(key.to_owned(), value);
    if !item.version.is_empty() {
        set("version", item.version.clone().into());
    }
    if let Some(resolved) = &item.resolved {
        set("resolved", shown(resolved).into());
    }
    if let Some(overridden) = item.overridden {
        set("overridden", overridden.into());
    }
    if at == 0 {
        let name = item.id.rsplit_once('@').map_or(&*item.id, |(name, _)| name);
        set("name", name.into());
    }
    if item.extraneous {
        set("extraneous", true.into());
    }
    if !item.invalid.is_empty() {
        set("invalid", item.invalid.clone().into());
    }
    if item.missing && !item.optional {
        set("required", item.required.clone().into());
        set("missing", true.into());
    }
    let problems = if at == 0 {
        &listing.problems
    } else {
        &item.problems
    };
    if !problems.is_empty() {
        set("problems", problems.clone().into());
    }
    if !item.children.is_empty() {
        let children = item.children.iter();
        let children: Map<String, Value> = children
            .map(|child| {
                (
                    listing.items[*child].name.clone(),
                    self::node(listing, *child),
                )
            })
            .collect();
        set("dependencies", children.into());
    }
    Value::Object(node)
}
