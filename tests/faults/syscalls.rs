//! System calls that fail: a clear message and the former state, or the right tree all the same;
//! and the next run is right.

use std::fs;

use crate::kill::{Work, density};
use crate::world::{Answer, Place, World, difference};

/// What a call may answer; the full disk and the broken one, limits, permissions, interruption.
const FAULTS: [(&str, &[&str]); 24] = [
    ("openat", &["EIO", "ENOSPC", "EACCES", "EMFILE", "EROFS"]),
    ("read", &["EIO", "EINTR"]),
    ("write", &["EIO", "ENOSPC", "EDQUOT", "EINTR"]),
    ("pwrite64", &["EIO", "ENOSPC"]),
    ("fstat", &["EIO"]),
    ("newfstatat", &["EIO", "EACCES"]),
    ("statx", &["EIO"]),
    ("rename", &["EIO", "ENOSPC", "EACCES"]),
    ("renameat2", &["EIO", "EXDEV", "EINVAL"]),
    ("linkat", &["EIO", "EMLINK", "EPERM", "EXDEV"]),
    ("symlinkat", &["EIO", "ENOSPC"]),
    ("unlinkat", &["EIO", "EBUSY"]),
    ("mkdirat", &["EIO", "ENOSPC"]),
    ("mkdir", &["EIO", "ENOSPC"]),
    ("getdents64", &["EIO"]),
    ("flock", &["EINTR", "ENOLCK"]),
    ("ftruncate", &["EIO", "ENOSPC"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fchmod", &["EIO", "EPERM"]),
    ("close", &["EIO"]),
    ("mmap", &["ENOMEM"]),
    ("clone3", &["EAGAIN"]),
    ("rmdir", &["EIO"]),
    ("unlink", &["EIO", "EACCES"]),
];

/// A run whose `k`th call of a kind fails, and whether it got so far.
fn faulted(place: &Place, call: &str, error: &str, k: usize) -> (Answer, bool) {
    let record = place.at("../calls");
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:error={error}:when={k}");
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        record.to_str().unwrap(),
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    let answer = place.run_under(&wrapper, &["ci"]);
    let calls = fs::read_to_string(record).unwrap();
    (answer, calls.contains("(INJECTED)"))
}

/// The program never began: its loader could not read a library.
fn is_before_main(answer: &Answer) -> bool {
    answer.status.code() == Some(127) || answer.text.contains("error while loading shared")
}

/// For each call and error the `k`th call fails, once in each thread that gets so far, `k` growing
/// until no thread does.
#[test]
#[ignore = "long"]
fn whatever_call_fails_the_tree_is_the_old_or_the_new_one() {
    let world = World::large();
    let (mut points, mut survived) = (0, 0);
    for work in [Work::Upgrade, Work::Cold] {
        let place = work.place(world);
        for (call, errors) in FAULTS {
            for error in errors {
                let mut k = 1;
                while let Some(harmless) = hit(work, &place, (call, error, k)) {
                    k += 1 + k / density(3);
                    points += 1;
                    survived += usize::from(harmless);
                }
            }
            println!("{work:?}: {points} faulted calls, {survived} without harm, after {call}");
        }
    }
    assert!(points >= 200, "only {points} points");
}

/// Did the run succeed all the same? `None` when it made no such call.
fn hit(work: Work, place: &Place, (call, error, k): (&str, &str, usize)) -> Option<bool> {
    let world = World::large();
    work.reset(place, world);
    let before = place.tree();
    let after = format!("{work:?}: {call} {k} gave {error}");
    let (answer, reached) = faulted(place, call, error, k);
    if !reached {
        answer.succeeds();
        return None;
    }
    let tree = place.tree();
    let harmless = answer.status.success();
    if harmless {
        difference(&tree, &world.new.tree, &format!("{after}, and exit 0"));
    } else if !is_before_main(&answer) {
        answer.fails_cleanly(&after);
        let known = tree == before || tree == world.new.tree;
        assert!(known, "{after}: neither the former nor the new tree");
    }
    let again = place.run(&["ci"]);
    assert!(again.status.success(), "{after}: then: {}", again.text);
    place.is_exactly(&world.new, &after);
    Some(harmless)
}
