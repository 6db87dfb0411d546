//! The entries of an archive of a runtime, in order. `runtime.json` alone decides them, not the disk.

use std::collections::BTreeSet;

use speaches_format::description::{Description, File};
use speaches_format::layout;

/// One entry of an archive; paths are relative to the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A directory, before everything in it. The runtime itself has the empty path.
    Directory(&'a str),
    /// `runtime.json`, before every file that it describes, so that a reader of the archive can compare at once.
    Description,
    Described(&'a File),
}

impl Entry<'_> {
    /// Relative to the runtime.
    pub const fn path(&self) -> &str {
        match self {
            Self::Directory(path) => path,
            Self::Description => layout::DESCRIPTION,
            Self::Described(file) => file.path.as_str(),
        }
    }
}

/// Every entry of the archive of a runtime.
pub fn entries(description: &Description) -> Vec<Entry<'_>> {
    let mut files = description.files.iter().collect::<Vec<_>>();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut entries = vec![Entry::Directory(""), Entry::Description];
    let mut seen = BTreeSet::new();
    for file in files {
        for (end, _) in file.path.match_indices('/') {
            let directory = &file.path[..end];
            if seen.insert(directory) {
                entries.push(Entry::Directory(directory));
            }
        }
        entries.push(Entry::Described(file));
    }
    entries
}

/// The name of an entry in an archive whose top-level directory is `top`. Directories end with `/`.
pub fn name(top: &str, entry: &Entry<'_>) -> String {
    match entry {
        Entry::Directory("") => format!("{top}/"),
        Entry::Directory(path) => format!("{top}/{path}/"),
        entry => format!("{top}/{}", entry.path()),
    }
}
