//! Lock files: versions 1 to 3 read, 3 written, byte for byte as npm does.
