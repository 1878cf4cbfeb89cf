//! `heatseal completions` and `heatseal man`: what shells and `man` want to know of the command line.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use super::args::Cli;
use super::args::{Completions, Man};
use super::errors::{Failure, exit};
use super::{Context, shown_path};
use crate::disk::{self, DiskError};

pub fn completions(args: &Completions, context: &Context) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "heatseal", &mut script);
    context.print(&String::from_utf8_lossy(&script));
    exit::OK
}

/// The page of the program; with a folder, those of all verbs into it.
pub fn man(args: &Man, context: &Context) -> Result<u8, Failure> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let Some(folder) = &args.folder else {
        context.print(&page(&program)?);
        return Ok(exit::OK);
    };
    fs::create_dir_all(folder).map_err(DiskError::at("make", folder))?;
    let count = write_pages(&program, "heatseal", folder)?;
    let shown = shown_path(folder);
    context
        .renderer
        .say(&format!("{count} pages written into {shown}"));
    Ok(exit::OK)
}

fn page(command: &Command) -> Result<String, Failure> {
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut text);
    rendered.map_err(DiskError::at("render", Path::new("the page")))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// `heatseal.1`, `heatseal-ci.1`, …: as many as there are visible verbs.
fn write_pages(command: &Command, name: &str, folder: &Path) -> Result<usize, Failure> {
    let named = command.clone().display_name(name.to_owned());
    let path = folder.join(format!("{name}.1"));
    disk::write_atomically(&path, page(&named)?.as_bytes())?;
    let mut count = 1;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        count += write_pages(verb, &format!("{name}-{}", verb.get_name()), folder)?;
    }
    Ok(count)
}
