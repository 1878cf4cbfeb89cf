//! `heatseal sbom`: both forms are valid, say what the lock says, and do not change by themselves.

use registry_mock::Registry;
use serde_json::{Value, json};

use crate::context::Context;
use crate::schema;

/// A project with a scoped package, an odd licence, an optional binary, a workspace, an alias, a
/// dependency for development, and one package at two places.
fn locked() -> Context {
    let context = Context::with(&json!({
        "name": "@p/app", "version": "1.2.3", "license": "MIT", "private": true,
        "description": "an app",
        "workspaces": ["packages/*"],
        "dependencies": {"a": "^1.0.0", "@s/x_y": "1.0.0-b.1", "nick": "npm:b@1.0.0", "opt": "1"},
        "devDependencies": {"d": "2.0.0"},
    }));
    context.put(
        "packages/w/package.json",
        r#"{"name": "w", "version": "0.1.0", "dependencies": {"b": "1"}}"#,
    );
    context.serve(
        &Registry::new()
            .package("@s/x_y", "1.0.0-b.1")
            .manifest(json!({"license": "SEE LICENSE IN x.md", "peerDependencies": {"b": "1"}}))
            .package("opt", "1.0.0")
            .manifest(json!({"license": "(MIT OR Apache-2.0)", "optionalDependencies": {"opt-win32": "1"}}))
            .package("opt-win32", "1.0.0")
            .manifest(json!({"license": "GPL-2.0", "os": ["win32"], "cpu": ["x64"]})),
    );
    context.run(&["shrinkwrap"]).exits(0);
    context
}

fn cyclonedx(context: &Context, args: &[&str]) -> Value {
    let document = context.run(&[&["sbom"], args].concat()).exits(0).json();
    schema::assert_valid("cyclonedx-1.6-reduced", &document);
    document
}

fn spdx(context: &Context, args: &[&str]) -> Value {
    let all = [&["sbom", "--format", "spdx"], args].concat();
    let document = context.run(&all).exits(0).json();
    schema::assert_valid("spdx-2.3-reduced", &document);
    document
}

fn references(document: &Value) -> Vec<&str> {
    let components = document["components"].as_array().unwrap().iter();
    components
        .map(|one| one["bom-ref"].as_str().unwrap())
        .collect()
}

fn component<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let mut components = document["components"].as_array().unwrap().iter();
    let found = components.find(|one| one["bom-ref"] == reference);
    found.unwrap_or_else(|| panic!("no {reference} in {document:#}"))
}

#[test]
fn cyclonedx_lists_each_package_once_with_what_the_lock_knows() {
    let context = locked();
    let document = cyclonedx(&context, &[]);
    let all = [
        "@s/x_y@1.0.0-b.1",
        "a@1.1.0",
        "b@1.0.0",
        "d@2.0.0",
        "opt@1.0.0",
        "opt-win32@1.0.0",
        "w@0.1.0",
    ];
    assert_eq!(references(&document), all);
    let project = &document["metadata"]["component"];
    assert_eq!(project["type"], "application");
    assert_eq!(project["bom-ref"], "@p/app@1.2.3");
    assert_eq!(project["description"], "an app");
    let scoped = component(&document, "@s/x_y@1.0.0-b.1");
    assert_eq!(scoped["purl"], "pkg:npm/%40s/x_y@1.0.0-b.1");
    assert_eq!(
        scoped["licenses"][0]["license"]["name"],
        "SEE LICENSE IN x.md"
    );
    assert_eq!(scoped["hashes"][0]["alg"], "SHA-512");
    assert_eq!(scoped["scope"], "required");
    let twice = component(&document, "b@1.0.0");
    assert_eq!(
        twice["properties"].as_array().map(Vec::len),
        Some(2),
        "two places"
    );
    assert_eq!(twice["name"], "b", "an alias is not its name");
    assert_eq!(component(&document, "d@2.0.0")["scope"], "optional");
    assert_eq!(component(&document, "opt-win32@1.0.0")["scope"], "optional");
    let expression = &component(&document, "opt@1.0.0")["licenses"][0]["expression"];
    assert_eq!(*expression, "(MIT OR Apache-2.0)");
    let id = &component(&document, "opt-win32@1.0.0")["licenses"][0]["license"]["id"];
    assert_eq!(*id, "GPL-2.0");
}

#[test]
fn cyclonedx_hashes_are_those_of_the_lock_in_hex() {
    let context = locked();
    let lock: Value = serde_json::from_str(&context.read("npm-shrinkwrap.json")).unwrap();
    let integrity = lock["packages"]["node_modules/a"]["integrity"]
        .as_str()
        .unwrap();
    let document = cyclonedx(&context, &[]);
    let hex = component(&document, "a@1.1.0")["hashes"][0]["content"]
        .as_str()
        .unwrap();
    let bytes: Vec<u8> = (0..64)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    let base64 = integrity.strip_prefix("sha512-").unwrap();
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |c: char| digits.find(c).unwrap_or(0) as u32;
    let first: u32 = base64.chars().take(4).fold(0, |sum, c| sum << 6 | value(c));
    assert_eq!(bytes[..3], first.to_be_bytes()[1..]);
}

#[test]
fn cyclonedx_tells_who_depends_on_whom() {
    let document = cyclonedx(&locked(), &[]);
    let on = |reference: &str| {
        let dependencies = document["dependencies"].as_array().unwrap();
        let found = dependencies.iter().find(|one| one["ref"] == reference);
        found.unwrap()["dependsOn"].clone()
    };
    assert_eq!(
        on("@p/app@1.2.3"),
        json!([
            "@s/x_y@1.0.0-b.1",
            "a@1.1.0",
            "b@1.0.0",
            "d@2.0.0",
            "opt@1.0.0",
            "w@0.1.0"
        ])
    );
    assert_eq!(on("a@1.1.0"), json!(["b@1.0.0"]));
    assert_eq!(on("w@0.1.0"), json!(["b@1.0.0"]));
    assert_eq!(on("@s/x_y@1.0.0-b.1"), json!(["b@1.0.0"]));
    assert_eq!(on("d@2.0.0"), json!([]));
}

#[test]
fn spdx_says_the_same() {
    let context = locked();
    let document = spdx(&context, &[]);
    let packages = document["packages"].as_array().unwrap();
    assert_eq!(packages.len(), 8);
    assert_eq!(packages[0]["name"], "@p/app");
    assert_eq!(packages[0]["primaryPackagePurpose"], "APPLICATION");
    let scoped = &packages[1];
    assert_eq!(scoped["SPDXID"], "SPDXRef-Package-s.x-y-1.0.0-b.1");
    assert_eq!(scoped["licenseDeclared"], "LicenseRef-SEE-LICENSE-IN-x.md");
    assert_eq!(scoped["checksums"][0]["algorithm"], "SHA512");
    let info = &document["hasExtractedLicensingInfos"][0];
    assert_eq!(info["licenseId"], "LicenseRef-SEE-LICENSE-IN-x.md");
    let relations = document["relationships"].as_array().unwrap();
    let has = |from: &str, word: &str, to: &str| {
        relations.contains(&json!({
            "spdxElementId": format!("SPDXRef-{from}"),
            "relationshipType": word,
            "relatedSpdxElement": format!("SPDXRef-{to}"),
        }))
    };
    assert!(has("DOCUMENT", "DESCRIBES", "Package-p.app-1.2.3"));
    assert!(has(
        "Package-d-2.0.0",
        "DEV_DEPENDENCY_OF",
        "Package-p.app-1.2.3"
    ));
    assert!(has(
        "Package-b-1.0.0",
        "PREREQUISITE_FOR",
        "Package-s.x-y-1.0.0-b.1"
    ));
    assert!(has(
        "Package-opt-win32-1.0.0",
        "OPTIONAL_DEPENDENCY_OF",
        "Package-opt-1.0.0"
    ));
    assert!(has("Package-b-1.0.0", "DEPENDENCY_OF", "Package-a-1.1.0"));
}

#[test]
fn equal_locks_give_equal_bytes_and_other_locks_another_namespace() {
    let (one, other) = (locked(), locked());
    for format in ["cyclonedx", "spdx"] {
        let text = |context: &Context| context.run(&["sbom", "--format", format]).exits(0).stdout;
        assert_eq!(text(&one), text(&other));
    }
    let before = spdx(&one, &[])["documentNamespace"].clone();
    assert_ne!(before, spdx(&one, &["--omit", "dev"])["documentNamespace"]);
}

#[test]
fn numbers_and_times_come_when_asked_for() {
    let context = locked();
    let plain = cyclonedx(&context, &[]);
    assert!(plain.get("serialNumber").is_none() && plain["metadata"].get("timestamp").is_none());
    let uuid = "3e671687-395b-41f5-a30f-a58921a69b79";
    let stamped = cyclonedx(
        &context,
        &[&format!("--serial-number={uuid}"), "--timestamp=86400"],
    );
    assert_eq!(stamped["serialNumber"], format!("urn:uuid:{uuid}"));
    assert_eq!(stamped["metadata"]["timestamp"], "1970-01-02T00:00:00Z");
    let random = || cyclonedx(&context, &["--serial-number"])["serialNumber"].clone();
    assert_ne!(random(), random());
    let epoch = [("SOURCE_DATE_EPOCH", "1700000000")];
    let answer = context
        .run_with(&["sbom", "--format", "spdx"], &epoch)
        .exits(0);
    assert_eq!(
        answer.json()["creationInfo"]["created"],
        "2023-11-14T22:13:20Z"
    );
    context
        .run(&["sbom", "--serial-number=7"])
        .exits(2)
        .says(&["EUSAGE"]);
}

#[test]
fn what_is_omitted_or_does_not_run_on_the_target_is_not_listed() {
    let context = locked();
    let document = cyclonedx(&context, &["--omit", "dev", "--target", "linux-x64"]);
    let left = [
        "@s/x_y@1.0.0-b.1",
        "a@1.1.0",
        "b@1.0.0",
        "opt@1.0.0",
        "w@0.1.0",
    ];
    assert_eq!(references(&document), left);
    let document = cyclonedx(&context, &["--target", "win32-x64"]);
    assert!(references(&document).contains(&"opt-win32@1.0.0"));
    let answer = context.run_with(&["sbom"], &[("NODE_ENV", "production")]);
    assert!(!references(&answer.json()).contains(&"d@2.0.0"));
}

#[test]
fn a_lock_that_disagrees_with_package_json_is_no_material_for_a_bill() {
    let context = locked();
    context.put("package.json", r#"{"dependencies": {"a": "^2.0.0"}}"#);
    let answer = context.run(&["sbom"]).exits(3);
    assert_eq!(answer.stdout, "");
    answer.says(&["disagree", "a@^2.0.0"]);
}

#[test]
fn a_document_goes_to_a_file_when_one_is_named() {
    let context = locked();
    let answer = context
        .run(&["sbom", "npm-shrinkwrap.json", "--output", "bom.json"])
        .exits(0);
    assert_eq!(answer.stdout, "");
    answer.says(&["7 packages (bom.json written)"]);
    assert_eq!(context.read("bom.json"), context.run(&["sbom"]).stdout);
}
