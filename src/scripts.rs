//! Lifecycle scripts: which, in what order, with what environment.
