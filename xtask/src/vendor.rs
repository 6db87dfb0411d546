//! Makes a vendor directory. `inputs::vendor_directory` reads it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err::File as Opened;

use crate::base::digest::{Hasher, Sha256};
use crate::base::failure::{Exit, Failure};
use crate::base::tarball::{append_file, append_link};
use crate::inputs::Inputs;
use crate::inputs::launcher::{LauncherInput, licenses, sources};
use crate::inputs::provision_args::ProvisionArgs;
use crate::inputs::python::PythonInput;
use crate::inputs::speaches::source::Source;
use crate::inputs::vendor_directory::document::{
    Built, CHECKSUMS, Chosen, DOCUMENT, Document, File, Kind, LAUNCHER, Launcher, MODELS, Model, Python, SCHEMA,
};
use crate::pins::manifest::SpeachesManifest;
use crate::plan::Plan;
use crate::provision::Provision;
use crate::runtime::stage::{self, LinkMode};
use crate::store::tree::{Entry, RelativePath, Tree};
use crate::work::{self, WorkDirectory};

/// Refuses a place that holds something else than a vendor directory.
pub fn check_output(output: &Utf8Path) -> Result<()> {
    stage::expect_replaceable(
        output,
        DOCUMENT,
        "not a vendor directory",
        "name another directory, or remove it yourself",
    )
}

pub struct Collected {
    pub files: usize,
    /// How large they are together, in bytes.
    pub bytes: u64,
}

/// Fetches every input of a plan and puts it into a directory. Replaces an existing directory when the new one is
/// complete.
pub fn collect(provision: &Provision<'_>, plan: &Plan, args: &ProvisionArgs, output: &Utf8Path) -> Result<Collected> {
    check_output(output)?;
    plan.inputs.launcher.source.check()?;
    let parent = output.parent().context("a vendor directory has a parent directory")?;
    let work = WorkDirectory::new_in(parent).with_context(|| format!("cannot write to `{output}`"))?;
    // Until the end: what is found in the store now must still be there when it is needed.
    let _in_use = provision.store.share();
    let mut collection = Collection::new(work.path().join("vendor"))?;

    let Inputs { python, compiler, speaches: _, wheels, models, linker: _, launcher: _, template: _ } = &plan.inputs;
    provision.wheel_files(plan)?;
    for wheel in wheels.iter().map(|wheel| &wheel.source) {
        let path = Utf8Path::new("wheels").join(&wheel.name.file);
        collection.share(path, &provision.store.file(wheel.sha256), wheel.sha256)?;
    }
    let python = collection.python(provision, plan, &python.source)?;
    let compiler =
        compiler.as_ref().map(|compiler| collection.python(provision, plan, &compiler.source)).transpose()?;
    let source = provision.source(plan)?;
    let speaches = Utf8PathBuf::from(format!("speaches/speaches-{}.tar.gz", plan.version));
    collection.write(speaches.clone(), |writer| pack_source(&source, provision.speaches, writer))?;
    for (id, tree) in provision.models(plan)? {
        collection.tree(Utf8Path::new(MODELS), &tree).with_context(|| format!("cannot vendor the model `{id}`"))?;
    }
    let launcher = collection.launcher(provision, plan)?;
    let document = Document {
        schema: SCHEMA,
        chosen: Chosen {
            target: plan.target.triple.clone(),
            accelerator: plan.accelerator.to_string(),
            without: args.without.clone().unwrap_or_default(),
            models: args.models.clone().unwrap_or_else(|| "default".to_owned()),
            name: plan.name.clone(),
            allow_unpinned: args.allow_unpinned,
        },
        python,
        compiler,
        speaches,
        models: models.iter().map(|model| Model::of(&model.source)).collect(),
        launcher,
        files: collection.files.clone(),
    };
    let mut text = serde_json::to_vec_pretty(&document)?;
    text.push(b'\n');
    collection.write(DOCUMENT.into(), |writer| Ok(writer.write_all(&text)?))?;
    let sums = collection.files.iter().map(|(path, file)| format!("{}  {path}\n", file.sha256)).collect::<String>();
    fs_err::write(collection.root.join(CHECKSUMS), sums)?;
    stage::replace(&collection.root, output, &work)?;
    let bytes = collection.files.values().map(|file| file.size).sum();
    Ok(Collected { files: collection.files.len(), bytes })
}

/// A vendor directory that is being filled.
struct Collection {
    root: Utf8PathBuf,
    files: BTreeMap<Utf8PathBuf, File>,
    link_mode: LinkMode,
}

impl Collection {
    fn new(root: Utf8PathBuf) -> Result<Self> {
        work::create_inside(&root)?;
        Ok(Self { root, files: BTreeMap::new(), link_mode: LinkMode::default() })
    }

    fn prepare(&self, path: &Utf8Path) -> Result<Utf8PathBuf> {
        let target = self.root.join(path);
        if let Some(parent) = target.parent() {
            work::create_inside(parent)?;
        }
        Ok(target)
    }

    /// A file that the store has.
    fn share(&mut self, path: Utf8PathBuf, source: &Utf8Path, sha256: Sha256) -> Result<()> {
        // GGML weights of one repository share its `refs/main`. N.B. a second copy would go through the link to the first.
        if self.files.get(&path).is_some_and(|there| there.sha256 == sha256) {
            return Ok(());
        }
        self.link_mode.link_or_copy(source, &self.prepare(&path)?)?;
        self.files.insert(path, File { size: fs_err::metadata(source)?.len(), sha256 });
        Ok(())
    }

    /// A new file.
    fn write(&mut self, path: Utf8PathBuf, fill: impl FnOnce(&mut dyn io::Write) -> Result<()>) -> Result<()> {
        let target = self.prepare(&path)?;
        let mut hasher = Hasher::new(io::BufWriter::new(Opened::create_new(&target)?));
        fill(&mut hasher).with_context(|| format!("cannot write `{target}`"))?;
        hasher.flush()?;
        let (sha256, size) = hasher.finish();
        self.files.insert(path, File { size, sha256 });
        Ok(())
    }

    /// All files of a tree that has no links.
    fn tree(&mut self, below: &Utf8Path, tree: &Tree) -> Result<()> {
        for (path, entry) in &tree.entries {
            let Entry::File { sha256, .. } = entry else { bail!("`{}` is a link", path.as_str()) };
            self.share(below.join(path.as_str()), &tree.content.join(path.as_str()), *sha256)?;
        }
        Ok(())
    }

    fn python(&mut self, provision: &Provision<'_>, plan: &Plan, python: &PythonInput) -> Result<Python> {
        let version = python.version().to_owned();
        let (file, kind) = match python {
            PythonInput::Pinned { archive, urls, .. } => {
                provision.python_archive(plan, python)?;
                let path = in_python(urls.first().and_then(|url| url.rsplit('/').next()).unwrap_or_default());
                self.share(path.clone(), &provision.store.file(archive.sha256), archive.sha256)?;
                (path, Kind::Pinned)
            }
            PythonInput::Archive { path: from, sha256, .. } => {
                let path = in_python(from.file_name().unwrap_or_default());
                // It is the user's own: nothing is shared with it.
                self.write(path.clone(), |writer| {
                    io::copy(&mut Opened::open(from)?, writer)?;
                    Ok(())
                })?;
                if self.files.get(&path).is_none_or(|file| file.sha256 != *sha256) {
                    bail!(Failure::new(Exit::Data, format!("`{from}` was changed while it was being copied")));
                }
                (path, Kind::Archive)
            }
            PythonInput::Interpreter(_) | PythonInput::Copied { .. } => {
                let tree = provision.python(plan, python)?;
                let path = in_python(&format!("copied-cpython-{version}.tar.gz"));
                let step = provision.progress.step("Packing", &format!("CPython {version}"));
                self.write(path.clone(), |writer| pack_tree(&tree, writer))?;
                step.finish();
                let identity = match python {
                    PythonInput::Copied { identity, .. } => *identity,
                    PythonInput::Interpreter(interpreter) => interpreter.identity,
                    _ => bail!("archives were dealt with before"),
                };
                (path, Kind::Copy { identity, content: tree.sha256() })
            }
        };
        Ok(Python { version, file, kind })
    }

    fn launcher(&mut self, provision: &Provision<'_>, plan: &Plan) -> Result<Launcher> {
        let step = provision.progress.step("Building", "the launcher");
        let tree = provision.launcher(plan)?;
        step.finish();
        let place = plan.target.family().launcher();
        let name = place.rsplit('/').next().unwrap_or(place);
        let file = Utf8Path::new(LAUNCHER).join(name);
        let Some(Entry::File { sha256, size, .. }) = tree.entries.get(&RelativePath::new(place)?) else {
            bail!("there is no `{place}` in the tree of the launcher");
        };
        // A copy, so that a user's chmod cannot reach the store.
        fs_err::copy(tree.content.join(place), self.prepare(&file)?)?;
        self.files.insert(file.clone(), File { size: *size, sha256: *sha256 });
        let licenses = tree.entries.iter().filter(|(path, _)| path.as_str() != place);
        for (path, entry) in licenses {
            let (Entry::File { sha256, .. }, Some(name)) = (entry, path.as_str().rsplit('/').next()) else { continue };
            if licenses::is_known(name) {
                self.share(Utf8Path::new(LAUNCHER).join(name), &tree.content.join(path.as_str()), *sha256)?;
            }
        }
        let built = match &plan.inputs.launcher.source {
            LauncherInput::Given { .. } | LauncherInput::Impossible { .. } => None,
            LauncherInput::Prebuilt { key, linker, .. } | LauncherInput::Built { key, linker, .. } => {
                Some(Built { key: *key, linker: *linker, sources: sources::digest(provision.root)? })
            }
        };
        Ok(Launcher { file, built })
    }
}

fn in_python(name: &str) -> Utf8PathBuf {
    Utf8Path::new("python").join(name.replace("%2B", "+"))
}

/// A gzipped tar that is the same wherever and whenever it is made.
struct Archive<'a> {
    tar: tar::Builder<GzEncoder<&'a mut dyn io::Write>>,
    top: String,
}

impl<'a> Archive<'a> {
    fn new(top: String, writer: &'a mut dyn io::Write) -> Self {
        Self { tar: tar::Builder::new(GzEncoder::new(writer, Compression::default())), top }
    }

    fn file(&mut self, path: &str, executable: bool, size: u64, content: impl io::Read) -> Result<()> {
        append_file(&mut self.tar, &format!("{}/{path}", self.top), executable, size, content)
    }

    fn link(&mut self, path: &str, to: &str) -> Result<()> {
        append_link(&mut self.tar, &format!("{}/{path}", self.top), to)
    }

    fn finish(self) -> Result<()> {
        self.tar.into_inner()?.finish()?;
        Ok(())
    }
}

/// As the forge packs it: one directory at the top.
fn pack_source(source: &Source, manifest: &SpeachesManifest, writer: &mut dyn io::Write) -> Result<()> {
    let mut archive = Archive::new(format!("speaches-{}", source.tree), writer);
    for (path, bytes) in &source.files {
        let executable = manifest.files.iter().any(|file| file.path == *path && file.mode == "100755");
        archive.file(path, executable, bytes.len() as u64, bytes.as_slice())?;
    }
    archive.finish()
}

/// As python-build-standalone packs it.
fn pack_tree(tree: &Tree, writer: &mut dyn io::Write) -> Result<()> {
    let mut archive = Archive::new("python".to_owned(), writer);
    for (path, entry) in &tree.entries {
        match entry {
            Entry::Link { to } => archive.link(path.as_str(), to)?,
            Entry::File { size, executable, .. } => {
                archive.file(path.as_str(), *executable, *size, Opened::open(tree.content.join(path.as_str()))?)?;
            }
        }
    }
    archive.finish()
}
