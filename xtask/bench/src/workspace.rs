//! The work directories of a benchmark: all on one file system, a new one for each run.

use std::cell::{Cell, RefCell};

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use walkdir::WalkDir;
use xtask::bench_api::{Store, WorkDirectory};

/// A directory in which nothing is deleted before the end: ext4 looks for files that were not deleted a moment ago
/// whenever it makes one, which would slow down the next candidate. Only the bytes are given back.
pub struct Workspace {
    work: WorkDirectory,
    count: Cell<usize>,
    used: RefCell<Vec<Utf8PathBuf>>,
}

impl Workspace {
    pub fn new(store: &Store) -> Result<Self> {
        Ok(Self { work: WorkDirectory::new_in(&store.work())?, count: Cell::default(), used: RefCell::default() })
    }

    pub fn path(&self) -> &Utf8Path {
        self.work.path()
    }

    pub fn write(&self, name: &str, text: String) -> Result<Utf8PathBuf> {
        let path = self.path().join(name);
        fs_err::write(&path, text)?;
        Ok(path)
    }

    /// A new directory for one run. The files of earlier runs are emptied, unless another run shares them.
    pub fn fresh(&self, shares: bool) -> Result<Utf8PathBuf> {
        for used in self.used.take() {
            empty(&used)?;
        }
        let place = self.path().join(format!("run-{}", self.count.replace(self.count.get() + 1)));
        fs_err::create_dir(&place)?;
        if !shares {
            self.used.borrow_mut().push(place.clone());
        }
        Ok(place)
    }
}

/// Gives back what the files in a directory need on the disk, and leaves them there.
fn empty(directory: &Utf8Path) -> Result<()> {
    for entry in WalkDir::new(directory) {
        let entry = entry?;
        if entry.file_type().is_file() && entry.metadata()?.len() > 0 {
            fs_err::OpenOptions::new().write(true).truncate(true).open(entry.path())?;
        }
    }
    Ok(())
}
