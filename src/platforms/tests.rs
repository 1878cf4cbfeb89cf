//! Claims about what binds a lock to a platform.

use super::*;
use serde_json::json;

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

/// `verdict name: proof`, for one target.
fn rows(packages: &Value, on: &str) -> Vec<String> {
    let text = json!({"lockfileVersion": 3, "packages": packages}).to_string();
    let lock = crate::lock::parse(text, "package-lock.json").unwrap();
    let row = |finding: Finding| {
        let proof = match finding.proof {
            Proof::Declared(fields) => fields
                .iter()
                .map(|field| field.name())
                .collect::<Vec<_>>()
                .join(","),
            Proof::InstallScript => "script".to_owned(),
            Proof::Family(family) => format!(
                "{:?} {:?} of {}",
                family.present, family.absent, family.size
            ),
        };
        format!("{} {}: {proof}", finding.verdict.as_str(), finding.name)
    };
    findings(&lock, &[target(on)])
        .into_iter()
        .map(row)
        .collect()
}

#[test]
fn a_required_package_that_excludes_the_target_cannot_run() {
    let packages = json!({
        "node_modules/must": {"version": "1.0.0", "os": ["darwin"], "cpu": ["!x64"]},
        "node_modules/may": {"version": "1.0.0", "os": "darwin", "optional": true},
        "node_modules/any": {"version": "1.0.0"},
    });
    assert_eq!(
        rows(&packages, "linux-x64-glibc"),
        ["cannot-run must: os,cpu", "skipped may: os"]
    );
    assert_eq!(
        rows(&packages, "darwin-arm64"),
        ["runs may: ", "runs must: "]
    );
}

#[test]
fn install_scripts_leave_the_verdict_open() {
    let packages = json!({"node_modules/a": {"version": "1.0.0", "hasInstallScript": true}});
    assert_eq!(rows(&packages, "linux-x64-musl"), ["script a: script"]);
}

fn tool(members: &[&str]) -> Value {
    let optional: Map<String, Value> = members
        .iter()
        .map(|name| ((*name).to_owned(), json!("1")))
        .collect();
    json!({"version": "1.0.0", "optionalDependencies": optional})
}

#[test]
fn a_family_lacks_what_its_lock_does_not_hold() {
    let packages = json!({
        "node_modules/t": tool(&["@t/linux-x64-gnu", "@t/linux-x64-musl", "@t/darwin-arm64"]),
        "node_modules/@t/linux-x64-gnu": {"version": "1.0.0", "os": ["linux"], "cpu": ["x64"], "libc": ["glibc"], "optional": true},
    });
    assert_eq!(
        rows(&packages, "linux-x64-glibc"),
        [r#"runs t: ["@t/linux-x64-gnu"] [] of 3"#]
    );
    assert_eq!(
        rows(&packages, "linux-x64-musl"),
        [r#"missing t: [] ["@t/linux-x64-musl"] of 3"#]
    );
    assert_eq!(
        rows(&packages, "darwin-arm64"),
        [r#"missing t: [] ["@t/darwin-arm64"] of 3"#]
    );
    assert_eq!(rows(&packages, "win32-x64"), ["uncovered t: [] [] of 3"]);
}

#[test]
fn a_member_for_any_platform_covers_every_target() {
    let packages = json!({
        "node_modules/t": tool(&["@t/darwin-arm64", "@t/wasm32-wasi"]),
        "node_modules/@t/wasm32-wasi": {"version": "1.0.0", "optional": true},
    });
    assert_eq!(
        rows(&packages, "linux-arm64-glibc"),
        [r#"runs t: ["@t/wasm32-wasi"] [] of 2"#]
    );
}

#[test]
fn one_bound_dependency_is_no_family() {
    let packages = json!({
        "node_modules/w": tool(&["fsevents", "colors"]),
        "node_modules/fsevents": {"version": "2.0.0", "os": ["darwin"], "optional": true},
    });
    assert_eq!(rows(&packages, "linux-x64-glibc"), ["skipped fsevents: os"]);
}

#[test]
fn the_default_targets_name_each_platform_once() {
    let targets = default_targets(&Target::host(None, None));
    assert!(targets.len() >= 5);
    for (place, target) in targets.iter().enumerate() {
        assert!(
            !targets[..place]
                .iter()
                .any(|other| same_platform(other, target)),
            "{target}"
        );
    }
}
