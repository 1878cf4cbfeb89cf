//! Tells which classes of change a pair of packages has.

use semver::Version;
use url::Url;

use super::Class;
use super::graph::{Graph, Side};
use super::known::{Fact, Known};
use super::matching::Pair;
use crate::integrity::Integrity;
use crate::npmrc::public_host;

/// Every class that applies as far as both environments tell, in no order.
pub(super) fn classes(pair: &Pair, graphs: (&Graph, &Graph), known: Known) -> Vec<Class> {
    let (before, after) = graphs;
    match (pair.before, pair.after) {
        (Some(old), Some(new)) => both(&before.nodes[old].side, &after.nodes[new].side, known),
        (Some(old), None) => removed(pair, old, graphs, known),
        (None, Some(new)) => added(pair, &after.nodes[new].side, known),
        (None, None) => Vec::new(),
    }
}

fn added(pair: &Pair, side: &Side, known: Known) -> Vec<Class> {
    if pair.copy {
        return vec![Class::Moved];
    }
    let mut classes = vec![Class::Added];
    let mut add = |applies: bool, class: Class| {
        if applies {
            classes.push(class);
        }
    };
    add(
        side.install_script && known.has(Fact::Scripts),
        Class::InstallScript,
    );
    add(side.family && known.has(Fact::Platforms), Class::Native);
    add(
        side.deprecated.is_some() && known.has(Fact::Deprecations),
        Class::Deprecated,
    );
    add(side.unfit, Class::Platform);
    classes
}

fn removed(pair: &Pair, old: usize, graphs: (&Graph, &Graph), known: Known) -> Vec<Class> {
    if pair.copy {
        return vec![Class::Moved];
    }
    let (before, after) = graphs;
    let side = &before.nodes[old].side;
    let mut classes = vec![Class::Removed];
    if side.direct && known.has(Fact::Direct) {
        classes.push(Class::Direct);
    }
    if side.family && known.has(Fact::Platforms) {
        classes.push(Class::Native);
    }
    // A prebuilt binary that is gone while the package that chooses it stays.
    let is_bound = !(side.os.is_empty() && side.cpu.is_empty() && side.libc.is_empty());
    if is_bound && known.has(Fact::Platforms) && before.has_dependant_in(old, after) {
        classes.push(Class::Platform);
    }
    classes
}

fn both(old: &Side, new: &Side, known: Known) -> Vec<Class> {
    let mut classes = Vec::new();
    let mut add = |class: Class, needs: Fact, applies: bool| {
        if applies && known.has(needs) {
            classes.push(class);
        }
    };
    let bump = bump(old, new);
    let downgraded = bump.is_some_and(|(_, is_down)| is_down);
    let same = bump.is_none();
    add(
        Class::Content,
        Fact::Integrity,
        same && other_content(old, new),
    );
    add(Class::Source, Fact::Sources, other_source(old, new));
    add(Class::Integrity, Fact::Integrity, weaker(old, new));
    add(
        Class::InstallScript,
        Fact::Scripts,
        new.install_script && !old.install_script,
    );
    add(Class::Native, Fact::Platforms, old.family != new.family);
    add(
        Class::Platform,
        Fact::Platforms,
        lost_platform(old, new) || (new.unfit && !old.unfit),
    );
    add(
        Class::Direct,
        Fact::Direct,
        old.direct && (!new.direct || downgraded),
    );
    add(
        Class::Moved,
        Fact::Places,
        same && old.location != new.location,
    );
    add(Class::Licence, Fact::Licences, old.license != new.license);
    add(
        Class::Deprecated,
        Fact::Deprecations,
        old.deprecated != new.deprecated,
    );
    add(Class::Flags, Fact::Flags, old.flags != new.flags);
    add(Class::Flags, Fact::Details, same && !old.same_rest(new));
    if let Some((class, _)) = bump {
        classes.push(class);
    }
    if classes.is_empty() && only_details(old, new, known) {
        classes.push(Class::Flags);
    }
    classes
}

/// Differences that mean nothing by themselves, such as a stronger hash.
fn only_details(old: &Side, new: &Side, known: Known) -> bool {
    let differ = |fact: Fact, differ: bool| differ && known.has(fact);
    differ(Fact::Sources, old.resolved != new.resolved)
        || differ(Fact::Integrity, old.integrity != new.integrity)
        || differ(Fact::Scripts, old.install_script != new.install_script)
        || differ(
            Fact::Platforms,
            (&old.os, &old.cpu, &old.libc) != (&new.os, &new.cpu, &new.libc),
        )
        || differ(Fact::Direct, old.direct != new.direct)
}

/// Is the new version lower than the old one?
pub(super) fn is_downgrade(old: &Side, new: &Side) -> bool {
    bump(old, new).is_some_and(|(_, is_down)| is_down)
}

/// How far apart two versions are, and whether the new one is lower. `None` when they are equal.
fn bump(old: &Side, new: &Side) -> Option<(Class, bool)> {
    if old.version == new.version {
        return None;
    }
    let parse = |side: &Side| Version::parse(side.version.as_deref()?.trim_start_matches('v')).ok();
    let (Some(from), Some(to)) = (parse(old), parse(new)) else {
        return Some((Class::Major, false));
    };
    let class = if from.major != to.major {
        Class::Major
    } else if from.minor != to.minor {
        Class::Minor
    } else {
        Class::Patch
    };
    Some((class, to < from))
}

/// The same version, and yet hashes or commits say that the bytes are others.
fn other_content(old: &Side, new: &Side) -> bool {
    if let (Some(from), Some(to)) = (hashes(old), hashes(new)) {
        if from.strongest() != to.strongest() {
            return false;
        }
        return match (from.sha512_hex(), to.sha512_hex()) {
            (Some(from), Some(to)) => from != to,
            _ => from != to,
        };
    }
    let commit = |side: &Side| {
        let resolved = side
            .resolved
            .as_deref()
            .filter(|text| text.starts_with("git"))?;
        Some(resolved.split_once('#')?.1.to_owned())
    };
    matches!((commit(old), commit(new)), (Some(from), Some(to)) if from != to)
}

fn hashes(side: &Side) -> Option<Integrity> {
    Integrity::parse(side.integrity.as_deref()?)
}

/// Another host, port or protocol; a package for a link; or an address where none was.
fn other_source(old: &Side, new: &Side) -> bool {
    if old.link != new.link {
        return true;
    }
    if old.link || old.resolved == new.resolved || old.flags.bundled != new.flags.bundled {
        return false;
    }
    match (&old.resolved, &new.resolved) {
        (Some(from), Some(to)) => origin(from) != origin(to),
        (None, Some(_)) => true,
        // Without an address the configured registry is asked.
        (Some(from), None) => !from.starts_with("http"),
        (None, None) => false,
    }
}

/// Protocol, host and port; of a file only the protocol, of anything else all of it.
fn origin(address: &str) -> (String, String) {
    match Url::parse(address) {
        Ok(url) => {
            let host = url.host_str().unwrap_or_default();
            // yarn 1 names npm's own registry by a name of its own.
            let host = if host == concat!("registry.", "yarn", "pkg.com") {
                public_host()
            } else {
                host
            };
            let port = url.port_or_known_default().unwrap_or(0);
            (url.scheme().to_owned(), format!("{host}:{port}"))
        }
        Err(_) => (String::new(), address.to_owned()),
    }
}

/// Hashes that are gone, unreadable, or of a weaker algorithm; unless the package cannot have any.
fn weaker(old: &Side, new: &Side) -> bool {
    let Some(from) = hashes(old) else {
        return false;
    };
    if new.flags.bundled || new.link {
        return false;
    }
    hashes(new).is_none_or(|to| to.strongest() < from.strongest())
}

/// Some value of `os`, `cpu` or `libc` was allowed, and is not any more.
fn lost_platform(old: &Side, new: &Side) -> bool {
    [
        (&old.os, &new.os),
        (&old.cpu, &new.cpu),
        (&old.libc, &new.libc),
    ]
    .into_iter()
    .any(|(from, to)| {
        let mut values: Vec<&str> = from
            .iter()
            .chain(to)
            .map(|v| v.trim_start_matches('!'))
            .collect();
        values.push("any other");
        values
            .iter()
            .any(|value| allows(from, value) && !allows(to, value))
    })
}

/// npm's rule: a list without positive values allows what it does not deny.
fn allows(list: &[String], value: &str) -> bool {
    let denied = list
        .iter()
        .any(|item| item.strip_prefix('!') == Some(value));
    let mut positive = list.iter().filter(|item| !item.starts_with('!')).peekable();
    !denied && (positive.peek().is_none() || positive.any(|item| item == value || item == "any"))
}
