//! `runtime.json`: what a runtime is, what it was made from and what it contains.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hex;
use crate::input::{Input, Kind};
use crate::name::Name;
use crate::system::System;

/// The version of the format. Readers refuse every other version. Raise it when older programs would misread the new
/// text or fail to read it, as with a new `Kind` of input.
pub const SCHEMA: u32 = 3;
/// The text between the description and its own sha256, which ends the file.
const TRAILER: &str = ",\n  \"sha256\": \"";

/// All of `runtime.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Everything but the list of files.
    #[serde(flatten)]
    pub info: RuntimeInfo,
    /// Every file and link of the runtime but `runtime.json` itself, sorted by path.
    pub files: Vec<File>,
}

impl Description {
    /// The text of `runtime.json`. Its last value is the sha256 of all that comes before it, so that no bit of the file
    /// can change unnoticed.
    pub fn to_text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.truncate(text.strip_suffix(b"\n}").map_or(text.len(), <[u8]>::len));
        let end = end_of(&text);
        text.extend_from_slice(end.as_bytes());
        Ok(text)
    }

    /// Reads the text of `runtime.json`.
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        expect_format(text)?;
        let length = text.len().saturating_sub(end_of(b"").len());
        let (body, end) = text.split_at(length);
        if end != end_of(body).as_bytes() {
            let how = "it was modified: its content does not match the sha256 at its end";
            return Err(Unreadable::Damaged(how.to_owned()));
        }
        // N.B. `#[serde(flatten)]` would compile the parser of each of these types into the launcher twice.
        let Files { files } = read(text)?;
        Ok(Self { info: read(text)?, files })
    }
}

/// The part of a description that [`RuntimeInfo`] leaves out.
#[derive(Deserialize)]
struct Files {
    files: Vec<File>,
}

/// Why a description cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It has this format, and the reader knows only [`SCHEMA`].
    OtherFormat(u32),
    /// The sha256 at the end does not match.
    Damaged(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherFormat(format) => write!(
                f,
                "it has format {format}, but this program reads format {SCHEMA}: another version of speaches-native \
                 made it"
            ),
            Self::Damaged(how) => f.write_str(how),
        }
    }
}

/// Other formats have other fields, so this comes before all else.
fn expect_format(text: &[u8]) -> Result<(), Unreadable> {
    #[derive(Deserialize)]
    struct Format {
        schema: u32,
    }
    match read(text)? {
        Format { schema: SCHEMA } => Ok(()),
        Format { schema } => Err(Unreadable::OtherFormat(schema)),
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(text).map_err(|error| Unreadable::Damaged(error.to_string()))
}

fn end_of(body: &[u8]) -> String {
    format!("{TRAILER}{}\"\n}}\n", hex::encode(&Sha256::digest(body)))
}

/// The part of `runtime.json` that starting the service needs, which leaves out thousands of files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuntimeInfo {
    /// [`SCHEMA`]
    pub schema: u32,
    pub name: Name,
    pub version: String,
    /// Rust target triple of the machines it runs on.
    pub target: String,
    /// `cpu`, `coreml` or `cuda`: which wheels are inside.
    pub accelerator: String,
    pub python: Python,
    /// Whether compiled bytecode is inside. It is, if a CPython of exactly the same version ran on the machine that
    /// made the runtime.
    pub bytecode: bool,
    /// Optional parts that are inside, such as `diarization` and `ui`.
    pub groups: Vec<String>,
    /// The models below `models/hub`.
    pub models: Vec<Model>,
    /// sha256 of the plan; two runtimes with the same one are the same.
    pub plan: String,
    /// Version of the tool that made it.
    pub tool: String,
    pub inputs: Vec<Input>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Python {
    /// Full version, such as `3.12.16`.
    pub version: String,
    /// Minor version, such as `3.12`.
    pub minor: String,
    /// Whether it was copied from an interpreter of the building machine instead of a pinned archive. Such
    /// a CPython may need libraries of that system and runs on machines like it only.
    // `runtime.json` keeps the older name of this field.
    #[serde(rename = "harvested")]
    pub copied: bool,
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
    /// SPDX identifier of its license.
    pub license: String,
    /// A voice that a text-to-speech model has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
    /// For GGML weights: the models that whisper.cpp serves with them. No client asks for the weights themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serves: Vec<String>,
    /// For GGML weights: the file in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Model {
    /// The name of its input, and in `--models`: the repository, and for GGML weights the file in it.
    #[must_use]
    pub fn name(&self) -> String {
        self.file.as_ref().map_or_else(|| self.id.clone(), |file| format!("{}/{file}", self.id))
    }
}

impl RuntimeInfo {
    /// Reads a description without its files.
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        expect_format(text)?;
        read(text)
    }

    /// The operating system that it is for.
    #[must_use]
    pub fn system(&self) -> System {
        System::of(&self.target)
    }

    pub fn wheels(&self) -> impl Iterator<Item = &Input> {
        self.inputs.iter().filter(|input| input.kind == Kind::Wheel)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bit_of_a_description_changes_unnoticed() {
        let description = Description {
            info: RuntimeInfo {
                schema: SCHEMA,
                version: "1".to_owned(),
                name: Name::SPEACHES,
                target: "x86_64-unknown-linux-gnu".to_owned(),
                accelerator: "cpu".to_owned(),
                python: Python { version: "3.12.1".to_owned(), minor: "3.12".to_owned(), copied: false },
                bytecode: true,
                groups: Vec::new(),
                models: Vec::new(),
                plan: "0".repeat(64),
                tool: "1".to_owned(),
                inputs: Vec::new(),
            },
            files: vec![File { path: "a".to_owned(), size: 1, sha256: "0".repeat(64), mode: "644".to_owned() }],
        };
        let text = description.to_text().unwrap();
        assert_eq!(Description::parse(&text).unwrap().files, description.files);
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Description::parse(&changed).is_err(), "bit {bit}: {}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn another_format_is_named_before_its_fields_are_missed() {
        let older =
            br#"{"schema": 2, "sample": false, "inputs": [{"kind": "python", "origin": "given"}], "files": []}"#;
        assert_eq!(Description::parse(older).unwrap_err(), Unreadable::OtherFormat(2));
        assert_eq!(RuntimeInfo::parse(older).unwrap_err(), Unreadable::OtherFormat(2));
        let told = Unreadable::OtherFormat(2).to_string();
        assert!(told.starts_with("it has format 2, but this program reads format 3"), "{told}");
    }
}
