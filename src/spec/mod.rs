//! What a dependency asks for: range, tag, alias, git, tarball, directory.

mod range;
mod text;
mod version;

pub use range::{Prerelease, Range};
pub use version::{Mode, compare, parse_version};
