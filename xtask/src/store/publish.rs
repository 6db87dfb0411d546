//! The one way in which anything becomes visible: made elsewhere, then renamed, under a lock.

use std::fs::TryLockError;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use fs_err::{File, OpenOptions};

use super::Store;
use crate::digest::Sha256;
use crate::interrupt::WorkDirectory;

/// Held while something is being made, so that two processes do not make it twice.
pub struct Guard {
    _file: File,
}

impl Store {
    /// Waits for the lock that belongs to a path.
    pub fn lock(&self, path: &Utf8Path) -> Result<Guard> {
        let file = self.lock_file(path)?;
        file.file().lock().with_context(|| format!("cannot lock `{path}`"))?;
        Ok(Guard { _file: file })
    }

    /// Takes the lock that belongs to a path, unless somebody has it.
    pub fn try_lock(&self, path: &Utf8Path) -> Result<Option<Guard>> {
        let file = self.lock_file(path)?;
        match file.file().try_lock() {
            Ok(()) => Ok(Some(Guard { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock `{path}`")),
        }
    }

    fn lock_file(&self, path: &Utf8Path) -> Result<File> {
        let directory = self.locks();
        fs_err::create_dir_all(&directory)?;
        let name = Sha256::of(path.as_str().as_bytes()).to_string();
        Ok(OpenOptions::new().create(true).truncate(false).write(true).open(directory.join(name))?)
    }

    /// Makes `destination` unless it is there: `make` gets an empty work directory and returns which path in
    /// it is to be published.
    ///
    /// The check is made once more under the lock, since another process may have been faster. What `make`
    /// leaves behind when it fails disappears with the work directory.
    pub fn publish(
        &self,
        destination: &Utf8Path,
        make: impl FnOnce(&Utf8Path) -> Result<camino::Utf8PathBuf>,
    ) -> Result<()> {
        if destination.exists() {
            return Ok(());
        }
        let _guard = self.lock(destination)?;
        if destination.exists() {
            return Ok(());
        }
        let work = WorkDirectory::new_in(&self.work())?;
        let made = make(work.path())?;
        if let Some(parent) = destination.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::rename(made, destination)?;
        Ok(())
    }

    /// Puts a file of the store's own in the place of an older one.
    pub fn replace(&self, file: &Utf8Path, bytes: &[u8]) -> Result<()> {
        let work = WorkDirectory::new_in(&self.work())?;
        let new = work.path().join("new");
        fs_err::write(&new, bytes)?;
        fs_err::rename(new, file)?;
        Ok(())
    }
}
