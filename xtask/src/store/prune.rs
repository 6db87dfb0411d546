//! Removes unneeded files from a store.

use std::time::Duration;

use anyhow::Result;
use camino::Utf8Path;

use super::Store;
use super::tree::{NOTED_EVERY, unused_for};
use super::verify::entries;
use crate::base::digest::Sha256;
use crate::work::{self, Place, WorkDirectory, bytes_given_back};

#[derive(Debug, Default)]
pub struct Pruned {
    /// Of each kind of thing: what it is, how many there were, and how many bytes the disk got back.
    pub kinds: Vec<(String, usize, u64)>,
    /// Whether another process uses the store. If so, prune kept some files that it removes otherwise.
    pub in_use: bool,
}

impl Pruned {
    /// How many bytes the disk got back.
    pub fn bytes(&self) -> u64 {
        self.kinds.iter().map(|(_, _, bytes)| bytes).sum()
    }

    fn add(&mut self, kind: &str, bytes: u64) {
        match self.kinds.iter_mut().find(|(known, _, _)| known == kind) {
            Some((_, count, sum)) => {
                *count += 1;
                *sum += bytes;
            }
            None => self.kinds.push((kind.to_owned(), 1, bytes)),
        }
    }
}

impl Store {
    /// Removes files that no provision will use: leftovers of killed runs, damaged files that were set aside, partial
    /// downloads that no process continues, downloads for which `is_unpacked` says that their tree exists, and trees
    /// that no process used for the time `unused`.
    ///
    /// While another process uses the store, prune keeps all downloads and every tree that the process may be using.
    pub fn prune(&self, unused: Duration, is_unpacked: impl Fn(Sha256) -> bool) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        match work::remove_leftovers(&self.work(), Place::Own) {
            0 => {}
            bytes => pruned.add("leftovers of killed runs", bytes),
        }
        for path in entries(&self.quarantine())? {
            pruned.add("files that were set aside", remove(&path)?);
        }
        for path in entries(&self.partial())? {
            let Some(sha256) = path.file_stem().and_then(|name| name.parse::<Sha256>().ok()) else { continue };
            if let Some(_guard) = self.try_lock(&self.file(sha256))? {
                pruned.add("parts of downloads", remove(&path)?);
            }
        }
        // Held until the end: a process that begins meanwhile waits.
        let claim = self.claim()?;
        pruned.in_use = claim.is_none();
        if claim.is_some() {
            for path in entries(&self.root().join("files"))? {
                let is_unpacked = path.file_name().and_then(|name| name.parse().ok()).is_some_and(&is_unpacked);
                if is_unpacked && let Some(_guard) = self.try_lock(&path)? {
                    pruned.add("downloads that were unpacked", remove(&path)?);
                }
            }
        }
        // A running provision noted its use of a tree at most this long before it began, and may run for a day.
        let unused = if pruned.in_use { unused.max(2 * NOTED_EVERY) } else { unused };
        self.prune_trees(unused, &mut pruned)?;
        Ok(pruned)
    }

    fn prune_trees(&self, unused: Duration, pruned: &mut Pruned) -> Result<()> {
        for kind in entries(&self.root().join("trees"))? {
            let name = format!("unused trees of the kind `{}`", kind.file_name().unwrap_or_default());
            for tree in entries(&kind)? {
                if !tree.is_dir() || unused_for(&tree) < unused {
                    continue;
                }
                let Some(_guard) = self.try_lock(&tree)? else { continue };
                // The rename removes the tree at once, so no process ever sees half of it.
                let work = WorkDirectory::new_in(&self.work())?;
                let gone = work.path().join("tree");
                fs_err::rename(&tree, &gone)?;
                pruned.add(&name, remove(&gone)?);
            }
        }
        Ok(())
    }
}

fn remove(path: &Utf8Path) -> Result<u64> {
    let bytes = bytes_given_back(path);
    if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) }?;
    Ok(bytes)
}
