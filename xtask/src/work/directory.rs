//! Work directories, for unfinished files. They are removed when dropped and on Ctrl-C.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};

use super::held::Held;
use super::open::open;

/// A directory for something half made. It is removed when dropped, and when the user presses Ctrl-C.
#[derive(Debug)]
pub struct WorkDirectory {
    path: Utf8PathBuf,
}

impl WorkDirectory {
    /// Makes a new directory inside `parent`, which is made too when it is not there.
    pub fn new_in(parent: &Utf8Path) -> Result<Self> {
        fs_err::create_dir_all(parent)?;
        let mut open = open();
        let held = loop {
            let made = Held::make(parent).with_context(|| format!("cannot make a work directory in `{parent}`"))?;
            if let Some(held) = made {
                break held;
            }
        };
        let path = held.path.clone();
        open.directories.push(held);
        Ok(Self { path })
    }

    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let mut open = open();
        if let Some(index) = open.directories.iter().position(|held| held.path == self.path) {
            let _ = open.directories.swap_remove(index).remove();
        }
    }
}
