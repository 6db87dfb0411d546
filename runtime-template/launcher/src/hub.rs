//! The layout of a Hugging Face cache: `models--ORG--NAME/{refs/main,snapshots/REVISION/…}`.

use std::path::{Path, PathBuf};

use speaches_format::tree;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Such as `Systran/faster-distil-whisper-small.en`.
    pub id: String,
    /// The commit of `refs/main`, if there is one.
    pub revision: Option<String>,
    /// Bytes of all its files, each counted once.
    pub size: u64,
    /// Whether the revision's snapshot is there.
    pub complete: bool,
}

/// The directory of a model inside a cache.
#[must_use]
pub fn directory_of(id: &str) -> String {
    format!("models--{}", id.replace('/', "--"))
}

/// The commit that `refs/main` of a repository names.
#[must_use]
pub fn main_revision(repository: &Path) -> Option<String> {
    let text = fs_err::read_to_string(repository.join("refs/main")).ok()?;
    Some(text.trim().to_owned()).filter(|revision| !revision.is_empty())
}

/// The models of a cache, sorted by name. A cache that is not there has none.
#[must_use]
pub fn list(hub: &Path) -> Vec<Repository> {
    let Ok(entries) = fs_err::read_dir(hub) else { return Vec::new() };
    let mut models = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_prefix("models--")?.replacen("--", "/", 1);
            let revision = main_revision(&entry.path());
            let snapshot = entry.path().join("snapshots").join(revision.as_deref().unwrap_or("none"));
            let size = size_of(&entry.path());
            Some(Repository { id, complete: revision.is_some() && snapshot.is_dir(), revision, size })
        })
        .collect::<Vec<_>>();
    models.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    models
}

/// Links into the repository's own `blobs/` are not counted again; links that lead out of it, as ours may, are.
fn size_of(repository: &Path) -> u64 {
    let files = tree::files_below(repository).unwrap_or_default();
    let size = |file: &PathBuf| {
        let path = repository.join(file);
        let inside = fs_err::read_link(&path).is_ok_and(|target| target.is_relative());
        if inside { 0 } else { fs_err::metadata(&path).map_or(0, |metadata| metadata.len()) }
    };
    files.iter().map(size).sum()
}
