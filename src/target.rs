//! os, cpu, libc, Node and npm: does a package run there?
