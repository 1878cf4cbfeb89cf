//! What others keep in a `node_modules` that we share with them.
//!
//! The folder of a `file:` dependency is its author's, who may have installed something there. npm
//! puts packages beside that and leaves the rest alone; since our tree takes the place of the former
//! one as a whole, what it lacks is brought along.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::LinkError;
use super::plan::Plan;
use super::swap::Staging;

/// Brings along what lies in the shared `node_modules` of a project and has no place in the new one.
pub(super) fn bring_along(plan: &Plan<'_>, staging: &Staging) -> Result<(), LinkError> {
    let shared = plan
        .homes
        .iter()
        .enumerate()
        .filter(|(_, home)| home.shared);
    for (at, home) in shared {
        let Some(staged) = staging.staged(at) else {
            continue;
        };
        let former = staging.project().join(&home.folder).join("node_modules");
        bring(&former, staged).map_err(LinkError::at("read", &former))?;
    }
    Ok(())
}

/// A package for a package; scopes and `.bin` are looked into.
fn bring(former: &Path, staged: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(former) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let to = staged.join(&name);
        let is_shelf = name == ".bin" || name.as_encoded_bytes().starts_with(b"@");
        match fs::symlink_metadata(&to) {
            Ok(there) if is_shelf && there.is_dir() && kind.is_dir() => bring(&entry.path(), &to)?,
            Ok(_) => {}
            Err(_) => double(&entry.path(), kind, &to)?,
        }
    }
    Ok(())
}

/// The same at another path: files by hard links where that can be. What is neither file, folder nor
/// link is left behind.
fn double(from: &Path, kind: FileType, to: &Path) -> io::Result<()> {
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)
    } else if kind.is_file() {
        fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
    } else if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            double(
                &entry.path(),
                entry.file_type()?,
                &to.join(entry.file_name()),
            )?;
        }
        fs::set_permissions(to, fs::metadata(from)?.permissions())
    } else {
        Ok(())
    }
}
