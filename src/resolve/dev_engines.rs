//! The project's `devEngines`: what its developers must work with.
//!
//! Source: npm-install-checks' `dev-engines.js`.

use serde_json::{Map, Value};

use super::Options;
use super::error::ResolveError;
use crate::json;
use crate::manifest::Manifest;
use crate::spec::{Mode, Prerelease, Range};
use crate::target::{PlatformField, Target};

const ENGINES: [&str; 5] = ["packageManager", "runtime", "cpu", "libc", "os"];
const REACTIONS: [&str; 4] = ["ignore", "warn", "error", "download"];

/// Holds the host against the manifest's `devEngines`; returns warnings.
///
/// - Errors: [`ResolveError::DevEngines`] for a shape that npm refuses, and, without `--force`, for
///   an engine none of whose alternatives fits and whose last one does not say `warn` or `ignore`.
pub fn check(
    manifest: &Manifest,
    options: &Options,
) -> Result<Vec<(&'static str, String)>, ResolveError> {
    let Some(wanted) = manifest.fields.get("devEngines") else {
        return Ok(Vec::new());
    };
    let mut warnings = Vec::new();
    let Value::Object(wanted) = wanted else {
        return Err(shape("Invalid non-object value for \"devEngines\""));
    };
    for (engine, alternatives) in wanted {
        if !ENGINES.contains(&engine.as_str()) {
            return Err(shape(format!("Invalid property \"devEngines.{engine}\"")));
        }
        let alternatives = match alternatives {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut flaws = Vec::new();
        for alternative in alternatives {
            flaws.extend(flaw(engine, alternative, &options.host)?);
        }
        let Some(last) = alternatives
            .last()
            .filter(|_| flaws.len() == alternatives.len())
        else {
            continue;
        };
        let message = format!("Invalid devEngines.{engine}\n{}", flaws.join("\n"));
        match last.get("onFail").and_then(Value::as_str) {
            Some("ignore") => {}
            Some("warn") => warnings.push(("EBADDEVENGINES", message)),
            _ if options.force => warnings.push(("EBADDEVENGINES", message)),
            _ => {
                return Err(ResolveError::DevEngines {
                    code: "EBADDEVENGINES",
                    message,
                });
            }
        }
    }
    Ok(warnings)
}

fn shape(message: impl Into<String>) -> ResolveError {
    ResolveError::DevEngines {
        code: "",
        message: message.into(),
    }
}

/// Why one alternative does not fit; an error when it cannot be read.
fn flaw(engine: &str, wanted: &Value, host: &Target) -> Result<Option<String>, ResolveError> {
    let Value::Object(wanted) = wanted else {
        return Err(shape(format!("Invalid non-object value for \"{engine}\"")));
    };
    let name = check_shape(engine, wanted)?;
    let (current, version) = current(engine, host);
    let Some(current) = current else {
        return Err(shape(format!(
            "Unable to determine \"name\" for \"{engine}\""
        )));
    };
    if name != current {
        return Ok(Some(format!(
            "Invalid name \"{name}\" does not match \"{current}\" for \"{engine}\""
        )));
    }
    let Some(text) = wanted.get("version") else {
        return Ok(None);
    };
    let Some(text) = text.as_str() else {
        return Err(shape(format!(
            "Invalid non-string value for \"version\" within \"{engine}\""
        )));
    };
    let Some(version) = version else {
        return Err(shape(format!(
            "Unable to determine \"version\" for \"{engine}\" \"{name}\""
        )));
    };
    let fits = match Range::parse(text, Mode::Strict) {
        Some(range) => range.satisfies(version, Prerelease::Strict),
        None => text == version.to_string(),
    };
    Ok((!fits).then(|| {
        format!("Invalid semver version \"{text}\" does not match \"{version}\" for \"{engine}\"")
    }))
}

/// The wanted name, when the object is one that npm reads.
fn check_shape<'a>(engine: &str, wanted: &'a Map<String, Value>) -> Result<&'a str, ResolveError> {
    for property in wanted.keys() {
        if !["name", "version", "onFail"].contains(&property.as_str()) {
            return Err(shape(format!(
                "Invalid property \"{property}\" for \"{engine}\""
            )));
        }
    }
    let Some(name) = wanted.get("name") else {
        return Err(shape(format!("Missing \"name\" property for \"{engine}\"")));
    };
    let Some(name) = name.as_str() else {
        let found = json::kind(name);
        return Err(shape(format!("Invalid name ({found}) within \"{engine}\"")));
    };
    let reaction = wanted.get("onFail");
    if let Some(reaction) = reaction
        && !reaction
            .as_str()
            .is_some_and(|text| REACTIONS.contains(&text))
    {
        return Err(shape(format!(
            "Invalid onFail value {reaction} for \"{engine}\""
        )));
    }
    Ok(name)
}

/// What there is: heatseal takes npm's place.
fn current<'a>(engine: &str, host: &'a Target) -> (Option<&'a str>, Option<&'a semver::Version>) {
    match engine {
        "runtime" => (Some("node"), host.node.as_ref()),
        "packageManager" => (Some("npm"), host.npm.as_ref()),
        "cpu" => (host.value(PlatformField::Cpu), None),
        "libc" => (host.value(PlatformField::Libc), None),
        _ => (host.value(PlatformField::Os), None),
    }
}
