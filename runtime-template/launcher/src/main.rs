//! `speaches`: starts the speech server of the runtime that it lies in.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use speaches_format::failure::Exit;
use speaches_launcher::commands::{
    completions, config, doctor, harbor, models, nvidia_driver, serve, status, stop, tune, verify, version,
};
use speaches_launcher::config::Flags;
use speaches_launcher::machine::nvidia;

/// The OpenAI-compatible speech server speaches, running natively
#[derive(Parser)]
#[command(name = "speaches", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server in the foreground until it is told to stop
    Serve(Flags),
    Status(status::Arguments),
    Stop(stop::Arguments),
    Config(config::Arguments),
    Models(models::Arguments),
    Doctor(doctor::Arguments),
    Tune(tune::Arguments),
    Verify(verify::Arguments),
    Version(version::Arguments),
    Harbor(harbor::Arguments),
    Completions(completions::Arguments),
    /// Asks the NVIDIA driver in this process, for another one that may not die of it
    #[command(name = nvidia::SUBCOMMAND, hide = true)]
    NvidiaDriver,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    let result = match &cli.command {
        Command::Serve(flags) => serve::run(flags),
        Command::Status(arguments) => status::run(arguments),
        Command::Stop(arguments) => stop::run(arguments),
        Command::Config(arguments) => config::run(arguments),
        Command::Models(arguments) => models::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Tune(arguments) => tune::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::Version(arguments) => version::run(arguments),
        Command::Harbor(arguments) => harbor::run(arguments),
        Command::Completions(arguments) => completions::run(arguments, Cli::command()),
        Command::NvidiaDriver => nvidia_driver::run(),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("error: {failure}");
            if let Some(hint) = failure.advice() {
                eprintln!("hint: {hint}");
            }
            failure.exit.into()
        }
    }
}
