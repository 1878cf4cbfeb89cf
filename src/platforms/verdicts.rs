//! Claims about verdicts, with the facts that the real packages have.

use serde_json::{Value, json};

use super::facts::{Binary, Declared, Download, Facts, Format, Kind, NodeApi, Recipe, Slice};
use super::*;
use crate::target::LibcFamily;

const TARGETS: [&str; 6] = [
    "linux-x64-glibc2.36-node22",
    "linux-x64-musl-node22",
    "linux-arm64-glibc2.36-node22",
    "darwin-arm64-node22",
    "win32-x64-node22",
    "sunos-x64-node22",
];

fn aims(targets: &[&str]) -> Vec<Aim> {
    let aim = |text: &&str| Aim {
        label: (*text).to_owned(),
        target: text.parse().unwrap(),
    };
    targets.iter().map(aim).collect()
}

fn matrix(packages: &Value, facts: Vec<(&str, Facts)>, targets: &[&str]) -> Report {
    let text = json!({"lockfileVersion": 3, "packages": packages}).to_string();
    let lock = crate::lock::parse(text, "package-lock.json").unwrap();
    let facts = facts
        .into_iter()
        .map(|(name, facts)| (format!("node_modules/{name}"), facts.into()))
        .collect();
    report(&lock, aims(targets), &facts, |_| true)
}

/// The words of one package on [`TARGETS`].
fn words(report: &Report, name: &str) -> Vec<&'static str> {
    let row = report.rows.iter().find(|row| row.name == name).expect(name);
    row.cells.iter().map(|cell| cell.verdict.as_str()).collect()
}

/// What is said of a package on one of the targets.
fn said(report: &Report, name: &str, at: usize) -> String {
    let row = report.rows.iter().find(|row| row.name == name).expect(name);
    let texts = row.cells[at].evidence.iter().map(ToString::to_string);
    texts.collect::<Vec<_>>().join("; ")
}

/// A package alone in its lock.
fn alone(name: &str, facts: Facts) -> Report {
    let packages = json!({(format!("node_modules/{name}")): {
        "version": "1.0.0", "hasInstallScript": !facts.scripts.is_empty(),
    }});
    matrix(&packages, vec![(name, facts)], &TARGETS)
}

fn slice(platform: &str) -> Slice {
    let (os, cpu) = platform.split_once('-').unwrap();
    Slice {
        os: Some(os.to_owned()),
        cpu: Some(cpu.to_owned()),
        ..Slice::default()
    }
}

fn glibc(platform: &str, version: (u32, u32)) -> Slice {
    Slice {
        libc: Some(LibcFamily::Glibc),
        glibc: Some(version),
        ..slice(platform)
    }
}

fn musl(platform: &str) -> Slice {
    Slice {
        libc: Some(LibcFamily::Musl),
        ..slice(platform)
    }
}

fn napi(slice: Slice, version: u32) -> Slice {
    Slice {
        node: NodeApi::NodeApi(Some(version)),
        ..slice
    }
}

fn abi(slice: Slice, version: u32) -> Slice {
    Slice {
        node: NodeApi::Abi(Some(version)),
        ..slice
    }
}

fn binary(path: &str, kind: Kind, slices: Vec<Slice>) -> Binary {
    let format = match slices.first().and_then(|slice| slice.os.as_deref()) {
        Some("darwin") => Format::MachO,
        Some("win32") => Format::Pe,
        Some(_) => Format::Elf,
        None => Format::Wasm,
    };
    Binary {
        path: path.to_owned(),
        size: 100_000,
        format,
        kind,
        slices,
    }
}

fn addon(path: &str, slice: Slice) -> Binary {
    binary(path, Kind::Addon, vec![slice])
}

fn script(event: &str, command: &str) -> Vec<(String, String)> {
    vec![(event.to_owned(), command.to_owned())]
}

fn download(url: &str, napi_versions: &[u32]) -> Download {
    Download {
        url: url.to_owned(),
        napi_versions: napi_versions.to_vec(),
        falls_back_to_build: true,
    }
}

/// bcrypt 6: prebuilds for both C libraries, else node-gyp.
fn bcrypt() -> Facts {
    Facts {
        binaries: vec![
            addon(
                "prebuilds/darwin-arm64/bcrypt.node",
                napi(slice("darwin-arm64"), 8),
            ),
            addon(
                "prebuilds/linux-arm64/bcrypt.glibc.node",
                napi(glibc("linux-arm64", (2, 17)), 8),
            ),
            addon(
                "prebuilds/linux-arm64/bcrypt.musl.node",
                napi(musl("linux-arm64"), 8),
            ),
            addon(
                "prebuilds/linux-x64/bcrypt.glibc.node",
                napi(glibc("linux-x64", (2, 14)), 8),
            ),
            addon(
                "prebuilds/linux-x64/bcrypt.musl.node",
                napi(musl("linux-x64"), 8),
            ),
            addon(
                "prebuilds/win32-x64/bcrypt.node",
                napi(slice("win32-x64"), 8),
            ),
        ],
        recipes: vec![Recipe::NodeGypBuild],
        scripts: script("install", "node-gyp-build"),
        ..Facts::default()
    }
}

#[test]
fn bcrypt_runs_by_its_prebuilds_and_builds_elsewhere() {
    let report = alone("bcrypt", bcrypt());
    let expected = ["runs", "runs", "runs", "runs", "runs", "builds"];
    assert_eq!(words(&report, "bcrypt"), expected);
    assert_eq!(
        said(&report, "bcrypt", 1),
        "prebuilds/linux-x64/bcrypt.musl.node of bcrypt@1.0.0 (linux x64, musl, Node-API 8)"
    );
    assert_eq!(
        said(&report, "bcrypt", 5),
        "node-gyp needs Python, make and a C++ compiler; prebuilds/ has nothing for it"
    );
}

#[test]
fn bufferutils_untagged_prebuild_serves_both_c_libraries_as_it_needs_nothing_of_either() {
    let facts = Facts {
        binaries: vec![
            addon(
                "prebuilds/darwin-arm64/bufferutil.node",
                napi(slice("darwin-arm64"), 1),
            ),
            addon(
                "prebuilds/linux-x64/bufferutil.node",
                napi(slice("linux-x64"), 1),
            ),
            addon(
                "prebuilds/win32-x64/bufferutil.node",
                napi(slice("win32-x64"), 1),
            ),
        ],
        recipes: vec![Recipe::NodeGypBuild],
        scripts: script("install", "node-gyp-build"),
        ..Facts::default()
    };
    let expected = ["runs", "runs", "builds", "runs", "runs", "builds"];
    assert_eq!(words(&alone("bufferutil", facts), "bufferutil"), expected);
}

#[test]
fn argon2s_prebuild_asks_for_a_newer_glibc_than_debian_10_has() {
    let newer = Slice {
        glibc_symbol: Some("pthread_create@GLIBC_2.34".to_owned()),
        ..napi(glibc("linux-x64", (2, 34)), 8)
    };
    let facts = Facts {
        binaries: vec![
            addon("prebuilds/linux-x64/argon2.glibc.node", newer),
            addon(
                "prebuilds/linux-x64/argon2.musl.node",
                napi(musl("linux-x64"), 8),
            ),
            addon(
                "prebuilds/darwin-arm64/argon2.armv8.glibc.node",
                napi(slice("darwin-arm64"), 8),
            ),
            addon(
                "prebuilds/win32-x64/argon2.glibc.node",
                napi(slice("win32-x64"), 8),
            ),
        ],
        recipes: vec![Recipe::NodeGypBuild],
        scripts: script("install", "node-gyp-build"),
        ..Facts::default()
    };
    let packages = json!({"node_modules/argon2": {"version": "0.45.1"}});
    let targets = [
        "linux-x64-glibc2.28",
        "linux-x64-glibc2.34",
        "linux-x64-glibc",
        "darwin-arm64",
        "win32-x64",
    ];
    let report = matrix(&packages, vec![("argon2", facts)], &targets);
    assert_eq!(
        words(&report, "argon2"),
        ["builds", "runs", "runs", "runs", "runs"]
    );
    assert_eq!(
        said(&report, "argon2", 0),
        "node-gyp needs Python, make and a C++ compiler; prebuilds/linux-x64/argon2.glibc.node of \
         argon2@0.45.1 needs glibc 2.34 (symbol pthread_create@GLIBC_2.34), and there is 2.28"
    );
}

/// better-sqlite3, and with a list of Node-API versions sqlite3 and canvas.
fn prebuild_install(url: &str, node_apis: &[u32]) -> Facts {
    Facts {
        recipes: vec![
            Recipe::PrebuildInstall(download(url, node_apis)),
            Recipe::NodeGyp,
        ],
        scripts: script("install", "prebuild-install || node-gyp rebuild"),
        ..Facts::default()
    }
}

#[test]
fn better_sqlite3_downloads_a_build_for_the_line_of_node() {
    let url = "https://github.com/o/r/releases/download/v1/b-v1-node-v{abi}-{platform}{libc}-{arch}.tar.gz";
    let report = alone("better-sqlite3", prebuild_install(url, &[]));
    assert_eq!(words(&report, "better-sqlite3"), ["downloads"; 6]);
    assert_eq!(
        said(&report, "better-sqlite3", 1),
        "prebuild-install fetches https://github.com/o/r/releases/download/v1/b-v1-node-v127-linuxmusl-x64.tar.gz"
    );
    assert_eq!(host("https://github.com/o/r"), "github.com");
}

#[test]
fn sqlite3_and_canvas_download_where_node_has_their_node_api_and_build_else() {
    let url =
        "https://github.com/o/r/releases/download/v1/s-napi-v{abi}-{platform}{libc}-{arch}.tar.gz";
    let packages = json!({
        "node_modules/sqlite3": {"version": "6.0.1", "hasInstallScript": true},
        "node_modules/canvas": {"version": "3.2.3", "hasInstallScript": true},
    });
    let facts = vec![
        ("sqlite3", prebuild_install(url, &[3, 6])),
        ("canvas", prebuild_install(url, &[7])),
    ];
    let targets = [
        "linux-x64-glibc-node12.0",
        "linux-x64-glibc-node12.17",
        "linux-x64-glibc",
    ];
    let report = matrix(&packages, facts, &targets);
    assert_eq!(words(&report, "sqlite3"), ["downloads"; 3]);
    assert!(said(&report, "sqlite3", 0).contains("s-napi-v3-linux-x64"));
    assert!(said(&report, "sqlite3", 1).contains("s-napi-v6-linux-x64"));
    assert_eq!(words(&report, "canvas"), ["builds", "builds", "downloads"]);
    assert!(said(&report, "canvas", 0).ends_with("has builds for Node-API 7 only"));
}

#[test]
fn node_sass_downloads_by_a_script_of_its_own() {
    let signs = ["github.com", "request(", "node-gyp"]
        .map(str::to_owned)
        .to_vec();
    let facts = Facts {
        recipes: vec![Recipe::Custom {
            event: "install".to_owned(),
            signs,
        }],
        scripts: script("install", "node scripts/install.js"),
        ..Facts::default()
    };
    let report = alone("node-sass", facts);
    assert_eq!(words(&report, "node-sass"), ["downloads"; 6]);
    assert_eq!(
        said(&report, "node-sass", 0),
        "install runs `node scripts/install.js` (github.com, request(, node-gyp)"
    );
}

#[test]
fn fsevents_is_for_one_system_and_left_out_elsewhere() {
    let universal = binary(
        "fsevents.node",
        Kind::Addon,
        vec![napi(slice("darwin-x64"), 3), napi(slice("darwin-arm64"), 3)],
    );
    let facts = Facts {
        binaries: vec![universal],
        declared: Declared {
            os: vec!["darwin".to_owned()],
            ..Declared::default()
        },
        ..Facts::default()
    };
    let packages = json!({"node_modules/fsevents": {
        "version": "2.3.3", "os": ["darwin"], "optional": true,
    }});
    let report = matrix(&packages, vec![("fsevents", facts)], &TARGETS);
    let expected = [
        "skipped", "skipped", "skipped", "runs", "skipped", "skipped",
    ];
    assert_eq!(words(&report, "fsevents"), expected);
    assert_eq!(said(&report, "fsevents", 0), "os is darwin");
    assert_eq!(report.labels, []);
}

/// A package with these members, all of them in the lock but those marked with `!`.
fn family(name: &str, members: &[(&str, &str, &str, &str)]) -> Value {
    let mut packages = serde_json::Map::new();
    let names = members
        .iter()
        .map(|(member, ..)| member.trim_start_matches('!'));
    let optional: serde_json::Map<String, Value> = names
        .map(|member| (member.to_owned(), json!("1.0.0")))
        .collect();
    packages.insert(
        format!("node_modules/{name}"),
        json!({"version": "1.0.0", "optionalDependencies": optional}),
    );
    for (member, os, cpu, libc) in members {
        let mut entry = json!({"version": "1.0.0", "os": [os], "cpu": [cpu], "optional": true});
        if !libc.is_empty() {
            entry["libc"] = json!([libc]);
        }
        if !member.starts_with('!') {
            packages.insert(format!("node_modules/{member}"), entry);
        }
    }
    packages.into()
}

#[test]
fn sharp_needs_its_binding_and_its_library() {
    let packages = family(
        "sharp",
        &[
            ("@img/sharp-linux-x64", "linux", "x64", "glibc"),
            ("@img/sharp-libvips-linux-x64", "linux", "x64", "glibc"),
            ("@img/sharp-linuxmusl-x64", "linux", "x64", "musl"),
            ("!@img/sharp-libvips-linuxmusl-x64", "linux", "x64", "musl"),
            ("@img/sharp-darwin-arm64", "darwin", "arm64", ""),
            ("@img/sharp-libvips-darwin-arm64", "darwin", "arm64", ""),
            ("@img/sharp-win32-x64", "win32", "x64", ""),
        ],
    );
    let facts = Facts {
        binaries: vec![addon(
            "lib/sharp-linux-x64.node",
            napi(glibc("linux-x64", (2, 26)), 9),
        )],
        ..Facts::default()
    };
    let report = matrix(
        &packages,
        vec![("@img/sharp-linux-x64", facts.clone())],
        &TARGETS,
    );
    let expected = ["runs", "missing", "uncovered", "runs", "runs", "uncovered"];
    assert_eq!(words(&report, "sharp"), expected);
    assert_eq!(
        said(&report, "sharp", 1),
        "the lock lacks @img/sharp-libvips-linuxmusl-x64"
    );
    let old = ["linux-x64-glibc2.17", "linux-x64-glibc2.28-node18.0"];
    let report = matrix(&packages, vec![("@img/sharp-linux-x64", facts)], &old);
    assert_eq!(words(&report, "sharp"), ["cannot-run", "cannot-run"]);
    assert!(said(&report, "sharp", 0).starts_with(
        "lib/sharp-linux-x64.node of @img/sharp-linux-x64@1.0.0 needs glibc 2.26, and there is 2.17"
    ));
    assert!(
        said(&report, "sharp", 1)
            .contains("needs Node-API 9 (Node 18.17, 20.3, 21), and there is 8")
    );
}

#[test]
fn esbuild_is_a_static_program_whose_own_script_does_not_matter_where_it_runs() {
    let packages = family(
        "esbuild",
        &[
            ("@esbuild/linux-x64", "linux", "x64", ""),
            ("@esbuild/darwin-arm64", "darwin", "arm64", ""),
            ("!@esbuild/win32-x64", "win32", "x64", ""),
            ("@esbuild/sunos-x64", "sunos", "x64", ""),
        ],
    );
    let own = Facts {
        recipes: vec![Recipe::Custom {
            event: "postinstall".to_owned(),
            signs: Vec::new(),
        }],
        scripts: script("postinstall", "node install.js"),
        ..Facts::default()
    };
    let member = Facts {
        binaries: vec![binary(
            "bin/esbuild",
            Kind::Executable,
            vec![slice("linux-x64")],
        )],
        ..Facts::default()
    };
    let facts = vec![("esbuild", own), ("@esbuild/linux-x64", member)];
    let report = matrix(&packages, facts, &TARGETS);
    let expected = ["runs", "runs", "script", "runs", "missing", "runs"];
    assert_eq!(words(&report, "esbuild"), expected);
}

#[test]
fn swc_and_lightningcss_have_a_member_for_each_platform_or_cannot_run() {
    for (name, prefix) in [("@swc/core", "@swc/core"), ("lightningcss", "lightningcss")] {
        let member = |platform: &str| format!("{prefix}-{platform}");
        let names = [
            "linux-x64-gnu",
            "linux-x64-musl",
            "darwin-arm64",
            "win32-x64-msvc",
        ]
        .map(member);
        let packages = family(
            name,
            &[
                (&names[0], "linux", "x64", "glibc"),
                (&names[1], "linux", "x64", "musl"),
                (&names[2], "darwin", "arm64", ""),
                (&names[3], "win32", "x64", ""),
            ],
        );
        let loader = Facts {
            recipes: vec![Recipe::NapiLoader],
            ..Facts::default()
        };
        let on_musl = Facts {
            binaries: vec![addon("a.linux-x64-musl.node", napi(musl("linux-x64"), 4))],
            ..Facts::default()
        };
        let facts = vec![(name, loader), (names[1].as_str(), on_musl)];
        let report = matrix(&packages, facts, &TARGETS);
        let expected = ["runs", "runs", "cannot-run", "runs", "runs", "cannot-run"];
        assert_eq!(words(&report, name), expected);
        assert_eq!(
            said(&report, name, 2),
            "none of its 4 prebuilt packages is for it"
        );
    }
}

#[test]
fn parcels_watcher_builds_where_it_has_no_member() {
    let packages = family(
        "@parcel/watcher",
        &[
            ("@parcel/watcher-linux-x64-glibc", "linux", "x64", "glibc"),
            ("@parcel/watcher-darwin-arm64", "darwin", "arm64", ""),
        ],
    );
    let own = Facts {
        recipes: vec![Recipe::NodeGyp],
        scripts: script("install", "node scripts/build-from-source.js"),
        ..Facts::default()
    };
    let report = matrix(&packages, vec![("@parcel/watcher", own)], &TARGETS);
    let expected = ["runs", "builds", "builds", "runs", "builds", "builds"];
    assert_eq!(words(&report, "@parcel/watcher"), expected);
}

#[test]
fn an_addon_that_nothing_builds_runs_only_where_its_file_fits() {
    let facts = |slice: Slice| Facts {
        binaries: vec![addon("lib/a.node", slice)],
        ..Facts::default()
    };
    let packages = json!({
        "node_modules/by-node-api": {"version": "1.0.0"},
        "node_modules/by-v8": {"version": "1.0.0"},
        "node_modules/helper": {"version": "1.0.0"},
    });
    let helper = Facts {
        binaries: vec![binary(
            "notify.exe",
            Kind::Executable,
            vec![slice("win32-ia32")],
        )],
        ..Facts::default()
    };
    let facts = vec![
        ("by-node-api", facts(napi(glibc("linux-x64", (2, 17)), 10))),
        ("by-v8", facts(abi(glibc("linux-x64", (2, 17)), 108))),
        ("helper", helper),
    ];
    let targets = [
        "linux-x64-glibc-node18.20",
        "linux-x64-glibc-node22.14",
        "linux-x64-glibc",
        "linux-x64-musl",
        "win32-x64",
    ];
    let report = matrix(&packages, facts, &targets);
    let [fails, runs] = ["cannot-run", "runs"];
    assert_eq!(
        words(&report, "by-node-api"),
        [fails, runs, runs, fails, fails]
    );
    assert_eq!(words(&report, "by-v8"), [runs, fails, runs, fails, fails]);
    assert_eq!(
        said(&report, "by-v8", 1),
        "lib/a.node of by-v8@1.0.0 is for Node 18 (module version 108), and there is Node 22 (module version 127)"
    );
    assert_eq!(
        said(&report, "by-v8", 3),
        "lib/a.node of by-v8@1.0.0 needs glibc"
    );
    // A program for other systems may be for those only that need it.
    assert_eq!(
        words(&report, "helper"),
        ["uncovered", "uncovered", "uncovered", "uncovered", runs]
    );
}

#[test]
fn what_lies_among_tests_and_leftovers_binds_to_nothing() {
    let facts = Facts {
        binaries: vec![
            addon("test/fixtures/a.node", slice("win32-x64")),
            binary("build/a.o", Kind::Object, vec![slice("darwin-arm64")]),
            binary("lexer.wasm", Kind::Wasm, Vec::new()),
        ],
        ..Facts::default()
    };
    assert_eq!(alone("a", facts).rows, []);
}

#[test]
fn libstdcxx_of_old_systems_counts_as_well() {
    let slice = Slice {
        glibcxx: Some(vec![3, 4, 29]),
        ..glibc("linux-x64", (2, 17))
    };
    let facts = Facts {
        binaries: vec![addon("a.node", slice)],
        ..Facts::default()
    };
    let packages = json!({"node_modules/a": {"version": "1.0.0"}});
    let targets = ["linux-x64-glibc2.28", "linux-x64-glibc2.34"];
    let report = matrix(&packages, vec![("a", facts)], &targets);
    assert_eq!(words(&report, "a"), ["cannot-run", "runs"]);
    assert!(said(&report, "a", 0).ends_with("needs GLIBCXX_3.4.29, and such systems have 3.4.25"));
}

fn declared(os: &str, cpu: &str, libc: &str) -> Declared {
    let list = |word: &str| word.split_whitespace().map(str::to_owned).collect();
    Declared {
        os: list(os),
        cpu: list(cpu),
        libc: list(libc),
    }
}

#[test]
fn labels_that_the_binaries_contradict_are_told() {
    let facts = |slice: Slice, declared: Declared| Facts {
        binaries: vec![addon("a.node", slice)],
        declared,
        ..Facts::default()
    };
    let told = |facts: Facts| -> Vec<String> {
        let report = alone("a", facts);
        let labels = report.labels.iter();
        labels
            .map(|label| format!("{}: {}", label.mislabel.rule.as_str(), label.mislabel))
            .collect()
    };
    let arm = facts(slice("linux-arm64"), declared("linux", "x64", ""));
    assert_eq!(
        told(arm),
        ["mislabelled: it says cpu x64, and a.node is for arm64"]
    );
    let musl_label = facts(
        glibc("linux-x64", (2, 17)),
        declared("linux", "x64", "musl"),
    );
    assert_eq!(
        told(musl_label),
        ["mislabelled: it says libc musl, and a.node is for glibc"]
    );
    let silent = facts(glibc("linux-x64", (2, 17)), declared("", "", ""));
    assert_eq!(
        told(silent),
        ["unlabelled: it says no os, and a.node is for linux only"]
    );
    let no_libc = facts(glibc("linux-x64", (2, 17)), declared("linux", "x64", ""));
    assert_eq!(
        told(no_libc),
        ["unlabelled: it says no libc, and a.node is for glibc only"]
    );
    let honest = facts(
        glibc("linux-x64", (2, 17)),
        declared("!win32 !darwin", "x64", "glibc"),
    );
    assert_eq!(told(honest), Vec::<String>::new());
    assert_eq!(told(bcrypt()), Vec::<String>::new());
}

#[test]
fn copies_are_one_row_and_the_worse_verdict_counts() {
    let packages = json!({
        "node_modules/a": {"version": "1.0.0", "os": ["darwin"], "optional": true},
        "node_modules/b/node_modules/a": {"version": "1.0.0", "os": ["darwin"]},
        "node_modules/old": {"version": "1.0.0", "optional": true, "engines": {"node": ">=23"}},
        "node_modules/old-script": {
            "version": "1.0.0", "optional": true, "engines": {"node": ">=23"}, "hasInstallScript": true,
        },
    });
    let targets = [TARGETS[0], "linux-x64-glibc-node24"];
    let report = matrix(&packages, Vec::new(), &targets);
    assert_eq!(words(&report, "a"), ["cannot-run"; 2]);
    assert_eq!(report.rows[0].locations.len(), 2);
    assert!(!report.rows[0].optional);
    assert_eq!(words(&report, "old-script"), ["skipped", "script"]);
    assert_eq!(said(&report, "old-script", 0), "engines.node is >=23");
    // Node's version alone binds nothing to a platform.
    assert_eq!(report.rows.len(), 2);
}
