//! Installs speaches into a tree of the store: package, metadata and data files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::port::{self, PortedFile};
use super::pyproject;
use super::source::Source;
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::pins::manifest::SpeachesManifest;
use crate::pins::target::Accelerator;
use crate::store::Store;
use crate::store::tree::{RelativePath, Tree, TreeWriter};
use wheel_archive::record;

/// Raise this when your change makes another tree from the same source: it is a part of the tree's key in the store.
const VERSION: u32 = 1;

const PACKAGE: &str = "src/speaches/";
/// The package, in a tree of speaches.
pub const SITE_PACKAGES: &str = crate::inputs::wheel::tree::SITE_PACKAGES;
/// Data files, in a tree of speaches.
pub const APP: &str = speaches_format::layout::APP;

/// Everything that decides what the installed speaches is.
#[derive(Clone, Debug, Serialize)]
pub struct Recipe {
    pub minor: String,
    pub accelerator: Accelerator,
    /// Names of the distributions that are installed beside it.
    pub distributions: BTreeSet<String>,
    /// Id and task of each bundled model.
    pub bundled: Vec<(String, String)>,
}

impl Recipe {
    /// The name of the tree that this recipe makes of a source.
    pub fn key(&self, source: Sha256) -> Sha256 {
        Sha256::of_json(&(VERSION, downlevel::RULES, self, source))
    }

    /// Installs the source with this digest into a tree of the store. `get` fetches the source. Of several processes,
    /// only one calls it, and only if the store does not have the tree.
    pub fn install(
        &self,
        store: &Store,
        sha256: Sha256,
        get: impl FnOnce() -> Result<Source>,
        manifest: &SpeachesManifest,
    ) -> Result<Tree> {
        store.make_tree("speaches", self.key(sha256), |writer| self.fill(&get()?, manifest, writer))
    }

    /// Fails unless the wheels include every package that ported source imports. Without this check the import would
    /// fail only at run time.
    fn expect_bundled(&self, file: &PortedFile<'_>) -> Result<()> {
        let missing = file.packages.iter().find(|package| !self.distributions.contains(package.distribution()));
        let Some(missing) = missing else { return Ok(()) };
        bail!(
            Failure::new(
                Exit::Data,
                format!("`{}` needs `{missing}` on Python {}, but the lock does not contain it", file.path, self.minor)
            )
            .hint(
                "add it to the requirements of the ported source in `xtask/src/inputs/speaches/pyproject.rs`, then run \
                 `cargo xtask lock`"
            )
        );
    }

    fn fill(&self, source: &Source, manifest: &SpeachesManifest, writer: &mut TreeWriter) -> Result<()> {
        let mut installed = Vec::new();
        let mut add = |writer: &mut TreeWriter, path: &str, bytes: &[u8]| -> Result<()> {
            let place = RelativePath::new(path)?.below(SITE_PACKAGES);
            let (sha256, size) = writer.add(place, &mut &*bytes, false)?;
            installed.push((path.to_owned(), sha256, size));
            Ok(())
        };
        // Upstream's own Python and newer ones take the source as it is.
        let target = downlevel::Target::parse(&self.minor).ok();
        let package = source.files.iter().filter(|(path, _)| path.starts_with(PACKAGE));
        let files = package.map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
        for file in port::port(files, target)? {
            self.expect_bundled(&file)?;
            add(writer, file.path.trim_start_matches("src/"), &file.content)?;
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
        if let Some(license) = source.files.get("LICENSE") {
            add(writer, &format!("{own}/licenses/LICENSE"), license)?;
        }
        let record_path = format!("{own}/RECORD");
        let rows = installed.iter().map(|(path, sha256, size)| (path.as_str(), sha256.bytes(), *size));
        let record = record::write(rows, &record_path);
        writer.add(RelativePath::new(record_path)?.below(SITE_PACKAGES), &mut record.as_slice(), false)?;

        for (path, bytes) in source.below("realtime-console/dist/") {
            writer.add(RelativePath::new(format!("{APP}/realtime-console/dist/{path}"))?, &mut &*bytes, false)?;
        }
        let aliases = serde_json::to_string_pretty(&source.aliases(&self.bundled)?)? + "\n";
        writer.add(RelativePath::new(format!("{APP}/model_aliases.json"))?, &mut aliases.as_bytes(), false)?;
        Ok(())
    }
}

impl Source {
    fn tree_or_commit<'a>(&'a self, manifest: &'a SpeachesManifest) -> &'a str {
        if self.pinned && !manifest.commit.is_empty() { &manifest.commit } else { &self.tree }
    }

    /// The meaning of OpenAI's model names: upstream's own choice, or the bundled model of the same task.
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

/// The fields of `pyproject.toml` that core metadata needs.
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
