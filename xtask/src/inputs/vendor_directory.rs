//! A vendor directory: every input of one plan, for machines without a network.
//!
//! ```text
//! vendor.json          what was chosen, and what each file is
//! SHA256SUMS           of every other file, as `sha256sum --check` reads it
//! python/, speaches/   archives
//! wheels/              as the package index has them
//! models/              a Hugging Face cache without links
//! launcher/            the launcher, ready built, and the licenses of what is linked into it
//! ```
//! The tool checks every file when it uses the file: pinned inputs against their pins, all others against
//! `vendor.json`. This module reads such a directory. The module `vendor` makes it.

pub mod document;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use speaches_format::name::Name;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::quantity::pluralize;
use crate::inputs::Inputs;
use crate::inputs::launcher::licenses::License;
use crate::inputs::launcher::{LauncherInput, sources};
use crate::inputs::model::request::Request;
use crate::inputs::model::{self, FileSource, ModelInput};
use crate::inputs::provision_args::ProvisionArgs;
use crate::inputs::python::PythonInput;
use crate::pins::manifest::minor_of;
use crate::store::digests::Digests;

use document::{CHECKSUMS, DOCUMENT, Document, Kind, LAUNCHER, Launcher, MODELS, Model, Python, SCHEMA};

#[derive(Clone, Debug)]
pub struct Vendor {
    root: Utf8PathBuf,
    document: Document,
    files: BTreeMap<Sha256, Utf8PathBuf>,
}

impl Vendor {
    /// Opens a directory and compares the sizes of all files. Their digests are checked when they are used.
    pub fn open(root: &Utf8Path) -> Result<Self> {
        let path = root.join(DOCUMENT);
        if !path.is_file() {
            bail!(
                Failure::new(Exit::NoInput, format!("`{root}` is not a vendor directory: it has no `{DOCUMENT}`"))
                    .hint(format!("`cargo xtask vendor {root}` makes one"))
            );
        }
        let damaged = |what: String| {
            Failure::new(Exit::Data, format!("the vendor directory `{root}` cannot be used: {what}"))
                .hint(format!("make it again with `cargo xtask vendor {root}` on a machine with a network"))
        };
        let document: Document = serde_json::from_slice(&fs_err::read(&path)?)
            .map_err(|error| damaged(format!("`{DOCUMENT}` cannot be parsed: {error}")))?;
        if document.schema != SCHEMA {
            bail!(damaged(format!("`{DOCUMENT}` has format {}, but this tool reads format {SCHEMA}", document.schema)));
        }
        let root = camino::absolute_utf8(root)?;
        let mut files = BTreeMap::new();
        for (name, file) in &document.files {
            let path = root.join(name);
            match fs_err::metadata(&path) {
                Ok(metadata) if metadata.len() == file.size => {}
                Ok(metadata) => {
                    bail!(damaged(format!("`{name}` has {} bytes and should have {}", metadata.len(), file.size)));
                }
                Err(_) => bail!(damaged(format!("`{name}` is missing"))),
            }
            files.insert(file.sha256, path);
        }
        tracing::debug!("the vendor directory `{root}` has {}", pluralize(files.len(), "file"));
        Ok(Self { root, document, files })
    }

    /// Fills in the choices that the user left open, with those of the run that made this directory.
    pub fn complete(&self, args: &ProvisionArgs) -> ProvisionArgs {
        let mut args = args.clone();
        let chosen = &self.document.chosen;
        args.allow_unpinned |= chosen.allow_unpinned;
        args.without.get_or_insert_with(|| chosen.without.clone());
        args.models.get_or_insert_with(|| chosen.models.clone());
        let target = args.target.get_or_insert_with(|| chosen.target.clone());
        if *target == chosen.target {
            args.accelerator.get_or_insert_with(|| chosen.accelerator.clone());
            if args.python_from.is_none() {
                args.python.get_or_insert_with(|| self.document.python.version.clone());
            }
        }
        args
    }

    /// The name of runtimes made from this directory.
    pub fn name(&self) -> &Name {
        &self.document.chosen.name
    }

    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The file with this digest, if it is here.
    fn file(&self, sha256: Sha256) -> Option<&Utf8Path> {
        let found = self.files.get(&sha256)?;
        tracing::debug!("found in the vendor directory: `{found}`");
        Some(found)
    }

    /// If the vendor directory has a file of an input, replaces the URLs of the file with its path in the directory.
    /// The tool then takes the file only from there. N.B. each kind of input that is fetched by URL needs its own part
    /// here. The compiler does not demand it.
    pub fn prefer(&self, inputs: &mut Inputs) {
        let path = |sha256| self.file(sha256).map(ToString::to_string);
        let interpreters = std::iter::once(&mut inputs.python).chain(&mut inputs.compiler);
        for python in interpreters {
            if let PythonInput::Pinned { archive, urls, .. } = &mut python.source
                && let Some(path) = path(archive.sha256)
            {
                *urls = vec![path];
            }
        }
        for wheel in &mut inputs.wheels {
            let vendored = path(wheel.source.sha256);
            wheel.source.url = vendored.or(wheel.source.url.take());
        }
        for file in inputs.models.iter_mut().flat_map(|model| &mut model.source.files) {
            if let (FileSource::Remote { urls, .. }, Some(path)) = (&mut file.source, path(file.sha256)) {
                *urls = vec![path];
            }
        }
    }

    /// The archive of the source of speaches.
    pub fn speaches(&self, digests: &Digests) -> Result<Utf8PathBuf> {
        Ok(self.checked(&self.document.speaches, digests)?.1)
    }

    /// The interpreter for a target, unless it is a pinned archive, which is found by its digest.
    pub fn python(&self, wanted: Option<&str>, target: &str, digests: &Digests) -> Result<Option<PythonInput>> {
        let python = &self.document.python;
        let is_wanted = wanted.is_none_or(|wanted| wanted == python.version || wanted == minor_of(&python.version));
        if self.document.chosen.target == target && is_wanted { self.input(python, digests) } else { Ok(None) }
    }

    /// The compiler for a CPython of this version, unless it is a pinned archive.
    pub fn compiler(&self, version: &str, digests: &Digests) -> Result<Option<PythonInput>> {
        match self.document.compiler.as_ref().filter(|python| python.version == version) {
            Some(python) => self.input(python, digests),
            None => Ok(None),
        }
    }

    fn input(&self, python: &Python, digests: &Digests) -> Result<Option<PythonInput>> {
        let Python { version, file, kind } = python;
        let version = version.clone();
        Ok(match *kind {
            Kind::Pinned => None,
            Kind::Archive => {
                let (sha256, path) = self.checked(file, digests)?;
                Some(PythonInput::Archive { version, path, sha256 })
            }
            Kind::Copy { identity, content } => {
                let (_, path) = self.checked(file, digests)?;
                Some(PythonInput::Copied { version, path, identity, content })
            }
        })
    }

    /// A model, checked against its pins and against `vendor.json`.
    pub fn model(&self, request: &Request<'_>, digests: &Digests) -> Result<ModelInput> {
        let id = request.id();
        // Of a repository with GGML weights there may be several files.
        let is_wanted = |model: &&Model| model.id == id && model.wanted == request.revision();
        let wanted = self.document.models.iter().filter(is_wanted).collect::<Vec<_>>();
        let Some(known) = wanted.first() else {
            bail!(
                Failure::new(
                    Exit::Unavailable,
                    format!(
                        "the model `{id}` is not in the vendor directory `{}` at {}",
                        self.root,
                        request.revision()
                    )
                )
                .hint("vendor it with the same flags, or omit `--models` to use the vendored models")
            );
        };
        // Of branches and tags there is only the commit here.
        let request = match request {
            Request::Known(_) => request.clone(),
            Request::Any { .. } => Request::Any { id: id.to_owned(), revision: known.revision.clone() },
        };
        let mut found = model::cache::find(&self.root.join(MODELS), &request, digests)?;
        let Some(known) = wanted.iter().find(|model| model.content == found.sha256()) else {
            bail!(self.changed(&format!("the model `{id}`")));
        };
        found.wanted.clone_from(&known.wanted);
        found.origin.clone_from(&known.origin);
        Ok(found)
    }

    /// The launcher for a target, unless it was built from other sources than those in this workspace.
    pub fn launcher(&self, root: &Utf8Path, target: &str, digests: &Digests) -> Result<Option<LauncherInput>> {
        let Launcher { file, built } = &self.document.launcher;
        if self.document.chosen.target != target {
            return Ok(None);
        }
        let (sha256, path) = self.checked(file, digests)?;
        let licenses = self.document.files.keys().filter(|name| name.starts_with(LAUNCHER) && *name != file);
        let licenses = licenses.map(|name| {
            let (sha256, path) = self.checked(name, digests)?;
            License::new(path, sha256)
        });
        let licenses = licenses.collect::<Result<_>>()?;
        Ok(match built {
            None => Some(LauncherInput::given(path, sha256, licenses)?),
            Some(built) if sources::digest(root)? == built.sources => {
                Some(LauncherInput::Prebuilt { path, key: built.key, linker: built.linker, licenses })
            }
            Some(_) => None,
        })
    }

    /// The digest and the path of an unpinned file, checked against `vendor.json`.
    fn checked(&self, name: &Utf8Path, digests: &Digests) -> Result<(Sha256, Utf8PathBuf)> {
        let path = self.root.join(name);
        match self.document.files.get(name) {
            Some(file) if digests.of(&path)? == file.sha256 => {
                tracing::debug!("found in the vendor directory: `{path}`");
                Ok((file.sha256, path))
            }
            _ => bail!(self.changed(&format!("`{name}`"))),
        }
    }

    fn changed(&self, what: &str) -> Failure {
        Failure::new(Exit::Data, format!("{what} in the vendor directory `{}` does not match `{DOCUMENT}`", self.root))
            .hint(format!("`cd {} && sha256sum --check {CHECKSUMS}` lists all changes", self.root))
    }
}
