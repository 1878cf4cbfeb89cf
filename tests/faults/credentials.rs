//! Credentials go to the origin they belong to, and nowhere else: no redirect, no output, no file.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use registry_mock::{Fault, Kind, Options, Rule, Server};

use crate::world::{Answer, LOCK, Place, World};

const SECRET: &str = "s3cr3t-t0k3n";

/// Ways to write a credential into `.npmrc`, for a host and port.
fn written(host: &str) -> [String; 3] {
    let pair = BASE64_STANDARD.encode(format!("user:{SECRET}"));
    let password = BASE64_STANDARD.encode(SECRET);
    [
        format!("//{host}/:_authToken={SECRET}\n"),
        format!("//{host}/:_auth={pair}\n"),
        format!("//{host}/:username=user\n//{host}/:_password={password}\n"),
    ]
}

/// Every form in which the secret could show itself.
fn forms() -> [String; 3] {
    [
        SECRET.to_owned(),
        BASE64_STANDARD.encode(SECRET),
        BASE64_STANDARD.encode(format!("user:{SECRET}")),
    ]
}

/// The registry, with credentials for it in the user's `.npmrc`.
struct Case<'a> {
    world: &'a World,
    registry: &'a Server,
    kind: Kind,
    npmrc: &'a str,
    rule: Rule,
}

impl Case<'_> {
    fn run(&self) -> (Place, Answer) {
        let place = self.world.place().with_registry(self.registry.url());
        place.check_out(&self.world.new);
        fs::write(place.at("../home/.npmrc"), self.npmrc).unwrap();
        if self.kind != Kind::Tarball {
            fs::remove_file(place.at(LOCK)).unwrap();
        }
        self.registry.clear_faults();
        self.registry.forget_requests();
        self.registry.add_fault(self.rule.clone());
        let verb = match self.kind {
            Kind::Tarball => "ci",
            _ => "shrinkwrap",
        };
        let mut command = place.command(&[], &[verb]);
        command
            .env("npm_config_fetch_retry_mintimeout", "1")
            .env("npm_config_fetch_retry_maxtimeout", "5")
            .env("npm_config_replace_registry_host", "always");
        let output = command.output().unwrap();
        let said = [&output.stdout[..], &output.stderr].concat();
        is_silent(&said, "the output");
        let sent = self.registry.requests();
        let sent = sent.first().expect("the registry was never asked");
        assert!(sent.header("authorization").is_some(), "nothing was sent");
        (place, Answer::of(&output))
    }
}

/// Claims that no form of the secret is in `bytes`.
#[track_caller]
fn is_silent(bytes: &[u8], place: &str) {
    let text = String::from_utf8_lossy(bytes);
    for form in forms() {
        assert!(!text.contains(&form), "the secret is in {place}: {text}");
    }
}

/// Claims that no file below `folder` has the secret in it.
fn is_nowhere_below(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            is_nowhere_below(&path);
        } else if let Ok(bytes) = fs::read(&path) {
            is_silent(&bytes, &path.display().to_string());
        }
    }
}

fn path_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Tarball => "/p1/-/p1-2.0.0.tgz",
        _ => "/p1",
    }
}

#[test]
fn no_redirect_carries_credentials_to_another_origin() {
    let world = World::small();
    let registry = Server::start(Options::new(world.registry())).unwrap();
    let stranger = Server::start(Options::new(world.registry())).unwrap();
    let host = registry.url().trim_start_matches("http://").to_owned();
    let elsewhere = [
        stranger.url().to_owned(),
        stranger.url().replace("127.0.0.1", "localhost"),
        // The registry itself under another name.
        registry.url().replace("127.0.0.1", "localhost"),
    ];
    let mut scenarios = 0;
    for kind in [Kind::Packument, Kind::Tarball] {
        for npmrc in written(&host) {
            for code in [301, 302, 303, 307, 308] {
                for base in &elsewhere {
                    let to = format!("{}{}", base.trim_end_matches('/'), path_of(kind));
                    stranger.forget_requests();
                    let case = Case {
                        world,
                        registry: &registry,
                        kind,
                        npmrc: &npmrc,
                        rule: Rule::new(Fault::RedirectAs {
                            code,
                            to: to.clone(),
                        })
                        .path(path_of(kind))
                        .nth(1),
                    };
                    let (place, answer) = case.run();
                    assert!(answer.status.success(), "{code} to {to}: {}", answer.text);
                    let abroad = |request: &&registry_mock::Request| {
                        request.header("host").is_some_and(|to| to != host)
                    };
                    let mut seen = stranger.requests();
                    seen.extend(registry.requests().iter().filter(abroad).cloned());
                    assert!(!seen.is_empty(), "{code} to {to} was not followed");
                    for request in seen {
                        let sent = request.header("authorization");
                        assert_eq!(sent, None, "{code} to {to}");
                    }
                    is_nowhere_below(&place.at(""));
                    is_nowhere_below(&place.store());
                    scenarios += 1;
                }
            }
        }
    }
    assert_eq!(scenarios, 90);
}

#[test]
fn no_failure_shows_credentials() {
    let world = World::small();
    let registry = Server::start(Options::new(world.registry())).unwrap();
    let host = registry.url().trim_start_matches("http://").to_owned();
    let statuses = [400, 401, 403, 404, 407, 410, 418, 451, 500, 503].map(|code| Fault::Status {
        code,
        retry_after: None,
    });
    let others = [
        Fault::CloseBefore,
        Fault::CutBody(3),
        Fault::Html,
        Fault::RedirectLoop,
    ];
    let faults: Vec<Fault> = statuses.into_iter().chain(others).collect();
    for kind in [Kind::Packument, Kind::Tarball] {
        for npmrc in written(&host) {
            for fault in &faults {
                let case = Case {
                    world,
                    registry: &registry,
                    kind,
                    npmrc: &npmrc,
                    rule: Rule::new(fault.clone()).path(path_of(kind)),
                };
                let (place, answer) = case.run();
                answer.fails_cleanly(&format!("{fault:?}"));
                is_nowhere_below(&place.at(""));
                is_nowhere_below(&place.store());
            }
        }
    }
}
