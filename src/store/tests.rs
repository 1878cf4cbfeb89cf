//! Claims about tarballs, honest and hostile, and about a store that is damaged.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::integrity::{Integrity, hex};

const MANIFEST: &[u8] = br#"{"name":"left","version":"1.0.0"}"#;

/// A header with a right checksum, and the body in whole blocks.
fn entry(name: &[u8], kind: u8, mode: &str, size: &str, body: &[u8]) -> Vec<u8> {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..100 + mode.len()].copy_from_slice(mode.as_bytes());
    block[124..124 + size.len()].copy_from_slice(size.as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    let mut bytes = block.to_vec();
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn file(name: &str, body: &[u8]) -> Vec<u8> {
    typed(name, b'0', body)
}

fn typed(name: &str, kind: u8, body: &[u8]) -> Vec<u8> {
    let size = format!("{:011o}", body.len());
    entry(name.as_bytes(), kind, "0000644", &size, body)
}

fn link(kind: u8, name: &str, target: &str) -> Vec<u8> {
    let mut bytes = typed(name, kind, b"");
    let mut block: [u8; 512] = bytes[..512].try_into().unwrap();
    block[157..157 + target.len()].copy_from_slice(target.as_bytes());
    seal(&mut block);
    bytes[..512].copy_from_slice(&block);
    bytes
}

fn pax(kind: u8, records: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (1..9)
            .map(|digits| rest + digits)
            .find(|length| length.to_string().len() + rest == *length)
            .unwrap();
        std::fmt::Write::write_fmt(&mut body, format_args!("{length} {key}={value}\n")).unwrap();
    }
    typed("PaxHeader", kind, body.as_bytes())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A good package.json, the entries, the end marker.
fn tarball(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = file("package/package.json", MANIFEST);
    tar.extend(entries.concat());
    tar.extend([0; 1024]);
    gzip(&tar)
}

fn left() -> PackageId {
    PackageId::new("left", "1.0.0")
}

/// `path (x)` of every file, or the rule that was broken.
fn read(tarball: &[u8]) -> Result<Vec<String>, Rule> {
    read_within(tarball, &Limits::default())
}

fn read_within(tarball: &[u8], limits: &Limits) -> Result<Vec<String>, Rule> {
    let mut bench = Bench::default();
    match unpack(&mut bench, &left(), tarball, [0; 64], limits) {
        Ok(archive) => Ok(archive
            .files
            .iter()
            .skip(1)
            .map(|file| format!("{}{}", file.path, if file.executable { "*" } else { "" }))
            .collect()),
        Err(StoreError::Refused { flaw, .. }) => {
            assert!(flaw.to_string().len() < 400 && !flaw.to_string().contains('\u{1b}'));
            Err(flaw.rule)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn hostile_names_are_refused() {
    for (name, rule) in [
        ("package/../x", Rule::Climbs),
        ("../x", Rule::Climbs),
        ("/etc/passwd", Rule::Absolute),
        ("package//etc/passwd", Rule::EmptyPart),
        ("package/a\\b", Rule::Backslash),
        ("package/a\u{1b}[2J", Rule::Control),
        ("x.js", Rule::SeveralRoots),
        ("other/x.js", Rule::SeveralRoots),
    ] {
        assert_eq!(read(&tarball(&[file(name, b"x")])), Err(rule), "{name}");
    }
    let raw = entry(b"package/\xff", b'0', "0000644", "00000000000", b"");
    assert_eq!(read(&tarball(&[raw])), Err(Rule::NotUtf8));
    let hidden = [
        pax(b'x', &[("path", "package/../../x")]),
        file("package/a", b""),
    ];
    assert_eq!(read(&tarball(&hidden)), Err(Rule::Climbs));
    let long = [
        typed("././@LongLink", b'L', b"package/../x\0"),
        file("package/a", b""),
    ];
    assert_eq!(read(&tarball(&long)), Err(Rule::Climbs));
}

#[test]
fn names_that_meet_on_some_disk_are_refused() {
    let two = |a: &str, b: &str| read(&tarball(&[file(a, b"1"), file(b, b"2")]));
    assert_eq!(two("package/a", "package/a"), Err(Rule::Twice));
    assert!(matches!(two("package/A", "package/a"), Err(Rule::Twins(_))));
    assert!(matches!(
        two("package/L/a", "package/l/b"),
        Err(Rule::Twins(_))
    ));
    assert!(matches!(
        two("package/stra\u{df}e", "package/STRASSE"),
        Err(Rule::Twins(_))
    ));
    assert_eq!(two("package/a", "package/a/b"), Err(Rule::FileAndFolder));
    assert_eq!(two("package/a/b", "package/a"), Err(Rule::FileAndFolder));
    let same = [file("package/a", b"1"), file("package/a", b"1")];
    assert_eq!(read(&tarball(&same)).unwrap(), ["a"], "harmless");
}

#[test]
fn links_and_special_files_are_refused_or_left_out() {
    for (entry, rule) in [
        (
            link(b'1', "package/l", "package/package.json"),
            Rule::HardLink,
        ),
        (link(b'2', "package/l", "/etc/passwd"), Rule::LinkLeaves),
        (link(b'2', "package/l", "../x"), Rule::LinkLeaves),
        (typed("package/f", b'6', b""), Rule::Kind("6".into())),
        (typed("package/c", b'3', b""), Rule::Kind("3".into())),
        (typed("package/s", b'S', b""), Rule::Kind("S".into())),
        (typed("package/d/", b'5', b"body"), Rule::FolderWithBody),
    ] {
        assert_eq!(read(&tarball(&[entry])), Err(rule));
    }
    let through = [link(b'2', "package/l", "lib"), file("package/l/x", b"")];
    assert_eq!(read(&tarball(&through)), Err(Rule::ThroughLink));
    assert!(
        read(&tarball(&[link(b'2', "package/l", "package.json")]))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn records_that_readers_disagree_about_are_refused() {
    let amended = |records: &[(&str, &str)]| {
        read(&tarball(&[pax(b'x', records), file("package/a", b"body")]))
    };
    assert_eq!(amended(&[("size", "512")]), Err(Rule::SizesDiffer));
    assert_eq!(amended(&[("size", "-1")]), Err(Rule::BadSize));
    assert_eq!(
        amended(&[("path", "package/a"), ("path", "package/b")]),
        Err(Rule::RepeatedKey("path".into()))
    );
    assert!(matches!(
        amended(&[("GNU.sparse.size", "9")]),
        Err(Rule::UnknownKey(_))
    ));
    let global = [pax(b'g', &[("path", "package/b")]), file("package/a", b"")];
    assert!(matches!(read(&tarball(&global)), Err(Rule::UnknownKey(_))));
    let mixed = [
        pax(b'x', &[("path", "package/b")]),
        typed("././@LongLink", b'L', b"package/c\0"),
        file("package/a", b""),
    ];
    assert_eq!(read(&tarball(&mixed)), Err(Rule::MixedMetadata));
    assert_eq!(
        read(&tarball(&[pax(b'x', &[("path", "package/b")])])),
        Err(Rule::Dangling)
    );
    let broken = [
        typed("x", b'x', b"99 path=package/b\n"),
        file("package/a", b""),
    ];
    assert_eq!(read(&tarball(&broken)), Err(Rule::BadMetadata));
}

#[test]
fn broken_framing_is_refused() {
    for size in ["0000000000z", "-0000000001", "77777777777777777777"] {
        let entry = entry(
            b"package/a",
            b'0',
            "0000644",
            &size[..size.len().min(12)],
            b"",
        );
        let verdict = read(&tarball(&[entry]));
        assert!(
            matches!(verdict, Err(Rule::BadSize | Rule::Truncated)),
            "{size} {verdict:?}"
        );
    }
    let mut bad = file("package/a", b"");
    bad[148] ^= 1;
    assert_eq!(read(&tarball(&[bad])), Err(Rule::Checksum));
    assert_eq!(
        read(&tarball(&[vec![0; 1024], file("package/a", b"")])),
        Err(Rule::TrailingData)
    );
    let open = gzip(&file("package/package.json", MANIFEST));
    assert!(
        read(&open).unwrap().is_empty(),
        "no end marker, but a clean border"
    );
    let cut = file("package/package.json", MANIFEST);
    assert_eq!(read(&gzip(&cut[..520])), Err(Rule::Truncated));
}

#[test]
fn exactly_one_sound_gzip_member_is_read() {
    let good = tarball(&[]);
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(read(&twice), Err(Rule::AfterGzip));
    let mut crc = good.clone();
    let at = crc.len() - 8;
    crc[at] ^= 1;
    assert_eq!(read(&crc), Err(Rule::BadGzip));
    let mut length = good.clone();
    let at = length.len() - 4;
    length[at] ^= 1;
    assert!(matches!(
        read(&length),
        Err(Rule::WrongLength | Rule::BadGzip)
    ));
    assert!(read(&good[..good.len() - 9]).is_err());
    for other in [&b""[..], b"<html>", b"{}", &[0x28, 0xb5, 0x2f, 0xfd, 0]] {
        assert!(matches!(read(other), Err(Rule::NotGzip(_))));
    }
}

#[test]
fn bombs_meet_their_limits() {
    let limits = Limits {
        unpacked: 100_000,
        entries: 10,
        metadata: 1000,
        ..Limits::default()
    };
    let zeros = vec![0; 1 << 20];
    let bomb = tarball(&[file("package/a", &zeros)]);
    assert_eq!(read_within(&bomb, &limits), Err(Rule::TooLarge(100_000)));
    let many: Vec<_> = (0..10)
        .map(|n| file(&format!("package/{n}"), b""))
        .collect();
    assert_eq!(
        read_within(&tarball(&many), &limits),
        Err(Rule::TooMany(10))
    );
    let comment = "x".repeat(2000);
    let record = [pax(b'x', &[("comment", &comment)]), file("package/a", b"")];
    assert_eq!(
        read_within(&tarball(&record), &limits),
        Err(Rule::MetadataTooLarge(1000))
    );
}

#[test]
fn what_real_packers_write_is_read() {
    let names = read(&tarball(&[
        pax(b'g', &[("comment", "0123abcd")]),
        typed("package/lib/", b'5', b""),
        pax(
            b'x',
            &[
                ("mtime", "1.5"),
                ("LIBARCHIVE.creationtime", "1"),
                ("SCHILY.dev", "2"),
                ("path", "package/lib/\u{e9}.js"),
            ],
        ),
        file("package/lib/e.js", b"x"),
        entry(b"package/run", b'0', "0104711", "00000000001", b"x"),
        entry(b"package/none", 0, "0000000", "00000000000 ", b""),
        file("package/sub/.gitignore", b""),
        file("package/.gitignore", b"git"),
        file("package/.npmignore", b"npm"),
    ]));
    assert_eq!(
        names.unwrap(),
        [
            "lib/\u{e9}.js",
            "run*",
            "none",
            "sub/.npmignore",
            ".npmignore"
        ]
    );
}

#[test]
fn a_package_must_be_what_it_is_called() {
    let mut bench = Bench::default();
    for (name, version) in [("right", "1.0.0"), ("left", "1.0.1")] {
        let id = PackageId::new(name, version);
        let error = unpack(&mut bench, &id, &tarball(&[]), [0; 64], &Limits::default());
        assert!(matches!(error, Err(StoreError::Impostor { .. })));
    }
    assert!(check_identity(&left(), "left", "v1.0.0+build").is_ok());
}

struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
    store: Store,
    tarball: Vec<u8>,
    integrity: Integrity,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let tarball = tarball(&[file("package/lib/a.js", b"a")]);
    Fixture {
        store: Store::open(&path, 0o022).unwrap(),
        path,
        integrity: Integrity::of(&tarball),
        tarball,
        _folder: folder,
    }
}

impl Fixture {
    fn add(&self) -> Package {
        let mut bench = Bench::default();
        let added = self
            .store
            .add(&mut bench, &left(), &self.tarball, Some(&self.integrity));
        added.unwrap()
    }

    fn object(&self) -> PathBuf {
        self.path
            .join("v1/022")
            .join(self.integrity.sha512_hex().unwrap())
    }

    fn is_intact(&self, package: &Package) -> bool {
        use std::os::fd::AsFd as _;
        package.is_intact(self.store.open_package(package).unwrap().as_fd())
    }
}

#[test]
fn what_was_added_is_found_and_other_bytes_are_refused() {
    let cx = fixture();
    assert!(cx.store.lookup(&cx.integrity).is_none());
    cx.add();
    let package = cx.store.lookup(&cx.integrity).unwrap();
    assert!(cx.is_intact(&package));
    assert_eq!(cx.store.read(&package, "lib/a.js").unwrap(), b"a");
    assert_eq!(package.index().folders().collect::<Vec<_>>(), ["lib"]);
    assert_eq!(cx.store.tarball(package.sha512()).unwrap(), cx.tarball);
    let other = Integrity::of(b"other");
    let error = cx
        .store
        .add(&mut Bench::default(), &left(), &cx.tarball, Some(&other));
    assert!(matches!(error, Err(StoreError::Integrity { .. })));
}

#[test]
fn a_weaker_hash_leads_to_the_package_once_it_was_verified() {
    use sha1::Digest as _;
    let cx = fixture();
    let digest = sha1::Sha1::digest(&cx.tarball);
    let weak = Integrity::from_shasum(&hex(&digest)).unwrap();
    assert!(cx.store.lookup(&weak).is_none());
    cx.store
        .add(&mut Bench::default(), &left(), &cx.tarball, Some(&weak))
        .unwrap();
    assert!(cx.store.lookup(&weak).is_some());
}

#[test]
fn two_adders_of_one_package_both_succeed() {
    let cx = fixture();
    let other = Store::open(&cx.path, 0o022).unwrap();
    std::thread::scope(|scope| {
        for store in [&cx.store, &other, &cx.store, &other] {
            scope.spawn(|| {
                store
                    .add(&mut Bench::default(), &left(), &cx.tarball, None)
                    .unwrap();
            });
        }
    });
    assert!(cx.is_intact(&cx.store.lookup(&cx.integrity).unwrap()));
}

#[test]
fn every_kind_of_damage_is_noticed_and_repaired_from_the_tarball() {
    let damages: [fn(&Path); 5] = [
        |file| fs::write(file, b"b").unwrap(),
        |file| fs::write(file, b"").unwrap(),
        |file| fs::remove_file(file).unwrap(),
        |file| {
            fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", file).unwrap();
        },
        |file| {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(file, fs::Permissions::from_mode(0o777)).unwrap();
        },
    ];
    for damage in damages {
        let cx = fixture();
        cx.add();
        damage(&cx.object().join("1"));
        let package = cx.store.lookup(&cx.integrity).unwrap();
        assert!(!cx.is_intact(&package));
        let healed = cx.store.heal(package.sha512()).unwrap();
        assert!(cx.is_intact(&healed));
        assert_eq!(fs::read(cx.object().join("1")).unwrap(), b"a");
    }
}

/// Nobody's healing takes away what another has healed and is reading from.
#[test]
fn several_who_heal_one_package_all_read_it_whole() {
    let cx = fixture();
    cx.add();
    let package = cx.store.lookup(&cx.integrity).unwrap();
    for _ in 0..100 {
        fs::write(cx.object().join("1"), b"b").unwrap();
        let together = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    together.wait();
                    let healed = cx.store.heal(package.sha512()).unwrap();
                    let folder = cx.store.open_package(&healed).unwrap();
                    together.wait();
                    assert!(healed.is_intact(folder.as_fd()));
                });
            }
        });
    }
}

#[test]
fn a_damaged_index_or_tarball_is_a_miss_and_gives_way_to_fresh_bytes() {
    for name in ["index", "tarball"] {
        let cx = fixture();
        cx.add();
        let path = cx.object().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(&path, bytes).unwrap();
        fs::write(cx.object().join("0"), b"damaged too").unwrap();
        let sha512 = unpack::sha512_of(&cx.integrity);
        if name == "index" {
            assert!(cx.store.lookup(&cx.integrity).is_none());
        } else {
            assert!(cx.store.heal(&sha512).is_none());
        }
        assert!(cx.is_intact(&cx.add()));
        assert!(cx.is_intact(&cx.store.lookup(&cx.integrity).unwrap()));
    }
}

#[test]
fn a_store_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let cx = fixture();
    fs::set_permissions(&cx.path, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(
        Store::open(&cx.path, 0o022),
        Err(StoreError::NotPrivate { .. })
    ));
}

#[test]
fn the_workshop_of_a_dead_process_is_swept() {
    let cx = fixture();
    let dead = cx.path.join("v1/tmp/0123456789abcdef0123456789abcdef/0");
    // What does not bear a name that the store gives is somebody else's.
    let foreign = cx.path.join("v1/tmp/foreign");
    fs::create_dir_all(&dead).unwrap();
    fs::create_dir_all(&foreign).unwrap();
    cx.add();
    assert!(!dead.exists() && foreign.exists());
}

#[test]
fn findings_stay_beside_their_package_and_are_not_believed_once_they_are_damaged() {
    let cx = fixture();
    let noted = || cx.store.noted(Some(&cx.integrity), None);
    let sha512 = *cx.add().sha512();
    assert_eq!(noted(), None);
    cx.store.note(&sha512, b"first");
    cx.store.note(&sha512, b"second");
    assert_eq!(noted().unwrap(), b"second");
    assert!(audit(&cx.path).unwrap().damaged.is_empty());
    let findings = cx.object().join("findings");
    let mut bytes = fs::read(&findings).unwrap();
    bytes[0] ^= 1;
    fs::write(&findings, bytes).unwrap();
    assert_eq!(noted(), None);
    fs::write(&findings, b"short").unwrap();
    assert_eq!(noted(), None);
}
