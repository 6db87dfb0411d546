//! Components inside a component: the libraries in CPython, and the crates in the launcher.

use anyhow::Result;
use serde_json::{Value, json};
use speaches_format::input::{Kind, Origin};
use speaches_format::layout::Family;

use super::super::components::Component;
use super::super::{Runtime, crates, linked};
use super::{hashes, property};
use crate::inputs::launcher::licenses::{RECORD, STANDARD_LIBRARY};

pub fn inside(runtime: &Runtime<'_>, component: &Component<'_>) -> Result<Vec<Value>> {
    match component.input.kind {
        Kind::Python => Ok(linked::of_python(runtime)?
            .into_iter()
            .map(|(library, version)| linked_entry(library, version))
            .collect()),
        Kind::Launcher => launcher(runtime, component),
        _ => Ok(Vec::new()),
    }
}

fn linked_entry(library: &linked::Library, version: Option<String>) -> Value {
    let mut entry = json!({
        "bom-ref": format!("CPython:{}", library.id),
        "type": "library",
        "name": library.name,
        "licenses": [{ "expression": library.license }],
    });
    match version {
        Some(version) => {
            let purl = format!("pkg:generic/{}@{version}", library.id);
            entry["bom-ref"] = json!(format!("CPython:{}@{version}", library.id));
            entry["version"] = json!(version);
            entry["purl"] = json!(purl);
            entry["properties"] = json!([property("version", "found in the binaries of CPython")]);
        }
        None => entry["properties"] = json!([property("version", "unknown: the binaries of CPython do not state it")]),
    }
    entry
}

fn launcher(runtime: &Runtime<'_>, component: &Component<'_>) -> Result<Vec<Value>> {
    let mut inside = Vec::new();
    // Only the builder of a prebuilt launcher knows the crates that are linked into it.
    let given = matches!(component.input.origin, Origin::Given);
    let crates = if given { None } else { crates::crates(runtime)? };
    for one in crates.into_iter().flatten() {
        let purl = format!("pkg:cargo/{}@{}", one.name, one.version);
        inside.push(json!({
            "bom-ref": purl,
            "type": "library",
            "name": one.name,
            "version": one.version,
            "purl": purl,
            "hashes": hashes(&one.sha256),
            "licenses": [{ "expression": one.license }],
            "properties": [property("license-file", &text_in(runtime, &[RECORD]))],
        }));
    }
    let program = Family::of(&runtime.description.info.target).launcher();
    let version = linked::rust(&fs_err::read(runtime.root.join(program))?);
    if given && version.is_none() {
        return Ok(inside);
    }
    let mut properties = vec![property("license-file", &text_in(runtime, &STANDARD_LIBRARY))];
    let mut entry = json!({
        "bom-ref": "launcher:rust-standard-library",
        "type": "library",
        "name": "Rust standard library",
        "licenses": [{ "expression": "MIT OR Apache-2.0" }],
    });
    match version {
        Some(version) => entry["version"] = json!(version),
        None => properties.push(property("version", "unknown: the launcher does not state it")),
    }
    entry["properties"] = json!(properties);
    inside.push(entry);
    Ok(inside)
}

/// Finds a text below `licenses/`.
fn text_in(runtime: &Runtime<'_>, files: &[&str]) -> String {
    crates::text(runtime, files).unwrap_or_else(|| "none in the runtime".to_owned())
}
