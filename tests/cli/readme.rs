//! What the README shows is there, and its first command does what it says.

use std::fs;
use std::path::Path;

use registry_mock::Registry;

use crate::context::Context;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_demo_project_locks_and_installs_without_a_network() {
    let context = Context::new();
    context.serve(&Registry::new());
    for file in ["package.json", "index.js"] {
        let text = fs::read_to_string(repository().join("fixtures/projects/demo").join(file));
        context.put(file, &text.unwrap());
    }
    let registry = format!("file:{}", repository().join("fixtures/registry").display());
    let locked = context
        .run(&["shrinkwrap", "--registry", &registry])
        .exits(0);
    locked.says(&["locked ", "bound to a platform", "fastmath@2.0.1"]);
    context
        .run(&["install", "--frozen", "--registry", &registry])
        .exits(0);
    for name in [
        "@acme/config",
        "fastmath",
        "greet",
        "plugin-loud",
        "stamp",
        "words",
        "tiny-test",
    ] {
        assert!(
            context.has(&format!("node_modules/{name}/package.json")),
            "{name}"
        );
    }
}

#[test]
fn the_readme_tells_the_exit_codes_that_the_help_tells() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let help = Context::new().run(&["--help"]).exits(0).stdout;
    for (code, meaning) in [
        (0, "done, or the answer is yes"),
        (1, "the answer is no"),
        (2, "usage"),
        (4, "integrity or verification"),
        (5, "does not run on the target"),
        (6, "refused by policy"),
        (7, "registry or network"),
        (8, "a lifecycle script failed"),
        (9, "cannot resolve"),
        (10, "file system"),
    ] {
        assert!(readme.contains(&format!("| {code} | {meaning}")), "{code}");
        assert!(help.contains(&format!("{code}  {meaning}")), "{code}");
    }
}
