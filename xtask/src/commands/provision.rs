//! `cargo xtask provision`: pinned inputs in, relocatable runtime out.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::host;
use crate::lock;
use crate::manifest::Manifests;
use crate::plan::choices::{Choices, Planner};
use crate::plan::{self, Plan};
use crate::progress;
use crate::provision::Provision;
use crate::runtime::{stage, verify};
use crate::store::Store;
use crate::store::digests::Digests;
use crate::vendor::Vendor;

/// Make a relocatable runtime
///
/// Prints the path of the finished runtime on standard output, and nothing else there.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    pub choices: Choices,
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

/// Runs the subcommand.
pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    if arguments.dry_run {
        let store = Store::locate()?;
        let Prepared { plan, .. } = prepare(arguments, root, manifests, &store, &Digests::load(&store))?;
        let text = if arguments.json { plan.json(&store)? } else { plan.text(&store) };
        super::print(&text)?;
        return Ok(());
    }
    let output = provision(arguments, root, manifests)?;
    println!("{output}");
    Ok(())
}

/// A plan with what it was made from.
struct Prepared {
    choices: Choices,
    manifests: Manifests,
    plan: Plan,
}

fn prepare(
    arguments: &Arguments,
    root: &Utf8Path,
    manifest_directory: &Utf8Path,
    store: &Store,
    digests: &Digests,
) -> Result<Prepared> {
    let vendor = arguments.vendor.as_deref().map(Vendor::open).transpose()?;
    let choices = vendor.as_ref().map_or(arguments.choices.clone(), |vendor| vendor.complete(&arguments.choices));
    let manifests = Manifests::load(manifest_directory, choices.sample)?;
    let planner = Planner { root, manifests: &manifests, store, digests, vendor: vendor.as_ref() };
    let plan = planner.plan(&choices, arguments.out.as_deref())?;
    stage::check_output(&plan.output)?;
    Ok(Prepared { choices, manifests, plan })
}

/// Makes the runtime unless it is there, and returns where it is.
pub fn provision(arguments: &Arguments, root: &Utf8Path, manifest_directory: &Utf8Path) -> Result<Utf8PathBuf> {
    let store = Store::locate()?;
    let digests = Digests::load(&store);
    let Prepared { choices, manifests, plan } = prepare(arguments, root, manifest_directory, &store, &digests)?;
    for note in notes(&plan, &store, &choices) {
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
        offline: choices.offline,
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
pub fn notes(plan: &Plan, store: &Store, choices: &Choices) -> Vec<String> {
    let without = choices.without.as_deref().unwrap_or_default();
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
