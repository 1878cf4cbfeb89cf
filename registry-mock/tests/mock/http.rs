//! What clients of a registry rely on.

use std::io::Read as _;

use registry_mock::{Auth, Kind};

use crate::Mock;
use crate::client::Client;

const ABBREVIATED: &str =
    "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";

#[test]
fn one_connection_serves_many_requests() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    for path in ["/a", "/a/-/a-1.0.0.tgz", "/missing", "/@s%2fx"] {
        client.get(path, &[]);
    }
    let requests = mock.server.requests();
    let paths: Vec<&str> = requests.iter().map(|request| &*request.path).collect();
    assert_eq!(paths, ["/a", "/a/-/a-1.0.0.tgz", "/missing", "/@s%2fx"]);
    assert!(requests.iter().all(|request| request.connection == 0));
    assert_eq!(requests[0].header("host"), Some("mock"));
    assert_eq!(requests[1].kind, Kind::Tarball);
}

#[test]
fn http_2_is_spoken_to_those_who_begin_with_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mock = Mock::new();
    let url = format!("{}/a", mock.server.url());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (version, text) = runtime.block_on(async {
        let client = reqwest::Client::builder()
            .http2_prior_knowledge()
            .build()
            .unwrap();
        let answer = client.get(url).send().await.unwrap();
        (answer.version(), answer.text().await.unwrap())
    });
    assert_eq!(version, reqwest::Version::HTTP_2);
    assert!(text.contains("1.1.0"));
    assert_eq!(mock.server.requests()[0].protocol, "HTTP/2.0");
}

#[test]
fn a_client_that_has_the_content_gets_304_and_no_body() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    for path in ["/a", "/a/-/a-1.0.0.tgz"] {
        let first = client.get(path, &[]);
        let tag = first.header("etag").unwrap().to_owned();
        let again = client.get(path, &[("if-none-match", &tag)]);
        assert_eq!((first.status, again.status), (200, 304), "{path}");
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        let other = client.get(path, &[("if-none-match", "\"other\"")]);
        assert_eq!(other.status, 200);
    }
}

#[test]
fn the_validator_follows_the_file() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    let first = client.get("/a", &[]);
    crate::registry()
        .package("a", "2.0.0")
        .write(mock.folder.path())
        .unwrap();
    let second = client.get("/a", &[("if-none-match", first.header("etag").unwrap())]);
    assert_eq!(second.status, 200);
    assert_eq!(second.json()["dist-tags"]["latest"], "2.0.0");
}

#[test]
fn head_is_get_without_the_body() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    let get = client.get("/a", &[]);
    let head = client.ask("HEAD", "/a", &[]).unwrap();
    assert_eq!(head.status, 200);
    for name in ["content-length", "content-type", "etag", "cache-control"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    assert_eq!(client.get("/a", &[]).status, 200, "nothing was left over");
}

#[test]
fn the_accept_header_chooses_the_document() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    let full = client.get("/a", &[("accept", "application/json")]);
    assert_eq!(full.header("content-type"), Some("application/json"));
    assert_eq!(full.json()["versions"]["1.0.0"]["license"], "MIT");
    assert!(full.json()["time"]["1.0.0"].is_string());

    let short = client.get("/a", &[("accept", ABBREVIATED)]);
    assert_eq!(
        short.header("content-type"),
        Some("application/vnd.npm.install-v1+json")
    );
    let version = &short.json()["versions"]["1.0.0"];
    assert_eq!(version["hasInstallScript"], true);
    assert!(version.get("license").is_none());
    assert!(short.json().get("time").is_none());
    assert_ne!(short.header("etag"), full.header("etag"));
}

#[test]
fn tarball_addresses_point_at_the_server_unless_left_alone() {
    let address = |mock: &Mock| {
        let packument = Client::new(&mock.server).get("/@s%2fx", &[]).json();
        packument["versions"]["1.0.0"]["dist"]["tarball"].clone()
    };
    let mock = Mock::new();
    let moved = address(&mock);
    assert_eq!(moved, format!("{}/@s/x/-/x-1.0.0.tgz", mock.server.url()));
    let tarball = Client::new(&mock.server).get("/@s/x/-/x-1.0.0.tgz", &[]);
    assert_eq!(tarball.status, 200);
    assert_eq!(
        tarball.header("content-type"),
        Some("application/octet-stream")
    );
    let left = Mock::with(|options| options.rewrite = false);
    assert_eq!(address(&left), "http://registry.example/@s/x/-/x-1.0.0.tgz");
}

#[test]
fn packuments_are_compressed_for_those_who_ask() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    let plain = client.get("/a", &[]);
    let gzip = client.get("/a", &[("accept-encoding", "gzip,deflate")]);
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(gzip.body.as_slice())
        .read_to_end(&mut text)
        .unwrap();
    assert_eq!(text, plain.body);
}

#[test]
fn a_compressed_packument_file_is_served_like_a_plain_one() {
    let mock = Mock::new();
    let plain = Client::new(&mock.server).get("/a", &[]);
    let path = mock.folder.path().join("a/packument.json");
    let bytes = registry_mock::archive::deflated(&std::fs::read(&path).unwrap());
    std::fs::write(path.with_extension("json.gz"), bytes).unwrap();
    std::fs::remove_file(path).unwrap();
    let kept = Client::new(&mock.server).get("/a", &[]);
    assert_eq!(kept.body, plain.body);
}

#[test]
fn only_the_right_credentials_open_a_closed_registry() {
    let mock = Mock::with(|options| {
        options.auth = vec![
            Auth::Bearer("secret".to_owned()),
            Auth::Basic("u:p".to_owned()),
        ];
    });
    let mut client = Client::new(&mock.server);
    let mut status = |value: Option<&str>| {
        let headers: Vec<_> = value.map(|v| ("authorization", v)).into_iter().collect();
        ["/a", "/a/-/a-1.0.0.tgz"].map(|path| client.get(path, &headers).status)
    };
    assert_eq!(status(None), [401, 401]);
    assert_eq!(status(Some("Bearer wrong")), [401, 401]);
    assert_eq!(status(Some("Bearer secret")), [200, 200]);
    assert_eq!(status(Some("Basic dTpw")), [200, 200]);
    let refused = client.get("/a", &[]);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
}

#[test]
fn the_time_that_answers_stay_fresh_is_settable() {
    let age = |max_age| {
        let mock = Mock::with(|options| options.max_age = max_age);
        let answer = Client::new(&mock.server).get("/a", &[]);
        answer.header("cache-control").map(str::to_owned)
    };
    assert_eq!(age(Some(0)).as_deref(), Some("public, max-age=0"));
    assert_eq!(age(None), None);
}

#[test]
fn the_mock_counts_requests_by_kind_and_answers_npms_side_questions() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    client.get("/a", &[]);
    client.get("/a/-/a-1.0.0.tgz", &[]);
    client.get("/a/-/a-1.1.0.tgz", &[]);
    assert_eq!(client.get("/-/ping", &[]).body, b"{}");
    let bulk = "/-/npm/v1/security/advisories/bulk";
    let audit = client
        .ask("POST", bulk, &[("content-length", "0")])
        .unwrap();
    assert_eq!((audit.status, audit.body.as_slice()), (200, &b"{}"[..]));
    let stats = client.get("/-/stats", &[]).json();
    assert_eq!(
        stats,
        serde_json::json!({
            "connections": 1,
            "requests": { "advisory": 1, "other": 0, "packument": 1, "ping": 1, "tarball": 2 },
        })
    );
}

#[test]
fn what_is_not_there_is_404_and_says_so_in_json() {
    let mock = Mock::new();
    let mut client = Client::new(&mock.server);
    for path in [
        "/b",
        "/@s/y",
        "/a/-/a-9.9.9.tgz",
        "/../etc/passwd",
        "/a/b/c",
    ] {
        let answer = client.get(path, &[]);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["error"], "Not found");
    }
}

#[test]
fn dropping_the_server_stops_it() {
    let Mock { server, .. } = Mock::new();
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    drop(server);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn recording_keeps_what_passed_and_then_needs_no_upstream() {
    let upstream = Mock::new();
    let kept = tempfile::tempdir().unwrap();
    let start = |url: Option<&str>| {
        let mut options = registry_mock::Options::new(kept.path());
        options.upstream = url.map(str::to_owned);
        registry_mock::Server::start(options).unwrap()
    };
    let paths = ["/@s%2fx", "/@s/x/-/x-1.0.0.tgz", "/missing"];
    let ask = |server: &registry_mock::Server| {
        let mut client = Client::new(server);
        paths.map(|path| client.get(path, &[]).status)
    };
    let recorder = start(Some(upstream.server.url()));
    assert_eq!(ask(&recorder), [200, 200, 404]);
    assert_eq!(ask(&recorder), [200, 200, 404]);
    assert_eq!(upstream.server.requests().len(), 4, "404s are not kept");
    drop(upstream);
    assert_eq!(ask(&start(None)), [200, 200, 404]);
}
