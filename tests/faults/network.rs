//! A registry that fails now and then, for packuments and for tarballs: the right result, or a
//! clean refusal; how often it was asked is counted.

use std::time::Duration;

use registry_mock::{Fault, Kind, Options, Rule, Server};

use crate::tls::{Front, certificate};
use crate::world::{Answer, Place, World};

/// What comes of a fault that does not go away.
#[derive(Debug, Clone, Copy)]
enum Lasting {
    /// The result is right all the same.
    Harmless,
    /// Exit code, and how often what fails is asked for; 0 when that does not matter.
    Ends(i32, usize),
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
    }
}

/// Faults, and what they come to when they last: three attempts for what may pass, one for what
/// will not, two where the bytes are wrong.
fn faults() -> Vec<(Fault, Lasting)> {
    use Lasting::{Ends, Harmless};
    let mut faults = vec![
        (Fault::Latency(Duration::from_millis(30)), Harmless),
        (Fault::SlowHeaders(Duration::from_millis(1)), Harmless),
        (Fault::Bandwidth(200_000), Harmless),
        (Fault::CutBody(0), Ends(7, 3)),
        (Fault::CutBody(1), Ends(7, 3)),
        (Fault::CutBody(100), Ends(7, 3)),
        (Fault::CutBody(180), Ends(7, 3)),
        (Fault::WrongLength(1 << 40), Ends(7, 1)),
        (Fault::CutBody(usize::MAX), Harmless),
        (Fault::WrongLength(7), Ends(7, 3)),
        (Fault::CloseBefore, Ends(7, 3)),
        (Fault::CloseMidway, Ends(7, 3)),
        (Fault::RedirectLoop, Ends(7, 0)),
        (Fault::Redirect("file:///etc/passwd".to_owned()), Ends(7, 1)),
    ];
    for (code, told) in [
        (429, "0"),
        (503, "0"),
        (503, "Sun, 06 Nov 1994 08:49:37 GMT"),
    ] {
        let retry_after = Some(told.to_owned());
        faults.push((Fault::Status { code, retry_after }, Ends(7, 3)));
    }
    for code in [400, 401, 403, 410, 418, 451] {
        faults.push((status(code), Ends(7, 1)));
    }
    for code in [408, 429, 500, 502, 503, 504] {
        faults.push((status(code), Ends(7, 3)));
    }
    faults
}

/// A project that asks `server`, without long pauses between attempts.
fn ask(place: &Place, args: &[&str]) -> Answer {
    let mut command = place.command(&[], args);
    command
        .env("npm_config_fetch_retry_mintimeout", "1")
        .env("npm_config_fetch_retry_maxtimeout", "5")
        // The locks name another host than the one that serves here.
        .env("npm_config_replace_registry_host", "always");
    Answer::of(&command.output().unwrap())
}

/// One fault in one kind of request: what is run, and which file is asked for.
struct Case<'a> {
    world: &'a World,
    server: &'a Server,
    /// Where it is asked: itself, or TLS in front of it.
    url: &'a str,
    kind: Kind,
}

impl Case<'_> {
    fn path(&self) -> &'static str {
        match self.kind {
            Kind::Tarball => "/p1/-/p1-2.0.0.tgz",
            _ => "/p1",
        }
    }

    fn run(&self, rule: Rule) -> (Place, Answer) {
        let place = self.world.place().with_registry(self.url);
        place.check_out(&self.world.new);
        let trust = format!("cafile={}\n", certificate("authority").display());
        std::fs::write(place.at("../home/.npmrc"), trust).unwrap();
        if self.url.starts_with("https:") {
            let looser = format!(
                "strict-ssl=false\ncafile={}\n",
                certificate("alone").display()
            );
            std::fs::write(place.at(".npmrc"), looser).unwrap();
        }
        if self.kind != Kind::Tarball {
            std::fs::remove_file(place.at(crate::world::LOCK)).unwrap();
        }
        self.server.clear_faults();
        self.server.forget_requests();
        self.server.add_fault(rule);
        let verb = match self.kind {
            Kind::Tarball => "ci",
            _ => "shrinkwrap",
        };
        let answer = ask(&place, &[verb]);
        (place, answer)
    }

    fn asked(&self) -> usize {
        let requests = self.server.requests();
        let mine = requests
            .iter()
            .filter(|request| request.path == self.path());
        mine.count()
    }

    #[track_caller]
    fn is_right(&self, place: &Place, answer: &Answer, after: &str) {
        assert!(answer.status.success(), "{after}: {}", answer.text);
        if self.kind == Kind::Tarball {
            place.is_exactly(&self.world.new, after);
        } else {
            let packages = packages(&std::fs::read(place.at(crate::world::LOCK)).unwrap());
            assert_eq!(packages, packages_of(self.world), "{after}");
        }
    }
}

/// Locations and versions: the registry's address is another than the world's.
fn packages(lock: &[u8]) -> Vec<(String, String)> {
    let lock: serde_json::Value = serde_json::from_slice(lock).unwrap();
    let packages = lock["packages"].as_object().unwrap();
    let version = |entry: &serde_json::Value| entry["version"].to_string();
    packages
        .iter()
        .map(|(location, entry)| (location.clone(), version(entry)))
        .collect()
}

fn packages_of(world: &World) -> Vec<(String, String)> {
    packages(&world.new.lock)
}

/// Every fault in the first request, in the first two, and in all.
fn with_every_fault(world: &World, server: &Server, url: &str) -> usize {
    let mut scenarios = 0;
    for kind in [Kind::Packument, Kind::Tarball] {
        let case = Case {
            world,
            server,
            url,
            kind,
        };
        for (fault, lasting) in faults() {
            let passes = !matches!(lasting, Lasting::Ends(_, 1));
            let rule = || Rule::new(fault.clone()).path(case.path());
            for (nth, rule) in [(1, rule().nth(1)), (2, rule().from(1).times(2))] {
                let after = format!("{fault:?} in the first {nth} of {kind:?}");
                let (place, answer) = case.run(rule);
                scenarios += 1;
                if passes {
                    case.is_right(&place, &answer, &after);
                } else {
                    answer.fails_cleanly(&after);
                }
            }
            let after = format!("{fault:?} in every {kind:?}");
            let (place, answer) = case.run(rule());
            scenarios += 1;
            match lasting {
                Lasting::Harmless => case.is_right(&place, &answer, &after),
                Lasting::Ends(code, times) => {
                    let answer = answer.fails_cleanly(&after);
                    assert_eq!(answer.status.code(), Some(code), "{after}: {}", answer.text);
                    assert!(answer.text.contains("p1"), "{after}: {}", answer.text);
                    assert!(place.tree().is_empty(), "{after}");
                    if times > 0 {
                        assert_eq!(case.asked(), times, "{after}: {}", answer.text);
                    }
                }
            }
        }
    }
    scenarios
}

#[test]
fn passing_faults_are_survived_and_lasting_ones_refused() {
    let world = World::small();
    let server = Server::start(Options::new(world.registry())).unwrap();
    let scenarios = with_every_fault(world, &server, server.url());
    assert!(scenarios >= 150, "only {scenarios}");
}

#[test]
#[ignore = "long"]
fn faults_are_the_same_behind_tls() {
    let world = World::small();
    let server = Server::start(Options::new(world.registry())).unwrap();
    let front = Front::start(server.url(), "good");
    let plain = with_every_fault(world, &server, server.url());
    let secure = with_every_fault(world, &server, &front.url);
    println!("{plain} scenarios of a network's faults, and {secure} behind TLS");
    assert!(plain + secure >= 300);
}

/// A registry that cannot show who it is gets no request, whatever the project says.
#[test]
fn a_certificate_that_does_not_fit_is_refused_and_a_project_cannot_help_it() {
    let world = World::small();
    let server = Server::start(Options::new(world.registry())).unwrap();
    for (name, trusts) in [
        ("good", true),
        ("elsewhere", false),
        ("expired", false),
        ("alone", false),
    ] {
        let front = Front::start(server.url(), name);
        let case = Case {
            world,
            server: &server,
            url: &front.url,
            kind: Kind::Tarball,
        };
        let (place, answer) = case.run(Rule::new(Fault::Html).path("/never"));
        if trusts {
            case.is_right(&place, &answer, name);
            continue;
        }
        let answer = answer.fails_cleanly(name);
        assert_eq!(answer.status.code(), Some(7), "{name}: {}", answer.text);
        assert!(
            answer.text.contains("certificate"),
            "{name}: {}",
            answer.text
        );
        assert!(place.tree().is_empty() && server.requests().is_empty());
    }
}

/// Wrong bytes, a page of HTML, a bomb and an endless body: told apart from a bad connection.
#[test]
fn what_is_not_what_was_asked_for_is_refused() {
    let world = World::small();
    let server = Server::start(Options::new(world.registry())).unwrap();
    for (kind, fault, code) in [
        (Kind::Tarball, Fault::WrongBytes, 4),
        (Kind::Tarball, Fault::Html, 4),
        (Kind::Packument, Fault::Html, 7),
        (Kind::Packument, Fault::WrongLength(-7), 7),
        (Kind::Tarball, Fault::WrongLength(-7), 4),
        (Kind::Packument, Fault::GzipBomb(1 << 30), 7),
        (Kind::Tarball, Fault::GzipBomb(1 << 30), 4),
        (Kind::Packument, Fault::Endless, 7),
        (Kind::Tarball, Fault::Endless, 7),
    ] {
        let case = Case {
            world,
            server: &server,
            url: server.url(),
            kind,
        };
        let after = format!("{fault:?} in every {kind:?}");
        let (place, answer) = case.run(Rule::new(fault).path(case.path()));
        let answer = answer.fails_cleanly(&after);
        assert_eq!(answer.status.code(), Some(code), "{after}: {}", answer.text);
        assert!(answer.text.contains("p1"), "{after}: {}", answer.text);
        assert!(place.tree().is_empty(), "{after}");
    }
}

/// A generator of numbers that are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// One passing fault in fifty requests, all over a run.
fn with_scattered_faults(world: &World, runs: u64) {
    let server = Server::start(Options::new(world.registry())).unwrap();
    let mut numbers = Numbers(7);
    for run in 0..runs {
        let place = world.place().with_registry(server.url());
        place.check_out(&world.new);
        server.clear_faults();
        let kinds = faults();
        for at in 0..4 {
            let passing: Vec<&(Fault, Lasting)> = kinds
                .iter()
                .filter(|(_, lasting)| !matches!(lasting, Lasting::Ends(_, 1)))
                .collect();
            let (fault, _) = passing[numbers.below(passing.len() as u64) as usize];
            let n = at * 50 + 1 + numbers.below(50);
            server.add_fault(Rule::new(fault.clone()).nth(n));
        }
        let answer = ask(&place, &["ci"]);
        assert!(answer.status.success(), "run {run}: {}", answer.text);
        place.is_exactly(&world.new, &format!("scattered faults, run {run}"));
    }
}

/// Replies in any order give the same lock.
fn with_shuffled_replies(world: &World, runs: u64) {
    let server = Server::start(Options::new(world.registry())).unwrap();
    let mut numbers = Numbers(11);
    for run in 0..runs {
        let place = world.place().with_registry(server.url());
        place.check_out(&world.new);
        std::fs::remove_file(place.at(crate::world::LOCK)).unwrap();
        server.clear_faults();
        for n in 1..40 {
            let delay = Duration::from_millis(numbers.below(12));
            server.add_fault(Rule::new(Fault::Latency(delay)).nth(n));
        }
        let answer = ask(&place, &["shrinkwrap"]);
        assert!(answer.status.success(), "run {run}: {}", answer.text);
        let lock = std::fs::read(place.at(crate::world::LOCK)).unwrap();
        assert_eq!(packages(&lock), packages_of(world), "run {run}");
    }
}

#[test]
fn a_fault_now_and_then_never_fails_an_install() {
    with_scattered_faults(World::small(), 5);
}

#[test]
fn the_order_of_replies_does_not_matter() {
    with_shuffled_replies(World::small(), 10);
}

#[test]
#[ignore = "long"]
fn a_fault_in_fifty_requests_never_fails_an_install() {
    with_scattered_faults(World::large(), 500);
    println!("500 installs with a fault in each 50 requests: 0 failures");
}

#[test]
#[ignore = "long"]
fn no_order_of_replies_matters() {
    with_shuffled_replies(World::large(), 500);
    println!("500 shuffled orders: one lock");
}
