//! Carrying out a plan: store, stage, runtime.

mod gather;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use speaches_format::description::{self, Head, Input};
use speaches_format::layout::{self, Family};

use crate::host;
use crate::interrupt::{self, WorkDirectory};
use crate::manifest::SpeachesManifest;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::python::PythonInput;
use crate::python::bytecode::Compiler;
use crate::runtime::stage::{self, Contents};
use crate::speaches::install;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::fetch::{besides, counted};
use crate::store::tree::{RelativePath, Tree};
use crate::wheel::{litter, tree};

/// What carrying out a plan needs beside the plan.
pub struct Provision<'a> {
    /// Root of this repository.
    pub root: &'a Utf8Path,
    /// The directory of manifests.
    pub manifests: &'a Utf8Path,
    /// The pin of the source.
    pub speaches: &'a SpeachesManifest,
    /// The cache.
    pub store: &'a Store,
    /// What was hashed for the plan.
    pub digests: &'a Digests,
    /// What a person sees.
    pub progress: &'a dyn Progress,
    /// Whether the network is forbidden.
    pub offline: bool,
}

impl Provision<'_> {
    /// Makes the runtime of a plan and puts it at the plan's output.
    pub fn run(&self, plan: &Plan) -> Result<()> {
        plan.launcher.check()?;
        // Before all else, so that an output that cannot be written is found before gigabytes are fetched.
        let parent = plan.output.parent().context("the output has no parent directory")?;
        let work = WorkDirectory::new_in(parent)
            .with_context(|| format!("the runtime cannot be written to `{}`", plan.output))?;
        // Until the end: what is found in the store now must still be there when it is needed.
        let _in_use = self.store.share();
        interrupt::remove_leftovers(parent, interrupt::Place::OfTheUser);
        interrupt::remove_leftovers(&self.store.work(), interrupt::Place::Own);
        fs_err::create_dir_all(self.store.root())?;
        self.digests.save(self.store)?;

        let python = self.python(plan, &plan.python)?;
        let compiler = self.compiler(plan, &python)?;
        let wheels = self.wheels(plan)?;
        let speaches = self.speaches(plan)?;
        let models = self.models(plan)?;
        let launcher = self.launcher(plan)?;
        let template = plan.template.tree(self.store)?;

        let mut trees = vec![("CPython".to_owned(), python.clone(), Place::Python)];
        for (wheel, tree) in plan.wheels.iter().zip(wheels) {
            trees.push((wheel.name.file.clone(), tree, Place::Wheel));
        }
        trees.push((SPEACHES.to_owned(), speaches, Place::Wheel));
        trees.push(("the template".to_owned(), template, Place::Root));
        if let Some(compiler) = &compiler {
            trees.extend(self.bytecode(compiler, &trees)?);
        }
        trees.push(("the launcher".to_owned(), launcher, Place::Root));
        trees.extend(models.into_iter().map(|(id, tree)| (id, tree, Place::Models)));

        let contents = contents(plan, &trees)?;
        contents.check_names(&plan.target.triple)?;
        let bar = self.progress.items("Filling", "the runtime", contents.len());
        let made = work.path().join("runtime");
        contents.write(&made, head(plan, &python, compiler.is_some()), bar.as_ref())?;
        stage::publish(&made, &plan.output, &work)?;
        bar.finish();
        Ok(())
    }

    /// What compiles: the runtime's own CPython, or its like for this machine.
    fn compiler(&self, plan: &Plan, python: &Tree) -> Result<Option<Compiler>> {
        let minor = plan.python.minor();
        if plan.target.triple == host::triple() {
            return Ok(Some(Compiler::of_tree(python, &plan.target.family().interpreter(minor), minor)));
        }
        match &plan.compiler {
            None => Ok(None),
            Some(PythonInput::Interpreter(interpreter)) => Ok(Some(Compiler::of_interpreter(interpreter))),
            Some(other) => {
                let interpreter = Family::of(host::triple()).interpreter(minor);
                Ok(Some(Compiler::of_tree(&self.python(plan, other)?, &interpreter, minor)))
            }
        }
    }

    fn bytecode(&self, compiler: &Compiler, trees: &[Placed]) -> Result<Vec<Placed>> {
        let bar = self.progress.items("Compiling", "bytecode", trees.len());
        let compiled: Vec<Placed> = trees
            .par_iter()
            .map(|(owner, tree, place)| {
                let compiled = compiler.compile(self.store, tree)?;
                if owner == SPEACHES {
                    // A mistake of the port must not wait for the request that first imports the file.
                    compiler.expect_all(tree, &compiled)?;
                }
                bar.advance(1);
                Ok((format!("bytecode of {owner}"), compiled, *place))
            })
            .collect::<Result<_>>()?;
        let new = compiled.iter().map(|(_, tree, _)| tree).filter(|tree| tree.is_new);
        let (inputs, files) = new.fold((0, 0), |(inputs, files), tree| (inputs + 1, files + tree.entries.len()));
        if files > 0 {
            let there = besides(compiled.len() - inputs);
            let (files, inputs) = (counted(files, "file"), counted(inputs, "input"));
            bar.done("Compiled", &format!("bytecode ({files} of {inputs}{there})"));
        } else {
            bar.finish();
        }
        Ok(compiled)
    }
}

/// The owner of upstream's files.
const SPEACHES: &str = "speaches";

/// Whose files, the files, and where they belong.
type Placed = (String, Tree, Place);

#[derive(Clone, Copy)]
enum Place {
    Root,
    Python,
    /// `site-packages/` and `data/` (wheels), `app/` (speaches).
    Wheel,
    Models,
}

fn contents(plan: &Plan, trees: &[Placed]) -> Result<Contents> {
    let site_packages = format!("{}/{}", layout::PYTHON, plan.target.family().site_packages(plan.python.minor()));
    let mut contents = Contents::default();
    for (owner, tree, place) in trees {
        contents.add(owner, tree, |path| {
            Some(match place {
                Place::Root => path.clone(),
                Place::Python => path.below(layout::PYTHON),
                Place::Models => path.below(layout::MODELS_HUB),
                Place::Wheel if litter::is_litter(owner, path) => return None,
                Place::Wheel => {
                    let inside = |root: &str| path.as_str().strip_prefix(root)?.strip_prefix('/');
                    let place = match (inside(tree::SITE_PACKAGES), inside(tree::DATA), inside(install::APP)) {
                        (Some(rest), _, _) => format!("{site_packages}/{rest}"),
                        (_, Some(rest), _) => format!("{}/{rest}", layout::PYTHON),
                        _ => path.as_str().to_owned(),
                    };
                    RelativePath::new(place).ok()?
                }
            })
        })?;
        if matches!(place, Place::Wheel) {
            let licences = tree::licences(tree.entries.iter())
                .map(|(path, to)| (path.clone(), to))
                .collect::<std::collections::BTreeMap<_, _>>();
            contents.add(owner, tree, |path| {
                RelativePath::new(format!("{}/{}", layout::LICENSES, licences.get(path)?)).ok()
            })?;
        }
    }
    // What a model's licence is, is in its card.
    for (id, tree, _) in trees.iter().filter(|(_, _, place)| matches!(place, Place::Models)) {
        contents.add(id, tree, |path| {
            let file = path.as_str().rsplit('/').next()?;
            let holds_licence = file == "README.md" || file.to_ascii_uppercase().starts_with("LICENSE");
            let place = format!("{}/models/{}/{file}", layout::LICENSES, id.replace('/', "--"));
            holds_licence.then(|| RelativePath::new(place).ok())?
        })?;
    }
    // CPython's own licence lies in its standard library, on Windows beside it.
    let (owner, python, _) = &trees[0];
    let in_library = format!("{}/LICENSE.txt", plan.target.family().standard_library(plan.python.minor()));
    let licence = [in_library.as_str(), "LICENSE.txt"]
        .into_iter()
        .find(|licence| python.entries.keys().any(|path| path.as_str() == *licence));
    contents.add(owner, python, |path| {
        (Some(path.as_str()) == licence)
            .then(|| RelativePath::new(format!("{}/CPython/LICENSE.txt", layout::LICENSES)).ok())?
    })?;
    Ok(contents)
}

fn head(plan: &Plan, python: &Tree, bytecode: bool) -> Head {
    let mut inputs = Vec::new();
    let mut add = |kind: &str, name: String, origin: String, sha256: crate::digest::Sha256, pinned: bool| {
        inputs.push(Input { kind: kind.to_owned(), name, origin, sha256: sha256.to_string(), pinned });
    };
    let version = plan.python.version();
    match &plan.python {
        PythonInput::Pinned { archive, .. } => {
            add("python", format!("CPython {version}"), archive.url.clone(), archive.sha256, true);
        }
        PythonInput::Archive { sha256, .. } => {
            add("python", format!("CPython {version}"), "an archive of the user".to_owned(), *sha256, false);
        }
        PythonInput::Interpreter(_) | PythonInput::Copied { .. } => add(
            "python",
            format!("CPython {version}"),
            "copied from an interpreter of the building machine".to_owned(),
            python.sha256(),
            false,
        ),
    }
    add(
        "speaches",
        format!("speaches {}", plan.version),
        plan.source_origin.clone(),
        plan.source_sha256,
        plan.source.as_ref().is_none_or(|source| source.pinned),
    );
    for wheel in &plan.wheels {
        let origin = wheel.url.clone().unwrap_or_else(|| "the package index".to_owned());
        add("wheel", wheel.name.file.clone(), origin, wheel.sha256, true);
    }
    for model in &plan.models {
        add(
            "model",
            format!("{}@{}", model.name(), model.revision),
            model.origin.clone(),
            model.sha256(),
            model.pinned,
        );
    }
    let given = matches!(plan.launcher, crate::launcher::LauncherInput::Given { .. });
    add("launcher", "speaches".to_owned(), plan.launcher.origin(&plan.target).to_owned(), plan.launcher.key(), !given);
    add("template", "service".to_owned(), "the workspace".to_owned(), plan.template.sha256(), true);
    Head {
        schema: description::SCHEMA,
        version: plan.version.clone(),
        sample: plan.sample,
        target: plan.target.triple.clone(),
        accelerator: plan.accelerator.to_string(),
        python: description::Python {
            version: version.to_owned(),
            minor: plan.python.minor().to_owned(),
            harvested: matches!(plan.python, PythonInput::Interpreter(_) | PythonInput::Copied { .. }),
        },
        bytecode,
        groups: plan.groups.clone(),
        models: plan
            .models
            .iter()
            .map(|model| description::Model {
                id: model.id.clone(),
                task: model.about.task.clone(),
                license: model.about.license.clone(),
                revision: model.revision.clone(),
                voice: model.about.voice.clone(),
                serves: model.about.serves.clone(),
                file: model.weights().map(str::to_owned),
            })
            .collect(),
        plan: plan.identity().to_string(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        inputs,
    }
}
