//! Rows 1 to 34: what an archive may hold, and what readers read differently.

#![allow(clippy::too_many_lines)] // a table of cases is as long as it is

use serde_json::json;

use crate::case::{CI, Case, Installed, Outcome, Refused, all_as_expected, case};
use crate::tar::{
    Entry, MANIFEST, bare, entry, file, folder, gnu, gzip, hardlink, link, pax, plain, symlink, tgz,
};

/// `evil@1.0.0` with this tarball, locked.
fn archive(name: &'static str, outcome: Outcome, tarball: Vec<u8>) -> Case {
    case(name, CI, outcome, move |world| {
        world.wants(json!({"evil": "1.0.0"}));
        world.tarball("evil", "1.0.0", &tarball);
        world.lock(&[("node_modules/evil", world.entry("evil", "1.0.0", &tarball))]);
    })
}

fn refused(name: &'static str, words: &'static [&'static str], tarball: Vec<u8>) -> Case {
    archive(name, Refused(4, words), tarball)
}

fn with(name: &'static str, words: &'static [&'static str], entries: &[Entry]) -> Case {
    refused(name, words, tgz(entries))
}

const BAD: &str = "error[TAR_BAD_ARCHIVE]: the tarball of `evil@1.0.0`";

#[test]
fn names_in_archives() {
    let climbs = &[BAD, "climbs"];
    let absolute = &[BAD, "absolute"];
    let long = "x".repeat(300);
    let deep = format!("package/{}x", "d/".repeat(1500));
    let longest = format!("package/{}x", "dddddddddd/".repeat(500));
    all_as_expected(
        "names in archives",
        &[
            with("1 plain ..", climbs, &[file("package/../../outside/x", "")]),
            with("1 .. first", climbs, &[file("../outside/x", "")]),
            with(
                "1 .. in pax",
                climbs,
                &[
                    pax(b'x', &[("path", b"package/../../x")]),
                    file("package/a", ""),
                ],
            ),
            with(
                "1 .. in GNU",
                climbs,
                &[gnu(b'L', "package/../../x"), file("package/a", "")],
            ),
            with(
                "1 .. in the prefix",
                climbs,
                &[file("x", "").prefix("package/../..")],
            ),
            with("1 .. as last part", climbs, &[file("package/a/..", "")]),
            with("1 folder ..", climbs, &[folder("package/../")]),
            with("2 absolute", absolute, &[file("/outside/x", "")]),
            with(
                "2 absolute behind the folder",
                &[BAD, "empty part"],
                &[file("package//etc/x", "")],
            ),
            with(
                "2 absolute in pax",
                absolute,
                &[pax(b'x', &[("path", b"/etc/x")]), file("package/a", "")],
            ),
            with(
                "3 backslash",
                &[BAD, "backslash"],
                &[file("package/..\\..\\x", "")],
            ),
            with("4 drive", &[BAD, "drive"], &[file("package/C:/x", "")]),
            with("4 stream", &[BAD, "stream"], &[file("package/x:evil", "")]),
            with("4 UNC", &[BAD, "absolute"], &[file("//server/share/x", "")]),
            with(
                "4 device",
                &[BAD, "device"],
                &[file("package/lib/aux.js", "")],
            ),
            with("4 console", &[BAD, "device"], &[file("package/CONIN$", "")]),
            with(
                "4 superscript device",
                &[BAD, "device"],
                &[file("package/com\u{b9}", "")],
            ),
            with(
                "4 trailing dot",
                &[BAD, "dot or space"],
                &[file("package/x.", "")],
            ),
            with(
                "4 trailing space",
                &[BAD, "dot or space"],
                &[file("package/x /y", "")],
            ),
            with(
                "5 escape",
                &[BAD, "control"],
                &[file("package/\u{1b}[31mred", "")],
            ),
            with(
                "5 newline",
                &[BAD, "control"],
                &[file("package/a\nerror: b", "")],
            ),
            with(
                "5 NUL in pax",
                &[BAD, "malformed"],
                &[
                    pax(b'x', &[("path", b"package/a\0b")]),
                    file("package/a", ""),
                ],
            ),
            with(
                "6 not UTF-8",
                &[BAD, "UTF-8"],
                &[file(b"package/\xff\xfe", "")],
            ),
            with(
                "6 not UTF-8 in pax",
                &[BAD, "UTF-8"],
                &[
                    pax(b'x', &[("path", b"package/\xff")]),
                    file("package/a", ""),
                ],
            ),
            with(
                "7 long part",
                &[BAD, "255"],
                &[gnu(b'L', format!("package/{long}")), file("package/a", "")],
            ),
            with(
                "7 deep",
                &[BAD, "1024"],
                &[gnu(b'L', deep), file("package/a", "")],
            ),
            with(
                "7 long path",
                &[BAD, "4096"],
                &[gnu(b'L', longest), file("package/a", "")],
            ),
            with(
                "8 file, then folder",
                &[BAD, "same name"],
                &[file("package/a", ""), file("package/a/b", "")],
            ),
            with(
                "8 folder, then file",
                &[BAD, "same name"],
                &[file("package/a/b", ""), file("package/a", "")],
            ),
            with(
                "9 case",
                &[BAD, "case"],
                &[file("package/a", "1"), file("package/A", "2")],
            ),
            with(
                "9 sharp s",
                &[BAD, "case"],
                &[
                    file("package/stra\u{df}e", "1"),
                    file("package/STRASSE", "2"),
                ],
            ),
            with(
                "9 capital sharp s",
                &[BAD, "case"],
                &[file("package/\u{1e9e}", "1"), file("package/\u{df}", "2")],
            ),
            with(
                "9 a mark that picks a picture",
                &[BAD, "case"],
                &[
                    file("package/\u{2764}", "1"),
                    file("package/\u{2764}\u{fe0f}", "2"),
                ],
            ),
            with(
                "9 ligature",
                &[BAD, "case"],
                &[file("package/\u{fb01}", "1"), file("package/fi", "2")],
            ),
            with(
                "9 normal forms",
                &[BAD, "case"],
                &[file("package/e\u{301}", "1"), file("package/\u{e9}", "2")],
            ),
            with(
                "9 folders by case",
                &[BAD, "case"],
                &[file("package/Lib/a", "1"), file("package/lib/b", "2")],
            ),
            with(
                "9 characters nobody sees",
                &[BAD, "case"],
                &[file("package/a", "1"), file("package/a\u{200b}", "2")],
            ),
            refused(
                "19 no first folder",
                &[BAD],
                bare(&[file("package.json", MANIFEST), file("index.js", "")]),
            ),
            with(
                "19 two first folders",
                &[BAD, "more than one"],
                &[file("other/x", "")],
            ),
            refused(
                "67 no package.json",
                &[BAD, "no package.json"],
                bare(&[file("package/index.js", "")]),
            ),
            refused(
                "67 package.json too deep",
                &[BAD],
                bare(&[file("package/lib/package.json", MANIFEST)]),
            ),
            archive(
                "19 another first folder",
                Installed(&[], &["node_modules/evil/a.js"]),
                bare(&[file("evil/package.json", MANIFEST), file("evil/a.js", "")]),
            ),
        ],
    );
}

#[test]
fn links_and_kinds() {
    let leaves = &[BAD, "leaves"];
    let through = &[BAD, "link"];
    let hard = &[BAD, "hard links"];
    all_as_expected(
        "links and kinds",
        &[
            with(
                "10 link out",
                leaves,
                &[symlink("package/out", "../../../outside")],
            ),
            with(
                "10 absolute link",
                leaves,
                &[symlink("package/out", "/etc/passwd")],
            ),
            with(
                "10 file through a link",
                through,
                &[symlink("package/d", "lib"), file("package/d/x", "")],
            ),
            with(
                "10 file over a link",
                through,
                &[symlink("package/d", "lib"), file("package/d", "")],
            ),
            with(
                "10 link over a file",
                &[BAD, "twice"],
                &[file("package/d", ""), symlink("package/d", "lib")],
            ),
            with(
                "10 folder over a link",
                through,
                &[symlink("package/d", "lib"), folder("package/d/")],
            ),
            with(
                "10 case twin of a link",
                &[BAD, "case"],
                &[symlink("package/d", "lib"), file("package/D/x", "")],
            ),
            with(
                "10 link by pax",
                leaves,
                &[
                    pax(b'x', &[("linkpath", b"../../../secret")]),
                    symlink("package/d", "lib"),
                ],
            ),
            with(
                "10 link by GNU",
                leaves,
                &[gnu(b'K', "../../../secret"), symlink("package/d", "lib")],
            ),
            with(
                "10 a link's target for a file",
                &[BAD, "no link"],
                &[gnu(b'K', "../../../secret"), file("package/d", "")],
            ),
            with(
                "10 a link's target for a file, by pax",
                &[BAD, "no link"],
                &[
                    pax(b'x', &[("linkpath", b"../../../secret")]),
                    file("package/d", ""),
                ],
            ),
            with(
                "10 chain of links",
                leaves,
                &[symlink("package/a/b", "../.."), file("package/c", "")],
            ),
            with(
                "11 hard link out",
                hard,
                &[hardlink("package/h", "../../../outside/secret")],
            ),
            with(
                "11 hard link inside",
                hard,
                &[hardlink("package/h", "package/package.json")],
            ),
            with(
                "11 absolute hard link",
                hard,
                &[hardlink("package/h", "/etc/passwd")],
            ),
            with(
                "12 mode through a link",
                through,
                &[
                    symlink("package/d", "lib"),
                    file("package/d/x", "").mode("0007777"),
                ],
            ),
            refused(
                "13 package.json is a link",
                &[BAD],
                bare(&[
                    symlink("package/package.json", "other.json"),
                    file("package/other.json", MANIFEST),
                ]),
            ),
            archive(
                "14 harmless inner link",
                Installed(
                    &["evil@1.0.0", "link", "bin/x"],
                    &["node_modules/evil/lib/x.js"],
                ),
                tgz(&[
                    file("package/lib/x.js", ""),
                    symlink("package/bin/x", "../lib/x.js"),
                ]),
            ),
            with("15 fifo", &[BAD, "type"], &[entry(b'6', "package/f", "")]),
            with(
                "15 character device",
                &[BAD, "type"],
                &[entry(b'3', "package/f", "")],
            ),
            with(
                "15 block device",
                &[BAD, "type"],
                &[entry(b'4', "package/f", "")],
            ),
            archive(
                "16 set-uid, set-gid, sticky, world-writable",
                Installed(&[], &["node_modules/evil/a", "node_modules/evil/b"]),
                tgz(&[
                    file("package/a", "").mode("0007777"),
                    file("package/b", "").mode("0000666"),
                    folder("package/d/").mode("0001777"),
                    file("package/d/x", "").mode("0004000"),
                ]),
            ),
            archive(
                "17 mode 0, owners, times out of range",
                Installed(
                    &[],
                    &[
                        "node_modules/evil/a",
                        "node_modules/evil/b",
                        "node_modules/evil/c",
                    ],
                ),
                tgz(&[
                    file("package/a", "").mode("0000000"),
                    file("package/b", "").times("77777777777"),
                    pax(
                        b'x',
                        &[("mtime", b"99999999999999999"), ("uid", b"4294967295")],
                    ),
                    file("package/c", "").times("00000000000"),
                ]),
            ),
            with(
                "18 unknown type",
                &[BAD, "type `Z`"],
                &[entry(b'Z', "package/z", "")],
            ),
            with(
                "18 sparse",
                &[BAD, "type `S`"],
                &[entry(b'S', "package/z", "")],
            ),
            with(
                "18 multi-volume",
                &[BAD, "type `M`"],
                &[entry(b'M', "package/z", "")],
            ),
            with(
                "18 dump folder",
                &[BAD, "type `D`"],
                &[entry(b'D', "package/z", "")],
            ),
            with(
                "18 sparse by pax",
                &[BAD, "GNU.sparse"],
                &[
                    pax(b'x', &[("GNU.sparse.major", b"1")]),
                    file("package/z", ""),
                ],
            ),
            with(
                "18 sparse by another vendor",
                &[BAD, "SCHILY.realsize"],
                &[
                    pax(b'x', &[("SCHILY.realsize", b"9")]),
                    file("package/z", ""),
                ],
            ),
            with(
                "18 multi-volume by pax",
                &[BAD, "GNU.volume.size"],
                &[
                    pax(b'g', &[("GNU.volume.size", b"9")]),
                    file("package/z", ""),
                ],
            ),
            with(
                "18 a contiguous file with a folder's name",
                &[BAD, "same name"],
                &[entry(b'7', "package/d/", "x")],
            ),
            archive(
                "18 contiguous files are files",
                Installed(&[], &["node_modules/evil/seven", "node_modules/evil/zero"]),
                tgz(&[
                    entry(b'7', "package/seven", "x"),
                    entry(0, "package/zero", "x"),
                ]),
            ),
            with(
                "34 folder with a body",
                &[BAD, "folder has content"],
                &[entry(
                    b'5',
                    "package/d/",
                    file("package/hidden", "x").bytes(),
                )],
            ),
            with(
                "34 link with a body",
                &[BAD, "size"],
                &[Entry {
                    body: vec![0; 512],
                    ..link(b'2', "package/l", "lib")
                }
                .size("00000001000\0")],
            ),
        ],
    );
}

const FIELD: &[&str] = &[BAD, "number"];

/// The entry with other bytes in its header, and a checksum that holds.
fn patched(entry: &Entry, at: usize, field: &[u8]) -> Vec<u8> {
    let mut bytes = entry.bytes();
    bytes[at..at + field.len()].copy_from_slice(field);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn ambiguous_archives() {
    let hidden = file("package/hidden.js", "x").bytes();
    let outer = file("package/a", &hidden);
    let sizes = &[BAD, "different sizes"];
    let mixed = &[BAD, "mixed or repeated"];
    let bad_size = &[BAD, "size is not a number"];
    let whole = plain(&[]);
    let no_end = &whole[..whole.len() - 1024];
    let mut wrong_crc = tgz(&[]);
    let crc = wrong_crc.len() - 8;
    wrong_crc[crc] ^= 1;
    let mut wrong_length = tgz(&[]);
    let length = wrong_length.len() - 4;
    wrong_length[length] ^= 1;
    let cut_gzip = tgz(&[]);
    let cut_gzip = cut_gzip[..cut_gzip.len() / 2].to_vec();
    let cut_tar = gzip(&plain(&[file("package/a", vec![b'x'; 4096])])[..2048]);
    let lone_zeros = [
        no_end,
        &[0; 512],
        &file("package/late", "x").bytes(),
        &[0; 1024],
    ]
    .concat();
    let dangling = [no_end, &pax(b'x', &[("comment", b"x")]).bytes(), &[0; 1024]].concat();
    let negative = [&[0xff; 11][..], &[0xf0]].concat();
    let wide = [&[0x80][..], &[0; 3], &[0xff; 8]].concat();
    let field = |at: usize, field: &[u8]| {
        let odd = patched(&file("package/odd.js", "x"), at, field);
        gzip(&[no_end, &odd, &[0; 1024]].concat())
    };
    all_as_expected(
        "ambiguous archives",
        &[
            refused(
                "33 a mode in binary",
                FIELD,
                field(100, b"\x80\0\0\0\0\0\x01\xed"),
            ),
            refused(
                "33 an owner past 2^53",
                FIELD,
                field(108, &[0x80, 0x20, 0, 0, 0, 0, 0, 0]),
            ),
            refused(
                "33 a time past 2^53",
                FIELD,
                field(136, &[0xff; 5].map(|_| 0x90)),
            ),
            refused(
                "33 star's time past 2^53",
                FIELD,
                field(476, &[0x80, 1, 0, 0, 0, 0, 0, 0]),
            ),
            archive(
                "33 an owner in binary",
                Installed(&[], &["node_modules/evil/odd.js"]),
                field(108, &[0x80, 0, 0, 0, 0x18, 0x11, 0x05, 0xe0]),
            ),
            with(
                "34 a file whose name ends in a slash",
                &[BAD, "a file and a folder"],
                &[file("package/lib/", "")],
            ),
            with(
                "20 pax size smaller",
                sizes,
                &[pax(b'x', &[("size", b"0")]), outer.clone()],
            ),
            with(
                "20 pax size larger",
                sizes,
                &[pax(b'x', &[("size", b"2048")]), outer],
            ),
            with(
                "21 pax before GNU",
                mixed,
                &[
                    pax(b'x', &[("path", b"package/p")]),
                    gnu(b'L', "package/g"),
                    file("package/a", ""),
                ],
            ),
            with(
                "21 GNU before pax",
                mixed,
                &[
                    gnu(b'L', "package/g"),
                    pax(b'x', &[("path", b"package/p")]),
                    file("package/a", ""),
                ],
            ),
            with(
                "21 pax twice",
                mixed,
                &[
                    pax(b'x', &[("path", b"package/p")]),
                    pax(b'x', &[("path", b"package/q")]),
                    file("package/a", ""),
                ],
            ),
            with(
                "21 two long names",
                mixed,
                &[
                    gnu(b'L', "package/g"),
                    gnu(b'L', "package/h"),
                    file("package/a", ""),
                ],
            ),
            with(
                "22 key twice",
                &[BAD, "\"path\" twice"],
                &[
                    pax(b'x', &[("path", b"package/p"), ("path", b"package/q")]),
                    file("package/a", ""),
                ],
            ),
            with(
                "22 key twice in a global header",
                &[BAD, "\"comment\" twice"],
                &[
                    pax(b'g', &[("comment", b"1"), ("comment", b"2")]),
                    file("package/a", ""),
                ],
            ),
            with(
                "23 a prefix that only some readers see",
                &[BAD, "prefix"],
                &[file("package/x", "").prefix("package").magic(*b"ustar  \0")],
            ),
            with(
                "23 a prefix under another version of tar",
                &[BAD, "prefix"],
                &[file("x", "").prefix("package").magic(*b"ustar\x0001")],
            ),
            with(
                "24 global path",
                &[BAD, "not allowed"],
                &[pax(b'g', &[("path", b"package/p")]), file("package/a", "")],
            ),
            with(
                "24 global size",
                &[BAD, "not allowed"],
                &[pax(b'g', &[("size", b"0")]), file("package/a", "x")],
            ),
            archive(
                "24 global comment",
                Installed(&[], &["node_modules/evil/a"]),
                tgz(&[
                    pax(b'g', &[("comment", b"0123456789abcdef")]),
                    file("package/a", ""),
                ]),
            ),
            with(
                "25 record without a length",
                &[BAD, "malformed"],
                &[entry(b'x', "p", "path=package/x\n"), file("package/a", "")],
            ),
            with(
                "25 record too long",
                &[BAD, "malformed"],
                &[
                    entry(b'x', "p", "99 path=package/x\n"),
                    file("package/a", ""),
                ],
            ),
            with(
                "25 record without a newline",
                &[BAD, "malformed"],
                &[entry(b'x', "p", "16 path=package/"), file("package/a", "")],
            ),
            refused(
                "25 metadata for nothing",
                &[BAD, "belongs to no entry"],
                gzip(&dangling),
            ),
            with(
                "26 path twice",
                &[BAD, "twice"],
                &[file("package/a", "1"), file("package/a", "2")],
            ),
            with(
                "26 package.json twice",
                &[BAD, "package.json", "twice"],
                &[file(
                    "package/package.json",
                    r#"{"name":"evil","version":"1.0.0","bin":"x"}"#,
                )],
            ),
            with(
                "26 once with ./",
                &[BAD, "twice"],
                &[file("package/a", "1"), file("package/./a", "2")],
            ),
            with(
                "27 wrong checksum",
                &[BAD, "checksum"],
                &[file("package/a", "").unsealed()],
            ),
            refused(
                "28 data after the end",
                &[BAD, "after the end"],
                gzip(&[&whole[..], &file("package/late", "x").bytes()].concat()),
            ),
            refused(
                "28 a lone zero block",
                &[BAD, "after the end"],
                gzip(&lone_zeros),
            ),
            archive(
                "28 no end marker",
                Installed(&["no end marker"], &["node_modules/evil/package.json"]),
                gzip(no_end),
            ),
            refused(
                "29 second member",
                &[BAD, "gzip member"],
                [tgz(&[]), tgz(&[file("package/late", "")])].concat(),
            ),
            refused(
                "29 garbage after the member",
                &[BAD, "gzip"],
                [tgz(&[]), b"garbage".to_vec()].concat(),
            ),
            refused("30 wrong CRC", &[BAD, "gzip data"], wrong_crc),
            refused("30 wrong length", &[BAD, "gzip data"], wrong_length),
            refused("31 truncated gzip", &[BAD, "gzip data"], cut_gzip),
            refused("31 truncated tar", &[BAD, "middle of an entry"], cut_tar),
            refused("32 plain tar", &[BAD, "a plain tar"], whole.clone()),
            refused(
                "32 zstd",
                &[BAD, "zstd"],
                b"\x28\xb5\x2f\xfd then more bytes than eighteen".to_vec(),
            ),
            refused(
                "32 bzip2",
                &[BAD, "bzip2"],
                b"BZh9 then more bytes than eighteen".to_vec(),
            ),
            refused(
                "32 a web page",
                &[BAD, "web page"],
                b"<!doctype html><title>Log in</title>".to_vec(),
            ),
            refused("32 nothing", &[BAD, "empty"], Vec::new()),
            with(
                "33 negative size",
                bad_size,
                &[file("package/a", "x").size(negative)],
            ),
            with(
                "33 size in letters",
                bad_size,
                &[file("package/a", "x").size("0000000zz1\0")],
            ),
            with(
                "33 size of 2^63",
                bad_size,
                &[file("package/a", "x").size(wide)],
            ),
            with(
                "33 no size",
                bad_size,
                &[file("package/a", "x").size([0; 12])],
            ),
            with(
                "33 minus in octal",
                bad_size,
                &[file("package/a", "x").size("-0000000001\0")],
            ),
        ],
    );
}

#[test]
fn a_tarball_that_is_wrong_by_itself_is_asked_for_once() {
    let world = crate::world::World::new();
    let tarball = gzip(&plain(&[file("package/a", vec![b'x'; 4096])])[..2048]);
    world.wants(json!({"evil": "1.0.0"}));
    world.tarball("evil", "1.0.0", &tarball);
    world.lock(&[("node_modules/evil", world.entry("evil", "1.0.0", &tarball))]);
    assert_eq!(world.run(&["ci"]).unwrap().code, 4);
    assert_eq!(world.server.asked().len(), 1);
}
