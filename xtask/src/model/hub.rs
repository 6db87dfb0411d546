//! Models from the Hugging Face hub, or a mirror that speaks its protocol (`HF_ENDPOINT`).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use serde::{Deserialize, Serialize};

use super::{FileInput, FileSource, ModelInput};
use crate::digest::Sha256;
use crate::failure::{Exit, Failure};
use crate::manifest::{ModelEntry, ModelFile};
use crate::store::Store;
use crate::{host, http};

const HUB: &str = "https://huggingface.co";

/// What a branch pointed at when it was resolved, kept so that the next plan is the same and needs no network.
#[derive(Debug, Default)]
pub struct Resolutions {
    file: Utf8PathBuf,
    known: BTreeMap<String, Resolution>,
}

/// A repository at a commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Resolution {
    commit: String,
    files: BTreeMap<String, (u64, Sha256)>,
}

/// The hub's answer about a revision.
#[derive(Deserialize)]
struct Revision {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Sha256,
    size: u64,
}

impl Resolutions {
    /// What earlier runs resolved. A damaged memory is an empty one.
    pub fn load(store: &Store) -> Self {
        let file = store.root().join("resolutions.json");
        let known = fs_err::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, known }
    }

    /// Finds out everything about a model that its pins leave open. Nothing is written.
    pub fn resolve(&self, entry: &ModelEntry, offline: bool) -> Result<ModelInput> {
        let pinned = entry.revision.is_some() && entry.file.iter().all(|file| pin(file).is_some());
        let resolution = if pinned {
            None
        } else {
            Some(match self.known.get(&entry.id) {
                Some(known) => known.clone(),
                None if offline => bail!(
                    Failure::new(
                        Exit::Unavailable,
                        format!("the model `{}` is not pinned to the last byte, and `--offline` forbids to ask the hub", entry.id)
                    )
                    .hint("run the same command once without `--offline`, or take models from a cache with `--models-from`")
                ),
                None => ask(entry)?,
            })
        };
        let revision = match (&entry.revision, &resolution) {
            (Some(revision), _) => revision.clone(),
            (None, Some(resolution)) => resolution.commit.clone(),
            (None, None) => bail!("`{}` has neither a pin nor a resolution", entry.id),
        };
        let endpoint = endpoint();
        let files = entry
            .file
            .iter()
            .map(|file| {
                let (size, sha256) = pin(file)
                    .or_else(|| resolution.as_ref()?.files.get(&file.path).copied())
                    .with_context(|| format!("nothing is known about `{}` of `{}`", file.path, entry.id))?;
                let mut urls = vec![format!("{endpoint}/{}/resolve/{revision}/{}", entry.id, file.path)];
                urls.extend(file.mirrors.iter().cloned());
                Ok(FileInput { path: file.path.clone(), size, sha256, source: FileSource::Remote(urls) })
            })
            .collect::<Result<_>>()?;
        Ok(ModelInput {
            id: entry.id.clone(),
            task: entry.task.clone(),
            voice: entry.voice.clone(),
            license: entry.license.clone(),
            revision,
            pinned,
            origin: format!("{HUB}/{}", entry.id),
            files,
        })
    }

    /// Keeps what these models were resolved to.
    pub fn remember(mut self, store: &Store, models: &[ModelInput]) -> Result<()> {
        let before = self.known.len();
        for model in models.iter().filter(|model| !model.pinned && model.is_remote()) {
            let files = model.files.iter().map(|file| (file.path.clone(), (file.size, file.sha256))).collect();
            self.known.entry(model.id.clone()).or_insert(Resolution { commit: model.revision.clone(), files });
        }
        if self.known.len() == before {
            return Ok(());
        }
        store.replace(&self.file, &serde_json::to_vec_pretty(&self.known)?)
    }
}

/// Size and digest of a file when the manifest knows them for certain.
fn pin(file: &ModelFile) -> Option<(u64, Sha256)> {
    if file.predicted { None } else { Some((file.size?, file.sha256?)) }
}

/// The hub, or the user's mirror of it.
pub fn endpoint() -> String {
    host::variable("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned()).trim_end_matches('/').to_owned()
}

/// Asks the hub for a revision and checks what the manifest knows of it.
fn ask(entry: &ModelEntry) -> Result<Resolution> {
    let endpoint = endpoint();
    let wanted = entry.revision.as_deref().unwrap_or("main");
    let url = format!("{endpoint}/api/models/{}/revision/{wanted}?blobs=true", entry.id);
    let answer: Revision = get(entry, &url)?.json().map_err(|error| {
        Failure::new(Exit::Unavailable, format!("`{url}` does not answer as the hub does: {error}"))
    })?;
    let mut files = BTreeMap::new();
    for file in &entry.file {
        let sibling = answer.siblings.iter().find(|sibling| sibling.rfilename == file.path).ok_or_else(|| {
            Failure::new(Exit::Data, format!("the model `{}` has no file `{}` at {wanted}", entry.id, file.path))
        })?;
        let known = match &sibling.lfs {
            Some(lfs) => (lfs.size, lfs.sha256),
            None => small_file(entry, sibling, &endpoint, &answer.sha)?,
        };
        if let Some(pin) = pin(file)
            && pin != known
        {
            let label = format!("`{}` of the model `{}`", file.path, entry.id);
            bail!(crate::store::fetch::mismatch(&label, &url, (Some(pin.0), pin.1), known));
        }
        files.insert(file.path.clone(), known);
    }
    Ok(Resolution { commit: answer.sha, files })
}

/// Files that git itself stores have no sha256 on the hub, but git's id, which covers the content as well.
fn small_file(entry: &ModelEntry, sibling: &Sibling, endpoint: &str, commit: &str) -> Result<(u64, Sha256)> {
    let url = format!("{endpoint}/{}/resolve/{commit}/{}", entry.id, sibling.rfilename);
    let bytes = get(entry, &url)?.bytes()?;
    let id = crate::speaches::source::git_object("blob", &bytes);
    let id = id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if sibling.blob_id.as_ref() != Some(&id) || sibling.size.is_some_and(|size| size != bytes.len() as u64) {
        bail!(Failure::new(
            Exit::Data,
            format!(
                "`{url}` has the git id {id}, but the hub says {}",
                sibling.blob_id.as_deref().unwrap_or("nothing")
            )
        ));
    }
    Ok((bytes.len() as u64, Sha256::of(&bytes)))
}

fn get(entry: &ModelEntry, url: &str) -> Result<Response> {
    let mut request = http::client()?.get(url).header(reqwest::header::ACCEPT_ENCODING, "identity");
    if let Some(token) = host::variable("HF_TOKEN") {
        // reqwest takes it off again when it is sent on to another host.
        request = request.bearer_auth(token);
    }
    let response = request.send().map_err(|error| {
        Failure::new(Exit::Unavailable, format!("the hub cannot be reached for the model `{}`: {error}", entry.id)).hint(
            "check the network; `HF_ENDPOINT` names a mirror, `--models-from` takes models from a cache, `--models none` leaves them out",
        )
    })?;
    let failure = match response.status() {
        status if status.is_success() => return Ok(response),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::new(
            Exit::Unavailable,
            format!("the hub does not give out the model `{}` ({})", entry.id, response.status()),
        )
        .hint("a gated model needs its terms accepted on its page, and `HF_TOKEN` set to a token of that account"),
        StatusCode::NOT_FOUND => {
            Failure::new(Exit::Unavailable, format!("the hub has no `{}`", url.split('?').next().unwrap_or(url)))
        }
        status => Failure::new(Exit::Unavailable, format!("the hub answers {status} for the model `{}`", entry.id))
            .hint("try again later"),
    };
    bail!(failure)
}
