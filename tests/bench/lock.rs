//! Locks: read from their text and written.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use heatseal::lock::{self, Style, Top};

use crate::world::World;

fn text(packages: lock::Packages) -> String {
    let top = Top {
        name: Some("project".to_owned()),
        version: Some("1.0.0".to_owned()),
        lockfile_version: 3,
        ..Top::default()
    };
    lock::text(top, packages, &Style::default())
}

#[divan::bench]
fn write(bencher: Bencher) {
    let tree = World::new().resolve().tree;
    let size = text(lock::entries(&tree, true)).len();
    bencher
        .counter(BytesCount::new(size))
        .bench_local(|| text(lock::entries(black_box(&tree), true)));
}

#[divan::bench]
fn parse(bencher: Bencher) {
    let tree = World::new().resolve().tree;
    let bytes = text(lock::entries(&tree, true)).into_bytes();
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .with_inputs(|| bytes.clone())
        .bench_values(|bytes| lock::parse(bytes, "npm-shrinkwrap.json").unwrap());
}
