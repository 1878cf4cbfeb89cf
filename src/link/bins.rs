//! Which package's bin gets a name in `.bin`, and what its target needs.
//!
//! Source: npm's `bin-links` and `arborist/rebuild.js` (npm-semantics.md 7.7): packages by depth,
//! then by path in ICU order, and then links in the same order, but for those of the linked strategy,
//! which count as packages; the first to name a bin has it, even if its file is missing.

use rustc_hash::FxHashMap;

use super::{LinkError, Wanted, WantedPackage};
use crate::collate;

/// A bin that its package has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bin {
    /// The link, below the home's `node_modules`: `a/node_modules/.bin/x`.
    pub link: String,
    /// Its text: `../b/cli.js`.
    pub text: String,
    /// The file, below the package.
    pub target: String,
}

/// A warning's code and words.
pub(super) type Remark = (&'static str, String);

/// The bins of each location that has any.
pub(super) type Claimed<'w> = FxHashMap<&'w str, Vec<Bin>>;

/// Gives every bin to its claimant; tells what is odd about some of them.
pub(super) fn claim(wanted: &Wanted) -> Result<(Claimed<'_>, Vec<Remark>), LinkError> {
    let packages = wanted.packages.iter();
    let packages = packages.map(|package| (false, package.location.as_str(), &package.bins));
    let links = wanted.links.iter().map(|link| {
        let in_store = link.target.starts_with("node_modules/.store/");
        (!in_store, link.location.as_str(), &link.bins)
    });
    let mut claimants: Vec<_> = packages
        .chain(links)
        .filter(|(.., bins)| !bins.is_empty())
        .collect();
    claimants.sort_by(|(a_is_late, a, _), (b_is_late, b, _)| {
        let by_depth = || depth(a).cmp(&depth(b));
        let by_round = a_is_late.cmp(b_is_late).then_with(by_depth);
        by_round.then_with(|| collate::compare(a, b))
    });
    if wanted.without_bin_links {
        claimants.clear();
    }
    let mut remarks = Vec::new();
    let mut taken: FxHashMap<(&str, &str), &str> = FxHashMap::default();
    let mut claimed = Claimed::default();
    for (_, location, bins) in claimants {
        for (name, target) in bins {
            let target = check(location, name, target)?;
            let (folder, package) = split(location);
            if SYSTEM.contains(&name.as_str()) {
                let message = format!("{location} puts `{name}` in .bin, before the system's own");
                remarks.push(("EBINNAME", message));
            }
            let holder = *taken.entry((folder, name.as_str())).or_insert(location);
            if holder == location {
                claimed.entry(location).or_default().push(Bin {
                    link: format!("{}.bin/{name}", below_home(folder)),
                    text: format!("../{package}/{target}"),
                    target,
                });
            } else {
                let message = format!("{location} does not get the bin `{name}`: {holder} has it");
                remarks.push(("EBINTAKEN", message));
            }
        }
    }
    Ok((claimed, remarks))
}

/// Commands that scripts and people expect from the system: POSIX's that are used in scripts, and
/// Node's.
const SYSTEM: [&str; 58] = [
    "awk", "basename", "bash", "cat", "cd", "chmod", "chown", "cmp", "command", "corepack", "cp",
    "cut", "date", "dd", "df", "diff", "dirname", "du", "echo", "env", "expr", "false", "find",
    "git", "grep", "head", "id", "kill", "ln", "ls", "mkdir", "mv", "node", "npm", "npx", "od",
    "printf", "ps", "pwd", "rm", "rmdir", "sed", "sh", "sleep", "sort", "tail", "tee", "test",
    "touch", "tr", "true", "tty", "umask", "uname", "uniq", "wait", "wc", "xargs",
];

fn depth(location: &str) -> usize {
    location
        .split('/')
        .filter(|part| *part == "node_modules")
        .count()
}

/// `a/node_modules/@s/b` is `@s/b` in the folder `a/node_modules/`.
fn split(location: &str) -> (&str, &str) {
    let at = location
        .rfind("node_modules/")
        .map_or(0, |at| at + "node_modules/".len());
    location.split_at(at)
}

/// `packages/w/node_modules/a/node_modules/` is `a/node_modules/` below its home.
fn below_home(folder: &str) -> &str {
    let at = folder
        .find("node_modules/")
        .map_or(0, |at| at + "node_modules/".len());
    &folder[at..]
}

/// Files of a package that its bins name and that no link of its own leads to: npm makes them
/// executable, too, unless all it had was the URL of a tarball.
///
/// Source: `isPackageBin` and `#exeBins` in pacote; its remote fetcher knows no manifest.
pub(super) fn unclaimed(
    package: &WantedPackage,
    claimed: &[Bin],
) -> Result<Vec<String>, LinkError> {
    let is_remote = |url: &str| url.starts_with("http:") || url.starts_with("https:");
    let all = package.bins.iter();
    let targets = all.map(|(name, target)| check(&package.location, name, target));
    let mut targets = targets.collect::<Result<Vec<_>, _>>()?;
    if package.source.is_none() && package.url.as_deref().is_some_and(is_remote) {
        return Ok(Vec::new());
    }
    targets.retain(|target| !claimed.iter().any(|bin| bin.target == *target));
    Ok(targets)
}

/// The target without `.` parts. A name is one plain component, a target stays in its package.
fn check(package: &str, name: &str, target: &str) -> Result<String, LinkError> {
    let refuse = |why| {
        let short = |text: &str| text.chars().take(200).collect();
        Err(LinkError::Bin {
            package: short(package),
            name: short(name),
            target: short(target),
            why,
        })
    };
    let odd = |text: &str| text.contains(|c: char| c == '\\' || c.is_control());
    if matches!(name, "" | "." | "..") || name.contains('/') || odd(name) || name.len() > 255 {
        return refuse("its name is not one plain component");
    }
    if target.starts_with('/') || odd(target) || target.split('/').any(|part| part == "..") {
        return refuse("its target leaves the package");
    }
    let parts: Vec<&str> = target
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.is_empty() {
        return refuse("its target is no file");
    }
    Ok(parts.join("/"))
}

/// The content that npm gives a bin's file: LF instead of CRLF after its first line, `#!…`.
pub fn mended(bytes: Vec<u8>) -> Vec<u8> {
    if !crate::store::has_crlf_shebang(&bytes) {
        return bytes;
    }
    let mut bytes = bytes;
    if let Some(at) = memchr::memchr(b'\r', &bytes).filter(|at| bytes.get(at + 1) == Some(&b'\n')) {
        bytes.remove(at);
    }
    bytes
}
