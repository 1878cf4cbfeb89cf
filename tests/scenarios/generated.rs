//! Holds properties over generated projects, and our locks of them against npm's where asked to.
//!
//! `HEATSEAL_NPM_CASES=2000 cargo test --test scenarios npms_own -- --nocapture` asks the npm on
//! PATH; `HEATSEAL_NPM_SEED` is where to begin. A difference is shrunk and shown as a scenario.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use registry_mock::asker::{self, Asker};
use registry_mock::npm::{Answer, ENDLESS, PROJECT};
use registry_mock::scenario::{self, Scenario};
use serde_json::{Map, Value};

use super::generate::{self, Random};
use super::satisfied::{self, Lenience};
use super::{Place, Update, damage, first_difference, is_without_extraneous, shrink};

const CASES: u64 = 150;
/// So many differences are enough for one run.
const SHOWN: usize = 3;

/// How npm's own errors begin, as opposed to those it means.
const CRASHES: [&str; 2] = ["Cannot read prop", "Maximum call stack"];

type Case = Map<String, Value>;

#[test]
fn a_generated_lock_is_stable_and_meets_every_dependency_whatever_the_order_of_replies() {
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
            let seeds = seeds.take_while(|seed| *seed < CASES);
            seeds.filter_map(broken_promise).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let parts = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        parts.collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn broken_promise(seed: u64) -> Option<String> {
    let case = generate::scenario(seed);
    let wrong = promise_broken_by(&case)?;
    let case = shrink::smallest(case, |case| promise_broken_by(case).is_some());
    let now = promise_broken_by(&case).unwrap_or(wrong);
    Some(format!("{now}\n{}", shrink::toml(&case)))
}

/// What does not hold for a case, if anything.
fn promise_broken_by(case: &Case) -> Option<String> {
    let scenario = read(case)?;
    let place = Place::new(&scenario);
    let lock = place.shrinkwrap(&scenario, &Update::Nothing).ok()?;
    let unmet = satisfied::unmet(&lock, lenience(&scenario));
    if !unmet.is_empty() {
        return Some(format!("not met:\n{}", unmet.join("\n")));
    }
    match place.shrinkwrap(&scenario, &Update::Nothing) {
        Ok(again) if again == lock || may_change(case, &lock) => {}
        Ok(again) => return Some(format!("again:\n{}", first_difference(&lock, &again))),
        // npm lets a conflict pass at first that its next run then refuses, and so do we.
        Err((code, _)) if code == "ERESOLVE" => {}
        Err((code, message)) => return Some(format!("again: {code}: {message}")),
    }
    // Without times of their own, versions were published in the order in which they are listed.
    if scenario
        .flags
        .iter()
        .any(|flag| flag.starts_with("--before"))
    {
        return None;
    }
    let shuffled = read(&shuffled(case))?;
    match Place::new(&shuffled).shrinkwrap(&shuffled, &Update::Nothing) {
        Ok(other) if other == lock => None,
        Ok(other) => Some(format!("shuffled:\n{}", first_difference(&lock, &other))),
        Err((code, message)) => Some(format!("shuffled: {code}: {message}")),
    }
}

fn read(case: &Case) -> Option<Scenario> {
    scenario::from_fields(case.clone(), "generated").ok()
}

fn lenience(scenario: &Scenario) -> Lenience {
    let has = |flag: &str| scenario.flags.iter().any(|known| known == flag);
    Lenience {
        no_peers: has("--legacy-peer-deps"),
        wrong_peers: !has("--strict-peer-deps") || has("--force"),
        broken_optionals: true,
        any_version: scenario.root.get("overrides").is_some(),
    }
}

/// Are there bundles or superfluous packages, of which npm's second lock may be another, too?
fn may_change(case: &Case, lock: &[u8]) -> bool {
    let case = Value::Object(case.clone()).to_string();
    let lock = String::from_utf8_lossy(lock);
    case.contains("bundleDependencies") || lock.contains("\"extraneous\": true")
}

/// The same registry, its versions listed in another order.
fn shuffled(case: &Case) -> Case {
    let mut case = case.clone();
    if let Some(Value::Object(packages)) = case.get_mut("packages") {
        let mut entries: Vec<(String, Value)> = std::mem::take(packages).into_iter().collect();
        Random::new(1).shuffle(&mut entries);
        packages.extend(entries);
    }
    case
}

#[test]
fn generated_locks_are_npms_own_where_it_is_asked() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let Some(count) = number("HEATSEAL_NPM_CASES") else {
        return;
    };
    let npm = asker::installed().expect("npm is on PATH");
    let mut asker = Asker::new(&npm).unwrap();
    if let Ok(path) = std::env::var("HEATSEAL_NPM_CASE") {
        let case = toml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let (kind, difference) = compare(&case, &mut asker);
        println!("{kind}\n{}", difference.unwrap_or_default());
        return;
    }
    let begin = number("HEATSEAL_NPM_SEED").unwrap_or(1_000);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut shown = 0;
    for seed in begin..begin + count {
        let case = generate::scenario(seed);
        let (kind, difference) = compare(&case, &mut asker);
        *outcomes.entry(kind.clone()).or_default() += 1;
        if difference.is_none() || shown == SHOWN {
            continue;
        }
        shown += 1;
        let case = shrink::smallest(case, |case| {
            let (now, difference) = compare(case, &mut asker);
            now == kind && difference.is_some()
        });
        let (_, difference) = compare(&case, &mut asker);
        println!(
            "{kind}\n{}\n{}",
            difference.unwrap_or_default(),
            shrink::toml(&case)
        );
    }
    for (kind, count) in &outcomes {
        println!("{count:6} {kind}");
    }
    assert_eq!(shown, 0, "npm's locks are others");
}

/// What kind of outcome a case has, and how ours differs from npm's if it does.
fn compare(case: &Case, asker: &mut Asker) -> (String, Option<String>) {
    let Some(scenario) = read(case) else {
        return ("unreadable".to_owned(), None);
    };
    let (ours, theirs) = (Place::new(&scenario), Place::new(&scenario));
    let first = ours.shrinkwrap(&scenario, &Update::Nothing);
    let outcome = judge("", first, ask(asker, &scenario, &theirs, false));
    let outcome = excused(outcome, &theirs, lenience(&scenario));
    if outcome.1.is_some() || outcome.0 != "same lock" {
        return outcome;
    }
    if let Some(outcome) = compare_damaged(&scenario, [&ours, &theirs], asker) {
        return outcome;
    }
    for (name, again) in [("again", None), ("then", scenario.then.as_ref())] {
        if let Some(then) = again {
            then.write_project(&theirs.path(PROJECT)).unwrap();
        } else if name == "then" {
            continue;
        }
        // Both go on from npm's lock.
        let lock = fs::read(theirs.path(PROJECT).join("package-lock.json")).unwrap();
        start_from(&ours, &lock);
        let result = match again {
            None => ours.shrinkwrap(&scenario, &Update::Nothing),
            Some(_) => ours.shrinkwrap_again(&scenario),
        };
        let answer = match ask(asker, &scenario, &theirs, again.is_some()) {
            // What npm called extraneous in its first run we leave in the lock until that changes.
            (Answer::Lock(next), _) if name == "again" && is_without_extraneous(&lock, &next) => {
                (Answer::Lock(lock), String::new())
            }
            answer => answer,
        };
        let outcome = judge(name, result, answer);
        let outcome = excused(outcome, &theirs, lenience(&scenario));
        if outcome.1.is_some() || !outcome.0.ends_with("same lock") {
            return outcome;
        }
    }
    ("same lock".to_owned(), None)
}

/// Whether both make the same of npm's lock once somebody has damaged it; `None` where they do.
fn compare_damaged(
    scenario: &Scenario,
    [ours, theirs]: [&Place; 2],
    asker: &mut Asker,
) -> Option<(String, Option<String>)> {
    let whole = fs::read(theirs.path(PROJECT).join("package-lock.json")).unwrap();
    let (damaged, words) = damage::damage(&whole)?;
    for place in [ours, theirs] {
        start_from(place, &damaged);
    }
    let result = ours.shrinkwrap(scenario, &Update::Nothing);
    let answer = ask(asker, scenario, theirs, false);
    let (kind, difference) = excused(judge("damaged", result, answer), theirs, lenience(scenario));
    start_from(theirs, &whole);
    let difference = difference?;
    let damaged = String::from_utf8_lossy(&damaged);
    Some((kind, Some(format!("{words}\n{difference}\n{damaged}"))))
}

/// Leaves a project with this lock alone.
fn start_from(place: &Place, lock: &[u8]) {
    let _ = fs::remove_file(place.path(PROJECT).join("npm-shrinkwrap.json"));
    fs::write(place.path(PROJECT).join("package-lock.json"), lock).unwrap();
}

/// A lock that leaves somebody without what they need is npm's defect: its own `ci` rejects it.
fn excused(
    outcome: (String, Option<String>),
    theirs: &Place,
    lenience: Lenience,
) -> (String, Option<String>) {
    let lenience = Lenience {
        broken_optionals: false,
        ..lenience
    };
    let lock = fs::read(theirs.path(PROJECT).join("package-lock.json"));
    let holes = lock.is_ok_and(|lock| !satisfied::unmet(&lock, lenience).is_empty());
    if outcome.1.is_some() && holes {
        return ("npm's lock has holes".to_owned(), None);
    }
    outcome
}

fn ask(asker: &mut Asker, scenario: &Scenario, place: &Place, again: bool) -> (Answer, String) {
    let home = place.path("home");
    fs::create_dir_all(&home).unwrap();
    let command = scenario.command(again);
    let [project, registry] = [place.path(PROJECT), place.path("registry")];
    let places: [&Path; 3] = [&project, &registry, &home];
    asker.ask(scenario, places, &command).unwrap()
}

fn judge(
    run: &str,
    ours: Result<Vec<u8>, (String, String)>,
    (theirs, words): (Answer, String),
) -> (String, Option<String>) {
    match (ours, theirs) {
        (Ok(ours), Answer::Lock(theirs)) if ours == theirs => {
            (format!("{run} same lock").trim().to_owned(), None)
        }
        (Ok(ours), Answer::Lock(theirs)) => (
            format!("{run} another lock"),
            Some(first_difference(&theirs, &ours)),
        ),
        (Err((ours, _)), Answer::Error(theirs)) if ours == theirs => {
            (format!("{run} both {ours}"), None)
        }
        // npm's endless loops and crashes are its own.
        (ours, Answer::Error(theirs)) if theirs == ENDLESS => {
            let ours = ours.err().map_or("a lock".to_owned(), |(code, _)| code);
            (format!("{run} npm never ends, ours {ours}"), None)
        }
        (_, Answer::Error(code))
            if (code.is_empty() && CRASHES.iter().any(|crash| words.starts_with(crash)))
                || code == "ENOENT" =>
        {
            (format!("{run} npm crashes"), None)
        }
        (Ok(_), Answer::Error(theirs)) => (
            format!("{run} npm fails with `{theirs}`, ours does not"),
            Some(words),
        ),
        (Err((ours, message)), Answer::Lock(_)) => (
            format!("{run} ours fails with `{ours}`, npm does not"),
            Some(message),
        ),
        (Err((ours, message)), Answer::Error(theirs)) => (
            format!("{run} npm fails with `{theirs}`, ours with `{ours}`"),
            Some(format!("{words}\n{message}")),
        ),
    }
}
