//! `heatseal platforms`: what a lock means on other platforms, with proof.

use std::fs;

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::Context;
use crate::schema;

const TARGETS: &str = "linux-x64-glibc2.28-node18,linux-x64-musl,darwin-arm64";

/// `tool` has members for two platforms, `mac` is for one, `setup` has a script.
fn locked() -> Context {
    let context = Context::with(&json!({
        "name": "p", "version": "1.0.0",
        "dependencies": {"tool": "1", "setup": "1", "a": "1"},
        "optionalDependencies": {"mac": "1"},
    }));
    let member = |os: &str, cpu: &str| json!({"os": [os], "cpu": [cpu]});
    let registry = Registry::new()
        .package("tool", "1.0.0")
        .manifest(json!({"optionalDependencies": {
            "@tool/linux-x64-gnu": "1.0.0", "@tool/darwin-arm64": "1.0.0",
        }}))
        .package("@tool/linux-x64-gnu", "1.0.0")
        .manifest(json!({"os": ["linux"], "cpu": ["x64"], "libc": ["glibc"]}))
        .package("@tool/darwin-arm64", "1.0.0")
        .manifest(member("darwin", "arm64"))
        .package("mac", "1.0.0")
        .manifest(json!({"os": ["darwin"]}))
        .package("setup", "1.0.0")
        .manifest(json!({"scripts": {"postinstall": "node setup.js"}}))
        .file("setup.js", "console.log('ready')\n", 0o644);
    context.serve(&registry);
    context.run(&["shrinkwrap"]).exits(0);
    context
}

fn verdicts(document: &Value, name: &str) -> Vec<String> {
    let bound = document["bound"].as_array().unwrap();
    let row = bound.iter().find(|row| row["name"] == name).expect(name);
    let cells = row["verdicts"].as_array().unwrap().iter();
    cells
        .map(|cell| cell["verdict"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_lock_alone_gives_a_matrix_and_its_proofs_without_any_tarball() {
    let context = locked();
    fs::remove_dir_all(context.path("registry")).unwrap();
    fs::remove_dir_all(context.path("store")).unwrap();
    let answer = context
        .run(&["platforms", "--lock-only", "--target", TARGETS])
        .exits(0);
    assert_eq!(
        answer.stdout,
        "             ┌─ linux-x64-glibc2.28-node18
             │ ┌─ linux-x64-musl
             │ │ ┌─ darwin-arm64
tool@1.0.0   ✓ U ✓
setup@1.0.0  S S S
mac@1.0.0    – – ✓
✓ runs · – not for it, left out · S install script, unknown what it does
U no binary for it

no binary for it (1)
  tool@1.0.0 on linux-x64-musl
    none of its 2 prebuilt packages is for it

install script, unknown what it does (1)
  setup@1.0.0 on every target
    it has an install script
"
    );
    answer.says(&[
        "3 of 7 packages are bound to a platform",
        "from the lock alone",
    ]);
}

#[test]
fn every_line_fits_a_terminal_of_80_columns_and_needs_no_colour() {
    let context = locked();
    let answer = context.run(&["platforms", "--lock-only"]).exits(0);
    assert!(answer.stdout.contains("┌─ host: "), "{}", answer.stdout);
    for line in answer.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!answer.stdout.contains('\x1b'));
    let coloured = context
        .run_with(&["platforms", "--lock-only"], &[("CLICOLOR_FORCE", "1")])
        .exits(0);
    assert!(coloured.stdout.contains("\x1b[32m✓\x1b[0m"));
}

#[test]
fn verdicts_named_by_fail_on_exit_5() {
    let context = locked();
    let fails = |verdicts: &str, code: i32| {
        let words = [
            "platforms",
            "--lock-only",
            "--target",
            TARGETS,
            "--fail-on",
            verdicts,
        ];
        context.run(&words).exits(code)
    };
    fails("missing,cannot-run", 0);
    fails("missing,uncovered", 5).says(&["--fail-on: 1 package"]);
    fails("script", 5);
    fails("nonsense", 2);
    let omitted = [
        "platforms",
        "--lock-only",
        "--omit=optional",
        "--target",
        "win32-x64",
        "--json",
    ];
    let document = context.run(&omitted).exits(0).json();
    assert_eq!(document["packages"], 4);
}

#[test]
fn the_json_document_is_what_its_schema_says() {
    let context = locked();
    let words = ["platforms", "--lock-only", "--json", "--target", TARGETS];
    let document = context.run(&words).exits(0).json();
    schema::assert_valid("platforms-1", &document);
    assert_eq!(document["opened"], false);
    assert_eq!(document["targets"][0]["moduleVersion"], 108);
    assert_eq!(verdicts(&document, "tool"), ["runs", "uncovered", "runs"]);
    assert_eq!(verdicts(&document, "mac"), ["skipped", "skipped", "runs"]);
    assert_eq!(
        document["summary"]["darwin-arm64"],
        json!({"script": 1, "runs": 2})
    );
}

#[test]
fn a_lock_file_is_as_good_as_a_project() {
    let context = locked();
    let lock = context.project().join("npm-shrinkwrap.json");
    let other = context.path("elsewhere");
    fs::create_dir(&other).unwrap();
    fs::copy(&lock, other.join("old.json")).unwrap();
    let words = [
        "platforms",
        "../elsewhere/old.json",
        "--lock-only",
        "--json",
    ];
    let document = context.run(&words).exits(0).json();
    assert_eq!(document["lock"], "../elsewhere/old.json");
    assert_eq!(document["packages"], 7);
    context
        .run(&["platforms", "../elsewhere"])
        .exits(3)
        .says(&["ENOLOCK"]);
    context
        .run(&["platforms", "nowhere.json"])
        .exits(2)
        .says(&["there is nothing at `nowhere.json`"]);
    fs::write(
        other.join("bad.json"),
        "{\"lockfileVersion\": 3, \"packages\": []}",
    )
    .unwrap();
    context
        .run(&["platforms", "../elsewhere/bad.json"])
        .exits(3);
}

#[test]
fn package_json_names_the_targets_that_count() {
    let context = locked();
    let manifest = context.read("package.json");
    let with = |targets: &str| {
        let line = format!("{{\"heatseal\": {{\"targets\": {targets}}},");
        context.put("package.json", &manifest.replacen('{', &line, 1));
    };
    with(r#"["node:22-alpine", "arm64v8/node:20-bookworm-slim", "lambda:nodejs22.x"]"#);
    let document = context
        .run(&["platforms", "--lock-only", "--json"])
        .exits(0)
        .json();
    let targets = document["targets"].as_array().unwrap().iter();
    let shown: Vec<String> = targets
        .map(|one| {
            format!(
                "{} {} {} {}",
                one["name"], one["cpu"], one["libc"], one["libcVersion"]
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#""node:22-alpine" "x64" "musl" "1.2""#,
            r#""arm64v8/node:20-bookworm-slim" "arm64" "glibc" "2.36""#,
            r#""lambda:nodejs22.x" "x64" "glibc" "2.34""#,
        ]
    );
    // The short list of `shrinkwrap` is about the same targets.
    let answer = context.run(&["shrinkwrap"]).exits(0);
    answer.says(&[
        "tool@1.0.0",
        "no binary for node:22-alpine, arm64v8/node:20-bookworm-slim",
    ]);
    for (targets, said) in [
        (
            "[\"beos-x64\"]",
            "`beos-x64`: its system is none that Node runs on",
        ),
        ("[\"node:22-windows\"]", "no such image is known"),
        ("[1]", "1 is no text"),
        ("{}", "it is no list"),
        ("[]", "it is empty"),
    ] {
        with(targets);
        context
            .run(&["platforms", "--lock-only"])
            .exits(2)
            .says(&[said]);
        let lock = context.modified("npm-shrinkwrap.json");
        context.run(&["shrinkwrap"]).exits(2).says(&[said]);
        assert_eq!(context.modified("npm-shrinkwrap.json"), lock);
    }
}

#[test]
fn a_target_that_is_none_is_a_mistake_in_the_command_line() {
    let context = locked();
    for target in [
        "linux",
        "linux-x64-glibc2",
        "node:22-windows",
        "host,nothing",
    ] {
        context.run(&["platforms", "--target", target]).exits(2);
    }
}

#[test]
fn markdown_and_html_hold_the_matrix_and_go_to_a_file_when_asked() {
    let context = locked();
    let markdown = [
        "platforms",
        "--lock-only",
        "--format",
        "markdown",
        "--target",
        TARGETS,
    ];
    let answer = context.run(&markdown).exits(0);
    for text in [
        "| package | linux-x64-glibc2.28-node18 | linux-x64-musl | darwin-arm64 |",
        "| `tool@1.0.0` | ✓ | uncovered | ✓ |",
        "<details><summary>no binary for it (1)</summary>",
        "- `tool@1.0.0` on linux-x64-musl: none of its 2 prebuilt packages is for it",
    ] {
        assert!(
            answer.stdout.contains(text),
            "{text} is not in\n{}",
            answer.stdout
        );
    }
    let html = [
        "platforms",
        "--lock-only",
        "--format",
        "html",
        "--output",
        "report.html",
    ];
    let answer = context.run(&html).exits(0).says(&["report.html written"]);
    assert_eq!(answer.stdout, "");
    let page = context.read("report.html");
    assert!(page.starts_with("<!doctype html>") && page.contains("tool"));
    assert!(!page.contains("src=") && !page.contains("href="));
}

#[test]
fn foreign_names_can_neither_move_a_cursor_nor_leave_their_place_on_a_page() {
    let context = Context::new();
    let packages = json!({"lockfileVersion": 3, "packages": {
        "node_modules/\u{1b}[2J</script><b>|x": {"version": "1\u{202e}", "os": ["\u{7}<i>"]},
    }});
    context.put("package-lock.json", &packages.to_string());
    let run = |format: &str| {
        let words = [
            "platforms",
            "--lock-only",
            "--target",
            "darwin-arm64",
            "--format",
            format,
        ];
        context.run(&words).exits(0).stdout
    };
    for format in ["text", "markdown", "html", "json"] {
        let shown = run(format);
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{format}: {shown:?}");
    }
    assert!(!run("html").contains("</script><b>"));
    assert!(!run("markdown").contains("<i>"));
    assert!(!run("text").contains('\u{202e}'));
}

/// The head of an ELF library for a processor, and nothing behind it.
fn elf(machine: u8) -> Vec<u8> {
    let mut file = vec![0_u8; 64];
    file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    file[16] = 3; // a library
    file[18] = machine;
    file[20] = 1;
    file[52] = 64;
    file[54] = 56;
    file[58] = 64;
    file
}

/// `native` ships an addon for arm64 and says nothing of it; `compiled` has a binding.gyp.
fn natively_locked() -> Context {
    let context = Context::with(&json!({
        "name": "p", "version": "1.0.0",
        "dependencies": {"native": "1", "compiled": "1", "labelled": "1"},
        "heatseal": {"allowScripts": {"compiled": false}},
    }));
    let registry = Registry::new()
        .package("native", "1.0.0")
        .file("lib/native.node", elf(183), 0o644)
        .package("labelled", "1.0.0")
        .manifest(json!({"cpu": ["x64", "arm64"]}))
        .file("labelled.node", elf(22), 0o644)
        .package("compiled", "1.0.0")
        .manifest(json!({"hasInstallScript": true, "scripts": {"install": "node-gyp rebuild"}}))
        .file("binding.gyp", "{}", 0o644);
    context.serve(&registry);
    context.run(&["shrinkwrap"]).exits(0);
    context
}

const LINUX: &str = "linux-x64-glibc2.28-node18,linux-arm64-glibc2.28-node18";

#[test]
fn tarballs_are_opened_once_and_their_binaries_decide() {
    let context = natively_locked();
    let words = ["platforms", "--json", "--target", LINUX];
    let answer = context.run(&words).exits(0).says(&["3 opened, 3 fetched"]);
    let document = answer.json();
    schema::assert_valid("platforms-1", &document);
    assert_eq!(verdicts(&document, "native"), ["cannot-run", "runs"]);
    assert_eq!(verdicts(&document, "compiled"), ["builds", "builds"]);
    assert_eq!(verdicts(&document, "labelled"), ["cannot-run"; 2]);
    let bound = document["bound"].as_array().unwrap();
    let native = bound.iter().find(|row| row["name"] == "native").unwrap();
    let proof = &native["verdicts"][0]["proofs"][0];
    assert_eq!(proof["path"], "lib/native.node");
    assert_eq!(
        proof["text"],
        "lib/native.node of native@1.0.0 is for arm64"
    );
    let finding = |name: &str| {
        let findings = document["findings"].as_array().unwrap();
        findings.iter().find(|one| one["name"] == name).cloned()
    };
    assert_eq!(finding("labelled").unwrap()["rule"], "mislabelled");
    // From now on nothing has to be there.
    fs::remove_dir_all(context.path("registry")).unwrap();
    let again = context.run(&words).exits(0);
    assert!(!again.stderr.contains("opened"), "{}", again.stderr);
    assert_eq!(again.json()["bound"], document["bound"]);
    let fails = |word: &str| {
        let words = ["platforms", "--target", LINUX, "--fail-on", word];
        context.run(&words).exits(5)
    };
    for word in ["cannot-run", "builds", "mislabelled"] {
        fails(word);
    }
}

#[test]
fn what_cannot_be_fetched_is_an_error_and_offline_it_is_told() {
    let context = natively_locked();
    fs::remove_dir_all(context.path("store")).unwrap();
    fs::remove_dir_all(context.path("registry/native/-")).unwrap();
    context
        .run(&["platforms"])
        .exits(7)
        .says(&["native", "--lock-only"]);
    fs::remove_dir_all(context.path("store")).unwrap();
    let offline = context.run(&["platforms", "--offline", "--json"]).exits(0);
    let document = offline.json();
    assert_eq!(document["unopened"][0]["location"], "node_modules/native");
    offline.says(&["EUNOPENED", "node_modules/native was not opened"]);
}

#[test]
fn a_frozen_install_tells_before_it_changes_anything_what_cannot_run() {
    let context = natively_locked();
    context.put(
        "package.json",
        r#"{"name": "p", "version": "1.0.0", "dependencies": {"native": "1"}}"#,
    );
    context.run(&["shrinkwrap"]).exits(0);
    let target = ["--target", "linux-x64-glibc2.28-node18"];
    let strict = [&["ci", "--strict-platform"], &target[..]].concat();
    let said = "lib/native.node of native@1.0.0 is for arm64";
    let refused = context.run(&strict).exits(5);
    let error = "error[EBADPLATFORM]: `native@1.0.0` cannot run on linux-x64-glibc2.28-node18";
    refused.says(&[error, said, "heatseal platforms"]);
    assert!(!context.has("node_modules"));
    // Whoever looks into what arrives is told as well.
    fs::remove_dir_all(context.path("store")).unwrap();
    let inspecting = [&["ci", "--inspect"], &target[..]].concat();
    context
        .run(&inspecting)
        .exits(0)
        .says(&["EBADPLATFORM", said]);
    fs::remove_dir_all(context.project().join("node_modules")).unwrap();
    // The findings are known now: a plain install warns.
    let plain = [&["ci"], &target[..]].concat();
    context.run(&plain).exits(0).says(&["EBADPLATFORM", said]);
    assert!(context.has("node_modules/native/lib/native.node"));
    // What is up to date is refused as well.
    context.run(&strict).exits(5);
    let other = [
        "ci",
        "--strict-platform",
        "--target",
        "linux-arm64-glibc2.28-node18",
    ];
    let answer = context.run(&other).exits(0);
    assert!(!answer.stderr.contains("cannot run"), "{}", answer.stderr);
    context
        .run(&other)
        .exits(0)
        .says(&["node_modules is up to date"]);
}
