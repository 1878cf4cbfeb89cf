//! Versions and ranges: heatseal's answers are those of the node-semver that npm brings.
//!
//! `cargo test --test hostile ranges -- --ignored` makes 200,000 pairs (or `HEATSEAL_SEMVER`) of a
//! version and a range from a fixed seed, or from `HEATSEAL_SEMVER_SEED`, and asks both; four readings a pair.
//! Two answers of node-semver are passed over: the least version above the highest number there is,
//! which it cannot read itself, and identifiers of more than 16 digits that begin with 0, which its
//! loose reading keeps as text.

use std::fmt::Write as _;

use heatseal::spec::{Mode, Prerelease, Range, compare, parse_version};
use serde_json::{Value, json};

use crate::readings::{Dice, Other};

/// Pairs in a question.
const BATCH: usize = 500;
/// So many differences are enough for one run.
const SHOWN: usize = 20;
const READINGS: [(Mode, Prerelease); 4] = [
    (Mode::Strict, Prerelease::Strict),
    (Mode::Strict, Prerelease::Include),
    (Mode::Loose, Prerelease::Strict),
    (Mode::Loose, Prerelease::Include),
];

/// Answers a line of JSON, `[version, other version, range, other range]` many times, with a text
/// for each reading of each; a `!` is where node-semver throws or gives null, a `?` what is passed
/// over.
const NODE: &str = r#"
const semver = require(process.argv[1] + "/node_modules/semver");
Error.stackTraceLimit = 0;
const attempt = make => { try { const made = make(); return made === null ? "!" : made; } catch { return "!"; } };
const yes = value => value === true ? "y" : value === false ? "n" : value;
const answer = ([version, other, text, wider], options) => {
  if (options.loose && /[-.]0\d{16}/.test([version, other, text, wider].join(" "))) return "?";
  const read = semver.parse(version, options), second = semver.parse(other, options);
  const range = attempt(() => new semver.Range(text, options));
  const outer = attempt(() => new semver.Range(wider, options));
  let line = read ? read.version : "!";
  if (read && second) line += " " + semver.compare(read, second, options);
  if (range === "!") return line + " !";
  line += " " + (range.range || "*");
  const least = attempt(() => options.includePrerelease ? "" : semver.minVersion(range, options).version);
  if (/\b9007199254740992\b/.test(least) || least === "!" && />.*9007199254740991/.test(text)) return "?";
  line += " " + least;
  if (read) line += " " + yes(semver.satisfies(read, range, options))
    + attempt(() => yes(semver.gtr(read, range, options))) + attempt(() => yes(semver.ltr(read, range, options)));
  if (outer !== "!") line += " " + attempt(() => yes(semver.subset(range, outer, options)))
    + attempt(() => yes(semver.intersects(range, outer, options)));
  return line;
};
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const answers = JSON.parse(line).flatMap(pair => [false, true].flatMap(loose =>
    [false, true].map(includePrerelease => answer(pair, {loose, includePrerelease}))));
  process.stdout.write(JSON.stringify(answers) + "\n");
});
"#;

struct Pair {
    versions: [String; 2],
    ranges: [String; 2],
}

impl Dice {
    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.roll(list.len())]
    }

    /// One in so many times.
    fn rarely(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }
}

fn number(dice: &mut Dice) -> String {
    const SMALL: [&str; 6] = ["0", "1", "2", "3", "10", "11"];
    const ODD: [&str; 9] = [
        "00",
        "01",
        "x",
        "X",
        "*",
        "9007199254740990",
        "9007199254740991",
        "9007199254740992",
        "99999999999999999999999",
    ];
    let odd = dice.rarely(12);
    dice.pick(if odd { &ODD } else { &SMALL }).to_owned()
}

fn identifiers(dice: &mut Dice) -> String {
    const WORDS: [&str; 16] = [
        "0",
        "1",
        "2",
        "10",
        "alpha",
        "beta",
        "rc",
        "a",
        "b1",
        "1b",
        "-",
        "--x",
        "00",
        "01",
        "0a",
        "9007199254740993",
    ];
    let mut text = dice.pick(&WORDS[..11]).to_owned();
    while dice.rarely(2) {
        let _ = write!(text, ".{}", dice.pick(&WORDS));
    }
    text
}

/// A version, or the first `precision` numbers of one.
fn version(dice: &mut Dice, precision: usize) -> String {
    let mut text = String::new();
    if dice.rarely(12) {
        text.push_str(dice.pick(&["v", "=", "= v", "vv", " ", "V"]));
    }
    let numbers: Vec<String> = (0..precision).map(|_| number(dice)).collect();
    text.push_str(&numbers.join("."));
    if dice.rarely(if precision == 3 { 2 } else { 15 }) {
        text.push_str(dice.pick(&["-", "-", "-", "-", "-", "-", "-", "", "."]));
        text.push_str(&identifiers(dice));
    }
    if dice.rarely(10) {
        text.push('+');
        text.push_str(&identifiers(dice));
    }
    text
}

fn space(dice: &mut Dice) -> &'static str {
    match dice.roll(16) {
        0 => "  ",
        1 => "\t",
        2 => dice.pick(&["\u{a0}", "\u{feff}", "\n", "\u{85}", "\u{3000}", "\u{200b}"]),
        _ => " ",
    }
}

fn comparator(dice: &mut Dice) -> String {
    const OPERATORS: [&str; 9] = ["", "", "^", "~", ">", "<", ">=", "<=", "="];
    let operator = match dice.roll(20) {
        0 => dice.pick(&["~>", "==", ">>", "=>", "^~", "~=", "^^", "<>", "!"]),
        _ => dice.pick(&OPERATORS),
    };
    let gap = if dice.rarely(8) { space(dice) } else { "" };
    let precision = [3, 3, 3, 2, 1][dice.roll(5)];
    format!("{operator}{gap}{}", version(dice, precision))
}

fn range(dice: &mut Dice) -> String {
    let mut text = String::new();
    loop {
        match dice.roll(12) {
            0 | 1 => {
                let precision = [1 + dice.roll(3), 1 + dice.roll(3)];
                let (low, high) = (version(dice, precision[0]), version(dice, precision[1]));
                let _ = write!(text, "{low}{}-{}{high}", space(dice), space(dice));
            }
            2 => text.push_str(dice.pick(&["", "*", "x", "X", "latest", ">=0.0.0", ">=0.0.0-0"])),
            _ => {
                text.push_str(&comparator(dice));
                while dice.rarely(3) {
                    text.push_str(space(dice));
                    text.push_str(&comparator(dice));
                }
            }
        }
        if !dice.rarely(4) {
            break;
        }
        text.push_str(dice.pick(&["||", " || ", "|| ", " ||", "|", "||||"]));
    }
    if dice.rarely(5) {
        mutate(dice, &mut text);
    }
    text
}

/// A character more or fewer.
fn mutate(dice: &mut Dice, text: &mut String) {
    const CHARACTERS: [&str; 22] = [
        "0", "1", ".", "-", "+", "x", "*", " ", "~", "^", "<", ">", "=", "|", "v", "a", "\t", "é",
        "\u{a0}", "..", "\0", "-0",
    ];
    for _ in 0..=dice.roll(2) {
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        if starts.is_empty() || dice.rarely(2) {
            let at = starts.get(dice.roll(starts.len())).copied();
            text.insert_str(at.unwrap_or_default(), dice.pick(&CHARACTERS));
        } else {
            text.remove(starts[dice.roll(starts.len())]);
        }
    }
}

fn pair(dice: &mut Dice) -> Pair {
    let mut versions = [version(dice, 3), version(dice, 3)];
    if dice.rarely(20) {
        mutate(dice, &mut versions[0]);
    }
    Pair {
        versions,
        ranges: [range(dice), range(dice)],
    }
}

/// What the script says, by our own means.
fn ours(pair: &Pair, (mode, prerelease): (Mode, Prerelease)) -> String {
    let yes = |value: bool| if value { 'y' } else { 'n' };
    let versions = pair.versions.each_ref();
    let [version, other] = versions.map(|text| parse_version(text, mode));
    let [range, outer] = pair
        .ranges
        .each_ref()
        .map(|text| Range::parse_counting(text, mode, prerelease));
    let spelled = |version: &semver::Version| {
        let mut version = version.clone();
        version.build = semver::BuildMetadata::EMPTY;
        version.to_string()
    };
    let mut line = version.as_ref().map_or_else(|| "!".to_owned(), spelled);
    if let (Some(version), Some(other)) = (&version, &other) {
        let _ = write!(line, " {}", compare(version, other) as i8);
    }
    let Some(range) = range else {
        return line + " !";
    };
    let least = match prerelease {
        Prerelease::Include => String::new(),
        Prerelease::Strict => range.min_version().as_ref().map_or("!".to_owned(), spelled),
    };
    let _ = write!(line, " {} {least}", range.formatted(prerelease));
    if let Some(version) = &version {
        let answers = [
            range.satisfies(version, prerelease),
            range.is_below(version, prerelease),
            range.is_above(version, prerelease),
        ];
        let _ = write!(line, " {}", answers.map(yes).iter().collect::<String>());
    }
    if let Some(outer) = outer {
        let within = range.is_subset_of(&outer, prerelease);
        let meeting = range.intersects_counting(&outer, prerelease);
        let _ = write!(line, " {}{}", yes(within), yes(meeting));
    }
    line
}

#[test]
#[ignore = "long, and asks the node-semver that npm brings"]
fn answers_about_versions_are_those_of_node_semver() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let total = number("HEATSEAL_SEMVER").unwrap_or(200_000);
    let npm = registry_mock::asker::installed().expect("npm is on PATH");
    let mut node = Other::start("node-semver", "node", &["-e", NODE, npm.to_str().unwrap()]);
    let mut dice = Dice(number("HEATSEAL_SEMVER_SEED").unwrap_or(0x1234_5678_9abc_def1));
    let (mut made, mut valid, mut satisfied, mut differing) = (0, 0, 0, Vec::new());
    while made < total && differing.len() < SHOWN {
        let pairs: Vec<Pair> = (0..BATCH).map(|_| pair(&mut dice)).collect();
        made += BATCH as u64;
        let question = pairs.iter().map(|pair| {
            let ([a, b], [c, d]) = (&pair.versions, &pair.ranges);
            json!([a, b, c, d])
        });
        let answers = node.ask(&Value::Array(question.collect()).to_string());
        let answers: Vec<String> = serde_json::from_str(&answers).unwrap();
        let readings = pairs
            .iter()
            .flat_map(|pair| READINGS.map(|reading| (pair, reading)));
        for ((pair, reading), theirs) in readings.zip(answers) {
            if theirs == "?" {
                continue;
            }
            valid += u64::from(!theirs.contains('!'));
            satisfied += u64::from(theirs.contains(" ynn"));
            let ours = ours(pair, reading);
            if ours != theirs {
                let Pair { versions, ranges } = pair;
                differing.push(format!(
                    "{reading:?} {versions:?} {ranges:?}\n  ours   {ours}\n  theirs {theirs}"
                ));
            }
        }
    }
    eprintln!(
        "{made} pairs in four readings: {valid} valid, {satisfied} satisfied, {} differences",
        differing.len()
    );
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(
        valid > total && satisfied > total / 20,
        "too few to mean something"
    );
}
