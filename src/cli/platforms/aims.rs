//! Which targets are meant: those typed, else package.json's, else the usual ones.

use serde_json::Value;

use super::super::args::{self, Aimed};
use super::super::errors::Failure;
use super::super::paint::one_line;
use crate::manifest::Manifest;
use crate::ops::Session;
use crate::platforms::{Aim, default_targets};
use crate::target::Target;

/// What `host` is called where its own text stands beside it.
pub const HOST: &str = "host";

/// The targets of a run, each once.
pub fn of(typed: &[Aimed], session: &Session) -> Result<Vec<Aim>, Failure> {
    if typed.is_empty() {
        let manifest = crate::manifest::read(&session.project).ok();
        let manifest = manifest.map(|file| file.manifest);
        return configured(manifest.as_ref(), &session.host);
    }
    Ok(aims(typed.iter().cloned(), &session.host))
}

/// `heatseal.targets` of package.json, else the host and the platforms that most services and their
/// developers use.
pub fn configured(manifest: Option<&Manifest>, host: &Target) -> Result<Vec<Aim>, Failure> {
    let own = manifest.and_then(|manifest| manifest.object("heatseal")?.get("targets"));
    let Some(own) = own else {
        let usual = default_targets(host).into_iter().enumerate();
        let usual = usual.map(|(place, target)| match place {
            0 => Aimed::Host,
            _ => Aimed::Named(target.to_string(), target),
        });
        return Ok(aims(usual, host));
    };
    let wrong = |what: &str, why: &str| {
        Failure::usage(
            format!("heatseal.targets of package.json: {what} {why}"),
            "write a list such as [\"host\", \"linux-x64-musl\", \"node:22-alpine\"]",
        )
    };
    let Value::Array(list) = own else {
        return Err(wrong("it", "is no list"));
    };
    let mut typed = Vec::new();
    for entry in list {
        let Some(text) = entry.as_str() else {
            return Err(wrong(&one_line(&entry.to_string()), "is no text"));
        };
        let shown = format!("`{}`:", one_line(text));
        typed.push(args::aim(text).map_err(|reason| wrong(&shown, &reason))?);
    }
    if typed.is_empty() {
        return Err(wrong("it", "is empty"));
    }
    Ok(aims(typed, host))
}

fn aims(typed: impl IntoIterator<Item = Aimed>, host: &Target) -> Vec<Aim> {
    let mut aims: Vec<Aim> = Vec::new();
    for one in typed {
        let aim = match one {
            Aimed::Host => Aim {
                label: HOST.to_owned(),
                target: host.clone(),
            },
            Aimed::Named(label, target) => Aim { label, target },
        };
        if !aims.iter().any(|known| known.label == aim.label) {
            aims.push(aim);
        }
    }
    aims
}
