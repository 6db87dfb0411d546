//! The models that `--models` names.

use std::borrow::Cow;

use anyhow::{Result, bail};

use crate::base::failure::{Exit, Failure};
use crate::pins::manifest::{ModelEntry, ModelsManifest};

#[derive(Clone, Debug)]
pub enum Request<'a> {
    /// A model of `models.toml`. If the manifest has no commit of it, the request may have one.
    Known(Cow<'a, ModelEntry>),
    /// Another repository, or another revision of a model of `models.toml`. The tool asks the hub about it.
    Any { id: String, revision: String },
}

/// The branch of a repository that is meant when none is named.
pub const MAIN: &str = "main";

impl<'a> Request<'a> {
    const fn known(entry: &'a ModelEntry) -> Self {
        Self::Known(Cow::Borrowed(entry))
    }

    /// Whether the request is for the commit of the manifest, to which the pins apply.
    pub const fn is_as_pinned(&self) -> bool {
        matches!(self, Self::Known(Cow::Borrowed(_)))
    }

    pub fn id(&self) -> &str {
        match self {
            Self::Known(entry) => &entry.id,
            Self::Any { id, .. } => id,
        }
    }

    /// Its name in `--models`: `OWNER/NAME`, or `OWNER/NAME/FILE` for GGML weights.
    pub fn name(&self) -> String {
        match self {
            Self::Known(entry) => entry.name(),
            Self::Any { id, .. } => id.clone(),
        }
    }

    pub fn revision(&self) -> &str {
        match self {
            Self::Known(entry) => entry.revision.as_deref().unwrap_or(MAIN),
            Self::Any { revision, .. } => revision,
        }
    }
}

/// The models of `--models WANTED` for a target: `none`, or `default`, `ID`, `ID@REVISION` or (GGML weights) `ID/FILE` with
/// commas between them.
pub fn select<'a>(manifest: &'a ModelsManifest, wanted: &str, target: &str) -> Result<Vec<Request<'a>>> {
    let mut selected = Vec::new();
    for one in wanted.split(',').filter(|_| wanted != "none") {
        if one == "default" {
            selected.extend(manifest.model.iter().filter(|model| model.is_default(target)).map(Request::known));
        } else {
            selected.push(parse(manifest, one)?);
        }
    }
    for (index, one) in selected.iter().enumerate() {
        // In a cache on macOS or Windows both would be the same directory.
        if let Some(other) = selected[..index].iter().find(|other| other.name().eq_ignore_ascii_case(&one.name())) {
            bail!(
                Failure::new(
                    Exit::Usage,
                    format!("`--models` names a model twice: `{}` and `{}`", other.name(), one.name())
                )
                .hint("a runtime has each model once, at one revision")
            );
        }
    }
    Ok(selected)
}

fn parse<'a>(manifest: &'a ModelsManifest, text: &str) -> Result<Request<'a>> {
    let (id, revision) = match text.split_once('@') {
        Some((id, revision)) => (id, Some(revision)),
        None => (text, None),
    };
    let usage = |what: String| {
        let known = manifest.model.iter().map(ModelEntry::name).collect::<Vec<_>>().join(", ");
        Failure::new(Exit::Usage, what).hint(format!(
            "`--models` takes `none`, or with commas between them `default`, repositories of the hub as `OWNER/NAME` or \
             `OWNER/NAME@REVISION`, and pinned GGML weights as `OWNER/NAME/FILE`; pinned are {known}"
        ))
    };
    if let Some(entry) = manifest.model.iter().find(|model| !model.serves.is_empty() && model.name() == id) {
        return known_at(entry, revision).ok_or_else(|| {
            let pinned = entry.revision.as_deref().unwrap_or(MAIN);
            usage(format!("`{id}` has GGML weights, which are taken at the pinned revision `{pinned}` only")).into()
        });
    }
    if let Some(entry) = manifest.model.iter().find(|model| !model.serves.is_empty() && model.id == id) {
        bail!(usage(format!("`{id}` has GGML weights, of which each file is named alone, such as `{}`", entry.name())));
    }
    if !is_repository(id) {
        bail!(usage(format!("`{id}` is not a repository of the hub")));
    }
    if let Some(revision) = revision
        && !is_revision(revision)
    {
        bail!(usage(format!("`{revision}` is not a branch, tag or commit of `{id}`")));
    }
    let entry = manifest.model.iter().find(|model| model.id == id);
    Ok(entry
        .and_then(|entry| known_at(entry, revision))
        .unwrap_or_else(|| Request::Any { id: id.to_owned(), revision: revision.unwrap_or(MAIN).to_owned() }))
}

/// The model of `models.toml` at a revision, if its pins are about that revision.
fn known_at<'a>(entry: &'a ModelEntry, revision: Option<&str>) -> Option<Request<'a>> {
    match revision {
        None => Some(Request::known(entry)),
        Some(revision) if revision == entry.revision.as_deref().unwrap_or(MAIN) => Some(Request::known(entry)),
        // The manifest names no commit of the model, and a runtime has it at this commit: it is the same model.
        Some(commit) if entry.revision.is_none() && is_commit(commit) => {
            Some(Request::Known(Cow::Owned(ModelEntry { revision: Some(commit.to_owned()), ..entry.clone() })))
        }
        Some(_) => None,
    }
}

/// The names that huggingface_hub accepts for a repository, with its owner: “Repo id must use alphanumeric chars or
/// '-', '_', '.', '--' and '..' are forbidden, '-' and '.' cannot start or end the name, max length is 96”.
fn is_repository(id: &str) -> bool {
    let part = |part: &str| {
        let ends = |c: char| c.is_ascii_alphanumeric() || c == '_';
        part.starts_with(ends)
            && part.ends_with(ends)
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let Some((owner, name)) = id.split_once('/') else { return false };
    part(owner) && part(name) && id.len() <= 96 && !id.contains("--") && !id.contains("..") && !id.ends_with(".git")
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A part of what git allows: enough for every branch, tag and commit of the hub, and harmless in a URL.
fn is_revision(revision: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
    revision.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && revision.chars().all(allowed)
        && !revision.contains("..")
        && !revision.contains("//")
        && !revision.ends_with(['/', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_repositories_are_those_of_the_hub() {
        for id in ["Systran/faster-whisper-tiny.en", "a/b", "_a/b_", "speaches-ai/piper-en_GB-alan-low"] {
            assert!(is_repository(id), "{id}");
        }
        let long = format!("a/{}", "b".repeat(95));
        for id in
            ["", "gpt2", "a/b/c", "a/", "/b", "a--b/c", "a/b..c", "a/-b", "a/b.", "a/b.git", "a/b c", "a/é", &long]
        {
            assert!(!is_repository(id), "{id}");
        }
    }

    #[test]
    fn revisions_are_harmless_in_a_url() {
        for revision in ["main", "v1.0", "refs/pr/1", "0123456789abcdef0123456789abcdef01234567"] {
            assert!(is_revision(revision), "{revision}");
        }
        for revision in ["", "..", "a/../b", "/a", "a/", "a?b", "a#b", "a b", "a%2Fb", "-a", "a\\b"] {
            assert!(!is_revision(revision), "{revision}");
        }
    }
}
