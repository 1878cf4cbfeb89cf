//! Why `node_modules` could not be made.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::name::PackageId;
use crate::store::StoreError;

/// Why `node_modules` could not be made. The former tree is in its place.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LinkError {
    #[error("cannot {action} `{}`", path.display())]
    #[diagnostic(
        code(EIO),
        help("check space and permission; the former node_modules is unchanged")
    )]
    Disk {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` cannot be moved aside: it, or something in it, lies on another file system or on a lower layer of an image", path.display())]
    #[diagnostic(
        code(EXDEV),
        help("unmount or remove it, and try again; nothing was changed")
    )]
    Device {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` cannot be moved aside: it is a mount point or in use", path.display())]
    #[diagnostic(
        code(EBUSY),
        help("unmount it, or end what uses it, and try again; nothing was changed")
    )]
    Busy {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{location}` is no place for a package: {why}")]
    #[diagnostic(
        code(EINVALIDLOCATION),
        help("the lock was edited or damaged; make it anew with `heatseal shrinkwrap`")
    )]
    Location { location: String, why: &'static str },
    #[error("`{}` is a link to `{}`", path.display(), target.display())]
    #[diagnostic(
        code(ELINKED),
        help(
            "nothing is installed through a link or in its place: remove it, or install where it leads"
        )
    )]
    Linked { path: PathBuf, target: PathBuf },
    #[error("`{package}` declares the bin {name:?} -> {target:?}: {why}")]
    #[diagnostic(
        code(EINVALIDBIN),
        help("a bin is one plain name that points to a file of its package")
    )]
    Bin {
        package: String,
        name: String,
        target: String,
        why: &'static str,
    },
    #[error("`{location}` should come with the package around it, but is not in its tarball")]
    #[diagnostic(
        code(EMISSINGBUNDLE),
        help("the lock says inBundle; make it anew with `heatseal shrinkwrap`")
    )]
    NotBundled { location: String },
    #[error("`{path}` of `{package}` was {what} after the install scripts of {}", ran.join(", "))]
    #[diagnostic(
        code(EINTEGRITY),
        help(
            "the script of a package may write into its own folder only: report it to its maintainers, and forbid it in package.json: \"heatseal\": {{\"allowScripts\": {{\"NAME\": false}}}}"
        )
    )]
    Neighbour {
        package: PackageId,
        path: String,
        what: &'static str,
        ran: Vec<String>,
    },
    #[error("the tarball of `{0}` was not delivered")]
    #[diagnostic(code(ENETWORK), help("try again"))]
    Undelivered(PackageId),
    #[error("`{0}` changed in the store while it was read")]
    #[diagnostic(
        code(EINTEGRITY),
        help("try again; `heatseal store verify` looks at every file")
    )]
    Unstable(PackageId),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
}

impl LinkError {
    /// A former or new tree that a rename did not move.
    pub(super) fn not_moved(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::CrossesDevices => Self::Device { path, source },
            io::ErrorKind::ResourceBusy => Self::Busy { path, source },
            _ => Self::at("put the new tree at", path)(source),
        }
    }

    pub(super) fn at<E: Into<io::Error>>(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Disk {
            action,
            path,
            source: source.into(),
        }
    }
}

/// What went wrong behind the [`super::Fetch`] door, in that room's own words, code and help.
#[derive(Debug)]
pub struct FetchError {
    /// Whose tarball it was to be.
    id: PackageId,
    cause: Box<dyn Diagnostic + Send + Sync>,
}

impl FetchError {
    pub fn new(id: &PackageId, error: impl Diagnostic + Send + Sync + 'static) -> Self {
        Self {
            id: id.clone(),
            cause: Box::new(error),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = self.cause.to_string();
        if !cause.contains(&*self.id.name) {
            write!(f, "cannot fetch `{}`: ", self.id)?;
        }
        f.write_str(&cause)
    }
}

impl std::error::Error for FetchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl Diagnostic for FetchError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.cause.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.cause.help()
    }
}
