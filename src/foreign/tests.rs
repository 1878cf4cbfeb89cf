//! Foreign locks.
