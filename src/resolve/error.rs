//! Why there is no ideal tree, in the user's nouns.

use std::fmt;
use std::sync::Arc;

use miette::Diagnostic;

use super::overrides::OverrideError;
use super::package::NotAString;
use super::prefer::Contradiction;
use super::workspaces::WorkspaceError;
use crate::spec::SpecError;

/// Something could not be fetched. Fatal only if a dependency that is not optional needs it.
#[derive(Debug, Clone)]
pub struct LoadFailure {
    /// npm's code: `E404`, `ETARGET`, `ECONNREFUSED`, …
    pub code: String,
    pub cause: Arc<dyn Diagnostic + Send + Sync>,
}

impl LoadFailure {
    pub fn new(error: impl Diagnostic + Send + Sync + 'static) -> Self {
        let code = error.code().map(|code| code.to_string());
        Self {
            code: match code.unwrap_or_default() {
                code if code == "EIO" && is_missing_file(&error) => "ENOENT".to_owned(),
                code => code,
            },
            cause: Arc::new(error),
        }
    }
}

/// Is there no such file at the bottom of it?
fn is_missing_file(error: &(impl Diagnostic + 'static)) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::NotFound;
        }
        cause = error.source();
    }
    false
}

/// A registry manifest without a version: some proxies make them up.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
#[error("incomplete manifest for {name}, missing version")]
#[diagnostic(
    code(EINCOMPLETEMANIFEST),
    help("the registry's document for the package is damaged: ask another registry")
)]
pub struct IncompleteManifest {
    pub name: String,
}

/// A dependency on a source that `allow-git` and its like close.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "`{spec}` is not allowed: {} of type {kind} are closed by `allow-{kind}`",
    if *only_transitive { "dependencies' dependencies" } else { "dependencies" }
)]
pub struct Disallowed {
    /// `git`, `remote`, `file` or `directory`.
    pub kind: &'static str,
    pub spec: String,
    pub only_transitive: bool,
}

impl Diagnostic for Disallowed {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        Some(Box::new(format!("EALLOW{}", self.kind.to_uppercase())))
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let kind = self.kind;
        Some(Box::new(format!(
            "depend on a registry version, or set `allow-{kind}=root` (or `all`) in .npmrc"
        )))
    }
}

/// Why resolution ended without a tree.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("{0}")]
    PeerConflict(Box<PeerConflict>),
    #[error("{}", failure.cause)]
    Load {
        failure: LoadFailure,
        /// From the project to the package that asked: `a@1 › b@2`.
        chain: Vec<String>,
    },
    #[error("{}{error}", place.as_ref().map_or(String::new(), |place| format!("{place}: ")))]
    Spec {
        error: SpecError,
        /// File and line, where it is the project's own.
        place: Option<String>,
        dependency: String,
        chain: Vec<String>,
    },
    #[error("{error}")]
    NotAString {
        #[source]
        error: NotAString,
        chain: Vec<String>,
    },
    #[error("{error}")]
    Contradiction {
        error: Box<Contradiction>,
        chain: Vec<String>,
    },
    #[error(transparent)]
    Override(#[from] OverrideError),
    #[error(transparent)]
    Workspaces(#[from] WorkspaceError),
    #[error("{0}")]
    Platform(Box<Unsupported>),
    #[error("{message}")]
    DevEngines { code: &'static str, message: String },
    #[error("`{asked}` cannot be updated: updates are asked for by package name alone")]
    UpdateArgument { asked: String, name: Option<String> },
    #[error("no stable tree: packages keep displacing each other ({packages})")]
    Endless { packages: String },
    #[error(
        "`{package}` has {dependencies} dependencies, too many to hold each against all others"
    )]
    TooBroad {
        package: String,
        dependencies: usize,
    },
    #[error(
        "Missing target in lock file: \"{target}\" is referenced by \"{location}\" but does not exist."
    )]
    MissingTarget { target: String, location: String },
    #[error("`{}` in the lock of `{package}` leads out of the package", location)]
    LocationOutside { location: String, package: String },
}

/// Two demands on one package that cannot both hold.
#[derive(Debug, Clone, Default)]
pub struct PeerConflict {
    /// npm's two headings: `unable to resolve dependency tree`, `could not resolve`.
    pub heading: &'static str,
    /// The package whose dependencies were being placed.
    pub resolving: String,
    /// What is there: `react@18.2.0 at node_modules/react`, and who wants it.
    pub found: Vec<String>,
    /// The demand that fails: `peer react@"^16" from a@1.0.0`, and the way to it.
    pub wanted: Vec<String>,
    /// Changes to package.json that would settle it, when some are known.
    pub advice: Vec<String>,
    pub dispute: Dispute,
}

/// Who disagrees about what, for whoever looks for a way out.
#[derive(Debug, Clone, Default)]
pub struct Dispute {
    /// The package that cannot be had in two versions.
    pub name: String,
    /// What is asked for and cannot be met.
    pub spec: String,
    /// Who asks.
    pub from: String,
    /// The version that is there instead.
    pub found: Option<String>,
    /// The project's own dependencies that lead to either side.
    pub directs: Vec<String>,
}

impl fmt::Display for PeerConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        writeln!(f, "  while resolving: {}", self.resolving)?;
        if !self.found.is_empty() {
            writeln!(
                f,
                "  found:           {}",
                self.found.join("\n                   ")
            )?;
        }
        write!(
            f,
            "  not satisfied:   {}",
            self.wanted.join("\n                   ")
        )
    }
}

/// A required package that does not run here.
#[derive(Debug, Clone)]
pub struct Unsupported {
    /// `EBADPLATFORM` or `EBADENGINE`.
    pub code: &'static str,
    pub package: String,
    pub wanted: String,
    pub current: String,
    pub chain: Vec<String>,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.code == "EBADENGINE" {
            "engine"
        } else {
            "platform"
        };
        let Self {
            package,
            wanted,
            current,
            ..
        } = self;
        write!(
            f,
            "Unsupported {what} for {package}: wanted {wanted} (current: {current})"
        )
    }
}

impl ResolveError {
    /// npm's code, where npm has one.
    pub fn code(&self) -> String {
        let of = |error: &dyn Diagnostic| error.code().map(|code| code.to_string());
        match self {
            Self::PeerConflict(_) | Self::Endless { .. } | Self::TooBroad { .. } => {
                "ERESOLVE".to_owned()
            }
            Self::Load { failure, .. } => failure.code.clone(),
            Self::Spec { error, .. } => of(error).unwrap_or_default(),
            Self::NotAString { .. } => String::new(),
            Self::Contradiction { error, .. } => of(&**error).unwrap_or_default(),
            Self::Override(error) => of(error).unwrap_or_default(),
            Self::Workspaces(error) => of(error).unwrap_or_default(),
            Self::Platform(unsupported) => unsupported.code.to_owned(),
            Self::DevEngines { code, .. } => (*code).to_owned(),
            Self::UpdateArgument { .. } => "EUPDATEARGS".to_owned(),
            Self::MissingTarget { .. } => "EMISSINGTARGET".to_owned(),
            Self::LocationOutside { .. } => "EINVALIDLOCATION".to_owned(),
        }
    }

    /// The packages that led here, from the project down.
    pub fn chain(&self) -> &[String] {
        match self {
            Self::Load { chain, .. }
            | Self::Spec { chain, .. }
            | Self::NotAString { chain, .. }
            | Self::Contradiction { chain, .. } => chain,
            Self::Platform(unsupported) => &unsupported.chain,
            _ => &[],
        }
    }

    /// What to do next.
    pub fn hints(&self) -> Vec<String> {
        let of = |error: &dyn Diagnostic| error.help().map(|help| help.to_string());
        let one = |hint: Option<String>| hint.into_iter().collect();
        match self {
            Self::PeerConflict(conflict) => conflict.advice.clone(),
            Self::Load { failure, .. } => one(of(&*failure.cause)),
            Self::Spec { error, .. } => one(of(error)),
            Self::NotAString { error, .. } => one(of(error)),
            Self::Contradiction { error, .. } => one(of(&**error)),
            Self::Override(error) => one(of(error)),
            Self::Workspaces(error) => one(of(error)),
            Self::Platform(_) => vec![
                "make it an optional dependency, or run with --force to lock it all the same".to_owned(),
            ],
            Self::DevEngines { .. } => vec![
                "work with what `devEngines` in package.json names, or pass --force".to_owned(),
            ],
            Self::Endless { .. } => vec![
                "npm never ends on such a tree: pin one of the packages with `overrides`, or use --legacy-peer-deps".to_owned(),
            ],
            Self::TooBroad { .. } => vec![
                "npm's work grows with the square of their number, too: give them to workspaces, some hundreds each".to_owned(),
            ],
            Self::UpdateArgument { name: Some(name), .. } => {
                vec![format!("run `heatseal shrinkwrap --update {name}`; which version it may be is up to package.json")]
            }
            Self::UpdateArgument { name: None, .. } => Vec::new(),
            Self::MissingTarget { .. } => vec![
                "remove the lock and run `heatseal shrinkwrap` to make a new one".to_owned(),
            ],
            Self::LocationOutside { .. } => vec![
                "the package's own shrinkwrap is hostile or damaged: tell its author, or choose another version".to_owned(),
            ],
        }
    }
}
