//! `SHA256SUMS`: the digests of all bundles and documents in a directory, as `sha256sum --check` reads them.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Result, bail};
use camino::Utf8Path;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};

pub const CHECKSUMS: &str = "SHA256SUMS";

/// Digests by the name of the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checksums(BTreeMap<String, Sha256>);

impl Checksums {
    /// Reads those of a directory; there are none where there is no such file.
    pub fn read(directory: &Utf8Path) -> Result<Self> {
        let path = directory.join(CHECKSUMS);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let mut checksums = Self::default();
        for (number, line) in text.lines().enumerate() {
            let parsed = line.split_once("  ").and_then(|(digest, name)| Some((name, digest.parse().ok()?)));
            let Some((name, digest)) = parsed.filter(|(name, _)| !name.is_empty()) else {
                bail!(
                    Failure::new(Exit::Data, format!("line {} of `{path}` is not a checksum: `{line}`", number + 1))
                        .hint(
                            "each line is a sha256, two spaces and the name of a file; fix the line or remove the file"
                        )
                );
            };
            checksums.0.insert(name.to_owned(), digest);
        }
        Ok(checksums)
    }

    pub fn get(&self, name: &str) -> Option<Sha256> {
        self.0.get(name).copied()
    }

    /// Adds a file, or replaces what it was.
    pub fn set(&mut self, name: &str, digest: Sha256) {
        self.0.insert(name.to_owned(), digest);
    }

    /// The text of the file, sorted by name.
    pub fn text(&self) -> String {
        self.0.iter().map(|(name, digest)| format!("{digest}  {name}\n")).collect()
    }
}
