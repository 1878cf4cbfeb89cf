//! Tree to `node_modules`: a plan, then the work.
