//! System calls that fail: a clear message and the former state, or the right tree all the same;
//! and the next run is right.

use std::fs;

use crate::kill::{Work, density};
use crate::world::{Answer, Place, World, difference};

/// What a call may answer; the full disk and the broken one, limits, permissions, interruption.
///
/// `close` is not among them: a call that `strace` lets fail is not made, while the system frees the
/// descriptor whatever it answers.
const FAULTS: [(&str, &[&str]); 23] = [
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
    ("mmap", &["ENOMEM"]),
    ("clone3", &["EAGAIN"]),
    ("rmdir", &["EIO"]),
    ("unlink", &["EIO", "EACCES"]),
];

/// A run whose `k`th call of a kind fails in each thread that gets so far, and how many did.
fn faulted(place: &Place, call: &str, error: &str, k: usize) -> (Answer, usize) {
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
    (answer, calls.matches("(INJECTED)").count())
}

/// The program never began, as its loader could not read a library; or the loader or Rust's runtime
/// ended it for want of memory, which nobody can catch.
fn is_out_of_its_hands(answer: &Answer, error: &str) -> bool {
    answer.status.code() == Some(127)
        || answer.text.contains("error while loading shared")
        || (error == "ENOMEM" && answer.status.code().is_none())
}

/// For each call and error the `k`th call fails, `k` growing until no thread gets so far.
#[test]
#[ignore = "long"]
fn whatever_call_fails_the_tree_is_the_old_or_the_new_one() {
    let world = World::large();
    let (mut runs, mut faults, mut survived) = (0, 0, 0);
    for work in [Work::Upgrade, Work::Cold] {
        let place = work.place(world);
        for (call, errors) in FAULTS {
            for error in errors {
                let mut k = 1;
                while let Some((hits, harmless)) = hit(work, &place, (call, error, k)) {
                    k += 1 + k / density(3);
                    runs += 1;
                    faults += hits;
                    survived += usize::from(harmless);
                }
            }
            println!("{work:?}, {call}: {faults} faults in {runs} runs, {survived} without harm");
        }
    }
    assert!(runs >= 200, "only {runs} runs");
}

/// How many calls failed, and did the run succeed all the same? `None` when it made no such call.
fn hit(work: Work, place: &Place, (call, error, k): (&str, &str, usize)) -> Option<(usize, bool)> {
    let world = World::large();
    work.reset(place, world);
    let before = place.tree();
    let after = format!("{work:?}: {call} {k} gave {error}");
    let (answer, hits) = faulted(place, call, error, k);
    if hits == 0 {
        answer.succeeds();
        return None;
    }
    let tree = place.tree();
    let harmless = answer.status.success();
    if harmless {
        difference(&tree, &world.new.tree, &format!("{after}, and exit 0"));
    } else {
        if !is_out_of_its_hands(&answer, error) {
            answer.fails_cleanly(&after);
        }
        let known = tree == before || tree == world.new.tree;
        assert!(known, "{after}: neither the former nor the new tree");
    }
    let again = place.run(&["ci"]);
    assert!(again.status.success(), "{after}: then: {}", again.text);
    place.is_exactly(&world.new, &after);
    Some((hits, harmless))
}
