//! What a dependency asks for: range, tag, alias, git, tarball, directory.
