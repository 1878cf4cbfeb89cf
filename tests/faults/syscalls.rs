//! System calls that fail: a clear message and the former state, or the right tree all the same;
//! and the next run is right.

use crate::kill::density;
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

fn faulted(place: &Place, call: &str, error: &str, k: usize) -> Answer {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:error={error}:when={k}");
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
    place.run_under(&wrapper, &["ci"])
}

/// The program never began: its loader could not read a library.
fn is_before_main(answer: &Answer) -> bool {
    answer.status.code() == Some(127) || answer.text.contains("error while loading shared")
}

/// For each call and error the `k`th call fails, once in each thread that gets so far.
#[test]
#[ignore = "long"]
fn whatever_call_fails_the_tree_is_the_old_or_the_new_one() {
    let world = World::large();
    let place = world.place();
    for revision in [&world.new, &world.old] {
        place.check_out(revision);
        place.run(&["ci"]).succeeds();
    }
    let (mut points, mut survived) = (0, 0);
    for (call, errors) in FAULTS {
        for error in errors {
            let mut k = 1;
            while k < 400 {
                place.check_out(&world.new);
                let answer = faulted(&place, call, error, k);
                let after = format!("{call} {k} gave {error}");
                k += 1 + k / density(3);
                points += 1;
                let tree = place.tree();
                if answer.status.success() {
                    survived += 1;
                    difference(&tree, &world.new.tree, &format!("{after}, and exit 0"));
                } else if !is_before_main(&answer) {
                    answer.fails_cleanly(&after);
                    let known = tree == world.old.tree || tree == world.new.tree;
                    assert!(known, "{after}: neither the old nor the new tree");
                }
                let again = place.run(&["ci"]);
                assert!(again.status.success(), "{after}: then: {}", again.text);
                place.is_exactly(&world.new, &after);
                place.check_out(&world.old);
                place.run(&["ci"]).succeeds();
            }
        }
        println!("{points} faulted calls, {survived} without harm, after {call}");
    }
    assert!(points >= 200, "only {points} points");
}
