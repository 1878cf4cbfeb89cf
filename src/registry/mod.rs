//! Packuments and tarball bytes over HTTP or from a folder; the only sockets.
