//! The inputs of a runtime. A constructor in this file describes each of them once ([`Input::wheel`], [`Input::model`],
//! …). The plan and `runtime.json` read these descriptions; the bill of materials reads `runtime.json`.
//!
//! The planner resolves flags, environment, vendor directory, manifests and lock first. This module resolves and
//! fetches nothing. N.B. `Recorded` is the `Input` of `speaches_format`, as `runtime.json` has it. The modules below
//! have `Kind`s of their own, for models and for files of a vendor directory.

pub mod launcher;
pub mod license_file;
pub mod model;
pub mod provision_args;
pub mod python;
pub mod speaches;
pub mod template;
pub mod tool;
pub mod vendor_directory;
pub mod wheel;

use speaches_format::input::{Input as Recorded, Kind, Origin};

use crate::base::digest::Sha256;
use crate::inputs::launcher::LauncherInput;
use crate::inputs::model::{FileInput, FileSource, ModelInput};
use crate::inputs::python::PythonInput;
use crate::inputs::speaches::SpeachesInput;
use crate::inputs::template::Template;
use crate::pins::lock::LockedWheel;
use crate::pins::manifest::SpeachesManifest;
use crate::pins::requirements::Requirements;
use crate::pins::target::Target;
use crate::store::Store;
use crate::store::fetch::is_local;

/// An input with what it takes to get it.
#[derive(Clone)]
pub struct Input<S> {
    pub facts: Facts,
    pub source: S,
}

/// The facts about an input.
#[derive(Clone, Debug)]
pub struct Facts {
    pub kind: Kind,
    /// Its name, as `Input::name` of `speaches_format` says. For the linker: its programs with their versions.
    pub name: String,
    /// Its version, if it has one of its own.
    pub version: Option<String>,
    /// For a wheel: its file name.
    pub file: Option<String>,
    pub title: String,
    pub origin: Origin,
    /// The source of the input, as plans and messages show it: a path, a URL, `your package index`.
    pub place: String,
    /// In bytes, when it is known.
    pub size: Option<u64>,
    /// Identifies the input, as `Input::sha256` of `speaches_format` says. For an interpreter before it is copied: the
    /// digest of its identity. For the linker: that of its requirements.
    pub sha256: Sha256,
    /// Whether the manifests and locks pin it.
    pub pinned: bool,
    /// Whether this machine has it or can get or make it.
    pub available: bool,
}

pub struct Inputs {
    pub python: Input<PythonInput>,
    /// Compiles the bytecode when the interpreter is for another system.
    pub compiler: Option<Input<PythonInput>>,
    pub speaches: Input<SpeachesInput>,
    pub wheels: Vec<Input<LockedWheel>>,
    pub models: Vec<Input<ModelInput>>,
    /// Links the launcher for another system, if it has to be installed.
    pub linker: Option<Input<Requirements>>,
    pub launcher: Input<LauncherInput>,
    pub template: Input<Template>,
}

impl Inputs {
    /// The facts about each input, in the order of their steps.
    pub fn facts(&self) -> impl Iterator<Item = &Facts> {
        let Self { python, compiler: _, speaches, wheels, models, linker, launcher, template } = self;
        [Some(&python.facts), self.fetched_compiler().map(|input| &input.facts), Some(&speaches.facts)]
            .into_iter()
            .flatten()
            .chain(wheels.iter().map(|input| &input.facts))
            .chain(models.iter().map(|input| &input.facts))
            .chain(linker.as_ref().map(|input| &input.facts))
            .chain([&launcher.facts, &template.facts])
    }

    /// The facts about each input, and whether the tool can use the input without a download.
    pub fn at_hand(&self, store: &Store, target: &Target) -> Vec<(&Facts, bool)> {
        let Self { python, compiler: _, speaches, wheels, models, linker, launcher, template } = self;
        let archive = |python: &PythonInput| match python {
            PythonInput::Pinned { archive, urls, .. } => store.has_file(archive.sha256, None) || are_local(urls),
            PythonInput::Archive { .. } | PythonInput::Interpreter(_) | PythonInput::Copied { .. } => true,
        };
        let wheel = |wheel: &LockedWheel| {
            let local = wheel.url.as_deref().is_some_and(is_local);
            local || store.has_file(wheel.sha256, wheel.size) || wheel.has_tree(store, target.family())
        };
        let file = |file: &FileInput| match &file.source {
            FileSource::Local(_) => true,
            FileSource::Remote { urls, members } => {
                let are_local = !urls.is_empty() && are_local(urls);
                let are_there = !members.is_empty() && members.iter().all(|member| wheel(&member.wheel));
                are_local || are_there || store.has_file(file.sha256, Some(file.size))
            }
        };
        let model = |model: &Input<ModelInput>| {
            store.has_tree("model", model.facts.sha256) || model.source.files.iter().all(file)
        };
        let has_python = store.has_tree("python", python.source.key()) || archive(&python.source);
        let mut inputs = vec![(&python.facts, has_python)];
        inputs.extend(self.fetched_compiler().map(|input| (&input.facts, archive(&input.source))));
        let has_speaches = speaches.source.source.is_some() || store.has_tree("speaches", speaches.source.key());
        inputs.push((&speaches.facts, has_speaches));
        inputs.extend(wheels.iter().map(|input| (&input.facts, wheel(&input.source))));
        inputs.extend(models.iter().map(|input| (&input.facts, model(input))));
        inputs.extend(linker.iter().map(|input| (&input.facts, input.source.are_installed(store))));
        // They are made here.
        inputs.extend([(&launcher.facts, true), (&template.facts, true)]);
        inputs
    }

    /// The compiler, unless it is what this machine happens to have.
    fn fetched_compiler(&self) -> Option<&Input<PythonInput>> {
        self.compiler.as_ref().filter(|compiler| compiler.facts.pinned)
    }
}

fn are_local(urls: &[String]) -> bool {
    urls.iter().all(|url| is_local(url))
}

impl Facts {
    fn new(kind: Kind, name: &str, origin: Origin, sha256: Sha256) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            version: None,
            file: None,
            title: name.to_owned(),
            place: origin.to_string(),
            origin,
            size: None,
            sha256,
            pinned: true,
            available: true,
        }
    }

    /// As `runtime.json` has it.
    pub fn recorded(&self) -> Recorded {
        Recorded {
            kind: self.kind,
            name: self.name.clone(),
            version: self.version.clone(),
            file: self.file.clone(),
            origin: self.origin.clone(),
            sha256: self.sha256.to_string(),
            pinned: self.pinned,
        }
    }
}

impl Input<PythonInput> {
    pub fn python(source: PythonInput) -> Self {
        Self::interpreter(Kind::Python, source)
    }

    pub fn compiler(source: PythonInput) -> Self {
        let mut input = Self::interpreter(Kind::Compiler, source);
        input.facts.title.push_str(" for this machine, which compiles");
        input
    }

    fn interpreter(kind: Kind, source: PythonInput) -> Self {
        let (origin, place, sha256) = match &source {
            PythonInput::Pinned { archive, urls, .. } => {
                (Origin::Url(archive.url.clone()), urls[0].clone(), archive.sha256)
            }
            PythonInput::Archive { path, sha256, .. } => (Origin::UserArchive, path.to_string(), *sha256),
            PythonInput::Interpreter(interpreter) => {
                (Origin::Interpreter, format!("copied from `{}`", interpreter.path), interpreter.identity)
            }
            PythonInput::Copied { path, identity, .. } => {
                (Origin::Interpreter, format!("copied from an interpreter, in `{path}`"), *identity)
            }
        };
        let pinned = matches!(source, PythonInput::Pinned { .. });
        let version = source.version().to_owned();
        let title = format!("CPython {version}");
        let facts = Facts::new(kind, "CPython", origin, sha256);
        Self { facts: Facts { title, version: Some(version), place, pinned, ..facts }, source }
    }
}

impl Input<SpeachesInput> {
    pub fn speaches(source: SpeachesInput, manifest: &SpeachesManifest, version: &str) -> Self {
        let pinned = source.source.as_ref().is_none_or(|source| source.pinned);
        let origin = match &source.source {
            Some(source) if !source.pinned => Origin::UserTree { tree: source.tree.clone() },
            _ if manifest.commit.is_empty() => Origin::Repository { tree: manifest.tree.clone() },
            _ => Origin::Git { repository: manifest.repository.clone(), commit: manifest.commit.clone() },
        };
        let facts = Facts::new(Kind::Speaches, "speaches", origin, source.sha256);
        let title = format!("speaches {version}");
        Self { facts: Facts { title, version: Some(version.to_owned()), pinned, ..facts }, source }
    }
}

impl Input<LockedWheel> {
    pub fn wheel(source: LockedWheel) -> Self {
        let (origin, place) = match &source.url {
            Some(url) => (Origin::Url(url.clone()), url.clone()),
            None => (Origin::PackageIndex, "your package index".to_owned()),
        };
        let facts = Facts {
            version: Some(source.name.version.clone()),
            file: Some(source.name.file.clone()),
            title: source.name.file.clone(),
            place,
            size: source.size,
            ..Facts::new(Kind::Wheel, &source.name.distribution, origin, source.sha256)
        };
        Self { facts, source }
    }
}

impl Input<ModelInput> {
    pub fn model(source: ModelInput) -> Self {
        let name = source.name();
        let facts = Facts {
            version: Some(source.revision.clone()),
            size: Some(source.download_size()),
            pinned: source.pinned,
            ..Facts::new(Kind::Model, &name, source.origin.clone(), source.sha256())
        };
        Self { facts, source }
    }
}

impl Input<Requirements> {
    pub fn linker(source: Requirements) -> Self {
        let facts = Facts {
            place: "your package index".to_owned(),
            ..Facts::new(Kind::Linker, &source.name(), Origin::PackageIndex, source.key())
        };
        Self { facts, source }
    }
}

impl Input<LauncherInput> {
    pub fn launcher(source: LauncherInput, target: &Target) -> Self {
        let place = match &source {
            LauncherInput::Given { path, .. } | LauncherInput::Prebuilt { path, .. } => path.to_string(),
            LauncherInput::Built { .. } => "built from this workspace".to_owned(),
            LauncherInput::Impossible { reason, .. } => format!("cannot be built: {reason}"),
        };
        let facts = Facts {
            place,
            pinned: !matches!(source, LauncherInput::Given { .. }),
            available: source.check().is_ok(),
            ..Facts::new(Kind::Launcher, "speaches", source.origin(target), source.key())
        };
        Self { facts, source }
    }
}

impl Input<Template> {
    pub fn template(source: Template) -> Self {
        let facts = Facts {
            title: "service manager and Harbor contract".to_owned(),
            place: "this workspace".to_owned(),
            ..Facts::new(Kind::Template, "service", Origin::Workspace, source.sha256())
        };
        Self { facts, source }
    }
}
