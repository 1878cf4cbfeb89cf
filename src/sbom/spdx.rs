//! A bill of materials as SPDX 2.3 JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Bom, Component, Licence, Stamp, date};
use crate::resolve::Kind;

const NO_ASSERTION: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";

/// The document. SPDX demands a time and a namespace of its own: without a stamp the time is the
/// beginning of 1970, and the namespace is made of the content.
pub fn document(bom: &Bom, stamp: &Stamp) -> Value {
    let ids = identifiers(bom);
    let licences = Licences::of(bom);
    let packages = bom.components.iter().enumerate();
    let packages: Vec<Value> = packages
        .map(|(at, component)| {
            let purpose = (at == 0).then_some(stamp.project_type.as_str());
            package(component, &ids[at], purpose, &licences)
        })
        .collect();
    let mut relationships = vec![relationship(DOCUMENT, "DESCRIBES", &ids[0])];
    for (at, component) in bom.components.iter().enumerate() {
        for (to, kind) in &component.dependencies {
            relationships.push(relationship(&ids[*to], word(*kind), &ids[at]));
        }
    }
    let content = json!([&packages, &relationships]).to_string();
    let mut document = Map::new();
    let mut set = |member: &str, value: Value| document.insert(member.to_owned(), value);
    set("spdxVersion", "SPDX-2.3".into());
    set("dataLicense", "CC0-1.0".into());
    set("SPDXID", DOCUMENT.into());
    set("name", bom.components[0].id.clone().into());
    set(
        "documentNamespace",
        namespace(&ids[0], &content, stamp).into(),
    );
    set(
        "creationInfo",
        json!({
            "created": date(stamp.timestamp.unwrap_or(0)),
            "creators": [format!("Tool: heatseal-{}", env!("CARGO_PKG_VERSION"))],
        }),
    );
    set("documentDescribes", json!([ids[0]]));
    set("packages", packages.into());
    set("relationships", relationships.into());
    if !licences.references.is_empty() {
        set("hasExtractedLicensingInfos", licences.extracted());
    }
    document.into()
}

/// An address for this content alone: its hash in a UUID's form (version 8), or the serial number.
fn namespace(project: &str, content: &str, stamp: &Stamp) -> String {
    let serial = stamp.serial_number.as_deref();
    let uuid = serial.map_or_else(
        || uuid_of(blake3::hash(content.as_bytes()).as_bytes(), 8),
        |serial| serial.trim_start_matches("urn:uuid:").to_owned(),
    );
    let project = project.trim_start_matches("SPDXRef-Package-");
    format!("http://spdx.org/spdxdocs/{project}-{uuid}")
}

/// The first 16 bytes as a UUID of a version.
pub fn uuid_of(bytes: &[u8], version: u8) -> String {
    let mut own = [0; 16];
    let length = bytes.len().min(16);
    own[..length].copy_from_slice(&bytes[..length]);
    own[6] = (own[6] & 0x0f) | (version << 4);
    own[8] = (own[8] & 0x3f) | 0x80;
    let number = u128::from_be_bytes(own);
    let hex = format!("{number:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// One for each component: letters, digits, dots and dashes, each once.
fn identifiers(bom: &Bom) -> Vec<String> {
    let mut taken = BTreeMap::new();
    let ids = bom.components.iter().map(|component| {
        let name = component.name.trim_start_matches('@').replace('/', ".");
        let id = format!(
            "SPDXRef-Package-{}-{}",
            plain(&name),
            plain(&component.version)
        );
        let id = id.trim_end_matches('-').to_owned();
        let count = taken.entry(id.clone()).or_insert(0);
        *count += 1;
        match *count {
            1 => id,
            count => format!("{id}.{count}"),
        }
    });
    ids.collect()
}

fn plain(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    text.chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect()
}

/// Licences that are not SPDX's, with the references made up for them.
struct Licences {
    references: BTreeMap<String, String>,
}

impl Licences {
    fn of(bom: &Bom) -> Self {
        let mut references: BTreeMap<String, String> = BTreeMap::new();
        for component in &bom.components {
            let Some(Licence::Name(name)) = &component.licence else {
                continue;
            };
            if references.contains_key(name) {
                continue;
            }
            let start: String = name.chars().take(60).collect();
            let base = format!("LicenseRef-{}", plain(&start));
            let mut reference = base.clone();
            let mut count = 1;
            while references.values().any(|known| *known == reference) {
                count += 1;
                reference = format!("{base}.{count}");
            }
            references.insert(name.clone(), reference);
        }
        Self { references }
    }

    fn declared(&self, licence: Option<&Licence>) -> String {
        match licence {
            None => NO_ASSERTION.to_owned(),
            Some(Licence::Id(text) | Licence::Expression(text)) => text.clone(),
            Some(Licence::Name(name)) => match self.references.get(name) {
                Some(reference) => reference.clone(),
                None => NO_ASSERTION.to_owned(),
            },
        }
    }

    fn extracted(&self) -> Value {
        let infos = self.references.iter().map(|(name, reference)| {
            json!({
                "licenseId": reference,
                "name": name,
                "extractedText": name,
                "comment": "what the package declares; the text itself is in the package",
            })
        });
        infos.collect::<Vec<_>>().into()
    }
}

fn package(component: &Component, id: &str, purpose: Option<&str>, licences: &Licences) -> Value {
    let mut item = Map::new();
    let mut set = |member: &str, value: Value| item.insert(member.to_owned(), value);
    set("name", component.name.clone().into());
    set("SPDXID", id.into());
    if !component.version.is_empty() {
        set("versionInfo", component.version.clone().into());
    }
    if let Some(place) = component
        .locations
        .first()
        .filter(|place| !place.is_empty())
    {
        set("packageFileName", place.clone().into());
    }
    if let Some(description) = &component.description {
        set("description", description.clone().into());
    }
    if let Some(purpose) = purpose {
        set("primaryPackagePurpose", purpose.to_uppercase().into());
    }
    set("downloadLocation", download(component).into());
    set("filesAnalyzed", false.into());
    set("homepage", NO_ASSERTION.into());
    if let Some((algorithm, hex)) = &component.hash {
        let name = algorithm.name().to_uppercase();
        set(
            "checksums",
            json!([{ "algorithm": name, "checksumValue": hex }]),
        );
    }
    set("licenseConcluded", NO_ASSERTION.into());
    set(
        "licenseDeclared",
        licences.declared(component.licence.as_ref()).into(),
    );
    set("copyrightText", NO_ASSERTION.into());
    set(
        "externalRefs",
        json!([{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": component.purl,
        }]),
    );
    item.into()
}

/// Where it is fetched; of a repository the commit stands after an `@`.
fn download(component: &Component) -> String {
    match component.address.as_deref() {
        Some(address) if address.starts_with("git") => match address.rsplit_once('#') {
            Some((repository, commit)) => format!("{repository}@{commit}"),
            None => address.to_owned(),
        },
        Some(address) if address.starts_with("http") => address.to_owned(),
        _ => NO_ASSERTION.to_owned(),
    }
}

fn relationship(from: &str, word: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relatedSpdxElement": to, "relationshipType": word })
}

/// As `npm sbom` has them, read from the dependency to its dependent.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Peer => "PREREQUISITE_FOR",
        Kind::Optional => "OPTIONAL_DEPENDENCY_OF",
        Kind::Dev => "DEV_DEPENDENCY_OF",
        Kind::Prod | Kind::Workspace | Kind::PeerOptional => "DEPENDENCY_OF",
    }
}
