//! The runtime as an OCI image: one layer on a base, in an archive of an image layout.
//!
//! ```text
//! oci-layout            the version of the layout
//! index.json            one manifest
//! blobs/sha256/…        the manifest, the configuration, the layers of the base and that of the runtime
//! ```
//! The archive is the same for the same runtime and base: no time, no order and no owner comes from the machine.

mod base;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use serde_json::{Value, json};

use super::{Packed, Runtime, gzip, tarball};
use crate::base::digest::{Hasher, Sha256};
use crate::base::failure::{Exit, Failure};
use crate::base::tarball::append_directory;
use crate::report::Progress;
use base::Base;

/// How the name of an image ends.
pub const SUFFIX: &str = "oci.tar";
pub const ROOT: &str = "opt/speaches";
/// The only directory that the service may write to.
pub const HOME: &str = "var/lib/speaches";
/// The user ID of the service; no base image needs a name for it.
pub const USER: u64 = 65_532;
const PORT: &str = "34331/tcp";
/// "created […] MUST be formatted as defined by RFC 3339": that of everything in an archive.
const CREATED: &str = "1980-01-01T00:00:00Z";
pub const INDEX: &str = "index.json";
/// The file that makes a directory a layout.
pub const LAYOUT: &str = "oci-layout";
/// The directory of blobs, each named by its digest.
pub const BLOBS: &str = "blobs/sha256/";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layer that was made: its digest and size as it is stored, and the digest of what it unpacks to.
struct Layer {
    digest: Sha256,
    size: u64,
    plain: Sha256,
}

/// Packs a runtime into an archive of an image layout. Temporary files go to `work`.
pub fn pack(
    runtime: &Runtime<'_>,
    file: &Utf8Path,
    base: &Utf8Path,
    work: &Utf8Path,
    level: Option<u32>,
    progress: &dyn Progress,
) -> Result<Packed> {
    let info = &runtime.description.info;
    let architecture = architecture(&info.target)?;
    let base = Base::open(base, architecture, work)?;
    let blobs = work.join("blobs");
    fs_err::create_dir(&blobs)?;
    let layer = layer(runtime, &blobs.join("layer"), level.unwrap_or(6), progress)?;

    let mut parts = base.layers.clone();
    parts.push((layer.digest, blobs.join("layer")));
    let config = configuration(runtime, base.config.clone(), &layer)?;
    let config = serde_json::to_vec(&config)?;
    let mut layers = base.manifest["layers"].as_array().cloned().unwrap_or_default();
    layers.push(json!({ "mediaType": LAYER, "digest": format!("sha256:{}", layer.digest), "size": layer.size }));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, &config),
        "layers": layers,
        "annotations": labels(runtime),
    });
    let manifest = serde_json::to_vec(&manifest)?;
    let index = index(&manifest, architecture, &info.version)?;

    let mut files = BTreeMap::new();
    for bytes in [config, manifest] {
        let place = blobs.join(Sha256::of(&bytes).to_string());
        fs_err::write(&place, &bytes)?;
        parts.push((Sha256::of(&bytes), place));
    }
    for (digest, path) in parts {
        files.insert(format!("{BLOBS}{digest}"), path);
    }
    for (name, bytes) in [(INDEX, index), (LAYOUT, layout()?)] {
        fs_err::write(work.join(name), bytes)?;
        files.insert(name.to_owned(), work.join(name));
    }
    let output = Hasher::new(BufWriter::with_capacity(super::BUFFER, File::create_new(file)?));
    let mut output = tarball::write_files(&files, output)?;
    output.flush()?;
    let (sha256, size) = output.finish();
    Ok(Packed { sha256, size })
}

pub fn index(manifest: &[u8], architecture: &str, version: &str) -> Result<Vec<u8>> {
    let mut entry = descriptor(MANIFEST, manifest);
    entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": version });
    Ok(serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    }))?)
}

/// The file that marks an OCI layout.
pub fn layout() -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?)
}

/// How the image specification calls the processors of a target ("the value of GOARCH").
pub fn architecture(target: &str) -> Result<&'static str> {
    match target {
        "x86_64-unknown-linux-gnu" => Ok("amd64"),
        "aarch64-unknown-linux-gnu" => Ok("arm64"),
        _ => bail!(
            Failure::new(Exit::Config, format!("a runtime for {target} cannot be an image: containers run Linux"))
                .hint("provision one with `--target x86_64-unknown-linux-gnu` or `aarch64-unknown-linux-gnu`")
        ),
    }
}

fn layer(runtime: &Runtime<'_>, file: &Utf8Path, level: u32, progress: &dyn Progress) -> Result<Layer> {
    if !(1..=9).contains(&level) {
        bail!(Failure::new(Exit::Usage, format!("the levels of oci are 1 to 9, not {level}")));
    }
    let total = runtime.description.files.iter().map(|file| file.size).sum();
    let bar = progress.bytes("Packing", "the layer of the image", Some(total));
    let output = Hasher::new(BufWriter::with_capacity(super::BUFFER, File::create_new(file)?));
    let plain = Hasher::new(gzip::Gzip::new(output, level)?);
    let mut archive = tar::Builder::new(plain);
    tarball::write_into(&mut archive, runtime, ROOT, bar.as_ref())?;
    append_directory(&mut archive, &format!("{HOME}/"), USER)?;
    let (plain, gzip) = archive.into_inner()?.into_parts();
    let mut output = gzip.finish()?;
    output.flush()?;
    let (digest, size) = output.finish();
    bar.finish();
    Ok(Layer { digest, size, plain })
}

/// The configuration of the base, with the runtime on top.
fn configuration(runtime: &Runtime<'_>, mut config: Value, layer: &Layer) -> Result<Value> {
    let push = |value: &mut Value, item: Value| match value {
        Value::Array(items) => items.push(item),
        _ => *value = json!([item]),
    };
    config["created"] = json!(CREATED);
    push(&mut config["rootfs"]["diff_ids"], json!(format!("sha256:{}", layer.plain)));
    push(
        &mut config["history"],
        json!({ "created": CREATED, "created_by": format!("speaches-native {}", runtime.description.info.tool) }),
    );
    let run = &mut config["config"];
    run["Entrypoint"] = json!([format!("/{ROOT}/bin/speaches")]);
    // A user's arguments replace this whole command.
    run["Cmd"] = json!(["serve", "--host", "0.0.0.0"]);
    run["ExposedPorts"][PORT] = json!({});
    run["User"] = json!(format!("{USER}:{USER}"));
    run["WorkingDir"] = json!(format!("/{HOME}"));
    let mut variables = match run["Env"].take() {
        Value::Array(variables) => variables,
        _ => Vec::new(),
    };
    variables.retain(|variable| !variable.as_str().is_some_and(|variable| variable.starts_with("HOME=")));
    variables.push(json!(format!("HOME=/{HOME}")));
    run["Env"] = json!(variables);
    for (name, value) in labels(runtime).as_object().context("labels are an object")? {
        run["Labels"][name] = value.clone();
    }
    Ok(config)
}

fn labels(runtime: &Runtime<'_>) -> Value {
    let info = &runtime.description.info;
    json!({
        "org.opencontainers.image.title": "speaches",
        "org.opencontainers.image.version": info.version,
        "org.opencontainers.image.description": format!("speaches with CPython {}, {}", info.python.version, info.accelerator),
        "speaches-native.plan": info.plan,
    })
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{}", Sha256::of(bytes)), "size": bytes.len() })
}

/// The path of a blob in a layout.
fn blob(layout: &Utf8Path, digest: Sha256) -> Utf8PathBuf {
    layout.join(BLOBS).join(digest.to_string())
}

/// The length and digest of a file.
fn measure(path: &Utf8Path) -> io::Result<(Sha256, u64)> {
    let mut hasher = Hasher::new(io::sink());
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}
