//! What tarballs say about platforms: small binaries built here, layouts of well-known packages, and
//! (ignored: they need npm and its registry) the real ones.

mod apple;
mod built;
mod elf;
mod folder;
mod hostile;
mod layouts;
mod real;
mod route;
mod windows;
