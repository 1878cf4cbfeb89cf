//! `platforms`: what a lock and its tarballs mean on other platforms.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::install::{InstallError, InstallRequest};
use super::session::Session;
use crate::json::truthy;
use crate::lock::Lock;
use crate::platforms::{self, Aim, FactsByLocation, Report};
use crate::resolve::Omit;

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
    let _ = session;
    let omit = request.install.omit;
    let facts = FactsByLocation::new();
    let report = platforms::report(request.lock, request.aims, &facts, |entry| {
        !is_omitted(entry, omit)
    });
    Ok(PlatformsOutcome {
        report,
        ..PlatformsOutcome::default()
    })
}

fn is_omitted(entry: &Map<String, Value>, omit: Omit) -> bool {
    let is = |member: &str| entry.get(member).is_some_and(truthy);
    (omit.dev && is("dev"))
        || (omit.optional && is("optional"))
        || (omit.peer && is("peer"))
        || (omit.dev && omit.optional && is("devOptional"))
}
