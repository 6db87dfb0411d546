//! `cargo xtask vendor`: every input of a plan in one directory.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::provision::notes;
use crate::manifest::Manifests;
use crate::plan::choices::{Choices, Planner};
use crate::plan::human_size;
use crate::progress;
use crate::provision::Provision;
use crate::store::Store;
use crate::store::digests::Digests;
use crate::vendor::collect;

/// Collect every input of a runtime in a directory, for `provision --vendor DIR --offline` on machines without a network
///
/// Takes the flags of `provision` that say which runtime it is to be. Prints the path of the directory.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory, which is made, or made anew
    directory: Utf8PathBuf,
    #[command(flatten)]
    choices: Choices,
    /// Tell the progress as JSON on standard error
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, root: &Utf8Path, manifest_directory: &Utf8Path) -> Result<()> {
    let choices = &arguments.choices;
    let output = camino::absolute_utf8(&arguments.directory)?;
    collect::check_output(&output)?;
    let store = Store::locate()?;
    let digests = Digests::load(&store);
    let manifests = Manifests::load(manifest_directory, choices.sample)?;
    let planner = Planner { root, manifests: &manifests, store: &store, digests: &digests, vendor: None };
    let plan = planner.plan(choices, None)?;
    for note in notes(&plan, &store, choices) {
        eprintln!("{note}");
    }
    let provision = Provision {
        root,
        manifests: manifest_directory,
        speaches: &manifests.speaches,
        store: &store,
        digests: &digests,
        progress: if arguments.json { progress::as_json() } else { progress::for_stderr() },
        offline: choices.offline,
    };
    let collected = collect::collect(&provision, &plan, choices, &output)?;
    eprintln!("vendored {} files, {}", collected.files, human_size(collected.bytes));
    eprintln!("make the runtime from it with: cargo xtask provision --vendor {output} --offline");
    super::print(output.as_str())?;
    Ok(())
}
