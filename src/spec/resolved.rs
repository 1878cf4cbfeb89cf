//! A lock's `resolved` texts, made comparable and carried from one folder to another.

use std::path::Path;

use super::path::relative;
use super::{SpecKind, parse_argument};
use crate::npmrc::Generation;

/// Are local paths in the result absolute, or relative to where it will stand?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    Absolute,
    Relative,
}

/// `resolved`, read in the folder `from`, as it is spelled in the folder `to`.
///
/// Repositories on known hosts become ssh URLs (for npm 12 those with https stay); what cannot be
/// read stays as it is; an empty text is `None`. Source: Arborist's `consistent-resolve.js`.
pub fn consistent_resolve(
    resolved: &str,
    from: &Path,
    to: &Path,
    paths: Paths,
    generation: Generation,
) -> Option<String> {
    if resolved.is_empty() {
        return None;
    }
    let Ok(argument) = parse_argument(resolved, from) else {
        return Some(resolved.to_owned());
    };
    Some(match &argument.spec.kind {
        SpecKind::File { path, .. } | SpecKind::Directory { path, .. } => {
            let path = path.to_string_lossy();
            match paths {
                Paths::Absolute => format!("file:{path}"),
                Paths::Relative => {
                    let path = relative(&to.to_string_lossy(), &path);
                    format!("file:{}", path.replace('\\', "/"))
                }
            }
        }
        SpecKind::Git(git) => match &git.hosted {
            Some(hosted) => hosted.lock_url(generation),
            None => git.save_spec.clone(),
        },
        _ if &*argument.spec.raw == "*" => resolved.to_owned(),
        _ => argument.spec.raw.to_string(),
    })
}
