//! Manifest and packuments to the ideal tree.
