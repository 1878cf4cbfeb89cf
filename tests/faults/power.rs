//! Power cuts: a run is stopped at some system call, and what was never synced is lost in part or
//! as a whole. After the restart nothing is taken for whole that is not, and one run mends it all.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::kill::{Work, density, killed_at};
use crate::world::{Answer, Place, World};

/// What has become of a file that was not synced. Its size, where kept, and its times were.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Empty,
    Zeros,
    /// The rest is zeros.
    Half,
    Missing,
}

const LOSSES: [Loss; 4] = [Loss::Empty, Loss::Zeros, Loss::Half, Loss::Missing];

/// Which of the files that were not synced are lost.
#[derive(Debug, Clone, Copy)]
enum Which {
    All,
    /// Every second of them.
    Half(usize),
    One(usize),
}

impl Which {
    fn has(self, at: usize, all: usize) -> bool {
        match self {
            Self::All => true,
            Self::Half(from) => at % 2 == from % 2,
            Self::One(one) => at == one.wrapping_mul(7919) % all,
        }
    }
}

impl Loss {
    fn befall(self, path: &Path) {
        let metadata = fs::symlink_metadata(path).unwrap();
        let size = metadata.len();
        let kept = match self {
            Self::Missing => return fs::remove_file(path).unwrap(),
            Self::Empty | Self::Zeros => 0,
            Self::Half => size / 2,
        };
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(kept).unwrap();
        if !matches!(self, Self::Empty) {
            file.set_len(size).unwrap();
        }
        file.set_modified(metadata.modified().unwrap()).unwrap();
    }
}

/// Every regular file that heatseal made: nothing of it is ever synced but the lock. One name of
/// each, for they share their fate.
fn unsynced(place: &Place) -> Vec<PathBuf> {
    let mut pending = vec![place.store()];
    for name in place.listing() {
        if name.contains("node_modules") {
            pending.push(place.at(name.trim_start_matches('/')));
        }
    }
    let (mut found, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    while let Some(folder) = pending.pop() {
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        for path in paths {
            let metadata = fs::symlink_metadata(&path).unwrap();
            if metadata.is_dir() {
                pending.push(path);
            } else if metadata.is_file() && seen.insert(metadata.ino()) {
                found.push(path);
            }
        }
    }
    found
}

/// The program on a machine that was started anew.
fn restarted(place: &Place, boot: usize, args: &[&str]) -> Answer {
    fs::write(place.at("../boot"), format!("boot {boot}\n")).unwrap();
    let script = r#"mount --bind ../boot /proc/sys/kernel/random/boot_id && exec "$@""#;
    place.run_under(&["unshare", "--mount", "sh", "-c", script, "sh"], args)
}

/// Where a run is stopped: at the `k`th call of a kind, or at its end.
fn stops() -> Vec<Option<(&'static str, usize)>> {
    let calls = [
        "openat",
        "write",
        "linkat",
        "symlinkat",
        "mkdirat",
        "rename",
        "renameat2",
        "renameat",
        "unlink",
        "unlinkat",
    ];
    let mut stops = vec![None];
    for call in calls {
        let mut k = 1;
        while k < 200 {
            stops.push(Some((call, k)));
            k += 1 + k / density(3);
        }
    }
    stops
}

#[test]
#[ignore = "long"]
fn whatever_a_power_cut_takes_the_next_run_mends() {
    let world = World::small();
    let (mut states, mut held) = (0, 0);
    for work in [Work::Upgrade, Work::Warm, Work::Cold] {
        let place = work.place(world);
        let mut over = "";
        for stop in stops() {
            if stop.is_some_and(|(call, _)| call == over) {
                continue;
            }
            for loss in LOSSES {
                for which in [
                    Which::All,
                    Which::Half(states),
                    Which::One(states),
                    Which::One(states + 1),
                ] {
                    work.reset(&place, world);
                    let answer = match stop {
                        Some((call, k)) => killed_at(&place, work.args(), call, k),
                        None => place.run(work.args()),
                    };
                    if answer.status.code().is_some()
                        && let Some((call, _)) = stop
                    {
                        over = call;
                    }
                    let files = unsynced(&place);
                    for (at, path) in files.iter().enumerate() {
                        if which.has(at, files.len()) {
                            loss.befall(path);
                        }
                    }
                    states += 1;
                    let after = format!("{work:?} stopped at {stop:?}, {loss:?} {which:?}");
                    let whole = place.tree() == world.new.tree;
                    let verdict = restarted(&place, states, &["verify"]).status.code();
                    assert!(
                        whole || verdict != Some(0),
                        "{after}: verify took it for whole"
                    );
                    held += usize::from(verdict == Some(0));
                    let answer = restarted(&place, states, work.args());
                    assert!(answer.status.success(), "{after}: then: {}", answer.text);
                    place.is_exactly(&world.new, &after);
                }
            }
        }
        println!("{work:?}: {states} power cuts so far, {held} of them without harm");
    }
    assert!(states >= 2_000, "only {states} states");
}

/// The lock is the one file that cannot be had again: its content is on disk before it takes its
/// name, and the name before the run ends.
#[test]
#[ignore = "long"]
fn a_lock_is_synced_before_it_takes_its_name_and_its_folder_after() {
    let world = World::small();
    let place = Work::Lock.place(world);
    let record = place.at("../calls");
    let record = record.to_str().unwrap();
    let wrapper = [
        "strace",
        "-f",
        "-y",
        "-o",
        record,
        "-e",
        "trace=fsync,fdatasync,rename,renameat2",
    ];
    place.run_under(&wrapper, Work::Lock.args()).succeeds();
    let text = fs::read_to_string(record).unwrap();
    let project = place.at("").canonicalize().unwrap();
    let line = |call: &str, part: &str| {
        text.lines()
            .position(|line| line.contains(call) && line.contains(part))
    };
    let content = line("fsync(", ".npm-shrinkwrap.json.");
    let name = line("rename", "npm-shrinkwrap.json\"");
    let folder = line("fsync(", &format!("<{}>", project.display()));
    assert!(
        content.is_some() && content < name && name < folder,
        "{text}"
    );
}
