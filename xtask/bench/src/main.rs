//! `cargo xtask bench`: how fast things are beside their peers, in one run and in alternation, as ratios.

mod baselines;
mod bundle;
mod client;
mod fetch;
mod load;
mod machine;
mod memory;
mod process;
mod report;
mod runner;
mod server;
mod sound;
mod speech;
mod start;
mod synthetic_wheel;
mod transcribe;
mod verify;
mod wheels;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand};

/// Compare this tool and a runtime with other programs
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Also write all measurements and the machine to this file
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<Utf8PathBuf>,
    /// Use other pins than those in manifests/
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    manifests: Option<Utf8PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    Wheels(wheels::Arguments),
    #[command(hide = true)]
    FillWheels(wheels::FillArguments),
    Fetch(fetch::Arguments),
    #[command(hide = true)]
    FetchList(fetch::ListArguments),
    Start(start::Arguments),
    Speech(speech::Arguments),
    Load(load::Arguments),
    Transcribe(transcribe::Arguments),
    Bundle(bundle::Arguments),
    Verify(verify::Arguments),
}

fn main() -> ExitCode {
    xtask::program(run)
}

fn run(cli: &Cli) -> Result<()> {
    let committed = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests");
    let manifests = cli.manifests.as_ref().unwrap_or(&committed);
    let machine = machine::Machine::here()?;
    let (title, report) = match &cli.command {
        Command::FillWheels(arguments) => return wheels::fill(arguments, manifests),
        Command::FetchList(arguments) => return fetch::list(arguments),
        Command::Wheels(arguments) => ("Filling site-packages from a lock", wheels::run(arguments, manifests)?),
        Command::Fetch(arguments) => ("Downloading", fetch::run(arguments, manifests)?),
        Command::Start(arguments) => ("Starting", start::run(arguments)?),
        Command::Speech(arguments) => ("Speaking", speech::run(arguments)?),
        Command::Load(arguments) => ("Many clients", load::run(arguments)?),
        Command::Transcribe(arguments) => ("Transcribing", transcribe::run(arguments)?),
        Command::Bundle(arguments) => ("Packing a runtime", bundle::run(arguments, manifests)?),
        Command::Verify(arguments) => ("Verifying a runtime", verify::run(arguments)?),
    };
    if let Some(path) = &cli.json {
        let mut results = report.json();
        results["machine"] = serde_json::to_value(&machine)?;
        fs_err::write(path, format!("{results:#}\n"))?;
    }
    xtask::bench_api::print(&format!("{}{}", report.table(title), machine.line()))?;
    Ok(())
}
