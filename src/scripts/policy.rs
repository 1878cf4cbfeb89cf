//! Decides whose scripts may run, by npm's `allowScripts` rules.
//!
//! Source: `lib/utils/resolve-allow-scripts.js`, `@npmcli/arborist/lib/script-allowed.js`.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use semver::Version;
use serde_json::{Map, Value};
use url::Url;

use super::git::Repository;
use super::{Candidate, Kind};
use crate::disk;
use crate::manifest::Manifest;
use crate::spec::{Mode, parse_version};

/// Which packages run their scripts. The project's own scripts are not asked about here.
#[derive(Debug, Clone)]
pub enum Policy {
    /// None at all: `--ignore-scripts`.
    Nobody,
    /// npm 11's way: everybody but those the rules deny.
    AllBut(Rules),
    /// Those the rules allow, and the project's workspaces. Who needs a script that no rule speaks
    /// of is to be told: see [`super::Plan::unreviewed`].
    Only(Rules),
}

/// What becomes of a package's scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Runs,
    /// Somebody said no.
    Denied,
    /// Nobody said yes.
    Unreviewed,
}

impl Policy {
    /// May a package's scripts run? `None` when nobody said.
    pub fn allows(&self, candidate: &Candidate) -> Option<bool> {
        match self.verdict(candidate) {
            Verdict::Runs => Some(true),
            Verdict::Denied => Some(false),
            Verdict::Unreviewed => None,
        }
    }

    pub(super) fn verdict(&self, candidate: &Candidate) -> Verdict {
        let said = match self {
            Self::Nobody => Some(false),
            Self::AllBut(rules) => Some(rules.verdict(candidate) != Some(false)),
            // A bundled package is whatever its bundler made of it: he answers for it.
            Self::Only(rules) => rules.verdict(candidate.bundler.as_deref().unwrap_or(candidate)),
        };
        match said {
            Some(true) => Verdict::Runs,
            None if candidate.kind == Kind::Workspace => Verdict::Runs,
            Some(false) => Verdict::Denied,
            None => Verdict::Unreviewed,
        }
    }
}

/// `allowScripts` of a `package.json`: what is allowed, and what is denied.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    project: PathBuf,
    entries: Vec<(Key, bool)>,
    /// What was dropped from them, and why, in words for the user.
    pub warnings: Vec<String>,
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq)]
enum Key {
    /// A registry package; no versions means any.
    Name {
        name: String,
        versions: Vec<Version>,
    },
    Git(Repository),
    /// A folder or a local tarball, absolute.
    Path(PathBuf),
    /// A tarball elsewhere.
    Tarball(String),
}

impl Rules {
    /// The project's own rules: `allowScripts` of its manifest and of the `heatseal` part there,
    /// taken together; where neither says anything, `listed`, the `allow-scripts` of `.npmrc`.
    pub fn of_project(manifest: &Manifest, listed: &[&str], project: &Path) -> Self {
        let own = manifest
            .object("heatseal")
            .and_then(|own| own.get("allowScripts")?.as_object());
        let objects = [manifest.object("allowScripts"), own];
        let written = objects.into_iter().flatten().flatten();
        let entries = written.filter_map(|(key, value)| Some((key.as_str(), value.as_bool()?)));
        let rules = Self::collect(entries, project);
        if !rules.is_empty() {
            return rules;
        }
        let mut fallback = Self::from_list(listed.iter().copied(), project);
        fallback.warnings.splice(..0, rules.warnings);
        fallback
    }

    /// The object form: names, `name@1.0.0 || 2.0.0`, URLs or paths to true or false. Paths are
    /// relative to `project`; ranges, tags and aliases are dropped with a warning.
    pub fn from_object(object: &Map<String, Value>, project: &Path) -> Self {
        let entries = object
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_bool()?)));
        Self::collect(entries, project)
    }

    /// The list form of `--allow-scripts` and `.npmrc`: each item allows, commas separate as well.
    pub fn from_list<'a>(list: impl IntoIterator<Item = &'a str>, project: &Path) -> Self {
        let names = list.into_iter().flat_map(|items| items.split(','));
        let entries = names.map(|name| (name.trim(), true));
        Self::collect(entries.filter(|(name, _)| !name.is_empty()), project)
    }

    fn collect<'a>(entries: impl Iterator<Item = (&'a str, bool)>, project: &Path) -> Self {
        let mut rules = Self {
            project: project.to_owned(),
            ..Self::default()
        };
        for (text, verdict) in entries {
            match parse_key(text, project) {
                Ok(key) => rules.entries.push((key, verdict)),
                Err(reason) => rules
                    .warnings
                    .push(format!("allowScripts: ignoring `{text}`: {reason}")),
            }
        }
        rules
    }

    /// The same rules and what `list` allows besides.
    #[must_use]
    pub fn and_list<'a>(mut self, list: impl IntoIterator<Item = &'a str>) -> Self {
        let listed = Self::from_list(list, &self.project);
        self.entries.extend(listed.entries);
        self.warnings.extend(listed.warnings);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// True when allowed, false when denied, `None` when no rule speaks of it. One denial
    /// outweighs all permissions. Nobody can speak of bundled packages: their names are whatever
    /// their bundler wrote.
    pub fn verdict(&self, candidate: &Candidate) -> Option<bool> {
        if candidate.kind == Kind::Bundled {
            return None;
        }
        let mut found = None;
        for (key, verdict) in &self.entries {
            if self.speaks_of(key, *verdict, candidate) {
                found = Some(found.unwrap_or(true) && *verdict);
            }
        }
        found
    }

    fn speaks_of(&self, key: &Key, verdict: bool, candidate: &Candidate) -> bool {
        let resolved = candidate.resolved.as_deref();
        match key {
            Key::Name { name, versions } => {
                let Some((own, version)) = registry_identity(candidate) else {
                    return false;
                };
                own == *name
                    && (versions.is_empty()
                        || match version {
                            Some(version) => versions.contains(&version),
                            // Nothing proves the version: deny rather than allow.
                            None => !verdict,
                        })
            }
            Key::Git(repository) => resolved
                .filter(|resolved| resolved.starts_with("git"))
                .and_then(Repository::parse)
                .is_some_and(|locked| repository.covers(&locked)),
            Key::Path(path) if candidate.kind.is_link() => {
                disk::tidy(&candidate.folder) == *path
                    || resolved.is_some_and(|target| absolute(target, &self.project) == *path)
            }
            Key::Path(path) => resolved
                .filter(|resolved| resolved.starts_with("file:"))
                .is_some_and(|resolved| absolute(resolved, &self.project) == *path),
            Key::Tarball(url) => resolved == Some(url),
        }
    }
}

/// What to write into `allowScripts` for a package: `name@version` where the lock proves it, else the
/// place it comes from; for a bundled package its bundler's.
pub fn key_for(candidate: &Candidate) -> String {
    let candidate = candidate.bundler.as_deref().unwrap_or(candidate);
    let resolved = candidate.resolved.as_deref().unwrap_or_default();
    match registry_identity(candidate) {
        Some((name, Some(version))) => format!("{name}@{version}"),
        Some((name, None)) => name,
        // A link's lock entry has its target's location; whoever asks may not know it.
        None if candidate.kind.is_link() && resolved.is_empty() => {
            format!("file:{}", candidate.folder.display())
        }
        None if candidate.kind.is_link() && !resolved.starts_with("file:") => {
            format!("file:{resolved}")
        }
        None => resolved.to_owned(),
    }
}

/// Name and version of a registry package as its tarball's URL tells them. Without a URL they are
/// the lock entry's, which the tarball has to match before anything runs; an URL that does not tell
/// the version leaves it unproven. `None` for what comes from elsewhere.
fn registry_identity(candidate: &Candidate) -> Option<(String, Option<Version>)> {
    if candidate.kind != Kind::Package {
        return None;
    }
    let Some(resolved) = candidate.resolved.as_deref() else {
        let version = Version::parse(&candidate.id.version).ok();
        return Some((candidate.id.name.to_string(), version));
    };
    let url = Url::parse(resolved).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let path = percent_decode_str(url.path()).decode_utf8_lossy();
    let (package, file) = path.trim_start_matches('/').rsplit_once("/-/")?;
    let package = package.rsplit("/-/").next().unwrap_or(package);
    let (above, name) = match package.rsplit_once('/') {
        Some((above, name)) => (above.rsplit('/').next(), name),
        None => (None, package),
    };
    let version = file
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".tgz"))
        .and_then(|version| parse_version(version, Mode::Strict));
    let Some(version) = version else {
        return Some((candidate.id.name.to_string(), None));
    };
    let scope = above.filter(|above| above.starts_with('@'));
    let name = scope.map_or_else(|| name.to_owned(), |scope| format!("{scope}/{name}"));
    Some((name, Some(version)))
}

/// What a rule's text means, in the order in which npm tells specs apart; else why it is dropped.
fn parse_key(text: &str, project: &Path) -> Result<Key, &'static str> {
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@');
    let (name, spec) = match at {
        Some((at, _)) => (&text[..at], text[at + 1..].trim()),
        None => (text, "*"),
    };
    let is_source = !name.starts_with('@') && name.contains(['/', ':']);
    if is_source || is_tarball_name(name) {
        return parse_source(text, project);
    }
    if spec.starts_with("npm:") {
        return Err("an alias is nobody's real name");
    }
    if spec.contains(['/', ':']) {
        return parse_source(spec, project);
    }
    Ok(Key::Name {
        name: name.to_owned(),
        versions: parse_versions(spec)?,
    })
}

fn parse_source(text: &str, project: &Path) -> Result<Key, &'static str> {
    if text.starts_with("file:") || text.starts_with(['.', '/']) {
        return Ok(Key::Path(absolute(text, project)));
    }
    if let Some(repository) = Repository::parse(text) {
        return Ok(Key::Git(repository));
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Key::Tarball(text.to_owned()));
    }
    if text.contains(':') {
        return Err("it is neither a name nor a place npm knows");
    }
    Ok(Key::Path(absolute(text, project)))
}

/// Exact versions joined by `||`; none for `*`, which is any.
fn parse_versions(spec: &str) -> Result<Vec<Version>, &'static str> {
    if matches!(spec, "" | "*") {
        return Ok(Vec::new());
    }
    let versions = spec
        .split("||")
        .map(|version| parse_version(version, Mode::Strict));
    versions.collect::<Option<Vec<_>>>().ok_or(
        "ranges and tags are not allowed, only exact versions joined by `||`, or the bare name",
    )
}

fn is_tarball_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// `file:` specs and paths, relative ones below `project`.
pub(super) fn absolute(text: &str, project: &Path) -> PathBuf {
    let text = text.strip_prefix("file:").unwrap_or(text);
    // `file:///abs` is absolute; npm reads `file://rel` as relative.
    let text = text.strip_prefix("//").unwrap_or(text);
    disk::tidy(&project.join(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::PackageId;
    use crate::scripts::Flags;
    use serde_json::json;

    fn candidate(name: &str, version: &str, kind: Kind, resolved: Option<&str>) -> Candidate {
        Candidate {
            location: format!("node_modules/{name}"),
            folder: Path::new("/p/packages").join(name),
            id: PackageId::new(name, version),
            kind,
            resolved: resolved.map(str::to_owned),
            integrity: None,
            flags: Flags::default(),
            has_install_script: true,
            depth: 1,
            bundler: None,
        }
    }

    fn registry(name: &str, version: &str) -> Candidate {
        let base = name.rsplit('/').next().unwrap();
        let url = format!("https://registry.example/{name}/-/{base}-{version}.tgz");
        candidate(name, version, Kind::Package, Some(&url))
    }

    fn verdict(rules: Value, candidate: &Candidate) -> Option<bool> {
        let Value::Object(object) = rules else {
            panic!("rules are an object")
        };
        Rules::from_object(&object, Path::new("/p")).verdict(candidate)
    }

    #[test]
    fn names_and_exact_versions_match_what_the_url_proves() {
        let a = registry("@s/a", "1.2.3");
        for (rules, expected) in [
            (json!({"@s/a": true}), Some(true)),
            (json!({"@s/a@*": true}), Some(true)),
            (json!({"@s/a@1.2.3": true}), Some(true)),
            (json!({"@s/a@1.0.0 || 1.2.3": true}), Some(true)),
            (json!({"@s/a@1.2.4": true}), None),
            (json!({"a": true}), None),
            (json!({"@s/a": false}), Some(false)),
            (json!({"@s/a": "yes"}), None),
            (json!({}), None),
        ] {
            assert_eq!(verdict(rules.clone(), &a), expected, "{rules}");
        }
    }

    #[test]
    fn one_denial_outweighs_permissions() {
        let a = registry("a", "1.2.3");
        assert_eq!(
            verdict(json!({"a@1.2.3": false, "a": true}), &a),
            Some(false)
        );
        assert_eq!(
            verdict(json!({"a": true, "a@1.2.3": false}), &a),
            Some(false)
        );
        assert_eq!(
            verdict(json!({"a": true, "a@2.0.0": false}), &a),
            Some(true)
        );
    }

    #[test]
    fn a_package_cannot_borrow_anothers_name() {
        let url = "https://registry.example/naughty/-/naughty-1.0.0.tgz";
        let alias = candidate("trusted", "1.0.0", Kind::Package, Some(url));
        assert_eq!(verdict(json!({"trusted": true}), &alias), None);
        assert_eq!(verdict(json!({"naughty": true}), &alias), Some(true));
        for url in [
            "https://registry.example/-/trusted-1.0.0.tgz",
            "https://registry.example/trusted.tgz",
        ] {
            let tarball = candidate("trusted", "1.0.0", Kind::Package, Some(url));
            assert_eq!(verdict(json!({"trusted": true}), &tarball), None);
        }
        let bundled = candidate("trusted", "1.0.0", Kind::Bundled, None);
        assert_eq!(verdict(json!({"trusted": true}), &bundled), None);
        assert_eq!(verdict(json!({"trusted": false}), &bundled), None);
    }

    #[test]
    fn an_unproven_version_is_denied_but_never_allowed() {
        let odd = "http://registry.example/a/-/odd.tgz";
        let a = candidate("a", "1.0.0", Kind::Package, Some(odd));
        assert_eq!(verdict(json!({"a": true}), &a), Some(true));
        assert_eq!(verdict(json!({"a@1.0.0": true}), &a), None);
        assert_eq!(verdict(json!({"a@9.9.9": false}), &a), Some(false));
    }

    #[test]
    fn without_an_url_the_entrys_version_counts() {
        let a = candidate("a", "1.0.0", Kind::Package, None);
        assert_eq!(verdict(json!({"a@1.0.0": true}), &a), Some(true));
        assert_eq!(verdict(json!({"a@9.9.9": false}), &a), None);
    }

    #[test]
    fn places_are_matched_by_where_they_are() {
        let git = "git+ssh://git@github.com/u/r.git#0123456789";
        let git = candidate("r", "1.0.0", Kind::Package, Some(git));
        assert_eq!(verdict(json!({"github:u/r#0123": true}), &git), Some(true));
        assert_eq!(verdict(json!({"r": true}), &git), None);
        let local = candidate("a", "1.0.0", Kind::Package, Some("file:a-1.0.0.tgz"));
        assert_eq!(
            verdict(json!({"file:a-1.0.0.tgz": true}), &local),
            Some(true)
        );
        assert_eq!(verdict(json!({"./a-1.0.0.tgz": true}), &local), Some(true));
        let link = candidate("l", "1.0.0", Kind::Link, Some("packages/l"));
        assert_eq!(
            verdict(json!({"file:packages/l": false}), &link),
            Some(false)
        );
        assert_eq!(verdict(json!({"/p/packages/l": true}), &link), Some(true));
        let url = "https://host.example/x.tgz";
        let remote = candidate("x", "1.0.0", Kind::Package, Some(url));
        assert_eq!(verdict(json!({url: true}), &remote), Some(true));
    }

    #[test]
    fn ranges_tags_and_aliases_are_dropped_with_a_warning() {
        let list = ["a@^1, b@latest", "c@npm:d@1", "e@>=0", "f@1.0.0"];
        let rules = Rules::from_list(list, Path::new("/p"));
        assert_eq!(rules.warnings.len(), 4);
        assert!(rules.warnings[0].contains("`a@^1`"));
        assert_eq!(rules.verdict(&registry("f", "1.0.0")), Some(true));
        assert_eq!(rules.verdict(&registry("a", "1.0.0")), None);
    }

    #[test]
    fn the_manifests_rules_go_together_and_silence_npmrc() {
        let rules = |manifest: Value| {
            let manifest = Manifest::from_registry(manifest);
            Rules::of_project(&manifest, &["c"], Path::new("/p"))
        };
        let both = rules(json!({
            "allowScripts": {"a": false},
            "heatseal": {"allowScripts": {"a": true, "b": true}},
        }));
        let verdicts = ["a", "b", "c"].map(|name| both.verdict(&registry(name, "1.0.0")));
        assert_eq!(verdicts, [Some(false), Some(true), None]);
        let neither = rules(json!({"allowScripts": {"a@^1": true}}));
        assert_eq!(neither.verdict(&registry("c", "1.0.0")), Some(true));
        assert_eq!(neither.warnings.len(), 1);
    }

    #[test]
    fn npm_11_runs_what_no_rule_denies_and_an_allow_list_only_what_it_names() {
        let rules = || Rules::from_list(["a"], Path::new("/p"));
        let (a, b) = (registry("a", "1.0.0"), registry("b", "1.0.0"));
        let workspace = candidate("w", "1.0.0", Kind::Workspace, Some("packages/w"));
        let link = candidate("l", "1.0.0", Kind::Link, Some("packages/l"));
        let verdicts = |policy: Policy| [&a, &b, &workspace, &link].map(|one| policy.verdict(one));
        let (runs, unreviewed) = (Verdict::Runs, Verdict::Unreviewed);
        assert_eq!(verdicts(Policy::AllBut(rules())), [runs; 4]);
        assert_eq!(
            verdicts(Policy::Only(rules())),
            [runs, unreviewed, runs, unreviewed]
        );
    }

    #[test]
    fn who_bundles_a_package_answers_for_its_scripts() {
        let bundled = |bundler: &str| Candidate {
            bundler: Some(Box::new(registry(bundler, "1.0.0"))),
            ..candidate("a", "1.0.0", Kind::Bundled, None)
        };
        let only = |list: &str| Policy::Only(Rules::from_list([list], Path::new("/p")));
        assert_eq!(only("a").verdict(&bundled("outer")), Verdict::Unreviewed);
        assert_eq!(only("outer").verdict(&bundled("outer")), Verdict::Runs);
        assert_eq!(key_for(&bundled("outer")), "outer@1.0.0");
    }

    #[test]
    fn the_key_that_is_proposed_is_one_that_allows() {
        let git = "git+ssh://git@github.com/u/r.git#0123456789";
        for candidate in [
            registry("@s/a", "1.2.3"),
            candidate("trusted", "1.0.0", Kind::Package, None),
            candidate("r", "1.0.0", Kind::Package, Some(git)),
            candidate("t", "1.0.0", Kind::Package, Some("file:vendor/t.tgz")),
            candidate("u", "1.0.0", Kind::Package, Some("https://h.example/u.tgz")),
            candidate("l", "1.0.0", Kind::Link, Some("packages/l")),
        ] {
            let key = key_for(&candidate);
            assert_eq!(
                verdict(json!({ &key: true }), &candidate),
                Some(true),
                "{key}"
            );
        }
    }
}
