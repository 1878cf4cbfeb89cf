//! How a package gets its native code: what its install scripts run, and what its loader looks for.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::download;
use super::manifest::{self, EVENTS};
use super::package::Package;
use super::signs;
use super::steps::{Step, steps};
use crate::platforms::facts::{Binary, Recipe};

/// `npm run` inside `npm run` is followed so far.
const DEEPEST: usize = 4;
/// Commands that are looked at, and scripts that are opened, of one package.
const MOST_STEPS: usize = 512;
const MOST_OPENED: usize = 12;

/// In the order in which the package tries them: scripts at the install, then loaders.
pub fn recipes(
    package: &Package<'_>,
    manifest: &Map<String, Value>,
    binaries: &[Binary],
) -> Vec<Recipe> {
    let mut found = Found {
        package,
        manifest,
        recipes: Vec::new(),
        steps_left: Cell::new(MOST_STEPS),
        opened_left: Cell::new(MOST_OPENED),
    };
    let scripts = manifest::scripts(manifest);
    for event in EVENTS {
        if let Some((_, script)) = scripts.iter().find(|(name, _)| name == event) {
            found.script(event, script, 0);
        }
        // npm builds what has a binding.gyp and says nothing else.
        if event == "install" && npm_builds(package, manifest, &scripts) {
            found.add(Recipe::NodeGyp);
        }
    }
    let prebuilt = binaries
        .iter()
        .any(|binary| binary.path.starts_with("prebuilds/"));
    if prebuilt && depends_on_a_picker(manifest) {
        found.add(Recipe::NodeGypBuild);
    }
    if has_loader(package, manifest) {
        found.add(Recipe::NapiLoader);
    }
    found.recipes
}

/// Source: `@npmcli/run-script` and `set-path` of npm: `gypfile: false` keeps it from building.
fn npm_builds(
    package: &Package<'_>,
    manifest: &Map<String, Value>,
    scripts: &[(String, String)],
) -> bool {
    let told = scripts.iter().any(|(event, _)| event != "postinstall");
    !told && manifest.get("gypfile") != Some(&Value::Bool(false)) && package.has("binding.gyp")
}

/// Loaders that choose among the folders of `prebuilds/`.
fn depends_on_a_picker(manifest: &Map<String, Value>) -> bool {
    let dependencies = manifest.get("dependencies").and_then(Value::as_object);
    let pickers = [
        "node-gyp-build",
        "node-gyp-build-optional-packages",
        "pkg-prebuilds",
    ];
    dependencies.is_some_and(|names| pickers.iter().any(|picker| names.contains_key(*picker)))
}

struct Found<'a> {
    package: &'a Package<'a>,
    manifest: &'a Map<String, Value>,
    recipes: Vec<Recipe>,
    steps_left: Cell<usize>,
    opened_left: Cell<usize>,
}

/// One less, while there are some.
fn spend(left: &Cell<usize>) -> bool {
    let before = left.get();
    left.set(before.saturating_sub(1));
    before > 0
}

impl Found<'_> {
    fn add(&mut self, recipe: Recipe) {
        if !self.recipes.contains(&recipe) {
            self.recipes.push(recipe);
        }
    }

    fn script(&mut self, event: &str, script: &str, depth: usize) {
        let steps = steps(script);
        for (at, step) in steps.iter().enumerate() {
            let later = steps.get(at + 1..).unwrap_or_default();
            self.step(event, step, later, depth);
        }
    }

    fn step(&mut self, event: &str, step: &Step, later: &[Step], depth: usize) {
        if !spend(&self.steps_left) {
            return;
        }
        match &*step.program {
            "" | "true" | "exit" | "echo" | ":" | "cd" => {}
            "node-gyp-build" | "node-gyp-build-optional-packages" | "pkg-prebuilds-verify" => {
                self.add(Recipe::NodeGypBuild);
            }
            "node-gyp" => self.add(Recipe::NodeGyp),
            "cmake-js" => self.add(Recipe::CmakeJs),
            "neon" | "cargo" | "cargo-cp-artifact" | "napi" => self.add(Recipe::Neon),
            "prebuild-install" => {
                let mut download = download::prebuild_install(self.manifest, &step.arguments);
                download.falls_back_to_build = later.iter().any(|step| self.builds(step, depth));
                self.add(Recipe::PrebuildInstall(download));
            }
            "node-pre-gyp" | "@mapbox/node-pre-gyp" => self.node_pre_gyp(step, later, depth),
            "npm" | "yarn" | "pnpm" | "npm-run-all" | "run-s" => match self.named_script(step) {
                Some(script) if depth < DEEPEST => self.script(event, &script, depth + 1),
                _ => self.custom(event, &step.text),
            },
            _ => self.custom(event, &step.text),
        }
    }

    fn node_pre_gyp(&mut self, step: &Step, later: &[Step], depth: usize) {
        let says = |word: &str| step.arguments.iter().any(|argument| argument == word);
        if !says("install") && !says("reinstall") {
            return self.add(Recipe::NodeGyp);
        }
        let mut download = download::node_pre_gyp(self.manifest);
        let falls_back = says("--fallback-to-build") || says("--fallback-to-build=true");
        download.falls_back_to_build =
            falls_back || later.iter().any(|step| self.builds(step, depth));
        self.add(Recipe::NodePreGyp(download));
        if falls_back {
            self.add(Recipe::NodeGyp);
        }
    }

    /// Does a step compile something?
    fn builds(&self, step: &Step, depth: usize) -> bool {
        if !spend(&self.steps_left) {
            return false;
        }
        match &*step.program {
            "node-gyp" | "cmake-js" | "node-gyp-build" | "neon" | "cargo" | "napi" => true,
            "node-pre-gyp" => step
                .arguments
                .iter()
                .any(|word| word == "build" || word == "rebuild"),
            "npm" | "yarn" | "pnpm" if depth < DEEPEST => {
                let script = self.named_script(step);
                let inner = script.map(|script| steps(&script)).unwrap_or_default();
                inner.iter().any(|step| self.builds(step, depth + 1))
            }
            "node" => {
                let mut signs = self.signs(&step.text).into_iter();
                signs.any(|sign| sign == "node-gyp" || sign == "cmake")
            }
            _ => false,
        }
    }

    /// What `npm run NAME` runs, or a tool that npm runs by itself.
    fn named_script(&self, step: &Step) -> Option<String> {
        let mut words = step.arguments.iter().filter(|word| !word.starts_with('-'));
        let first = words.next()?;
        let name = match first.as_str() {
            "run" | "run-script" => words.next()?,
            "rebuild" | "install" | "exec" | "add" => return None,
            _ => first,
        };
        let scripts = self.manifest.get("scripts")?.as_object()?;
        let around = ["pre", "", "post"].map(|prefix| format!("{prefix}{name}"));
        let texts = around.iter().filter_map(|name| scripts.get(name)?.as_str());
        let texts: Vec<&str> = texts.collect();
        (!texts.is_empty()).then(|| texts.join(" && "))
    }

    fn signs(&self, command: &str) -> Vec<String> {
        if spend(&self.opened_left) {
            signs::of_command(self.package, command)
        } else {
            Vec::new()
        }
    }

    /// One recipe for each event: what its unknown commands show.
    fn custom(&mut self, event: &str, command: &str) {
        let found = self.signs(command);
        let known = self.recipes.iter_mut().find_map(|recipe| match recipe {
            Recipe::Custom {
                event: known,
                signs,
            } if known == event => Some(signs),
            _ => None,
        });
        if let Some(signs) = known {
            signs.extend(found);
            let mut seen = Vec::new();
            signs.retain(|sign| {
                !seen.contains(sign) && {
                    seen.push(sign.clone());
                    true
                }
            });
        } else {
            let event = event.to_owned();
            self.recipes.push(Recipe::Custom {
                event,
                signs: found,
            });
        }
    }
}

/// A loader that takes a file of its own or a package by the names of system and processor: those of
/// napi-rs and their like. Only where the manifest hints at it are files read.
fn has_loader(package: &Package<'_>, manifest: &Map<String, Value>) -> bool {
    let napi = manifest.get("napi").is_some_and(Value::is_object);
    let optional = manifest
        .get("optionalDependencies")
        .and_then(Value::as_object);
    let bound = optional.into_iter().flat_map(Map::keys).filter(|name| {
        let mut words = name.split(['-', '/', '.', '_']);
        words.any(|word| ["linux", "darwin", "win32", "freebsd", "linuxmusl"].contains(&word))
    });
    if !napi && bound.take(2).count() < 2 {
        return false;
    }
    let main = manifest.get("main").and_then(Value::as_str);
    let named = ["index", "binding", "native"];
    let candidates = main.into_iter().chain(named).map(str::to_owned);
    let code = signs::followed(package, candidates.collect());
    code.iter().any(|code| chooses(code))
}

/// Does the code look at system and processor?
fn chooses(code: &str) -> bool {
    let says = |words: &[&str]| words.iter().any(|word| code.contains(word));
    says(&["process.platform", "platform()", "platform, arch"])
        && says(&["process.arch", "arch()", "platform, arch"])
}
