//! `cargo xtask vendor`: puts every input of a plan into one directory. The module `vendor` fills the directory.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::manifests::ManifestChoice;
use super::provision::notes;
use crate::base::quantity::{format_duration, human_size, pluralize};
use crate::inputs::provision_args::ProvisionArgs;
use crate::pins::manifest::Manifests;
use crate::plan::Planner;
use crate::provision::Provision;
use crate::report;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::vendor;

/// Collect every input of a runtime in a directory, for `provision --vendor DIR --offline` on machines without a network
///
/// Takes the flags of `provision` that choose the runtime. Prints the path of the directory.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory to create or replace
    directory: Utf8PathBuf,
    #[command(flatten)]
    args: ProvisionArgs,
    #[command(flatten)]
    manifests: ManifestChoice,
    /// Tell the progress as JSON on standard error
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let started = std::time::Instant::now();
    let progress = if arguments.json { report::as_json() } else { report::for_stderr() };
    let args = &arguments.args;
    let manifest_directory = arguments.manifests.directory(manifests)?;
    let output = camino::absolute_utf8(&arguments.directory)?;
    vendor::check_output(&output)?;
    let store = Store::locate()?;
    let digests = Digests::load(&store);
    let manifests = Manifests::load(&manifest_directory)?;
    let planner = Planner { root, manifests: &manifests, store: &store, digests: &digests, vendor: None };
    let step = progress.step("Planning", "what is needed");
    let plan = planner.plan(args, None)?;
    step.finish();
    report::status("Vendoring", &plan.shown(&store).summary());
    notes(&plan, &manifests.speaches, args).iter().for_each(|note| report::say(note));
    let provision = Provision {
        root,
        manifests: &manifest_directory,
        speaches: &manifests.speaches,
        store: &store,
        digests: &digests,
        progress,
        offline: args.offline,
    };
    let collected = vendor::collect(&provision, &plan, args, &output)?;
    let contents = format!("{}, {}", pluralize(collected.files, "file"), human_size(collected.bytes));
    let place = super::display_path(&output);
    report::status("Finished", &format!("`{place}` ({contents}) in {}", format_duration(started.elapsed())));
    let next = ["cargo", "xtask", "provision", "--vendor", place.as_str(), "--offline"];
    report::command("Then", &super::shell_quote(&next));
    super::print(output.as_str())?;
    Ok(())
}
