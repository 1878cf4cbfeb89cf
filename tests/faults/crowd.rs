//! Many processes on one store and in one project.

use std::process::{Child, Stdio};

use crate::world::{Answer, Place, World, difference};

fn start(place: &Place, args: &[&str]) -> Child {
    let mut command = place.command(&[], args);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[track_caller]
fn finish(child: Child) {
    Answer::of(&child.wait_with_output().unwrap()).succeeds();
}

/// So many projects share a store that is empty at first.
fn on_one_store(world: &World, processes: usize, rounds: usize) {
    for round in 0..rounds {
        let first = world.place();
        let places: Vec<Place> = (0..processes)
            .map(|_| world.place().with_store_of(&first))
            .collect();
        for place in &places {
            place.check_out(&world.new);
        }
        let running: Vec<Child> = places.iter().map(|place| start(place, &["ci"])).collect();
        running.into_iter().for_each(finish);
        for place in &places {
            let after = format!("{processes} on one store, round {round}");
            difference(&place.tree(), &world.new.tree, &after);
        }
    }
}

/// So many runs in one project at once, half of a tree that is there.
fn in_one_project(world: &World, processes: usize, rounds: usize) {
    let place = world.place();
    for round in 0..rounds {
        let revision = if round % 2 == 0 {
            &world.new
        } else {
            &world.old
        };
        place.check_out(revision);
        let running: Vec<Child> = (0..processes).map(|_| start(&place, &["ci"])).collect();
        running.into_iter().for_each(finish);
        place.is_exactly(
            revision,
            &format!("{processes} in one project, round {round}"),
        );
    }
}

#[test]
fn two_and_eight_processes_share_a_cold_store() {
    on_one_store(World::small(), 2, 1);
    on_one_store(World::small(), 8, 1);
}

#[test]
fn two_and_eight_processes_work_in_one_project() {
    in_one_project(World::small(), 2, 2);
    in_one_project(World::small(), 8, 2);
}

#[test]
#[ignore = "long"]
fn sixteen_processes_share_a_cold_store_again_and_again() {
    on_one_store(World::large(), 16, 20);
    println!("16 processes on a cold store, 20 rounds: 0 failures, 0 wrong trees");
}

#[test]
#[ignore = "long"]
fn eight_processes_work_in_one_project_again_and_again() {
    in_one_project(World::large(), 8, 50);
    println!("8 processes in one project, 50 rounds: 0 failures, 0 wrong trees");
}
