//! The bill of materials of a bundle, as CycloneDX 1.6 has it.

use anyhow::Result;
use serde_json::{Value, json};

use super::components::Component;
use super::{Packed, Runtime, crates};

/// What builds of CPython for distribution carry beside CPython itself.
const LINKED: [(&str, &str); 10] = [
    ("OpenSSL", "Apache-2.0"),
    ("SQLite", "blessing"),
    ("zlib", "Zlib"),
    ("bzip2", "bzip2-1.0.6"),
    ("XZ Utils (liblzma)", "0BSD"),
    ("libffi", "MIT"),
    ("Expat", "MIT"),
    ("mpdecimal", "BSD-2-Clause"),
    ("ncurses", "X11-distribute-modifications-variant"),
    ("libedit", "BSD-3-Clause"),
];

/// The document: the same for the same bundle.
pub fn document(runtime: &Runtime<'_>, name: &str, packed: Packed, components: &[Component<'_>]) -> Result<Vec<u8>> {
    let head = &runtime.description.head;
    let root = format!("bundle:{name}");
    let mut entries = Vec::new();
    let mut dependencies = Vec::new();
    let mut incomplete = Vec::new();
    for component in components {
        let reference = reference(component);
        entries.push(entry(runtime, component, &reference)?);
        dependencies.push(json!({ "ref": reference, "dependsOn": nested(runtime, component)?.1 }));
        if matches!(component.input.kind.as_str(), "python" | "wheel" | "launcher") {
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
            "tools": { "components": [{ "type": "application", "name": "speaches-native", "version": head.tool }] },
            "component": {
                "bom-ref": root,
                "type": "application",
                "name": name,
                "version": head.version,
                "hashes": hashes(&packed.sha256.to_string()),
                "properties": [
                    property("target", &head.target),
                    property("accelerator", &head.accelerator),
                    property("python", &head.python.version),
                    property("plan", &head.plan),
                    property("sample", if head.sample { "true" } else { "false" }),
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

fn entry(runtime: &Runtime<'_>, component: &Component<'_>, reference: &str) -> Result<Value> {
    let input = component.input;
    let kind = match input.kind.as_str() {
        "wheel" => "library",
        "model" => "machine-learning-model",
        _ => "application",
    };
    let mut properties = vec![
        property("origin", &input.origin),
        property("pinned", if input.pinned { "true" } else { "false" }),
        property("license-file", if component.has_text { "in licenses/" } else { "none, see manifests/licenses.toml" }),
    ];
    let mut entry = json!({
        "bom-ref": reference,
        "type": kind,
        "name": component.name,
        "version": component.version,
    });
    // A wheel and an archive are one file; what else there is, is known by the digest of its list of files.
    match input.kind.as_str() {
        "wheel" => entry["hashes"] = hashes(&input.sha256),
        "python" if input.origin.starts_with("http") => entry["hashes"] = hashes(&input.sha256),
        "launcher" => {
            let launcher = speaches_launcher::layout::Family::of(&runtime.description.head.target).launcher();
            if let Some(file) = runtime.description.files.iter().find(|file| file.path == launcher) {
                entry["hashes"] = hashes(&file.sha256);
            }
        }
        _ => properties.push(property("content-sha256", &input.sha256)),
    }
    if let Some(purl) = &component.purl {
        entry["purl"] = json!(purl);
    }
    match &component.license {
        Some(license) => entry["licenses"] = json!([{ "expression": license }]),
        None if component.has_text => properties.push(property("license", "stated by its files in licenses/ only")),
        None => properties.push(property("license", "unknown")),
    }
    let (inside, _) = nested(runtime, component)?;
    if !inside.is_empty() {
        entry["components"] = json!(inside);
    }
    entry["properties"] = json!(properties);
    Ok(entry)
}

/// What is inside a component, and the references of that.
fn nested(runtime: &Runtime<'_>, component: &Component<'_>) -> Result<(Vec<Value>, Vec<String>)> {
    let inside = match component.input.kind.as_str() {
        "python" if !runtime.description.head.python.harvested => LINKED
            .iter()
            .map(|(name, license)| {
                json!({
                    "bom-ref": format!("CPython:{name}"),
                    "type": "library",
                    "name": name,
                    "licenses": [{ "expression": license }],
                    "properties": [property("version", "unknown: the archive of CPython does not say it")],
                })
            })
            .collect(),
        // Crates that were linked into a prebuilt launcher are known to whoever built it.
        "launcher" if component.input.origin != "given" => crates::crates()?
            .into_iter()
            .map(|one| {
                let purl = format!("pkg:cargo/{}@{}", one.name, one.version);
                json!({
                    "bom-ref": purl,
                    "type": "library",
                    "name": one.name,
                    "version": one.version,
                    "purl": purl,
                    "hashes": hashes(&one.sha256),
                })
            })
            .collect(),
        _ => Vec::new(),
    };
    let references = inside.iter().filter_map(|entry| entry["bom-ref"].as_str().map(str::to_owned)).collect();
    Ok((inside, references))
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
