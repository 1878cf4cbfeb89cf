//! Why a tarball does not enter the store, or a store cannot be used.

use std::io;
use std::path::PathBuf;

use crate::integrity::Integrity;
use crate::manifest::Difference;
use crate::name::PackageId;

use super::path::is_unseen;

/// Why a tarball did not enter the store.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    #[error("`{id}` arrived as {got}, but {want} is promised")]
    #[diagnostic(
        code(EINTEGRITY),
        help("somebody changed the bytes; if you trust them, run `heatseal shrinkwrap --update {}`", id.name)
    )]
    Integrity {
        id: PackageId,
        got: Box<Integrity>,
        want: Box<Integrity>,
        /// How its files differ from what is known of the package, if anything is.
        comparison: Option<Box<str>>,
    },
    #[error("the tarball of `{id}` is an impostor: its package.json says {found}")]
    #[diagnostic(
        code(EINTEGRITY),
        help("the lock or the registry serves another package under this name; do not install it")
    )]
    Impostor { id: PackageId, found: String },
    #[error("the tarball of `{id}` is refused: {flaw}")]
    #[diagnostic(
        code(TAR_BAD_ARCHIVE),
        help("report it to the maintainers of `{}`; nothing was installed", id.name)
    )]
    Refused { id: PackageId, flaw: Flaw },
    #[error("cannot {action} `{}` in the store", path.display())]
    #[diagnostic(code(EIO), help("check space and permission of the store"))]
    Disk {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the store `{}` cannot be written", .0.display())]
    #[diagnostic(
        code(EROFS),
        help("give a writable folder with `--store-dir`, or fill the store before")
    )]
    ReadOnly(PathBuf, #[source] io::Error),
    #[error("the tarball of `{id}` and its entry in the lock disagree: {difference} in the lock")]
    #[diagnostic(
        code(EMANIFEST),
        help("one of them was tampered with; if you trust both, say `--accept-manifest {id}`")
    )]
    Disagrees {
        id: PackageId,
        difference: Box<Difference>,
    },
    #[error("the packages of this install unpack to more than {limit} bytes, `{id}` included")]
    #[diagnostic(code(EFBIG), help("if they are honest, raise --max-install-size"))]
    InstallTooLarge { id: PackageId, limit: u64 },
    #[error("the store `{}` can be changed by others: {why}", path.display())]
    #[diagnostic(
        code(EPERM),
        help("`chmod go-w` it, or give a folder of your own with `--store-dir`")
    )]
    NotPrivate { path: PathBuf, why: &'static str },
    #[error("`{}` in the store is a link: what it leads to is not heatseal's to sweep", .0.display())]
    #[diagnostic(
        code(EPERM),
        help("remove the link, or have the whole store elsewhere with `--store-dir`")
    )]
    Linked(PathBuf),
}

impl StoreError {
    pub(super) fn at(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly(path, source)
            }
            _ => Self::Disk {
                action,
                path,
                source,
            },
        }
    }

    /// Would the same bytes be refused again, so that another download is no help?
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Integrity { .. })
    }
}

/// The entry that broke a rule, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Flaw {
    /// Escaped and shortened; empty when the archive as a whole is at fault.
    pub entry: String,
    pub rule: Rule,
}

impl std::fmt::Display for Flaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.entry.is_empty() {
            write!(f, "{}", self.rule)
        } else {
            write!(f, "entry \"{}\": {}", self.entry, self.rule)
        }
    }
}

impl Flaw {
    pub(super) fn new(entry: &[u8], rule: Rule) -> Self {
        Self {
            entry: printable(entry),
            rule,
        }
    }

    /// A package.json that breaks a rule.
    pub(super) fn manifest(rule: Rule) -> Self {
        Self {
            entry: "package.json".to_owned(),
            rule,
        }
    }

    pub(super) fn whole(rule: Rule) -> Self {
        Self {
            entry: String::new(),
            rule,
        }
    }
}

/// Foreign bytes for a message: escaped, at most about 72 bytes.
pub(super) fn printable(bytes: &[u8]) -> String {
    const MOST: usize = 72;
    let text = String::from_utf8_lossy(bytes.get(..4 * MOST).unwrap_or(bytes));
    let mut shown = String::new();
    for c in text.chars() {
        if shown.len() >= MOST {
            shown.push('…');
            break;
        }
        if c.is_control() || c == '\u{fffd}' || is_unseen(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The rules an archive must keep (threats.md 1.1, 1.2, 1.13).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    #[error("its path climbs with `..`")]
    Climbs,
    #[error("its path is absolute")]
    Absolute,
    #[error("its path has an empty part")]
    EmptyPart,
    #[error("its path has a backslash")]
    Backslash,
    #[error("its name is not safe on every system: {0}")]
    NotPortable(&'static str),
    #[error("its name has a control character")]
    Control,
    #[error("its name is not UTF-8")]
    NotUtf8,
    #[error("a part of its path is longer than 255 bytes")]
    LongName,
    #[error("its path is longer than 4096 bytes")]
    LongPath,
    #[error("it lies deeper than 1024 folders")]
    Deep,
    #[error("a file and a folder have the same name")]
    FileAndFolder,
    #[error("it differs from \"{0}\" only in case or Unicode form")]
    Twins(String),
    #[error("the same path comes twice with different content")]
    Twice,
    #[error("a link leaves the package")]
    LinkLeaves,
    #[error("its path runs through a link of the archive")]
    ThroughLink,
    #[error("hard links are not allowed")]
    HardLink,
    #[error("entries of type `{0}` are not allowed")]
    Kind(String),
    #[error("it lies in no folder")]
    NoRoot,
    #[error("the archive has more than one first folder")]
    SeveralRoots,
    #[error("a folder has content")]
    FolderWithBody,
    #[error("its header and its extended header give different sizes")]
    SizesDiffer,
    #[error("extended headers for one entry are mixed or repeated")]
    MixedMetadata,
    #[error("its extended header is malformed")]
    BadMetadata,
    #[error("its extended header has the key \"{0}\" twice")]
    RepeatedKey(String),
    #[error("the extended header key \"{0}\" is not allowed here")]
    UnknownKey(String),
    #[error("its header has a wrong checksum")]
    Checksum,
    #[error("its path has a prefix that readers of other tar formats do not see")]
    Prefix,
    #[error("it has a link's target, but is no link")]
    NoLink,
    #[error("a field of its header is not a number")]
    BadField,
    #[error("its size is not a number that tar allows")]
    BadSize,
    #[error("an extended header belongs to no entry")]
    Dangling,
    #[error("the archive ends in the middle of an entry")]
    Truncated,
    #[error("there is data after the end of the archive")]
    TrailingData,
    #[error("it is not gzip but {0}")]
    NotGzip(&'static str),
    #[error("the gzip data is damaged")]
    BadGzip,
    #[error("the gzip data unpacks to more or less than it says")]
    WrongLength,
    #[error("there is data after the end of the gzip member")]
    AfterGzip,
    #[error("it unpacks to more than {0} bytes; raise --max-unpacked-size if it is honest")]
    TooLarge(u64),
    #[error("it has more than {0} entries; raise --max-entries if it is honest")]
    TooMany(usize),
    #[error("its entries lie in more than {0} folders; raise --max-entries if it is honest")]
    TooManyFolders(usize),
    #[error("its paths have more than {0} bytes together; raise --max-entries if it is honest")]
    LongPaths(usize),
    #[error("it has an extended header of more than {0} bytes")]
    MetadataTooLarge(u64),
    #[error("it has no package.json")]
    NoManifest,
    #[error("it is not a JSON object")]
    BadManifest,
    #[error("it has more than {0} bytes; raise --max-manifest-size if it is honest")]
    ManifestTooLarge(u64),
    #[error("it has the member \"{0}\" twice in one object")]
    RepeatedMember(String),
    #[error("more than {0} objects and lists lie inside each other")]
    DeepManifest(u32),
    #[error("its bin \"{0}\" is not a plain name for a file of the package")]
    BadBin(String),
}
