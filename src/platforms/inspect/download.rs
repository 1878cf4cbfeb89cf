//! Where prebuild-install and node-pre-gyp would download from.

use serde_json::{Map, Value};

use super::bytes::clipped;
use crate::platforms::facts::Download;

/// Parts of an address are cut here, and the whole.
const LONGEST_PART: usize = 512;
const LONGEST: usize = 2048;

/// prebuild-install's address: what is known of the package is filled in, the rest left open.
///
/// Source: `util.js` and `rc.js` of prebuild-install 7; settings of the environment do not count.
pub fn prebuild_install(manifest: &Map<String, Value>, arguments: &[String]) -> Download {
    let option = |names: &[&str]| option(arguments, names);
    let config = |key: &str| Some(manifest.get("config")?.get(key)?.as_str()?.to_owned());
    let binary =
        |key: &str| Some(clipped(manifest.get("binary")?.get(key)?.as_str()?, LONGEST).to_owned());
    let runtime = option(&["-r", "--runtime"]).or_else(|| config("runtime"));
    let runtime = runtime.unwrap_or_else(|| "node".to_owned());
    let prefix = option(&["--tag-prefix"]).unwrap_or_else(|| "v".to_owned());
    let file = "{name}-v{version}-{runtime}-v{abi}-{platform}{libc}-{arch}.tar.gz";
    let template =
        if let Some(template) = option(&["-d", "--download"]).filter(|url| url.contains(':')) {
            template
        } else if let Some(host) = binary("host").filter(|host| !host.is_empty()) {
            let file = binary("package_name").unwrap_or_else(|| file.to_owned());
            let parts = [host, binary("remote_path").unwrap_or_default(), file];
            let parts = parts.iter().map(|part| trimmed(part));
            let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
            parts.join("/")
        } else {
            let repository = repository(manifest).unwrap_or_default();
            format!("{repository}/releases/download/{{tag_prefix}}{{version}}/{file}")
        };
    let own = [
        ("runtime", runtime.as_str()),
        ("tag_prefix", &prefix),
        ("configuration", "Release"),
    ];
    let napi = runtime == "napi";
    Download {
        url: filled(&template, manifest, bare_name(manifest), &own),
        napi_versions: if napi {
            napi_versions(manifest)
        } else {
            Vec::new()
        },
        falls_back_to_build: false,
    }
}

/// node-pre-gyp's address, in the same way.
///
/// Source: `lib/util/versioning.js` of node-pre-gyp 1.
pub fn node_pre_gyp(manifest: &Map<String, Value>) -> Download {
    let binary =
        |key: &str| Some(clipped(manifest.get("binary")?.get(key)?.as_str()?, LONGEST).to_owned());
    let host = binary("host").unwrap_or_default();
    let file = "{module_name}-v{version}-{node_abi}-{platform}-{arch}.tar.gz";
    let file = binary("package_name").unwrap_or_else(|| file.to_owned());
    let mut remote = binary("remote_path").unwrap_or_default();
    while remote.contains("//") {
        remote = remote.replace("//", "/");
    }
    let parts = [
        host.trim_end_matches('/'),
        remote.trim_start_matches("./").trim_matches('/'),
        &file,
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let name = manifest
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let own = [("configuration", "Release"), ("toolset", "")];
    Download {
        url: filled(&parts.join("/"), manifest, name, &own),
        napi_versions: napi_versions(manifest),
        falls_back_to_build: false,
    }
}

/// `value` of `--name value`, `--name=value` or `-nvalue`.
fn option(arguments: &[String], names: &[&str]) -> Option<String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        for name in names {
            match argument.strip_prefix(name) {
                Some("") => return arguments.next().cloned(),
                Some(rest) if rest.starts_with('=') => return Some(rest[1..].to_owned()),
                Some(rest) if !name.starts_with("--") => return Some(rest.to_owned()),
                _ => {}
            }
        }
    }
    None
}

/// Source: `trimSlashes` of prebuild-install.
fn trimmed(part: &str) -> &str {
    let part = part
        .strip_prefix("./")
        .or_else(|| part.strip_prefix('/'))
        .unwrap_or(part);
    part.strip_suffix('/').unwrap_or(part)
}

fn bare_name(manifest: &Map<String, Value>) -> &str {
    let name = manifest
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    match name
        .strip_prefix('@')
        .and_then(|scoped| scoped.split_once('/'))
    {
        Some((_, bare)) => bare,
        None => name,
    }
}

/// `https://github.com/owner/name` of the manifest's repository, else of anything in it.
///
/// Source: the package `github-from-package`.
fn repository(manifest: &Map<String, Value>) -> Option<String> {
    let field = manifest.get("repository").map(Value::to_string);
    let whole = || serde_json::to_string(manifest).ok();
    field
        .as_deref()
        .and_then(on_github)
        .or_else(|| on_github(&whole()?))
}

fn on_github(text: &str) -> Option<String> {
    const HOST: &str = "github.com";
    text.match_indices(HOST).find_map(|(at, _)| {
        let path = clipped(&text[at + HOST.len()..], LONGEST_PART);
        let path = path.strip_prefix([':', '/'])?;
        let (owner, rest) = path.split_once('/')?;
        let end = rest.find(['/', '"']).unwrap_or(rest.len());
        let name = &rest[..end];
        let name = name.strip_suffix(".git").unwrap_or(name);
        let plain = !owner.is_empty() && !owner.contains('"') && !name.is_empty();
        plain.then(|| format!("https://{HOST}/{owner}/{name}"))
    })
}

fn napi_versions(manifest: &Map<String, Value>) -> Vec<u32> {
    let versions = manifest
        .get("binary")
        .and_then(|binary| binary.get("napi_versions"));
    let versions = versions.and_then(Value::as_array).into_iter().flatten();
    let versions = versions.filter_map(|version| u32::try_from(version.as_u64()?).ok());
    versions.take(64).collect()
}

/// Puts in what depends on the package alone.
fn filled(
    template: &str,
    manifest: &Map<String, Value>,
    name: &str,
    own: &[(&str, &str)],
) -> String {
    let version = manifest
        .get("version")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = plain.split('.');
    let mut number = || numbers.next().unwrap_or_default();
    let (major, minor, patch) = (number(), number(), number());
    let module = manifest
        .get("binary")
        .and_then(|binary| binary.get("module_name")?.as_str());
    let known = [
        ("name", name),
        ("package_name", name),
        ("version", version),
        ("major", major),
        ("minor", minor),
        ("patch", patch),
        ("module_name", module.unwrap_or_default()),
    ];
    let mut url = clipped(template, LONGEST).to_owned();
    for (key, value) in known.iter().chain(own) {
        url = url.replace(&format!("{{{key}}}"), clipped(value, LONGEST_PART));
        url.truncate(clipped(&url, LONGEST).len());
    }
    url.chars().filter(|char| !char.is_control()).collect()
}
