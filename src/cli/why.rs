//! `heatseal why`: who requires a package, and why it sits where it sits.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::args::Why as Args;
use super::errors::{Failure, exit};
use super::paint::{Paint, count, one_line};
use super::{Context, settings};
use crate::disk;
use crate::lock::{self, Lock, LockError};
use crate::why::graph::allows;
use crate::why::place::{Copy, Reason, split};
use crate::why::{self, Explained, Graph, Kind, Query, Why, explain};

/// `--all` ends here: a small lock may hold more chains than any disk.
const MOST_CHAINS: usize = 100_000;
/// Dependents that are in no chain shown, beyond this many, are only counted.
const MOST_NAMED: usize = 5;

pub fn run(args: &Args, context: &Context) -> Result<u8, Failure> {
    let queries = args.names.iter().map(|text| Query::parse(text));
    let queries = queries.collect::<Result<Vec<_>, _>>()?;
    let lock = if let Some(file) = &args.lock {
        read(file)?
    } else {
        let project = settings::project(Path::new("."))?;
        let lock = lock::find_and_read(&project, None)?;
        lock.ok_or(LockError::Missing(project))?
    };
    let limit = if args.all { MOST_CHAINS } else { args.limit };
    let answers: Vec<(Query, Why)> = queries
        .into_iter()
        .map(|query| {
            let why = explain(&lock, &query, limit);
            (query, why)
        })
        .collect();
    if args.json {
        let mut documents = answers
            .iter()
            .map(|(query, why)| why::json::document(why, query));
        context.print_json(&match (documents.len(), documents.next()) {
            (1, Some(document)) => document,
            (_, first) => Value::Array(first.into_iter().chain(documents).collect()),
        });
    }
    let mut missing = None;
    for (query, why) in &answers {
        if why.copies.is_empty() {
            missing.get_or_insert_with(|| not_there(&lock, query, why));
        } else if !args.json {
            context.print(&text(why, context.paint));
            context.renderer.say(&closing(query, why));
        }
    }
    match missing {
        None => Ok(exit::OK),
        // The document has said it.
        Some(_) if args.json => Ok(exit::NO),
        Some(failure) => Err(failure),
    }
}

fn read(file: &Path) -> Result<Lock, Failure> {
    let bytes = disk::read_if_there(file).map_err(LockError::Disk)?;
    let Some(bytes) = bytes else {
        return Err(Failure {
            code: "ENOENT".to_owned(),
            ..Failure::usage(
                format!("there is nothing at `{}`", file.display()),
                "name a lock file",
            )
        });
    };
    Ok(lock::parse(bytes, &file.display().to_string())?)
}

fn not_there(lock: &Lock, query: &Query, why: &Why) -> Failure {
    let mut hints = Vec::new();
    if !why.other_versions.is_empty() {
        hints.push(format!("it has {}", why.other_versions.join(", ")));
    }
    if !why.similar.is_empty() {
        hints.push(format!("did you mean {}?", why.similar.join(", ")));
    }
    Failure {
        code: "ENOTLOCKED".to_owned(),
        message: format!("`{}` is not in {}", query.text, lock.file_name),
        hints,
        exit: exit::NO,
        ..Failure::default()
    }
}

fn closing(query: &Query, why: &Why) -> String {
    let copies = why.copies.len();
    let noun = if copies == 1 { "copy" } else { "copies" };
    one_line(&format!("{} {noun} of {}", count(copies), query.text))
}

/// A paragraph for each copy.
fn text(why: &Why, paint: Paint) -> String {
    let graph = &why.graph;
    let mut out = String::new();
    for (number, copy) in why.copies.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let node = &graph.nodes[copy.node];
        let flags = node.flags.iter().map(|flag| word(flag));
        let flags: Vec<&str> = flags.collect();
        let head = paint.bold(one_line(&graph.id(copy.node)));
        let _ = writeln!(
            out,
            "{}",
            format!("{head}  {}  {}", one_line(&node.location), flags.join(", ")).trim_end()
        );
        let _ = writeln!(out, "  {}", one_line(&place(graph, copy)));
        for chain in &copy.chains.shown {
            let _ = writeln!(out, "  {}", shown(graph, chain, paint));
        }
        if let Some(rest) = rest(graph, copy) {
            let _ = writeln!(out, "  {}", paint.dim(one_line(&rest)));
        }
    }
    out
}

fn word(flag: &'static str) -> &'static str {
    match flag {
        "devOptional" => "dev or optional",
        "inBundle" => "bundled",
        other => other,
    }
}

/// `p › dev a@1.0.0 › b@2.0.0 (^2)`.
fn shown(graph: &Graph, chain: &[usize], paint: Paint) -> String {
    let mut hops = vec![one_line(&graph.id(0))];
    for edge in chain {
        let edge = &graph.edges[*edge];
        let kind = match edge.kind {
            Kind::Prod => String::new(),
            Kind::PeerOptional => paint.cyan("optional peer "),
            kind => paint.cyan(format!("{} ", kind.word())),
        };
        hops.push(format!("{kind}{}", one_line(&graph.id(edge.to))));
    }
    let mut line = hops.join(&paint.dim(" › "));
    if let Some(edge) = chain.last().map(|edge| &graph.edges[*edge])
        && edge.kind != Kind::Workspace
    {
        let node = &graph.nodes[edge.to];
        let alias = if edge.name == node.name {
            String::new()
        } else {
            format!("as {}: ", edge.name)
        };
        let broken = match allows(&edge.spec, &node.version) {
            Some(false) => ", which it does not meet: an override, or forced",
            _ => "",
        };
        let asked = one_line(&format!("({alias}{}{broken})", edge.spec));
        let _ = write!(line, " {}", paint.dim(asked));
    }
    line
}

/// What is not shown of a copy's chains.
fn rest(graph: &Graph, copy: &Explained) -> Option<String> {
    let chains = &copy.chains;
    if copy.dependents.is_empty() {
        return Some("no package requires it".to_owned());
    }
    if chains.shown.is_empty() && chains.complete {
        return Some("no chain leads from the project to it".to_owned());
    }
    if chains.complete {
        return None;
    }
    let shown = count(chains.shown.len());
    let mut rest = match chains.total {
        Some(total) => format!("{shown} of {} chains are shown", count(total as usize)),
        None => format!("the {shown} shortest chains are shown"),
    };
    let named = copy.unseen.iter().take(MOST_NAMED);
    let named: Vec<String> = named.map(|node| graph.id(*node)).collect();
    if !named.is_empty() {
        let more = copy.unseen.len() - named.len();
        let noun = if copy.unseen.len() == 1 {
            "dependent"
        } else {
            "dependents"
        };
        rest = format!(
            "{rest}; {} {noun} more: {}",
            count(copy.unseen.len()),
            named.join(", ")
        );
        if more > 0 {
            rest = format!("{rest} and {}", count(more));
        }
    }
    Some(format!("{rest}; --limit N or --all shows more"))
}

/// A sentence on where the copy sits.
fn place(graph: &Graph, copy: &Explained) -> String {
    let node = &graph.nodes[copy.node];
    let holder = split(&node.location).map(|(folder, _)| match folder {
        "" => "at the top".to_owned(),
        folder => {
            let holder = graph.at(folder).map(|holder| graph.id(holder));
            format!("inside {}", holder.unwrap_or_else(|| folder.to_owned()))
        }
    });
    let holder = holder.unwrap_or_default();
    let at = |copy: &Copy| format!("{}@{} at {}", copy.name, copy.version, copy.location);
    let gets = |copy: &Option<Copy>| copy.as_ref().map_or("none".to_owned(), at);
    match &copy.reason {
        Reason::Folder => match node.links.first() {
            Some(link) => format!("a folder of yours, to which {link} links"),
            None => "a folder of yours".to_owned(),
        },
        Reason::Direct => format!("{holder}: the project itself requires it"),
        Reason::Hoisted => {
            format!("{holder}: nothing there minds, so that all below can share it")
        }
        Reason::Bundled => {
            format!("{holder}: it comes in the tarball of the package that bundles it")
        }
        Reason::Conflict {
            by,
            needed_by,
            more,
        } => {
            let needed = match (needed_by.as_slice(), more) {
                ([], _) => "which is not moved for it".to_owned(),
                (names, 0) => format!("for {}", names.join(", ")),
                (names, more) => format!("for {} and {} more", names.join(", "), count(*more)),
            };
            format!("{holder}: further up is {}, {needed}", at(by))
        }
        Reason::Shadow {
            by,
            dependent,
            spec,
        } => format!(
            "{holder}: further up {dependent} would find it, which needs {spec} and gets {}",
            at(by)
        ),
        Reason::Peer {
            peer,
            range,
            here,
            there,
        } => format!(
            "{holder}: its peer {peer} ({range}) is {} here, and {} further up",
            gets(here),
            gets(there)
        ),
        Reason::Duplicate { by } => format!("{holder}: the same is {}; one would do", at(by)),
        Reason::Kept => format!("{holder}: it was placed there once, and a lock moves nothing"),
    }
}
