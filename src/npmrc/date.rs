//! Dates as registries and `--before` write them.

/// Milliseconds since 1970 of `2024-05-01`, `2024-05-01T10:00:00.123Z` or `…+02:00`, as JavaScript's
/// `Date.parse` reads them; a time without a zone is taken as UTC. `None` for anything else.
pub fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, clock) = match text.split_once(['T', 't', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |text| number(text, 2))?;
    let day = parts.next().map_or(Some(1), |text| number(text, 2))?;
    let valid = parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    let days = valid.then(|| days_since_1970(year, month, day))?;
    Some(days * 86_400_000 + clock.map_or(Some(0), milliseconds)?)
}

fn milliseconds(clock: &str) -> Option<i64> {
    let (clock, offset) = split_zone(clock)?;
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 2)?;
    let minutes = number(parts.next()?, 2)?;
    let (seconds, thousandths) = match parts.next() {
        None => (0, 0),
        Some(text) => {
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits != fraction.len() {
                return None;
            }
            let padded: String = fraction.chars().chain("00".chars()).take(3).collect();
            (number(seconds, 2)?, number(&padded, 3)?)
        }
    };
    let valid = parts.next().is_none() && hours <= 24 && minutes <= 59 && seconds <= 59;
    valid.then(|| ((hours * 60 + minutes - offset) * 60 + seconds) * 1000 + thousandths)
}

/// The clock, and its zone's distance from UTC in minutes.
fn split_zone(clock: &str) -> Option<(&str, i64)> {
    if let Some(utc) = clock.strip_suffix(['Z', 'z']) {
        return Some((utc, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else {
        return Some((clock, 0));
    };
    let (clock, zone) = clock.split_at(at);
    let (hours, minutes) = zone[1..].split_once(':')?;
    let minutes = number(hours, 2)? * 60 + number(minutes, 2)?;
    Some((
        clock,
        if zone.starts_with('-') {
            -minutes
        } else {
            minutes
        },
    ))
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let plain = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Civil date to days, by the 400-year cycle of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * 146_097 + day_of_cycle - 719_468
}

/// Milliseconds since 1970 as ISO 8601 in UTC, as JavaScript's `toISOString`.
///
/// Source: Howard Hinnant's `civil_from_days`.
pub fn format_date(milliseconds: i64) -> String {
    let (seconds, thousandths) = (milliseconds.div_euclid(1000), milliseconds.rem_euclid(1000));
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z")
}

#[cfg(test)]
mod tests {
    use super::{format_date, parse_date};

    #[test]
    fn dates_are_what_javascript_makes_of_them() {
        for (text, milliseconds) in [
            ("1970-01-01", 0),
            ("2024-02-29T12:34:56.789Z", 1_709_210_096_789),
            ("2024-02-29T12:34:56Z", 1_709_210_096_000),
            ("2024-03-01T00:30:00+01:00", 1_709_249_400_000),
            ("2011-01-01T00:00:00.1Z", 1_293_840_000_100),
        ] {
            assert_eq!(parse_date(text), Some(milliseconds), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2024-13-01",
            "2024-01-01T",
            "2024-01-01T1:00Z",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn milliseconds_become_dates() {
        assert_eq!(format_date(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(format_date(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(format_date(1_767_225_599_000), "2025-12-31T23:59:59.000Z");
        assert_eq!(format_date(-1), "1969-12-31T23:59:59.999Z");
    }
}
