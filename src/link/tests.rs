//! Claims about the trees that are linked: their files, their bins, and what a failure leaves.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::state::Look;
use super::*;
use crate::report::Silent;

/// A tarball of a package named `name`, 1.0.0, with these files.
fn tarball(name: &str, files: &[(&str, u32, &str)]) -> Vec<u8> {
    let manifest = format!(r#"{{"name":"{name}","version":"1.0.0"}}"#);
    let mut tar = Vec::new();
    for (path, mode, body) in [("package.json", 0o644, &*manifest)].iter().chain(files) {
        let mut block = [0u8; 512];
        let path = format!("package/{path}");
        block[..path.len()].copy_from_slice(path.as_bytes());
        block[100..107].copy_from_slice(format!("{mode:07o}").as_bytes());
        block[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
        block[156] = b'0';
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
        tar.extend(block);
        tar.extend(body.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tar).unwrap();
    encoder.finish().unwrap()
}

/// Serves what it was given; damages the first round on demand, and can forget.
#[derive(Default)]
struct Tarballs {
    known: Vec<(String, Vec<u8>)>,
    wrong_once: bool,
}

impl Fetch for Tarballs {
    fn fetch(&self, wants: &[TarballWant], deliver: &Deliver<'_>) {
        for want in wants {
            let known = self.known.iter().find(|(name, _)| **name == *want.id.name);
            let Some((_, bytes)) = known else { continue };
            let mut bytes = bytes.clone();
            if self.wrong_once && !want.again {
                bytes.push(0);
            }
            if deliver(want.slot, Ok(bytes)).is_break() {
                return;
            }
        }
    }
}

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    fetch: Tarballs,
    wanted: Wanted,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("project")).unwrap();
    Fixture {
        store: Store::open(&folder.path().join("store"), 0o022).unwrap(),
        folder,
        fetch: Tarballs::default(),
        wanted: Wanted {
            hidden_lock: Some(b"{}\n".to_vec()),
            ..Wanted::default()
        },
    }
}

impl Fixture {
    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn package(&mut self, location: &str, files: &[(&str, u32, &str)], bins: &[(&str, &str)]) {
        let name = location.rsplit("node_modules/").next().unwrap();
        let bytes = tarball(name, files);
        self.wanted.packages.push(WantedPackage {
            location: location.to_owned(),
            id: PackageId::new(name, "1.0.0"),
            url: None,
            integrity: Some(Integrity::of(&bytes)),
            source: None,
            optional: false,
            runs_scripts: false,
            bundled: false,
            bins: owned(bins),
            claims: None,
        });
        self.fetch.known.push((name.to_owned(), bytes));
    }

    fn stage(&self, mode: LinkMode) -> Result<Staged, LinkError> {
        let means = Means {
            store: &self.store,
            fetch: &self.fetch,
            mode,
            reporter: &Silent,
            look_into: None,
        };
        stage(&self.project(), &self.wanted, means)
    }

    fn install(&self, mode: LinkMode) {
        self.stage(mode)
            .unwrap()
            .swap()
            .unwrap()
            .commit(|_| {})
            .unwrap()
            .wait();
    }

    /// `path mode content-or-target` of everything in the project.
    fn tree(&self) -> Vec<String> {
        let mut lines = Vec::new();
        list(&self.project(), "", &mut lines);
        lines
    }
}

fn owned(bins: &[(&str, &str)]) -> Vec<(String, String)> {
    bins.iter()
        .map(|(name, path)| ((*name).to_owned(), (*path).to_owned()))
        .collect()
}

fn list(folder: &Path, prefix: &str, lines: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let metadata = entry.path().symlink_metadata().unwrap();
        let mode = metadata.mode() & 0o7777;
        if metadata.is_dir() {
            list(&entry.path(), &format!("{name}/"), lines);
        } else if metadata.is_symlink() {
            lines.push(format!(
                "{name} -> {}",
                fs::read_link(entry.path()).unwrap().display()
            ));
        } else if !name.ends_with("package.json") {
            let text = fs::read_to_string(entry.path()).unwrap();
            lines.push(format!("{name} {mode:o} {text}"));
        }
    }
}

fn sample() -> Fixture {
    let mut cx = fixture();
    cx.package(
        "node_modules/a",
        &[
            ("cli.js", 0o644, "#!/usr/bin/env node\r\nx\r\n"),
            ("lib/deep/x", 0o755, "x"),
        ],
        &[("a", "cli.js"), ("gone", "missing.js")],
    );
    cx.package(
        "node_modules/@s/b",
        &[("run", 0o755, "b")],
        &[("a", "run"), ("b", "./run")],
    );
    cx.package(
        "node_modules/a/node_modules/c",
        &[("c.js", 0o644, "c")],
        &[("c", "c.js")],
    );
    cx
}

#[test]
fn every_mode_gives_the_same_tree_cold_and_warm() {
    let expected = [
        "node_modules/.bin/a -> ../@s/b/run",
        "node_modules/.bin/b -> ../@s/b/run",
        "node_modules/.package-lock.json 644 {}\n",
        "node_modules/@s/b/run 755 b",
        "node_modules/a/cli.js 755 #!/usr/bin/env node\r\nx\r\n",
        "node_modules/a/lib/deep/x 755 x",
        "node_modules/a/node_modules/.bin/c -> ../c/c.js",
        "node_modules/a/node_modules/c/c.js 755 c",
    ];
    for mode in [
        LinkMode::Auto,
        LinkMode::Copy,
        LinkMode::Reflink,
        LinkMode::Hardlink,
    ] {
        let cx = sample();
        cx.install(mode);
        assert_eq!(cx.tree(), expected, "{mode:?}, cold");
        cx.install(mode);
        assert_eq!(cx.tree(), expected, "{mode:?}, warm");
    }
}

#[test]
fn the_first_claimant_gets_a_bin_and_its_file_is_mended_in_private() {
    let mut cx = fixture();
    let script = "#!/usr/bin/env node\r\nx\r\n";
    cx.package(
        "node_modules/a",
        &[("cli.js", 0o644, script)],
        &[("x", "cli.js")],
    );
    cx.package(
        "node_modules/z",
        &[("cli.js", 0o644, "z")],
        &[("x", "cli.js")],
    );
    cx.install(LinkMode::Auto);
    let tree = cx.tree();
    assert_eq!(tree[0], "node_modules/.bin/x -> ../a/cli.js");
    assert_eq!(
        tree[2],
        "node_modules/a/cli.js 755 #!/usr/bin/env node\nx\r\n"
    );
    assert_eq!(tree[3], "node_modules/z/cli.js 755 z");
    let want = cx.wanted.packages[0].integrity.as_ref().unwrap();
    let package = cx.store.lookup(want).unwrap();
    assert_eq!(
        cx.store.read(&package, "cli.js").unwrap(),
        script.as_bytes()
    );
}

#[test]
fn a_package_gets_a_bin_before_a_link_to_the_users_own_folder() {
    let mut cx = fixture();
    let bins = [("x", "cli.js")];
    cx.package("node_modules/z", &[("cli.js", 0o644, "z")], &bins);
    cx.wanted.links.push(WantedLink {
        location: "node_modules/a".to_owned(),
        target: "packages/a".to_owned(),
        bins: owned(&bins),
    });
    cx.install(LinkMode::Auto);
    assert_eq!(cx.tree()[0], "node_modules/.bin/x -> ../z/cli.js");
}

#[test]
fn packages_whose_scripts_run_share_nothing_with_the_store() {
    let mut cx = fixture();
    for name in ["node_modules/a", "node_modules/b"] {
        let files = [("binding.gyp", 0o644, name), ("x", 0o644, name)];
        cx.package(name, &files, &[]);
    }
    cx.package("node_modules/c", &[("x", 0o644, "c")], &[]);
    cx.wanted.packages[0].runs_scripts = true;
    cx.wanted.packages[2].runs_scripts = true;
    cx.install(LinkMode::Auto);
    let links = |path: &str| cx.project().join(path).metadata().unwrap().nlink();
    assert_eq!(links("node_modules/a/x"), 1);
    assert_eq!(links("node_modules/b/x"), 2, "its scripts may not run");
    assert_eq!(links("node_modules/c/x"), 2, "it has none");
}

#[test]
fn a_failure_leaves_the_former_tree_and_nothing_else() {
    let mut cx = sample();
    cx.install(LinkMode::Auto);
    let before = cx.tree();
    cx.package("node_modules/new", &[], &[]);
    cx.fetch.known.clear();
    assert!(matches!(
        cx.stage(LinkMode::Auto),
        Err(LinkError::Undelivered(_))
    ));
    assert_eq!(cx.tree(), before);
}

#[test]
fn wrong_bytes_are_asked_for_once_more() {
    let mut cx = sample();
    cx.fetch.wrong_once = true;
    cx.install(LinkMode::Auto);
    assert_eq!(cx.tree().len(), 8);
    let mut cx = sample();
    cx.fetch.known[0].1.push(0);
    let error = cx.stage(LinkMode::Auto).unwrap_err();
    assert!(matches!(
        error,
        LinkError::Store(crate::store::StoreError::Integrity { .. })
    ));
}

#[test]
fn a_dropped_or_rolled_back_swap_brings_the_former_tree_back() {
    let mut cx = sample();
    cx.install(LinkMode::Auto);
    let before = cx.tree();
    cx.package("node_modules/new", &[], &[]);
    drop(cx.stage(LinkMode::Auto).unwrap());
    assert_eq!(cx.tree(), before);
    drop(cx.stage(LinkMode::Auto).unwrap().swap().unwrap());
    assert_eq!(cx.tree(), before);
    cx.stage(LinkMode::Auto)
        .unwrap()
        .swap()
        .unwrap()
        .roll_back()
        .unwrap();
    assert_eq!(cx.tree(), before);
}

#[test]
fn what_a_killed_run_left_is_undone_by_the_next() {
    let cx = sample();
    fs::create_dir(cx.project().join("node_modules")).unwrap();
    fs::write(cx.project().join("node_modules/old"), "old").unwrap();
    // As if killed after the exchange: nothing is dropped.
    cx.stage(LinkMode::Auto).unwrap().swap().unwrap().abandon();
    assert!(!cx.project().join("node_modules/old").exists());
    swap::recover(&cx.project()).unwrap();
    assert_eq!(cx.tree(), ["node_modules/old 644 old"]);
    cx.stage(LinkMode::Auto).unwrap().abandon();
    swap::recover(&cx.project()).unwrap();
    assert_eq!(cx.tree(), ["node_modules/old 644 old"]);
}

#[test]
fn workspaces_are_linked_and_their_trees_swapped_as_one() {
    let mut cx = fixture();
    let own = cx.project().join("packages/w");
    fs::create_dir_all(own.join("node_modules/stale")).unwrap();
    fs::write(own.join("cli.js"), "w").unwrap();
    fs::set_permissions(own.join("cli.js"), fs::Permissions::from_mode(0o644)).unwrap();
    cx.package("packages/w/node_modules/x", &[("x.js", 0o644, "x")], &[]);
    cx.wanted.workspaces = vec!["packages/w".to_owned()];
    cx.wanted.links.push(WantedLink {
        location: "node_modules/@s/w".into(),
        target: "packages/w".into(),
        bins: owned(&[("w", "cli.js")]),
    });
    cx.install(LinkMode::Auto);
    assert_eq!(
        cx.tree(),
        [
            "node_modules/.bin/w -> ../@s/w/cli.js",
            "node_modules/.package-lock.json 644 {}\n",
            "node_modules/@s/w -> ../../packages/w",
            "packages/w/cli.js 755 w",
            "packages/w/node_modules/x/x.js 644 x",
        ]
    );
    assert!(!own.join("node_modules/stale").exists());
}

#[test]
fn a_node_modules_that_is_a_link_is_refused() {
    let cx = sample();
    let outside = cx.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let link = cx.project().join("node_modules");
    symlink(&outside, &link).unwrap();
    let refused = cx.stage(LinkMode::Auto).map(drop).unwrap_err();
    assert!(matches!(refused, LinkError::Linked { target, .. } if target == outside));
    assert!(link.is_symlink());
    assert_eq!(fs::read_dir(cx.project()).unwrap().count(), 1);
}

#[test]
fn locations_and_bins_that_leave_their_place_are_refused() {
    for location in [
        "../x",
        "node_modules/../x",
        "node_modules/.bin",
        "/node_modules/x",
        "a/../node_modules/x",
        "node_modules/a//node_modules/b",
        "packages/w",
        "node_modules/a\\b",
    ] {
        assert!(plan::Location::parse(location).is_err(), "{location}");
    }
    for (name, target) in [
        ("../x", "a"),
        ("x/y", "a"),
        ("..", "a"),
        ("", "a"),
        ("x", "../a"),
        ("x", "/a"),
        ("x", "./"),
    ] {
        let mut cx = fixture();
        cx.package("node_modules/a", &[("a", 0o644, "")], &[(name, target)]);
        assert!(
            matches!(cx.stage(LinkMode::Auto), Err(LinkError::Bin { .. })),
            "{name} {target}"
        );
    }
}

#[test]
fn damage_in_the_store_never_reaches_a_tree() {
    let cx = sample();
    cx.install(LinkMode::Auto);
    let before = cx.tree();
    fs::write(
        cx.project().join("node_modules/@s/b/run"),
        "edited through the hard link",
    )
    .unwrap();
    cx.install(LinkMode::Auto);
    assert_eq!(cx.tree(), before);
}

#[test]
fn an_installed_tree_is_current_until_something_in_it_changes() {
    let cx = sample();
    let install = || {
        let swapped = cx.stage(LinkMode::Copy).unwrap().swap().unwrap();
        let record = |contents: &_| state::record(&cx.project(), "digest", &cx.store, contents);
        swapped.commit(record).unwrap().wait();
    };
    let current = |digest, look| state::is_current(&cx.project(), digest, &cx.store, look);
    let file = cx.project().join("node_modules/a/lib/deep/x");
    install();
    assert!(current("digest", Look::Folders) && current("digest", Look::Files));
    assert!(!current("other", Look::Folders));
    fs::write(&file, "edited").unwrap();
    assert!(current("digest", Look::Folders) && !current("digest", Look::Files));
    install();
    assert!(current("digest", Look::Files));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!current("digest", Look::Files));
    fs::remove_file(&file).unwrap();
    assert!(!current("digest", Look::Folders));
}

#[test]
fn nothing_is_believed_of_a_tree_from_before_the_machine_was_started() {
    let mut cx = sample();
    let swapped = cx.stage(LinkMode::Auto).unwrap().swap().unwrap();
    let record = |contents: &_| state::record(&cx.project(), "digest", &cx.store, contents);
    swapped.commit(record).unwrap().wait();
    assert!(state::is_current(
        &cx.project(),
        "digest",
        &cx.store,
        Look::Folders
    ));
    cx.store.restart();
    assert!(!state::is_current(
        &cx.project(),
        "digest",
        &cx.store,
        Look::Folders
    ));
}
