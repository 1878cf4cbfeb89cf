//! Limits of the machine: no space, few descriptors, few threads, nothing writable, no home.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::world::{Place, World};

/// A shell's limit around the program.
fn limited(limit: &str) -> [&str; 4] {
    ["sh", "-c", limit, "sh"]
}

#[test]
fn files_that_may_not_grow_end_the_run_and_nothing_is_lost() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.old);
    place.run(&["ci"]).succeeds();
    place.check_out(&world.new);
    // In blocks of 512 or 1024 bytes, as the shell has it: some packages fit, others do not.
    let answer = place.run_under(&limited(r#"trap '' XFSZ; ulimit -f 2; exec "$@""#), &["ci"]);
    let answer = answer.fails_cleanly("a limit on file sizes");
    assert_eq!(answer.status.code(), Some(10), "{}", answer.text);
    assert!(place.tree() == world.old.tree);
    place.run(&["ci"]).succeeds();
    place.is_exactly(&world.new, "a limit on file sizes");
}

#[test]
fn sixty_four_descriptors_are_enough() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.new);
    place
        .run_under(&limited(r#"ulimit -n 64; exec "$@""#), &["ci"])
        .succeeds();
    place.is_exactly(&world.new, "64 descriptors");
}

/// Makes everything below `folder` unwritable, or writable again.
fn set_writable(folder: &Path, writable: bool) {
    let mode = if writable { 0o755 } else { 0o555 };
    if writable {
        fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            set_writable(&path, writable);
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_filled_store_that_nobody_may_write_to_is_enough() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.new);
    place.run(&["ci"]).succeeds();
    for folder in ["node_modules", "packages/w/node_modules"] {
        let _ = fs::remove_dir_all(place.at(folder));
    }
    set_writable(&place.store(), false);
    let answer = as_nobody(&place, &["ci"]);
    set_writable(&place.store(), true);
    answer.succeeds();
    crate::world::difference(&place.tree(), &world.new.tree, "a store that is read only");
}

/// Permissions mean nothing to root: it runs without its capabilities there.
fn as_nobody(place: &Place, args: &[&str]) -> crate::world::Answer {
    if rustix_is_root() {
        let wrapper = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"];
        return place.run_under(&wrapper, args);
    }
    place.run(args)
}

fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[test]
fn without_a_home_a_store_has_to_be_named() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.new);
    let mut command = place.command(&[], &["ci"]);
    command.env_remove("HOME");
    crate::world::Answer::of(&command.output().unwrap()).succeeds();
    place.is_exactly(&world.new, "no home");
    let mut command = place.command(&[], &["ci"]);
    command.env_remove("HOME").env_remove("HEATSEAL_STORE_DIR");
    let answer = crate::world::Answer::of(&command.output().unwrap());
    let answer = answer.fails_cleanly("no home and no store");
    assert!(answer.text.contains("--store-dir"), "{}", answer.text);
}

/// A disk of every size in steps, from far too small to more than enough.
#[test]
#[ignore = "long"]
fn on_a_disk_of_any_size_a_run_is_whole_or_nothing() {
    let world = World::large();
    let (mut full, mut fitted) = (0, 0);
    for kilobytes in (512..24_576).step_by(512) {
        let place = world.place();
        place.check_out(&world.new);
        let disk = place.at("../disk");
        fs::create_dir(&disk).unwrap();
        // Store and project on one small disk, in a namespace of its own.
        let script = format!(
            r#"mount -t tmpfs -o size={kilobytes}k none ../disk && cp -R . ../disk/project &&
            cd ../disk/project && HEATSEAL_STORE_DIR=../store "$@"; code=$?;
            if [ $code = 0 ]; then test -d node_modules/@s || exit 99
            else test ! -e node_modules || exit 98; fi;
            test -z "$(ls -A . | grep heatseal)" || exit 97; exit $code"#
        );
        let wrapper = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        let answer = place.run_under(&wrapper, &["ci"]);
        match answer.status.code() {
            Some(0) => fitted += 1,
            Some(10) => full += 1,
            code => panic!("{kilobytes} KiB: {code:?}: {}", answer.text),
        }
    }
    println!("{full} disks were too small, {fitted} were enough");
    assert!(full > 5 && fitted > 5, "{full} too small, {fitted} enough");
}

/// In a namespace of its own: the old revision, then the new one, then the new one again.
#[test]
#[ignore = "long"]
fn a_mount_in_the_tree_is_filled_where_it_stands() {
    let world = World::small();
    let other = world.place();
    other.check_out(&world.new);
    for (mounted, how) in [
        ("node_modules", "-t tmpfs none"),
        ("node_modules", "--bind ../disk"),
        ("packages/w/node_modules", "-t tmpfs none"),
        ("packages/w", "-t tmpfs none"),
        ("packages/w", "--bind ../disk"),
    ] {
        let place = world.place();
        place.check_out(&world.old);
        for folder in ["../disk", "node_modules", "packages/w/node_modules/stale"] {
            fs::create_dir_all(place.at(folder)).unwrap();
        }
        let new = other.at("");
        let new = new.display();
        let script = format!(
            r#"cp -a {mounted} ../copy && mount {how} {mounted} && cp -a ../copy/. {mounted} &&
            "$@" && test -f node_modules/p1/lib/data.txt && test ! -e packages/w/node_modules/stale &&
            cp -R {new}/. . && "$@" && "$@" 2>../again && rm -rf ../copy && cp -a {mounted} ../copy &&
            umount {mounted} && rm -rf {mounted} && mv ../copy {mounted}"#
        );
        let wrapper = ["unshare", "--mount", "sh", "-c", &script, "sh"];
        let after = format!("{mounted}, {how}");
        place.run_under(&wrapper, &["ci"]).succeeds();
        place.is_exactly(&world.new, &after);
        let again = fs::read_to_string(place.at("../again")).unwrap();
        assert!(again.contains("up to date"), "{after}: {again}");
    }
}

#[test]
#[ignore = "long"]
fn what_is_mounted_inside_a_former_tree_is_not_deleted_with_it() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.new);
    fs::create_dir_all(place.at("node_modules/.cache")).unwrap();
    let script = r#"mount -t tmpfs none node_modules/.cache && echo > node_modules/.cache/x
        "$@"; code=$?; test -f node_modules/.cache/x || exit 99; exit $code"#;
    let wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"];
    let answer = place.run_under(&wrapper, &["ci"]);
    assert_eq!(answer.status.code(), Some(10), "{}", answer.text);
    assert!(answer.text.contains("error[EBUSY]"), "{}", answer.text);
    assert!(
        answer.text.contains("node_modules/.cache"),
        "{}",
        answer.text
    );
}

#[test]
#[ignore = "long"]
fn with_a_store_on_another_disk_unchanged_files_are_linked_from_the_former_tree() {
    let world = World::small();
    let place = world.place();
    place.check_out(&world.old);
    place.run(&["ci"]).succeeds();
    place.check_out(&world.new);
    // `leaf` is in both revisions. A name of each former file is kept, so that no inode is reused.
    let script = r#"mkdir ../disk && mount -t tmpfs none ../disk && export HEATSEAL_STORE_DIR=../disk/store
        cp -al node_modules ../kept && "$@" &&
        test node_modules/leaf/index.js -ef ../kept/leaf/index.js &&
        ! test node_modules/p1/lib/data.txt -ef ../kept/p1/lib/data.txt"#;
    let wrapper = ["unshare", "--mount", "bash", "-c", script, "bash"];
    place.run_under(&wrapper, &["ci"]).succeeds();
    place.is_exactly(&world.new, "a store on another disk");
}
