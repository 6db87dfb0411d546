//! Placing speaches into a runtime, as an installer would: package, metadata and data files.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::pyproject;
use super::source::Source;
use crate::digest::Sha256;
use crate::failure::{Exit, Failure};
use crate::manifest::SpeachesManifest;
use crate::store::Store;
use crate::store::tree::{RelativePath, Tree, TreeWriter};
use crate::target::Accelerator;
use crate::wheel::record;

/// Raised whenever the same source gives another tree, since trees in the store depend on it.
const VERSION: u32 = 1;

/// The package, in a tree of speaches.
pub const SITE_PACKAGES: &str = crate::wheel::unpack::SITE_PACKAGES;
/// Data files, in a tree of speaches.
pub const APP: &str = speaches_launcher::layout::APP;

/// Everything that decides what the installed speaches is.
#[derive(Clone, Debug, Serialize)]
pub struct Recipe {
    /// Minor version of Python.
    pub minor: String,
    /// Which wheels its metadata asks for.
    pub accelerator: Accelerator,
    /// Id and task of each bundled model.
    pub bundled: Vec<(String, String)>,
}

impl Recipe {
    /// The name of the tree that this recipe makes of a source.
    pub fn key(&self, source: Sha256) -> Sha256 {
        Sha256::of_json(&(VERSION, downlevel::RULES, self, source))
    }

    /// Installs a source into a tree of the store.
    pub fn install(&self, store: &Store, source: &Source, manifest: &SpeachesManifest) -> Result<Tree> {
        store.make_tree("speaches", self.key(source.sha256), |writer| self.fill(source, manifest, writer))
    }

    fn fill(&self, source: &Source, manifest: &SpeachesManifest, writer: &mut TreeWriter) -> Result<()> {
        let mut installed = Vec::new();
        let mut add = |writer: &mut TreeWriter, path: &str, bytes: &[u8]| -> Result<()> {
            let place = RelativePath::new(path)?.below(SITE_PACKAGES);
            let (sha256, size) = writer.add(place, &mut &*bytes, false)?;
            installed.push((path.to_owned(), sha256, size));
            Ok(())
        };
        for (path, bytes) in ported(source, &self.minor)? {
            add(writer, &path, &bytes)?;
        }

        let (pyproject, _) = pyproject::edit(source.text("pyproject.toml")?, self.accelerator)?;
        let project = Project::of(&pyproject)?;
        let version = format!("{}+g{}", project.version, &source.tree_or_commit(manifest)[..7]);
        let own = format!("speaches-{version}.dist-info");
        add(writer, &format!("{own}/METADATA"), project.metadata(&version, source, manifest).as_bytes())?;
        add(
            writer,
            &format!("{own}/WHEEL"),
            b"Wheel-Version: 1.0\nGenerator: speaches-native\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )?;
        add(writer, &format!("{own}/INSTALLER"), b"speaches-native\n")?;
        if source.pinned && !manifest.commit.is_empty() {
            // PEP 610: "direct_url.json […] MUST be created by installers when installing from a VCS URL".
            let origin = serde_json::json!({
                "url": manifest.repository,
                "vcs_info": { "vcs": "git", "commit_id": manifest.commit, "requested_revision": manifest.commit },
            });
            add(writer, &format!("{own}/direct_url.json"), origin.to_string().as_bytes())?;
        }
        if let Some(licence) = source.files.get("LICENSE") {
            add(writer, &format!("{own}/licenses/LICENSE"), licence)?;
        }
        let record_path = format!("{own}/RECORD");
        let rows = installed.iter().map(|(path, sha256, size)| (path.as_str(), *sha256, *size));
        let record = record::write(rows, &record_path)?;
        writer.add(RelativePath::new(record_path)?.below(SITE_PACKAGES), &mut record.as_slice(), false)?;

        for (path, bytes) in source.below("realtime-console/dist/") {
            writer.add(RelativePath::new(format!("{APP}/realtime-console/dist/{path}"))?, &mut &*bytes, false)?;
        }
        let aliases = serde_json::to_string_pretty(&source.aliases(&self.bundled)?)? + "\n";
        writer.add(RelativePath::new(format!("{APP}/model_aliases.json"))?, &mut aliases.as_bytes(), false)?;
        Ok(())
    }
}

/// The package for a Python: upstream's files, and below upstream's own Python what the port makes of them.
fn ported<'a>(source: &'a Source, minor: &str) -> Result<Vec<(String, Cow<'a, [u8]>)>> {
    // Upstream's own Python and newer ones take the source as it is.
    let target = downlevel::Target::parse(minor).ok();
    let mut refusals = Vec::new();
    let mut files = Vec::new();
    for (path, bytes) in source.below("src/speaches/") {
        let mut content = Cow::Borrowed(bytes);
        if let Some(target) = target
            && path.ends_with(".py")
        {
            let text = std::str::from_utf8(bytes).with_context(|| format!("`src/speaches/{path}` is not UTF-8"))?;
            match downlevel::downlevel(&format!("src/speaches/{path}"), text, target) {
                Ok(outcome) => content = outcome.text.map_or(content, |text| Cow::Owned(text.into_bytes())),
                Err(refused) => refusals.push(refused.to_string()),
            }
        }
        files.push((format!("speaches/{path}"), content));
    }
    if !refusals.is_empty() {
        bail!(
            Failure::new(Exit::Data, format!("speaches cannot be ported to Python {minor}:\n{}", refusals.join("\n")))
                .hint("`--python 3.12` takes it as it is")
        );
    }
    Ok(files)
}

impl Source {
    fn tree_or_commit<'a>(&'a self, manifest: &'a SpeachesManifest) -> &'a str {
        if self.pinned && !manifest.commit.is_empty() { &manifest.commit } else { &self.tree }
    }

    /// What OpenAI's model names stand for: upstream's own choice, or the bundled model of the same task.
    ///
    /// Upstream's point at models that are not bundled, so that clients which know only OpenAI's names would
    /// get an error from a runtime that carries perfectly good models.
    fn aliases(&self, bundled: &[(String, String)]) -> Result<BTreeMap<String, String>> {
        let mut aliases: BTreeMap<String, String> = serde_json::from_str(self.text("model_aliases.json")?)
            .context("`model_aliases.json` of speaches is malformed")?;
        for (alias, model) in &mut aliases {
            let task = if alias.starts_with("whisper") { "automatic-speech-recognition" } else { "text-to-speech" };
            if let Some((id, _)) = bundled.iter().find(|(_, bundled_task)| bundled_task == task) {
                id.clone_into(model);
            }
        }
        Ok(aliases)
    }
}

/// What core metadata needs of `pyproject.toml`.
struct Project {
    version: String,
    requires_python: String,
    dependencies: Vec<String>,
    optional: Vec<(String, Vec<String>)>,
}

impl Project {
    fn of(pyproject: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(pyproject)?;
        let project = table.get("project").and_then(toml::Value::as_table).context("no `[project]`")?;
        let text = |key: &str| {
            project
                .get(key)
                .and_then(toml::Value::as_str)
                .map(str::to_owned)
                .with_context(|| format!("no `project.{key}`"))
        };
        let strings = |value: &toml::Value| {
            value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(toml::Value::as_str)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let optional = project.get("optional-dependencies").and_then(toml::Value::as_table);
        Ok(Self {
            version: text("version")?,
            requires_python: text("requires-python")?,
            dependencies: project.get("dependencies").map(strings).unwrap_or_default(),
            optional: optional.into_iter().flatten().map(|(group, list)| (group.clone(), strings(list))).collect(),
        })
    }

    fn metadata(&self, version: &str, source: &Source, manifest: &SpeachesManifest) -> String {
        let mut text = format!(
            "Metadata-Version: 2.4\nName: speaches\nVersion: {version}\nRequires-Python: {}\nLicense-Expression: {}\n",
            self.requires_python, manifest.license
        );
        if source.files.contains_key("LICENSE") {
            text.push_str("License-File: LICENSE\n");
        }
        let _ = writeln!(text, "Project-URL: Source, {}", manifest.repository);
        let commit = if source.pinned { manifest.commit.as_str() } else { "" };
        if !commit.is_empty() {
            let _ = writeln!(text, "Project-URL: Commit, {}/tree/{commit}", manifest.repository);
        }
        for dependency in &self.dependencies {
            let _ = writeln!(text, "Requires-Dist: {dependency}");
        }
        for (group, dependencies) in &self.optional {
            let _ = writeln!(text, "Provides-Extra: {group}");
            for dependency in dependencies {
                let _ = writeln!(text, "Requires-Dist: {dependency} ; extra == '{group}'");
            }
        }
        text
    }
}
