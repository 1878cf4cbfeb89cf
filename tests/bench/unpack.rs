//! Tarballs: verified and unpacked in memory, and added to a store.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use heatseal::name::PackageId;
use heatseal::store::{Bench, Limits, Store, unpack, verify};
use registry_mock::archive::{File, Packing, tarball};

/// A package of `files` files that compress about as well as code.
pub fn packed(id: &PackageId, files: usize) -> Vec<u8> {
    let manifest = format!(r#"{{"name": "{}", "version": "{}"}}"#, id.name, id.version);
    let code = |n: usize| {
        let lines = (0..100).map(|line| {
            let noise = blake3::hash(format!("{n} {line}").as_bytes()).to_hex();
            format!("export const value{line} = compute({line}, \"{noise}\");\n")
        });
        lines.collect::<String>()
    };
    let file = |path: String, text: String| File {
        path,
        content: text.into_bytes(),
        mode: 0o644,
    };
    let code = (0..files).map(|n| file(format!("lib/part-{}/file-{n}.js", n % 7), code(n)));
    let manifest = file("package.json".to_owned(), manifest);
    let all: Vec<File> = std::iter::once(manifest).chain(code).collect();
    tarball(&all, Packing::Deflated)
}

#[divan::bench]
fn in_memory(bencher: Bencher) {
    let id = PackageId::new("unpacked", "1.0.0");
    let bytes = packed(&id, 200);
    let (mut bench, limits) = (Bench::default(), Limits::default());
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| {
            let sha512 = verify(&id, black_box(&bytes), None).unwrap();
            let archive = unpack(&mut bench, &id, &bytes, sha512, &limits).unwrap();
            archive.files.len()
        });
}

#[divan::bench]
fn into_a_store(bencher: Bencher) {
    let id = PackageId::new("unpacked", "1.0.0");
    let bytes = packed(&id, 200);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_local_values(|folder| {
            let store = Store::open(&folder.path().join("store"), 0o022).unwrap();
            let package = store.add(&mut Bench::default(), &id, &bytes, None);
            (package.unwrap(), folder)
        });
}
