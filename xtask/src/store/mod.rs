//! The store: a content-addressed cache that all provisions on a machine share.
//!
//! ```text
//! files/<sha256>          what was downloaded, byte for byte
//! trees/<kind>/<key>/     directories made from it, each with a `tree.json` that lists its files
//! partial/<sha256>        what has arrived of a download, and in `<sha256>.json` of which version it is a part
//! quarantine/<sha256>-<n> what was downloaded and was not what its pin says; never used
//! locks/                  one empty file per thing that is being made
//! digests.json            sha256 of local files that were hashed before, by path, size and times
//! ```
//! Everything in it can be made again. Nothing in it is ever changed after it was published.

pub mod care;
pub mod digests;
pub mod fetch;
pub mod publish;
pub mod tree;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

use crate::digest::Sha256;
use crate::host;

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

    /// A store in a directory.
    #[cfg(test)]
    pub fn at(root: Utf8PathBuf) -> Self {
        Self { root }
    }

    /// Its directory.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Where a downloaded file with this digest is, or will be.
    pub fn file(&self, sha256: Sha256) -> Utf8PathBuf {
        self.root.join("files").join(sha256.to_string())
    }

    /// Where the tree of this kind and key is, or will be.
    pub fn tree(&self, kind: &str, key: Sha256) -> Utf8PathBuf {
        self.root.join("trees").join(kind).join(key.to_string())
    }

    /// Where work in progress lies: on the same file system as what it becomes.
    pub fn work(&self) -> Utf8PathBuf {
        self.root.join("work")
    }

    /// Where downloads lie until they are whole.
    fn partial(&self) -> Utf8PathBuf {
        self.root.join("partial")
    }

    /// Where downloads lie that are not what they should be.
    fn quarantine(&self) -> Utf8PathBuf {
        self.root.join("quarantine")
    }

    fn locks(&self) -> Utf8PathBuf {
        self.root.join("locks")
    }
}
