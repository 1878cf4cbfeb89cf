//! What a registry's abbreviated document keeps of a version, for registries that are folders.

use crate::manifest::Manifest;

/// Source: the registry's documentation of `application/vnd.npm.install-v1+json`.
const KEPT: [&str; 20] = [
    "name",
    "version",
    "deprecated",
    "dependencies",
    "optionalDependencies",
    "devDependencies",
    "bundleDependencies",
    "bundledDependencies",
    "peerDependencies",
    "peerDependenciesMeta",
    "acceptDependencies",
    "bin",
    "directories",
    "dist",
    "engines",
    "funding",
    "cpu",
    "os",
    "_hasShrinkwrap",
    "hasInstallScript",
];

/// The manifest as an abbreviated document has it.
pub fn abbreviated(manifest: &Manifest) -> Manifest {
    let mut kept = manifest.clone();
    kept.fields
        .retain(|field, _| KEPT.contains(&field.as_str()));
    if manifest.has_install_script() {
        kept.fields
            .insert("hasInstallScript".to_owned(), true.into());
    }
    kept
}
