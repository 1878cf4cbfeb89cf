//! Tells git to merge locks and manifests with heatseal, and takes that back.

use std::path::{Path, PathBuf};

use super::git;
use crate::disk::{self, DiskError};
use crate::lock;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// The attributes file.
    pub attributes: PathBuf,
    /// Lines added to it or removed from it.
    pub lines: Vec<String>,
    /// Settings of git that were made or removed.
    pub settings: Vec<String>,
}

impl Setup {
    pub fn changed(&self) -> bool {
        !(self.lines.is_empty() && self.settings.is_empty())
    }
}

/// Why git cannot be set up.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SetupError {
    #[error("this is no folder of a git repository, or git is not there")]
    #[diagnostic(
        code(ENOREPOSITORY),
        help("run it inside of a repository, or with --global")
    )]
    NoRepository,
    #[error("git refused to write the setting {0}")]
    #[diagnostic(
        code(EGITCONFIG),
        help("see whether git's configuration can be written")
    )]
    Setting(String),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Disk(#[from] DiskError),
}

const SECTION: &str = "merge.heatseal";

/// Makes the settings and attributes that are not there yet.
///
/// `program` is how git shall call heatseal. For one repository the attributes go into its
/// `.gitattributes`, to be committed; with `global` into the user's own attributes file.
pub fn install(program: &str, global: bool) -> Result<Setup, SetupError> {
    let mut setup = Setup {
        attributes: attributes_file(global)?,
        ..Setup::default()
    };
    let driver = format!("{program} merge %O %A %B %P --labels %S %X %Y");
    let settings = [
        ("name", "heatseal: locks and manifests of npm"),
        ("driver", driver.as_str()),
        // Ancestors of a criss-cross merge are made up by git: it may take either side of a lock.
        ("recursive", "binary"),
    ];
    for (key, value) in settings {
        let key = format!("{SECTION}.{key}");
        if git::ask_line(&["config", scope(global), "--get", &key]).as_deref() == Some(value) {
            continue;
        }
        git::ask(&["config", scope(global), &key, value])
            .ok_or_else(|| SetupError::Setting(key.clone()))?;
        setup.settings.push(format!("{key} = {value}"));
    }
    let text = read(&setup.attributes)?;
    let missing = |line: &String| !text.lines().any(|there| there.trim() == line);
    setup.lines = attribute_lines().into_iter().filter(missing).collect();
    if !setup.lines.is_empty() {
        let mut text = text;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for line in &setup.lines {
            text.push_str(line);
            text.push('\n');
        }
        write(&setup.attributes, &text)?;
    }
    Ok(setup)
}

/// Removes what [`install`] made, and nothing else.
pub fn uninstall(global: bool) -> Result<Setup, SetupError> {
    let mut setup = Setup {
        attributes: attributes_file(global)?,
        ..Setup::default()
    };
    for key in ["name", "driver", "recursive"] {
        let key = format!("{SECTION}.{key}");
        if git::ask(&["config", scope(global), "--unset-all", &key]).is_some() {
            setup.settings.push(key);
        }
    }
    // Git leaves the section's head; if others are below it, this does nothing.
    let others = format!("^{}\\.", SECTION.replace('.', "\\."));
    if git::ask(&["config", scope(global), "--get-regexp", &others]).is_none() {
        let _ = git::ask(&["config", scope(global), "--remove-section", SECTION]);
    }
    let text = read(&setup.attributes)?;
    let ours = attribute_lines();
    let is_ours = |line: &str| ours.iter().any(|our| our == line.trim());
    let (gone, kept): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| is_ours(line));
    if !gone.is_empty() {
        setup.lines = gone.into_iter().map(str::to_owned).collect();
        if kept.is_empty() {
            std::fs::remove_file(&setup.attributes)
                .map_err(DiskError::at("remove", &setup.attributes))?;
        } else {
            write(&setup.attributes, &format!("{}\n", kept.join("\n")))?;
        }
    }
    Ok(setup)
}

fn attribute_lines() -> Vec<String> {
    let names = lock::FILE_NAMES.into_iter().chain(["package.json"]);
    names.map(|name| format!("{name} merge=heatseal")).collect()
}

fn scope(global: bool) -> &'static str {
    if global { "--global" } else { "--local" }
}

/// The repository's `.gitattributes`, or the file in which git looks for the user's.
fn attributes_file(global: bool) -> Result<PathBuf, SetupError> {
    if !global {
        let repository = git::ask_line(&["rev-parse", "--show-toplevel"]);
        let repository = repository.ok_or(SetupError::NoRepository)?;
        return Ok(Path::new(&repository).join(".gitattributes"));
    }
    let configured = git::ask_line(&[
        "config",
        "--global",
        "--type=path",
        "--get",
        "core.attributesFile",
    ]);
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let config = || {
        let config = set("XDG_CONFIG_HOME").map(PathBuf::from);
        config.or_else(|| Some(Path::new(&set("HOME")?).join(".config")))
    };
    let file = configured.map(PathBuf::from);
    file.or_else(|| Some(config()?.join("git/attributes")))
        .ok_or(SetupError::NoRepository)
}

fn read(path: &Path) -> Result<String, DiskError> {
    let bytes = disk::read_if_there(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(path: &Path, text: &str) -> Result<(), DiskError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(DiskError::at("create", folder))?;
    }
    disk::write_atomically(path, text.as_bytes())
}
