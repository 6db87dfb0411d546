//! The components of a runtime, from its `runtime.json` and the metadata of its wheels.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use speaches_format::input::{Input, Kind, Origin};
use speaches_format::layout::{self, Family};
use wheel_archive::name::normalize;

use super::{Runtime, crates, metadata};

/// The directory below `licenses/` for the licenses of this repository.
const OWN: &str = "speaches-native";

pub struct Component<'a> {
    pub input: &'a Input,
    /// `CPython`, `speaches`, the normalised name of a wheel, the name of a model in `--models`, `launcher` or `service`.
    pub name: String,
    /// A version, a revision for a model.
    pub version: String,
    /// A package URL, for a component with a well-known public home.
    pub purl: Option<String>,
    /// An SPDX expression, when it states one that can be understood.
    pub license: Option<String>,
    /// Whether its license is among the files of the runtime, where `runtime::placing` puts it.
    pub has_text: bool,
}

impl Component<'_> {
    /// Whether it is one file of a repository with GGML weights. `models.toml`, or the card in the repository, states the
    /// license of such a file, and no file of the runtime contains its text.
    pub fn is_weights(&self) -> bool {
        self.input.kind == Kind::Model && self.name.matches('/').count() > 1
    }
}

/// Every part, in the order of `runtime.json`.
pub fn components<'a>(runtime: &Runtime<'a>) -> Result<Vec<Component<'a>>> {
    let info = &runtime.description.info;
    let distributions = Distributions::read(runtime)?;
    let has_text = |directory: &str| {
        let start = format!("{}/{directory}/", layout::LICENSES);
        runtime.description.files.iter().any(|file| file.path.starts_with(&start))
    };
    let mut components = Vec::new();
    for input in &info.inputs {
        let part = match input.kind {
            Kind::Python => Component {
                name: "CPython".to_owned(),
                version: info.python.version.clone(),
                purl: Some(format!("pkg:generic/cpython@{}", info.python.version)),
                license: Some("Python-2.0.1".to_owned()),
                has_text: has_text("CPython"),
                input,
            },
            Kind::Speaches => {
                let distribution = distributions.get("speaches", None);
                let github = match &input.origin {
                    Origin::Git { repository, commit } => repository
                        .strip_prefix("https://github.com/")
                        .map(|repository| format!("{repository}@{commit}")),
                    _ => None,
                };
                Component {
                    name: "speaches".to_owned(),
                    version: info.version.clone(),
                    purl: github.map(|place| format!("pkg:github/{place}")),
                    license: distribution.and_then(|distribution| metadata::of_metadata(&distribution.metadata)),
                    has_text: distribution.is_some_and(|distribution| has_text(&distribution.stem)),
                    input,
                }
            }
            Kind::Wheel => {
                let version = input.version.clone().context("a wheel has a version")?;
                let distribution = distributions.get(&input.name, Some(&version));
                Component {
                    purl: Some(format!("pkg:pypi/{}@{}", input.name, version.replace('+', "%2B"))),
                    license: distribution.and_then(|distribution| metadata::of_metadata(&distribution.metadata)),
                    has_text: distribution.is_some_and(|distribution| has_text(&distribution.stem)),
                    name: input.name.clone(),
                    version,
                    input,
                }
            }
            Kind::Model => {
                let revision = input.version.as_deref().context("a model has a revision")?;
                let model = info.models.iter().find(|model| model.name() == input.name);
                let model = model.with_context(|| format!("`{}` is not among the models", input.name))?;
                let file = model.file.as_ref().map_or_else(String::new, |file| format!("#{file}"));
                Component {
                    name: input.name.clone(),
                    version: revision.to_owned(),
                    purl: Some(format!("pkg:huggingface/{}@{revision}{file}", model.id)),
                    license: Some(model.license.clone()),
                    has_text: has_text(&format!("models/{}", model.id.replace('/', "--"))),
                    input,
                }
            }
            Kind::Launcher | Kind::Template | Kind::Compiler | Kind::Linker => Component {
                name: if input.kind == Kind::Launcher { "launcher".to_owned() } else { input.name.clone() },
                version: info.tool.clone(),
                purl: None,
                license: Some("MIT OR Apache-2.0".to_owned()),
                has_text: has_text(OWN)
                    && (input.kind != Kind::Launcher
                        || matches!(input.origin, Origin::Given)
                        || crates::have_texts(runtime)),
                input,
            },
        };
        components.push(part);
    }
    Ok(components)
}

/// The distributions in `site-packages`.
struct Distributions(BTreeMap<String, Vec<Distribution>>);

struct Distribution {
    /// `name-version`, as its metadata directory is called.
    stem: String,
    version: String,
    metadata: String,
}

impl Distributions {
    fn read(runtime: &Runtime<'_>) -> Result<Self> {
        let info = &runtime.description.info;
        let place = format!("{}/{}/", layout::PYTHON, Family::of(&info.target).site_packages(&info.python.minor));
        let mut distributions = BTreeMap::<_, Vec<_>>::new();
        for file in &runtime.description.files {
            let stem = file.path.strip_prefix(&place).and_then(|rest| rest.strip_suffix(".dist-info/METADATA"));
            let Some(stem) = stem.filter(|stem| !stem.contains('/')) else { continue };
            let bytes = fs_err::read(runtime.root.join(&file.path))?;
            let metadata = String::from_utf8_lossy(&bytes).into_owned();
            let version = metadata::header(&metadata, "Version").unwrap_or_default().to_owned();
            let name = normalize(metadata::header(&metadata, "Name").unwrap_or_default());
            distributions.entry(name).or_default().push(Distribution { stem: stem.to_owned(), version, metadata });
        }
        Ok(Self(distributions))
    }

    fn get(&self, name: &str, version: Option<&str>) -> Option<&Distribution> {
        let all = self.0.get(name)?;
        version.and_then(|version| all.iter().find(|one| one.version == version)).or(all.first())
    }
}
