//! node-semver's own vectors, from `fixtures/semver`.

use serde_json::Value;

use super::super::version::parse_version;
use super::*;

struct Row(Vec<Value>);

impl Row {
    fn must<T>(&self, value: Option<T>) -> T {
        value.unwrap_or_else(|| panic!("{:?} is refused", self.0))
    }

    fn text(&self, index: usize) -> &str {
        self.0[index].as_str().expect("a text")
    }

    fn mode(&self, index: usize) -> Mode {
        let truthy = |value: &Value| {
            !matches!(value, Value::Null | Value::Bool(false)) && value.as_f64() != Some(0.0)
        };
        match self.0.get(index) {
            Some(Value::Object(options)) if options.get("loose").is_some_and(truthy) => Mode::Loose,
            Some(Value::Null | Value::Bool(false) | Value::Object(_)) | None => Mode::Strict,
            Some(_) => Mode::Loose,
        }
    }

    fn prerelease(&self, index: usize) -> Prerelease {
        let include = |value: &Value| value.get("includePrerelease") == Some(&Value::Bool(true));
        match self.0.get(index) {
            Some(options) if include(options) => Prerelease::Include,
            _ => Prerelease::Strict,
        }
    }

    fn range_and_version(&self) -> (Option<Range>, Option<Version>) {
        let mode = self.mode(2);
        let version = self.0[1].as_str();
        (
            Range::parse(self.text(0), mode),
            version.and_then(|version| parse_version(version, mode)),
        )
    }
}

fn rows(file: &str) -> Vec<Row> {
    let path = format!("{}/fixtures/semver/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    let rows: Vec<Vec<Value>> = serde_json::from_str(&text).expect(&path);
    rows.into_iter().map(Row).collect()
}

#[test]
fn ranges_include_what_node_semver_includes() {
    for row in rows("range-include") {
        let (range, version) = row.range_and_version();
        let (range, version) = (row.must(range), row.must(version));
        assert!(range.satisfies(&version, row.prerelease(2)), "{:?}", row.0);
    }
}

#[test]
fn ranges_exclude_what_node_semver_excludes() {
    for row in rows("range-exclude") {
        if let (Some(range), Some(version)) = row.range_and_version() {
            assert!(!range.satisfies(&version, row.prerelease(2)), "{:?}", row.0);
        }
    }
}

#[test]
fn ranges_are_spelled_as_node_semver_spells_them() {
    for row in rows("range-parse") {
        let range = Range::parse(row.text(0), row.mode(2));
        let formatted = range.map(|range| range.formatted(row.prerelease(2)));
        assert_eq!(formatted.as_deref(), row.0[1].as_str(), "{:?}", row.0);
    }
}

#[test]
fn ranges_overlap_where_node_semver_says_so() {
    for row in rows("range-intersection") {
        for mode in [Mode::Strict, Mode::Loose] {
            let parse = |index| row.must(Range::parse(row.text(index), mode));
            let (a, b, want) = (parse(0), parse(1), row.0[2].as_bool().expect("a verdict"));
            assert_eq!(a.intersects(&b), want, "{:?}", row.0);
            assert_eq!(b.intersects(&a), want, "{:?}", row.0);
        }
    }
}

#[test]
fn comparators_overlap_where_node_semver_says_so() {
    for row in rows("comparator-intersection") {
        let prerelease = match row.0.get(3) {
            Some(Value::Bool(true)) => Prerelease::Include,
            _ => Prerelease::Strict,
        };
        let parse = |index| row.must(Range::parse(row.text(index), Mode::Strict));
        let (a, b, want) = (parse(0), parse(1), row.0[2].as_bool().expect("a verdict"));
        assert_eq!(a.intersects_counting(&b, prerelease), want, "{:?}", row.0);
        assert_eq!(b.intersects_counting(&a, prerelease), want, "{:?}", row.0);
    }
}

#[test]
fn versions_lie_beyond_a_range_where_node_semver_says_so() {
    for (file, above, want) in [
        ("version-gt-range", true, true),
        ("version-not-gt-range", true, false),
        ("version-lt-range", false, true),
        ("version-not-lt-range", false, false),
    ] {
        for row in rows(file) {
            let (range, version) = row.range_and_version();
            let (range, version) = (row.must(range), row.must(version));
            let got = if above {
                range.is_below(&version, row.prerelease(2))
            } else {
                range.is_above(&version, row.prerelease(2))
            };
            assert_eq!(got, want, "{file} {:?}", row.0);
        }
    }
}

#[test]
fn versions_compare_as_node_semver_compares_them() {
    for row in rows("comparisons") {
        let parse = |index| row.must(parse_version(row.text(index), row.mode(2)));
        assert_eq!(
            compare(&parse(0), &parse(1)),
            Ordering::Greater,
            "{:?}",
            row.0
        );
        assert_eq!(compare(&parse(1), &parse(0)), Ordering::Less, "{:?}", row.0);
    }
    for row in rows("equality") {
        let parse = |index| row.must(parse_version(row.text(index), row.mode(2)));
        assert_eq!(
            compare(&parse(0), &parse(1)),
            Ordering::Equal,
            "{:?}",
            row.0
        );
    }
}

#[test]
fn versions_have_the_parts_node_semver_finds() {
    for row in rows("valid-versions") {
        let version = row.must(parse_version(row.text(0), Mode::Strict));
        let joined = |value: &Value| {
            let parts = value.as_array().expect("a list").iter();
            let parts: Vec<String> = parts
                .map(|part| {
                    part.as_str()
                        .map_or_else(|| part.to_string(), str::to_owned)
                })
                .collect();
            parts.join(".")
        };
        assert_eq!(
            [version.major, version.minor, version.patch].map(Some),
            [1, 2, 3].map(|index| row.0[index].as_u64())
        );
        assert_eq!(version.pre.as_str(), joined(&row.0[4]));
        assert_eq!(version.build.as_str(), joined(&row.0[5]));
    }
}

#[test]
fn texts_that_are_no_versions_are_refused() {
    for row in rows("invalid-versions") {
        if let Some(text) = row.0[0].as_str() {
            assert_eq!(parse_version(text, row.mode(2)), None, "{text}");
        }
    }
}

#[test]
fn a_range_lies_within_another_where_node_semver_says_so() {
    for (sub, dom, prerelease, want) in [
        ("1.2.3", "^1", Prerelease::Strict, true),
        ("^1.2", "^1", Prerelease::Strict, true),
        ("^1", "^1.2", Prerelease::Strict, false),
        ("*", ">=0.0.0", Prerelease::Strict, true),
        ("*", ">=0.0.0", Prerelease::Include, false),
        (">=1.0.0-a <2", ">=1 <2", Prerelease::Strict, false),
        ("^1 || ^3", "1 - 3", Prerelease::Strict, true),
        (">2 <1", "3", Prerelease::Strict, true),
        ("1.2.3 || 2", "1.x", Prerelease::Strict, false),
    ] {
        let parse = |text| Range::parse(text, Mode::Strict).expect("a range");
        let got = parse(sub).is_subset_of(&parse(dom), prerelease);
        assert_eq!(got, want, "{sub} in {dom}");
    }
}

#[test]
fn hostile_ranges_are_refused() {
    for text in [
        "1".repeat(5000),
        "1||".repeat(300),
        "9007199254740992.0.0".to_owned(),
        "^9007199254740991".to_owned(),
    ] {
        assert!(Range::parse(&text, Mode::Loose).is_none());
    }
}

#[test]
fn the_lowest_version_of_a_range_is_found() {
    for (range, lowest) in [
        ("*", Some("0.0.0")),
        ("^1.2", Some("1.2.0")),
        (">1.2.3", Some("1.2.4")),
        (">1.2.3-a", Some("1.2.3-a.0")),
        (">=2 || 1.5", Some("1.5.0")),
        (">4 <3", None),
        ("<1.0.0-beta", Some("0.0.0")),
        ("<0.0.0-beta", Some("0.0.0-0")),
    ] {
        let range = Range::parse(range, Mode::Strict).expect(range);
        let got = range.min_version().map(|version| version.to_string());
        assert_eq!(got.as_deref(), lowest, "{range:?}");
    }
}
