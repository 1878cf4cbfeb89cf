//! What becomes of one package on one target, by what its tarball holds.
//!
//! The package's ways to native code are gone through in the order in which it tries them; the first
//! that leads somewhere gives the verdict, and what did not fit before stays as evidence.

use std::path::Path;

use super::Verdict;
use super::evidence::{Evidence, File, Tool};
use super::facts::{Binary, Download, Facts, Kind, Recipe};
use super::fit::{Misfit, fit};
use super::inspect::signs::{ARCHIVES, FETCHING};
use super::prebuilds::{Wanted, choose, prebuild};
use crate::target::{LibcFamily, Target};

/// A verdict and what it rests on, the decisive evidence first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub verdict: Verdict,
    pub evidence: Vec<Evidence>,
}

impl Cell {
    pub fn new(verdict: Verdict, evidence: Evidence) -> Self {
        Self {
            verdict,
            evidence: vec![evidence],
        }
    }

    fn after(mut self, against: Vec<Evidence>) -> Self {
        self.evidence.extend(against);
        self
    }
}

/// Files in such folders are there to be tested with, not to be loaded.
const ASIDE: [&str; 7] = [
    "test",
    "tests",
    "__tests__",
    "spec",
    "fixtures",
    "examples",
    "example",
];

/// The files that the package may load or run in Node.
pub fn used(facts: &Facts) -> impl Iterator<Item = &Binary> {
    facts.binaries.iter().filter(|binary| {
        let mut folders = binary.path.split('/').rev().skip(1);
        let aside = folders.any(|folder| ASIDE.contains(&folder));
        let for_other_runtime = has_extension(binary, "bare") || is_for_electron(&binary.path);
        binary.kind != Kind::Object && !aside && !for_other_runtime
    })
}

fn has_extension(binary: &Binary, wanted: &str) -> bool {
    let extension = Path::new(&binary.path).extension();
    extension.is_some_and(|extension| extension == wanted)
}

/// Does Node load the file? By what it imports, else by its name.
pub fn is_addon(binary: &Binary) -> bool {
    let named = binary.kind == Kind::Library && has_extension(binary, "node");
    named || binary.kind == Kind::Addon
}

/// What the tarball says of the target; `None` when nothing in it is bound to a platform. `id` is
/// the package's `name@version`.
pub fn judge(id: &str, facts: &Facts, target: &Target) -> Option<Cell> {
    let used: Vec<&Binary> = used(facts).collect();
    let mut against = Vec::new();
    for recipe in &facts.recipes {
        let cell = match recipe {
            Recipe::NodeGypBuild | Recipe::NodeGyp | Recipe::CmakeJs | Recipe::Neon => {
                prebuilt(id, &used, target, &mut against).or_else(|| built(recipe, facts))
            }
            Recipe::NapiLoader => shipped(id, &used, target, &mut against),
            Recipe::PrebuildInstall(download) => {
                fetched(Tool::PrebuildInstall, download, target, &mut against)
            }
            Recipe::NodePreGyp(download) => {
                fetched(Tool::NodePreGyp, download, target, &mut against)
            }
            Recipe::Custom { .. } => None,
        };
        if let Some(cell) = cell {
            return Some(cell.after(against));
        }
    }
    // What a loader chose among was looked at already.
    let chosen = facts.recipes.contains(&Recipe::NodeGypBuild);
    let others = used.iter().copied();
    let others = others.filter(|binary| !chosen || prebuild(&binary.path).is_none());
    let others: Vec<&Binary> = others.collect();
    let shipped = shipped(id, &others, target, &mut against);
    let cell = match shipped {
        Some(cell) => Some(cell),
        None => custom(facts).or_else(|| without(&used, &against)),
    };
    cell.map(|cell| cell.after(against))
}

/// The file of `prebuilds/` that node-gyp-build takes, whether or not it runs then.
fn prebuilt(
    id: &str,
    used: &[&Binary],
    target: &Target,
    against: &mut Vec<Evidence>,
) -> Option<Cell> {
    if !used.iter().any(|binary| prebuild(&binary.path).is_some()) {
        return None;
    }
    let chosen = chosen(used, target);
    let evidence = match chosen.map(|binary| (binary, fit(binary, target))) {
        None => Evidence::NoPrebuild,
        Some((binary, Ok(slice))) => {
            let file = Evidence::File(File::runs(id, binary, slice));
            return Some(Cell::new(Verdict::Runs, file));
        }
        Some((binary, Err(misfit))) => Evidence::File(File::fails(id, binary, misfit)),
    };
    if !against.contains(&evidence) {
        against.push(evidence);
    }
    None
}

/// The file of `prebuilds/` that would be taken, whether or not it runs then.
pub(super) fn chosen<'a>(used: &[&'a Binary], target: &Target) -> Option<&'a Binary> {
    let is_musl = target
        .libc
        .is_some_and(|libc| libc.family == LibcFamily::Musl);
    let wanted = Wanted {
        os: &target.os,
        cpu: &target.cpu,
        abi: target.module_version(),
        libc: if is_musl { "musl" } else { "glibc" },
    };
    let path = choose(used.iter().map(|binary| binary.path.as_str()), wanted)?;
    used.iter().find(|binary| binary.path == path).copied()
}

/// Electron is no target: its files count for nothing.
pub(super) fn is_for_electron(path: &str) -> bool {
    let runtime = prebuild(path).and_then(|prebuild| prebuild.runtime);
    runtime.is_some_and(|runtime| runtime != "node")
}

/// node-gyp-build compiles when it runs as a script; as a loader alone it does not.
fn built(recipe: &Recipe, facts: &Facts) -> Option<Cell> {
    let runs_at_install = || {
        let mut scripts = facts.scripts.iter();
        scripts.any(|(_, command)| command.contains("node-gyp-build"))
    };
    let tool = match recipe {
        Recipe::NodeGyp => Tool::NodeGyp,
        Recipe::NodeGypBuild if runs_at_install() => Tool::NodeGyp,
        Recipe::CmakeJs => Tool::CmakeJs,
        Recipe::Neon => Tool::Neon,
        _ => return None,
    };
    Some(Cell::new(Verdict::Builds, Evidence::Builds(tool)))
}

fn fetched(
    tool: Tool,
    download: &Download,
    target: &Target,
    against: &mut Vec<Evidence>,
) -> Option<Cell> {
    let node_apis = &download.napi_versions;
    if let (Some(has), false) = (target.node_api(), node_apis.is_empty())
        && !node_apis.iter().any(|version| *version <= has)
    {
        let node_apis = node_apis.clone();
        against.push(Evidence::NoDownload { tool, node_apis });
        return download
            .falls_back_to_build
            .then(|| Cell::new(Verdict::Builds, Evidence::Builds(tool)));
    }
    let evidence = Evidence::Downloads {
        tool,
        url: filled(tool, download, target),
        template: download.url.clone(),
    };
    Some(Cell::new(Verdict::Downloads, evidence))
}

/// The address with what the target decides filled in.
fn filled(tool: Tool, download: &Download, target: &Target) -> String {
    let has = target.node_api();
    let allowed = |version: &&u32| has.is_none_or(|has| **version <= has);
    let node_api = download.napi_versions.iter().filter(allowed).max();
    let libc = target.libc.map(|libc| libc.family);
    // prebuild-install names musl only.
    let libc = match (tool, libc) {
        (Tool::PrebuildInstall, None | Some(LibcFamily::Glibc)) => Some(String::new()),
        (_, libc) => libc.map(|family| family.name().to_owned()),
    };
    let module_version = target.module_version();
    let node_api = node_api.map(ToString::to_string);
    // Builds for Node-API are named by its version where others have Node's.
    let abi = match (tool, &node_api) {
        (Tool::PrebuildInstall, Some(node_api)) => Some(node_api.clone()),
        _ => module_version.map(|abi| abi.to_string()),
    };
    let node_line = module_version.map(|abi| format!("node-v{abi}"));
    let label = node_api.as_ref().map(|version| format!("napi-v{version}"));
    let values = [
        ("{platform}", Some(target.os.clone())),
        ("{arch}", Some(target.cpu.clone())),
        ("{libc}", libc),
        ("{abi}", abi),
        ("{node_napi_label}", label.or_else(|| node_line.clone())),
        ("{node_abi}", node_line),
        ("{napi_build_version}", node_api),
    ];
    let mut url = download.url.clone();
    for (open, value) in values {
        if let Some(value) = value {
            url = url.replace(open, &value);
        }
    }
    url
}

/// One of the files that lie in the tarball anyway: addons decide, and where there are none, any
/// program or library that runs there.
fn shipped(
    id: &str,
    used: &[&Binary],
    target: &Target,
    against: &mut Vec<Evidence>,
) -> Option<Cell> {
    let has_addons = used.iter().any(|binary| is_addon(binary));
    let mut nearest: Option<(Misfit, &Binary)> = None;
    for binary in used {
        let counts = match binary.kind {
            Kind::Object | Kind::Wasm => false,
            _ => !has_addons || is_addon(binary),
        };
        if !counts {
            continue;
        }
        match fit(binary, target) {
            Ok(slice) => {
                let file = Evidence::File(File::runs(id, binary, slice));
                return Some(Cell::new(Verdict::Runs, file));
            }
            Err(misfit) => {
                if nearest.as_ref().is_none_or(|(known, _)| misfit > *known) {
                    nearest = Some((misfit, binary));
                }
            }
        }
    }
    if let Some((misfit, binary)) = nearest {
        let evidence = Evidence::File(File::fails(id, binary, misfit));
        if !against.contains(&evidence) {
            against.push(evidence);
        }
    }
    None
}

/// Nothing fits, and nothing is tried: an addon is there to be loaded, while a program may be for
/// those systems only that need it.
fn without(used: &[&Binary], against: &[Evidence]) -> Option<Cell> {
    if against.is_empty() {
        return None;
    }
    let has_wasm = used.iter().any(|binary| binary.kind == Kind::Wasm);
    let verdict = if used.iter().any(|binary| is_addon(binary)) && !has_wasm {
        Verdict::CannotRun
    } else {
        Verdict::Uncovered
    };
    Some(Cell {
        verdict,
        evidence: Vec::new(),
    })
}

/// Scripts that may do anything, judged by the signs in them.
fn custom(facts: &Facts) -> Option<Cell> {
    let tells = |verdict: Verdict| match verdict {
        Verdict::Downloads => 2,
        Verdict::Builds => 1,
        _ => 0,
    };
    let mut found: Option<Cell> = None;
    for recipe in &facts.recipes {
        let Recipe::Custom { event, signs } = recipe else {
            continue;
        };
        let script = facts.scripts.iter().find(|(known, _)| known == event);
        let evidence = Evidence::Script {
            event: event.clone(),
            command: script.map(|(_, text)| text.clone()).unwrap_or_default(),
            signs: signs.clone(),
        };
        let cell = Cell::new(by_signs(signs), evidence);
        let better = |known: &Cell| tells(cell.verdict) > tells(known.verdict);
        if found.as_ref().is_none_or(better) {
            found = Some(cell);
        }
    }
    found
}

/// Signs of a script that compiles.
const BUILDING: [&str; 4] = ["node-gyp", "node-gyp-build", "cmake", "cargo"];

fn by_signs(signs: &[String]) -> Verdict {
    let says = |words: &[&str]| signs.iter().any(|sign| words.contains(&sign.as_str()));
    // A host alone may be an address to read more at.
    let fetches = says(&FETCHING) || says(&ARCHIVES);
    if fetches && signs.iter().any(|sign| is_host(sign)) {
        Verdict::Downloads
    } else if says(&BUILDING) {
        Verdict::Builds
    } else {
        Verdict::Script
    }
}

/// Is this sign the host of an address?
pub fn is_host(sign: &str) -> bool {
    sign.contains('.') && !sign.starts_with('.') && !FETCHING.contains(&sign)
}
