//! Which packages of a lock are bound to a platform.
