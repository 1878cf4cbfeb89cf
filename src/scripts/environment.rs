//! What a script finds in its environment: npm's variables on top of ours.
//!
//! Source: `@npmcli/config/lib/set-envs.js`, `@npmcli/run-script/lib/{set-path,package-envs}.js`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::ScriptError;
use crate::manifest::Manifest;

/// Settings that npm keeps to itself: deprecated, no text (a date), or not meant for scripts.
const NOT_EXPORTED: [&str; 25] = [
    "also",
    "before",
    "cache-max",
    "cache-min",
    "cert",
    "dev",
    "global-style",
    "if-present",
    "include-workspace-root",
    "init.author.email",
    "init.author.name",
    "init.author.url",
    "init.license",
    "init.module",
    "init.version",
    "key",
    "legacy-bundling",
    "min-release-age",
    "min-release-age-exclude",
    "only",
    "optional",
    "production",
    "shrinkwrap",
    "workspace",
    "workspaces",
];

/// What the environment is made from.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // one for each of the command's switches
pub struct Setup {
    /// The project's folder, absolute.
    pub project: PathBuf,
    /// Where heatseal was started; `INIT_CWD`.
    pub started_in: PathBuf,
    /// `ci` or `install`; `npm_command`.
    pub command: String,
    /// Our own environment.
    pub inherited: BTreeMap<OsString, OsString>,
    /// npm's configuration, as [`crate::npmrc::Config::entries`] gives it.
    pub configured: BTreeMap<String, Vec<String>>,
    /// The version of the `node` on the PATH, without a `v`.
    pub node_version: Option<String>,
    /// In node's words: `linux`, `x64`.
    pub os: String,
    pub cpu: String,
    /// Development dependencies are left out: scripts are told that this is production.
    pub omits_dev: bool,
    pub color: bool,
    /// One script after the other, with its output shown: `--foreground-scripts`.
    pub foreground: bool,
    /// Shown output goes to stderr, because stdout is for a machine.
    pub keep_stdout: bool,
}

/// The environment of all scripts of one run.
#[derive(Debug, Clone)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    pub(super) shell: PathBuf,
    /// The folder with npm's `node-gyp` command.
    shim: Option<PathBuf>,
    pub(super) foreground: bool,
    pub(super) keep_stdout: bool,
}

impl Environment {
    /// Looks for `node`, the npm beside it, and the shell.
    ///
    /// - Errors: [`ScriptError::NoShell`].
    /// - Without npm there is no `npm_execpath` and no `node-gyp`: its variables stay unset.
    pub fn new(setup: &Setup) -> Result<Self, ScriptError> {
        let path = setup.inherited.get(OsStr::new("PATH"));
        let node =
            find("node", path.map(OsString::as_os_str)).and_then(|node| node.canonicalize().ok());
        let npm = node.as_deref().and_then(npm_beside);
        let mut environment = Self {
            variables: setup.inherited.clone(),
            shell: find_shell(setup)?,
            shim: npm
                .as_ref()
                .map(|npm| npm.join("node_modules/@npmcli/run-script/lib/node-gyp-bin"))
                .filter(|shim| shim.is_dir()),
            foreground: setup.foreground,
            keep_stdout: setup.keep_stdout,
        };
        environment.export_configuration(setup);
        environment.describe_host(setup, node.as_deref(), npm.as_deref());
        environment.describe_run(setup);
        Ok(environment)
    }

    /// `npm_config_*`: what is configured, unless the environment says so already.
    fn export_configuration(&mut self, setup: &Setup) {
        let inherited: BTreeMap<String, OsString> = setup
            .inherited
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?.to_lowercase(), value.clone())))
            .collect();
        let home = setup.inherited.get(OsStr::new("HOME"));
        for (key, items) in &setup.configured {
            if key.starts_with(['/', '@', '_']) || NOT_EXPORTED.contains(&key.as_str()) {
                continue;
            }
            let name = config_name(key);
            let value = config_value(items, home);
            // The environment may say the same in its own spelling, which then stays.
            let says_so = |text: &OsString| *text == value || plain_word(text) == value;
            if !inherited.get(&name).is_some_and(says_so) {
                self.set(&name, value);
            }
        }
    }

    /// `node`, npm, and the folders npm would use.
    fn describe_host(&mut self, setup: &Setup, node: Option<&Path>, npm: Option<&Path>) {
        if let Some(node) = node {
            self.set("NODE", node);
            self.set("npm_node_execpath", node);
            if let Some(prefix) = node.parent().and_then(Path::parent) {
                self.set_default("npm_config_prefix", prefix);
                self.set_default("npm_config_globalconfig", prefix.join("etc/npmrc"));
            }
        }
        if let Some(prefix) = self.get("npm_config_prefix") {
            self.set("npm_config_global_prefix", prefix);
        }
        if let Some(home) = self.get("HOME").map(PathBuf::from) {
            self.set_default("npm_config_cache", home.join(".npm"));
            self.set_default("npm_config_userconfig", home.join(".npmrc"));
            self.set_default("npm_config_init_module", home.join(".npm-init.js"));
        }
        self.set_default("npm_config_noproxy", "");
        self.set_default("npm_config_allow_scripts", "");
        let version = npm
            .and_then(npm_version)
            .unwrap_or_else(|| "unknown".to_owned());
        self.set("npm_config_user_agent", user_agent(setup, &version));
        self.set("npm_config_npm_version", version);
        if let Some(npm) = npm {
            self.set("npm_execpath", npm.join("bin/npm-cli.js"));
            let gyp = npm.join("node_modules/node-gyp/bin/node-gyp.js");
            if gyp.is_file() {
                self.set_default("npm_config_node_gyp", gyp);
            }
        } else {
            self.variables.remove(OsStr::new("npm_execpath"));
        }
    }

    fn describe_run(&mut self, setup: &Setup) {
        self.set("npm_config_local_prefix", &setup.project);
        self.set("npm_command", &setup.command);
        self.set("INIT_CWD", &setup.started_in);
        self.set("COLOR", if setup.color { "1" } else { "0" });
        let configured = |key: &str| setup.configured.get(key)?.last().cloned();
        let editor = configured("editor").map(OsString::from);
        let editor = editor
            .or_else(|| self.get("EDITOR"))
            .or_else(|| self.get("VISUAL"))
            .unwrap_or_else(|| "vi".into());
        self.set("EDITOR", editor);
        if let Some(options) = configured("node-options").filter(|options| !options.is_empty()) {
            self.set("NODE_OPTIONS", options);
        }
        if setup.omits_dev {
            self.set("NODE_ENV", "production");
        }
    }

    /// The variables of one script of the project itself.
    pub(super) fn for_project(&self, script: &Script) -> BTreeMap<OsString, OsString> {
        let mut variables = self.variables.clone();
        let own = script.variables.iter();
        variables.extend(own.map(|(name, value)| (name.into(), value.into())));
        let mut set = |name: &str, value: OsString| variables.insert(name.into(), value);
        set(
            "npm_package_json",
            script.folder.join("package.json").into(),
        );
        set("npm_lifecycle_event", script.event.into());
        set("npm_lifecycle_script", script.command.into());
        if let Some(path) = self.path_in(script.folder) {
            set("PATH", path);
        }
        variables
    }

    /// The variables of one script of a dependency: as the project's own, less our credentials.
    pub(super) fn for_dependency(&self, script: &Script) -> BTreeMap<OsString, OsString> {
        let mut variables = self.for_project(script);
        let own = |name: &OsStr| {
            name.to_str()
                .is_some_and(|name| name.starts_with("npm_package_"))
        };
        variables.retain(|name, _| own(name) || !is_credential(name));
        variables
    }

    /// `.bin` of the folder and of all above it, npm's `node-gyp`, then our own PATH as it is.
    fn path_in(&self, folder: &Path) -> Option<OsString> {
        let own = self.variables.get(OsStr::new("PATH"))?;
        let bins = folder
            .ancestors()
            .map(|above| above.join("node_modules/.bin"));
        let mut path = OsString::new();
        for entry in bins.chain(self.shim.clone()) {
            path.push(entry);
            path.push(":");
        }
        path.push(own);
        Some(path)
    }

    fn get(&self, name: &str) -> Option<OsString> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then(|| value.clone())
    }

    fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.variables
            .insert(name.into(), value.as_ref().to_owned());
    }

    /// For what is neither configured nor inherited, in whatever case.
    fn set_default(&mut self, name: &str, value: impl AsRef<OsStr>) {
        let set = |own: &OsString| {
            own.to_str()
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        if !self.variables.keys().any(set) {
            self.set(name, value);
        }
    }
}

/// One script about to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script<'a> {
    /// For messages: `name@version`.
    pub package: &'a str,
    pub event: &'a str,
    pub command: &'a str,
    pub folder: &'a Path,
    /// `npm_package_*`.
    pub variables: &'a [(String, String)],
}

/// `npm_package_{name,version,config_*,engines_*,bin_*}` of a manifest.
pub(super) fn package_variables(manifest: &Manifest) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for field in ["name", "version", "config", "engines", "bin"] {
        if let Some(value) = manifest.fields.get(field) {
            flatten(&format!("npm_package_{field}"), value, &mut variables);
        }
    }
    variables
}

/// Keys and list positions are joined by `_`; null and false are empty. What no environment can
/// hold (`=` or NUL in a name, NUL in a value) is left out.
fn flatten(name: &str, value: &Value, variables: &mut Vec<(String, String)>) {
    let text = match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => "true".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&format!("{name}_{index}"), item, variables);
            }
            return;
        }
        Value::Object(members) => {
            for (key, member) in members {
                flatten(&format!("{name}_{key}"), member, variables);
            }
            return;
        }
    };
    if !name.contains(['=', '\0']) && !text.contains('\0') {
        variables.push((name.to_owned(), text));
    }
}

fn config_name(key: &str) -> String {
    format!("npm_config_{}", key.replace('-', "_").to_lowercase())
}

/// Lists are joined by blank lines; null and false are empty; `~/` is the home folder.
fn config_value(items: &[String], home: Option<&OsString>) -> OsString {
    if let ([item], Some(home)) = (items, home)
        && let Some(below) = item.strip_prefix("~/")
    {
        return Path::new(home).join(below).into();
    }
    let items: Vec<&OsStr> = items.iter().map(|item| plain_word(item.as_ref())).collect();
    let joined = items.join(OsStr::new("\n\n"));
    match joined.to_str() {
        Some(text) => text.replace('\0', "").into(),
        None => joined,
    }
}

/// npm's null and false are empty in an environment.
fn plain_word(text: &OsStr) -> &OsStr {
    if text == "null" || text == "false" {
        OsStr::new("")
    } else {
        text
    }
}

/// npm's, with our name behind: packages look at its beginning to learn who installs them.
fn user_agent(setup: &Setup, npm_version: &str) -> String {
    let node = setup.node_version.as_deref().unwrap_or("unknown");
    let template = setup
        .configured
        .get("user-agent")
        .and_then(|list| list.last());
    if let Some(template) = template {
        return template
            .replace("{npm-version}", npm_version)
            .replace("{node-version}", &format!("v{node}"))
            .replace("{platform}", &setup.os)
            .replace("{arch}", &setup.cpu)
            .replace("{workspaces}", "false")
            .replace("{ci}", "")
            .trim()
            .to_owned();
    }
    format!(
        "npm/{npm_version} node/v{node} {} {} workspaces/false heatseal/{}",
        setup.os,
        setup.cpu,
        env!("CARGO_PKG_VERSION")
    )
}

/// What a variable's name says when its value is a credential.
const SECRETS: [&str; 10] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "api_key",
    "apikey",
    "access_key",
    "private_key",
];

/// Variables by which npm, its hosts and everybody else hand credentials around. Scripts of
/// dependencies have no use for them but theft.
fn is_credential(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    if let Some(key) = name.strip_prefix("npm_config_") {
        return key.starts_with(['/', '@', '_'])
            || key.ends_with("_password")
            || key.ends_with("_authtoken")
            || key == "otp";
    }
    SECRETS.iter().any(|word| name.contains(word))
}

/// `script-shell`, else `sh`. Looked up on our own PATH: no package's `.bin` can stand in for it.
fn find_shell(setup: &Setup) -> Result<PathBuf, ScriptError> {
    let configured = setup
        .configured
        .get("script-shell")
        .and_then(|list| list.last());
    let shell = configured
        .map(String::as_str)
        .filter(|shell| !matches!(*shell, "" | "null" | "false"))
        .unwrap_or("sh");
    let path = setup.inherited.get(OsStr::new("PATH"));
    let found = if shell.contains('/') {
        Some(setup.project.join(shell)).filter(|shell| shell.is_file())
    } else {
        find(shell, path.map(OsString::as_os_str))
            .or_else(|| Some(PathBuf::from("/bin").join(shell)).filter(|shell| shell.is_file()))
    };
    found.ok_or_else(|| ScriptError::NoShell {
        shell: shell.to_owned(),
    })
}

/// The first executable file of that name on the PATH; entries that are not absolute do not count.
fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;

    std::env::split_paths(path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|file| {
            let metadata = file.metadata();
            metadata.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

/// The folder of the npm that came with this `node`.
fn npm_beside(node: &Path) -> Option<PathBuf> {
    let bin = node.parent()?;
    let installed = bin.parent()?.join("lib/node_modules/npm");
    if installed.join("bin/npm-cli.js").is_file() {
        return Some(installed);
    }
    let cli = bin.join("npm").canonicalize().ok()?;
    let is_cli = cli.file_name()? == "npm-cli.js";
    is_cli
        .then(|| cli.parent()?.parent().map(Path::to_owned))
        .flatten()
}

fn npm_version(npm: &Path) -> Option<String> {
    let manifest = crate::manifest::read(npm).ok()?.manifest;
    manifest.version().map(str::to_owned)
}
