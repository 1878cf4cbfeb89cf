//! The rules: their words, how bad it is to break them, and what to do about it.

/// How bad a finding is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A frozen install refuses it, or should.
    Error,
    /// It works, and somebody should look at it.
    Warning,
    /// It could be better.
    Note,
}

impl Severity {
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    /// The word on the command line and in JSON; SARIF has the same ones.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

/// What a lock should be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    Structure,
    UnknownHost,
    UnaskedSource,
    Credentials,
    MissingIntegrity,
    WeakIntegrity,
    MalformedIntegrity,
    Unpinned,
    NameAndUrl,
    SharedIntegrity,
    OtherIntegrity,
    TarballIdentity,
    TarballManifest,
    OutOfSync,
    Unsatisfied,
    IncompleteFamily,
    MissingOptional,
    Unneeded,
    UnaskedLink,
    UnaskedName,
    FalseFlag,
    InsecureUrl,
    PeerConflict,
    MissingFlag,
    ForeignShrinkwrap,
    Deprecated,
    Duplicate,
    Extraneous,
    OldVersion,
}

/// Everything a rule says of itself.
struct Row {
    rule: Rule,
    word: &'static str,
    severity: Severity,
    /// What is wrong where it is broken.
    about: &'static str,
    /// What to do.
    advice: &'static str,
}

const fn row(
    rule: Rule,
    word: &'static str,
    severity: Severity,
    about: &'static str,
    advice: &'static str,
) -> Row {
    Row {
        rule,
        word,
        severity,
        about,
        advice,
    }
}

const BY_FIX: &str = "run `heatseal lint --fix`";
const TAMPERED: &str =
    "somebody may have tampered with the lock: compare it with its last good revision";

const ROWS: [Row; 29] = [
    row(
        Rule::Structure,
        "structure",
        Severity::Error,
        "readers understand the lock differently, or not at all",
        "restore the file, or run `heatseal shrinkwrap` to write it anew",
    ),
    row(
        Rule::UnknownHost,
        "unknown-host",
        Severity::Error,
        "the tarball comes from a host that no registry setting and no dependent names",
        "configure a registry there in .npmrc, or say `allow-host` there",
    ),
    row(
        Rule::UnaskedSource,
        "unasked-source",
        Severity::Error,
        "the package comes from where no dependent asks to have it from",
        TAMPERED,
    ),
    row(
        Rule::Credentials,
        "credentials",
        Severity::Error,
        "the address has a user, a password or a token in it",
        "revoke it, and put credentials into .npmrc",
    ),
    row(
        Rule::MissingIntegrity,
        "missing-integrity",
        Severity::Error,
        "nothing proves what the tarball holds",
        BY_FIX,
    ),
    row(
        Rule::WeakIntegrity,
        "weak-integrity",
        Severity::Error,
        "the hash is weaker than sha512",
        BY_FIX,
    ),
    row(
        Rule::MalformedIntegrity,
        "malformed-integrity",
        Severity::Error,
        "the integrity is no hash that npm understands",
        BY_FIX,
    ),
    row(
        Rule::Unpinned,
        "unpinned",
        Severity::Error,
        "the repository is not pinned to a commit",
        "run `heatseal shrinkwrap --update NAME`",
    ),
    row(
        Rule::NameAndUrl,
        "name-and-url",
        Severity::Error,
        "the address is another package's or another version's",
        TAMPERED,
    ),
    row(
        Rule::SharedIntegrity,
        "shared-integrity",
        Severity::Error,
        "different packages have the same hash",
        TAMPERED,
    ),
    row(
        Rule::OtherIntegrity,
        "other-integrity",
        Severity::Error,
        "the same version has different hashes",
        TAMPERED,
    ),
    row(
        Rule::TarballIdentity,
        "tarball-identity",
        Severity::Error,
        "the tarball holds another package or version than the entry says",
        TAMPERED,
    ),
    row(
        Rule::TarballManifest,
        "tarball-manifest",
        Severity::Error,
        "the entry does not say what the package.json in the tarball says",
        "run `heatseal shrinkwrap --update NAME`, or accept it with `accept-manifest` in .npmrc",
    ),
    row(
        Rule::OutOfSync,
        "out-of-sync",
        Severity::Error,
        "the lock does not give what package.json asks for",
        "run `heatseal shrinkwrap`",
    ),
    row(
        Rule::Unsatisfied,
        "unsatisfied",
        Severity::Error,
        "a package does not get what it asks for",
        "run `heatseal shrinkwrap`",
    ),
    row(
        Rule::IncompleteFamily,
        "incomplete-family",
        Severity::Error,
        "binaries for some platforms are not in the lock",
        "run `heatseal shrinkwrap --update NAME`",
    ),
    row(
        Rule::MissingOptional,
        "missing-optional",
        Severity::Error,
        "an optional dependency is not in the lock, and nothing says why",
        "run `heatseal shrinkwrap --update NAME`",
    ),
    row(
        Rule::Unneeded,
        "unneeded",
        Severity::Error,
        "nothing requires the entry",
        BY_FIX,
    ),
    row(
        Rule::UnaskedLink,
        "unasked-link",
        Severity::Error,
        "the entry is a link to a folder, and nothing asks for one",
        TAMPERED,
    ),
    row(
        Rule::UnaskedName,
        "unasked-name",
        Severity::Error,
        "the package has another name than those ask for who get it",
        TAMPERED,
    ),
    row(
        Rule::FalseFlag,
        "false-flag",
        Severity::Error,
        "a flag lets the entry be left out where it is needed",
        BY_FIX,
    ),
    row(
        Rule::InsecureUrl,
        "insecure-url",
        Severity::Warning,
        "the package is fetched without encryption",
        BY_FIX,
    ),
    row(
        Rule::PeerConflict,
        "peer-conflict",
        Severity::Warning,
        "a peer dependency is not met",
        "let the packages that ask agree, or say in `overrides` which one wins",
    ),
    row(
        Rule::MissingFlag,
        "missing-flag",
        Severity::Warning,
        "the entry is installed also where nothing needs it",
        BY_FIX,
    ),
    row(
        Rule::ForeignShrinkwrap,
        "foreign-shrinkwrap",
        Severity::Warning,
        "the package brings a lock of its own, which decides what is below it",
        "ask its author not to publish one; updates and overrides do not reach below it",
    ),
    row(
        Rule::Deprecated,
        "deprecated",
        Severity::Warning,
        "its author deprecated the version",
        "see with `heatseal why NAME` who brings it",
    ),
    row(
        Rule::Duplicate,
        "duplicate",
        Severity::Note,
        "two versions could be one",
        "run `heatseal shrinkwrap --prefer-dedupe --update NAME`",
    ),
    row(
        Rule::Extraneous,
        "extraneous",
        Severity::Note,
        "the entry is never installed",
        BY_FIX,
    ),
    row(
        Rule::OldVersion,
        "old-version",
        Severity::Note,
        "the lock does not say all that npm 7 and later need",
        "run `heatseal shrinkwrap --lockfile-version 3`",
    ),
];

impl Rule {
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.rule)
    }

    /// The word on the command line, in JSON and SARIF.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    pub fn parse(word: &str) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.word == word)?;
        Some(row.rule)
    }

    pub fn severity(self) -> Severity {
        self.row().severity
    }

    /// What is wrong where it is broken.
    pub fn about(self) -> &'static str {
        self.row().about
    }

    /// What to do.
    pub fn advice(self) -> &'static str {
        self.row().advice
    }

    /// Can it be put right without moving a version?
    pub fn is_repairable(self) -> bool {
        self.advice() == BY_FIX
    }

    fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_row_and_word() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(row.rule as usize, place, "{}", row.word);
            assert_eq!(Rule::parse(row.word), Some(row.rule));
        }
    }

    #[test]
    fn rules_stand_in_the_order_of_their_severity() {
        assert!(ROWS.is_sorted_by_key(|row| row.severity));
    }
}
