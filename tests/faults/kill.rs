//! kill -9 at any moment: the tree and the lock are the old or the new ones, and the next run ends
//! with the new ones and nothing else.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::world::{Answer, LOCK, Place, Revision, Tree, World, difference};

/// What is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `ci` with an empty store.
    Cold,
    /// `ci` with a filled store and no tree.
    Warm,
    /// `ci` of the new revision over the tree of the old one.
    Upgrade,
    /// `shrinkwrap` of the new revision over the old lock.
    Lock,
    /// `store prune` of packages that nobody shares.
    Prune,
}

const WORKS: [Work; 5] = [
    Work::Cold,
    Work::Warm,
    Work::Upgrade,
    Work::Lock,
    Work::Prune,
];

impl Work {
    pub fn args(self) -> &'static [&'static str] {
        match self {
            Self::Lock => &["shrinkwrap"],
            Self::Prune => &["store", "prune", "--older-than", "0d"],
            _ => &["ci"],
        }
    }

    /// A place on which this work is about to start; the store is filled where it may be.
    pub fn place(self, world: &World) -> Place {
        let place = world.place();
        if self != Self::Cold {
            for revision in [&world.new, &world.old] {
                place.check_out(revision);
                place.run(&["ci"]).succeeds();
            }
        }
        self.reset(&place, world);
        place
    }

    /// Back to the start, with whatever the store holds by now; a cold store is emptied.
    pub fn reset(self, place: &Place, world: &World) {
        match self {
            Self::Cold => {
                clear(place);
                let _ = fs::remove_dir_all(place.store());
                place.check_out(&world.new);
            }
            Self::Warm => {
                clear(place);
                place.check_out(&world.new);
            }
            Self::Upgrade => {
                place.check_out(&world.old);
                place.run(&["ci"]).succeeds();
                place.check_out(&world.new);
            }
            Self::Lock => {
                place.check_out(&world.new);
                place.put(LOCK, &world.old.lock);
            }
            Self::Prune => {
                place.check_out(&world.new);
                place.run(&["ci"]).succeeds();
                clear(place);
            }
        }
    }

    /// Claims what must hold at any moment.
    fn holds(self, place: &Place, world: &World, after: &str) {
        let lock = fs::read(place.at(LOCK)).unwrap();
        let (old, new) = (&world.old, &world.new);
        assert!(lock == old.lock || lock == new.lock, "{after}: half a lock");
        let tree = place.tree();
        match self {
            Self::Cold | Self::Warm if tree.is_empty() => {}
            Self::Cold | Self::Warm => each_folder_is_one_of(&tree, &[new], after),
            Self::Upgrade => each_folder_is_one_of(&tree, &[old, new], after),
            Self::Lock | Self::Prune => {}
        }
    }

    /// Claims that one more run puts everything right.
    fn heals(self, place: &Place, world: &World, after: &str) {
        let answer = place.run(self.args());
        assert!(answer.status.success(), "{after}: then: {}", answer.text);
        if self == Self::Prune {
            place.run(&["ci"]).succeeds();
        }
        if self == Self::Lock {
            assert_eq!(fs::read(place.at(LOCK)).unwrap(), world.new.lock, "{after}");
        } else {
            place.is_exactly(&world.new, after);
        }
    }
}

fn clear(place: &Place) {
    for folder in ["node_modules", "packages/w/node_modules"] {
        let _ = fs::remove_dir_all(place.at(folder));
    }
}

/// Every `node_modules` is absent or whole, of one revision. That all of them change as one is what
/// the next run sees to.
fn each_folder_is_one_of(tree: &Tree, revisions: &[&Revision], after: &str) {
    for prefix in ["node_modules/", "packages/w/node_modules/"] {
        let of = |tree: &Tree| -> Tree {
            let entries = tree.iter().filter(|(path, _)| path.starts_with(prefix));
            entries
                .map(|(path, said)| (path.clone(), said.clone()))
                .collect()
        };
        let got = of(tree);
        let known = revisions.iter().any(|revision| got == of(&revision.tree));
        let absent = got.is_empty() && revisions.len() == 1;
        if !known && !absent {
            difference(&got, &of(&revisions[0].tree), after);
        }
    }
}

/// Runs it and kills it after `delay`; `false` when it was done before.
fn kill_after(place: &Place, args: &[&str], delay: Duration) -> bool {
    let mut command = place.command(&[], args);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + delay;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

/// Kills each kind of work at so many moments, spread over the time that it takes.
fn at_moments(world: &World, rounds: u32) {
    for work in WORKS {
        let place = work.place(world);
        let begin = Instant::now();
        place.run(work.args()).succeeds();
        let whole = begin.elapsed();
        let mut killed = 0;
        for round in 0..rounds {
            work.reset(&place, world);
            let delay = whole * round / rounds;
            killed += u32::from(kill_after(&place, work.args(), delay));
            let after = format!("{work:?} killed after {delay:?}");
            work.holds(&place, world, &after);
            work.heals(&place, world, &after);
        }
        println!("{work:?}: killed {killed} times in {whole:?}");
        assert!(killed > 0, "{work:?} was never caught in the act");
    }
}

#[test]
fn whatever_moment_a_run_is_killed_at_nothing_is_half_done() {
    at_moments(World::small(), 5);
}

#[test]
#[ignore = "long"]
fn whatever_moment_a_long_run_is_killed_at_nothing_is_half_done() {
    at_moments(World::large(), 100);
}

/// System calls that change something, or that stand between two that do.
const CALLS: [&str; 16] = [
    "openat",
    "write",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fchmod",
    "flock",
    "close",
];

/// Kills at the `k`th call of each kind in any thread, `k` growing until a run ends by itself.
#[test]
#[ignore = "long"]
fn a_run_killed_at_any_system_call_leaves_old_or_new() {
    let world = World::large();
    let mut points = 0;
    for work in WORKS {
        let place = work.place(world);
        for call in CALLS {
            let mut k = 1;
            loop {
                work.reset(&place, world);
                let answer = killed_at(&place, work.args(), call, k);
                let after = format!("{work:?} killed at {call} {k}");
                if answer.status.code().is_some() {
                    answer.succeeds();
                    break;
                }
                work.holds(&place, world, &after);
                work.heals(&place, world, &after);
                points += 1;
                // Dense at first, then wider: what repeats for each file needs fewer points.
                k += 1 + k / density(5);
            }
            println!("{work:?}, {call}: {points} kills so far");
        }
    }
    assert!(points >= 500, "only {points} points");
}

/// How many points of a kind are tried one by one before they get fewer: more with
/// `HEATSEAL_DENSITY`.
pub fn density(usual: usize) -> usize {
    let asked = std::env::var("HEATSEAL_DENSITY").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

pub fn killed_at(place: &Place, args: &[&str], call: &str, k: usize) -> Answer {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=KILL:when={k}");
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    place.run_under(&wrapper, args)
}
