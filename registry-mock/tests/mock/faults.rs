//! Every misbehaviour, as a client meets it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use registry_mock::{Fault, Kind, Rule};

use crate::Mock;
use crate::client::{Answer, Client};

const TARBALL: &str = "/a/-/a-1.1.0.tgz";

fn tarball_with(fault: Fault) -> Answer {
    let mock = Mock::new();
    mock.server.add_fault(Rule::new(fault).on(Kind::Tarball));
    Client::new(&mock.server).get(TARBALL, &[("connection", "close")])
}

fn honest_tarball() -> Vec<u8> {
    let mock = Mock::new();
    Client::new(&mock.server).get(TARBALL, &[]).body
}

fn inflated_size(gzip: &[u8]) -> u64 {
    std::io::copy(
        &mut flate2::read::GzDecoder::new(gzip),
        &mut std::io::sink(),
    )
    .unwrap()
}

#[test]
fn a_fault_hits_only_the_request_it_is_for() {
    let mock = Mock::new();
    let fault = Fault::Status {
        code: 503,
        retry_after: Some("1".to_owned()),
    };
    mock.server.add_fault(Rule::new(fault).path("/a").nth(2));
    let mut client = Client::new(&mock.server);
    let answers = [0, 1, 2].map(|_| client.get("/a", &[]));
    assert_eq!(
        answers.each_ref().map(|answer| answer.status),
        [200, 503, 200]
    );
    assert_eq!(answers[1].header("retry-after"), Some("1"));
}

#[test]
fn latency_comes_before_the_answer_and_adds_up() {
    let mock = Mock::new();
    for _ in 0..2 {
        mock.server
            .add_fault(Rule::new(Fault::Latency(Duration::from_millis(30))));
    }
    let start = Instant::now();
    assert_eq!(Client::new(&mock.server).get("/a", &[]).status, 200);
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[test]
fn bandwidth_is_bounded_and_the_body_whole() {
    let size = honest_tarball().len() as u64;
    let start = Instant::now();
    let answer = tarball_with(Fault::Bandwidth(size * 5));
    assert_eq!(answer.body, honest_tarball());
    assert!(start.elapsed() >= Duration::from_millis(150));
}

#[test]
fn slow_headers_arrive_byte_by_byte() {
    let mock = Mock::new();
    mock.server
        .add_fault(Rule::new(Fault::SlowHeaders(Duration::from_millis(2))).times(1));
    let mut client = Client::new(&mock.server);
    let start = Instant::now();
    assert_eq!(client.get("/a", &[]).status, 200);
    assert!(start.elapsed() >= Duration::from_millis(120));
    assert_eq!(client.get("/a", &[]).status, 200);
}

#[test]
fn a_cut_body_is_shorter_than_promised() {
    let answer = tarball_with(Fault::CutBody(10));
    assert_eq!(answer.body, honest_tarball()[..10]);
    assert_eq!(answer.trouble, Some(ErrorKind::UnexpectedEof));
}

#[test]
fn a_wrong_length_promises_too_much_or_too_little() {
    let size = honest_tarball().len();
    let long = tarball_with(Fault::WrongLength(5));
    assert_eq!(
        long.header("content-length"),
        Some(&*(size + 5).to_string())
    );
    assert_eq!(long.trouble, Some(ErrorKind::UnexpectedEof));
    let short = tarball_with(Fault::WrongLength(-5));
    assert_eq!(short.body.len(), size - 5);
}

#[test]
fn wrong_bytes_unpack_but_are_not_what_was_published() {
    let (wrong, honest) = (tarball_with(Fault::WrongBytes).body, honest_tarball());
    assert_ne!(wrong, honest);
    assert_eq!(wrong.len(), honest.len());
    assert_eq!(inflated_size(&wrong), inflated_size(&honest));
}

#[test]
fn a_gzip_bomb_is_small_on_the_wire() {
    let answer = tarball_with(Fault::GzipBomb(8 << 20));
    assert_eq!(answer.status, 200);
    let mock = Mock::new();
    mock.server
        .add_fault(Rule::new(Fault::GzipBomb(8 << 20)).on(Kind::Packument));
    let answer = Client::new(&mock.server).get("/a", &[("connection", "close")]);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.body.len() < 100_000);
    let plain = unchunked(&answer.body);
    assert_eq!(inflated_size(&plain), 8 << 20);
}

/// The content of a chunked body (RFC 9112, 7.1).
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(line) = body.windows(2).position(|pair| pair == b"\r\n") {
        let digits = std::str::from_utf8(&body[..line]).unwrap();
        let size = usize::from_str_radix(digits, 16).unwrap();
        content.extend(&body[line + 2..line + 2 + size]);
        body = &body[(line + 2 + size + 2).min(body.len())..];
    }
    content
}

#[test]
fn a_redirect_leads_elsewhere_or_in_a_circle() {
    let away = tarball_with(Fault::Redirect("http://registry.example/x".to_owned()));
    assert_eq!(away.status, 302);
    assert_eq!(away.header("location"), Some("http://registry.example/x"));
    let around = tarball_with(Fault::RedirectLoop);
    assert_eq!(around.header("location"), Some(TARBALL));
}

#[test]
fn a_connection_can_close_before_the_answer() {
    let mock = Mock::new();
    mock.server
        .add_fault(Rule::new(Fault::CloseBefore).times(1));
    let error = Client::new(&mock.server).ask("GET", "/a", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(Client::new(&mock.server).get("/a", &[]).status, 200);
}

#[test]
fn a_connection_can_be_reset_in_the_middle() {
    let answer = tarball_with(Fault::CloseMidway);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.trouble, Some(ErrorKind::ConnectionReset));
}

#[test]
fn an_html_page_comes_with_status_200() {
    let answer = tarball_with(Fault::Html);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert!(answer.body.starts_with(b"<!DOCTYPE html>"));
}

#[test]
fn an_endless_body_goes_on() {
    let answer = tarball_with(Fault::Endless);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.body.len(), 1 << 20, "as much as the client takes");
}

#[test]
fn faults_reach_http_2_streams_too() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mock = Mock::new();
    mock.server
        .add_fault(Rule::new(Fault::CutBody(10)).times(1));
    mock.server.add_fault(Rule::new(Fault::CloseBefore).nth(2));
    let url = format!("{}{TARBALL}", mock.server.url());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder()
            .http2_prior_knowledge()
            .retry(reqwest::retry::never())
            .build()
            .unwrap();
        let cut = client.get(&url).send().await.unwrap().bytes().await;
        assert!(cut.is_err());
        assert!(client.get(&url).send().await.is_err());
        assert!(client.get(&url).send().await.unwrap().bytes().await.is_ok());
    });
}
