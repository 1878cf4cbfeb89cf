//! What the typed words mean: flag, else environment, else `.npmrc`, else default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Global, Installing, Linking, Runtime, Shrinkwrap, Verify, Whose};
use super::errors::Failure;
use super::node;
use super::npm_flags::NpmFlags;
use super::parts;
use super::render::Renderer;
use crate::link::LinkMode;
use crate::manifest;
use crate::npmrc::{Allowed, Config, Generation};
use crate::ops::{
    InstallRequest, Part, Scripts, Session, SessionError, ShrinkwrapRequest, Writing,
};
use crate::resolve::{Omit, Options, Rules, Strategy, Update, workspaces};
use crate::target::{Libc, LibcFamily, Target};

/// Environment variables; those that are not UTF-8 do not count.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The store: `--store-dir`, `HEATSEAL_STORE_DIR`, or `heatseal` in the user's cache folder.
pub fn store(global: &Global, env: &BTreeMap<String, String>) -> Result<PathBuf, SessionError> {
    let set = |name: &str| {
        env.get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let in_cache = || {
        let cache = set("XDG_CACHE_HOME").filter(|cache| cache.is_absolute());
        let cache = cache.or_else(|| Some(set("HOME")?.join(CACHE_FOLDER)));
        cache.map(|cache| cache.join("heatseal"))
    };
    let store = global
        .store_dir
        .clone()
        .or_else(|| set("HEATSEAL_STORE_DIR"))
        .or_else(in_cache);
    store
        .and_then(|store| std::path::absolute(store).ok())
        .ok_or(SessionError::NoStore)
}

#[cfg(target_os = "macos")]
const CACHE_FOLDER: &str = "Library/Caches";
#[cfg(not(target_os = "macos"))]
const CACHE_FOLDER: &str = ".cache";

/// The project that the run is about, and its configuration, where nothing is resolved.
pub fn project_and_config(
    global: &Global,
    flags: &[(String, String)],
) -> Result<(PathBuf, Config), Failure> {
    let project = project(Path::new("."))?;
    let registry = global
        .registry
        .iter()
        .map(|url| ("registry".to_owned(), url.clone()));
    let flags: Vec<(String, String)> = flags.iter().cloned().chain(registry).collect();
    let config = Config::load(&project, &environment(), &flags)?;
    Ok((project, config))
}

/// The run's project, configuration, store and host.
pub fn session(
    global: &Global,
    runtime: &Runtime,
    npm: &NpmFlags,
    renderer: &Arc<Renderer>,
) -> Result<Session, Failure> {
    session_in(project(Path::new("."))?, (global, runtime, npm), renderer)
}

/// As [`session`], for the project in a folder.
pub fn session_in(
    project: PathBuf,
    (global, runtime, npm): (&Global, &Runtime, &NpmFlags),
    renderer: &Arc<Renderer>,
) -> Result<Session, Failure> {
    let env = environment();
    let mut session = reading_session(global, project, npm, renderer)?;
    session.host = host(runtime, &env, &session.store, renderer);
    Ok(session)
}

/// A run that only reads: Node is not asked for its version.
pub fn reading_session(
    global: &Global,
    project: PathBuf,
    npm: &NpmFlags,
    renderer: &Arc<Renderer>,
) -> Result<Session, Failure> {
    let env = environment();
    let registry = global
        .registry
        .iter()
        .map(|url| ("registry".to_owned(), url.clone()));
    let flags: Vec<(String, String)> = npm.typed.iter().cloned().chain(registry).collect();
    let config = Config::load(&project, &env, &flags)?;
    warn_of_unused(&config, renderer);
    // A date that is none is a mistake even in a run that never needs it.
    config.before(0)?;
    config.limits()?;
    let store = store(global, &env)?;
    Ok(Session {
        project,
        config,
        store,
        host: Target::host(None, None),
        reporter: Arc::clone(renderer) as _,
    })
}

/// Names the keys of the project's `.npmrc` that have no effect.
fn warn_of_unused(config: &Config, renderer: &Renderer) {
    const KEYS_A_LINE: usize = 12;
    for keys in config.unused().chunks(KEYS_A_LINE) {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let keys = keys.join(", ");
        let message = format!("not used from the project's .npmrc: {keys}; ~/.npmrc may set it");
        renderer.warn("EPROJECTCONFIG", &message);
    }
}

/// The folder that a typed lock or project means, and the lock's file name when one was named.
pub fn lock_place(typed: Option<&Path>) -> Result<(PathBuf, Option<String>), Failure> {
    let Some(typed) = typed else {
        return Ok((project(Path::new("."))?, None));
    };
    let missing = |_| Failure {
        code: "ENOENT".to_owned(),
        ..Failure::usage(
            format!("there is nothing at `{}`", typed.display()),
            "name a lock file, or a project folder that has one",
        )
    };
    let path = typed.canonicalize().map_err(missing)?;
    if path.is_dir() {
        return Ok((path, None));
    }
    // The name as typed: a symbolic link's own counts.
    let name = typed.file_name().and_then(|name| name.to_str());
    let folder = typed.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new(".")).canonicalize();
    Ok((folder.map_err(missing)?, name.map(str::to_owned)))
}

/// The project that `start` lies in, as npm finds it: the nearest folder upwards with a
/// package.json or `node_modules`, or the project whose workspace that is. `start` itself when there
/// is none.
pub fn project(start: &Path) -> Result<PathBuf, SessionError> {
    let start = start
        .canonicalize()
        .map_err(|_| SessionError::NoProject(start.to_owned()))?;
    let is_project = |folder: &&Path| {
        folder.join("package.json").is_file() || folder.join("node_modules").is_dir()
    };
    let Some(nearest) = start.ancestors().find(is_project) else {
        return Ok(start);
    };
    let owner = nearest
        .ancestors()
        .skip(1)
        .find(|above| owns(above, nearest));
    Ok(owner.unwrap_or(nearest).to_owned())
}

/// Is `folder` a workspace of the project at `above`? A broken manifest up there owns nothing.
fn owns(above: &Path, folder: &Path) -> bool {
    let Ok(file) = manifest::read(above) else {
        return false;
    };
    workspaces(above, &file.manifest)
        .unwrap_or_default()
        .iter()
        .any(|workspace| Path::new(&workspace.path) == folder)
}

/// This machine, with the Node and npm that were named or found.
fn host(
    runtime: &Runtime,
    env: &BTreeMap<String, String>,
    store: &Path,
    renderer: &Renderer,
) -> Target {
    let found = || node::version(env, store);
    let node = runtime.node_version.clone().or_else(found);
    if node.is_none() {
        let message = "there is no `node` on PATH, so `engines.node` is not looked at; --node-version names one";
        renderer.warn("ENONODE", message);
    }
    Target::host(node, Some(runtime.npm_version.clone()))
}

/// How to resolve, as flags and files say.
fn options(session: &Session, update: Update, save: bool) -> Result<Options, Failure> {
    let config = &session.config;
    let on = |key: &str| config.flag(key).unwrap_or(false);
    let generation = Generation::of(session.host.npm.as_ref());
    Ok(Options {
        rules: Rules {
            legacy_peer_deps: on("legacy-peer-deps"),
            install_links: on("install-links"),
            generation,
            allowed: Allowed::find(config, generation)?,
        },
        strategy: strategy(config)?,
        force: on("force"),
        strict_peer_deps: on("strict-peer-deps"),
        prefer_dedupe: on("prefer-dedupe"),
        engine_strict: on("engine-strict"),
        omit: omit(config),
        update,
        optional_target: optional_target(session),
        save,
        ..Options::new(session.host.clone())
    })
}

fn strategy(config: &Config) -> Result<Strategy, Failure> {
    let on = |key: &str| config.flag(key).unwrap_or(false);
    match config.text("install-strategy") {
        _ if on("legacy-bundling") => Ok(Strategy::Nested),
        _ if on("global-style") => Ok(Strategy::Shallow),
        // The lock of a linked tree is the hoisted one.
        None | Some("" | "hoisted" | "linked") => Ok(Strategy::Hoisted),
        Some("nested") => Ok(Strategy::Nested),
        Some("shallow") => Ok(Strategy::Shallow),
        Some(other) => Err(Failure::usage(
            format!("heatseal has no install strategy `{other}`"),
            "set install-strategy to hoisted, nested, shallow or linked",
        )),
    }
}

/// What flags and files leave out.
pub fn omit(config: &Config) -> Omit {
    let omitted = config.omitted();
    Omit {
        dev: omitted.contains(&"dev"),
        optional: omitted.contains(&"optional"),
        peer: omitted.contains(&"peer"),
    }
}

/// `os`, `cpu` and `libc` choose the target of optional packages.
fn optional_target(session: &Session) -> Target {
    let configured = |key: &str| {
        let text = session
            .config
            .text(key)
            .filter(|text| !matches!(*text, "" | "null"))?;
        Some(text.to_owned())
    };
    let host = session.host.clone();
    let libc = configured("libc").map(|name| {
        let family = [LibcFamily::Glibc, LibcFamily::Musl];
        let family = family.into_iter().find(|family| family.name() == name)?;
        Some(Libc {
            family,
            version: None,
        })
    });
    Target {
        os: configured("os").unwrap_or(host.os),
        cpu: configured("cpu").unwrap_or(host.cpu),
        libc: libc.unwrap_or(host.libc),
        ..host
    }
}

/// What `heatseal shrinkwrap` is asked to do.
pub fn shrinkwrap_request(
    args: &Shrinkwrap,
    session: &Session,
) -> Result<ShrinkwrapRequest, Failure> {
    let update = match &args.update {
        None => Update::Nothing,
        Some(names) if names.is_empty() => Update::Everything,
        Some(names) => Update::Names(names.clone()),
    };
    let version = session.config.text("lockfile-version");
    let version = version.and_then(|text| text.parse().ok());
    Ok(ShrinkwrapRequest {
        lockfile: args.lockfile.clone(),
        lockfile_version: version.filter(|version| (1..=3).contains(version)),
        writing: if args.check || args.dry_run {
            Writing::Compare
        } else {
            Writing::Write
        },
        from: args.from.clone(),
        completes: args.fix_platforms,
        options: options(session, update, true)?,
    })
}

/// How `heatseal merge` resolves: as `heatseal shrinkwrap` would.
pub fn merge_options(session: &Session) -> Result<Options, Failure> {
    options(session, Update::Nothing, true)
}

/// The folder that chooses a workspace: as with npm, but not for an install that also locks, which
/// keeps the whole project in order wherever it is started.
fn started_in(frozen: bool) -> Option<PathBuf> {
    frozen.then(|| std::env::current_dir().ok()).flatten()
}

/// What `heatseal install` and `heatseal ci` are asked to do.
pub fn install_request(
    frozen: bool,
    args: &Installing,
    session: &Session,
) -> Result<InstallRequest, Failure> {
    let config = &session.config;
    Ok(InstallRequest {
        frozen,
        omit: omit(config),
        part: parts::part(&args.parts, session, started_in(frozen).as_deref())?,
        scripts: match args.scripts {
            _ if config.flag("ignore-scripts").unwrap_or(false) => Scripts::Ignored,
            Whose::Npm => Scripts::AsNpm,
            Whose::Allowed => Scripts::Allowed,
        },
        target: args.target.clone().map(Target::with_libc),
        allow_scripts: args.allow_scripts.clone(),
        allow_missing_integrity: args.allow_missing_integrity,
        allow_without_binary: args.allow_without_binary.clone(),
        bin_links: config.flag("bin-links").unwrap_or(true),
        isolated: config.text("install-strategy") == Some("linked"),
        dry_run: args.dry_run,
        inspect: args.inspect,
        strict_platform: args.strict_platform,
        link_mode: match args.link_mode {
            Linking::Auto => LinkMode::Auto,
            Linking::Reflink => LinkMode::Reflink,
            Linking::Hardlink => LinkMode::Hardlink,
            Linking::Copy => LinkMode::Copy,
        },
        preparing: Vec::new(),
        options: options(session, Update::Nothing, !frozen)?,
    })
}

/// How `heatseal platforms` fetches, and what it leaves out: as a frozen install does.
pub fn platforms_request(session: &Session) -> Result<InstallRequest, Failure> {
    let config = &session.config;
    Ok(InstallRequest {
        frozen: true,
        omit: omit(config),
        part: Part::Whole,
        scripts: Scripts::Ignored,
        allow_scripts: Vec::new(),
        target: None,
        allow_missing_integrity: true,
        allow_without_binary: Vec::new(),
        bin_links: false,
        isolated: config.text("install-strategy") == Some("linked"),
        dry_run: true,
        inspect: false,
        strict_platform: false,
        link_mode: LinkMode::Auto,
        preparing: Vec::new(),
        options: options(session, Update::Nothing, false)?,
    })
}

/// What `heatseal verify` is asked to hold the tree against: a frozen install.
pub fn verify_request(args: &Verify, session: &Session) -> Result<InstallRequest, Failure> {
    Ok(InstallRequest {
        part: parts::part(&args.parts, session, started_in(true).as_deref())?,
        scripts: Scripts::Allowed,
        target: args.target.clone().map(Target::with_libc),
        allow_missing_integrity: args.allow_missing_integrity,
        bin_links: session.config.flag("bin-links").unwrap_or(true),
        ..platforms_request(session)?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn put(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn global(store_dir: Option<&str>) -> Global {
        Global {
            directory: None,
            quiet: true,
            store_dir: store_dir.map(PathBuf::from),
            registry: None,
        }
    }

    #[test]
    fn a_folder_inside_a_project_belongs_to_it_and_a_workspace_to_its_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        put(&root, "package.json", r#"{"workspaces": ["packages/*"]}"#);
        put(&root, "packages/a/package.json", "{}");
        put(&root, "packages/a/src/x.js", "");
        put(&root, "alone/package.json", "{}");
        assert_eq!(project(&root.join("packages/a/src")).unwrap(), root);
        assert_eq!(project(&root.join("alone")).unwrap(), root.join("alone"));
    }

    #[test]
    fn the_store_is_named_by_flag_then_variable_then_cache() {
        let env = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let full = env(&[
            ("HEATSEAL_STORE_DIR", "/v"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
        ]);
        let found = |flag, env: &BTreeMap<String, String>| store(&global(flag), env).unwrap();
        assert_eq!(found(Some("/f"), &full), Path::new("/f"));
        assert_eq!(found(None, &full), Path::new("/v"));
        let cache = env(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]);
        assert_eq!(found(None, &cache), Path::new("/x/heatseal"));
        let home = env(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")]);
        assert_eq!(
            found(None, &home),
            Path::new("/h").join(CACHE_FOLDER).join("heatseal")
        );
        assert!(store(&global(None), &env(&[])).is_err());
    }
}
