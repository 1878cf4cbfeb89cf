//! One lock, one digest: whatever the umask, locale, time zone, processors, folder, file system and
//! state of the store are.

use std::path::Path;
use std::process::Command;

use crate::world::{World, program};

/// What differs between two hosts, each with its two values.
const DIFFERENCES: [[&str; 2]; 5] = [
    ["umask 022", "umask 077"],
    [
        "export LC_ALL=C",
        "export LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8",
    ],
    ["export TZ=UTC", "export TZ=Asia/Kathmandu"],
    ["cpus=0,1", "cpus=0"],
    ["folder=here", "folder='in a süß folder'"],
];

/// The digests of so many installs, each with another choice of all the above.
fn digests(world: &World, combinations: usize) -> Vec<(usize, String)> {
    let digest = |at: usize| {
        let setting = |bit: usize| DIFFERENCES[bit][at >> (bit + 1) & 1];
        let settings: Vec<&str> = (0..DIFFERENCES.len()).map(setting).collect();
        // Even ones begin with an empty store, odd ones find what the one before left.
        let first = if at.is_multiple_of(2) {
            "rm -rf \"$STORE\""
        } else {
            "true"
        };
        let script = format!(
            "{first}; {}; mkdir -p \"$folder\"; cp -r package.json npm-shrinkwrap.json packages \
             \"$folder\"; cd \"$folder\"; export HEATSEAL_STORE_DIR=$STORE; \
             taskset -c $cpus \"$0\" ci >&2 && exec \"$0\" verify",
            settings.join("; ")
        );
        let memory = Path::new("/dev/shm");
        let temporary = std::env::temp_dir();
        let place = world.place_in(if at.count_ones() % 2 == 1 && memory.is_dir() {
            memory
        } else {
            &temporary
        });
        place.check_out(&world.new);
        let program = program();
        let base = place.command(&[], &[]);
        let environment = base
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        let store = world.registry().with_file_name("shared-store");
        let output = Command::new("sh")
            .args(["-c", &script, &program])
            .current_dir(place.at(""))
            .env_clear()
            .envs(environment)
            .env("STORE", store)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{settings:?}: {said}");
        (at, String::from_utf8(output.stdout).unwrap())
    };
    (0..combinations).map(digest).collect()
}

#[track_caller]
fn one_digest(combinations: usize) {
    let digests = digests(World::small(), combinations);
    let (_, first) = &digests[0];
    assert!(first.trim().len() > 32, "{first:?} is no digest");
    let other = digests.iter().find(|(_, digest)| digest != first);
    assert_eq!(other, None, "the first was {first:?}");
    println!("{} combinations, one digest", digests.len());
}

#[test]
fn hosts_that_differ_give_one_digest() {
    one_digest(4);
}

#[test]
#[ignore = "long"]
fn sixty_four_hosts_that_differ_give_one_digest() {
    one_digest(64);
}
