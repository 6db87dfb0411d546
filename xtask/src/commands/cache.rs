//! `cargo xtask cache`: prints the place and the size of the store, verifies it, and prunes it. Of the downloads,
//! `prune` removes only wheels whose unpacked trees are in the store: archives of CPython and files of models stay.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;
use speaches_format::layout::Family;
use walkdir::WalkDir;

use crate::base::failure::{Exit, Failure};
use crate::base::quantity::human_size;
use crate::inputs::wheel::tree;
use crate::report;
use crate::store::Store;

/// Manage the store of downloaded inputs
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Print the directory of the store
    Dir,
    /// Print how much the store holds
    Size,
    /// Remove downloads of unpacked wheels, abandoned partial downloads, damaged files and old trees
    Prune {
        /// Remove trees that were not used for so many days; 0 means all that no running command uses
        #[arg(long, value_name = "N", default_value_t = 90)]
        days: u32,
    },
    /// Hash every file in the store, and set damaged ones aside
    Verify,
}

pub fn run(command: &Command) -> Result<()> {
    let store = Store::locate()?;
    match command {
        Command::Dir => println!("{}", store.root()),
        Command::Size => {
            let mut size = 0;
            for entry in WalkDir::new(store.root()).into_iter().flatten() {
                if entry.file_type().is_file() {
                    size += entry.metadata()?.len();
                }
            }
            println!("{}", human_size(size));
        }
        Command::Prune { days } => prune(&store, *days)?,
        Command::Verify => verify(&store)?,
    }
    Ok(())
}

fn prune(store: &Store, days: u32) -> Result<()> {
    let families = [Family::Unix, Family::Windows];
    let step = report::for_stderr().step("Removing", "unused files");
    let pruned = store.prune(Duration::from_secs(u64::from(days) * 24 * 3600), |sha256| {
        families.iter().any(|family| tree::has_tree(store, sha256, *family))
    })?;
    step.finish();
    println!("{}: {} freed", store.root(), human_size(pruned.bytes()));
    for (kind, count, bytes) in &pruned.kinds {
        println!("{:>12}  {kind}: {count}", human_size(*bytes));
    }
    if pruned.in_use {
        report::say(
            "note: another command uses this store now, so downloads and recently used trees were kept; prune again \
             later to remove them",
        );
    }
    Ok(())
}

fn verify(store: &Store) -> Result<()> {
    let step = report::for_stderr().step("Hashing", "the store");
    let checked = store.check()?;
    step.finish();
    if !checked.damaged.is_empty() {
        let list =
            checked.damaged.iter().map(|(what, place)| format!("\n    {what}\n      now: {place}")).collect::<String>();
        bail!(
            Failure::new(
                Exit::Data,
                format!("the store `{}` had damaged parts, which were set aside:{list}", store.root())
            )
            .hint(
                "the next provision makes them again; runtimes that were filled from them may share the damage: \
                     `cargo xtask verify RUNTIME`"
            )
        );
    }
    println!("{}: {} files and {} trees, all intact", store.root(), checked.files, checked.trees);
    Ok(())
}
