//! `cargo xtask bench`: how fast things are beside their peers, in one run and in alternation, as ratios.

mod bundle;
mod child;
mod contest;
mod fetch;
mod load;
mod noise;
mod peers;
mod places;
mod server;
mod speech;
mod start;
mod transcribe;
mod verify;
mod wheels;

use anyhow::Result;
use camino::Utf8Path;
use clap::Subcommand;

/// Measure this tool beside others that do the same
#[derive(Subcommand, Debug)]
pub enum Command {
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

/// Runs the subcommand.
pub fn run(command: &Command, manifests: &Utf8Path) -> Result<()> {
    match command {
        Command::Wheels(arguments) => wheels::run(arguments, manifests),
        Command::FillWheels(arguments) => wheels::fill(arguments, manifests),
        Command::Fetch(arguments) => fetch::run(arguments, manifests),
        Command::FetchList(arguments) => fetch::list(arguments),
        Command::Start(arguments) => start::run(arguments),
        Command::Speech(arguments) => speech::run(arguments),
        Command::Load(arguments) => load::run(arguments),
        Command::Transcribe(arguments) => transcribe::run(arguments),
        Command::Bundle(arguments) => bundle::run(arguments, manifests),
        Command::Verify(arguments) => verify::run(arguments),
    }
}
