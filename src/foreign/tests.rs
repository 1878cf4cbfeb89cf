//! Real locks of each tool, read into one graph; damaged and hostile ones, refused with the line.

use super::*;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/foreign");

/// Each recorded lock: its folder, its file's name and its text.
fn recorded() -> Vec<(String, String, String)> {
    let mut locks = Vec::new();
    for folder in std::fs::read_dir(FOLDER).unwrap() {
        let folder = folder.unwrap().path();
        for file in FILE_NAMES {
            if let Ok(text) = std::fs::read_to_string(folder.join(file)) {
                let name = folder.file_name().unwrap().to_string_lossy().into_owned();
                locks.push((name, file.to_owned(), text));
            }
        }
    }
    locks.sort();
    assert!(locks.len() >= 10, "only {} locks", locks.len());
    locks
}

fn flaw(text: &str, file: &str) -> (usize, String) {
    match parse(text.as_bytes(), file) {
        Err(ForeignError::Flawed { line, reason, .. }) => (line, reason),
        other => panic!("{other:?}"),
    }
}

/// `name@version` of each package, and its dependencies with what they got.
fn graph(lock: &ForeignLock) -> Vec<String> {
    let show = |edges: &[Edge]| {
        let known = edges.iter().filter_map(|edge| {
            let to = lock.packages.get(edge.to.as_ref()?)?;
            Some(format!("{}={}@{}", edge.name, to.name, to.version))
        });
        let mut known: Vec<String> = known.collect();
        known.sort();
        known.join(" ")
    };
    let importers = lock.importers.iter();
    let mut lines: Vec<String> = importers
        .map(|importer| format!("./{}: {}", importer.path, show(&importer.edges)))
        .collect();
    // What peers got is told by pnpm and bun only.
    let packages = lock.reachable().into_values();
    lines.extend(
        packages
            .filter(|package| package.name != "plug")
            .map(|package| {
                format!(
                    "{}@{}: {}",
                    package.name,
                    package.version,
                    show(&package.edges)
                )
            }),
    );
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn every_tool_s_lock_of_one_project_is_the_same_graph() {
    let folder = Path::new(FOLDER).join("project");
    let mut first: Option<Vec<String>> = None;
    for (name, file, text) in recorded() {
        let mut lock = parse(text.as_bytes(), &file).unwrap();
        for path in ["", "packages/w"] {
            let manifest = crate::manifest::read(&folder.join(path)).unwrap().manifest;
            lock.add_importer(path, &manifest);
        }
        let graph = graph(&lock);
        assert!(graph.len() == 12, "{name}: {graph:#?}");
        assert_eq!(first.get_or_insert_with(|| graph.clone()), &graph, "{name}");
    }
    let graph = first.unwrap();
    assert!(graph.contains(&"branch@1.0.0: leaf=leaf@2.0.0 twig=twig@1.0.0".to_owned()));
    assert!(graph.contains(&"./packages/w: leaf=leaf@2.0.0 twig=twig@1.0.0".to_owned()));
    assert!(graph[0].contains("second-leaf=leaf@2.0.0"), "{}", graph[0]);
}

#[test]
fn platforms_and_hashes_are_read_where_they_are_told() {
    for (name, file, text) in recorded() {
        let lock = parse(text.as_bytes(), &file).unwrap();
        let linux = lock
            .packages
            .values()
            .find(|package| package.name == "native-linux");
        let linux = linux.unwrap();
        if name != "yarn-1" && name != "berry-2" {
            assert_eq!(
                (&*linux.os, &*linux.cpu),
                (&["linux".to_owned()][..], &["x64".to_owned()][..]),
                "{name}"
            );
        }
        if !name.starts_with("berry") {
            let integrity = linux.integrity.as_deref().unwrap();
            assert!(integrity.starts_with("sha512-Cvfmbodc"), "{name}");
        }
    }
}

#[test]
fn a_lock_cut_anywhere_is_read_or_refused_with_a_line_and_never_panics() {
    for (name, file, text) in recorded() {
        let lines: Vec<&str> = text.lines().collect();
        let mut refused = 0;
        for end in 0..lines.len() {
            let cut = lines[..end].join("\n");
            match parse(cut.as_bytes(), &file) {
                Ok(_) => {}
                Err(ForeignError::Flawed { line, .. }) => {
                    assert!(
                        (1..=end.max(1) + 1).contains(&line),
                        "{name} cut at {end}: line {line}"
                    );
                    refused += 1;
                }
                Err(error) => panic!("{name} cut at {end}: {error}"),
            }
        }
        assert!(refused > 0, "{name}");
        for end in (0..text.len()).step_by(61) {
            let _ = parse(&text.as_bytes()[..end], &file);
        }
    }
}

#[test]
fn a_lock_with_one_line_of_another_type_is_read_or_refused_and_never_panics() {
    for (_, file, text) in recorded() {
        let lines: Vec<&str> = text.lines().collect();
        for at in 0..lines.len() {
            for other in [
                "  - a",
                "x: [1, 2]",
                "    : {}",
                "\t\"",
                "\"a\": 1,",
                "[",
                "}",
                "a:\n  b: c",
            ] {
                let mut lines = lines.clone();
                lines[at] = other;
                let _ = parse(lines.join("\n").as_bytes(), &file);
            }
        }
    }
}

#[test]
fn conflict_markers_are_named_with_their_line() {
    for (_, file, text) in recorded() {
        let text = format!("<<<<<<< HEAD\n{text}=======\n>>>>>>> other\n");
        let error = parse(text.as_bytes(), &file).unwrap_err();
        assert!(
            matches!(error, ForeignError::Conflict { line: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn aliases_anchors_and_tags_are_refused_before_they_can_grow() {
    let bomb = "lockfileVersion: '9.0'\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n";
    assert_eq!(flaw(bomb, "pnpm-lock.yaml").0, 2);
    let tagged = "lockfileVersion: !!str 9.0\n";
    assert_eq!(flaw(tagged, "pnpm-lock.yaml").0, 1);
}

#[test]
fn deep_nesting_is_refused_in_every_format() {
    let flow = "[".repeat(100_000);
    let yaml = format!("lockfileVersion: '9.0'\npackages: {flow}");
    assert!(flaw(&yaml, "pnpm-lock.yaml").0 >= 1);
    let json = "{\"a\":".repeat(100_000);
    assert!(flaw(&json, "bun.lock").1.contains("deeper"));
    let block: Vec<String> = (0..1000)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    assert!(
        flaw(
            &format!("__metadata:\n  version: 8\n{}", block.concat()),
            "yarn.lock"
        )
        .1
        .contains("deeper")
    );
    let levels: Vec<String> = (0..1000)
        .map(|level| format!("{}a:\n", "  ".repeat(level)))
        .collect();
    assert!(flaw(&levels.concat(), "yarn.lock").1.contains("deeper"));
}

#[test]
fn keys_written_twice_are_refused() {
    let yarn = "a@^1:\n  version \"1.0.0\"\n\na@^1:\n  version \"1.0.1\"\n";
    assert_eq!(
        flaw(yarn, "yarn.lock"),
        (4, "\"a@^1\" is written twice".to_owned())
    );
    let bun = "{\"lockfileVersion\": 1, \"packages\": {\n\"a\": [],\n\"a\": []}}";
    assert!(flaw(bun, "bun.lock").1.contains("written twice"));
    let pnpm = "lockfileVersion: '9.0'\npackages:\n  a: {}\n  b: {}\n  a: {}\n";
    assert!(flaw(pnpm, "pnpm-lock.yaml").1.contains("twice"));
}

#[test]
fn unknown_versions_are_named_with_those_that_are_known() {
    assert_eq!(
        flaw("lockfileVersion: '12.0'\n", "pnpm-lock.yaml").1,
        "`lockfileVersion` is \"12.0\", and 5 to 9 are known"
    );
    assert!(
        flaw("__metadata:\n  version: 99\n", "yarn.lock")
            .1
            .contains("\"99\"")
    );
    assert!(
        flaw("{\"lockfileVersion\": 7}", "bun.lock")
            .1
            .contains("0 to 2")
    );
    assert!(
        flaw("# yarn lockfile v2\n", "yarn.lock")
            .1
            .contains("only 1")
    );
}

#[test]
fn a_renamed_lock_is_known_by_its_text_and_bun_s_binary_one_is_refused() {
    for (_, file, text) in recorded() {
        let known = parse(text.as_bytes(), &file).unwrap().format;
        assert_eq!(parse(text.as_bytes(), "old.lock").unwrap().format, known);
    }
    assert!(matches!(
        parse(b"", "bun.lockb"),
        Err(ForeignError::Binary { .. })
    ));
    assert!(matches!(
        parse(b"hello", "x"),
        Err(ForeignError::Unknown { .. })
    ));
}

#[test]
fn yarn_1_quotes_commas_and_carriage_returns_as_yarn_reads_them() {
    let text = "# yarn lockfile v1\r\n\r\n\"a@>= 1, < 2\", \"@s/b@npm:a@1\":\r\n  version \"1.0.0\"\r\n  dependencies:\r\n    \"@s/c\" \"1 || 2\"\r\n";
    let lock = parse(text.as_bytes(), "yarn.lock").unwrap();
    assert!(lock.described("a", ">= 1, < 2").is_some());
    assert!(lock.described("@s/b", "npm:a@1").is_some());
    let edge = &lock.packages[0].edges[0];
    assert_eq!(
        (&*edge.name, edge.spec.as_deref()),
        ("@s/c", Some("1 || 2"))
    );
}

#[test]
fn other_sources_and_patches_are_told_apart_from_the_registry() {
    let yarn = "\"g@git+https://host.example/g.git\":\n  version \"1.0.0\"\n  resolved \"git+https://host.example/g.git#abc\"\n";
    let lock = parse(yarn.as_bytes(), "yarn.lock").unwrap();
    let origin = Origin::Elsewhere("git+https://host.example/g.git#abc".to_owned());
    assert_eq!(lock.packages[0].origin, origin);
    let pnpm = "lockfileVersion: '9.0'\npackages:\n  a@1.0.0:\n    resolution: {integrity: sha512-AAAA}\n  t@https://host.example/t.tgz:\n    resolution: {tarball: https://host.example/t.tgz}\n    version: 3.0.0\nsnapshots:\n  a@1.0.0(patch_hash=abc): {}\n  t@https://host.example/t.tgz: {}\n";
    let lock = parse(pnpm.as_bytes(), "pnpm-lock.yaml").unwrap();
    assert!(lock.packages[0].patched);
    let origin = Origin::Elsewhere("https://host.example/t.tgz".to_owned());
    assert_eq!(
        (&lock.packages[1].origin, &*lock.packages[1].version),
        (&origin, "3.0.0")
    );
    let berry = "__metadata:\n  version: 8\n\"a@patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch\":\n  version: 1.0.0\n  resolution: \"a@patch:a@npm%3A1.0.0#~/.yarn/patches/a.patch::version=1.0.0&hash=1\"\n\"b@portal:../b::locator=p\":\n  version: 2.0.0\n  resolution: \"b@portal:../b::locator=p\"\n";
    let lock = parse(berry.as_bytes(), "yarn.lock").unwrap();
    assert!(lock.packages[0].patched);
    assert_eq!(lock.packages[1].origin, Origin::Folder("../b".to_owned()));
    let bun = "{\"lockfileVersion\": 1, \"packages\": {\"g\": [\"g@git+ssh://git@host.example/g.git#abc\", {}, \"abc\"], \"w\": [\"w@workspace:packages/w\"]}}";
    let lock = parse(bun.as_bytes(), "bun.lock").unwrap();
    assert_eq!(lock.packages.len(), 1);
    assert!(matches!(lock.packages[0].origin, Origin::Elsewhere(_)));
}
