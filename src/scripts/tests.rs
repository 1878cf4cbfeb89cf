//! What scripts see and in what order they run, as npm 11.19 does it in a project of this shape.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::manifest;
use crate::report::{Event, Recorder, Silent};

/// Appends `<event> <name>` to the log.
const LOG: &str = "echo $npm_lifecycle_event $npm_package_name >> $OUT/log";
/// Writes the environment to `<name>.<event>`.
const DUMP: &str = "env > $OUT/$npm_package_name.$npm_lifecycle_event";

/// A project beside an installation of node and npm that consists of empty files.
struct World {
    root: tempfile::TempDir,
    setup: Setup,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = root.path().canonicalize().unwrap();
        let npm = at.join("usr/lib/node_modules/npm");
        write(&at.join("usr/bin/node"), "#!/bin/sh\n", 0o755);
        write(&npm.join("bin/npm-cli.js"), "", 0o644);
        write(&npm.join("package.json"), r#"{"version":"11.19.1"}"#, 0o644);
        write(
            &npm.join("node_modules/node-gyp/bin/node-gyp.js"),
            "",
            0o644,
        );
        let shim = npm.join("node_modules/@npmcli/run-script/lib/node-gyp-bin/node-gyp");
        let said = "#!/bin/sh\necho node-gyp $1 $npm_package_name >> $OUT/log\n";
        write(&shim, said, 0o755);
        fs::create_dir_all(at.join("p/node_modules")).unwrap();
        let path = format!("{}/usr/bin:/usr/bin:/bin", at.display());
        let inherited = [
            ("PATH", path.as_str()),
            ("HOME", "/home/me"),
            ("OUT", at.to_str().unwrap()),
        ];
        let setup = Setup {
            project: at.join("p"),
            started_in: at.join("p"),
            command: "ci".to_owned(),
            inherited: inherited.map(|(k, v)| (k.into(), v.into())).into(),
            node_version: Some("20.20.2".to_owned()),
            os: "linux".to_owned(),
            cpu: "x64".to_owned(),
            ..Setup::default()
        };
        Self { root, setup }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(path)
    }

    fn environment(&self) -> Environment {
        Environment::new(&self.setup).unwrap()
    }

    /// A package at `node_modules/<path>` with these scripts.
    fn package(&self, path: &str, scripts: &Value) -> Candidate {
        let name = path.rsplit("node_modules/").next().unwrap();
        let manifest = json!({"name": name, "version": "1.0.0", "scripts": scripts});
        self.written(path, &manifest)
    }

    fn written(&self, path: &str, manifest: &Value) -> Candidate {
        let location = format!("node_modules/{path}");
        let folder = self.at("p").join(&location);
        write(&folder.join("package.json"), &manifest.to_string(), 0o644);
        let name = path.rsplit("node_modules/").next().unwrap();
        Candidate {
            depth: location.matches("node_modules/").count(),
            location,
            folder,
            id: PackageId::new(name, "1.0.0"),
            kind: Kind::Package,
            resolved: Some(format!(
                "https://registry.example/{name}/-/{name}-1.0.0.tgz"
            )),
            integrity: Some("sha512-x".to_owned()),
            flags: Flags::default(),
            has_install_script: true,
            bundler: None,
        }
    }

    fn link(&self, name: &str, manifest: &Value) -> Candidate {
        let folder = self.at("p/packages").join(name);
        write(&folder.join("package.json"), &manifest.to_string(), 0o644);
        Candidate {
            folder,
            kind: Kind::Workspace,
            resolved: Some(format!("packages/{name}")),
            integrity: None,
            has_install_script: false,
            ..self.package(name, &json!({}))
        }
    }

    fn run(&self, candidates: &[Candidate]) -> Result<Ran, ScriptError> {
        let plan = self.plan(candidates);
        run_dependencies(&plan, &self.environment(), &Silent)
    }

    fn plan(&self, candidates: &[Candidate]) -> Plan {
        let everybody = Policy::AllBut(Rules::default());
        plan(candidates, &everybody, &self.setup.project)
    }

    fn run_root(&self, scripts: &Value, events: &[&str]) -> Result<usize, ScriptError> {
        let manifest = json!({"name": "root", "version": "0.0.1", "scripts": scripts});
        write(&self.at("p/package.json"), &manifest.to_string(), 0o644);
        let manifest = manifest::read(&self.setup.project).unwrap().manifest;
        run_root(
            &self.setup.project,
            &manifest,
            events,
            &self.environment(),
            &Silent,
        )
    }

    fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What a script that ran [`DUMP`] saw.
    fn seen(&self, script: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.at(script)).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// All events of a package, each with the same command.
fn every(command: &str) -> Value {
    json!({"preinstall": command, "prepare": command, "install": command, "postinstall": command})
}

#[test]
fn a_dependency_sees_the_variables_npm_gives_it() {
    let mut world = World::new();
    world.setup.omits_dev = true;
    let manifest = json!({
        "name": "claims-another", "version": "9.9.9",
        "scripts": {"install": DUMP},
        "config": {"port": 80},
        "engines": {"node": ">=1"},
        "bin": {"tool": "./cli.js"},
    });
    world.run(&[world.written("a", &manifest)]).unwrap();
    let mut seen = world.seen("a.install");
    for shells_own in ["_", "SHLVL", "OLDPWD", "PATH", "OUT"] {
        seen.remove(shells_own);
    }
    let (usr, p) = (world.at("usr"), world.at("p"));
    let (usr, p) = (usr.to_str().unwrap(), p.to_str().unwrap());
    let npm = format!("{usr}/lib/node_modules/npm");
    let version = env!("CARGO_PKG_VERSION");
    let agent = format!("npm/11.19.1 node/v20.20.2 linux x64 workspaces/false heatseal/{version}");
    let expected: BTreeMap<String, String> = [
        ("COLOR", "0".to_owned()),
        ("EDITOR", "vi".to_owned()),
        ("HOME", "/home/me".to_owned()),
        ("INIT_CWD", p.to_owned()),
        ("NODE", format!("{usr}/bin/node")),
        ("NODE_ENV", "production".to_owned()),
        ("PWD", format!("{p}/node_modules/a")),
        ("npm_command", "ci".to_owned()),
        ("npm_config_allow_scripts", String::new()),
        ("npm_config_cache", "/home/me/.npm".to_owned()),
        ("npm_config_global_prefix", usr.to_owned()),
        ("npm_config_globalconfig", format!("{usr}/etc/npmrc")),
        ("npm_config_init_module", "/home/me/.npm-init.js".to_owned()),
        ("npm_config_local_prefix", p.to_owned()),
        (
            "npm_config_node_gyp",
            format!("{npm}/node_modules/node-gyp/bin/node-gyp.js"),
        ),
        ("npm_config_noproxy", String::new()),
        ("npm_config_npm_version", "11.19.1".to_owned()),
        ("npm_config_prefix", usr.to_owned()),
        ("npm_config_user_agent", agent),
        ("npm_config_userconfig", "/home/me/.npmrc".to_owned()),
        ("npm_execpath", format!("{npm}/bin/npm-cli.js")),
        ("npm_lifecycle_event", "install".to_owned()),
        ("npm_lifecycle_script", DUMP.to_owned()),
        ("npm_node_execpath", format!("{usr}/bin/node")),
        ("npm_package_bin_tool", "cli.js".to_owned()),
        ("npm_package_dev", String::new()),
        ("npm_package_dev_optional", String::new()),
        ("npm_package_engines_node", ">=1".to_owned()),
        ("npm_package_integrity", "sha512-x".to_owned()),
        (
            "npm_package_json",
            format!("{p}/node_modules/a/package.json"),
        ),
        ("npm_package_name", "a".to_owned()),
        ("npm_package_optional", String::new()),
        ("npm_package_peer", String::new()),
        (
            "npm_package_resolved",
            "https://registry.example/a/-/a-1.0.0.tgz".to_owned(),
        ),
        ("npm_package_version", "1.0.0".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    assert_eq!(seen, expected);
}

#[test]
fn a_link_sees_its_whole_manifest_and_null_for_where_it_came_from() {
    let world = World::new();
    let config = json!({"deep": [1, {"x": null}, 1.5], "no": false, "yes": true});
    let manifest =
        json!({"name": "l", "version": "0.1.0", "config": config, "scripts": {"prepare": DUMP}});
    world.run(&[world.link("l", &manifest)]).unwrap();
    let seen = world.seen("l.prepare");
    for (name, value) in [
        ("npm_package_version", "0.1.0"),
        ("npm_package_resolved", "null"),
        ("npm_package_integrity", "null"),
        ("npm_package_config_deep_0", "1"),
        ("npm_package_config_deep_1_x", ""),
        ("npm_package_config_deep_2", "1.5"),
        ("npm_package_config_no", ""),
        ("npm_package_config_yes", "true"),
    ] {
        assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
    }
    let folder = world.at("p/packages/l");
    assert_eq!(seen["PWD"], folder.to_str().unwrap());
}

#[test]
fn what_is_bundled_sees_its_config_and_what_the_environment_says_keeps_its_spelling() {
    let mut world = World::new();
    let inherited = &mut world.setup.inherited;
    inherited.insert("npm_config_audit".into(), "false".into());
    inherited.insert("npm_config_fund".into(), "true".into());
    for key in ["audit", "fund", "before"] {
        let value = vec!["false".to_owned()];
        world.setup.configured.insert(key.to_owned(), value);
    }
    let manifest = json!({"name": "b", "config": {"q": 1}, "scripts": {"install": DUMP}});
    let mut bundled = world.written("a/node_modules/b", &manifest);
    bundled.kind = Kind::Bundled;
    world.run(&[bundled]).unwrap();
    let seen = world.seen("b.install");
    assert_eq!(seen["npm_package_config_q"], "1");
    assert_eq!(seen["npm_config_audit"], "false");
    assert_eq!(seen["npm_config_fund"], "");
    assert!(!seen.contains_key("npm_config_before"));
}

#[test]
fn a_local_tarballs_place_is_absolute_and_flags_are_ones() {
    let world = World::new();
    let mut a = world.package("a", &json!({"install": DUMP}));
    a.resolved = Some("file:a-1.0.0.tgz".to_owned());
    a.flags = Flags {
        dev_optional: true,
        peer: true,
        ..Flags::default()
    };
    world.run(&[a]).unwrap();
    let seen = world.seen("a.install");
    let tarball = format!("file:{}", world.at("p/a-1.0.0.tgz").display());
    assert_eq!(seen["npm_package_resolved"], tarball);
    let flags = ["dev", "optional", "peer", "dev_optional"];
    let flags = flags.map(|flag| seen[&format!("npm_package_{flag}")].as_str());
    assert_eq!(flags, ["", "", "1", "1"]);
}

#[test]
fn the_path_has_the_bins_of_every_folder_above_then_node_gyp_then_ours() {
    let world = World::new();
    world
        .run(&[world.package("a", &json!({"install": DUMP}))])
        .unwrap();
    let seen = world.seen("a.install");
    let folder = world.at("p/node_modules/a");
    let above = folder.ancestors();
    let mut expected: Vec<String> = above
        .map(|above| above.join("node_modules/.bin").display().to_string())
        .collect();
    assert!(
        expected.contains(
            &world
                .at("p/node_modules/node_modules/.bin")
                .display()
                .to_string()
        )
    );
    assert_eq!(expected.last().unwrap(), "/node_modules/.bin");
    let shim = "usr/lib/node_modules/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin";
    expected.push(world.at(shim).display().to_string());
    expected.push(format!("{}:/usr/bin:/bin", world.at("usr/bin").display()));
    assert_eq!(seen["PATH"], expected.join(":"));
}

#[test]
fn settings_are_exported_as_npm_writes_them() {
    let mut world = World::new();
    let configured: [(&str, &[&str]); 11] = [
        ("fund", &["false"]),
        ("fetch-retries", &["1"]),
        ("omit", &["dev", "peer"]),
        ("sharp_binary_host", &["https://host.example"]),
        ("cache", &["~/elsewhere"]),
        ("loglevel", &["warn"]),
        ("@s:registry", &["https://registry.example/"]),
        ("//registry.example/:_authToken", &["secret"]),
        ("_auth", &["secret"]),
        ("production", &["true"]),
        ("node-options", &["--max-old-space-size=64"]),
    ];
    world.setup.configured = configured
        .map(|(key, items)| {
            (
                key.to_owned(),
                items.iter().map(ToString::to_string).collect(),
            )
        })
        .into();
    let inherit = |world: &mut World, name: &str, value: &str| {
        world
            .setup
            .inherited
            .insert(name.into(), OsString::from(value));
    };
    inherit(&mut world, "NPM_CONFIG_LOGLEVEL", "warn");
    world
        .run(&[world.package(
            "a",
            &json!({"install": "env -0 | tr '\\n\\0' '|\\n' > $OUT/a.install"}),
        )])
        .unwrap();
    let seen = world.seen("a.install");
    for (name, value) in [
        ("npm_config_fund", ""),
        ("npm_config_fetch_retries", "1"),
        ("npm_config_omit", "dev||peer"),
        ("npm_config_sharp_binary_host", "https://host.example"),
        ("npm_config_cache", "/home/me/elsewhere"),
        ("NODE_OPTIONS", "--max-old-space-size=64"),
    ] {
        assert_eq!(seen.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(
        !seen.contains_key("npm_config_loglevel"),
        "the environment says it already"
    );
    assert!(!seen.contains_key("npm_config_production"), "deprecated");
    assert!(!seen.values().any(|value| value.contains("secret")));
    assert!(!seen.keys().any(|name| name.contains('@')));
}

#[test]
fn credentials_reach_the_projects_own_scripts_but_no_dependency() {
    let mut world = World::new();
    let names = [
        "NPM_TOKEN",
        "NODE_AUTH_TOKEN",
        "npm_config__authToken",
        "NPM_CONFIG__AUTH",
        "GITHUB_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "DATABASE_PASSWORD",
        "STRIPE_API_KEY",
        "google_application_credentials",
    ];
    for name in names {
        world.setup.inherited.insert(name.into(), "secret".into());
    }
    let own = json!({"name": "w", "version": "1.0.0", "scripts": {"install": DUMP}});
    let both = [
        world.package("a", &json!({"install": DUMP})),
        world.link("w", &own),
    ];
    world.run(&both).unwrap();
    world
        .run_root(&json!({"install": DUMP}), &AFTER_INSTALL)
        .unwrap();
    assert!(
        !world
            .seen("a.install")
            .values()
            .any(|value| value == "secret")
    );
    for own in ["w.install", "root.install"] {
        let seen = world.seen(own);
        assert!(names.iter().all(|name| seen[*name] == "secret"), "{own}");
    }
}

#[test]
fn what_no_environment_can_hold_is_left_out() {
    let world = World::new();
    let manifest = json!({
        "name": "l", "version": "1.0.0", "scripts": {"install": DUMP},
        "config": {"a=b": "x", "nul": "a\u{0}b", "fine": "y"},
    });
    world.run(&[world.link("l", &manifest)]).unwrap();
    let seen = world.seen("l.install");
    assert_eq!(seen["npm_package_config_fine"], "y");
    assert!(!seen.contains_key("npm_package_config_a"));
    assert!(!seen.contains_key("npm_package_config_nul"));
}

#[test]
fn events_go_round_by_round_and_the_shallow_first() {
    let mut world = World::new();
    world.setup.foreground = true;
    let link = json!({"name": "l", "version": "1.0.0", "scripts": every(LOG)});
    let ran = world.run(&[
        world.link("l", &link),
        world.package("b/node_modules/a", &every(LOG)),
        world.package("c", &every(LOG)),
        world.package("b-2", &every(LOG)),
    ]);
    let expected = "preinstall b-2,preinstall c,preinstall a,install b-2,install c,install a,\
                    postinstall b-2,postinstall c,postinstall a,\
                    preinstall l,prepare l,install l,postinstall l";
    assert_eq!(world.log().join(","), expected);
    assert_eq!(ran.unwrap().count, 13);
}

#[test]
fn at_the_same_time_no_event_overtakes_another() {
    let world = World::new();
    let many: Vec<Candidate> = (0..12)
        .map(|n| world.package(&format!("p{n}"), &every(LOG)))
        .collect();
    assert_eq!(world.run(&many).unwrap().count, 36);
    let log = world.log();
    let events: Vec<&str> = log
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert!(
        events
            .chunks(12)
            .all(|chunk| chunk.iter().all(|event| *event == chunk[0]))
    );
}

#[test]
fn what_the_lock_says_has_no_scripts_runs_none() {
    let world = World::new();
    let mut a = world.package("a", &every(LOG));
    a.has_install_script = false;
    assert!(world.plan(&[a]).is_empty());
    let mut broken = world.package("b", &json!({}));
    write(&broken.folder.join("package.json"), "{", 0o644);
    broken.has_install_script = true;
    assert!(world.plan(&[broken]).is_empty());
}

#[test]
fn a_binding_gyp_alone_is_built_with_npms_node_gyp() {
    let mut world = World::new();
    world.setup.foreground = true;
    let mut implied = world.package("implied", &json!({}));
    implied.has_install_script = false;
    let own = world.package("own", &json!({"install": LOG}));
    let late = world.package("late", &json!({"postinstall": LOG}));
    let mut refused = world.written("refused", &json!({"gypfile": false}));
    refused.has_install_script = false;
    // A link is built only where its package.json has `scripts`.
    let bare = world.link("bare", &json!({"name": "bare"}));
    let scripted = world.link("scripted", &json!({"name": "scripted", "scripts": {}}));
    let all = [implied, own, late, refused, bare, scripted];
    for candidate in &all {
        write(&candidate.folder.join("binding.gyp"), "{}", 0o644);
    }
    world.run(&all).unwrap();
    let expected = [
        "node-gyp rebuild implied",
        "node-gyp rebuild late",
        "install own",
        "postinstall late",
        "node-gyp rebuild scripted",
    ];
    assert_eq!(world.log(), expected);
}

#[test]
fn a_failing_script_is_reported_with_its_last_words_and_nothing_follows() {
    let world = World::new();
    let failing = "seq 1 100; echo trouble >&2; exit 3";
    let scripts = json!({"preinstall": LOG, "install": failing, "postinstall": LOG});
    let error = world.run(&[world.package("a", &scripts)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the install script of `a@1.0.0` failed with exit code 3"
    );
    let ScriptError::Failed {
        ending, account, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(account.command, failing);
    assert_eq!(account.folder, world.at("p/node_modules/a"));
    assert_eq!(ending, Ending::Code(3));
    assert_eq!(account.output.lines().count(), 40);
    assert!(account.output.ends_with("99\n100\ntrouble"));
    assert_eq!(world.log(), ["preinstall a"]);
}

#[test]
fn a_failing_optional_script_is_named_and_the_others_go_on() {
    let world = World::new();
    let mut a = world.package("a", &json!({"install": "exit 1", "postinstall": LOG}));
    a.flags.optional = true;
    let all = [
        a,
        world.package("b", &json!({"install": LOG, "postinstall": LOG})),
    ];
    let recorder = Recorder::default();
    let ran = run_dependencies(&world.plan(&all), &world.environment(), &recorder).unwrap();
    assert_eq!(ran.failed_optional, ["node_modules/a"]);
    assert_eq!(ran.count, 2);
    assert_eq!(world.log(), ["install b", "postinstall b"]);
    let warned = |event: &Event| matches!(event, Event::Warning { message, .. } if message.contains("node_modules/a"));
    assert!(recorder.take().iter().any(warned));
}

#[test]
fn a_killed_script_names_its_signal() {
    let world = World::new();
    let scripts = json!({"install": "kill -9 $$"});
    let error = world.run(&[world.package("a", &scripts)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the install script of `a@1.0.0` was killed by SIGKILL"
    );
}

#[test]
fn a_daemon_that_keeps_the_pipe_open_holds_nobody_up() {
    let world = World::new();
    // The daemon waits for a writer that never comes, so only the test's end of it is timed.
    let daemon = "mkfifo $OUT/fifo; (read x < $OUT/fifo) & echo started; exit 0";
    world
        .run(&[world.package("a", &json!({"install": daemon}))])
        .unwrap();
    // It is still there, or the fifo could not be opened for writing without a reader: let it go.
    fs::write(world.at("fifo"), "x\n").unwrap();
}

#[test]
fn a_missing_shell_is_named() {
    let mut world = World::new();
    let shell = ("script-shell".to_owned(), vec!["no-such-shell".to_owned()]);
    world.setup.configured = [shell].into();
    let error = Environment::new(&world.setup).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no shell `no-such-shell` to run scripts with"
    );
}

#[test]
fn no_packages_bin_stands_in_for_the_shell() {
    let world = World::new();
    let fake = "#!/bin/bash\necho hijacked > $OUT/hijacked\n";
    write(&world.at("p/node_modules/.bin/sh"), fake, 0o755);
    world
        .run(&[world.package("a", &json!({"install": LOG}))])
        .unwrap();
    assert!(!world.at("hijacked").exists());
    assert_eq!(world.log(), ["install a"]);
}

#[test]
fn a_vanished_folder_is_named() {
    let world = World::new();
    let plan = world.plan(&[world.package("a", &json!({"install": LOG}))]);
    fs::remove_dir_all(world.at("p/node_modules/a")).unwrap();
    let error = run_dependencies(&plan, &world.environment(), &Silent).unwrap_err();
    assert!(error.to_string().contains("p/node_modules/a`"), "{error}");
}

#[test]
fn scripts_that_are_denied_or_not_allowed_do_not_run() {
    let world = World::new();
    let mut all = ["a", "b", "c"].map(|name| world.package(name, &json!({"install": LOG})));
    // The lock says that it has none: what is there counts.
    all[2].has_install_script = false;
    let rules = json!({"a": false, "b": true});
    let rules = Rules::from_object(rules.as_object().unwrap(), &world.setup.project);
    let plan = plan(&all, &Policy::Only(rules), &world.setup.project);
    run_dependencies(&plan, &world.environment(), &Silent).unwrap();
    assert_eq!(world.log(), ["install b"]);
    assert_eq!(plan.denied()[0].location, "node_modules/a");
    let (unreviewed, key) = &plan.unreviewed()[0];
    assert_eq!(
        (unreviewed.location.as_str(), key.as_str()),
        ("node_modules/c", "c@1.0.0")
    );
}

#[test]
fn the_projects_own_scripts_run_in_npm_11s_order() {
    let world = World::new();
    let mut scripts = every(LOG);
    for event in [
        "prepublish",
        "preprepare",
        "postprepare",
        "prepack",
        "dependencies",
    ] {
        scripts[event] = LOG.into();
    }
    assert_eq!(world.run_root(&scripts, &AFTER_INSTALL).unwrap(), 7);
    let expected = AFTER_INSTALL.map(|event| format!("{event} root"));
    assert_eq!(world.log(), expected);
}

#[test]
fn the_project_itself_is_built_where_it_has_a_binding_gyp() {
    let world = World::new();
    write(&world.at("p/binding.gyp"), "{}", 0o644);
    assert_eq!(world.run_root(&json!({}), &AFTER_INSTALL).unwrap(), 1);
    assert_eq!(world.log(), ["node-gyp rebuild root"]);
}

#[test]
fn a_failing_script_of_the_project_ends_its_run() {
    let world = World::new();
    let scripts = json!({"install": "exit 7", "postinstall": LOG});
    let error = world.run_root(&scripts, &AFTER_INSTALL).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the install script of `root@0.0.1` failed with exit code 7"
    );
    assert!(world.log().is_empty());
}
