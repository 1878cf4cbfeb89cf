//! What is removed or replaced is heatseal's own: links, and journals that lie, lead nowhere else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::world::{Place, World};

/// Places, relative to the project or (with `store:`) to the store, where a link to somebody else's
/// folder may lie when heatseal comes along. Named from `STORE`: a package in the store.
const FOLDERS: [&str; 21] = [
    "node_modules",
    "node_modules/p1",
    "node_modules/@s",
    "node_modules/@s/p0",
    "node_modules/.bin",
    "node_modules/p1/lib",
    "node_modules/p1/node_modules",
    "node_modules/stray",
    "node_modules/.cache",
    "node_modules/w",
    "packages/w/node_modules",
    "packages/w/node_modules/p5",
    "packages/w",
    ".node_modules-heatseal-0123456789abcdef",
    "store:v1/tmp",
    "store:v1/tmp/0123456789abcdef",
    "store:v1/state",
    "store:v1/alias",
    "store:v1/022/PACKAGE",
    "store:v1/022/0123456789abcdef",
    "store:v1/077",
];

/// The same for files.
const FILES: [&str; 6] = [
    "node_modules/p1/index.js",
    "node_modules/p1/package.json",
    "node_modules/.package-lock.json",
    "node_modules/.bin/run0",
    "store:v1/022/PACKAGE/index",
    "store:v1/022/PACKAGE/tarball",
];

/// Path to mode, time of change and content of everything below a folder.
fn seen(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            seen(&path, found);
            Vec::new()
        } else {
            fs::read(&path).unwrap()
        };
        let text = String::from_utf8_lossy(&content).into_owned();
        let said = format!("{:o} {} {text}", metadata.mode(), metadata.mtime_nsec());
        found.insert(path, said);
    }
}

fn precious(place: &Place) -> (PathBuf, BTreeMap<PathBuf, String>) {
    let folder = place.at("../precious");
    for name in ["inner/deep", "lib", "node_modules/p1"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    for name in [
        "file",
        "package.json",
        "index",
        "tarball",
        "inner/deep/x",
        "lib/data.txt",
        "node_modules/p1/index.js",
    ] {
        fs::write(folder.join(name), format!("precious {name}")).unwrap();
    }
    let folder = folder.canonicalize().unwrap();
    let mut before = BTreeMap::new();
    seen(&folder, &mut before);
    (folder, before)
}

/// Where the link is to lie.
fn spot(place: &Place, name: &str) -> PathBuf {
    let Some(name) = name.strip_prefix("store:") else {
        return place.at(name);
    };
    let packages = place.store().join("v1/022");
    let mut names: Vec<PathBuf> = fs::read_dir(packages)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let first = names[0].file_name().unwrap().to_str().unwrap();
    place.store().join(name.replace("PACKAGE", first))
}

fn put_link(at: &Path, to: &Path) {
    if fs::symlink_metadata(at).is_ok_and(|there| there.is_dir()) {
        fs::remove_dir_all(at).unwrap();
    } else {
        let _ = fs::remove_file(at);
    }
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    symlink(to, at).unwrap();
}

/// Whatever comes of it, somebody else's files are as they were.
#[track_caller]
fn runs_harmlessly(
    place: &Place,
    world: &World,
    (folder, before): &(PathBuf, BTreeMap<PathBuf, String>),
    after: &str,
) {
    // Through a workspace that is a link, a checkout would write there itself.
    if !place.at("packages/w").is_symlink() {
        place.check_out(&world.new);
    }
    let commands: [&[&str]; 4] = [
        &["ci"],
        &["store", "prune", "--older-than", "0d"],
        &["store", "verify"],
        &["verify"],
    ];
    for args in commands {
        let answer = place.run(args);
        if !answer.status.success() {
            answer.fails_cleanly(after);
        }
        let mut now = BTreeMap::new();
        seen(folder, &mut now);
        assert_eq!(&now, before, "{after}, then {args:?}");
    }
}

fn with_every_link(modes: &[&str]) -> usize {
    let world = World::small();
    let mut set_ups = 0;
    let folders = FOLDERS.iter().map(|name| (name, ""));
    let all = folders.chain(FILES.iter().map(|name| (name, "/file")));
    for (name, file) in all {
        for linked in modes {
            let place = world.place();
            place.check_out(&world.old);
            place.run(&["ci", "--link-mode", linked]).succeeds();
            let kept = precious(&place);
            let to = PathBuf::from(format!("{}{file}", kept.0.display()));
            put_link(&spot(&place, name), &to);
            let after = format!("a link at {name}, {linked}");
            runs_harmlessly(&place, world, &kept, &after);
            set_ups += 1;
        }
    }
    set_ups
}

#[test]
fn no_link_leads_to_what_is_somebody_elses() {
    with_every_link(&["hardlink"]);
}

#[test]
#[ignore = "long"]
fn no_link_in_any_tree_leads_to_what_is_somebody_elses() {
    let set_ups = with_every_link(&["hardlink", "copy"]);
    println!("{set_ups} links to somebody else's files, 0 bytes changed");
    assert!(set_ups >= 40);
}

/// A journal that somebody wrote, or a tree that was somebody's before.
#[test]
fn no_journal_leads_out_of_the_project() {
    let world = World::small();
    for home in [
        "../precious",
        "../../precious",
        "/tmp",
        "packages/../../precious",
        "packages/w/../../../precious",
    ] {
        for letter in ["", "w", "i"] {
            let place = world.place();
            place.check_out(&world.old);
            place.run(&["ci"]).succeeds();
            let kept = precious(&place);
            let inode = fs::metadata(kept.0.join("node_modules")).unwrap().ino();
            let staging = ".node_modules-heatseal-0123456789abcdef";
            place.put(&format!("{staging}/0/x"), b"staged");
            place.put(
                &format!("{staging}/journal"),
                format!("0{letter} {inode} {home}\nend\n").as_bytes(),
            );
            runs_harmlessly(
                &place,
                world,
                &kept,
                &format!("a journal that says 0{letter} {home}"),
            );
        }
    }
}

/// A folder is swapped for a link again and again while trees come and go.
fn raced(world: &World, time: Duration) {
    let place = world.place();
    place.check_out(&world.old);
    place.run(&["ci"]).succeeds();
    let kept = precious(&place);
    let over = AtomicBool::new(false);
    let (folder, aside) = (place.at("node_modules/p1"), place.at("../aside"));
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if fs::rename(&folder, &aside).is_ok() {
                    let _ = symlink(&kept.0, &folder);
                    std::thread::yield_now();
                    let _ = fs::remove_file(&folder);
                    let _ = fs::rename(&aside, &folder);
                    let _ = fs::remove_dir_all(&aside);
                }
            }
        });
        let end = Instant::now() + time;
        while Instant::now() < end {
            place.check_out(if rounds % 2 == 0 {
                &world.new
            } else {
                &world.old
            });
            let _ = place.run(&["ci", "--link-mode", "copy"]);
            rounds += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    let mut now = BTreeMap::new();
    seen(&kept.0, &mut now);
    assert_eq!(now, kept.1);
    println!("{rounds} trees while a folder was a link now and then, 0 bytes changed");
}

#[test]
fn a_folder_that_becomes_a_link_meanwhile_is_not_followed() {
    raced(World::small(), Duration::from_secs(1));
}

#[test]
#[ignore = "long"]
fn a_folder_that_becomes_a_link_again_and_again_is_not_followed() {
    raced(World::small(), Duration::from_secs(30));
}
