//! The layout of a Hugging Face cache, read (`--models-from`) and written (`models/hub` of a runtime).
//!
//! ```text
//! models--{org}--{name}/refs/main                  the commit, without a newline
//! models--{org}--{name}/snapshots/{commit}/{path}  files, or links into blobs/
//! ```

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;
use speaches_format::input::Origin;
use walkdir::WalkDir;

use super::card::Card;
use super::request::{MAIN, Request};
use super::{About, FileInput, FileSource, ModelInput};
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::fetch::mismatch;
use crate::store::tree::{RelativePath, Tree};

pub fn directory(id: &str) -> String {
    format!("models--{}", id.replace('/', "--"))
}

/// Finds a model in a user's cache.
///
/// The tool checks a model of the manifest against its pins at the pinned revision. It accepts another revision, or a model
/// that is not in the manifest, as unpinned; the card in the cache then tells the kind of the model.
pub fn find(cache: &Utf8Path, request: &Request<'_>, digests: &Digests) -> Result<ModelInput> {
    let snapshot = Snapshot::find(cache, request)?;
    tracing::debug!("found the model `{}` in a cache: `{}`", request.id(), snapshot.path);
    let (about, wanted) = match request {
        Request::Known(entry) => (About::of(entry), entry.file.iter().map(|file| file.path.clone()).collect()),
        Request::Any { id, .. } => {
            let paths = snapshot.paths()?;
            let paths = paths.iter().map(String::as_str).collect::<Vec<_>>();
            let card =
                if paths.contains(&Card::FILE) { Some(fs_err::read(snapshot.path.join(Card::FILE))?) } else { None };
            let (kind, about) = About::of_repository(id, card.as_deref(), &paths)?;
            (about, paths.into_iter().filter(|path| kind.takes(path)).map(str::to_owned).collect::<Vec<_>>())
        }
    };
    let mut pinned = snapshot.pinned;
    let mut files = Vec::new();
    for relative in wanted {
        let path = snapshot.path.join(&relative);
        if !path.is_file() {
            bail!(missing(cache, request.id(), &format!("there is no `{path}`")));
        }
        // Links lead into `blobs/`; the digest is remembered for the file that has the bytes.
        let path = Utf8PathBuf::try_from(dunce::canonicalize(&path)?)?;
        let found = (fs_err::metadata(&path)?.len(), digests.of(&path)?);
        match snapshot.pinned.then(|| pin_of(request, &relative)).flatten() {
            Some((size, sha256)) if sha256 != found.1 || size.is_some_and(|size| size != found.0) => {
                let label = format!("`{relative}` of the model `{}`", request.id());
                bail!(mismatch(&label, path.as_str(), (size, sha256), found));
            }
            Some(_) => {}
            None => pinned = false,
        }
        files.push(FileInput { path: relative, size: found.0, sha256: found.1, source: FileSource::Local(path) });
    }
    Ok(ModelInput {
        id: request.id().to_owned(),
        wanted: request.revision().to_owned(),
        about,
        revision: snapshot.commit,
        pinned,
        origin: Origin::ModelCache,
        files,
    })
}

fn missing(cache: &Utf8Path, id: &str, what: &str) -> Failure {
    Failure::new(Exit::NoInput, format!("`--models-from {cache}` does not have `{id}`: {what}")).hint(
        "`--models-from` takes a Hugging Face cache (`~/.cache/huggingface/hub`); `--models` chooses the models, and \
         `none` leaves them out",
    )
}

/// The pin of a file in the manifest.
fn pin_of(request: &Request<'_>, path: &str) -> Option<(Option<u64>, Sha256)> {
    let Request::Known(entry) = request else { return None };
    let file = entry.file.iter().find(|file| file.path == path && !file.predicted)?;
    Some((file.size, file.sha256?))
}

/// One commit of a repository in a cache.
struct Snapshot {
    path: Utf8PathBuf,
    commit: String,
    /// Whether it is the one that the manifest pins.
    pinned: bool,
}

impl Snapshot {
    fn find(cache: &Utf8Path, request: &Request<'_>) -> Result<Self> {
        let hub = if cache.join("hub").is_dir() { cache.join("hub") } else { cache.to_owned() };
        let repository = hub.join(directory(request.id()));
        let missing = |what: &str| missing(cache, request.id(), what);
        if !repository.is_dir() {
            bail!(missing(&format!("there is no `{repository}`")));
        }
        let snapshots = repository.join("snapshots");
        let wanted = request.revision();
        let by_commit = is_commit(wanted);
        if by_commit && snapshots.join(wanted).is_dir() {
            let pinned = request.is_as_pinned();
            return Ok(Self { path: snapshots.join(wanted), commit: wanted.to_owned(), pinned });
        }
        let branch = match request {
            // Of these any revision will do.
            Request::Known(_) if request.is_as_pinned() => MAIN,
            _ if by_commit => bail!(missing(&format!("there is no `{}`", snapshots.join(wanted)))),
            _ => wanted,
        };
        let commit = fs_err::read_to_string(repository.join("refs").join(branch))
            .map_err(|error| missing(&error.to_string()))?
            .trim()
            .to_owned();
        if !is_commit(&commit) {
            bail!(missing(&format!("`refs/{branch}` names `{commit}`, which is not a commit")));
        }
        Ok(Self { path: snapshots.join(&commit), commit, pinned: false })
    }

    /// The paths of its files, with `/`, sorted.
    fn paths(&self) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        for entry in WalkDir::new(&self.path).follow_links(true).sort_by_file_name() {
            let entry = entry?;
            let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
            if entry.file_type().is_file() {
                paths.push(path.strip_prefix(&self.path)?.as_str().replace('\\', "/"));
            }
        }
        Ok(paths)
    }
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
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
                    FileSource::Remote { .. } => store.file(file.sha256),
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
