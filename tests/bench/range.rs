//! Ranges: read, and held against versions.

use divan::{Bencher, black_box};
use heatseal::spec::{Mode, Prerelease, Range, parse_version};

const RANGES: [&str; 6] = [
    "^1.2.3",
    "~4.17.0",
    ">=2.0.0 <5",
    "1.x || >=2.5.0 || 5.0.0 - 7.2.3",
    "*",
    "^8.0.0-beta.1",
];

#[divan::bench(args = RANGES)]
fn parse(text: &str) -> Option<Range> {
    Range::parse(black_box(text), Mode::Loose)
}

/// One range, four hundred versions.
#[divan::bench(args = RANGES)]
fn satisfies(bencher: Bencher, text: &str) {
    let range = Range::parse(text, Mode::Loose).unwrap();
    let numbers = (0..400).map(|n| format!("{}.{}.{}", n / 40, n / 4 % 10, n % 4));
    let versions: Vec<_> = numbers
        .map(|text| parse_version(&text, Mode::Strict).unwrap())
        .collect();
    bencher.bench(|| {
        let fits = |version: &&_| range.satisfies(version, Prerelease::Strict);
        black_box(&versions).iter().filter(fits).count()
    });
}
