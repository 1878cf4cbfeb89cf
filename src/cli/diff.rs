//! `heatseal diff`: what differs between two environments.

use super::Context;
use super::args::{Diff, Format, Kind};
use super::errors::{Failure, exit};
use super::{paint, tables};
use crate::diff::{Environment, Omit, Options, environments, json};

impl Diff {
    pub fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

pub fn run(args: &Diff, context: &Context) -> Result<u8, Failure> {
    let before = Environment::read(&args.before)?;
    let after = Environment::read(&args.after)?;
    let options = Options {
        direct: args.direct,
        omit: Omit {
            dev: args.omit.contains(&Kind::Dev),
            optional: args.omit.contains(&Kind::Optional),
            peer: args.omit.contains(&Kind::Peer),
        },
    };
    let diff = environments(&before, &after, options);
    if args.is_json() {
        context.print_json(&json::document(&diff, &before, &after));
    } else {
        context.print(&tables::changes(&diff, context.paint));
        let same = paint::packages(diff.unchanged);
        context.renderer.say(&match diff.changes.len() {
            0 => format!("no differences in {same}"),
            differ => format!("{} differ, {same} the same", paint::packages(differ)),
        });
    }
    Ok(if diff.changes.is_empty() {
        exit::OK
    } else {
        exit::NO
    })
}
