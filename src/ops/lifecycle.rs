//! Which lifecycle scripts an install runs, for whom it refuses them, and what they see.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::install::InstallRequest;
use super::session::Session;
use crate::link::Staged;
use crate::manifest::Manifest;
use crate::report::Event;
use crate::scripts::{
    self, Candidate, Environment, Plan, Policy, Rules, ScriptError, Setup, key_for,
};

/// Whose install scripts run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scripts {
    /// Those of packages that package.json or the command line allows; who needs one and has no
    /// permission is an error.
    #[default]
    Allowed,
    /// npm 11's way: all but those that package.json denies.
    AsNpm,
    /// Nobody's, the project's own included.
    Ignored,
}

/// Packages that need their install scripts and may not run them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `name@version`, what it would run, and the key that would allow it.
    pub packages: Vec<Needs>,
    /// There are rules in package.json already, to which keys can be added.
    pub has_rules: bool,
    /// Scripts cannot run because the tree is for another platform: this machine, and the target.
    pub foreign: Option<(String, String)>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    pub package: String,
    pub script: String,
    pub key: String,
}

impl Refused {
    pub(super) fn names(&self) -> Vec<String> {
        let packages = self.packages.iter();
        packages.map(|needs| needs.package.clone()).collect()
    }

    /// What to write into package.json.
    pub fn line(&self) -> String {
        let mut keys: Vec<&str> = self.packages.iter().map(|one| &*one.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut rules = String::new();
        for key in keys {
            let comma = if rules.is_empty() { "" } else { ", " };
            let _ = write!(rules, "{comma}{}: true", serde_json::json!(key));
        }
        if self.has_rules {
            rules
        } else {
            format!("\"heatseal\": {{\"allowScripts\": {{{rules}}}}}")
        }
    }
}

/// The scripts of one install.
pub(super) struct Lifecycle<'a> {
    pub session: &'a Session,
    pub request: &'a InstallRequest,
    pub manifest: &'a Arc<Manifest>,
    pub policy: &'a Policy,
}

/// Whose scripts may run, by package.json, configuration and request.
pub(super) fn policy(session: &Session, request: &InstallRequest, manifest: &Manifest) -> Policy {
    let listed = session.config.list("allow-scripts");
    let rules = Rules::of_project(manifest, &listed, &session.project)
        .and_list(request.allow_scripts.iter().map(String::as_str));
    for warning in &rules.warnings {
        session.reporter.emit(Event::Warning {
            code: "EALLOWSCRIPTS",
            message: warning.clone(),
        });
    }
    match request.scripts {
        Scripts::Ignored => Policy::Nobody,
        Scripts::AsNpm => Policy::AllBut(rules),
        Scripts::Allowed => Policy::Only(rules),
    }
}

impl Lifecycle<'_> {
    /// Reads the manifests of the staged tree and asks who may run what.
    pub fn plan(&self, staged: &Staged, candidates: &[Candidate]) -> Result<Plan, Box<Refused>> {
        let at = |candidate: &Candidate| {
            if candidate.kind.is_link() {
                return Some(candidate.folder.clone());
            }
            staged.scripted(&candidate.location)
        };
        let plan = scripts::plan_in(candidates, self.policy, &self.session.project, &at);
        let foreign = self.foreign();
        let mut needs: Vec<Needs> = plan.unreviewed().iter().map(needs).collect();
        if foreign.is_some() {
            let allowed = plan.planned();
            let keyed = allowed.map(|planned| {
                let is_it = |candidate: &&Candidate| candidate.location == planned.location;
                let key = candidates.iter().find(is_it).map(key_for);
                needs_of(planned, key.unwrap_or_default())
            });
            needs.extend(keyed);
        }
        if needs.is_empty() {
            return Ok(plan);
        }
        needs.sort_by(|a, b| a.package.cmp(&b.package));
        needs.dedup();
        let rules = |manifest: &Manifest| Some(manifest.object("heatseal")?.contains_key(RULES));
        Err(Box::new(Refused {
            packages: needs,
            has_rules: rules(self.manifest).unwrap_or(false),
            foreign,
        }))
    }

    /// This machine and the target, when what scripts build here would not run there.
    fn foreign(&self) -> Option<(String, String)> {
        let target = self.request.target.as_ref()?;
        let host = &self.session.host;
        (!host.builds_for(target)).then(|| (host.to_string(), target.to_string()))
    }

    /// Runs the plan's scripts.
    pub fn run(&self, plan: &Plan) -> Result<scripts::Ran, ScriptError> {
        if plan.is_empty() {
            return Ok(scripts::Ran::default());
        }
        scripts::run_dependencies(plan, &self.environment()?, &*self.session.reporter)
    }

    /// Runs the scripts of the project itself: on every install, even when nothing has to be put in
    /// place. Returns how many ran.
    pub fn run_own(&self) -> Result<usize, ScriptError> {
        let project = &self.session.project;
        if !self.has_own(project) {
            return Ok(0);
        }
        if let Some((host, target)) = self.foreign() {
            let message = format!(
                "the project's own scripts do not run on {host} for a tree that is for {target}"
            );
            let code = "ESCRIPT";
            self.session.reporter.emit(Event::Warning { code, message });
            return Ok(0);
        }
        let events: Vec<&str> = own_events().collect();
        let reporter = &*self.session.reporter;
        scripts::run_root(
            project,
            self.manifest,
            &events,
            &self.environment()?,
            reporter,
        )
    }

    fn has_own(&self, project: &Path) -> bool {
        let listed = self
            .manifest
            .object("scripts")
            .is_some_and(|scripts| own_events().any(|event| scripts.contains_key(event)));
        self.request.scripts != Scripts::Ignored
            && (listed || project.join("binding.gyp").is_file())
    }

    /// What scripts see of this run.
    fn environment(&self) -> Result<Environment, ScriptError> {
        let (session, request) = (self.session, self.request);
        let config = &session.config;
        let command = if request.frozen { "ci" } else { "install" };
        let setup = Setup {
            project: session.project.clone(),
            started_in: std::env::current_dir().unwrap_or_else(|_| session.project.clone()),
            command: command.to_owned(),
            inherited: std::env::vars_os().collect::<BTreeMap<_, _>>(),
            configured: config.entries(),
            node_version: session.host.node.as_ref().map(ToString::to_string),
            os: session.host.os.clone(),
            cpu: session.host.cpu.clone(),
            omits_dev: request.omit.dev,
            color: false,
            foreground: config.flag("foreground-scripts").unwrap_or(false),
            keep_stdout: false,
        };
        Environment::new(&setup)
    }
}

/// The member of package.json that holds the rules.
const RULES: &str = "allowScripts";

fn needs((planned, key): &(scripts::Planned, String)) -> Needs {
    needs_of(planned, key.clone())
}

fn needs_of(planned: &scripts::Planned, key: String) -> Needs {
    let first = planned.scripts.first();
    Needs {
        package: planned.id.to_string(),
        script: first.map_or_else(String::new, |(event, command)| {
            format!("{event}: {command}")
        }),
        key,
    }
}

fn own_events() -> impl Iterator<Item = &'static str> {
    scripts::DEPENDENCIES
        .into_iter()
        .chain(scripts::AFTER_INSTALL)
}
