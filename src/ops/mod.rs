//! Routes through several rooms: shrinkwrap, install.
