//! Checks an OCI image: an archive of an image layout, with the runtime in the last layer.
//!
//! The digest of each blob must be its name. This module makes everything else again, and compares the bytes.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use fs_err::File;
use serde_json::Value;
use speaches_format::description::Description;
use speaches_format::verification::Differences;

use super::super::image;
use super::tarball::{self, RECORD};
use super::walk::Walk;
use super::{damaged, reading};
use crate::base::digest::{Hasher, Sha256};
use crate::base::tarball::file_header;

const BUFFER: usize = 1 << 18;
/// No document of an image is longer, in bytes.
const LONGEST: u64 = 16 << 20;

/// How an archive of a layout begins.
pub const START: &[u8] = image::BLOBS.as_bytes();

struct Member {
    /// Its offset in the archive.
    at: u64,
    size: u64,
    sha256: Sha256,
}

/// An image whose archive was read to its end.
struct Image<'a> {
    path: &'a Utf8Path,
    members: BTreeMap<String, Member>,
}

/// Compares an image with itself, and the runtime in it with its description. Returns the digest of the whole as well.
pub fn check(path: &Utf8Path) -> Result<(Description, Differences, Sha256)> {
    let (image, sha256) = Image::read(path)?;
    if image.document(image::LAYOUT)? != image::layout()? {
        return Err(damaged(path, "`oci-layout` was modified"));
    }
    let index = image.document(image::INDEX)?;
    let manifest = image.blob(&json(path, image::INDEX, &index)?["manifests"][0], "the manifest")?;
    let manifest_text = image.sound(&manifest, "the manifest")?;
    let manifest_value = json(path, "the manifest", &manifest_text)?;
    let config = image.blob(&manifest_value["config"], "the configuration")?;
    let config_value = json(path, "the configuration", &image.sound(&config, "the configuration")?)?;
    let layers = manifest_value["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let (own, base) = layers.split_last().context(damaged(path, "it has no layers").to_string())?;
    let mut known = vec![image::INDEX.to_owned(), image::LAYOUT.to_owned(), manifest, config];
    for layer in base {
        let name = image.blob(layer, "a layer of the base")?;
        image.compare(&name, "a layer of the base")?;
        known.push(name);
    }
    let layer = image.blob(own, "the layer of the runtime")?;
    let (description, differences, plain) = image.walk(&layer)?;
    if !differences.is_empty() {
        return Ok((description, differences, sha256));
    }
    // Not before: which file differs says more than that the layer does.
    image.compare(&layer, "the layer of the runtime")?;
    known.push(layer);
    let stated = config_value["rootfs"]["diff_ids"].as_array().and_then(|ids| ids.last());
    if stated.and_then(Value::as_str) != Some(&format!("sha256:{plain}")) {
        return Err(damaged(path, "its configuration describes another runtime"));
    }
    if let Some(extra) = image.members.keys().find(|name| !known.contains(name)) {
        return Err(damaged(path, &format!("it contains `{extra}`, which no part of the image names")));
    }
    let architecture = image::architecture(&description.info.target)?;
    if index != image::index(&manifest_text, architecture, &description.info.version)? {
        return Err(damaged(path, "`index.json` was modified"));
    }
    Ok((description, differences, sha256))
}

impl<'a> Image<'a> {
    /// Reads the archive to its end, every byte of which is one of a file or follows from the names and sizes of them.
    fn read(path: &'a Utf8Path) -> Result<(Self, Sha256)> {
        let source = BufReader::with_capacity(BUFFER, File::open(path)?);
        let mut source = Hasher::new(source);
        let mut members = BTreeMap::<String, Member>::new();
        let mut last = String::from("the beginning");
        let mut at = 0;
        loop {
            let mut header = [0; RECORD];
            source.read_exact(&mut header).map_err(|error| reading(path, &format!("after `{last}`"), error))?;
            at += RECORD as u64;
            if header == [0; RECORD] {
                break;
            }
            let parsed = tar::Header::from_byte_slice(&header);
            let name = String::from_utf8_lossy(&parsed.path_bytes()).into_owned();
            let size = parsed.entry_size().ok();
            let expected = size.and_then(|size| file_header(&name, size).ok());
            let (Some(size), Some(expected)) = (size, expected) else {
                return Err(damaged(path, &format!("the bytes after `{last}` are not the header of a file")));
            };
            if expected.as_bytes() != &header || members.last_key_value().is_some_and(|(before, _)| *before >= name) {
                return Err(damaged(path, &format!("the header of `{name}`, after `{last}`, was changed")));
            }
            let mut hasher = Hasher::new(io::sink());
            let copied = io::copy(&mut source.by_ref().take(size), &mut hasher);
            if copied.map_err(|error| reading(path, &format!("in `{name}`"), error))? != size {
                return Err(damaged(path, &format!("it is truncated in `{name}`")));
            }
            let mut padding = vec![0; (size.next_multiple_of(RECORD as u64) - size) as usize];
            source.read_exact(&mut padding).map_err(|error| reading(path, &format!("after `{name}`"), error))?;
            if padding.iter().any(|byte| *byte != 0) {
                return Err(damaged(path, &format!("there are unexpected bytes after `{name}`")));
            }
            members.insert(name.clone(), Member { at, size, sha256: hasher.finish().0 });
            at += size + padding.len() as u64;
            last = name;
        }
        let mut rest = Vec::new();
        source
            .by_ref()
            .take(2 * RECORD as u64)
            .read_to_end(&mut rest)
            .map_err(|error| reading(path, "at its end", error))?;
        if rest != [0; RECORD] {
            return Err(damaged(path, "it does not end like an archive"));
        }
        Ok((Self { path, members }, source.finish().0))
    }

    fn open(&self, name: &str) -> Result<(&Member, io::Take<File>)> {
        let member =
            self.members.get(name).with_context(|| damaged(self.path, &format!("`{name}` is missing")).to_string())?;
        let mut file = File::open(self.path)?;
        file.seek(SeekFrom::Start(member.at))?;
        Ok((member, file.take(member.size)))
    }

    fn document(&self, name: &str) -> Result<Vec<u8>> {
        let (member, source) = self.open(name)?;
        if member.size > LONGEST {
            return Err(damaged(self.path, &format!("`{name}` is not a document")));
        }
        let mut bytes = Vec::new();
        source.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The name of the blob that a descriptor is about, which has to be there and as large as it says.
    fn blob(&self, descriptor: &Value, what: &str) -> Result<String> {
        let digest = descriptor["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
        let name = format!("{}{}", image::BLOBS, digest.unwrap_or_default());
        match self.members.get(&name) {
            Some(member) if descriptor["size"].as_u64() == Some(member.size) => Ok(name),
            Some(_) => Err(damaged(self.path, &format!("{what}, `{name}`, has another size than stated"))),
            None => Err(damaged(self.path, &format!("{what}, `{name}`, is missing"))),
        }
    }

    /// Refuses a blob whose bytes are not those of its name.
    fn compare(&self, name: &str, what: &str) -> Result<()> {
        let (member, _) = self.open(name)?;
        if name != format!("{}{}", image::BLOBS, member.sha256) {
            return Err(damaged(self.path, &format!("{what}, `{name}`, was changed: its sha256 is {}", member.sha256)));
        }
        Ok(())
    }

    /// The bytes of a document that is a blob.
    fn sound(&self, name: &str, what: &str) -> Result<Vec<u8>> {
        self.compare(name, what)?;
        self.document(name)
    }

    /// Compares the runtime in a layer with its description. Returns the digest of what the layer unpacks to, too.
    fn walk(&self, layer: &str) -> Result<(Description, Differences, Sha256)> {
        let (_, source) = self.open(layer)?;
        let source = BufReader::with_capacity(BUFFER, source);
        let mut source = Hasher::new(flate2::bufread::GzDecoder::new(source));
        let mut walk = Walk::inside(self.path, image::ROOT, image::HOME);
        tarball::entries(&mut source, &mut walk)?;
        let (description, differences) = walk.finish(self.path)?;
        Ok((description, differences, source.finish().0))
    }
}

fn json(path: &Utf8Path, what: &str, bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| damaged(path, &format!("{what} is malformed: {error}")))
}
