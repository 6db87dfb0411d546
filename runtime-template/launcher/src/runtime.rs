//! `runtime.json`: what a runtime is, what it was made from and what it contains.

use serde::{Deserialize, Serialize};

/// The version of the format; readers refuse another.
pub const SCHEMA: u32 = 1;

/// All of `runtime.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Everything but the list of files.
    #[serde(flatten)]
    pub head: Head,
    /// Every file and link of the runtime but `runtime.json` itself, sorted by path.
    pub files: Vec<File>,
}

/// The part of `runtime.json` that starting the service needs, which leaves out thousands of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Head {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Version of speaches.
    pub version: String,
    /// Whether this was made from the sample inputs and recognises no speech.
    pub sample: bool,
    /// Rust target triple of the machines it runs on.
    pub target: String,
    /// `cpu`, `coreml` or `cuda`: which wheels are inside.
    pub accelerator: String,
    /// The interpreter.
    pub python: Python,
    /// Whether compiled bytecode is inside: it is when a CPython of the same minor version could run where the
    /// runtime was made.
    pub bytecode: bool,
    /// Optional parts that are inside, such as `diarization` and `ui`.
    pub groups: Vec<String>,
    /// The models below `models/hub`.
    pub models: Vec<Model>,
    /// sha256 of the plan; two runtimes with the same one are the same.
    pub plan: String,
    /// Version of the tool that made it.
    pub tool: String,
    /// What it was made from.
    pub inputs: Vec<Input>,
}

/// The CPython of a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Python {
    /// Full version, such as `3.12.16`.
    pub version: String,
    /// Minor version, such as `3.12`.
    pub minor: String,
    /// Whether it was copied from an interpreter of the building machine instead of a pinned archive. Such
    /// a CPython may need libraries of that system and runs on machines like it only.
    pub harvested: bool,
}

/// A model that is part of the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// Repository on the hub, such as `Systran/faster-distil-whisper-small.en`.
    pub id: String,
    /// `text-to-speech` or `automatic-speech-recognition`.
    pub task: String,
    /// Commit of the repository, 40 hexadecimal digits.
    pub revision: String,
    /// SPDX identifier of its licence.
    pub license: String,
    /// A voice that a text-to-speech model has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// For GGML weights: the models that whisper.cpp serves with them. Nobody asks for the weights themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serves: Vec<String>,
    /// For GGML weights: the file in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Head {
    /// The bundled models that clients can ask for.
    pub fn served(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().filter(|model| model.serves.is_empty())
    }

    /// The first bundled model for a task (`text-to-speech` or `automatic-speech-recognition`).
    #[must_use]
    pub fn served_for(&self, task: &str) -> Option<&Model> {
        self.served().find(|model| model.task == task)
    }
}

/// One thing that went into a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// `python`, `speaches`, `wheel`, `model`, `launcher` or `template`.
    pub kind: String,
    /// Name, with a version where it has one.
    pub name: String,
    /// Where it is from, without anything about the machine that fetched it.
    pub origin: String,
    /// sha256 of its bytes, or of its sorted list of files for a directory.
    pub sha256: String,
    /// Whether the committed manifests and locks pin these bytes.
    pub pinned: bool,
}

/// One file of a runtime.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct File {
    /// Relative to the root of the runtime, with `/`.
    pub path: String,
    /// Length in bytes; 0 for a link.
    pub size: u64,
    /// sha256 of the content in hexadecimal; of the text of a link.
    pub sha256: String,
    /// Permissions: `644` or `755`; `link` for a symbolic link.
    pub mode: String,
}
