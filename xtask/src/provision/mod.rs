//! Carries out a plan: fetches the inputs, makes their trees, and fills the runtime with the trees.

mod fetch_inputs;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use speaches_format::input::Kind;
use speaches_format::layout::Family;

use crate::base::host;
use crate::base::quantity::{cached_suffix, human_size, pluralize};
use crate::inputs::launcher::LauncherInput;
use crate::inputs::python::PythonInput;
use crate::inputs::python::bytecode::Compiler;
use crate::pins::manifest::SpeachesManifest;
use crate::plan::Plan;
use crate::report::Progress;
use crate::runtime::placing::{Placed, contents};
use crate::runtime::{describe, stage};
use crate::store::Store;
use crate::store::digests::Digests;
use crate::store::tree::Tree;
use crate::work::{self, WorkDirectory};

/// The context of carrying out a plan.
pub struct Provision<'a> {
    pub root: &'a Utf8Path,
    pub manifests: &'a Utf8Path,
    pub speaches: &'a SpeachesManifest,
    pub store: &'a Store,
    pub digests: &'a Digests,
    pub progress: &'a dyn Progress,
    pub offline: bool,
}

/// The contents of a runtime, except its launcher.
struct FetchedInputs {
    python: Tree,
    is_compiled: bool,
    trees: Vec<Placed>,
}

impl Provision<'_> {
    /// Makes the runtime of a plan and puts it at the plan's output.
    pub fn run(&self, plan: &Plan) -> Result<()> {
        plan.inputs.launcher.source.check()?;
        // Before all else, so that an output that cannot be written is found before gigabytes are fetched.
        let parent = plan.output.parent().context("the output has no parent directory")?;
        let work = WorkDirectory::new_in(parent)
            .with_context(|| format!("the runtime cannot be written to `{}`", plan.output))?;
        // Until the end: what is found in the store now must still be there when it is needed.
        let _in_use = self.store.share();
        work::remove_leftovers(parent, work::Place::OfTheUser);
        work::remove_leftovers(&self.store.work(), work::Place::Own);
        fs_err::create_dir_all(self.store.root())?;
        self.digests.save(self.store)?;

        // The launcher takes a processor for a minute, which goes by while all else is fetched, unpacked and compiled.
        let building = self.progress.step("Building", "the launcher");
        let (launcher, fetched) = std::thread::scope(|scope| {
            let launcher = scope.spawn(|| self.launcher(plan));
            let fetched = self.fetch_inputs(plan);
            if fetched.is_err() {
                work::end_children();
            }
            (launcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), fetched)
        });
        let FetchedInputs { python, is_compiled, mut trees } = fetched?;
        let launcher = launcher?;
        // One that was built before is only copied.
        if launcher.is_new && matches!(plan.inputs.launcher.source, LauncherInput::Built { .. }) {
            building.done("Built", &format!("the launcher ({})", human_size(launcher.size())));
        } else {
            building.finish();
        }
        trees.push(Placed::new(Kind::Launcher, "the launcher", launcher));

        let contents = contents(plan, &trees)?;
        contents.check_names(&plan.target.triple)?;
        let bar = self.progress.items("Filling", "the runtime", contents.len());
        let made = work.path().join("runtime");
        contents.write(&made, describe::info(plan, &python, is_compiled), bar.as_ref())?;
        stage::publish(&made, &plan.output, &work)?;
        bar.finish();
        Ok(())
    }

    fn fetch_inputs(&self, plan: &Plan) -> Result<FetchedInputs> {
        let python = self.python(plan, &plan.inputs.python.source)?;
        let compiler = self.compiler(plan, &python)?;
        let wheels = self.wheels(plan)?;
        let speaches = self.speaches(plan)?;
        let models = self.models(plan)?;
        let template = plan.inputs.template.source.tree(self.store)?;

        let mut trees = vec![Placed::new(Kind::Python, "CPython", python.clone())];
        for (wheel, tree) in plan.inputs.wheels.iter().zip(wheels) {
            trees.push(Placed::new(Kind::Wheel, &wheel.source.name.file, tree));
        }
        trees.push(Placed::new(Kind::Speaches, "speaches", speaches));
        trees.push(Placed::new(Kind::Template, "the template", template));
        if let Some(compiler) = &compiler {
            trees.extend(self.bytecode(compiler, &trees)?);
        }
        trees.extend(models.into_iter().map(|(id, tree)| Placed::new(Kind::Model, &id, tree)));
        Ok(FetchedInputs { python, is_compiled: compiler.is_some(), trees })
    }

    /// The compiler of bytecode: the runtime's own CPython, or its counterpart for this machine.
    fn compiler(&self, plan: &Plan, python: &Tree) -> Result<Option<Compiler>> {
        let minor = plan.minor();
        if plan.target.is_host() {
            return Ok(Some(Compiler::of_tree(python, &plan.target.family().interpreter(minor), minor)));
        }
        match plan.inputs.compiler.as_ref().map(|compiler| &compiler.source) {
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
            .map(|Placed { kind, owner, tree }| {
                let compiled = compiler.compile(self.store, tree)?;
                if *kind == Kind::Speaches {
                    // A mistake of the port must not wait for the request that first imports the file.
                    compiler.expect_all(tree, &compiled)?;
                }
                bar.advance(1);
                Ok(Placed::new(*kind, &format!("bytecode of {owner}"), compiled))
            })
            .collect::<Result<_>>()?;
        let new = compiled.iter().map(|placed| &placed.tree).filter(|tree| tree.is_new);
        let (inputs, files) = new.fold((0, 0), |(inputs, files), tree| (inputs + 1, files + tree.entries.len()));
        if files > 0 {
            let there = cached_suffix(compiled.len() - inputs);
            let (files, inputs) = (pluralize(files, "file"), pluralize(inputs, "input"));
            bar.done("Compiled", &format!("bytecode ({files} of {inputs}{there})"));
        } else {
            bar.finish();
        }
        Ok(compiled)
    }
}
