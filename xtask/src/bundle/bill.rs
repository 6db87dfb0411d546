//! The bill of materials of a bundle, as CycloneDX 1.6. `components` collects the components, `inside` their parts.

mod inside;

use anyhow::Result;
use serde_json::{Value, json};
use speaches_format::input::{Kind, Origin};
use speaches_format::layout::Family;

use super::components::Component;
use super::{Packed, Runtime};

/// The document: the same for the same bundle.
pub fn document(runtime: &Runtime<'_>, name: &str, packed: Packed, components: &[Component<'_>]) -> Result<Vec<u8>> {
    let info = &runtime.description.info;
    let root = format!("bundle:{name}");
    let mut entries = Vec::new();
    let mut dependencies = Vec::new();
    let mut incomplete = Vec::new();
    for component in components {
        let reference = reference(component);
        let inside = inside::inside(runtime, component)?;
        dependencies.push(json!({ "ref": reference, "dependsOn": references(&inside) }));
        entries.push(entry(runtime, component, &reference, &inside));
        if matches!(component.input.kind, Kind::Python | Kind::Wheel | Kind::Launcher) {
            incomplete.push(reference);
        }
    }
    let references = components.iter().map(reference).collect::<Vec<_>>();
    dependencies.insert(0, json!({ "ref": root, "dependsOn": references }));
    let document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial_number(packed),
        "version": 1,
        "metadata": {
            "tools": { "components": [{ "type": "application", "name": "speaches-native", "version": info.tool }] },
            "component": {
                "bom-ref": root,
                "type": "application",
                "name": name,
                "version": info.version,
                "hashes": hashes(&packed.sha256.to_string()),
                "properties": [
                    property("target", &info.target),
                    property("accelerator", &info.accelerator),
                    property("python", &info.python.version),
                    property("plan", &info.plan),
                    property("sample", if info.name.is_sample() { "true" } else { "false" }),
                ],
            },
        },
        "components": entries,
        "dependencies": dependencies,
        "compositions": [
            { "aggregate": "complete", "assemblies": [root] },
            // Libraries that are compiled into binaries are known to their makers.
            { "aggregate": "unknown", "assemblies": incomplete },
        ],
    });
    let mut text = serde_json::to_vec_pretty(&document)?;
    text.push(b'\n');
    Ok(text)
}

fn reference(component: &Component<'_>) -> String {
    component.purl.clone().unwrap_or_else(|| format!("{}:{}", component.input.kind, component.name))
}

fn entry(runtime: &Runtime<'_>, component: &Component<'_>, reference: &str, inside: &[Value]) -> Value {
    let input = component.input;
    let kind = match input.kind {
        Kind::Wheel => "library",
        Kind::Model => "machine-learning-model",
        Kind::Python | Kind::Compiler | Kind::Speaches | Kind::Linker | Kind::Launcher | Kind::Template => {
            "application"
        }
    };
    let license_file = match (component.has_text, component.is_weights()) {
        (true, _) => "in licenses/",
        (false, true) => "none, see manifests/models.toml or the card of the model",
        (false, false) => "none, see manifests/licenses.toml",
    };
    let mut properties = vec![
        property("origin", &input.origin.to_string()),
        property("pinned", if input.pinned { "true" } else { "false" }),
        property("license-file", license_file),
    ];
    let mut entry = json!({
        "bom-ref": reference,
        "type": kind,
        "name": component.name,
        "version": component.version,
    });
    // `hashes` has the sha256 of one file: a wheel, a pinned archive of CPython, or the launcher. For other inputs the
    // property `content-sha256` has the digest that identifies the input.
    match input.kind {
        Kind::Wheel => entry["hashes"] = hashes(&input.sha256),
        Kind::Python if input.origin.url().is_some() => entry["hashes"] = hashes(&input.sha256),
        Kind::Launcher => {
            if matches!(input.origin, Origin::Given) {
                properties.push(property("crates", "unknown: a prebuilt launcher was given"));
            }
            let launcher = Family::of(&runtime.description.info.target).launcher();
            if let Some(file) = runtime.description.files.iter().find(|file| file.path == launcher) {
                entry["hashes"] = hashes(&file.sha256);
            }
        }
        kind => {
            if kind == Kind::Python && runtime.description.info.python.copied {
                properties.push(property("links", "unknown libraries of the machine that it was copied from"));
            }
            properties.push(property("content-sha256", &input.sha256));
        }
    }
    if let Some(purl) = &component.purl {
        entry["purl"] = json!(purl);
    }
    match &component.license {
        Some(license) => entry["licenses"] = json!([{ "expression": license }]),
        None if component.has_text => properties.push(property("license", "stated by its files in licenses/ only")),
        None => properties.push(property("license", "unknown")),
    }
    if !inside.is_empty() {
        entry["components"] = json!(inside);
    }
    entry["properties"] = json!(properties);
    entry
}

fn references(inside: &[Value]) -> Vec<&Value> {
    inside.iter().map(|entry| &entry["bom-ref"]).collect()
}

fn hashes(sha256: &str) -> Value {
    json!([{ "alg": "SHA-256", "content": sha256 }])
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("speaches-native:{name}"), "value": value })
}

/// A UUID that is made of the digest of the bundle ("version 8 […] vendor-specific", RFC 9562), so that it is the same
/// whenever and wherever the bundle is made.
fn serial_number(packed: Packed) -> String {
    let mut bytes = packed.sha256.bytes();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
    format!("urn:uuid:{a}-{b}-{c}-{d}-{e}")
}
