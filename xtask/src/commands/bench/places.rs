//! Where the contestants of a benchmark work: all on one file system, each time in a directory that is new.

use std::cell::Cell;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::OpenOptions;
use walkdir::WalkDir;

use crate::store::Store;
use crate::work::WorkDirectory;

/// A directory in which nothing is deleted before the end: ext4 looks for files that were not deleted a moment ago
/// whenever it makes one, which would slow down whoever comes next. Only the bytes are given back.
pub struct Places {
    work: WorkDirectory,
    run: Cell<usize>,
    done: Cell<Vec<Utf8PathBuf>>,
}

impl Places {
    /// Makes the directory in the store.
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Self { work: WorkDirectory::new_in(&store.work())?, run: Cell::default(), done: Cell::default() })
    }

    /// Its path.
    pub fn path(&self) -> &Utf8Path {
        self.work.path()
    }

    /// A number that no run had before. Gives back what those before were done with.
    pub fn next(&self) -> Result<usize> {
        for done in self.done.take() {
            empty(&done)?;
        }
        Ok(self.run.replace(self.run.get() + 1))
    }

    /// Nobody needs the content of these directories after this run.
    pub fn done_with(&self, directories: impl Into<Vec<Utf8PathBuf>>) {
        self.done.set(directories.into());
    }
}

/// Gives back what the files in a directory need on the disk, and leaves them there.
fn empty(directory: &Utf8Path) -> Result<()> {
    // pip makes no cache when it finds nothing to keep.
    if !directory.exists() {
        return Ok(());
    }
    for entry in WalkDir::new(directory) {
        let entry = entry?;
        if entry.file_type().is_file() && entry.metadata()?.len() > 0 {
            OpenOptions::new().write(true).truncate(true).open(entry.path())?;
        }
    }
    Ok(())
}
