//! Puts files and trees into the store: it makes them in a work directory, and renames them under a lock.
//! `runtime::stage` does that for runtimes, without a lock.

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};

use super::Store;
use crate::base::digest::Sha256;
use crate::base::quantity::format_duration;
use crate::report;
use crate::work::WorkDirectory;

/// Report a wait that lasts longer than this.
const REPORT_AFTER: Duration = Duration::from_secs(2);
/// Between two looks whether a lock is free.
const PAUSE: Duration = Duration::from_millis(20);
/// The lock for all trees of the store.
const TREES: &str = "trees";

static KNOWN: Mutex<Known> = Mutex::new(Known { held: BTreeSet::new(), mentioned: BTreeSet::new() });

struct Known {
    /// The locks of this process: some of its threads may wait for others.
    held: BTreeSet<Utf8PathBuf>,
    /// The waits that this process reported.
    mentioned: BTreeSet<Utf8PathBuf>,
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held while something is being made, so that two processes do not make it twice.
#[derive(Debug)]
pub struct Guard {
    path: Utf8PathBuf,
    _file: File,
}

impl Guard {
    fn new(path: &Utf8Path, file: File) -> Self {
        known().held.insert(path.to_owned());
        Self { path: path.to_owned(), _file: file }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        known().held.remove(&self.path);
    }
}

impl Store {
    /// Waits for the lock of a path. `doing` tells a user who waits for long what the holder of the lock is probably
    /// doing: `fetching x.whl`.
    pub fn lock(&self, path: &Utf8Path, doing: &str) -> Result<Guard> {
        let file = self.lock_file(path)?;
        let result = wait(path, doing, || file.file().try_lock(), || file.file().lock());
        result.with_context(|| format!("cannot lock `{path}`"))?;
        Ok(Guard::new(path, file))
    }

    /// Takes the lock of a path, unless another holder has it.
    pub fn try_lock(&self, path: &Utf8Path) -> Result<Option<Guard>> {
        let file = self.lock_file(path)?;
        match file.file().try_lock() {
            Ok(()) => Ok(Some(Guard::new(path, file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock `{path}`")),
        }
    }

    /// A shared lock for users of trees: no tree disappears meanwhile. Waits for a process that removes trees.
    ///
    /// Returns none if the lock cannot be taken, as in a read-only store.
    pub fn share(&self) -> Option<File> {
        let path = self.root().join(TREES);
        let file = self.lock_file(&path).ok()?;
        let doing = "pruning the store";
        wait(&path, doing, || file.file().try_lock_shared(), || file.file().lock_shared()).ok()?;
        Some(file)
    }

    /// Takes the exclusive lock for removing trees, unless another process uses trees.
    pub fn claim(&self) -> Result<Option<Guard>> {
        self.try_lock(&self.root().join(TREES))
    }

    fn lock_file(&self, path: &Utf8Path) -> Result<File> {
        let directory = self.locks();
        fs_err::create_dir_all(&directory)?;
        let name = Sha256::of(path.as_str().as_bytes()).to_string();
        // N.B. never delete a lock file: another process may have opened it and be about to lock it. A lock on a
        // deleted file does not exclude a process that locks the next file of the same name.
        Ok(OpenOptions::new().create(true).truncate(false).write(true).open(directory.join(name))?)
    }

    /// Makes `destination` unless it is there: `make` gets an empty work directory and returns which path in
    /// it is to be published. `doing` is for processes that wait meanwhile.
    ///
    /// The check is made once more under the lock, since another process may have been faster. Leftovers
    /// of a failed `make` disappear with the work directory.
    pub fn publish(
        &self,
        destination: &Utf8Path,
        doing: &str,
        make: impl FnOnce(&Utf8Path) -> Result<Utf8PathBuf>,
    ) -> Result<()> {
        self.publish_with(destination, doing, || {
            let work = WorkDirectory::new_in(&self.work())?;
            let made = make(work.path())?;
            Ok((made, work))
        })
    }

    /// The same for what is made in a place of its own: `make` returns where it is, and what has to be kept until it
    /// is published.
    pub fn publish_with<K>(
        &self,
        destination: &Utf8Path,
        doing: &str,
        make: impl FnOnce() -> Result<(Utf8PathBuf, K)>,
    ) -> Result<()> {
        let name = destination.strip_prefix(self.root()).unwrap_or(destination);
        if destination.exists() {
            tracing::debug!("found in the store: `{name}`");
            return Ok(());
        }
        let _guard = self.lock(destination, doing)?;
        if destination.exists() {
            tracing::debug!("made by another process meanwhile: `{name}`");
            return Ok(());
        }
        let began = Instant::now();
        let (made, _kept) = make()?;
        if let Some(parent) = destination.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::rename(made, destination)?;
        tracing::debug!("new in the store: `{name}` in {}", format_duration(began.elapsed()));
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

/// Waits for a lock, and says so when it takes long.
fn wait(
    path: &Utf8Path,
    doing: &str,
    attempt: impl Fn() -> Result<(), TryLockError>,
    blocking: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if began.elapsed() < REPORT_AFTER => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                mention(path, doing);
                return blocking();
            }
        }
    }
}

/// Says once what this process waits for, unless that is itself.
fn mention(path: &Utf8Path, doing: &str) {
    let mut known = known();
    if !known.held.contains(path) && known.mentioned.insert(path.to_owned()) {
        drop(known);
        report::say(&format!("waiting for another process that is {doing}"));
    }
}
