//! The two miniatures of speaches in this repository, and their pins (`manifests/sample/`, `manifests/tones/`).
//! `cargo xtask lock --sample` writes the pins again after a change of `tests/sample/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use walkdir::WalkDir;

use crate::base::digest::Sha256;
use crate::inputs::speaches::source;

/// The source tree, relative to the root of this repository.
pub const SOURCE: &str = "tests/sample/speaches";

/// A directory of manifests with the miniature as its speaches.
pub struct Miniature {
    /// Its name below `manifests/`, and what runtimes add to theirs.
    pub kind: &'static str,
    note: &'static str,
    /// Whether people wait for its launcher and then try it once.
    quick_launcher: bool,
    pub requirements: &'static str,
    /// Requirements that it names but does not use.
    pub overrides: &'static str,
    /// The directory of its models in this repository. Without one, `models.toml` is written by hand.
    hub: Option<&'static str>,
}

/// The sample for new users, and the one for tests, since tones take no time.
pub const MINIATURES: [Miniature; 2] = [
    Miniature {
        kind: "sample",
        note: "this is the SAMPLE: a miniature of speaches with one English voice and the smallest Whisper, to try things out",
        quick_launcher: true,
        requirements: "tests/sample/speak.in",
        overrides: "tests/sample/speak-overrides.in",
        hub: None,
    },
    Miniature {
        kind: "tones",
        note: "this is for tests: it speaks in tones, and understands nothing else",
        quick_launcher: false,
        requirements: "tests/sample/requirements.in",
        overrides: "tests/sample/overrides.in",
        hub: Some("tests/sample/hub"),
    },
];

/// Id, task and voice of each model in this repository.
const MODELS: [(&str, &str, Option<&str>); 2] = [
    ("sample/tone-speech", "text-to-speech", Some("tone_plain")),
    ("sample/tone-transcription", "automatic-speech-recognition", None),
];

const MADE: &str = "# Made by `cargo xtask lock --sample` from what is in `tests/sample`.\n\n";

/// A miniature takes a Python from the machine that it is tried on.
const PYTHONS: &str = "[\"3.12\", \"3.11\", \"3.10\", \"3.13\"]";

/// Writes `speaches.toml`, `speaches.files` and, for models in this repository, `models.toml`.
pub fn pin(miniature: &Miniature, root: &Utf8Path, directory: &Utf8Path) -> Result<()> {
    let mut files = BTreeMap::new();
    for entry in WalkDir::new(root.join(SOURCE)) {
        let entry = entry?;
        let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
        if entry.file_type().is_file() && path.extension() != Some("pyc") {
            let relative = path.strip_prefix(root.join(SOURCE))?.as_str().replace('\\', "/");
            files.insert(relative, fs_err::read(path)?);
        }
    }
    let listed = source::list(&files);
    let list = source::list_text(&listed);
    let pyproject: toml::Table = toml::from_str(std::str::from_utf8(&files["pyproject.toml"])?)?;
    let version = pyproject["project"]["version"].as_str().context("the sample has no version")?;
    let manifest = format!(
        "{MADE}name = \"speaches-{}\"\nnote = \"{}\"\npythons_of_this_machine = {PYTHONS}\n\
         quick_launcher = {}\n\
         repository = \"this repository\"\ncommit = \"\"\ntree = \"{}\"\nversion = \"{version}\"\n\
         license = \"MIT OR Apache-2.0\"\ndirectory = \"{SOURCE}\"\nfiles_sha256 = \"{}\"\n",
        miniature.kind,
        miniature.note,
        miniature.quick_launcher,
        source::git_tree(&files, &listed),
        Sha256::of(list.as_bytes())
    );
    fs_err::create_dir_all(directory)?;
    fs_err::write(directory.join("speaches.files"), list)?;
    fs_err::write(directory.join("speaches.toml"), manifest)?;
    if let Some(hub) = miniature.hub {
        fs_err::write(directory.join("models.toml"), models(root, hub)?)?;
    }
    Ok(())
}

/// `models.toml` of models in this repository.
fn models(root: &Utf8Path, hub: &str) -> Result<String> {
    let mut models = format!("{MADE}directory = \"{hub}\"\n");
    for (id, task, voice) in MODELS {
        let repository = root.join(hub).join(crate::inputs::model::cache::directory(id));
        let revision = fs_err::read_to_string(repository.join("refs/main"))?;
        let _ = write!(models, "\n[[model]]\nid = \"{id}\"\ntask = \"{task}\"\nlicense = \"MIT OR Apache-2.0\"\n");
        if let Some(voice) = voice {
            let _ = writeln!(models, "voice = \"{voice}\"");
        }
        let _ = writeln!(models, "default = true\nrevision = \"{revision}\"");
        let snapshot = repository.join("snapshots").join(&revision);
        let mut names =
            snapshot.read_dir_utf8()?.map(|entry| Ok(entry?.file_name().to_owned())).collect::<Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let bytes = fs_err::read(snapshot.join(&name))?;
            let _ = write!(
                models,
                "\n[[model.file]]\npath = \"{name}\"\nsize = {}\nsha256 = \"{}\"\n",
                bytes.len(),
                Sha256::of(&bytes)
            );
        }
    }
    Ok(models)
}
