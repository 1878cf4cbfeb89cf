//! What an environment can tell at all, so that silence is not taken for a difference.

use std::ops::{BitAnd, BitOr};

/// Something that one kind of environment tells of its packages and another does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// Where in the tree each copy lies.
    Places,
    /// Workspaces and other folders that are linked.
    Folders,
    /// Which packages the project itself asks for.
    Direct,
    /// What is for development, optional, a peer.
    Flags,
    /// Addresses.
    Sources,
    /// Hashes of tarballs.
    Integrity,
    /// Who has install scripts.
    Scripts,
    /// `os`, `cpu`, `libc`.
    Platforms,
    Licences,
    Deprecations,
    /// The other members of a lock's entry.
    Details,
}

impl Fact {
    pub const ALL: [Self; 11] = [
        Self::Places,
        Self::Folders,
        Self::Direct,
        Self::Flags,
        Self::Sources,
        Self::Integrity,
        Self::Scripts,
        Self::Platforms,
        Self::Licences,
        Self::Deprecations,
        Self::Details,
    ];

    /// The word in JSON and in sentences.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Places => "places",
            Self::Folders => "folders",
            Self::Direct => "direct",
            Self::Flags => "flags",
            Self::Sources => "sources",
            Self::Integrity => "integrity",
            Self::Scripts => "scripts",
            Self::Platforms => "platforms",
            Self::Licences => "licences",
            Self::Deprecations => "deprecations",
            Self::Details => "details",
        }
    }
}

/// A set of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known(u16);

impl Known {
    pub const NOTHING: Self = Self(0);
    pub const ALL: Self = Self::of(&Fact::ALL);

    pub const fn of(facts: &[Fact]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < facts.len() {
            bits |= 1 << facts[at] as u16;
            at += 1;
        }
        Self(bits)
    }

    #[must_use]
    pub const fn without(self, facts: &[Fact]) -> Self {
        Self(self.0 & !Self::of(facts).0)
    }

    pub fn has(self, fact: Fact) -> bool {
        self.0 & Self::of(&[fact]).0 != 0
    }

    /// What is not in the set.
    pub fn missing(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |fact| !self.has(*fact))
    }
}

impl BitAnd for Known {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Known {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
