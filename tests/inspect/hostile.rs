//! Packages that were made to keep their reader busy: each is looked through in bounded time.

use heatseal::platforms::facts::{Format, Kind, Recipe};
use serde_json::{Map, Value, json};

use super::apple::{self, MachO, universal};
use super::elf::{self, Elf};
use super::folder::{Folder, binary};

const MEGABYTE: usize = 1 << 20;

fn addon() -> Elf<'static> {
    Elf {
        machine: elf::X64,
        kind: 3,
        needs: &["libc.so.6"],
        versions: &[("libc.so.6", "GLIBC_2.2.5", 0)],
        imports: &[("malloc", 1), ("napi_throw", 0)],
        ..Elf::default()
    }
}

/// The file with every word of four bytes replaced in turn: counts, offsets and sizes of all tables.
fn each_word_replaced(file: &[u8], word: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..file.len() / 4).map(move |at| {
        let mut file = file.to_vec();
        file[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
        file
    })
}

#[test]
fn wrong_counts_and_offsets_end_in_no_panic() {
    let mac = MachO {
        cpu: apple::X64,
        kind: 8,
        needs: &["/usr/lib/libSystem.B.dylib"],
        macos: (11, 0),
        imports: &["napi_throw"],
        exports: &["napi_register_module_v1"],
        code: b"",
    };
    let v8 = Elf {
        imports: &[("node_module_register", 0)],
        module: Some(115),
        ..addon()
    };
    for file in [addon().build(), v8.build(), mac.build()] {
        for word in [0, 1, 7, 0x7fff_ffff, 0xffff_ffff] {
            for file in each_word_replaced(&file, word) {
                let _ = Folder::default().and("x.node", file).facts();
            }
        }
    }
}

#[test]
fn every_beginning_of_a_file_is_read_without_a_panic() {
    let file = addon().build();
    for end in 0..file.len() {
        let _ = Folder::default().and("x.node", &file[..end]).facts();
    }
}

#[test]
fn a_million_entries_that_lie_over_each_other_are_not_followed() {
    // Each entry of the versions says that the next is 16 bytes on, and has 65,535 parts.
    let mut file = addon().build();
    let (at, end) = (file.len() as u64, 4 * MEGABYTE);
    let mut entry = vec![1, 0, 0xff, 0xff];
    for word in [0_u32, 1, 16] {
        entry.extend(word.to_le_bytes());
    }
    while file.len() < end {
        file.extend(&entry);
    }
    let versions = 0x6fff_fffe_u64.to_le_bytes();
    let place = file.windows(8).position(|bytes| bytes == versions).unwrap();
    file[place + 8..place + 16].copy_from_slice(&at.to_le_bytes());
    // The first segment loads all of it.
    for field in [64 + 32, 64 + 40] {
        file[field..field + 8].copy_from_slice(&(end as u64).to_le_bytes());
    }
    assert_eq!(binary("x.node", &file).kind, Kind::Addon);
}

#[test]
fn many_slices_of_one_file_share_what_may_be_read() {
    let mac = MachO {
        cpu: apple::X64,
        kind: 6,
        needs: &[],
        macos: (11, 0),
        imports: &[],
        exports: &[],
        code: b"",
    };
    let part = mac.build();
    let parts: Vec<(u32, Vec<u8>)> = (0..44).map(|_| (apple::X64, part.clone())).collect();
    let file = binary("x.dylib", &universal(&parts));
    assert_eq!((file.format, file.slices.len()), (Format::MachO, 16));
}

#[test]
fn scripts_that_call_each_other_end() {
    let mut scripts = Map::new();
    scripts.insert("install".to_owned(), "npm run s0;".repeat(64).into());
    for at in 0..8 {
        let next = format!("npm run s{} && prebuild-install || ", at + 1).repeat(30);
        scripts.insert(format!("s{at}"), next.into());
    }
    let manifest = json!({"name": "x", "version": "1.0.0", "scripts": scripts});
    let recipes = Folder::with(manifest).facts().recipes;
    assert!(recipes.len() < 16, "{recipes:?}");
}

#[test]
fn addresses_do_not_grow_without_end() {
    let long = "{name}".repeat(50_000);
    for (name, text) in [
        (long.clone(), long.clone()),
        ("x".to_owned(), "github.com:".repeat(50_000)),
    ] {
        let manifest = json!({
            "name": name,
            "version": long,
            "repository": text,
            "binary": {"host": text, "module_name": text, "remote_path": "/".repeat(50_000)},
            "scripts": {"preinstall": "prebuild-install", "install": "node-pre-gyp install"},
        });
        for recipe in Folder::with(manifest).facts().recipes {
            match recipe {
                Recipe::PrebuildInstall(download) | Recipe::NodePreGyp(download) => {
                    assert!(download.url.len() <= 2048);
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn long_scripts_are_read_so_far() {
    let script = "require('".repeat(MEGABYTE / 9);
    let words = "node x.js;".repeat(1000);
    let manifest: Value = json!({"name": "x", "scripts": {"install": words}});
    let folder = Folder::with(manifest).and("x.js", script);
    assert_eq!(folder.facts().recipes.len(), 1);
}
