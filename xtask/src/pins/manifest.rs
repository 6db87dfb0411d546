//! The manifests that decide the contents of a runtime: `python.toml`, `speaches.toml`, `models.toml` and, with types
//! of their own, `targets.toml` and `zig.txt`.
//!
//! Other modules read the rest of `manifests/`: `scan::accepted` reads `binaries.toml`, `bundle::license` reads
//! `licenses.toml`, `commands::lock` reads `departures.toml`, `wheel::uv` reads `uv.txt`, `commands::ci` uses
//! `checks.txt`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use speaches_format::name::Name;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::pins::requirements::Requirements;
use crate::pins::target::TargetsManifest;
use wheel_archive::name::WheelName;

/// The manifests that decide the contents of a runtime, and the directory of the locks.
#[derive(Debug)]
pub struct Manifests {
    pub targets: TargetsManifest,
    pub python: PythonManifest,
    pub speaches: SpeachesManifest,
    pub models: ModelsManifest,
    pub locks: Utf8PathBuf,
    /// The programs that link launchers for other systems.
    pub linker: Requirements,
}

impl Manifests {
    pub fn load(directory: &Utf8Path) -> Result<Self> {
        let mut speaches = SpeachesManifest::read(directory)?;
        speaches.read_files(&directory.join("speaches.files"))?;
        Ok(Self {
            targets: read(&shared(directory, "targets.toml"))?,
            python: read(&shared(directory, "python.toml"))?,
            speaches,
            models: read(&directory.join("models.toml"))?,
            locks: directory.join("locks"),
            linker: Requirements::read(&shared(directory, "zig.txt"))?,
        })
    }
}

/// The path of a manifest that directories share: the one in `directory`, else the one in the directory above.
///
/// `manifests/sample/` and `manifests/tones/` each have their own `speaches.toml`, `speaches.files`, `models.toml` and
/// locks. They take every other file from `manifests/`.
pub fn shared(directory: &Utf8Path, name: &str) -> Utf8PathBuf {
    let own = directory.join(name);
    let above = directory.join("..").join(name);
    if !own.exists() && above.exists() { above } else { own }
}

fn read<T: DeserializeOwned>(path: &Utf8Path) -> Result<T> {
    let text = fs_err::read_to_string(path)?;
    toml::from_str(&text).map_err(|error| Failure::new(Exit::Data, format!("`{path}` is invalid: {error}")).into())
}

/// `python.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonManifest {
    /// The minor version of a runtime when none is asked for.
    pub default: String,
    /// Mirrors of each archive; `{release}` stands for its path below `/releases/download/`.
    pub mirrors: Vec<String>,
    /// Newest first within a minor version.
    pub release: Vec<PythonRelease>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonRelease {
    pub version: String,
    /// Tag of python-build-standalone.
    #[expect(dead_code, reason = "for people: it is a part of each URL")]
    pub build: String,
    /// By target triple.
    pub archives: BTreeMap<String, PythonArchive>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PythonArchive {
    pub url: String,
    /// Of the archive.
    pub sha256: Sha256,
}

impl PythonRelease {
    /// The minor version, such as `3.12`.
    pub fn minor(&self) -> &str {
        minor_of(&self.version)
    }
}

/// The minor version of a full one: `3.12` of `3.12.16`.
pub fn minor_of(version: &str) -> &str {
    let end = version.match_indices('.').nth(1).map_or(version.len(), |(index, _)| index);
    &version[..end]
}

impl PythonManifest {
    /// The release that `--python WANTED` takes: a minor version or a full one.
    pub fn release(&self, wanted: &str) -> Result<&PythonRelease> {
        self.release.iter().find(|one| one.minor() == wanted || one.version == wanted).ok_or_else(|| {
            let known = self.release.iter().map(|one| one.version.as_str()).collect::<Vec<_>>().join(", ");
            Failure::new(Exit::Usage, format!("no CPython `{wanted}` is pinned"))
                .hint(format!("there are {known}; a minor version such as `3.12` selects its newest release"))
                .into()
        })
    }

    /// Every URL of an archive, in the order in which they are tried.
    pub fn urls(&self, archive: &PythonArchive) -> Vec<String> {
        let mut urls = vec![archive.url.clone()];
        if let Some((_, release)) = archive.url.split_once("/releases/download/") {
            // uv's name for a mirror of these releases; a user who sets one means it for this tool as well.
            if let Some(mirror) = crate::base::host::variable("UV_PYTHON_INSTALL_MIRROR") {
                urls.insert(0, format!("{}/{release}", mirror.trim_end_matches('/')));
            }
            urls.extend(self.mirrors.iter().map(|mirror| mirror.replace("{release}", release)));
        }
        urls
    }
}

/// `speaches.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeachesManifest {
    pub name: Name,
    /// A note that the plan prints.
    pub note: Option<String>,
    #[serde(default)]
    pub parts: Vec<String>,
    /// Minor versions, best first, when runtimes take the Python of the machine that makes them.
    #[serde(default)]
    pub pythons_of_this_machine: Vec<String>,
    /// Whether the launcher is compiled as fast as possible, not to be as small and fast as possible.
    #[serde(default)]
    pub quick_launcher: bool,
    pub repository: String,
    /// Pinned commit, or none for what lies in this repository.
    pub commit: String,
    /// git's tree id of that commit.
    pub tree: String,
    /// The output of `git describe --tags`, without the `v`.
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// Source archives; `{commit}` stands for the commit.
    #[serde(default)]
    pub archives: Vec<String>,
    /// The path of the source, if it is in this repository.
    pub directory: Option<Utf8PathBuf>,
    /// sha256 of `speaches.files`.
    pub files_sha256: Sha256,
    /// `speaches.files`
    #[serde(skip)]
    pub files: Vec<PinnedFile>,
}

/// One line of `speaches.files`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedFile {
    /// Relative to the root of the source, with `/`.
    pub path: String,
    /// git's file mode: `100644` or `100755`.
    pub mode: String,
    pub sha256: Sha256,
}

impl SpeachesManifest {
    /// Reads that of a directory, without the list of its files.
    pub fn read(directory: &Utf8Path) -> Result<Self> {
        read(&directory.join("speaches.toml"))
    }

    fn read_files(&mut self, path: &Utf8Path) -> Result<()> {
        let text = fs_err::read_to_string(path)?;
        let found = Sha256::of(text.as_bytes());
        if found != self.files_sha256 {
            bail!(Failure::new(
                Exit::Data,
                format!("`{path}` has sha256 {found}, but `speaches.toml` says {}", self.files_sha256)
            ));
        }
        self.files = text
            .lines()
            .map(|line| {
                let mut fields = line.splitn(3, ' ');
                let (sha256, mode, path) = (fields.next()?, fields.next()?, fields.next()?);
                let sha256 = sha256.parse().ok()?;
                Some(PinnedFile { path: path.to_owned(), mode: mode.to_owned(), sha256 })
            })
            .collect::<Option<_>>()
            .with_context(|| format!("a line of `{path}` is not `sha256 mode path`"))?;
        Ok(())
    }
}

/// `models.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsManifest {
    /// The path of the hub cache with these models, if it is in this repository.
    pub directory: Option<Utf8PathBuf>,
    pub model: Vec<ModelEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    pub id: String,
    /// `text-to-speech` or `automatic-speech-recognition`.
    pub task: String,
    /// SPDX identifier.
    pub license: String,
    pub voice: Option<String>,
    /// Whether it is part of `--models default`.
    pub default: bool,
    /// Targets for which it is part of `--models default` all the same.
    #[serde(default)]
    pub default_for: Vec<String>,
    /// For GGML weights, which are one file: the models that whisper.cpp serves with them.
    #[serde(default)]
    pub serves: Vec<String>,
    /// Pinned commit, when it is known.
    pub revision: Option<String>,
    /// Whether the hub has these very files. Those of other models are on the package index and in this repository.
    #[serde(default = "yes")]
    pub on_hub: bool,
    pub file: Vec<ModelFile>,
}

const fn yes() -> bool {
    true
}

impl ModelEntry {
    /// Whether it is part of `--models default` for a target.
    pub fn is_default(&self, target: &str) -> bool {
        self.default || self.default_for.iter().any(|one| one == target)
    }

    /// Its name in `--models`: `OWNER/NAME`, or `OWNER/NAME/FILE` for GGML weights.
    pub fn name(&self) -> String {
        match self.file.first().filter(|_| !self.serves.is_empty()) {
            Some(file) => format!("{}/{}", self.id, file.path),
            None => self.id.clone(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Relative to the root of the repository.
    pub path: String,
    /// In bytes.
    pub size: Option<u64>,
    pub sha256: Option<Sha256>,
    /// Whether `sha256` was computed from how the file is made, and never seen on the hub.
    #[serde(default)]
    pub predicted: bool,
    /// Mirrors of the same bytes.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// The path of the file in this repository.
    pub in_repository: Option<Utf8PathBuf>,
    /// The wheels whose members, joined in order, are the file.
    #[serde(default)]
    pub wheel: Vec<WheelMember>,
}

impl ModelFile {
    /// Size and digest, when the manifest knows them for certain.
    pub fn pin(&self) -> Option<(u64, Sha256)> {
        if self.predicted { None } else { Some((self.size?, self.sha256?)) }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WheelMember {
    pub name: WheelName,
    /// Of the wheel, in bytes.
    pub size: u64,
    /// Of the wheel.
    pub sha256: Sha256,
    /// Path in the wheel, with `/`.
    pub member: String,
}
