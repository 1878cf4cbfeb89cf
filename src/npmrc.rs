//! npm's configuration: `.npmrc` files, environment, credentials.
