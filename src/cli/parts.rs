//! Which part of a project is meant: the workspaces that were named, or that we were started in.
//!
//! Source: npm's `get-workspaces.js`, `base-cmd.js` and `@npmcli/config`.

use std::path::Path;

use super::args::Parts;
use super::errors::Failure;
use crate::disk;
use crate::manifest;
use crate::ops::{Part, Session};
use crate::resolve::{ResolveError, Workspace, workspaces};

/// What flags, environment and files say; else the workspace whose folder `here` lies in, if any.
pub fn part(parts: &Parts, session: &Session, here: Option<&Path>) -> Result<Part, Failure> {
    let config = &session.config;
    let all = parts.workspaces.or(config.flag("workspaces"));
    let wanted = wanted(parts, session);
    if all == Some(false) && !wanted.is_empty() {
        return Err(Failure::usage(
            "`--workspace` and `--no-workspaces` contradict each other",
            "leave one of them out",
        ));
    }
    let is_said = all.is_some() || !wanted.is_empty();
    if config.text("install-strategy") == Some("linked") {
        return if is_said {
            Err(linked())
        } else {
            Ok(Part::Whole)
        };
    }
    if all == Some(false) {
        return Ok(Part::Root);
    }
    let known = known(session)?;
    let from = here.unwrap_or(&session.project);
    let names = if !wanted.is_empty() {
        chosen(&wanted, &known, from)?
    } else if all == Some(true) {
        known.into_iter().map(|workspace| workspace.name).collect()
    } else {
        let mut around = known.into_iter().filter(|one| from.starts_with(&one.path));
        match around.next() {
            Some(workspace) => vec![workspace.name],
            None => return Ok(Part::Whole),
        }
    };
    let root = parts
        .include_workspace_root
        .or(config.flag("include-workspace-root"));
    let root = root.unwrap_or(false);
    Ok(Part::Workspaces { names, root })
}

/// The workspaces that were named.
fn wanted(parts: &Parts, session: &Session) -> Vec<String> {
    if !parts.workspace.is_empty() {
        return parts.workspace.clone();
    }
    let configured = session.config.list("workspace").into_iter();
    configured
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect()
}

fn linked() -> Failure {
    Failure::usage(
        "a linked tree is installed as a whole",
        "leave out --workspace and --workspaces, or choose another install strategy",
    )
}

fn known(session: &Session) -> Result<Vec<Workspace>, Failure> {
    let file = manifest::read(&session.project)?;
    Ok(workspaces(&session.project, &file.manifest).map_err(ResolveError::from)?)
}

/// A name, a folder, or a folder of folders; each has to mean something.
fn chosen(wanted: &[String], known: &[Workspace], from: &Path) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for wanted in wanted {
        let folder = disk::tidy(&from.join(wanted));
        let meant = known.iter().filter(|workspace| {
            let path = Path::new(&workspace.path);
            workspace.name == *wanted || path == folder || path.parent() == Some(&folder)
        });
        let before = names.len();
        names.extend(meant.map(|workspace| workspace.name.clone()));
        if names.len() == before {
            let known: Vec<&str> = known.iter().map(|workspace| &*workspace.name).collect();
            let hint = match &*known {
                [] => "package.json has no `workspaces`".to_owned(),
                known => format!("they are {}", known.join(", ")),
            };
            return Err(Failure::usage(
                format!("there is no workspace `{wanted}`"),
                &*hint,
            ));
        }
    }
    Ok(names)
}
