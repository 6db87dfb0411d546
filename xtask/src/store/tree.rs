//! Trees: directories of the store with a list of their files. The digest of each file is computed when the file is
//! written.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read, Write as _};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::{File, OpenOptions};
use serde::{Deserialize, Serialize};

pub use wheel_archive::path::RelativePath;

use super::Store;
use crate::base::digest::{Hasher, Sha256};
use crate::work;

/// The kind of trees that [`Store::make_tool`] makes.
pub const TOOL: &str = "tool";
const LIST: &str = "tree.json";
const CONTENT: &str = "content";
/// The store notes the use of a tree no more often than this.
pub const NOTED_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A directory in the store and what is in it.
#[derive(Clone, Debug)]
pub struct Tree {
    pub content: Utf8PathBuf,
    /// By path relative to `content`.
    pub entries: BTreeMap<RelativePath, Entry>,
    /// Whether it was made just now, and was not there before.
    pub is_new: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    File {
        /// In bytes.
        size: u64,
        sha256: Sha256,
        executable: bool,
    },
    /// A symbolic link to a path inside the same tree, relative to the link.
    Link { to: String },
}

/// Fills a tree that is being made.
pub struct TreeWriter {
    content: Utf8PathBuf,
    entries: BTreeMap<RelativePath, Entry>,
    /// The directories that exist already.
    directories: HashSet<Utf8PathBuf>,
    buffer: Vec<u8>,
}

impl TreeWriter {
    fn new(content: Utf8PathBuf) -> Self {
        Self { content, entries: BTreeMap::new(), directories: HashSet::new(), buffer: vec![0; 1 << 18] }
    }

    /// Writes a file and hashes it on the way. A second file of the same path is refused.
    pub fn add(&mut self, path: RelativePath, source: &mut dyn Read, executable: bool) -> Result<(Sha256, u64)> {
        let target = self.prepare(&path)?;
        let file = File::create_new(&target)?;
        set_mode(&file, executable)?;
        let mut writer = Hasher::new(file);
        // Not `io::copy`, whose buffer is so small that the decompressor of wheels and the system take twice as long.
        loop {
            let read = source.read(&mut self.buffer).with_context(|| format!("cannot read what becomes `{target}`"))?;
            if read == 0 {
                break;
            }
            writer.write_all(&self.buffer[..read]).with_context(|| format!("cannot write `{target}`"))?;
        }
        let (sha256, size) = writer.finish();
        self.entries.insert(path, Entry::File { size, sha256, executable });
        Ok((sha256, size))
    }

    /// Makes a symbolic link that stays inside the tree.
    pub fn link(&mut self, path: RelativePath, to: &str) -> Result<()> {
        let mut depth = path.as_str().matches('/').count();
        for part in to.split('/') {
            match part {
                ".." if depth > 0 => depth -= 1,
                "" | "." | ".." => bail!("the link `{}` leads to `{to}`, outside of its tree", path.as_str()),
                _ => depth += 1,
            }
        }
        self.prepare(&path)?;
        self.entries.insert(path, Entry::Link { to: to.to_owned() });
        Ok(())
    }

    /// The [`Tree::sha256`] of the tree, if no file is added any more.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of_json(&self.entries)
    }

    /// Whether there is a file or link of this path.
    pub fn contains(&self, path: &RelativePath) -> bool {
        self.entries.contains_key(path)
    }

    fn prepare(&mut self, path: &RelativePath) -> Result<Utf8PathBuf> {
        if self.contains(path) {
            bail!("there are two files named `{}`", path.as_str());
        }
        let target = self.content.join(path.as_str());
        if let Some(parent) = target.parent()
            && !self.directories.contains(parent)
        {
            work::create_inside(parent)?;
            self.directories.insert(parent.to_owned());
        }
        Ok(target)
    }
}

/// Sets the permissions of a file, with any umask.
fn set_mode(file: &File, executable: bool) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if executable { 0o755 } else { 0o644 };
        file.set_permissions(std::fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, executable);
        Ok(())
    }
}

impl Store {
    /// The tree of this kind and key, made by `fill` when it is not there yet.
    pub fn make_tree(&self, kind: &str, key: Sha256, fill: impl FnOnce(&mut TreeWriter) -> Result<()>) -> Result<Tree> {
        let destination = self.tree(kind, key);
        let mut is_new = false;
        self.publish(&destination, &making(kind, key), |work| {
            is_new = true;
            let made = work.join("tree");
            let mut writer = TreeWriter::new(made.join(CONTENT));
            work::create_inside(&writer.content)?;
            fill(&mut writer)?;
            fs_err::write(made.join(LIST), serde_json::to_vec(&writer.entries)?)?;
            Ok(made)
        })?;
        let tree = Tree::open(&destination)?;
        note_use(&destination);
        Ok(Tree { is_new, ..tree })
    }

    /// The directory of a tool, which some installer fills as it likes when it is not there yet: `make` is as in
    /// [`Store::publish`]. None of its files are listed.
    pub fn make_tool(&self, key: Sha256, make: impl FnOnce(&Utf8Path) -> Result<Utf8PathBuf>) -> Result<Utf8PathBuf> {
        let destination = self.tree(TOOL, key);
        self.publish(&destination, &making(TOOL, key), |work| {
            let made = make(work)?;
            fs_err::write(made.join(LIST), "{}")?;
            Ok(made)
        })?;
        note_use(&destination);
        Ok(destination)
    }

    /// Whether the tree of this kind and key is there.
    pub fn has_tree(&self, kind: &str, key: Sha256) -> bool {
        self.tree(kind, key).join(LIST).is_file()
    }
}

/// Describes the making of a tree to a user who waits for it. The whole digest would not fit on a terminal's line.
fn making(kind: &str, key: Sha256) -> String {
    format!("making `trees/{kind}/{}…`", &key.to_string()[..12])
}

/// Notes that a tree is used now: the modification time of its list is the time of its last use. In a read-only store
/// that time stays as it is.
fn note_use(directory: &Utf8Path) {
    if unused_for(directory) > NOTED_EVERY
        && let Ok(list) = OpenOptions::new().append(true).open(directory.join(LIST))
    {
        let _ = list.file().set_modified(SystemTime::now());
    }
}

/// How long a tree was not used, to within [`NOTED_EVERY`].
pub fn unused_for(directory: &Utf8Path) -> Duration {
    let modified = |path: &Utf8Path| path.metadata().and_then(|metadata| metadata.modified());
    let used = modified(&directory.join(LIST)).or_else(|_| modified(directory));
    // A clock may have been wrong; what was used in the future is in use.
    used.ok().and_then(|used| SystemTime::now().duration_since(used).ok()).unwrap_or_default()
}

impl Tree {
    /// The tree in a directory of the store.
    pub fn open(directory: &Utf8Path) -> Result<Self> {
        let list = directory.join(LIST);
        let entries = serde_json::from_slice(&fs_err::read(&list)?)
            .with_context(|| format!("`{list}` is damaged; `cargo xtask cache verify` sets it aside"))?;
        Ok(Self { content: directory.join(CONTENT), entries, is_new: false })
    }

    /// sha256 of the sorted list of files: the identity of the content.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of_json(&self.entries)
    }

    /// How large its files are together, in bytes.
    pub fn size(&self) -> u64 {
        let sizes = self.entries.values().map(|entry| match entry {
            Entry::File { size, .. } => *size,
            Entry::Link { .. } => 0,
        });
        sizes.sum()
    }
}
