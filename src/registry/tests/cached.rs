//! What is asked, how often, and what the disk cache saves.

use serde_json::json;

use super::*;

fn three() -> Packages {
    Packages::new()
        .package("a", "1.0.0")
        .manifest(json!({"dependencies": {"@s/b": "^1.0.0", "gone": "*"}}))
        .package("@s/b", "1.0.0")
        .package("@s/b", "1.2.0")
        .manifest(json!({
            "optionalDependencies": {"c": "npm:d@1"},
            "peerDependencies": {"p": "*", "q": "*"},
            "peerDependenciesMeta": {"q": {"optional": true}},
            "bin": "cli.js", "engines": {"node": ">=18"}, "devDependencies": {"never": "*"},
            "scripts": {"install": "node-gyp rebuild", "test": "x"}
        }))
        .package("d", "1.0.0")
        .package("p", "1.0.0")
        .package("q", "1.0.0")
}

#[test]
fn a_packument_is_asked_for_once_however_many_want_it() {
    let place = Place::new(&three());
    let registry = place.open("");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| registry.packument("@s/b").unwrap());
        }
    });
    assert_eq!(registry.packument("@s/b").unwrap().len(), 2);
    assert_eq!(place.asked(), ["/@s%2fb"]);
    assert_eq!(code(registry.packument("gone")), "E404");
    assert_eq!(code(registry.packument("gone")), "E404");
    assert_eq!(place.asked().len(), 2);
}

/// Tells which packuments have arrived.
struct Arrivals(std::sync::mpsc::Sender<String>);

impl Reporter for Arrivals {
    fn emit(&self, event: crate::report::Event) {
        if let crate::report::Event::PackumentReady { name, .. } = event {
            let _ = self.0.send(name);
        }
    }
}

#[test]
fn the_closure_of_a_dependency_is_fetched_though_nobody_asks_for_it() {
    let place = Place::new(&three());
    for (legacy_peers, names) in [
        (false, &["@s/b", "a", "d", "gone", "p"][..]),
        (true, &["@s/b", "a", "d", "gone"]),
    ] {
        let (sender, arrivals) = std::sync::mpsc::channel();
        let mut registry = place.open("");
        let shared = Arc::get_mut(&mut registry.shared).unwrap();
        shared.reporter = Arc::new(Arrivals(sender));
        shared.picking.legacy_peers = legacy_peers;
        place.server.forget_requests();
        registry.prefetch("a", "^1");
        let wait = std::time::Duration::from_secs(10);
        let mut arrived: Vec<_> = names
            .iter()
            .map(|_| arrivals.recv_timeout(wait).unwrap())
            .collect();
        arrived.sort();
        assert_eq!(arrived, names);
        assert_eq!(place.asked().len(), names.len());
    }
}

#[test]
fn a_fresh_cache_needs_no_request_and_gives_the_same_answers() {
    let place = Place::new(&three());
    let first = place.open("");
    let (fetched, known) = (first.packument("@s/b").unwrap(), place.asked().len());
    first.finish();
    let cached = place.open("").packument("@s/b").unwrap();
    assert_eq!(place.asked().len(), known);
    assert!(matches!(cached.body, packument::Body::Cached(_)));
    assert_eq!(cached.dist_tag("latest"), Some("1.2.0"));
    assert!(cached.versions().eq(fetched.versions()));
    assert!(cached.ranked().eq([1, 0]));
    for index in 0..2 {
        assert_eq!(cached.manifest(index), fetched.manifest(index));
        assert_eq!(cached.version(index), fetched.version(index));
        let version = cached.version_text(index);
        assert_eq!(cached.time(version), fetched.time(version));
    }
    let manifest = cached.manifest(1);
    assert!(manifest.has_install_script());
    assert_eq!(manifest.bins().collect::<Vec<_>>(), [("b", "cli.js")]);
    assert!(!manifest.fields.contains_key("devDependencies"));
    assert!(manifest.object("dist").unwrap()["integrity"].is_string());
}

#[test]
fn a_stale_cache_is_confirmed_by_its_etag() {
    let place = Place::with(&three(), |options| options.max_age = Some(0));
    let first = place.open("");
    first.packument("a").unwrap();
    first.finish();
    let second = place.open("");
    let packument = second.packument("a").unwrap();
    assert!(matches!(packument.body, packument::Body::Cached(_)));
    let requests = place.server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].header("if-none-match").is_none());
    assert!(requests[1].header("if-none-match").is_some());
}

#[test]
fn a_confirmation_makes_the_cache_fresh_again() {
    let place = Place::new(&three());
    let first = place.open("");
    first.packument("a").unwrap();
    first.finish();
    place.open("prefer-online=true\n").packument("a").unwrap();
    place.open("").packument("a").unwrap();
    assert_eq!(place.asked().len(), 2);
}

#[test]
fn prefer_offline_takes_a_stale_packument_and_offline_asks_nobody() {
    let place = Place::with(&three(), |options| options.max_age = Some(0));
    let first = place.open("");
    first.packument("a").unwrap();
    first.finish();
    place.open("prefer-offline=true\n").packument("a").unwrap();
    let offline = place.open("offline=true\n");
    offline.packument("a").unwrap();
    assert_eq!(code(offline.packument("d")), "ENOTCACHED");
    let url = format!("{}/d/-/d-1.0.0.tgz", place.server.url());
    assert!(offline.tarball("d", &url).is_err());
    assert_eq!(place.asked().len(), 1);
}

#[test]
fn a_damaged_cache_file_is_a_miss() {
    let place = Place::new(&three());
    let first = place.open("");
    let whole = first.packument("@s/b").unwrap();
    first.finish();
    let shelf = place.folder.path().join("cache/packuments-1");
    let shelf = std::fs::read_dir(shelf).unwrap().next().unwrap().unwrap();
    let file = shelf.path().join("@s%2fb");
    let bytes = std::fs::read(&file).unwrap();
    for cut in [0, 7, 40, 79, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&file, &bytes[..cut]).unwrap();
        let again = place.open("offline=true\n").packument("@s/b");
        assert_eq!(code(again), "ENOTCACHED", "cut at {cut}");
    }
    for at in (0..bytes.len()).step_by(7) {
        let mut broken = bytes.clone();
        broken[at] ^= 0x10;
        std::fs::write(&file, &broken).unwrap();
        // Either the file is refused, or what is read from it is right or named as damaged.
        if let Ok(read) = place.open("offline=true\n").packument("@s/b") {
            assert!(read.versions().eq(whole.versions()));
            for index in 0..2 {
                if let Ok(manifest) = read.checked_manifest(index) {
                    assert_eq!(manifest, whole.manifest(index), "flipped at {at}");
                }
            }
        }
    }
}

#[test]
fn two_registries_do_not_share_a_cache() {
    let (one, other) = (Place::new(&three()), Place::new(&three()));
    let first = one.open("");
    first.packument("a").unwrap();
    first.finish();
    let swapped = one.open(&format!("registry={}\n", other.server.url()));
    swapped.packument("a").unwrap();
    assert_eq!(other.asked(), ["/a"]);
}

#[test]
fn a_scope_is_only_asked_for_at_its_own_registry() {
    let (place, own) = (Place::new(&three()), Place::new(&Packages::new()));
    let registry = place.open(&format!("@s:registry={}\n", own.server.url()));
    assert_eq!(code(registry.packument("@s/b")), "E404");
    assert!(place.asked().is_empty());
}

#[test]
fn a_folder_is_a_registry_without_a_network() {
    let place = Place::new(&three());
    let folder = place.folder.path().join("registry");
    let registry = place.open(&format!("registry=file:{}\n", folder.display()));
    let packument = registry.packument("@s/b").unwrap();
    let manifest = packument.manifest(1);
    let url = manifest.object("dist").unwrap()["tarball"]
        .as_str()
        .unwrap();
    let read = registry.tarball("@s/b", url).unwrap();
    assert!(read.starts_with(&[0x1f, 0x8b]));
    assert_eq!(code(registry.packument("gone")), "E404");
    assert_eq!(code(registry.packument("../a")), "EINVALIDPACKAGENAME");
    let outside = "https://registry.example/@s/b/-/..%2f..%2fsecret.tgz";
    assert!(folder::tarball(&folder, "@s/b", &url::Url::parse(outside).unwrap()).is_none());
    assert!(place.asked().is_empty());
}
