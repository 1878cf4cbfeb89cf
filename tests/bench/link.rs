//! Linking: a tree of packages that are in the store already.

use divan::Bencher;
use divan::counter::ItemsCount;
use heatseal::integrity::Integrity;
use heatseal::link::{Deliver, Fetch, LinkMode, Means, TarballWant, Wanted, WantedPackage, stage};
use heatseal::name::PackageId;
use heatseal::report::Silent;
use heatseal::store::{Bench, Store};

use crate::unpack::packed;

const PACKAGES: usize = 60;

/// Nothing is missing, so nothing is fetched.
struct Nowhere;

impl Fetch for Nowhere {
    fn fetch(&self, wants: &[TarballWant], _: &Deliver<'_>) {
        panic!("asked for {wants:?}");
    }
}

fn add(store: &Store, number: usize) -> WantedPackage {
    let id = PackageId::new(&format!("package-{number}"), "1.0.0");
    let bytes = packed(&id, 12);
    let integrity = Integrity::of(&bytes);
    store
        .add(&mut Bench::default(), &id, &bytes, Some(&integrity))
        .unwrap();
    WantedPackage {
        location: format!("node_modules/{}", id.name),
        id,
        url: None,
        integrity: Some(integrity),
        source: None,
        optional: false,
        runs_scripts: false,
        bundled: false,
        bins: vec![(format!("bin-{number}"), "lib/part-0/file-0.js".to_owned())],
        claims: None,
    }
}

#[divan::bench(args = [LinkMode::Hardlink, LinkMode::Copy])]
fn from_the_store(bencher: Bencher, mode: LinkMode) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store"), 0o022).unwrap();
    let wanted = Wanted {
        packages: (0..PACKAGES).map(|number| add(&store, number)).collect(),
        ..Wanted::default()
    };
    let means = Means {
        store: &store,
        fetch: &Nowhere,
        mode,
        reporter: &Silent,
        look_into: None,
    };
    bencher
        .counter(ItemsCount::new(PACKAGES))
        .with_inputs(|| tempfile::tempdir_in(folder.path()).unwrap())
        .bench_local_values(|project| {
            let staged = stage(project.path(), &wanted, means).unwrap();
            staged.swap().unwrap().commit(|_| {}).unwrap().wait();
            project
        });
}
