//! `cargo xtask bench`: how fast things are beside their peers, in one run and in alternation, as ratios.

mod all;
mod bundle;
mod catalog;
mod checkout;
mod child;
mod contest;
mod fetch;
mod load;
mod machine;
mod memory;
mod noise;
mod page;
mod peers;
mod places;
mod plot;
mod privacy;
mod programs;
mod report;
mod results;
mod server;
mod speech;
mod start;
mod table;
mod texts;
mod transcribe;
mod verify;
mod wav;
mod wheels;

use anyhow::Result;
use camino::Utf8Path;
use clap::{Args, Subcommand};

use catalog::Benchmark;

/// Measure this tool and a runtime beside others that do the same: all benchmarks, or one
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    one: Option<Command>,
    #[command(flatten)]
    all: all::Arguments,
}

#[derive(Subcommand, Debug)]
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
    Plot(all::PlotArguments),
}

/// Runs all benchmarks, or the one that is named.
pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let Some(command) = &arguments.one else { return all::run(&arguments.all, root, manifests) };
    let (benchmark, report) = match command {
        Command::FillWheels(arguments) => return wheels::fill(arguments, manifests),
        Command::FetchList(arguments) => return fetch::list(arguments),
        Command::Plot(arguments) => return all::plot(arguments, root),
        Command::Wheels(arguments) => (Benchmark::Wheels, wheels::run(arguments, manifests)?),
        Command::Fetch(arguments) => (Benchmark::Fetch, fetch::run(arguments, manifests)?),
        Command::Start(arguments) => (Benchmark::Start, start::run(arguments)?),
        Command::Speech(arguments) => (Benchmark::Speech, speech::run(arguments)?),
        Command::Load(arguments) => (Benchmark::Load, load::run(arguments)?),
        Command::Transcribe(arguments) => (Benchmark::Transcribe, transcribe::run(arguments)?),
        Command::Bundle(arguments) => (Benchmark::Bundle, bundle::run(arguments, manifests)?),
        Command::Verify(arguments) => (Benchmark::Verify, verify::run(arguments)?),
    };
    super::print(&table::text(&report, benchmark.title()))?;
    Ok(())
}
