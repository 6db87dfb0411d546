//! Reads the base of an image, and compares each blob with its digest.

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use serde_json::Value;

use super::{MANIFEST, blob, measure};
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An index names another one at most so often.
const DEPTH: usize = 4;

/// An image of the architecture that is needed.
pub struct Base {
    pub manifest: Value,
    pub config: Value,
    /// The paths of the layers, by digest.
    pub layers: Vec<(Sha256, Utf8PathBuf)>,
}

impl Base {
    /// Reads an image layout: a directory, or an archive of one, which is unpacked into `work`.
    pub fn open(layout: &Utf8Path, architecture: &str, work: &Utf8Path) -> Result<Self> {
        let layout = if layout.is_dir() {
            layout.to_owned()
        } else {
            let unpacked = work.join("base");
            fs_err::create_dir(&unpacked)?;
            let unpack = tar::Archive::new(File::open(layout)?).unpack(&unpacked);
            unpack.map_err(|error| wrong(layout, &format!("it cannot be unpacked: {error}")))?;
            unpacked
        };
        if !layout.join("oci-layout").is_file() {
            return Err(wrong(&layout, "it has no `oci-layout`"));
        }
        let index = json_of(&layout, &fs_err::read(layout.join("index.json"))?)?;
        let manifest = find(&layout, &index, architecture, DEPTH)?;
        let config = read(&layout, &manifest["config"])?;
        for (key, expected) in [("architecture", architecture), ("os", "linux")] {
            if config[key] != expected {
                return Err(wrong(&layout, &format!("its {key} is {}, but the runtime needs {expected}", config[key])));
            }
        }
        let layers = manifest["layers"].as_array().into_iter().flatten().map(|layer| check(&layout, layer));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let plain = config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
        if plain != layers.len() {
            return Err(wrong(
                &layout,
                &format!("it has {} layers, but its configuration names {plain}", layers.len()),
            ));
        }
        Ok(Self { manifest, config, layers })
    }
}

/// The manifest of an architecture, in an index or in one that it names.
fn find(layout: &Utf8Path, index: &Value, architecture: &str, depth: usize) -> Result<Value> {
    let mut foreign = Vec::new();
    for entry in index["manifests"].as_array().into_iter().flatten() {
        let platform = &entry["platform"];
        match entry["mediaType"].as_str() {
            Some(INDEX) if depth > 0 => {
                if let Ok(found) = find(layout, &read(layout, entry)?, architecture, depth - 1) {
                    return Ok(found);
                }
            }
            // "platform […] OPTIONAL"
            Some(MANIFEST) if platform.is_null() || platform["architecture"] == architecture => {
                return read(layout, entry);
            }
            _ => foreign.push(platform["architecture"].as_str().unwrap_or("another kind").to_owned()),
        }
    }
    let there = if foreign.is_empty() { "nothing".to_owned() } else { foreign.join(", ") };
    Err(wrong(layout, &format!("it has no OCI image for linux/{architecture}, but {there}")))
}

fn read(layout: &Utf8Path, descriptor: &Value) -> Result<Value> {
    let (_, path) = check(layout, descriptor)?;
    json_of(layout, &fs_err::read(path)?)
}

/// The blob of a descriptor, which has to be what the descriptor says.
fn check(layout: &Utf8Path, descriptor: &Value) -> Result<(Sha256, Utf8PathBuf)> {
    let text = descriptor["digest"].as_str().unwrap_or_default();
    let digest = text.strip_prefix("sha256:").and_then(|digits| digits.parse::<Sha256>().ok());
    let digest = digest.with_context(|| wrong(layout, &format!("`{text}` is not a sha256")).to_string())?;
    let path = blob(layout, digest);
    if !path.is_file() {
        return Err(wrong(layout, &format!("the blob {digest} is missing")));
    }
    let (found, size) = measure(&path)?;
    if found != digest || Some(size) != descriptor["size"].as_u64() {
        return Err(wrong(layout, &format!("the blob {digest} is damaged")));
    }
    Ok((digest, path))
}

fn json_of(layout: &Utf8Path, bytes: &[u8]) -> Result<Value> {
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(value),
        Err(error) => bail!(wrong(layout, &format!("one of its documents is malformed: {error}"))),
    }
}

fn wrong(layout: &Utf8Path, how: &str) -> anyhow::Error {
    Failure::new(Exit::Data, format!("`{layout}` cannot be the base of an image: {how}"))
        .hint("`--base` takes an OCI image layout, as `skopeo copy docker://IMAGE oci:DIR` makes one")
        .into()
}
