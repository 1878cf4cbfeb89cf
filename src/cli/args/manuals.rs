//! What may be typed after `completions` and `man`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::path::PathBuf;

use clap::Args;

/// Print a shell's completions
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal completions bash > ~/.local/share/bash-completion/completions/heatseal
  heatseal completions zsh > ~/.zfunc/_heatseal
  heatseal completions fish > ~/.config/fish/completions/heatseal.fish")]
pub struct Completions {
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Print the manual page, or write those of all verbs into a folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal man | man -l -
  heatseal man /usr/local/share/man/man1")]
pub struct Man {
    /// Where to write heatseal.1, heatseal-ci.1 and so on; made if it is not there
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}
