//! Files of the store that somebody changed: noticed, never linked, replaced.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::world::{Place, World, difference};

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One bit flips in place; the size stays, the time of change moves on its own.
    Flip,
    /// One bit flips, and the time of change is put back.
    FlipUnseen,
    Cut,
    Empty,
    Missing,
    Folder,
    Link,
}

const DAMAGES: [Damage; 7] = [
    Damage::Flip,
    Damage::FlipUnseen,
    Damage::Cut,
    Damage::Empty,
    Damage::Missing,
    Damage::Folder,
    Damage::Link,
];

impl Damage {
    /// Does it to the file at `path`; `false` when the file is empty and nothing can flip.
    fn apply(self, path: &Path) -> bool {
        let metadata = fs::metadata(path).unwrap();
        let size = metadata.len();
        match self {
            Self::Flip | Self::FlipUnseen if size == 0 => return false,
            Self::Flip | Self::FlipUnseen => {
                let mut file = fs::OpenOptions::new()
                    .read(true)
                    .write(true)
                    .open(path)
                    .unwrap();
                let mut byte = [0];
                file.seek(SeekFrom::Start(size / 2)).unwrap();
                file.read_exact(&mut byte).unwrap();
                byte[0] ^= 1;
                file.seek(SeekFrom::Start(size / 2)).unwrap();
                file.write_all(&byte).unwrap();
                if matches!(self, Self::FlipUnseen) {
                    file.set_modified(metadata.modified().unwrap()).unwrap();
                }
            }
            Self::Cut if size < 2 => return false,
            Self::Cut => fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(size / 2)
                .unwrap(),
            Self::Empty => fs::write(path, "").unwrap(),
            Self::Missing => fs::remove_file(path).unwrap(),
            Self::Folder => {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }
            Self::Link => {
                fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
            }
        }
        true
    }
}

/// The files of packages in the store, in a fixed order.
fn objects(place: &Place) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![place.store().join("v1")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let skipped = ["tmp", "state", "alias"]
                .iter()
                .any(|name| path.ends_with(name));
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if path.is_file() && path.parent() != Some(&place.store().join("v1")) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Damages every `step`th file of the store, one at a time; the number of cases tried.
fn damage_every(world: &World, step: usize) -> usize {
    let place = world.place();
    place.check_out(&world.new);
    place.run(&["ci", "--link-mode", "copy"]).succeeds();
    let mut tried = 0;
    for damage in DAMAGES {
        let files = objects(&place);
        for path in files.iter().skip(tried % step).step_by(step) {
            if !damage.apply(path) {
                continue;
            }
            tried += 1;
            for folder in ["node_modules", "packages/w/node_modules"] {
                let _ = fs::remove_dir_all(place.at(folder));
            }
            let after = format!("{damage:?} of {}", path.display());
            let answer = place.run(&["ci", "--link-mode", "copy"]);
            assert!(answer.status.success(), "{after}: {}", answer.text);
            difference(&place.tree(), &world.new.tree, &after);
        }
    }
    tried
}

#[test]
fn damage_in_the_store_is_noticed_and_mended() {
    assert!(damage_every(World::small(), 23) >= 14);
}

#[test]
#[ignore = "long"]
fn damage_anywhere_in_the_store_is_noticed_and_mended() {
    let tried = damage_every(World::large(), 3);
    println!("{tried} damaged files of the store, all noticed and mended");
    assert!(tried >= 1_000, "only {tried}");
}

/// Nothing in the store says what the package was: it is fetched anew, though all looked whole.
#[test]
fn a_package_whose_tarball_is_damaged_too_is_fetched_anew() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.new);
    place.run(&["ci", "--link-mode", "copy"]).succeeds();
    for path in objects(&place) {
        let is_index = path.ends_with("index");
        assert!(is_index || Damage::FlipUnseen.apply(&path) || fs::read(&path).unwrap().is_empty());
    }
    for folder in ["node_modules", "packages/w/node_modules"] {
        fs::remove_dir_all(place.at(folder)).unwrap();
    }
    place.run(&["ci", "--link-mode", "copy"]).succeeds();
    place.is_exactly(&world.new, "a store without a whole file");
    let answer = place.run(&["store", "verify"]);
    assert!(answer.status.success(), "{}", answer.text);
}

#[test]
fn an_edited_file_in_the_tree_does_not_reach_the_store() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.new);
    place.run(&["ci", "--link-mode", "hardlink"]).succeeds();
    let edited = place.at("node_modules/p1/index.js");
    assert!(
        fs::metadata(&edited).unwrap().nlink() > 1,
        "it is no hard link"
    );
    fs::write(&edited, "exports.is = 'edited'\n").unwrap();
    place.run(&["ci"]).succeeds();
    place.is_exactly(&world.new, "an edited file");
    let other = world.place().with_store_of(&place);
    other.check_out(&world.new);
    other.run(&["ci"]).succeeds();
    difference(&other.tree(), &world.new.tree, "another project");
}
