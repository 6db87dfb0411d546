//! `cargo xtask provision`: pinned inputs in, relocatable runtime out.

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::failure::{Exit, Failure};
use crate::host;
use crate::launcher::LauncherInput;
use crate::lock::{self, Lock};
use crate::manifest::{Manifests, minor_of};
use crate::model::hub::Resolutions;
use crate::model::{self, ModelInput};
use crate::plan::{self, Plan};
use crate::progress;
use crate::provision::Provision;
use crate::python::PythonInput;
use crate::python::harvest::Interpreter;
use crate::runtime::{stage, verify};
use crate::speaches::install::Recipe;
use crate::speaches::source::Source;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::template::Template;

/// Make a relocatable runtime
///
/// Prints the path of the finished runtime on standard output, and nothing else there.
#[derive(Args, Clone, Debug, Default)]
pub struct Arguments {
    /// Target triple of the machines the runtime is for [default: this machine]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Which wheels: cpu, coreml or cuda [default: the target's own]
    #[arg(long, value_name = "ACCELERATOR")]
    pub accelerator: Option<String>,
    /// Python of the runtime: a minor version such as 3.12, or a full one [default: see manifests/python.toml]
    #[arg(long, value_name = "VERSION")]
    pub python: Option<String>,
    /// Leave out optional parts: diarization, ui
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    pub without: Vec<String>,
    /// Models to bundle: default, none, or repositories on the hub
    #[arg(long, value_name = "default|none|ID,…", default_value = "default")]
    pub models: String,
    /// Where the runtime goes [default: dist/speaches-VERSION-pyPYTHON-TARGET-ACCELERATOR]
    #[arg(long, value_name = "DIR")]
    pub out: Option<Utf8PathBuf>,
    /// Take CPython from an archive of python-build-standalone, or copy this interpreter
    #[arg(long, value_name = "PATH")]
    pub python_from: Option<Utf8PathBuf>,
    /// Take speaches from a checkout or a source archive
    #[arg(long, value_name = "PATH")]
    pub speaches_from: Option<Utf8PathBuf>,
    /// Take models from a Hugging Face cache
    #[arg(long, value_name = "HF_CACHE")]
    pub models_from: Option<Utf8PathBuf>,
    /// Use this launcher instead of building one
    #[arg(long, value_name = "PATH")]
    pub launcher: Option<Utf8PathBuf>,
    /// Never use the network
    #[arg(long)]
    pub offline: bool,
    /// Refuse inputs that the manifests and locks do not pin
    #[arg(long, conflicts_with = "allow_unpinned")]
    pub locked: bool,
    /// Take a speaches tree or a CPython archive that is not the pinned one, and record it
    #[arg(long)]
    pub allow_unpinned: bool,
    /// Print the plan and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Tell the progress as JSON on standard error; with --dry-run, print the plan as JSON
    #[arg(long)]
    pub json: bool,
    /// Make a runtime of the sample in this repository, which shows the way but recognises no speech
    #[arg(long)]
    pub sample: bool,
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    if arguments.dry_run {
        let store = Store::locate()?;
        let plan =
            make_plan(arguments, root, &Manifests::load(manifests, arguments.sample)?, &store, &Digests::load(&store))?;
        let text = if arguments.json { plan.json(&store)? } else { plan.text(&store) };
        super::print(&text)?;
        return Ok(());
    }
    let output = provision(arguments, root, manifests)?;
    println!("{output}");
    Ok(())
}

/// Makes the runtime unless it is there, and returns where it is.
pub fn provision(arguments: &Arguments, root: &Utf8Path, manifest_directory: &Utf8Path) -> Result<Utf8PathBuf> {
    let store = Store::locate()?;
    let digests = Digests::load(&store);
    let manifests = Manifests::load(manifest_directory, arguments.sample)?;
    let plan = make_plan(arguments, root, &manifests, &store, &digests)?;
    for note in notes(&plan, &store, &arguments.without) {
        eprintln!("{note}");
    }
    if verify::read(&plan.output).is_ok_and(|there| there.head.plan == plan.identity().to_string()) {
        eprintln!("nothing to do: `{}` was made by the same plan", plan.output);
        return Ok(plan.output);
    }
    let started = std::time::Instant::now();
    Provision {
        root,
        manifests: manifest_directory,
        speaches: &manifests.speaches,
        store: &store,
        digests: &digests,
        progress: if arguments.json { progress::as_json() } else { progress::for_stderr() },
        offline: arguments.offline,
    }
    .run(&plan)?;
    let made = verify::read(&plan.output)?;
    let size = made.files.iter().map(|file| file.size).sum::<u64>();
    let what = if plan.sample { "the SAMPLE runtime" } else { "the runtime" };
    let seconds = started.elapsed().as_secs_f32();
    eprintln!("made {what} in {seconds:.1} s: {} files, {}", made.files.len(), plan::human_size(size));
    let launcher = plan.target.family().launcher();
    if plan.target.triple == host::triple() {
        eprintln!("start it with: {}/{launcher} serve", plan.output);
    } else {
        eprintln!("it is for {}: move it there and start {launcher} serve", plan.target.entry.description);
    }
    Ok(plan.output)
}

/// What a user should know before it starts.
fn notes(plan: &Plan, store: &Store, without: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    for (part, reason) in &plan.target.entry.unavailable {
        if lock::GROUPS.contains(&part.as_str()) && !plan.sample && !without.contains(part) {
            notes.push(format!("note: {} goes without {part}: {reason}", plan.target.triple));
        }
    }
    if plan.sample {
        notes.push(
            "note: this is the SAMPLE: it shows how provisioning works, and understands nothing but its own tones"
                .to_owned(),
        );
    } else if plan.python.minor() == "3.10" {
        notes.push("note: CPython 3.10 has been past its end of life since October 2026; `--python 3.12` makes a runtime with a maintained one".to_owned());
    }
    let unpinned = plan.unpinned(store);
    if !unpinned.is_empty() {
        notes.push(format!("note: not pinned, but recorded in runtime.json: {}", unpinned.join(", ")));
    }
    notes
}

/// Turns flags, manifests and lock into a plan. Nothing is written.
pub fn make_plan(
    arguments: &Arguments,
    root: &Utf8Path,
    manifests: &Manifests,
    store: &Store,
    digests: &Digests,
) -> Result<Plan> {
    let target = manifests.targets.target(arguments.target.as_deref().unwrap_or(host::triple()))?;
    let accelerator = target.accelerator(arguments.accelerator.as_deref())?;
    let groups = groups(&arguments.without, manifests.sample)?;

    let (wanted, python_from) = python_choice(arguments, manifests, &target, accelerator)?;
    if python_from.is_none() {
        manifests.python.release(&wanted)?;
    }
    // The lock comes before the interpreter: a combination that does not exist is the better thing to say.
    let lock = Lock::load(&manifests.locks, minor_of(&wanted), &target, accelerator)?;
    let python = PythonInput::resolve(
        &manifests.python,
        &wanted,
        python_from.as_deref(),
        &target,
        arguments.allow_unpinned,
        digests,
    )?;
    let compiler =
        if target.triple == host::triple() { None } else { python.compiler(&manifests.python, &manifests.targets)? };
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
    let from =
        arguments.speaches_from.clone().or_else(|| speaches.directory.as_ref().map(|directory| root.join(directory)));
    let source = from.map(|from| Source::read(&from, speaches, arguments.allow_unpinned)).transpose()?;
    let models = models(arguments, root, manifests, store, digests)?;
    let version = match &source {
        Some(source) if !source.pinned => format!("unpinned-{}", &source.tree[..12]),
        _ => speaches.version.clone(),
    };
    let output = match &arguments.out {
        Some(output) => camino::absolute_utf8(output)?,
        None => root.join("dist").join(plan::directory_name(
            &version,
            python.minor(),
            &target.triple,
            accelerator,
            manifests.sample,
        )),
    };
    stage::check_output(&output)?;
    let bundled = models.iter().map(|model| (model.id.clone(), model.task.clone())).collect();
    let distributions = wheels.iter().map(|wheel| wheel.name.distribution.clone()).collect();
    let plan = Plan {
        recipe: Recipe { minor: python.minor().to_owned(), accelerator, distributions, bundled },
        source_sha256: source.as_ref().map_or(speaches.files_sha256, |source| source.sha256),
        source_origin: match &source {
            Some(source) if !source.pinned => format!("a tree of the user (git tree {})", source.tree),
            _ if speaches.commit.is_empty() => format!("this repository (git tree {})", speaches.tree),
            _ => format!("{}@{}", speaches.repository, speaches.commit),
        },
        launcher: LauncherInput::resolve(root, arguments.launcher.as_deref(), &target, digests)?,
        template: Template::load(root)?,
        sample: manifests.sample,
        target,
        accelerator,
        groups,
        version,
        python,
        compiler,
        source,
        wheels,
        models,
        output,
    };
    if arguments.locked {
        let unpinned = plan.unpinned(store);
        if !unpinned.is_empty() {
            bail!(
                Failure::new(Exit::Config, format!("`--locked` refuses what is not pinned: {}", unpinned.join(", ")))
                    .hint("leave `--locked` out, or the flag that brought it")
            );
        }
    }
    Ok(plan)
}

fn groups(without: &[String], sample: bool) -> Result<Vec<String>> {
    if let Some(unknown) = without.iter().find(|part| !lock::GROUPS.contains(&part.as_str())) {
        bail!(
            Failure::new(Exit::Usage, format!("there is no optional part `{unknown}`"))
                .hint(format!("`--without` takes {}", lock::GROUPS.join(", ")))
        );
    }
    // The sample has no optional parts.
    let all = if sample { &[][..] } else { &lock::GROUPS[..] };
    Ok(all.iter().filter(|group| !without.iter().any(|part| part == *group)).map(|group| (*group).to_owned()).collect())
}

/// Which Python, and from where: for the sample, whatever this machine has that there is a lock for.
fn python_choice(
    arguments: &Arguments,
    manifests: &Manifests,
    target: &crate::target::Target,
    accelerator: crate::target::Accelerator,
) -> Result<(String, Option<Utf8PathBuf>)> {
    if !manifests.sample || arguments.python_from.is_some() {
        let wanted = match (&arguments.python, &arguments.python_from) {
            (Some(wanted), _) => wanted.clone(),
            (None, Some(from)) if manifests.sample => minor_of(&crate::python::version_at(from)?).to_owned(),
            (None, _) => manifests.python.default.clone(),
        };
        return Ok((wanted, arguments.python_from.clone()));
    }
    let minors = arguments.python.iter().map(String::as_str).collect::<Vec<_>>();
    let mut seen = Vec::new();
    for path in host::pythons(if minors.is_empty() { &["3.12", "3.11", "3.10", "3.13"] } else { &minors }) {
        let Ok(interpreter) = Interpreter::inspect(&path) else { continue };
        let minor = minor_of(&interpreter.version).to_owned();
        let locked = manifests.locks.join(lock::file_name(&minor, &target.triple, accelerator)).is_file();
        if locked && (minors.is_empty() || minors.contains(&minor.as_str())) {
            return Ok((minor, Some(path)));
        }
        seen.push(interpreter.version);
    }
    let seen = if seen.is_empty() { "none was found".to_owned() } else { format!("found were {}", seen.join(", ")) };
    bail!(
        Failure::new(
            Exit::Unavailable,
            format!("the sample needs a CPython of this machine that it has wheels for, and {seen}")
        )
        .hint("install CPython 3.10 to 3.13, or name one with `--python-from`")
    );
}

fn models(
    arguments: &Arguments,
    root: &Utf8Path,
    manifests: &Manifests,
    store: &Store,
    digests: &Digests,
) -> Result<Vec<ModelInput>> {
    let resolutions = Resolutions::load(store);
    let wanted = manifests.models.select(&arguments.models)?;
    let from = arguments
        .models_from
        .clone()
        .or_else(|| manifests.models.directory.as_ref().map(|directory| root.join(directory)));
    wanted
        .into_iter()
        .map(|entry| match &from {
            Some(cache) => model::cache::find(cache, entry, digests),
            None => resolutions.resolve(entry, arguments.offline),
        })
        .collect()
}
