//! What happens when the other side misbehaves.

use registry_mock::{Fault, Kind, Rule};

use super::*;
use crate::limits::Limits;

fn one() -> Packages {
    Packages::new().package("a", "1.0.0").package("b", "1.0.0")
}

#[test]
fn passing_faults_are_tried_again_and_lasting_ones_reported() {
    let status = |code| Fault::Status {
        code,
        retry_after: None,
    };
    for (fault, lasting) in [
        (status(408), "E408"),
        (status(429), "E429"),
        (status(500), "E500"),
        (status(503), "E503"),
        (Fault::CutBody(10), "ECONNRESET"),
        (Fault::CloseBefore, "ECONNRESET"),
        (Fault::CloseMidway, "ECONNRESET"),
        (Fault::WrongLength(5), "ECONNRESET"),
    ] {
        let place = Place::new(&one());
        place.server.add_fault(Rule::new(fault.clone()).nth(1));
        let answer = place.open("").packument("a");
        assert!(answer.is_ok(), "{fault:?}: {answer:?}");
        assert_eq!(place.asked().len(), 2, "{fault:?}");
        place.server.clear_faults();
        place.server.add_fault(Rule::new(fault.clone()));
        assert_eq!(code(place.open("").packument("a")), lasting, "{fault:?}");
        assert_eq!(place.asked().len(), 2 + 3, "{fault:?}");
    }
}

#[test]
fn refusals_are_final() {
    for status in [400, 401, 403, 404, 410, 418, 451] {
        let place = Place::new(&one());
        let fault = Fault::Status {
            code: status,
            retry_after: None,
        };
        place.server.add_fault(Rule::new(fault));
        assert_eq!(code(place.open("").packument("a")), format!("E{status}"));
        assert_eq!(place.asked().len(), 1, "{status}");
    }
}

#[test]
fn a_login_page_is_shown_and_not_kept() {
    let place = Place::new(&one());
    place.server.add_fault(Rule::new(Fault::Html).nth(1));
    let first = place.open("");
    let error = first.packument("a").unwrap_err();
    assert_eq!(error.code(), "EJSONPARSE");
    assert!(error.to_string().contains("first bytes: \"<"), "{error}");
    first.finish();
    place.open("").packument("a").unwrap();
}

#[test]
fn redirects_are_followed_without_credentials_to_another_origin() {
    let other = Place::new(&one());
    let place = Place::new(&one());
    let to = format!("{}/a", other.server.url());
    let rule = Rule::new(Fault::Redirect(to)).path("/a");
    place.server.add_fault(rule);
    let host = place.server.url().replace("http:", "");
    let stranger = other.server.url().replace("http:", "");
    let npmrc = format!("{host}/:_authToken=s3cret\n{stranger}/:_authToken=theirs\n");
    let registry = place.open(&npmrc);
    registry.packument("a").unwrap();
    let sent = |place: &Place| {
        let requests = place.server.requests();
        requests[0].header("authorization").map(str::to_owned)
    };
    assert_eq!(sent(&place).as_deref(), Some("Bearer s3cret"));
    assert_eq!(sent(&other), None);
}

#[test]
fn a_redirect_loop_ends() {
    let place = Place::new(&one());
    place.server.add_fault(Rule::new(Fault::RedirectLoop));
    assert_eq!(code(place.open("").packument("a")), "EREDIRECT");
    assert_eq!(place.asked().len(), 21);
}

#[test]
fn a_bomb_is_defused() {
    let place = Place::new(&one());
    let bomb = Fault::GzipBomb(Limits::default().packument + 1);
    place.server.add_fault(Rule::new(bomb));
    assert_eq!(code(place.open("").packument("a")), "EFBIG");
}

#[test]
fn a_closed_port_is_named_for_what_it_is() {
    let place = Place::new(&one());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let registry = place.open(&format!("registry=http://u:s3cret@127.0.0.1:{port}/\n"));
    let error = registry.packument("a").unwrap_err();
    assert_eq!(error.code(), "ECONNREFUSED");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn the_packument_of_another_name_is_refused() {
    let place = Place::new(&one());
    let registry = place.folder.path().join("registry");
    std::fs::copy(
        registry.join("b/packument.json"),
        registry.join("a/packument.json"),
    )
    .unwrap();
    assert_eq!(code(place.open("").packument("a")), "EINVALIDPACKUMENT");
}

#[test]
fn a_stale_packument_serves_while_the_registry_is_down() {
    let place = Place::with(&one(), |options| options.max_age = Some(0));
    let first = place.open("");
    first.packument("a").unwrap();
    first.finish();
    let fault = Fault::Status {
        code: 503,
        retry_after: None,
    };
    place.server.add_fault(Rule::new(fault).on(Kind::Packument));
    place.open("").packument("a").unwrap();
    assert_eq!(code(place.open("").packument("b")), "E503");
}

#[test]
fn a_wait_that_the_server_orders_is_kept() {
    let place = Place::new(&one());
    let fault = Fault::Status {
        code: 429,
        retry_after: Some("1".to_owned()),
    };
    place.server.add_fault(Rule::new(fault).nth(1));
    let began = std::time::Instant::now();
    place.open("").packument("a").unwrap();
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
}
