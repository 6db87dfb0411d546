//! The store: a content-addressed cache that all provisions on a machine share.
//!
//! ```text
//! files/<sha256>          downloads, byte for byte
//! trees/<kind>/<key>/     unpacked inputs, each with a `tree.json` that lists its files and was modified when
//!                         the tree was used last
//! partial/<sha256>        the part of a download that has arrived; `<sha256>.json` tells its source and version
//! quarantine/<sha256>-<n> damaged files and trees, and downloads that differ from their pins; never used
//! locks/                  an empty file for each file or tree that was ever locked, and one for all trees
//! work/                   unfinished files and trees
//! digests.json            sha256 of local files that were hashed before, by path, size and times
//! resolutions.json        commits and files of models that were resolved before (`inputs::model::resolve` writes it)
//! ```
//! `<kind>` is a text that the caller of [`Store::make_tree`] chooses, such as `wheel` or `python-whole`; it is not a
//! `Kind` of input. The tool can make everything in the store again, and never changes a file in `files/` or `trees/`
//! after publishing it.

pub mod digests;
pub mod fetch;
pub mod prune;
pub mod publish;
pub mod tree;
pub mod verify;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

use crate::base::digest::Sha256;
use crate::base::host;

/// A store, which need not exist yet.
#[derive(Clone, Debug)]
pub struct Store {
    root: Utf8PathBuf,
}

impl Store {
    /// The store of this user: `SPEACHES_STORE`, else a directory in the user's cache.
    pub fn locate() -> Result<Self> {
        let root = match host::variable("SPEACHES_STORE") {
            Some(store) => camino::absolute_utf8(store)?,
            None => host::cache_directory()?.join("speaches-native"),
        };
        Ok(Self { root })
    }

    #[cfg(test)]
    pub fn at(root: Utf8PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The path of a downloaded file with this digest.
    pub fn file(&self, sha256: Sha256) -> Utf8PathBuf {
        self.root.join("files").join(sha256.to_string())
    }

    /// Whether a downloaded file with this digest and size is there.
    ///
    /// After a power cut, a file may have its name but not its bytes. The tool notices a damaged file of the right
    /// length only in `cache verify`, or when the tree made from it is wrong.
    pub fn has_file(&self, sha256: Sha256, size: Option<u64>) -> bool {
        let there = fs_err::metadata(self.file(sha256)).ok().filter(std::fs::Metadata::is_file);
        there.is_some_and(|there| match size {
            Some(size) => there.len() == size,
            None => there.len() > 0 || sha256 == Sha256::of(b""),
        })
    }

    /// The path of the tree of this kind and key.
    pub fn tree(&self, kind: &str, key: Sha256) -> Utf8PathBuf {
        self.root.join("trees").join(kind).join(key.to_string())
    }

    /// The directory of work in progress, on the file system of its destination.
    pub fn work(&self) -> Utf8PathBuf {
        self.root.join("work")
    }

    /// The directory of incomplete downloads.
    fn partial(&self) -> Utf8PathBuf {
        self.root.join("partial")
    }

    /// The directory of damaged files.
    fn quarantine(&self) -> Utf8PathBuf {
        self.root.join("quarantine")
    }

    fn locks(&self) -> Utf8PathBuf {
        self.root.join("locks")
    }
}
