//! The license of a wheel, and the places of its texts: from its tree in the store, else from its archive, without
//! unpacking it.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use anyhow::Result;
use fs_err::File;
use speaches_format::layout::Family;
use wheel_archive::path::RelativePath;
use wheel_archive::place;
use wheel_archive::unpack::{self, Sink};

use super::tree;
use crate::base::digest::{Hasher, Sha256};
use crate::pins::lock::LockedWheel;
use crate::store::Store;
use crate::store::tree::Entry;

/// No metadata is longer, in bytes; upstream's descriptions are in it.
const LONGEST: u64 = 16 << 20;

/// The license metadata and texts of a wheel.
#[derive(Debug)]
pub struct Texts {
    pub metadata: String,
    /// The places of its texts below `licenses/` of a runtime.
    pub files: Vec<String>,
}

impl Texts {
    /// Reads those of a wheel, or nothing if the store does not have it.
    pub fn read(store: &Store, wheel: &LockedWheel, family: Family) -> Result<Option<Self>> {
        if wheel.has_tree(store, family) {
            let tree = wheel.tree(store, family)?;
            let metadata = match tree.entries.keys().find(|path| is_metadata(path)) {
                Some(path) => fs_err::read(tree.content.join(path.as_str()))?,
                None => Vec::new(),
            };
            return Ok(Some(Self::of(&tree.entries, &metadata)));
        }
        if !store.has_file(wheel.sha256, wheel.size) {
            return Ok(None);
        }
        let archive = BufReader::with_capacity(1 << 16, File::open(store.file(wheel.sha256))?);
        let mut listing = Listing::default();
        unpack::unpack(archive, &wheel.name, 0, &mut listing)?;
        Ok(Some(Self::of(&listing.entries, &listing.metadata)))
    }

    fn of(entries: &BTreeMap<RelativePath, Entry>, metadata: &[u8]) -> Self {
        let files = tree::licenses(entries.iter()).map(|(_, place)| place).collect();
        Self { metadata: String::from_utf8_lossy(metadata).into_owned(), files }
    }
}

fn is_metadata(path: &RelativePath) -> bool {
    let rest = path.as_str().strip_prefix(place::SITE_PACKAGES).and_then(|rest| rest.strip_prefix('/'));
    rest.and_then(|rest| rest.strip_suffix(".dist-info/METADATA")).is_some_and(|stem| !stem.contains('/'))
}

/// Takes the names of the files of a wheel, and the bytes of its metadata only.
#[derive(Default)]
struct Listing {
    entries: BTreeMap<RelativePath, Entry>,
    metadata: Vec<u8>,
}

impl Sink for Listing {
    type Error = io::Error;

    fn add(&mut self, path: RelativePath, source: &mut dyn Read, executable: bool) -> io::Result<([u8; 32], u64)> {
        let (sha256, size) = if is_metadata(&path) {
            source.take(LONGEST).read_to_end(&mut self.metadata)?;
            (Sha256::of(&self.metadata), self.metadata.len() as u64)
        } else {
            let mut hasher = Hasher::new(io::sink());
            io::copy(source, &mut hasher)?;
            hasher.finish()
        };
        self.entries.insert(path, Entry::File { size, sha256, executable });
        Ok((sha256.bytes(), size))
    }
}
