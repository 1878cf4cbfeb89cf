//! Tarballs to verified package folders that many projects share.
