//! Looking after a store: is everything in it what its name says, and what of it does nobody need?

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use walkdir::WalkDir;

use super::Store;
use super::tree::{Entry, Tree};
use crate::digest::Sha256;

/// What a check of a store found.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many downloaded files there are.
    pub files: usize,
    /// How many trees there are.
    pub trees: usize,
    /// What was not what it should be, and where it is now.
    pub damaged: Vec<(String, Utf8PathBuf)>,
}

impl Store {
    /// Hashes everything. What is not what its name says goes to the quarantine, and will be made again when it is
    /// needed.
    pub fn check(&self) -> Result<Checked> {
        let files = entries(&self.root().join("files"))?;
        let mut trees = Vec::new();
        for kind in entries(&self.root().join("trees"))? {
            // Tools are no trees: pip installs them as it likes.
            if kind.file_name() != Some("tool") {
                trees.extend(entries(&kind)?);
            }
        }
        let mut checked = Checked { files: files.len(), trees: trees.len(), damaged: Vec::new() };
        let found = files
            .par_iter()
            .map(|path| Ok((path, damage_of_file(path)?)))
            .chain(trees.par_iter().map(|path| Ok((path, damage_of_tree(path)?))))
            .collect::<Result<Vec<_>>>()?;
        for (path, damage) in found {
            if let Some(damage) = damage {
                // Whoever is just making it again finds nothing in the way.
                let _guard = self.lock(path)?;
                checked.damaged.push((damage, self.set_aside(path)?));
            }
        }
        Ok(checked)
    }

    /// Removes what no provision will use: what was set aside, parts of downloads that nobody is going on with, and
    /// downloads of which `is_unpacked` says that a tree was made. Returns how many bytes that were.
    pub fn prune(&self, is_unpacked: impl Fn(Sha256) -> bool) -> Result<u64> {
        let mut freed = 0;
        for path in entries(&self.quarantine())? {
            freed += remove(&path)?;
        }
        for path in entries(&self.partial())? {
            let Some(sha256) = path.file_stem().and_then(|name| name.parse::<Sha256>().ok()) else { continue };
            if let Some(_guard) = self.try_lock(&self.file(sha256))? {
                freed += remove(&path)?;
            }
        }
        for path in entries(&self.root().join("files"))? {
            let is_unpacked = path.file_name().and_then(|name| name.parse().ok()).is_some_and(&is_unpacked);
            if is_unpacked && let Some(_guard) = self.try_lock(&path)? {
                freed += remove(&path)?;
            }
        }
        Ok(freed)
    }

    /// Moves something to where it can be looked at but is never used, and returns that place.
    pub fn set_aside(&self, path: &Utf8Path) -> Result<Utf8PathBuf> {
        let directory = self.quarantine();
        fs_err::create_dir_all(&directory)?;
        let name = path.file_name().context("what is set aside has a name")?;
        let place = (1..)
            .map(|number| directory.join(format!("{name}-{number}")))
            .find(|place| !place.exists())
            .context("there are always more numbers")?;
        fs_err::rename(path, &place)?;
        Ok(place)
    }
}

/// What is in a directory, sorted; nothing when there is none.
fn entries(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = directory
        .read_dir_utf8()?
        .map(|entry| Ok(entry?.path().to_owned()))
        .collect::<Result<Vec<_>>>()
        .with_context(|| format!("cannot read `{directory}`"))?;
    found.sort();
    Ok(found)
}

fn remove(path: &Utf8Path) -> Result<u64> {
    let mut size = 0;
    for entry in WalkDir::new(path) {
        let entry = entry?;
        size += if entry.file_type().is_file() { entry.metadata()?.len() } else { 0 };
    }
    if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) }?;
    Ok(size)
}

fn damage_of_file(path: &Utf8Path) -> Result<Option<String>> {
    let found = Sha256::of_file(path)?;
    Ok((path.file_name() != Some(found.to_string().as_str())).then(|| format!("`{path}` has the sha256 {found}")))
}

fn damage_of_tree(directory: &Utf8Path) -> Result<Option<String>> {
    let tree = match Tree::open(directory) {
        Ok(tree) => tree,
        Err(error) => return Ok(Some(format!("`{directory}`: {error:#}"))),
    };
    for (path, entry) in &tree.entries {
        let place = tree.content.join(path.as_str());
        let same = match (entry, place.symlink_metadata()) {
            (Entry::File { size, sha256, .. }, Ok(there)) => {
                there.is_file() && there.len() == *size && Sha256::of_file(&place)? == *sha256
            }
            // Links are made in runtimes only.
            (Entry::Link { .. }, _) => true,
            (_, Err(_)) => false,
        };
        if !same {
            return Ok(Some(format!("`{place}` is not what its list says")));
        }
    }
    Ok(None)
}
