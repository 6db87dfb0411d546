//! `speaches`: starts the speech server of the runtime that it lies in.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use speaches_launcher::config::Flags;
use speaches_launcher::failure::{Exit, Failure};
use speaches_launcher::serve;

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
    /// Say what this runtime contains
    Version,
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
        Command::Version => version(),
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

fn version() -> Result<Exit, Failure> {
    let head = serve::read_head(&serve::own_runtime()?)?;
    let sample = if head.sample { " SAMPLE" } else { "" };
    println!(
        "speaches{sample} {} for {} ({}), Python {}, launcher {}",
        head.version,
        head.target,
        head.accelerator,
        head.python.version,
        env!("CARGO_PKG_VERSION")
    );
    Ok(Exit::Success)
}
