//! Where a bundle is from: an in-toto statement with the predicate of SLSA for provenance.
//!
//! It says nothing about who ran this and when: the same inputs give the same statement. Whoever releases a bundle signs it.

use anyhow::Result;
use serde_json::{Value, json};
use speaches_format::input::Origin;

use super::components::Component;
use super::{Packed, Runtime};

/// What kind of build this is; `docs/bundles.md` describes its parameters.
const BUILD_TYPE: &str = "urn:speaches-native:bundle:1";
/// Who builds: this tool, wherever it runs.
const BUILDER: &str = "urn:speaches-native:xtask";

/// The document: the same for the same bundle.
pub fn document(runtime: &Runtime<'_>, name: &str, packed: Packed, components: &[Component<'_>]) -> Result<Vec<u8>> {
    let head = &runtime.description.head;
    let dependencies = components.iter().map(dependency).collect::<Vec<_>>();
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": packed.sha256 } }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "version": head.version,
                    "target": head.target,
                    "accelerator": head.accelerator,
                    "python": head.python.version,
                    "groups": head.groups,
                    "models": head.models.iter().map(|model| format!("{}@{}", model.id, model.revision)).collect::<Vec<_>>(),
                    "sample": head.sample,
                },
                "internalParameters": { "plan": head.plan, "bytecode": head.bytecode },
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": { "id": BUILDER, "version": { "speaches-native": head.tool } },
            },
        },
    });
    let mut text = serde_json::to_vec_pretty(&statement)?;
    text.push(b'\n');
    Ok(text)
}

fn dependency(component: &Component<'_>) -> Value {
    let input = component.input;
    // "`digest` […] of the resource": of the file, or of the sorted list of the files of a directory.
    let mut dependency = json!({
        "name": input.name,
        "digest": { "sha256": input.sha256 },
        "annotations": { "kind": input.kind, "pinned": input.pinned, "origin": input.origin.to_string() },
    });
    let uri = match &input.origin {
        Origin::Git { repository, commit } => Some(format!("git+{repository}@{commit}")),
        Origin::Url { url } => Some(url.clone()),
        _ => component.purl.clone(),
    };
    if let Some(uri) = uri {
        dependency["uri"] = json!(uri);
    }
    dependency
}
