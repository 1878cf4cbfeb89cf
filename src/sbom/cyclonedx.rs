//! A bill of materials as `CycloneDX` 1.6 JSON.

use serde_json::{Map, Value, json};

use super::{Bom, Component, Licence, Stamp, date};
use crate::integrity::Algorithm;

/// The document. Without a stamp it has neither serial number nor time.
pub fn document(bom: &Bom, stamp: &Stamp) -> Value {
    let (project, packages) = match bom.components.split_first() {
        Some((project, packages)) => (Some(project), packages),
        None => (None, &[][..]),
    };
    let mut metadata = Map::new();
    if let Some(seconds) = stamp.timestamp {
        metadata.insert("timestamp".to_owned(), date(seconds).into());
    }
    metadata.insert("lifecycles".to_owned(), json!([{ "phase": "pre-build" }]));
    metadata.insert(
        "tools".to_owned(),
        json!({ "components": [{
            "type": "application",
            "name": "heatseal",
            "version": env!("CARGO_PKG_VERSION"),
        }] }),
    );
    if let Some(project) = project {
        let item = component(project, &stamp.project_type);
        metadata.insert("component".to_owned(), item);
    }
    let mut document = Map::new();
    let mut set = |member: &str, value: Value| document.insert(member.to_owned(), value);
    set(
        "$schema",
        "http://cyclonedx.org/schema/bom-1.6.schema.json".into(),
    );
    set("bomFormat", "CycloneDX".into());
    set("specVersion", "1.6".into());
    if let Some(serial_number) = &stamp.serial_number {
        set("serialNumber", serial_number.clone().into());
    }
    set("version", 1.into());
    set("metadata", metadata.into());
    let packages = packages.iter().map(|one| component(one, "library"));
    set("components", packages.collect::<Vec<_>>().into());
    let all = bom.components.iter().map(|one| dependency(bom, one));
    set("dependencies", all.collect::<Vec<_>>().into());
    document.into()
}

fn component(component: &Component, kind: &str) -> Value {
    let mut item = Map::new();
    let mut set = |member: &str, value: Value| item.insert(member.to_owned(), value);
    set("type", kind.into());
    set("bom-ref", component.id.clone().into());
    set("name", component.name.clone().into());
    if !component.version.is_empty() {
        set("version", component.version.clone().into());
    }
    if let Some(description) = &component.description {
        set("description", description.clone().into());
    }
    let scope = if component.optional {
        "optional"
    } else {
        "required"
    };
    set("scope", scope.into());
    if let Some((algorithm, hex)) = &component.hash {
        set(
            "hashes",
            json!([{ "alg": algorithm_name(*algorithm), "content": hex }]),
        );
    }
    if let Some(licence) = &component.licence {
        set("licenses", json!([licence_choice(licence)]));
    }
    set("purl", component.purl.clone().into());
    if let Some(address) = &component.address {
        set(
            "externalReferences",
            json!([{ "type": "distribution", "url": address }]),
        );
    }
    let properties = properties(component);
    if !properties.is_empty() {
        set("properties", properties.into());
    }
    item.into()
}

fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Sha1 => "SHA-1",
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha384 => "SHA-384",
        Algorithm::Sha512 => "SHA-512",
    }
}

fn licence_choice(licence: &Licence) -> Value {
    match licence {
        Licence::Id(id) => json!({ "license": { "id": id, "acknowledgement": "declared" } }),
        Licence::Expression(text) => json!({ "expression": text, "acknowledgement": "declared" }),
        Licence::Name(name) => {
            json!({ "license": { "name": name, "acknowledgement": "declared" } })
        }
    }
}

/// Names of the `cdx:npm` property taxonomy.
fn properties(component: &Component) -> Vec<Value> {
    let truths = [
        ("cdx:npm:package:bundled", component.bundled),
        ("cdx:npm:package:development", component.dev),
        ("cdx:npm:package:private", component.private),
    ];
    let truths = truths.into_iter().filter(|(_, holds)| *holds);
    let truths = truths.map(|(name, _)| json!({ "name": name, "value": "true" }));
    let places = component.locations.iter().filter(|place| !place.is_empty());
    let places = places.map(|place| json!({ "name": "cdx:npm:package:path", "value": place }));
    truths.chain(places).collect()
}

fn dependency(bom: &Bom, component: &Component) -> Value {
    let mut on: Vec<&str> = component
        .dependencies
        .iter()
        .map(|(at, _)| bom.components[*at].id.as_str())
        .filter(|id| *id != component.id)
        .collect();
    on.dedup();
    json!({ "ref": component.id, "dependsOn": on })
}
