//! Decides which scripts run, and in what order.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::package_variables;
use super::policy::{Verdict, absolute, key_for};
use super::{Candidate, Kind, Policy};
use crate::collate;
use crate::manifest::{self, Manifest};
use crate::name::PackageId;

/// The command that stands in for a missing `install` where there is a `binding.gyp`.
const NODE_GYP: &str = "node-gyp rebuild";
/// The events of the first round, and of the second.
const FOR_PACKAGES: [&str; 3] = ["preinstall", "install", "postinstall"];
const FOR_LINKS: [&str; 4] = ["preinstall", "prepare", "install", "postinstall"];

/// All scripts of dependencies that are to run, in order.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    packages: Vec<Planned>,
    links: Vec<Planned>,
    denied: Vec<Planned>,
    unreviewed: Vec<(Planned, String)>,
}

/// One package and its scripts.
#[derive(Debug, Clone)]
pub struct Planned {
    pub location: String,
    pub folder: PathBuf,
    pub id: PackageId,
    /// Its failure removes it instead of ending the install.
    pub optional: bool,
    /// The project's own code: a workspace.
    pub(super) own: bool,
    /// Event and command, in the order of the events.
    pub scripts: Vec<(&'static str, String)>,
    /// Variables only its own scripts see.
    pub(super) variables: Vec<(String, String)>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.links.is_empty()
    }

    /// The first round alone, and the second: the project's own code comes after its dependencies.
    pub fn rounds(&self) -> (Self, Self) {
        let (packages, links) = (self.packages.clone(), self.links.clone());
        let first = Self {
            packages,
            ..Self::default()
        };
        let second = Self {
            links,
            ..Self::default()
        };
        (first, second)
    }

    /// Everyone whose scripts run: packages, then links, each in order.
    pub fn planned(&self) -> impl Iterator<Item = &Planned> {
        self.packages.iter().chain(&self.links)
    }

    /// Of these, those that are no links.
    pub fn packages(&self) -> &[Planned] {
        &self.packages
    }

    /// Those who have scripts that somebody forbade.
    pub fn denied(&self) -> &[Planned] {
        &self.denied
    }

    /// Those who have scripts that nobody allowed, each with the key that would.
    pub fn unreviewed(&self) -> &[(Planned, String)] {
        &self.unreviewed
    }

    /// One event of one round after the other; who takes part in it, and with what command.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let packages = FOR_PACKAGES.map(|event| Step::new(event, &self.packages));
        let links = FOR_LINKS.map(|event| Step::new(event, &self.links));
        packages.into_iter().chain(links)
    }
}

/// One event of one round.
pub(super) struct Step<'a> {
    pub event: &'static str,
    pub jobs: Vec<(&'a Planned, &'a str)>,
}

impl<'a> Step<'a> {
    fn new(event: &'static str, planned: &'a [Planned]) -> Self {
        let jobs = planned.iter().filter_map(|planned| {
            let (_, command) = planned.scripts.iter().find(|(own, _)| *own == event)?;
            Some((planned, command.as_str()))
        });
        let jobs = jobs.collect();
        Self { event, jobs }
    }
}

/// Reads the manifests of those that may have scripts, asks the policy, and puts them in order.
/// The tree has to be on disk in full; `project` is the folder that `file:` in a lock starts from.
///
/// A manifest that cannot be read has no scripts, as for npm. Where the author says
/// `gypfile: false`, nothing is built: npm only hears that when no lock is involved.
pub fn plan(candidates: &[Candidate], policy: &Policy, project: &Path) -> Plan {
    plan_in(candidates, policy, project, &|candidate| {
        Some(candidate.folder.clone())
    })
}

/// As [`plan`], for a tree that is not in its place yet: `at` tells where a candidate's files lie
/// now, or `None` when they are known to hold neither scripts nor a `binding.gyp`.
pub fn plan_in(
    candidates: &[Candidate],
    policy: &Policy,
    project: &Path,
    at: &dyn Fn(&Candidate) -> Option<PathBuf>,
) -> Plan {
    let mut plan = Plan::default();
    if matches!(policy, Policy::Nobody) {
        return plan;
    }
    let mut candidates: Vec<&Candidate> = candidates.iter().collect();
    candidates.sort_by(|a, b| {
        let by_location = || collate::compare(&a.location, &b.location);
        a.depth.cmp(&b.depth).then_with(by_location)
    });
    for candidate in candidates {
        // npm takes the lock's word that a package has no scripts; a policy is about what is there.
        let trusting = matches!(policy, Policy::AllBut(_));
        let looked = candidate.has_install_script || !trusting;
        let Some(planned) =
            at(candidate).and_then(|folder| scripts_of(candidate, &folder, looked, project))
        else {
            continue;
        };
        match policy.verdict(candidate) {
            Verdict::Denied => plan.denied.push(planned),
            Verdict::Unreviewed => plan.unreviewed.push((planned, key_for(candidate))),
            Verdict::Runs if candidate.kind.is_link() => plan.links.push(planned),
            Verdict::Runs => plan.packages.push(planned),
        }
    }
    plan
}

/// `listed`: may there be other scripts than what a `binding.gyp` stands for?
fn scripts_of(
    candidate: &Candidate,
    folder: &Path,
    listed: bool,
    project: &Path,
) -> Option<Planned> {
    let is_link = candidate.kind.is_link();
    let builds = has_binding_gyp(folder);
    if !builds && !is_link && !listed {
        return None;
    }
    let manifest = manifest::read(folder).unwrap_or_default().manifest;
    // npm hangs the command into the `scripts` of a link's target, if it has any.
    let hung = !is_link || manifest.object("scripts").is_some();
    let gyp = (builds && hung).then(|| gyp_install(&manifest)).flatten();
    let mut scripts = Vec::new();
    if is_link || listed {
        let events: &[&str] = if is_link { &FOR_LINKS } else { &FOR_PACKAGES };
        for event in events {
            if let Some(command) = script(&manifest, event) {
                scripts.push((*event, command.to_owned()));
            }
        }
    }
    if let Some(command) = gyp {
        scripts.push(("install", command.to_owned()));
    }
    (!scripts.is_empty()).then(|| Planned {
        location: candidate.location.clone(),
        folder: candidate.folder.clone(),
        id: candidate.id.clone(),
        optional: candidate.flags.optional,
        own: candidate.kind == Kind::Workspace,
        scripts,
        variables: variables(candidate, &manifest, project),
    })
}

/// A manifest's command for an event; an empty one is none.
pub(super) fn script<'a>(manifest: &'a Manifest, event: &str) -> Option<&'a str> {
    let command = manifest.object("scripts")?.get(event)?.as_str()?;
    (!command.is_empty()).then_some(command)
}

pub(super) fn has_binding_gyp(folder: &Path) -> bool {
    folder.join("binding.gyp").is_file()
}

/// The command npm makes up for a package with a `binding.gyp`, unless the author has other plans.
pub(super) fn gyp_install(manifest: &Manifest) -> Option<&'static str> {
    let refused = manifest.fields.get("gypfile") == Some(&Value::Bool(false));
    let own = ["install", "preinstall"]
        .iter()
        .any(|event| script(manifest, event).is_some());
    (!refused && !own).then_some(NODE_GYP)
}

/// The `node_modules` that a package's folder lies in.
fn beside(folder: &Path) -> Option<String> {
    let modules = folder
        .ancestors()
        .find(|above| above.ends_with("node_modules"));
    Some(modules?.to_str()?.to_owned())
}

/// What only a dependency's scripts see. `config` is left out but for links and for what is bundled,
/// whose manifests npm reads: it has the others' from the lock, which does not hold it. An absent URL
/// or integrity is `null`.
fn variables(candidate: &Candidate, manifest: &Manifest, project: &Path) -> Vec<(String, String)> {
    let mut own = manifest.clone();
    if !candidate.kind.is_link() && candidate.kind != Kind::Bundled {
        own.fields.shift_remove("config");
        let PackageId { name, version } = &candidate.id;
        for (field, value) in [("name", name), ("version", version)] {
            own.fields.insert(field.to_owned(), value.as_ref().into());
        }
    }
    let known = |value: Option<String>| {
        let value = value.filter(|_| !candidate.kind.is_link());
        value.unwrap_or_else(|| "null".to_owned())
    };
    let resolved = candidate.resolved.as_deref().map(|resolved| {
        if resolved.starts_with("file:") {
            format!("file:{}", absolute(resolved, project).display())
        } else {
            resolved.to_owned()
        }
    });
    let flags = candidate.flags;
    let one = |flag: bool| if flag { "1" } else { "" }.to_owned();
    let lone_dev_optional = flags.dev_optional && !flags.dev && !flags.optional;
    let mut variables = package_variables(&own);
    // What a package of the linked strategy depends on lies beside it, where a program that is
    // started from elsewhere does not look.
    let path = candidate.location.contains("node_modules/.store/");
    if let Some(beside) = path.then(|| beside(&candidate.folder)).flatten() {
        let inherited = std::env::var("NODE_PATH").ok();
        let more = inherited.filter(|path| !path.is_empty());
        let more = more.map(|path| format!(":{path}")).unwrap_or_default();
        variables.push(("NODE_PATH".to_owned(), format!("{beside}{more}")));
    }
    variables.extend(
        [
            ("npm_package_resolved", known(resolved)),
            ("npm_package_integrity", known(candidate.integrity.clone())),
            ("npm_package_optional", one(flags.optional)),
            ("npm_package_dev", one(flags.dev)),
            ("npm_package_peer", one(flags.peer)),
            ("npm_package_dev_optional", one(lone_dev_optional)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    variables
}
