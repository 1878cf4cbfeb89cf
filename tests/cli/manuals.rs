//! `heatseal completions` and `heatseal man`: every verb is in them.

use crate::context::Context;

#[test]
fn completions_know_the_verbs_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = Context::new().run(&["completions", shell]).exits(0);
        for verb in ["shrinkwrap", "lint", "sbom", "mirror"] {
            assert!(answer.stdout.contains(verb), "{shell}: {verb}");
        }
    }
    Context::new().run(&["completions", "tcsh"]).exits(2);
}

#[test]
fn there_is_a_manual_page_for_the_program_and_one_for_each_verb() {
    let context = Context::new();
    let answer = context.run(&["man"]).exits(0);
    assert!(
        answer.stdout.contains(".TH heatseal 1"),
        "{}",
        answer.stdout
    );
    context
        .run(&["man", "pages"])
        .exits(0)
        .says(&["pages written into pages"]);
    for page in [
        "heatseal",
        "heatseal-ci",
        "heatseal-store-prune",
        "heatseal-lint",
    ] {
        assert!(
            context
                .read(&format!("pages/{page}.1"))
                .contains(".SH NAME"),
            "{page}"
        );
    }
}
