//! Decides which request gets which misbehaviour.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::MockError;
use crate::route::Kind;

/// One way of misbehaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Waits before answering.
    Latency(Duration),
    /// Sends the body at this many bytes a second.
    Bandwidth(u64),
    /// Sends the first 64 bytes of the answer one by one, with this pause between them.
    SlowHeaders(Duration),
    /// Answers with a status and no useful body.
    Status {
        code: u16,
        retry_after: Option<String>,
    },
    /// Ends the body after this many bytes, while `Content-Length` promised all of it.
    CutBody(usize),
    /// Claims a `Content-Length` that is off by this much.
    WrongLength(i64),
    /// Changes one byte; in a gzip stream one of its header's, so that it still unpacks.
    WrongBytes,
    /// A gzip stream that unpacks to this many bytes of white space.
    GzipBomb(u64),
    /// Sends the client elsewhere.
    Redirect(String),
    /// Likewise, with this status.
    RedirectAs { code: u16, to: String },
    /// Sends the client to where it already is.
    RedirectLoop,
    /// Closes the connection without a byte of an answer.
    CloseBefore,
    /// Resets the connection in the middle of the body.
    CloseMidway,
    /// A page such as a captive portal's, with status 200.
    Html,
    /// A body that never ends.
    Endless,
}

/// A fault, the requests it is for, and how often it happens.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    kind: Option<Kind>,
    path: Option<String>,
    from: u64,
    times: u64,
    seen: u64,
}

impl Rule {
    /// A fault for every request; the methods below narrow it.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            kind: None,
            path: None,
            from: 1,
            times: u64::MAX,
            seen: 0,
        }
    }

    /// Only for requests of this kind.
    #[must_use]
    pub fn on(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only for this path as sent, where `*` stands for any text.
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Self {
        self.path = Some(pattern.to_owned());
        self
    }

    /// Only from the `n`th matching request on; the first is 1.
    #[must_use]
    pub fn from(mut self, n: u64) -> Self {
        self.from = n;
        self
    }

    /// Only for so many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Only for the `n`th matching request; the first is 1.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        self.from(n).times(1)
    }

    /// Whether this request, which is counted, gets the fault.
    fn fires(&mut self, kind: Kind, path: &str) -> bool {
        let matches = self.kind.is_none_or(|wanted| wanted == kind)
            && self
                .path
                .as_deref()
                .is_none_or(|pattern| is_match(pattern, path));
        if !matches {
            return false;
        }
        self.seen += 1;
        self.seen >= self.from && self.seen - self.from < self.times
    }
}

/// Whether `text` is the pattern, where each `*` may be any text.
fn is_match(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .any(|at| is_match(rest, &text[at..]))
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Schedule(Mutex<Vec<Rule>>);

impl Schedule {
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(Mutex::new(rules))
    }

    pub fn add(&self, rule: Rule) {
        self.rules().push(rule);
    }

    pub fn clear(&self) {
        self.rules().clear();
    }

    /// The faults this request gets, in the order in which their rules were added.
    pub fn faults(&self, kind: Kind, path: &str) -> Vec<Fault> {
        self.rules()
            .iter_mut()
            .filter_map(|rule| rule.fires(kind, path).then(|| rule.fault.clone()))
            .collect()
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a rule as typed: `FAULT[=VALUE][,retry-after=V][,on=KIND][,path=P][,nth=N][,from=N][,times=N]`.
///
/// Units: times are milliseconds, sizes and rates bytes.
pub fn parse(typed: &str) -> Result<Rule, MockError> {
    let wrong = |reason: String| MockError::Fault(typed.to_owned(), reason);
    let mut parts = typed.split(',').map(|part| match part.split_once('=') {
        Some((key, value)) => (key.trim(), value.trim()),
        None => (part.trim(), ""),
    });
    let (name, value) = parts.next().unwrap_or_default();
    let fault = parse_fault(name, value).map_err(wrong)?;
    parts
        .try_fold(Rule::new(fault), |rule, (key, value)| {
            narrow(rule, key, value)
        })
        .map_err(wrong)
}

fn parse_fault(name: &str, value: &str) -> Result<Fault, String> {
    let millis = || number(name, value).map(Duration::from_millis);
    Ok(match name {
        "latency" => Fault::Latency(millis()?),
        "bandwidth" => Fault::Bandwidth(number::<u64>(name, value)?.max(1)),
        "slow-headers" => Fault::SlowHeaders(millis()?),
        "status" => Fault::Status {
            code: number(name, value)?,
            retry_after: None,
        },
        "cut" => Fault::CutBody(number(name, value)?),
        "wrong-length" => Fault::WrongLength(number(name, value)?),
        "wrong-bytes" => Fault::WrongBytes,
        "gzip-bomb" => Fault::GzipBomb(number(name, value)?),
        "redirect" => Fault::Redirect(value.to_owned()),
        "redirect-loop" => Fault::RedirectLoop,
        "close" => Fault::CloseBefore,
        "reset" => Fault::CloseMidway,
        "html" => Fault::Html,
        "endless" => Fault::Endless,
        _ => return Err(format!("no fault is called `{name}`")),
    })
}

fn narrow(mut rule: Rule, key: &str, value: &str) -> Result<Rule, String> {
    Ok(match key {
        "on" => {
            let kind = Kind::ALL.into_iter().find(|kind| kind.word() == value);
            rule.on(kind.ok_or_else(|| format!("no kind of request is called `{value}`"))?)
        }
        "path" => rule.path(value),
        "nth" => rule.nth(number(key, value)?),
        "from" => rule.from(number(key, value)?),
        "times" => rule.times(number(key, value)?),
        "retry-after" => match &mut rule.fault {
            Fault::Status { retry_after, .. } => {
                *retry_after = Some(value.to_owned());
                rule
            }
            _ => return Err("only `status` takes `retry-after`".to_owned()),
        },
        _ => return Err(format!("`{key}` does not narrow a fault")),
    })
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("`{key}` needs a number, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_only_the_requests_it_is_for() {
        let schedule = Schedule::default();
        schedule.add(Rule::new(Fault::Html).on(Kind::Tarball).path("/b/*").nth(2));
        let hit = |kind, path| !schedule.faults(kind, path).is_empty();
        assert!(!hit(Kind::Tarball, "/b/-/b-1.0.0.tgz"));
        assert!(!hit(Kind::Packument, "/b"));
        assert!(!hit(Kind::Tarball, "/c/-/c-1.0.0.tgz"));
        assert!(hit(Kind::Tarball, "/b/-/b-1.0.0.tgz"));
        assert!(!hit(Kind::Tarball, "/b/-/b-1.0.0.tgz"));
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(is_match("/b/*", "/b/-/b.tgz"));
        assert!(is_match("*.tgz", "/b/-/b.tgz"));
        assert!(is_match("/*/-/*.tgz", "/b/-/b.tgz"));
        assert!(!is_match("/b", "/bc"));
        assert!(!is_match("/*x", "/b"));
    }

    #[test]
    fn a_typed_rule_means_what_its_words_say() {
        let rule = parse("status=503,retry-after=1,on=tarball,from=2,times=3").unwrap();
        assert_eq!(
            rule.fault,
            Fault::Status {
                code: 503,
                retry_after: Some("1".to_owned())
            }
        );
        assert_eq!(
            (rule.kind, rule.from, rule.times),
            (Some(Kind::Tarball), 2, 3)
        );
        assert!(parse("flood").is_err());
        assert!(parse("html,retry-after=1").is_err());
        assert!(parse("latency=soon").is_err());
    }
}
