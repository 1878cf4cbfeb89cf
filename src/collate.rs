//! The ICU order in which npm sorts names and paths.
