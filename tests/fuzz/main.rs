//! The fuzz targets on stable Rust: seeds, and a seeded mutator over them, within bounds.
//!
//! `HEATSEAL_FUZZ=2000000 cargo test --release --test fuzz` runs so many inputs a target. An input
//! that found something becomes a seed: `seeds/<target>/<name>`.

mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longer than this is a hang.
const LONGEST: Duration = Duration::from_secs(1);
/// Mutants of this many bytes are cut.
const LARGEST: usize = 64 << 10;

/// xorshift64*: the same inputs on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides.max(1)
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What attackers and accidents write.
const WORDS: [&[u8]; 24] = [
    b"../",
    b"\0",
    b"\\",
    b"//",
    b"node_modules/",
    b"__proto__",
    b"\"",
    b"{",
    b"}",
    b"[",
    b"9007199254740993",
    b"-1",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"1e999",
    b"\\ud800",
    b" || ",
    b">=",
    b"sha512-",
    b"git+ssh://-o",
    b"file:",
    b"@",
    b"%2e%2e",
    b"\r\n",
];

fn mutate(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[dice.roll(seeds.len())].clone();
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(data.len() + 1);
        let end = (at + 1 + dice.roll(64)).min(data.len());
        match dice.roll(8) {
            0 if at < data.len() => data[at] ^= 1 << dice.roll(8),
            1 if at < data.len() => data[at] = dice.roll(256) as u8,
            2 => drop(data.drain(at.min(end)..end)),
            3 => {
                let piece = data[at.min(end)..end].to_vec();
                let repeats = 1 + dice.roll(8);
                data.splice(at..at, piece.repeat(repeats));
            }
            4 => {
                let word = WORDS[dice.roll(WORDS.len())];
                data.splice(at..at, word.iter().copied());
            }
            5 => {
                let other = &seeds[dice.roll(seeds.len())];
                let from = dice.roll(other.len() + 1);
                let to = (from + dice.roll(512)).min(other.len());
                data.splice(at..at, other[from..to].iter().copied());
            }
            6 => data.truncate(at),
            _ if at < data.len() && data[at].is_ascii_digit() => {
                data[at] = b'0' + dice.roll(10) as u8;
            }
            _ => {}
        }
    }
    data.truncate(LARGEST);
    data
}

#[test]
fn no_input_makes_a_reader_panic_or_hang() {
    let runs = std::env::var("HEATSEAL_FUZZ")
        .ok()
        .and_then(|text| text.parse().ok());
    let runs: u64 = runs.unwrap_or(2_000);
    let only = std::env::var("HEATSEAL_FUZZ_TARGET").ok();
    for (name, run) in targets::TARGETS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let seeds = seeds(name);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut slowest = Duration::ZERO;
        let mut one = |data: &[u8]| {
            let start = Instant::now();
            let outcome = std::panic::catch_unwind(|| run(data));
            let took = start.elapsed();
            slowest = slowest.max(took);
            if outcome.is_err() || took > LONGEST {
                let kept = std::env::temp_dir().join(format!("heatseal-fuzz-{name}"));
                fs::write(&kept, data).unwrap();
                panic!("{name}: {took:?}; the input is in {}", kept.display());
            }
        };
        for seed in &seeds {
            one(seed);
        }
        for _ in 0..runs {
            one(&mutate(&mut dice, &seeds));
        }
        eprintln!("{name}: {runs} inputs, the slowest took {slowest:?}");
    }
}
