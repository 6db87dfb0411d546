//! `cargo xtask provision`: makes a plan, prints it or carries it out, and prints the path of the runtime.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::manifests::ManifestChoice;
use crate::base::quantity::{format_duration, human_size, pluralize};
use crate::inputs::provision_args::ProvisionArgs;
use crate::inputs::vendor_directory::Vendor;
use crate::pins::manifest::{Manifests, SpeachesManifest};
use crate::pins::target::Target;
use crate::plan::{Plan, Planner};
use crate::provision::Provision;
use crate::report;
use crate::runtime::{stage, verify};
use crate::store::Store;
use crate::store::digests::Digests;

/// Make a relocatable runtime
///
/// Prints the path of the finished runtime on standard output, and nothing else there.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    pub args: ProvisionArgs,
    #[command(flatten)]
    pub manifests: ManifestChoice,
    /// Where the runtime goes [default: dist/speaches-VERSION-pyPYTHON-TARGET-ACCELERATOR]
    #[arg(long, value_name = "DIR")]
    pub out: Option<Utf8PathBuf>,
    /// Take inputs from a directory that `vendor` made, and choose as it was chosen then unless a flag says otherwise
    #[arg(long, value_name = "DIR")]
    pub vendor: Option<Utf8PathBuf>,
    /// Print the plan and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Tell the progress as JSON on standard error; with --dry-run, print the plan as JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    if arguments.dry_run {
        let store = Store::locate()?;
        let Prepared { plan, .. } = prepare(arguments, root, manifests, &store, &Digests::load(&store))?;
        let shown = plan.shown(&store);
        let text = if arguments.json { shown.json()? } else { shown.text() };
        super::print(&text)?;
        return Ok(());
    }
    let provisioned = provision(arguments, root, manifests)?;
    provisioned.advise();
    super::print(provisioned.output.as_str())?;
    Ok(())
}

/// A runtime that is there, and what to do with it.
pub struct Provisioned {
    pub output: Utf8PathBuf,
    target: Target,
    is_new: bool,
}

impl Provisioned {
    fn advise(&self) {
        let output = super::display_path(&self.output);
        let launcher = self.target.family().launcher();
        let runs_here = self.target.is_host();
        if runs_here {
            report::command("Start", &self.start());
        } else {
            let place = &self.target.entry.description;
            report::status("Move", &format!("it to a machine with {place}, and start `{launcher} serve` there"));
        }
        if self.is_new {
            let check = if runs_here { "smoke" } else { "verify" };
            report::command("Try", &super::shell_quote(&["cargo", "xtask", check, output.as_str()]));
            report::command("Pack", &super::shell_quote(&["cargo", "xtask", "bundle", output.as_str()]));
        }
    }

    pub fn start(&self) -> String {
        let launcher = format!("{}/{}", super::display_path(&self.output), self.target.family().launcher());
        super::shell_quote(&[&launcher, "serve"])
    }
}

/// A plan with what it was made from.
struct Prepared {
    args: ProvisionArgs,
    manifest_directory: Utf8PathBuf,
    manifests: Manifests,
    plan: Plan,
}

fn prepare(
    arguments: &Arguments,
    root: &Utf8Path,
    manifests: &Utf8Path,
    store: &Store,
    digests: &Digests,
) -> Result<Prepared> {
    let vendor = arguments.vendor.as_deref().map(Vendor::open).transpose()?;
    let (args, chosen) = match &vendor {
        Some(vendor) => (vendor.complete(&arguments.args), arguments.manifests.clone().or_recorded(vendor.name())),
        None => (arguments.args.clone(), arguments.manifests.clone()),
    };
    let manifest_directory = chosen.directory(manifests)?;
    let manifests = Manifests::load(&manifest_directory)?;
    let planner = Planner { root, manifests: &manifests, store, digests, vendor: vendor.as_ref() };
    let plan = planner.plan(&args, arguments.out.as_deref())?;
    stage::check_output(&plan.output)?;
    Ok(Prepared { args, manifest_directory, manifests, plan })
}

/// Makes the runtime unless it is there.
pub fn provision(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<Provisioned> {
    let started = std::time::Instant::now();
    let progress = if arguments.json { report::as_json() } else { report::for_stderr() };
    let store = Store::locate()?;
    let digests = Digests::load(&store);
    // The plan hashes the user's files, which may be gigabytes.
    let step = progress.step("Planning", "the runtime");
    let Prepared { args, manifest_directory, manifests, plan } = prepare(arguments, root, manifests, &store, &digests)?;
    step.finish();
    let notes = notes(&plan, &manifests.speaches, &args);
    if verify::read(&plan.output).is_ok_and(|there| there.info.plan == plan.identity().to_string()) {
        notes.iter().for_each(|note| report::say(note));
        let text = format!("`{}` is up to date: the same plan made it", super::display_path(&plan.output));
        report::status("Fresh", &text);
        return Ok(Provisioned { output: plan.output, target: plan.target, is_new: false });
    }
    report::status("Provisioning", &plan.shown(&store).summary());
    notes.iter().for_each(|note| report::say(note));
    Provision {
        root,
        manifests: &manifest_directory,
        speaches: &manifests.speaches,
        store: &store,
        digests: &digests,
        progress,
        offline: args.offline,
    }
    .run(&plan)?;
    let made = verify::read(&plan.output)?;
    let size = made.files.iter().map(|file| file.size).sum::<u64>();
    let what = plan.name.of_runtime();
    let contents = format!("{}, {}", pluralize(made.files.len(), "file"), human_size(size));
    let place = super::display_path(&plan.output);
    report::status("Finished", &format!("{what} `{place}` ({contents}) in {}", format_duration(started.elapsed())));
    Ok(Provisioned { output: plan.output, target: plan.target, is_new: true })
}

/// Notes for the user before the provision starts.
pub fn notes(plan: &Plan, speaches: &SpeachesManifest, args: &ProvisionArgs) -> Vec<String> {
    let without = args.without.as_deref().unwrap_or_default();
    let mut notes = Vec::new();
    for (part, reason) in &plan.target.entry.unavailable {
        if speaches.parts.contains(part) && !without.contains(part) {
            notes.push(format!("note: {} has no {part}: {reason}", plan.target.triple));
        }
    }
    notes.extend(speaches.note.as_ref().map(|note| format!("note: {note}")));
    // If manifests use the Python of the machine, there is no other to choose.
    if speaches.pythons_of_this_machine.is_empty() && plan.minor() == "3.10" {
        notes.push("note: CPython 3.10 has been past its end of life since October 2026; `--python 3.12` makes a runtime with a maintained one".to_owned());
    }
    let unpinned = plan.unpinned();
    if !unpinned.is_empty() {
        notes.push(format!("note: not pinned, but recorded in runtime.json: {}", unpinned.join(", ")));
    }
    notes
}
