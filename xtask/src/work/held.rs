//! A work directory with its lock.
//!
//! ```text
//! .work-<random>/.lock   locked by the process whose directory this is, for as long as both live
//! .work-<random>/…       what is being made
//! ```
//! A process that gets the lock of a directory knows that no other works in it any more. The system gives up the lock of
//! a process that is killed.

use std::fs::TryLockError;
use std::io;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};

pub const PREFIX: &str = ".work-";
/// How many random characters follow.
pub const RANDOM: usize = 6;
/// The suffix of a directory that Ctrl-C removes.
pub const GONE: &str = ".gone";
pub const LOCK: &str = ".lock";

/// A work directory as Ctrl-C has to know it.
#[derive(Debug)]
pub struct Held {
    pub path: Utf8PathBuf,
    /// Nothing once it was given up.
    pub lock: Option<File>,
}

impl Held {
    /// Makes a directory and locks it. Nothing comes back when another process took it for a leftover in the moment
    /// between the two.
    pub fn make(parent: &Utf8Path) -> Result<Option<Self>> {
        let directory = tempfile::Builder::new().prefix(PREFIX).rand_bytes(RANDOM).tempdir_in(parent)?;
        let path = Utf8PathBuf::from_path_buf(directory.keep())
            .map_err(|path| anyhow::anyhow!("`{}` is not valid UTF-8", path.display()))?;
        let place = path.join(LOCK);
        let lock = match OpenOptions::new().write(true).create_new(true).open(&place) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let _ = fs_err::remove_dir(&path);
                return Err(error.into());
            }
        };
        match lock.file().try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            // A lock on a deleted file excludes no other process.
            Ok(()) if !place.exists() => Ok(None),
            // Without locks, other processes judge by age.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(Self { path, lock: Some(lock) })),
        }
    }

    /// Deletes it: the lock last, so that what is left after a kill in between is known to be left over.
    pub fn remove(&mut self) -> io::Result<()> {
        for entry in self.path.read_dir_utf8()? {
            let entry = entry?;
            if entry.file_name() == LOCK {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs_err::remove_dir_all(entry.path())?;
            } else {
                fs_err::remove_file(entry.path())?;
            }
        }
        // Other systems hold the lock until its file is deleted: a process that has just made this directory and is
        // about to lock it must not get the lock.
        if cfg!(windows) {
            self.give_up();
        }
        match fs_err::remove_file(self.path.join(LOCK)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // On NFS the file is there, under another name, until it is closed.
        self.give_up();
        fs_err::remove_dir(&self.path)
    }

    /// Closes the lock. Windows neither moves nor deletes a directory with an open file in it.
    pub fn give_up(&mut self) {
        self.lock = None;
    }
}
