//! Remembers the sha256 of local files, so that a plan over gigabytes of models is made in milliseconds.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::Store;
use crate::base::digest::Sha256;
use crate::base::quantity::format_duration;

/// Digests of files by what the file system says about them.
///
/// Nothing is written while a plan is made; [`Digests::save`] is for when it is carried out.
#[derive(Debug)]
pub struct Digests {
    known: Mutex<Known>,
    file: Utf8PathBuf,
}

#[derive(Debug, Default)]
struct Known {
    digests: BTreeMap<Utf8PathBuf, CachedDigest>,
    changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CachedDigest {
    stamp: Stamp,
    sha256: Sha256,
}

/// Attributes that change when a file changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    modified_nanoseconds: u128,
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    fn of(path: &Utf8Path) -> Result<Self> {
        let metadata = fs_err::metadata(path)?;
        let modified = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        #[cfg(unix)]
        let (changed, inode) = {
            use std::os::unix::fs::MetadataExt as _;
            ((metadata.ctime(), metadata.ctime_nsec()), metadata.ino())
        };
        #[cfg(not(unix))]
        let (changed, inode) = ((0, 0), 0);
        Ok(Self { size: metadata.len(), modified_nanoseconds: modified.as_nanos(), changed, inode })
    }
}

impl Digests {
    /// Loads the digests of earlier runs. A damaged file counts as empty.
    pub fn load(store: &Store) -> Self {
        let file = store.root().join("digests.json");
        let digests =
            fs_err::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { known: Mutex::new(Known { digests, changed: false }), file }
    }

    /// The sha256 of a file, from memory when nothing about the file changed.
    pub fn of(&self, path: &Utf8Path) -> Result<Sha256> {
        let stamp = Stamp::of(path)?;
        if let Some(found) = self.lock().digests.get(path)
            && found.stamp == stamp
        {
            tracing::debug!("remembered from an earlier run: the sha256 of `{path}`");
            return Ok(found.sha256);
        }
        let began = Instant::now();
        let sha256 = Sha256::of_file(path)?;
        tracing::debug!("hashed `{path}` in {}", format_duration(began.elapsed()));
        let mut known = self.lock();
        known.digests.insert(path.to_owned(), CachedDigest { stamp, sha256 });
        known.changed = true;
        Ok(sha256)
    }

    /// Writes what was found out, for the next run.
    pub fn save(&self, store: &Store) -> Result<()> {
        let mut known = self.lock();
        if !known.changed {
            return Ok(());
        }
        known.digests.retain(|path, _| path.exists());
        store.replace(&self.file, &serde_json::to_vec(&known.digests)?)?;
        known.changed = false;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
