//! What may be typed after `sbom`.

#![allow(clippy::doc_markdown)] // these comments are help texts, and a terminal shows backticks

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{Kind, target};
use crate::target::Target;

/// Write a bill of materials from the lock: CycloneDX or SPDX
///
/// Lists what the lock would install, with hashes, licences, package URLs and who depends on whom.
/// Nothing is fetched, and node_modules is not looked at. Equal locks give equal bytes: there is no
/// serial number and no time unless asked for (SOURCE_DATE_EPOCH asks for its time).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heatseal sbom > bom.json                          CycloneDX 1.6
  heatseal sbom --format spdx --output bom.spdx.json
  heatseal sbom --omit dev --target linux-x64-musl  what runs in production
  heatseal sbom --serial-number --timestamp         as some registries of such documents demand")]
pub struct Sbom {
    /// A lock file, or a folder with one [default: the project]
    #[arg(value_name = "LOCK|FOLDER")]
    pub path: Option<PathBuf>,
    #[arg(long, visible_alias = "sbom-format", value_enum, value_name = "FORMAT", default_value_t = SbomFormat::Cyclonedx)]
    pub format: SbomFormat,
    /// What the project is
    #[arg(long = "type", visible_alias = "sbom-type", value_enum, value_name = "TYPE", default_value_t = ProjectType::Application)]
    pub project_type: ProjectType,
    /// Leave out dependencies of this kind [default: dev if NODE_ENV is production]
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub omit: Vec<Kind>,
    /// Take dependencies of this kind, whatever --omit says
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',')]
    pub include: Vec<Kind>,
    /// Leave out what is optional and does not run there, such as linux-x64-musl
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub target: Option<Target>,
    /// Give the document a serial number: this one, or a random one
    #[arg(long, value_name = "URN", num_args = 0..=1, require_equals = true, value_parser = urn)]
    #[allow(clippy::option_option)] // not said, said, said with a value
    pub serial_number: Option<Option<String>>,
    /// Give the document a time: this one, in seconds since 1970, or now
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option)]
    pub timestamp: Option<Option<i64>>,
    /// Write to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SbomFormat {
    /// CycloneDX 1.6 JSON
    Cyclonedx,
    /// SPDX 2.3 JSON
    Spdx,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProjectType {
    Application,
    Library,
    Framework,
}

impl ProjectType {
    pub fn word(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Library => "library",
            Self::Framework => "framework",
        }
    }
}

/// A UUID, with or without `urn:uuid:` before it.
fn urn(typed: &str) -> Result<String, String> {
    let uuid = typed
        .strip_prefix("urn:uuid:")
        .unwrap_or(typed)
        .to_ascii_lowercase();
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    let digits = uuid
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if lengths != [8, 4, 4, 4, 12] || !digits {
        return Err("write a UUID, such as 3e671687-395b-41f5-a30f-a58921a69b79".to_owned());
    }
    Ok(format!("urn:uuid:{uuid}"))
}
