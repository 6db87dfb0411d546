//! Makes a plan from flags, manifests and lock. It writes nothing, and asks the hub only about models with open pins.

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::{Plan, directory_name};
use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::inputs::launcher::{LauncherInput, Profile};
use crate::inputs::model::resolve::Resolutions;
use crate::inputs::model::{self, ModelInput, request};
use crate::inputs::provision_args::ProvisionArgs;
use crate::inputs::python::local_interpreter::Interpreter;
use crate::inputs::python::{self, PythonInput};
use crate::inputs::speaches::SpeachesInput;
use crate::inputs::speaches::install::Recipe;
use crate::inputs::speaches::source::Source;
use crate::inputs::template::Template;
use crate::inputs::vendor_directory::Vendor;
use crate::inputs::{Input, Inputs};
use crate::pins::lock::{self, Lock};
use crate::pins::manifest::{Manifests, minor_of};
use crate::pins::target::{Accelerator, Target};
use crate::store::Store;
use crate::store::digests::Digests;

/// The context of planning.
pub struct Planner<'a> {
    pub root: &'a Utf8Path,
    pub manifests: &'a Manifests,
    pub store: &'a Store,
    pub digests: &'a Digests,
    /// The preferred source of inputs.
    pub vendor: Option<&'a Vendor>,
}

impl Planner<'_> {
    /// The plan of what a user chose. The runtime goes to `out`, or to a place of its own in `dist/`.
    pub fn plan(&self, args: &ProvisionArgs, out: Option<&Utf8Path>) -> Result<Plan> {
        let Self { root, manifests, vendor, .. } = *self;
        let target = manifests.targets.target(args.target.as_deref().unwrap_or(host::triple()))?;
        let accelerator = target.accelerator(args.accelerator.as_deref())?;
        let groups = groups(args.without.as_deref().unwrap_or_default())?;
        let (python, lock) = self.python(args, &target, accelerator)?;
        let compiler = self.compiler(&python, &target)?;
        let groups = groups.into_iter().filter(|group| lock.groups.contains(group)).collect::<Vec<_>>();
        let wheels = lock.select(&groups).into_iter().cloned().collect::<Vec<_>>();
        if let Some(wheel) = wheels.iter().find(|wheel| !wheel.name.fits(python.minor(), &target.entry.platform_tags)) {
            bail!(Failure::new(
                Exit::Data,
                format!(
                    "the lock `{}` names `{}`, which does not run on {} with Python {}",
                    lock.path,
                    wheel.name,
                    target.triple,
                    python.minor()
                )
            ));
        }

        let speaches = &manifests.speaches;
        let from = match (&args.speaches_from, vendor) {
            (Some(from), _) => Some(from.clone()),
            (None, Some(vendor)) => Some(vendor.speaches(self.digests)?),
            (None, None) => speaches.directory.as_ref().map(|directory| root.join(directory)),
        };
        let source = from.map(|from| Source::read(&from, speaches, args.allow_unpinned)).transpose()?;
        let models = self.models(args, &target)?;
        let version = match &source {
            Some(source) if !source.pinned => format!("unpinned-{}", &source.tree[..12]),
            _ => speaches.version.clone(),
        };
        let output = match out {
            Some(output) => camino::absolute_utf8(output)?,
            None => root.join("dist").join(directory_name(
                &speaches.name,
                &version,
                python.minor(),
                &target.triple,
                accelerator,
            )),
        };
        let served = models.iter().filter(|model| model.about.serves.is_empty());
        let bundled = served.map(|model| (model.id.clone(), model.about.task.clone())).collect();
        let distributions = wheels.iter().map(|wheel| wheel.name.distribution.clone()).collect();
        let recipe = Recipe { minor: python.minor().to_owned(), accelerator, distributions, bundled };
        let sha256 = source.as_ref().map_or(speaches.files_sha256, |source| source.sha256);
        let launcher = self.launcher(args, &target)?;
        let mut inputs = Inputs {
            python: Input::python(python),
            compiler: compiler.map(Input::compiler),
            speaches: Input::speaches(SpeachesInput { source, sha256, recipe }, speaches, &version),
            wheels: wheels.into_iter().map(Input::wheel).collect(),
            models: models.into_iter().map(Input::model).collect(),
            linker: launcher.tools().cloned().map(Input::linker),
            launcher: Input::launcher(launcher, &target),
            template: Input::template(Template::load(root)?),
        };
        if let Some(vendor) = vendor {
            vendor.prefer(&mut inputs);
        }
        let vendor = vendor.map(|vendor| vendor.root().to_owned());
        let plan = Plan { name: speaches.name.clone(), target, accelerator, groups, version, inputs, vendor, output };
        if args.locked {
            let unpinned = plan.unpinned();
            if !unpinned.is_empty() {
                bail!(
                    Failure::new(Exit::Config, format!("`--locked` refuses unpinned inputs: {}", unpinned.join(", ")))
                        .hint("omit `--locked`, or the flag that added them")
                );
            }
        }
        Ok(plan)
    }

    fn python(&self, args: &ProvisionArgs, target: &Target, accelerator: Accelerator) -> Result<(PythonInput, Lock)> {
        if let Some(vendor) = self.vendor
            && args.python_from.is_none()
            && let Some(python) = vendor.python(args.python.as_deref(), &target.triple, self.digests)?
        {
            let lock = Lock::load(&self.manifests.locks, python.minor(), target, accelerator)?;
            return Ok((python, lock));
        }
        let (wanted, from) = self.python_choice(args, target, accelerator)?;
        if from.is_none() {
            self.manifests.python.release(&wanted)?;
        }
        // The lock comes before the interpreter, so that the error names a combination that does not exist.
        let lock = Lock::load(&self.manifests.locks, minor_of(&wanted), target, accelerator)?;
        let python = PythonInput::resolve(
            &self.manifests.python,
            &wanted,
            from.as_deref(),
            target,
            args.allow_unpinned,
            self.digests,
        )?;
        Ok((python, lock))
    }

    fn compiler(&self, python: &PythonInput, target: &Target) -> Result<Option<PythonInput>> {
        if target.is_host() {
            return Ok(None);
        }
        if let Some(vendor) = self.vendor
            && let Some(compiler) = vendor.compiler(python.version(), self.digests)?
        {
            return Ok(Some(compiler));
        }
        python.compiler(&self.manifests.python, &self.manifests.targets)
    }

    /// The Python and its source. If the manifests say so, a Python of this machine that has a lock.
    fn python_choice(
        &self,
        args: &ProvisionArgs,
        target: &Target,
        accelerator: Accelerator,
    ) -> Result<(String, Option<Utf8PathBuf>)> {
        let manifests = self.manifests;
        let known = manifests.speaches.pythons_of_this_machine.iter().map(String::as_str).collect::<Vec<_>>();
        if known.is_empty() || args.python_from.is_some() {
            let wanted = match (&args.python, &args.python_from) {
                (Some(wanted), _) => wanted.clone(),
                (None, Some(from)) if !known.is_empty() => minor_of(&python::version_at(from)?).to_owned(),
                (None, _) => manifests.python.default.clone(),
            };
            return Ok((wanted, args.python_from.clone()));
        }
        let minors = args.python.iter().map(String::as_str).collect::<Vec<_>>();
        let mut seen = Vec::new();
        for path in host::pythons(if minors.is_empty() { &known } else { &minors }) {
            let interpreter = match Interpreter::inspect(&path) {
                Ok(interpreter) => interpreter,
                Err(error) => {
                    seen.push(format!("`{path}`, which cannot be used: {error:#}"));
                    continue;
                }
            };
            let minor = minor_of(&interpreter.version).to_owned();
            let locked = manifests.locks.join(lock::file_name(&minor, &target.triple, accelerator)).is_file();
            if locked && (minors.is_empty() || minors.contains(&minor.as_str())) {
                return Ok((minor, Some(path)));
            }
            seen.push(interpreter.version);
        }
        let seen =
            if seen.is_empty() { "none was found".to_owned() } else { format!("found were {}", seen.join("; ")) };
        bail!(
            Failure::new(
                Exit::Unavailable,
                format!("the sample needs a CPython of this machine that it has wheels for, and {seen}")
            )
            .hint("install CPython 3.10 to 3.13, or name one with `--python-from`")
        );
    }

    fn launcher(&self, args: &ProvisionArgs, target: &Target) -> Result<LauncherInput> {
        if let Some(vendor) = self.vendor
            && args.launcher.is_none()
            && let Some(launcher) = vendor.launcher(self.root, &target.triple, self.digests)?
        {
            return Ok(launcher);
        }
        let profile = if self.manifests.speaches.quick_launcher { Profile::Dev } else { Profile::Launcher };
        let tools = &self.manifests.linker;
        LauncherInput::resolve(self.root, args.launcher.as_deref(), target, self.digests, profile, tools)
    }

    fn models(&self, args: &ProvisionArgs, target: &Target) -> Result<Vec<ModelInput>> {
        let resolutions = Resolutions::load(self.store);
        let models = args.models.as_deref().unwrap_or("default");
        let wanted = request::select(&self.manifests.models, models, &target.triple)?;
        let in_repository = self.manifests.models.directory.as_ref().map(|directory| self.root.join(directory));
        wanted
            .iter()
            .map(|request| match (&args.models_from, self.vendor, &in_repository) {
                (Some(cache), _, _) | (None, None, Some(cache)) => model::cache::find(cache, request, self.digests),
                (None, Some(vendor), _) => vendor.model(request, self.digests),
                (None, None, None) => resolutions.resolve(request, args.offline, self.root),
            })
            .collect()
    }
}

fn groups(without: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = without.iter().find(|part| !lock::GROUPS.contains(&part.as_str())) {
        bail!(
            Failure::new(Exit::Usage, format!("there is no optional part `{unknown}`"))
                .hint(format!("`--without` takes {}", lock::GROUPS.join(", ")))
        );
    }
    let wanted = lock::GROUPS.iter().filter(|group| !without.iter().any(|part| part == *group));
    Ok(wanted.map(|group| (*group).to_owned()).collect())
}
