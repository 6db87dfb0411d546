//! The pins of the sample, which is part of this repository: written again whenever the sample changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use walkdir::WalkDir;

use crate::base::digest::Sha256;
use crate::inputs::speaches::source;

/// The sample's source tree, relative to the root of this repository.
pub const SOURCE: &str = "tests/sample/speaches";
/// The sample's models.
pub const HUB: &str = "tests/sample/hub";
/// What the sample needs beside itself.
pub const REQUIREMENTS: &str = "tests/sample/requirements.in";
/// What its requirements ask for and it does not use.
pub const OVERRIDES: &str = "tests/sample/overrides.in";

/// Id, task and voice of each model of the sample.
const MODELS: [(&str, &str, Option<&str>); 2] = [
    ("sample/tone-speech", "text-to-speech", Some("tone_plain")),
    ("sample/tone-transcription", "automatic-speech-recognition", None),
];

const MADE: &str = "# Made by `cargo xtask lock --sample` from what is in `tests/sample`.\n\n";

/// What the sample is, and that it takes a Python from the machine it is tried on.
const IDENTITY: &str = "\
name = \"speaches-sample\"
note = \"this is the SAMPLE: it shows how provisioning works, and understands nothing but its own tones\"
pythons_of_this_machine = [\"3.12\", \"3.11\", \"3.10\", \"3.13\"]
";

/// Writes `speaches.toml`, `speaches.files` and `models.toml` of the sample.
pub fn pin(root: &Utf8Path, directory: &Utf8Path) -> Result<()> {
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
        "{MADE}{IDENTITY}repository = \"this repository\"\ncommit = \"\"\ntree = \"{}\"\nversion = \"{version}\"\n\
         license = \"MIT OR Apache-2.0\"\ndirectory = \"{SOURCE}\"\nfiles_sha256 = \"{}\"\n",
        source::git_tree(&files, &listed),
        Sha256::of(list.as_bytes())
    );

    let mut models = format!("{MADE}directory = \"{HUB}\"\n");
    for (id, task, voice) in MODELS {
        let repository = root.join(HUB).join(crate::inputs::model::cache::directory(id));
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
    fs_err::create_dir_all(directory)?;
    fs_err::write(directory.join("speaches.files"), list)?;
    fs_err::write(directory.join("speaches.toml"), manifest)?;
    fs_err::write(directory.join("models.toml"), models)?;
    Ok(())
}
