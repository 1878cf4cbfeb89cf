//! Placement: packages of a registry in memory find their folders.

use divan::Bencher;
use divan::counter::ItemsCount;

use crate::world::{PACKAGES, World};

#[divan::bench]
fn ideal_tree(bencher: Bencher) {
    let world = World::new();
    let packages = ItemsCount::new(PACKAGES);
    bencher.counter(packages).bench(|| world.resolve());
}
