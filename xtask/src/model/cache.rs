//! The layout of a Hugging Face cache, read (`--models-from`) and written (`models/hub` of a runtime).
//!
//! ```text
//! models--{org}--{name}/refs/main                  the commit, without a newline
//! models--{org}--{name}/snapshots/{commit}/{path}  files, or links into blobs/
//! ```

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;

use super::{FileInput, FileSource, ModelInput};
use crate::failure::{Exit, Failure};
use crate::manifest::ModelEntry;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::fetch::mismatch;
use crate::store::tree::{RelativePath, Tree};

/// The directory of a repository.
pub fn directory(id: &str) -> String {
    format!("models--{}", id.replace('/', "--"))
}

/// Finds a model in a user's cache. The pinned revision is held to its pins; another one is taken as it is and
/// counts as unpinned.
pub fn find(cache: &Utf8Path, entry: &ModelEntry, digests: &Digests) -> Result<ModelInput> {
    let hub = if cache.join("hub").is_dir() { cache.join("hub") } else { cache.to_owned() };
    let repository = hub.join(directory(&entry.id));
    let missing = |what: String| {
        Failure::new(Exit::NoInput, format!("`--models-from {cache}` does not have `{}`: {what}", entry.id))
            .hint("it takes a Hugging Face cache (`~/.cache/huggingface/hub`); `--models` says which models are wanted, `none` for none")
    };
    if !repository.is_dir() {
        bail!(missing(format!("there is no `{repository}`")));
    }
    let pinned = entry.revision.as_ref().filter(|revision| repository.join("snapshots").join(revision).is_dir());
    let revision = match pinned {
        Some(revision) => revision.clone(),
        None => fs_err::read_to_string(repository.join("refs/main"))
            .map_err(|error| missing(error.to_string()))?
            .trim()
            .to_owned(),
    };
    if revision.len() != 40 || !revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!(missing(format!("`refs/main` names `{revision}`, which is no commit")));
    }
    let snapshot = repository.join("snapshots").join(&revision);
    let mut all_pinned = pinned.is_some();
    let mut files = Vec::new();
    for wanted in &entry.file {
        let path = snapshot.join(&wanted.path);
        if !path.is_file() {
            bail!(missing(format!("there is no `{path}`")));
        }
        // Links lead into `blobs/`; the digest is remembered for the file that has the bytes.
        let path: Utf8PathBuf = path.canonicalize_utf8()?;
        let sha256 = digests.of(&path)?;
        let size = fs_err::metadata(&path)?.len();
        match wanted.sha256 {
            Some(pin) if pinned.is_some() && !wanted.predicted => {
                if pin != sha256 || wanted.size.is_some_and(|wanted| wanted != size) {
                    let label = format!("`{}` of the model `{}`", wanted.path, entry.id);
                    bail!(mismatch(&label, path.as_str(), (wanted.size, pin), (size, sha256)));
                }
            }
            _ => all_pinned = false,
        }
        files.push(FileInput { path: wanted.path.clone(), size, sha256, source: FileSource::Local(path) });
    }
    Ok(ModelInput {
        id: entry.id.clone(),
        task: entry.task.clone(),
        voice: entry.voice.clone(),
        license: entry.license.clone(),
        revision,
        pinned: all_pinned,
        origin: "a Hugging Face cache".to_owned(),
        files,
    })
}

impl ModelInput {
    /// The model as a tree of the store, laid out as a cache. Its files were fetched before.
    pub fn tree(&self, store: &Store) -> Result<Tree> {
        store.make_tree("model", self.sha256(), |writer| {
            let repository = directory(&self.id);
            // huggingface_hub compares this text with the names of the snapshots, newline and all.
            writer.add(RelativePath::new(format!("{repository}/refs/main"))?, &mut self.revision.as_bytes(), false)?;
            for file in &self.files {
                let place = RelativePath::new(format!("{repository}/snapshots/{}/{}", self.revision, file.path))?;
                let path = match &file.source {
                    FileSource::Local(path) => path.clone(),
                    FileSource::Remote(_) => store.file(file.sha256),
                };
                let (sha256, size) = writer
                    .add(place, &mut File::open(&path)?, false)
                    .with_context(|| format!("cannot copy the model `{}`", self.id))?;
                if sha256 != file.sha256 {
                    bail!(mismatch(&file.path, path.as_str(), (Some(file.size), file.sha256), (size, sha256)));
                }
            }
            Ok(())
        })
    }
}
