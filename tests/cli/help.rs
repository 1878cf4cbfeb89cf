//! Help teaches: every verb says what it does and shows examples.

use crate::context::Context;

#[test]
fn the_help_lists_verbs_examples_and_exit_codes() {
    let answer = Context::new().run(&["--help"]).exits(0);
    for text in [
        "shrinkwrap",
        "install",
        "ci",
        "diff",
        "store",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(answer.stdout.contains(text), "{text}");
    }
    assert_eq!(answer.stderr, "");
}

#[test]
fn every_verb_explains_itself_with_examples() {
    for verb in [
        "shrinkwrap",
        "install",
        "i",
        "ci",
        "diff",
        "lint",
        "sbom",
        "platforms",
        "store",
    ] {
        let answer = Context::new().run(&[verb, "--help"]).exits(0);
        assert!(answer.stdout.contains("Examples:"), "{verb}");
        assert!(answer.stdout.contains("heatseal "), "{verb}");
    }
}

#[test]
fn npms_flags_without_meaning_here_are_accepted_and_not_advertised() {
    let answer = Context::new().run(&["shrinkwrap", "--help"]).exits(0);
    assert!(answer.stdout.contains("--legacy-peer-deps"));
    assert!(!answer.stdout.contains("--audit"));
    let pasted = [
        "shrinkwrap",
        "--package-lock-only",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--help",
    ];
    Context::new().run(&pasted).exits(0);
}

#[test]
fn the_version_is_one_line() {
    let answer = Context::new().run(&["--version"]).exits(0);
    assert_eq!(
        answer.stdout,
        format!("heatseal {}\n", env!("CARGO_PKG_VERSION"))
    );
}
