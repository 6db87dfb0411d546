//! `vendor.json`: the choices of a vendor directory, and its files.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use speaches_format::input::Origin;
use speaches_format::name::Name;

use crate::base::digest::Sha256;
use crate::inputs::launcher::Linker;
use crate::inputs::model::ModelInput;

/// The file that makes a directory a vendor directory.
pub const DOCUMENT: &str = "vendor.json";
/// The checksums, for users without this tool.
pub const CHECKSUMS: &str = "SHA256SUMS";
pub const MODELS: &str = "models";
/// The launcher, and the licenses of what is linked into it.
pub const LAUNCHER: &str = "launcher";
/// Raise this when a tool would misread a document of another version, as after a new required field.
pub const SCHEMA: u32 = 3;

/// `vendor.json`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    pub schema: u32,
    pub chosen: Chosen,
    pub python: Python,
    pub compiler: Option<Python>,
    pub speaches: Utf8PathBuf,
    pub models: Vec<Model>,
    pub launcher: Launcher,
    /// By path.
    pub files: BTreeMap<Utf8PathBuf, File>,
}

/// The choices that the plan was made with. They are the defaults for a user who provisions from the directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chosen {
    pub target: String,
    pub accelerator: String,
    pub without: Vec<String>,
    pub models: String,
    pub name: Name,
    pub allow_unpinned: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct File {
    pub size: u64,
    pub sha256: Sha256,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Python {
    pub version: String,
    pub file: Utf8PathBuf,
    #[serde(flatten)]
    pub kind: Kind,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Kind {
    Pinned,
    Archive,
    Copy {
        identity: Sha256,
        /// Of the list of its files.
        content: Sha256,
    },
}

/// A model of the directory, as the plan has it. `content` is its `sha256` in `runtime.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    pub id: String,
    /// The requested branch, tag or commit.
    pub wanted: String,
    pub revision: String,
    pub origin: Origin,
    pub content: Sha256,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Launcher {
    pub file: Utf8PathBuf,
    /// When it was built from the workspace: with what, and from what.
    pub built: Option<Built>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Built {
    pub key: Sha256,
    pub linker: Linker,
    pub sources: Sha256,
}

impl Model {
    pub fn of(model: &ModelInput) -> Self {
        Self {
            id: model.id.clone(),
            wanted: model.wanted.clone(),
            revision: model.revision.clone(),
            origin: model.origin.clone(),
            content: model.sha256(),
        }
    }
}
