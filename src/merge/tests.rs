//! Merges that can be told by hand.
