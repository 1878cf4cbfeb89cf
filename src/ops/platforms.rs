//! `platforms`: what a lock and its tarballs mean on other platforms.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::inspect::{self, InspectRequest, Inspection};
use super::install::{InstallError, InstallRequest};
use super::session::Session;
use crate::json::truthy;
use crate::lock::Lock;
use crate::platforms::{self, Aim, Report};
use crate::resolve::Omit;
use crate::target::Target;

/// What is asked.
#[derive(Debug)]
pub struct PlatformsRequest<'a> {
    pub lock: &'a Lock,
    pub aims: Vec<Aim>,
    /// Open the tarballs; else the lock alone answers.
    pub opens: bool,
    /// Says what is left out, and how to fetch.
    pub install: &'a InstallRequest,
}

#[derive(Debug, Default)]
pub struct PlatformsOutcome {
    pub report: Report,
    /// Locations that could not be opened, and why.
    pub unopened: BTreeMap<String, String>,
    /// Packages opened in this run; all others were known.
    pub opened: usize,
    /// Of these, fetched.
    pub fetched: usize,
}

/// Judges every package of a lock that is bound to a platform on every target.
pub fn platforms(
    session: &Session,
    request: PlatformsRequest<'_>,
) -> Result<PlatformsOutcome, InstallError> {
    let PlatformsRequest {
        lock,
        aims,
        opens,
        install,
    } = request;
    let found = if opens {
        let targets: Vec<Target> = aims.iter().map(|aim| aim.target.clone()).collect();
        let request = InspectRequest {
            lock,
            targets: &targets,
            install,
        };
        inspect::facts(session, request)?
    } else {
        Inspection::default()
    };
    let keeps = |entry: &Map<String, Value>| !is_omitted(entry, install.omit);
    Ok(PlatformsOutcome {
        report: platforms::report(lock, aims, &found.facts, keeps),
        unopened: found.unopened,
        opened: found.opened,
        fetched: found.fetched,
    })
}

fn is_omitted(entry: &Map<String, Value>, omit: Omit) -> bool {
    let is = |member: &str| entry.get(member).is_some_and(truthy);
    (omit.dev && is("dev"))
        || (omit.optional && is("optional"))
        || (omit.peer && is("peer"))
        || (omit.dev && omit.optional && is("devOptional"))
}
