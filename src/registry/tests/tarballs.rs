//! Tarballs, many at once.

use registry_mock::{Fault, Kind, Rule};

use super::*;

fn request(key: u32, name: &str, url: &str) -> TarballRequest {
    TarballRequest {
        key,
        name: name.to_owned(),
        url: url.to_owned(),
        size_hint: None,
    }
}

fn all(tarballs: &Tarballs) -> BTreeMap<u32, Result<Tarball, RegistryError>> {
    std::iter::from_fn(|| tarballs.next()).collect()
}

fn two() -> Packages {
    Packages::new().package("a", "1.0.0").package("b", "1.0.0")
}

#[test]
fn each_url_is_fetched_once_and_every_key_gets_its_answer() {
    let place = Place::new(&two());
    let url = |name: &str| format!("{}/{name}/-/{name}-1.0.0.tgz", place.server.url());
    place.server.add_fault(
        Rule::new(Fault::CutBody(20))
            .on(Kind::Tarball)
            .path("/a/*")
            .nth(1),
    );
    let answers = all(&place.open("").tarballs(vec![
        request(0, "a", &url("a")),
        request(1, "b", &url("b")),
        request(2, "a", &url("a")),
        request(3, "x", &url("x")),
        request(4, "a", "file:///etc/passwd"),
        request(5, "a", "data:,x"),
    ]));
    let file = place.folder.path().join("registry/a/-/a-1.0.0.tgz");
    let file = std::fs::read(file).unwrap();
    assert_eq!(answers[&0].as_deref().unwrap(), file);
    assert_eq!(answers[&2].as_deref().unwrap(), file);
    assert!(answers[&1].is_ok());
    let codes = [3, 4, 5].map(|key| answers[&key].as_ref().err().unwrap().code());
    assert_eq!(
        codes,
        ["E404", "EUNSUPPORTEDPROTOCOL", "EUNSUPPORTEDPROTOCOL"]
    );
    assert_eq!(place.asked().len(), 4);
}

#[test]
fn a_public_url_is_fetched_from_the_configured_registry_with_its_credentials_only() {
    let place = Place::new(&two());
    let stranger = Place::new(&two());
    let host = place.server.url().replace("http:", "");
    let registry = place.open(&format!("{host}/:_authToken=t\n"));
    let public = format!("{}a/-/a-1.0.0.tgz", crate::npmrc::public_registry());
    registry.tarball("a", &public).unwrap();
    let elsewhere = format!("{}/a/-/a-1.0.0.tgz", stranger.server.url());
    registry.tarball("a", &elsewhere).unwrap();
    let sent = |place: &Place| {
        let requests = place.server.requests();
        requests[0].header("authorization").map(str::to_owned)
    };
    assert_eq!(sent(&place).as_deref(), Some("Bearer t"));
    assert_eq!(sent(&stranger), None);
}
