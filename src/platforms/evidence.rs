//! What a verdict rests on, in one line and as a JSON object.

use std::fmt;

use serde_json::{Map, Value, json};

use super::facts::{Binary, Slice};
use super::fit::{Misfit, needs};
use super::judge::is_host;
use crate::target::PlatformField;

/// One reason for a verdict, with the place where it can be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The lock's entry allows the target, or these fields of it exclude it.
    Declared(Vec<(PlatformField, Vec<String>)>),
    /// `engines.node` excludes the target's Node.
    Engines(String),
    /// A member of the family that is for the target, in the lock at `location`.
    Member { id: String, location: String },
    /// Members for the target that the lock lacks.
    Absent(Vec<String>),
    /// None of this many members is for the target.
    NoMember(usize),
    /// A file of a package runs there, or does not.
    File(File),
    /// `prebuilds/` has nothing for the target.
    NoPrebuild,
    /// It is compiled when it is installed.
    Builds(Tool),
    /// An install script fetches the binary.
    Downloads {
        tool: Tool,
        url: String,
        /// The same with what the target decides left open.
        template: String,
    },
    /// The tool has builds for these versions of Node-API only.
    NoDownload { tool: Tool, node_apis: Vec<u32> },
    /// A script of the tarball, and the words in it that tell what it does.
    Script {
        event: String,
        command: String,
        signs: Vec<String>,
    },
    /// The lock says that there is an install script; the tarball was not opened.
    HasInstallScript,
}

/// A compiled file and what it asks of its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// `name@version` of the package that ships it.
    pub package: String,
    pub path: String,
    /// What it needs, where it runs.
    pub needs: String,
    pub misfit: Option<Misfit>,
}

/// What gets or makes a binary at the install.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    NodeGyp,
    CmakeJs,
    Neon,
    PrebuildInstall,
    NodePreGyp,
    /// A script of the package's own.
    Own,
}

/// Signs of a script that are shown.
const MOST_SIGNS: usize = 6;

impl File {
    pub fn runs(package: &str, binary: &Binary, slice: Option<&Slice>) -> Self {
        Self {
            package: package.to_owned(),
            path: binary.path.clone(),
            needs: needs(binary, slice),
            misfit: None,
        }
    }

    pub fn fails(package: &str, binary: &Binary, misfit: Misfit) -> Self {
        Self {
            package: package.to_owned(),
            path: binary.path.clone(),
            needs: needs(binary, binary.slices.first()),
            misfit: Some(misfit),
        }
    }
}

impl Tool {
    pub fn name(self) -> &'static str {
        match self {
            Self::NodeGyp => "node-gyp",
            Self::CmakeJs => "cmake-js",
            Self::Neon => "neon",
            Self::PrebuildInstall => "prebuild-install",
            Self::NodePreGyp => "node-pre-gyp",
            Self::Own => "a script of its own",
        }
    }

    fn toolchain(self) -> &'static str {
        match self {
            Self::NodeGyp | Self::PrebuildInstall | Self::NodePreGyp => {
                "Python, make and a C++ compiler"
            }
            Self::CmakeJs => "CMake and a C++ compiler",
            Self::Neon => "Rust",
            Self::Own => "what it asks for",
        }
    }
}

/// The host of an address; the address itself where it has none.
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

impl Evidence {
    /// The word in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Declared(_) => "declared",
            Self::Engines(_) => "engines",
            Self::Member { .. } => "member",
            Self::Absent(_) => "absent",
            Self::NoMember(_) => "no-member",
            Self::File(_) => "file",
            Self::NoPrebuild => "no-prebuild",
            Self::Builds(_) => "builds",
            Self::Downloads { .. } => "downloads",
            Self::NoDownload { .. } => "no-download",
            Self::Script { .. } => "script",
            Self::HasInstallScript => "install-script",
        }
    }

    /// The same words for every target that it is said of.
    pub fn brief(&self) -> String {
        match self {
            Self::Downloads { tool, template, .. } => {
                let host = host(template);
                format!("{} fetches from {host}: {template}", tool.name())
            }
            other => other.to_string(),
        }
    }

    /// `kind` and `text`, and by kind what a machine may want to look up.
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
        put("kind", self.kind().into());
        put("text", self.to_string().into());
        match self {
            Self::Declared(fields) => {
                for (field, values) in fields {
                    put(field.name(), json!(values));
                }
            }
            Self::Engines(range) => drop(put("engines", json!({ "node": range }))),
            Self::Member { id, location } => {
                put("package", json!(id));
                put("location", json!(location));
            }
            Self::Absent(names) => drop(put("packages", json!(names))),
            Self::File(file) => {
                put("package", json!(file.package));
                put("path", json!(file.path));
                put("needs", json!(file.needs));
                if let Some(Misfit::Glibc { symbol, .. }) = &file.misfit {
                    put("symbol", json!(symbol));
                }
            }
            Self::Builds(tool) => drop(put("tool", tool.name().into())),
            Self::Downloads { tool, url, .. } => {
                put("tool", tool.name().into());
                put("url", json!(url));
                put("host", json!(host(url)));
            }
            Self::NoDownload { tool, node_apis } => {
                put("tool", tool.name().into());
                put("nodeApis", json!(node_apis));
            }
            Self::Script {
                event,
                command,
                signs,
            } => {
                put("event", json!(event));
                put("command", json!(command));
                put("signs", json!(signs));
                let hosts = signs.iter().filter(|sign| is_host(sign));
                put("hosts", json!(hosts.collect::<Vec<_>>()));
            }
            Self::NoMember(_) | Self::NoPrebuild | Self::HasInstallScript => {}
        }
        object.into()
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declared(fields) if fields.is_empty() => f.write_str("os, cpu and libc allow it"),
            Self::Declared(fields) => {
                let shown = fields
                    .iter()
                    .map(|(field, values)| format!("{} is {}", field.name(), values.join(", ")));
                f.write_str(&shown.collect::<Vec<_>>().join("; "))
            }
            Self::Engines(range) => write!(f, "engines.node is {range}"),
            Self::Member { id, .. } => write!(f, "{id} is in the lock"),
            Self::Absent(names) => write!(f, "the lock lacks {}", names.join(", ")),
            Self::NoMember(size) => write!(f, "none of its {size} prebuilt packages is for it"),
            Self::File(file) => file.fmt(f),
            Self::NoPrebuild => f.write_str("prebuilds/ has nothing for it"),
            Self::Builds(tool) => write!(f, "{} needs {}", tool.name(), tool.toolchain()),
            Self::Downloads { tool, url, .. } => write!(f, "{} fetches {url}", tool.name()),
            Self::NoDownload { tool, node_apis } => {
                let known: Vec<String> = node_apis.iter().map(ToString::to_string).collect();
                let known = known.join(", ");
                write!(f, "{} has builds for Node-API {known} only", tool.name())
            }
            Self::Script {
                event,
                command,
                signs,
            } => {
                write!(f, "{event} runs `{command}`")?;
                if signs.is_empty() {
                    return Ok(());
                }
                let shown = signs.get(..MOST_SIGNS).unwrap_or(signs);
                write!(f, " ({})", shown.join(", "))
            }
            Self::HasInstallScript => f.write_str("it has an install script"),
        }
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.path, self.package)?;
        match &self.misfit {
            None => write!(f, " ({})", self.needs),
            Some(misfit) => write!(f, " {misfit}"),
        }
    }
}
