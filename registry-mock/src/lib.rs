//! An npm-compatible registry to test and demonstrate with, which can also misbehave.
