//! Verifies a store: each file and tree must match the digest in its name.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::Store;
use super::tree::{Entry, TOOL, Tree};
use crate::base::digest::Sha256;

#[derive(Debug, Default)]
pub struct Checked {
    pub files: usize,
    pub trees: usize,
    /// The damaged parts, with their new paths.
    pub damaged: Vec<(String, Utf8PathBuf)>,
}

impl Store {
    /// Hashes everything. Damaged files and trees go to the quarantine, and will be made again when they are needed.
    pub fn check(&self) -> Result<Checked> {
        let files = entries(&self.root().join("files"))?;
        let mut trees = Vec::new();
        for kind in entries(&self.root().join("trees"))? {
            // Tools are no trees: pip installs them as it likes.
            if kind.file_name() != Some(TOOL) {
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
                // The lock keeps this from moving a file or tree that another process is making again at the moment.
                let _guard = self.lock(path, &format!("making `{path}`"))?;
                checked.damaged.push((damage, self.set_aside(path)?));
            }
        }
        Ok(checked)
    }

    /// Moves a damaged file or tree to the quarantine, where users can inspect it, and returns its new path.
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

/// The entries of a directory, sorted; none if the directory does not exist.
pub(super) fn entries(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
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
            return Ok(Some(format!("`{place}` does not match its list")));
        }
    }
    Ok(None)
}
